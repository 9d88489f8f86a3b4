//! A session in a snapshot: what of it outlives the process.

mod ledger;

use alloc::vec::Vec;

use bytes::Bytes;

use super::machine::Session;
use crate::config::SessionConfig;
use crate::durable::Registered;
use crate::durable::fields::{
    Malformed, Read, put, put_bytes, put_duration, put_frame, put_option, put_parameters, put_secret, take, take_byte,
    take_bytes, take_duration, take_flag, take_frame, take_option, take_parameters, take_secret,
};
use crate::durable::op::Established;
use crate::time::{Duration, Instant};
use crate::wire::frame::{Close, Frame, Parameters};

/// What a snapshot begins with: whose it is, and what its peer was told.
pub(super) struct Preamble {
    pub(super) side: u8,
    /// What the peer was told of this end's limits, which hold as long as the session does.
    told: Parameters,
}

impl Preamble {
    pub(super) fn read(rest: &mut Bytes) -> Read<Preamble> {
        Ok(Preamble {
            side: take_byte(rest)?,
            told: take_parameters(rest)?,
        })
    }

    /// The configuration, as far as the peer was not told otherwise.
    pub(super) fn config(&self, config: &SessionConfig) -> SessionConfig {
        let told = &self.told;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        SessionConfig {
            stream_window: told.stream_window,
            max_stream_window: config.max_stream_window.max(told.stream_window),
            session_window: told.session_window,
            max_session_window: config.max_session_window.max(told.session_window),
            max_streams: told.max_streams,
            inbox_limit: size(told.inbox_limit),
            packet_limit: size(told.packet_limit),
            keepalive_interval: Duration::from_millis(told.keepalive_interval),
            ..config.clone()
        }
    }
}

impl Session {
    pub(super) fn save(&self, now: Instant, buf: &mut Vec<u8>) {
        buf.push(Session::side_byte(self.side));
        put_parameters(buf, &self.config.parameters());
        put(buf, self.counters.stats.attaches);
        self.save_identity(now, buf);
        self.save_closing(buf);
        put_option(buf, self.absence.limited_to(), put_duration);
        let journal = self.ledger.journal.as_ref();
        let registered = journal.and_then(|journal| journal.registered.as_ref());
        put_option(buf, registered, |buf, registered| registered.save(buf));
        self.ledger.save(buf);
    }

    /// Reads what is behind the preamble into a fresh session, and as what the registry knew it.
    pub(super) fn load(&mut self, now: Instant, rest: &mut Bytes) -> Read<Option<Registered>> {
        self.counters.stats.attaches = take(rest)?;
        self.load_identity(now, rest)?;
        self.load_closing(now, rest)?;
        if let Some(lifetime) = take_option(rest, take_duration)? {
            self.absence.limit(lifetime);
        }
        let registered = take_option(rest, Registered::load)?;
        self.ledger.load(rest)?;
        rest.is_empty().then_some(registered).ok_or(Malformed)
    }

    fn save_identity(&self, now: Instant, buf: &mut Vec<u8>) {
        let known = self.identity.ticket.as_ref().zip(self.identity.peer.as_ref());
        put_option(buf, known, |buf, (ticket, peer)| {
            let established = Established {
                id: ticket.id,
                secret: ticket.secret.clone(),
                incarnation: ticket.incarnation,
                peer_key: peer.key,
                parameters: peer.parameters.clone(),
                age: ticket.age(now),
            };
            established.write(buf);
            put_option(buf, ticket.candidate.as_ref(), put_secret);
            put(buf, ticket.counter);
        });
    }

    fn load_identity(&mut self, now: Instant, rest: &mut Bytes) -> Read<()> {
        if !take_flag(rest)? {
            return Ok(());
        }
        let established = Established::read(rest)?;
        self.ledger.streams.set_peer(&established.parameters);
        self.begin_identity(now, established);
        let candidate = take_option(rest, take_secret)?;
        let counter = take(rest)?;
        if let Some(ticket) = &mut self.identity.ticket {
            ticket.candidate = candidate;
            ticket.counter = counter;
        }
        Ok(())
    }

    fn save_closing(&self, buf: &mut Vec<u8>) {
        let words = self.closing.last_words();
        put_option(buf, words, |buf, (code, reason)| {
            put(buf, code);
            put_bytes(buf, &reason);
            put_option(buf, self.closing.committed(), put);
        });
        put_option(buf, self.closing.peers(), |buf, close| {
            put_frame(buf, &Frame::Close(close.clone()));
        });
    }

    fn load_closing(&mut self, now: Instant, rest: &mut Bytes) -> Read<()> {
        let linger = self.config.linger;
        if take_flag(rest)? {
            let (code, reason) = (take(rest)?, take_bytes(rest)?);
            self.closing.begin(now, code, Bytes::copy_from_slice(&reason), linger);
            if let Some(position) = take_option(rest, take)? {
                self.closing.on_committed(position);
            }
        }
        if let Some(close) = take_option(rest, take_close)? {
            self.closing.restore_peers(now, close, linger);
        }
        Ok(())
    }
}

fn take_close(rest: &mut Bytes) -> Read<Close> {
    match take_frame(rest)? {
        Frame::Close(close) => Ok(close),
        _ => Err(Malformed),
    }
}
