use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;
use unbroken_tokio::proto::security::{Auth, ServerAuth};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Compat, Connected, Framed, Server, Session};

use super::*;

/// Two ends of a stream, and what keeps their sessions alive.
async fn streams() -> (Stream, Stream, [Session; 2]) {
    let mut server = Server::new(ServerConfig::new(ServerAuth::anonymous())).unwrap();
    let (local, remote) = duplex(8_192);
    server.serve(Connected::ordered(Framed::accepted(Compat(remote))));
    let mut local = Some(Connected::ordered(Framed::new(Compat(local))));
    let connector = move |_| std::future::ready(Ok(local.take().expect("one connection is enough")));
    let session = unbroken_tokio::connect_with(ClientConfig::new(Auth::anonymous()), connector).unwrap();
    let near = session.open(StreamOptions::default()).await.unwrap();
    let accepted = server.accept().await.session;
    let far = accepted.accept().await.unwrap();
    (near, far, [session, accepted])
}

/// Reads what there is, and then breaks as a socket does whose peer closed with something unread.
struct Breaking(Bytes);

impl AsyncRead for Breaking {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let fits = self.0.len().min(into.remaining());
        into.put_slice(&self.0.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

/// Somebody who reads no more.
fn gone() -> DuplexStream {
    duplex(64).0
}

#[tokio::test]
async fn what_was_read_before_an_error_arrives_whole() {
    let (near, far, _sessions) = streams().await;
    let sent = Bytes::from(vec![7; 20_000]);
    let over = pump(far, Breaking(sent.clone()), tokio::io::sink(), Untaken::EndsThatWay).await;
    assert!(matches!(over, Over::Local(error) if error.kind() == io::ErrorKind::ConnectionReset));
    let (mut arrived, mut recv) = (Vec::new(), near.split().1);
    recv.read_to_end(&mut arrived).await.unwrap();
    assert!(arrived == sent, "{} bytes", arrived.len());
}

#[tokio::test]
async fn who_takes_nothing_any_more_still_says_what_there_is_to_say() {
    let (near, far, _sessions) = streams().await;
    let (mut target, local) = duplex(1 << 16);
    let pumping = tokio::spawn(pump(far, local, gone(), Untaken::EndsThatWay));
    let (mut send, mut recv) = near.split();
    // Whatever is sent is refused at some time, and only that way.
    let refused = loop {
        if let Err(error) = send.write_bytes(Bytes::from_static(b"question")).await {
            break error.reason;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, SendRefusal::Stopped(0));
    target.write_all(b"answer").await.unwrap();
    target.shutdown().await.unwrap();
    let mut arrived = Vec::new();
    recv.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(arrived, b"answer");
    assert!(matches!(pumping.await.unwrap(), Over::Whole));
}

#[tokio::test]
async fn where_nobody_reads_our_output_all_is_over() {
    let (near, far, _sessions) = streams().await;
    let (_target, local) = duplex(64);
    let pumping = tokio::spawn(pump(far, local, gone(), Untaken::EndsAll));
    let (mut send, _recv) = near.split();
    send.write_bytes(Bytes::from_static(b"more")).await.unwrap();
    assert!(matches!(pumping.await.unwrap(), Over::Local(_)));
}

#[tokio::test]
async fn what_the_peer_does_not_take_is_read_to_its_end_and_the_answer_goes_on() {
    let (near, far, _sessions) = streams().await;
    let (mut target, local) = duplex(1 << 10);
    let (asked, mut questions) = duplex(1 << 10);
    let pumping = tokio::spawn(pump(far, local, asked, Untaken::EndsThatWay));
    let (mut send, mut recv) = near.split();
    recv.stop(Reason::Broken.code()).unwrap();
    let (drained, whole) = oneshot::channel();
    tokio::spawn(async move {
        // Far more than anything holds on the way.
        target.write_all(&vec![1; 8 << 20]).await.unwrap();
        drained.send(()).unwrap();
    });
    whole.await.unwrap();
    send.write_bytes(Bytes::from_static(b"still here")).await.unwrap();
    send.finish();
    let mut read = Vec::new();
    questions.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"still here");
    assert!(matches!(pumping.await.unwrap(), Over::Reset(Some(Reason::Broken))));
}
