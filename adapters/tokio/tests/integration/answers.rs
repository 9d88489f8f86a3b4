//! What comes before a dial, answered by closures; and what dials that failed mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use unbroken_tokio::carriers::Address;
use unbroken_tokio::driver::{Connected, Connecting, Framed, PendingAnswer};
use unbroken_tokio::proto::event::{EndReason, Event};
use unbroken_tokio::proto::reconnect::{Backoff, Continuity, Outcome, OutputHistory, ShellState, Strategies, Strategy};
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::server::Refusal;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{Cause, ClientConfig, ReconnectIntent, ServerConfig};
use unbroken_tokio::{ConnectError, Connector, Reconnector, Server, Session, connector, dial};

use crate::common::{self, client_config, secret, server, soon, spawn_echo, until};

fn attached(event: &Event) -> bool {
    matches!(event, Event::Attached { .. })
}

/// A server that wants the credential "fresh".
async fn strict_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("because ports are free");
    let address = listener.local_addr().expect("because it is bound").to_string();
    let server = Server::with_authorise(ServerConfig::new(ServerAuth::secrets(vec![secret()])), |request| {
        let fresh = request.credential == b"fresh"[..];
        std::future::ready(if fresh {
            Ok(())
        } else {
            Err(Refusal::RefreshCredentials)
        })
    })
    .expect("because the configuration is sound");
    server.listen_tcp(listener);
    spawn_echo(server);
    address
}

fn with_credential(credential: &'static [u8]) -> ClientConfig {
    client_config().with_credential(Bytes::from_static(credential))
}

fn dial_address(address: &str) -> Address {
    Address::parse(address).expect("because it is an address")
}

fn dialler_to(address: &str) -> impl Connector + use<> {
    connector(dial_address(address))
}

