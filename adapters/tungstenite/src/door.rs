//! A connection that no session has yet: its first packet, and its handshake.

use std::io;

use bytes::BytesMut;
use unbroken_proto::Instant;
use unbroken_proto::SessionId;
use unbroken_proto::server::{ConnectionId, Incoming, Rejection, Request, Route};

use crate::connection::Connection;
use crate::failure::is_blocked;

/// One connection before its session.
pub(crate) struct Door<C> {
    pub(crate) id: ConnectionId,
    pub(crate) connection: C,
    /// Its handshake, once it has begun.
    incoming: Option<Incoming>,
}

/// How far it has come.
pub(crate) enum Visitor {
    /// The socket will tell.
    Waiting,
    /// It is proven: decide.
    Proven(Box<Request>, Incoming),
    /// It resumes a session.
    Known(SessionId, Incoming),
    /// It gets none.
    Rejected(Rejection),
}

impl<C: Connection> Door<C> {
    pub(crate) fn new(id: ConnectionId, connection: C) -> Door<C> {
        Door {
            id,
            connection,
            incoming: None,
        }
    }

    /// Goes on as far as the socket lets it. `first` asks the registry about the first packet.
    ///
    /// # Errors
    /// The connection is of no use.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        first: impl FnOnce(ConnectionId, BytesMut) -> Route,
    ) -> io::Result<Visitor> {
        let visitor = self.advance(now, first);
        match visitor {
            Err(error) if is_blocked(&error) => Ok(Visitor::Waiting),
            visitor => visitor,
        }
    }

    fn advance(&mut self, now: Instant, first: impl FnOnce(ConnectionId, BytesMut) -> Route) -> io::Result<Visitor> {
        if self.incoming.is_none() {
            match first(self.id, self.next()?) {
                Route::Handshake(incoming) => self.incoming = Some(incoming),
                Route::Resume { session, incoming } => return Ok(Visitor::Known(session, incoming)),
                Route::Reject(rejection) => return Ok(Visitor::Rejected(rejection)),
            }
        }
        let mut packet = Vec::new();
        while let Some(incoming) = &mut self.incoming
            && incoming.poll_transmit(&mut packet)
        {
            self.connection.send(std::mem::take(&mut packet))?;
        }
        self.connection.flush()?;
        let packet = self.next()?;
        let mut incoming = self.incoming.take().ok_or(io::ErrorKind::InvalidData)?;
        let heard = incoming.handle_input(now, packet);
        heard.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let request = incoming.request().cloned().ok_or(io::ErrorKind::InvalidData)?;
        Ok(Visitor::Proven(Box::new(request), incoming))
    }

    fn next(&mut self) -> io::Result<BytesMut> {
        self.connection.open()?;
        self.connection
            .read()?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
