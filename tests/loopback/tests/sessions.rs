//! Sessions over real sockets that are cut again and again.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use unbroken_ssm::api::StartSession;
use unbroken_ssm::ports;
use unbroken_ssm::proto::reconnect::{Cause, Strategy};
use unbroken_ssm::proto::ssm::ClientConfig;
use unbroken_ssm::proto::ssm::body::Size;
use unbroken_ssm::proto::ssm::event::{Chunk, EndReason};

use common::{Cutter, Place, cutting, echo, pattern, unlimited, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_keeps_its_bytes_over_cuts() {
    let place = Place::new().await;
    let target = echo().await;
    let session = place.connect(&port("AWS-StartSSHSession", target)).await;
    let cutter = Cutter::every(&place, Duration::from_millis(40));
    let bytes = pattern(6 << 20);
    let written = async {
        for piece in bytes.chunks(10_007) {
            session.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
    };
    let read = async {
        let mut read = Vec::new();
        while read.len() < bytes.len() {
            match session.read().await {
                Some(Chunk::Output(bytes)) => read.extend_from_slice(&bytes),
                other => panic!("{other:?} after {} bytes", read.len()),
            }
        }
        read
    };
    let ((), read) = within(async { tokio::join!(written, read) }).await;
    assert!(read == bytes, "the bytes are others");
    assert!(cutter.stop() > 4, "nothing was cut");
    assert!(session.reconnect_stats().all_disconnections() > 2);
    session.finish();
    let ended = within(session.closed()).await.unwrap();
    assert_eq!((&ended.reason, ended.undelivered), (&EndReason::Finished, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_share_a_session_over_cuts() {
    let place = Place::new().await;
    let session = place
        .connect(&port("AWS-StartPortForwardingSession", echo().await))
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn({
        let session = session.clone();
        async move { ports::listen(&session, &listener).await }
    });
    let cutter = Cutter::every(&place, Duration::from_millis(50));
    let connections = (0..12).map(|index| {
        tokio::spawn(async move {
            let bytes = pattern(200_000 + index);
            let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
            let mut read = vec![0; bytes.len()];
            let (written, all) = tokio::join!(writer.write_all(&bytes), reader.read_exact(&mut read));
            written.unwrap();
            all.unwrap();
            assert!(read == bytes, "connection {index}");
            // Closed here, it is closed there and here.
            writer.shutdown().await.unwrap();
            assert_eq!(reader.read(&mut [0; 1]).await.unwrap(), 0);
        })
    });
    within(futures(connections)).await;
    assert!(cutter.stop() > 2, "nothing was cut");
    assert!(session.established().await.unwrap().is_multiplexed);
    session.finish();
    let ended = within(listening).await.unwrap().unwrap();
    assert_eq!(ended.reason, EndReason::Finished);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_connection_that_ends() {
    let place = Place::new().await;
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let session = place.connect(&port("AWS-StartPortForwardingSession", nobody)).await;
    within(session.established()).await.unwrap();
    let streams = session.streams(Default::default());
    let mut stream = streams.open().unwrap();
    let read = within(stream.read(&mut [0; 10])).await;
    assert_eq!(read.unwrap(), 0);
    assert_eq!(streams.refused(), 1);
}

#[tokio::test]
async fn a_client_without_smux_has_one_connection_after_the_other() {
    let place = Place::new().await;
    let started = place.start(&port("AWS-StartPortForwardingSession", echo().await)).await;
    let old = |config: ClientConfig| config.with_client_version("1.0.0.0".into());
    let session = place.connect_to(&started, old);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn({
        let session = session.clone();
        async move { ports::listen(&session, &listener).await }
    });
    assert!(!within(session.established()).await.unwrap().is_multiplexed);
    for index in 0..3_usize {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let bytes = pattern(50_000 + index);
        let (mut reader, mut writer) = connection.split();
        let mut read = vec![0; bytes.len()];
        let copied = async { tokio::join!(writer.write_all(&bytes), reader.read_exact(&mut read)) };
        let (written, all) = within(copied).await;
        written.unwrap();
        all.unwrap();
        assert!(read == bytes, "connection {index}");
        place.loopback.cut();
    }
    session.finish();
    assert_eq!(within(listening).await.unwrap().unwrap().reason, EndReason::Finished);
}

#[cfg(unix)]
#[tokio::test]
async fn a_shell_takes_what_is_typed_while_there_is_no_connection() {
    let place = Place::new().await;
    let session = place.connect(&StartSession::new("i-1")).await;
    session.resize(Size { cols: 97, rows: 31 });
    within(session.established()).await.unwrap();
    place.loopback.cut();
    session
        .write(Bytes::from_static(b"stty size; echo al\"\"l; exit\r"))
        .await
        .unwrap();
    let mut shown = String::new();
    while let Some(chunk) = within(session.read()).await {
        if let Chunk::Output(bytes) = chunk {
            shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(shown.contains("31 97\r\n") && shown.contains("\nall\r\n"), "{shown:?}");
    let ended = within(session.closed()).await.unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { .. }), "{ended:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_says_how_it_ended() {
    let place = Place::new().await;
    let command = "echo out; echo err >&2; exit 7";
    let request = StartSession::new("i-1").document("AWS-StartNonInteractiveCommand");
    let session = place.connect(&request.parameter("command", command)).await;
    let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(chunk) = within(session.read()).await {
        match chunk {
            Chunk::Output(bytes) => out.extend_from_slice(&bytes),
            Chunk::StdErr(bytes) => err.extend_from_slice(&bytes),
            Chunk::ExitCode(status) => code = Some(status),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (out.as_slice(), err.as_slice(), code),
        (&b"out\n"[..], &b"err\n"[..], Some(7))
    );
}

#[tokio::test]
async fn what_the_service_ends_is_said() {
    let place = Place::new().await;
    let session = place.connect(&port("AWS-StartSSHSession", echo().await)).await;
    within(session.established()).await.unwrap();
    assert!(place.loopback.gateway().terminate(&session.session_id(), "enough"));
    let ended = within(session.closed()).await.unwrap();
    assert_eq!(
        ended.reason,
        EndReason::Closed {
            output: "enough".into()
        }
    );
    assert!(session.write(Bytes::from_static(b"late")).await.is_err());
    assert!(session.read().await.is_none());
}

#[tokio::test]
async fn a_session_that_the_service_forgot_is_gone() {
    let place = Place::new().await;
    let session = place
        .connect(&port("AWS-StartPortForwardingSession", echo().await))
        .await;
    within(session.established()).await.unwrap();
    // It ends where the client cannot hear of it.
    let id = session.session_id();
    let cut = cutting(&place, &id);
    sleep(Duration::from_millis(1)).await;
    place.loopback.gateway().terminate(&id, "");
    assert!(cut);
    let ended = within(session.closed()).await.unwrap();
    if ended.reason != (EndReason::Closed { output: String::new() }) {
        assert_eq!(ended.reason, EndReason::Gone);
        assert_eq!(ended.advice, Some(Strategy::Fresh), "others may come to the port");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_tried_again_and_told_of() {
    let place = Place::new().await;
    let mut started = place.start(&StartSession::new("i-1")).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    started.stream_url = format!("ws://{nobody}/v1/data-channel/x");
    let session = place.connect_to(&started, |config| config);
    let mut events = session.subscribe();
    while session.connect_error().is_none() {
        within(events.recv()).await.unwrap();
    }
    let error = session.connect_error().unwrap();
    assert_eq!(error.cause(), Cause::Refused, "{error}");
    // ResumeSession says where to go, and there it goes on.
    within(session.established()).await.unwrap();
}

#[tokio::test]
async fn the_last_handle_is_the_sessions_end() {
    let place = Place::new().await;
    let session = place
        .connect(&port("AWS-StartPortForwardingSession", echo().await))
        .await;
    within(session.established()).await.unwrap();
    let mut events = session.subscribe();
    let stream = session.streams(unlimited()).open().unwrap();
    drop(session);
    assert!(events.try_recv().is_err(), "a stream is a handle, too");
    drop(stream);
    loop {
        match within(events.recv()).await {
            Ok(unbroken_ssm::proto::ssm::Event::Ended(ended)) => return assert_eq!(ended.reason, EndReason::Aborted),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_target_that_is_away_is_refused() {
    let place = Place::new().await;
    let refused = place.api.start_session(&StartSession::new("i-offline")).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.starts_with("TargetNotConnected"), "{error}");
}

fn port(document: &str, port: u16) -> StartSession {
    StartSession::new("i-1")
        .document(document)
        .parameter("portNumber", port.to_string())
}

async fn futures(tasks: impl Iterator<Item = tokio::task::JoinHandle<()>>) {
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_came_before_the_end_is_written_though_somebody_still_sends() {
    let place = Place::new().await;
    // The far side says much, and closes without having read anything.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().port();
    let bytes = pattern(700_000);
    let said = bytes.clone();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(&said).await.unwrap();
        connection.shutdown().await.unwrap();
        // Whoever closes with something unread resets the connection.
        drop(tokio::io::copy(&mut connection, &mut tokio::io::sink()).await);
    });
    let session = place.connect(&port("AWS-StartSSHSession", target)).await;
    let (near, mut far) = tokio::io::duplex(1_000);
    let (reader, writer) = tokio::io::split(near);
    let pumped = tokio::spawn(async move { ports::pump(&session, reader, writer).await });
    let (mut from, mut to) = tokio::io::split(&mut far);
    let sending = async {
        loop {
            if to.write_all(&[7; 500]).await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let mut read = Vec::new();
    let reading = async {
        let mut piece = [0; 400];
        while read.len() < bytes.len() {
            match from.read(&mut piece).await.unwrap() {
                0 => break,
                length => read.extend_from_slice(&piece[..length]),
            }
        }
    };
    within(async {
        tokio::select! {
            () = sending => {}
            () = reading => {}
        }
    })
    .await;
    assert!(read == bytes, "{} bytes of {}", read.len(), bytes.len());
    within(pumped).await.unwrap().unwrap();
}
