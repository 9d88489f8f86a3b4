//! Streams under what other people wrote for streams.

use std::io::IoSlice;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};
use unbroken_tokio::Stream;
use unbroken_tokio::proto::stream::StreamOptions;

use crate::common::{Carrier, client_config, connect, cutting_relay, pattern, server, soon};

/// Two ends of a stream whose line is cut again and again.
async fn stream_under_cuts(seed: u64) -> (Stream, Stream, Box<dyn std::any::Any + Send>) {
    let (mut server, address) = server(Carrier::Ws).await;
    let (relay, _) = cutting_relay(address, 20, 60_000, seed).await;
    let local = connect(Carrier::Ws, relay, client_config());
    let mut stream = local.open(StreamOptions::default()).await.unwrap();
    stream.sender().send(Bytes::from("here")).await.unwrap();
    let remote = soon("a session", server.accept()).await.session;
    let mut accepted = soon("a stream", remote.accept()).await.unwrap();
    accepted.read_exact(&mut [0; 4]).await.unwrap();
    (stream, accepted, Box::new((server, local, remote)))
}

/// A TCP connection tunnelled: half-closes go through, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn copy_bidirectional_tunnels_a_tcp_connection() {
    let (mut local, mut remote, _held) = stream_under_cuts(1).await;
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = echo.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = echo.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let outlet = tokio::spawn(async move {
        let mut target = TcpStream::connect(target).await.unwrap();
        copy_bidirectional(&mut remote, &mut target).await.unwrap()
    });
    let inlet = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inlet.local_addr().unwrap();
    let tunnel = tokio::spawn(async move {
        let (mut socket, _) = inlet.accept().await.unwrap();
        copy_bidirectional(&mut socket, &mut local).await.unwrap()
    });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = socket.split();
    let sent = pattern(1, 500_000);
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = soon("the echo", async {
        tokio::join!(writing, read.read_to_end(&mut received))
    })
    .await;
    assert!(read.unwrap() == sent.len() && received == sent);
    let length = sent.len() as u64;
    assert_eq!(soon("the inlet's end", tunnel).await.unwrap(), (length, length));
    assert_eq!(soon("the outlet's end", outlet).await.unwrap(), (length, length));
}

#[tokio::test(flavor = "multi_thread")]
async fn codecs_frame_it() {
    let (local, remote, _held) = stream_under_cuts(2).await;
    let mut local = Framed::new(local, LengthDelimitedCodec::new());
    let remote = Framed::new(remote, LengthDelimitedCodec::new());
    tokio::spawn(async move {
        let (sink, stream) = remote.split();
        let frames = stream.map(|frame| frame.map(bytes::BytesMut::freeze));
        frames.forward(sink).await
    });
    for number in 0..100 {
        let frame = Bytes::from(pattern(number, 1 + number as usize * 97));
        soon("room", local.send(frame.clone())).await.unwrap();
        assert_eq!(soon("a frame", local.next()).await.unwrap().unwrap(), frame);
    }
    let (local, remote, _held) = stream_under_cuts(7).await;
    let (mut local, mut remote) = (
        Framed::new(local, LinesCodec::new()),
        Framed::new(remote, LinesCodec::new()),
    );
    local.send("one\ntwo").await.unwrap();
    assert_eq!(soon("a line", remote.next()).await.unwrap().unwrap(), "one");
    assert_eq!(soon("a line", remote.next()).await.unwrap().unwrap(), "two");
}

/// HTTP over one stream, with hyper at both ends.
#[tokio::test(flavor = "multi_thread")]
async fn hyper_speaks_http_over_one_stream() {
    let (local, remote, _held) = stream_under_cuts(3).await;
    tokio::spawn(async move {
        let service = service_fn(|request: Request<hyper::body::Incoming>| async {
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::new(Full::new(body)))
        });
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(remote), service)
            .await
    });
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(local))
        .await
        .unwrap();
    tokio::spawn(connection);
    for number in 0..10 {
        let body = Bytes::from(pattern(number, 40_000));
        let request = Request::post("/")
            .header("host", "here")
            .body(Full::new(body.clone()))
            .unwrap();
        soon("the connection", client.ready()).await.unwrap();
        let response = soon("a response", client.send_request(request)).await.unwrap();
        let echoed = soon("its body", response.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert!(echoed == body, "request {number}");
    }
}

/// TLS inside a stream: end to end, whoever the session is with.
#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread")]
async fn tls_inside_a_stream() {
    use unbroken_tokio::Compat;
    use unbroken_tokio::carriers::rustls::pki_types::PrivateKeyDer;
    use unbroken_tokio::carriers::{Tls, TlsServer};
    use unbroken_tokio::driver::ByteStream;
    let made = rcgen::generate_simple_self_signed(vec!["inside".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = TlsServer::new(vec![made.cert.der().clone()], key).unwrap();
    let client = Tls::trusting([made.cert.der().clone()]).unwrap();
    let (local, remote, _held) = stream_under_cuts(4).await;
    let accepting = tokio::spawn(async move { server.accept(Compat(remote)).await });
    let mut local = soon("a handshake", client.connect(Compat(local), "inside"))
        .await
        .unwrap();
    let mut remote = soon("a handshake", accepting).await.unwrap().unwrap();
    let sent = pattern(5, 200_000);
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        let mut left = &sent[..];
        while !left.is_empty() {
            let part = [IoSlice::new(left)];
            let wrote = std::future::poll_fn(|cx| local.poll_write(cx, &part)).await.unwrap();
            left = &left[wrote..];
        }
        std::future::poll_fn(|cx| local.poll_close(cx)).await.unwrap();
        local
    });
    let mut received = bytes::BytesMut::new();
    loop {
        received.reserve(4_096);
        let read = std::future::poll_fn(|cx| remote.poll_read(cx, &mut received));
        if soon("bytes", read).await.unwrap() == 0 {
            break;
        }
    }
    assert!(received == expected[..]);
    drop(writing.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_as_sink_and_stream() {
    let (local, remote, _held) = stream_under_cuts(6).await;
    let echoing = tokio::spawn(async move {
        let (sink, stream) = remote.split();
        stream.map(Result::unwrap).map(Ok).forward(sink).await
    });
    let messages: Vec<Bytes> = (0..200).map(|number| pattern(number, 3_000).into()).collect();
    let (mut sink, mut stream) = local.split();
    let mut sending = futures_util::stream::iter(messages.clone().into_iter().map(Ok));
    let sending = async {
        sink.send_all(&mut sending).await.unwrap();
        sink.close().await.unwrap();
    };
    let receiving = (&mut stream).map(Result::unwrap).collect::<Vec<Bytes>>();
    let ((), received) = soon("all of them", async { tokio::join!(sending, receiving) }).await;
    assert!(received == messages);
    assert!(stream.next().await.is_none(), "the end stays");
    let refused = SinkExt::send(&mut sink, Bytes::from("late")).await.unwrap_err();
    assert_eq!(refused.payload, "late");
    soon("the echo's end", echoing).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn vectored_writes_take_every_part() {
    let (local, mut remote, _held) = stream_under_cuts(8).await;
    let (mut send, _recv) = local.split();
    assert!(AsyncWrite::is_write_vectored(&send));
    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"write")];
    assert_eq!(send.write_vectored(&parts).await.unwrap(), 9);
    send.shutdown().await.unwrap();
    let mut received = String::new();
    soon("all of it", remote.read_to_string(&mut received)).await.unwrap();
    assert_eq!(received, "one write");
}
