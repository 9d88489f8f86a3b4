//! What is accepted here says itself, in SOCKS5, what it is to be connected to there.

use std::io::Cursor;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use unbroken_tokio::{RecvError, Session, Stream};

use super::socks::{self, Reply};
use crate::listener::Listener;
use crate::pump::{Over, Untaken, pump};
use crate::socket::Socket;
use crate::target::{CONNECTED, Purpose, Reason, Target};

/// How long a client may take to say what it wants, and to take it that it does not get it.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Read at once of what comes after a refusal.
const REST: usize = 4_096;

/// Accepts for as long as the session lives.
pub(crate) async fn accept(listener: Listener, session: Session) {
    while session.ended().is_none() {
        let socket = listener.next().await;
        let session = session.clone();
        tokio::spawn(async move {
            match socket {
                Socket::Tcp(socket) => {
                    let (read, write) = socket.into_split();
                    carry(read, write, &session).await;
                }
                Socket::Unix(socket) => {
                    let (read, write) = socket.into_split();
                    carry(read, write, &session).await;
                }
            }
        });
    }
}

/// Serves one client, whatever comes of it.
async fn carry(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin, session: &Session) {
    // What follows the request is for the target.
    let mut came = BytesMut::with_capacity(512);
    let asked = timeout(HANDSHAKE, ask(&mut read, &mut write, &mut came)).await;
    let target = match asked.unwrap_or_else(|_| Err(Vec::new())) {
        Ok(target) => target,
        Err(answer) => return refuse(read, write, &answer).await,
    };
    let stream = match connect(session, &target).await {
        Ok(stream) => stream,
        Err(reason) => {
            match reason {
                Some(reason) => eprintln!("unbroken: {target}: {reason}"),
                None => eprintln!("unbroken: {target}: the server did not connect it"),
            }
            return refuse(read, write, &Reply::of_reason(reason).bytes()).await;
        }
    };
    if write.write_all(&Reply::Succeeded.bytes()).await.is_err() {
        return;
    }
    match pump(stream, Cursor::new(came).chain(read), write, Untaken::EndsThatWay).await {
        Over::Reset(Some(reason)) => eprintln!("unbroken: {target}: {reason}"),
        Over::Local(error) => eprintln!("unbroken: {target}: the connection here broke: {error}"),
        Over::Whole | Over::Reset(None) | Over::SessionEnded => {}
    }
}

/// What the client wants to be connected to.
///
/// # Errors
/// It gets nothing, and this answer, which is empty if it does not speak SOCKS5 or left.
async fn ask(
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    came: &mut BytesMut,
) -> Result<Target, Vec<u8>> {
    let without = whole(read, came, |bytes| socks::greeting(bytes).map_err(|()| Vec::new())).await?;
    if !without {
        return Err(socks::NO_METHOD.into());
    }
    write.write_all(&socks::WELCOME).await.map_err(|_| Vec::new())?;
    whole(read, came, |bytes| {
        socks::request(bytes).map_err(|reply| reply.bytes().into())
    })
    .await
}

/// Reads until `parse` has one message, and takes that out of what came.
async fn whole<T>(
    read: &mut (impl AsyncRead + Unpin),
    came: &mut BytesMut,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, Vec<u8>>,
) -> Result<T, Vec<u8>> {
    loop {
        if let Some((message, length)) = parse(came)? {
            drop(came.split_to(length));
            return Ok(message);
        }
        if !matches!(read.read_buf(came).await, Ok(1..)) {
            return Err(Vec::new());
        }
    }
}

/// A stream to the target, once the server has connected it.
///
/// # Errors
/// It has not, and says why if it did.
async fn connect(session: &Session, target: &Target) -> Result<Stream, Option<Reason>> {
    let opened = session.open(Purpose::Confirmed(target.clone()).options()).await;
    let mut stream = opened.map_err(|_| None)?;
    match stream.receiver().recv().await {
        Ok(Some(said)) if said == CONNECTED => Ok(stream),
        Err(RecvError::Reset(code)) => Err(Reason::of_code(code)),
        Ok(_) | Err(_) => Err(None),
    }
}

/// Answers, and reads what the client had sent already: an answer is lost if the socket is closed with something unread.
async fn refuse(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin, answer: &[u8]) {
    let answering = async {
        if write.write_all(answer).await.is_err() || write.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; REST];
        while matches!(read.read(&mut rest).await, Ok(1..)) {}
    };
    let _long_enough = timeout(HANDSHAKE, answering).await;
}