#[tokio::test]
async fn a_closure_fetches_credentials() {
    let address = strict_server().await;
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let reconnector = Reconnector::new(dialler_to(&address)).credentials(move |intent| {
        let counter = Arc::clone(&counter);
        async move {
            assert!(intent.refresh_credential);
            counter.fetch_add(1, Ordering::Relaxed);
            Some(Bytes::from_static(b"fresh"))
        }
    });
    let session = unbroken_tokio::connect_with(with_credential(b"stale"), reconnector).expect("because it is sound");
    soon("the session", session.established())
        .await
        .expect("because the credential is fresh");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let failed = session
        .history()
        .iter()
        .filter(|attempt| attempt.outcome == Outcome::Failed(Cause::Authentication))
        .count();
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn a_final_no_ends_the_session_from_a_closure_and_from_an_event_loop() {
    let address = strict_server().await;
    let reconnector = Reconnector::new(dialler_to(&address)).credentials(|_intent| async { None });
    let session = unbroken_tokio::connect_with(with_credential(b"stale"), reconnector).expect("because it is sound");
    assert_eq!(soon("the end", session.closed()).await.reason, EndReason::Unauthorized);
    let session = unbroken_tokio::connect_tcp(address, with_credential(b"stale")).expect("because it is sound");
    let mut events = session.events();
    until(&mut events, |event| *event == Event::CredentialNeeded).await;
    session.refresh_credential(None);
    assert_eq!(soon("the end", session.closed()).await.reason, EndReason::Unauthorized);
}

/// What a shell's host would keep.
fn shell() -> ShellState {
    let mut shell = ShellState::new(10)
        .with_working_directory("/srv".into())
        .with_last_command("make".into());
    shell.output.push(b"cc main.c\nld main.o\n");
    shell
}

#[tokio::test]
async fn closures_restore_restart_and_recover_with_the_preserved_state() {
    let (server, address) = server(common::Carrier::Tcp).await;
    spawn_echo(server);
    let steps: Arc<[AtomicU64; 3]> = Arc::default();
    let counters = [(); 3].map(|()| Arc::clone(&steps));
    let [restored, restarted, recovered] = counters;
    let reconnector = Reconnector::new(dialler_to(&address.to_string()))
        .restore(move |_intent| {
            // The storage fails once.
            let before = restored[0].fetch_add(1, Ordering::Relaxed);
            async move { if before == 0 { Err(Cause::Network) } else { Ok(()) } }
        })
        .restart(move |intent| {
            restarted[1].fetch_add(1, Ordering::Relaxed);
            async move {
                assert_eq!(ShellState::decode(intent.preserved), Ok(shell()));
                Ok(Continuity::Kept)
            }
        })
        .recover(move |intent| {
            recovered[2].fetch_add(1, Ordering::Relaxed);
            async move {
                let mut output = OutputHistory::new(10);
                output.push(b"ld main.o\n");
                let shell = ShellState::decode(intent.preserved).map_err(|_| Cause::StateDamaged)?;
                assert_eq!((shell.output.bytes(), shell.output.forgotten()), (output.bytes(), 10));
                Ok(())
            }
        });
    let session = unbroken_tokio::connect_with(client_config(), reconnector).expect("because it is sound");
    let mut events = session.events();
    session.preserve(shell().encode()).expect("because it is short");
    assert_eq!(session.preserved(), shell().encode());
    until(&mut events, attached).await;
    session.report_failure(Cause::StateDamaged);
    until(&mut events, attached).await;
    session.report_failure(Cause::ProcessEnded);
    until(&mut events, attached).await;
    // The connection lives on; the answer is the success.
    session.report_failure(Cause::ApplicationLost);
    let recovered = until(
        &mut events,
        |event| matches!(event, Event::Reconnect(attempt) if attempt.strategy == Strategy::Recover && attempt.outcome != Outcome::Pending),
    )
    .await;
    assert!(matches!(recovered, Event::Reconnect(attempt) if attempt.outcome == Outcome::Succeeded));
    let done: Vec<u64> = steps.iter().map(|step| step.load(Ordering::Relaxed)).collect();
    assert_eq!(done, [2, 1, 1]);
    assert_eq!(session.reconnect_stats().restarts, 1);
}

#[tokio::test]
async fn a_fresh_session_follows_with_what_the_old_one_leaves() {
    let (server, address) = server(common::Carrier::Tcp).await;
    spawn_echo(server);
    let mut config = client_config();
    config.strategies = Strategies::default().with(Cause::ApplicationLost, Strategy::Fresh);
    let old = unbroken_tokio::connect_tcp(address.to_string(), config.clone()).expect("because it is sound");
    old.preserve(Bytes::from_static(b"cwd")).expect("because it is short");
    soon("the session", old.established())
        .await
        .expect("because a server is there");
    assert!(old.hand_over(config.clone()).handover.is_none(), "it lives");
    old.report_failure(Cause::ApplicationLost);
    let connector = dialler_to(&address.to_string());
    let new = soon("the heir", unbroken_tokio::connect_after(&old, config, connector))
        .await
        .expect("because it is sound");
    let cause = Cause::ApplicationLost;
    assert_eq!(
        old.ended().map(|ended| ended.reason.clone()),
        Some(EndReason::Fresh { cause })
    );
    soon("the session", new.established())
        .await
        .expect("because a server is there");
    assert_eq!(new.preserved(), &b"cwd"[..]);
    let last = new.history().pop().expect("because history went over");
    assert_eq!(
        (last.number, last.outcome, last.cause),
        (2, Outcome::Succeeded, Some(cause))
    );
}

/// Answers every connection with `response`, once its request was read.
async fn http_server(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("because ports are free");
    let address = listener.local_addr().expect("because it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(read @ 1..) = stream.read(&mut buffer).await else {
                        return;
                    };
                    request.extend_from_slice(&buffer[..read]);
                }
                let expected = request.windows(19).any(|part| part == b"x-token: tell-me-so");
                let response = if expected {
                    "HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n"
                } else {
                    response
                };
                let _gone = stream.write_all(response.as_bytes()).await;
            });
        }
    });
    format!("ws://{address}/")
}

#[tokio::test]
async fn an_http_status_is_a_cause() {
    for (status, cause, words) in [
        ("401 Unauthorized", Cause::Denied, "denied"),
        ("403 Forbidden", Cause::Denied, "denied"),
        (
            "429 Too Many Requests\r\nretry-after: 7",
            Cause::ServerAsked,
            "not before 7s",
        ),
        (
            "503 Unavailable\r\nretry-after: 120",
            Cause::ServerAsked,
            "not before 120s",
        ),
        ("503 Unavailable", Cause::ServerAsked, "server asked"),
        ("504 Gateway Timeout", Cause::Timeout, "timeout"),
        ("500 Internal Server Error", Cause::Refused, "refused"),
        ("404 Not Found", Cause::NoService, "no service"),
        ("426 Upgrade Required", Cause::NoService, "no service"),
    ] {
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let url = http_server(String::leak(response)).await;
        let address = dial_address(&url);
        let Err(error) = soon("an answer", dial(&address)).await else {
            panic!("{status} is no connection")
        };
        assert_eq!(error.cause(), cause, "{status}");
        let told = error.to_string();
        let (code, _) = status.split_once(' ').expect("because it has a reason");
        assert!(told.starts_with(words) && told.contains(code), "{told}");
        let address = address.header("X-Token", "tell-me-so").expect("because it is fine");
        let Err(error) = soon("an answer", dial(&address)).await else {
            panic!("418 is no connection")
        };
        assert_eq!(error.cause(), Cause::Refused, "the header was sent");
    }
}

#[tokio::test]
async fn nobody_there_is_refused_and_no_such_name_is_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("because ports are free");
    let address = listener.local_addr().expect("because it is bound");
    drop(listener);
    let refused = soon("an answer", dial(&dial_address(&address.to_string())))
        .await
        .expect_err("because nobody is there");
    assert_eq!(refused.cause(), Cause::Refused);
    let nameless = soon("an answer", dial(&dial_address("no-such-name.invalid:1"))).await;
    let nameless = nameless.expect_err("because the name does not exist");
    assert_eq!(nameless.cause(), Cause::Network);
}

#[tokio::test]
async fn an_http_401_asks_for_a_credential_and_is_dialled_on_meanwhile() {
    let url = http_server("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    let dials = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dials);
    let asked = Arc::new(AtomicU64::new(0));
    let (asks, (answer, answered)) = (Arc::clone(&asked), tokio::sync::oneshot::channel::<()>());
    let mut answered = Some(answered);
    let reconnector = Reconnector::new(move |_intent| {
        counter.fetch_add(1, Ordering::Relaxed);
        let address = dial_address(&url);
        async move { dial(&address).await }
    })
    .credentials(move |intent| {
        assert!(intent.refresh_credential);
        asks.fetch_add(1, Ordering::Relaxed);
        let answered = answered.take();
        async move {
            match answered {
                // Somebody is asked, who takes a while.
                Some(answered) => answered.await.ok().map(|()| Bytes::from_static(b"new")),
                None => None,
            }
        }
    });
    let session = unbroken_tokio::connect_with(client_config(), reconnector).expect("because it is sound");
    while dials.load(Ordering::Relaxed) < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "attempts come and go, and the question stands"
    );
    answer.send(()).expect("because it is waited for");
    // Denied again, and there is no other: a session that never was is over.
    let ended = soon("the end", session.closed()).await;
    assert_eq!(ended.reason, EndReason::Unauthorized);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// Denies every dial, and leaves fresh credentials to the application.
struct Denied {
    dials: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
}

impl Connector for Denied {
    fn dial(&mut self, _: ReconnectIntent) -> Connecting {
        self.dials.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(ConnectError::new(Cause::Denied)) })
    }

    fn prepare(&mut self, _: &ReconnectIntent) -> Option<PendingAnswer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_is_asked_for_a_welcome_credential_once_beside_each_attempt() {
    let (dials, asked) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let (d, a) = (Arc::clone(&dials), Arc::clone(&asked));
    let session = unbroken_tokio::connect_with(client_config(), Denied { dials: d, asked: a });
    let session = session.expect("because it is sound");
    while dials.load(Ordering::Relaxed) < 4 {
        // Each call has the driver look again.
        session
            .set_backoff(client_config().backoff)
            .expect("because it is sound");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let (dials, asked) = (dials.load(Ordering::Relaxed), asked.load(Ordering::Relaxed));
    assert!(
        (dials - 1..=dials).contains(&asked),
        "asked {asked} times beside {dials} dials"
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_pause_took_back_is_asked_again() {
    let asked = Arc::<AtomicU64>::default();
    let asks = Arc::clone(&asked);
    let reconnector = Reconnector::new(|_intent| async { Err(ConnectError::new(Cause::Denied)) });
    let reconnector = reconnector.credentials(move |_intent| {
        asks.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    let config = client_config().with_backoff(Backoff::endless_doubling());
    let session = unbroken_tokio::connect_with(config, reconnector).expect("because it is sound");
    let soon = || tokio::time::sleep(std::time::Duration::from_millis(1));
    soon().await;
    let waits = session.wanted_connection().expect("because it dials on").attempt;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    session.pause_reconnecting();
    soon().await;
    session.resume_reconnecting();
    soon().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(session.wanted_connection().expect("because it dials on").attempt, waits);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_does_not_answer_is_told_of() {
    let session = unbroken_tokio::connect_with(client_config(), |_intent| std::future::pending());
    let session = session.expect("because it is sound");
    let mut events = session.events();
    until(
        &mut events,
        |event| matches!(event, Event::Reconnect(attempt) if attempt.outcome == Outcome::Failed(Cause::Timeout)),
    )
    .await;
    tokio::task::yield_now().await;
    let error = session.connect_error().expect("because the first one is over");
    assert_eq!(error.to_string(), "timeout: the connector did not answer in time");
}

/// In a dial that hangs, and behind a connection that nobody answers on.
#[tokio::test(start_paused = true)]
async fn a_wish_reaches_an_attempt_that_hangs() {
    for connects in [false, true] {
        let dials = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dials);
        let far: Arc<std::sync::Mutex<Vec<tokio::io::DuplexStream>>> = Arc::default();
        let session = unbroken_tokio::connect_with(client_config(), move |_intent| {
            counter.fetch_add(1, Ordering::Relaxed);
            let far = Arc::clone(&far);
            async move {
                if !connects {
                    std::future::pending::<()>().await;
                }
                let (near, silent) = tokio::io::duplex(1 << 12);
                far.lock().expect("because nothing panicked").push(silent);
                Ok(Connected::ordered(Framed::new(unbroken_tokio::Compat(near))))
            }
        });
        let session = session.expect("because it is sound");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(dials.load(Ordering::Relaxed), 1);
        session.reconnect_now();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        assert_eq!(dials.load(Ordering::Relaxed), 2, "{connects}");
        session.reconnect_now();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        assert_eq!(dials.load(Ordering::Relaxed), 2, "it has only begun");
    }
}

#[tokio::test]
async fn a_session_goes_where_its_server_sends_it() {
    let (mut server, first) = server(common::Carrier::Tcp).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("because ports are free");
    let second = listener.local_addr().expect("because it is bound");
    server.listen_tcp(listener);
    let session = unbroken_tokio::connect_tcp(first.to_string(), client_config()).expect("because it is sound");
    let mut events = session.events();
    let accepted = soon("the session", server.accept()).await;
    until(&mut events, attached).await;
    accepted
        .session
        .migrate(std::time::Duration::from_secs(5), Bytes::from(second.to_string()));
    let seen = until(&mut events, |event| matches!(event, Event::GoAway { .. })).await;
    assert!(matches!(seen, Event::GoAway { alternate, .. } if alternate == second.to_string()));
    until(&mut events, attached).await;
    assert_eq!(session.history().len(), 2);
}

/// What an application that only sends and closes expects: that it was sent.
#[tokio::test]
async fn a_close_waits_for_the_first_connection() {
    let (mut server, address) = server(common::Carrier::Tcp).await;
    let dials = AtomicU64::new(0);
    let connector = move |_intent| {
        let early = dials.fetch_add(1, Ordering::Relaxed) < 3;
        async move {
            if early {
                return Err(ConnectError::new(Cause::Refused));
            }
            dial(&dial_address(&address.to_string())).await
        }
    };
    let session = unbroken_tokio::connect_with(client_config(), connector).expect("because it is sound");
    let (mut send, _recv) = session
        .open(StreamOptions::default())
        .await
        .expect("because a stream is free")
        .split();
    send.send(Bytes::from_static(b"only this"))
        .await
        .expect("because there is room");
    send.finish();
    let ended = soon("the end", session.close(0, Bytes::new()));
    let taken = async {
        let accepted: Session = soon("the session", server.accept()).await.session;
        let mut stream = soon("a stream", accepted.accept())
            .await
            .expect("because one was opened");
        soon("a message", stream.receiver().recv()).await
    };
    let (ended, taken) = tokio::join!(ended, taken);
    let ended = ended.expect("because the code fits");
    assert_eq!(
        taken.expect("because it was delivered").as_deref(),
        Some(&b"only this"[..])
    );
    assert!(matches!(ended.reason, EndReason::Closed { .. }) && ended.fates.all_delivered());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_suspected() {
    let (server, address) = server(common::Carrier::Tcp).await;
    spawn_echo(server);
    let other = SharedSecret::from_key(b"test", [1; 32]).expect("because the hint is short");
    let config = client_config().with_auth(Auth::secret(other));
    let session = common::connect(common::Carrier::Tcp, address, config);
    let mut events = session.events();
    until(
        &mut events,
        |event| matches!(event, Event::Reconnect(attempt) if matches!(attempt.outcome, Outcome::Failed(_))),
    )
    .await;
    let why = session
        .connect_error()
        .expect("because a dial came to nothing")
        .to_string();
    assert!(why.contains("secret"), "{why}");
}

#[tokio::test]
async fn an_address_of_the_other_kind_is_refused_at_once() {
    assert!(unbroken_tokio::connect_ws("127.0.0.1:1", client_config()).is_err());
    assert!(unbroken_tokio::connect_tcp("ws://127.0.0.1:1/", client_config()).is_err());
}
