//! One situation each, found by attack or by schedules. What is ignored is known to fail.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use unbroken_carriers::{Acceptor, Address, connect};
use unbroken_driver::{Events, Runtime, Session};
use unbroken_hosted::hostile::Endless;
use unbroken_hosted::kernel::{ProcessId, Stop};
use unbroken_hosted::options::Options;
use unbroken_hosted::world::{World, secret};
use unbroken_hosted::{SimRuntime, kernel};
use unbroken_proto::ClientConfig;
use unbroken_proto::event::EndReason;
use unbroken_proto::reconnect::{Backoff, Jitter};
use unbroken_proto::security::Auth;
use unbroken_proto::stream::StreamOptions;
use unbroken_tests::rng::Rng;

const SECOND: u64 = 1_000_000_000;

fn world(options: Options) -> World {
    World::new(options, Rng::new(7)).expect("because the options are the defaults")
}

/// Runs for so many seconds; whatever breaks a promise fails the test.
fn run(world: &World, seconds: u64) {
    let until = world.kernel.now() + seconds * SECOND;
    let stop = world.kernel.run(until, || false);
    assert_eq!(stop, Stop::Time);
}

/// A client without an application, of a process of its own.
fn client(world: &World, config: ClientConfig) -> (Session, ProcessId) {
    let runtime = SimRuntime::new(&world.kernel, world.kernel.process(), "driver");
    let address = Address::parse("tcp://server:81").expect("because it is one");
    let handle = connect(runtime.clone(), address, config).expect("because it is the default");
    (handle, runtime.process())
}

fn config(world: &World) -> ClientConfig {
    let number = world.shared.with(|state| state.oracle.begin(1));
    ClientConfig::new(Auth::secret(secret())).with_name(format!("c{number}"))
}

/// Runs `future` to its end on a task of its own, for at most a minute.
fn block<T: Send + 'static>(world: &World, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let result = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&result);
    world.kernel.spawn(kernel::NOBODY, "test", async move {
        let output = future.await;
        *slot.lock().expect("because nobody panics there") = Some(output);
    });
    let there = Arc::clone(&result);
    let until = world.kernel.now() + 60 * SECOND;
    let stop = world
        .kernel
        .run(until, || there.lock().expect("because nobody panics there").is_some());
    assert!(matches!(stop, Stop::Done | Stop::Time), "{stop:?}");
    result.lock().expect("because nobody panics there").take()
}

fn serve_stranger(options: Options, acceptor: &Acceptor, stranger: impl FnOnce(SimRuntime) -> Endless) {
    let world = world(options);
    let server = world.server.as_ref().expect("because it was started");
    let stranger = stranger(server.runtime.clone());
    server
        .runtime
        .spawn(Arc::clone(&server.handle).serve(acceptor.accept(stranger)));
    run(&world, 60);
    assert!(world.kernel.tasks("serve").is_empty(), "the stranger is still there");
}

#[test]
fn a_stranger_who_sends_pongs_leaves_others_their_turn() {
    serve_stranger(Options::plain(), &Acceptor::websocket(), |runtime| {
        Endless::pongs(runtime).expect("because the address is one")
    });
}

#[test]
fn a_stranger_who_is_turned_away_and_goes_on_leaves_others_their_turn() {
    serve_stranger(Options::plain(), &Acceptor::tcp(), |runtime| {
        Endless::new(runtime, &[0, 3, 7, 9, 9], &[0, 3, 7, 9, 9])
    });
}

#[test]
fn a_request_without_end_leaves_others_their_turn() {
    serve_stranger(Options::plain(), &Acceptor::websocket(), |runtime| {
        Endless::new(runtime, b"GET / HTTP/1.1\r\n", b"x: y\r\n")
    });
}

#[test]
fn fates_claim_nothing_after_a_panic() {
    for unwinding in [false, true] {
        let mut options = Options::plain();
        options.style.drop_unwinding = unwinding;
        let world = world(options);
        let (handle, _) = client(&world, config(&world));
        let opening = handle.clone();
        let mut stream = block(&world, async move {
            opening.established().await.expect("because the server is there");
            opening
                .open(StreamOptions::default())
                .await
                .expect("because it is established")
        })
        .expect("because nothing is in the way");
        world.disturb(|conn| conn.hold_for_good());
        for _ in 0..10 {
            stream
                .sender()
                .try_send(Bytes::from_static(b"message"))
                .expect("because there is room");
        }
        run(&world, 1);
        world.disturb(|conn| conn.panics_for_clients());
        run(&world, 1);
        let ended = handle.ended().expect("because its driver panicked");
        assert_eq!(ended.reason, EndReason::Aborted);
        assert!(!ended.fates.all_delivered(), "unwinding {unwinding}: {:?}", ended.fates);
    }
}

/// A task that runs inside of its own wake-ups, and subscribes each time.
struct Inline {
    handle: Session,
    watching: Mutex<Option<Events>>,
    events: Mutex<Vec<Events>>,
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let watching = self.watching.lock().expect("because nobody panics there").take();
        let Some(mut watching) = watching else { return };
        {
            let mut rest = pin!(async { while watching.next().await.is_some() {} });
            let _over = rest.as_mut().poll(&mut Context::from_waker(&waker));
        }
        *self.watching.lock().expect("because nobody panics there") = Some(watching);
        let events = self.handle.events();
        self.events.lock().expect("because nobody panics there").push(events);
    }
}

#[test]
fn who_subscribes_near_the_end_hears_of_it() {
    let world = world(Options::plain());
    let (handle, _) = client(&world, config(&world));
    run(&world, 1);
    let inline = Arc::new(Inline {
        handle: handle.clone(),
        watching: Mutex::new(Some(handle.events())),
        events: Mutex::default(),
    });
    Arc::clone(&inline).wake();
    drop(block(&world, async move { handle.abort().await }).expect("because aborting takes no time"));
    let late = std::mem::take(&mut *inline.events.lock().expect("because nobody panics there"));
    assert!(late.len() > 1);
    for mut events in late {
        let heard = block(&world, async move { while events.next().await.is_some() {} });
        assert!(heard.is_some(), "a subscriber waits for ever");
    }
}

#[test]
fn a_server_that_accepts_nothing_holds_a_bounded_number_of_sessions() {
    let world = world(Options::plain());
    world.shared.with(|state| state.accepts_from = u64::MAX);
    let mut clients = Vec::new();
    for _ in 0..200 {
        // Not faster than one peer may.
        run(&world, 1);
        clients.push(client(&world, config(&world)));
    }
    run(&world, 5);
    let server = world.server.as_ref().expect("because it was started");
    let held = server.handle.sessions().len();
    assert!(held <= 128 + 1, "{held} sessions wait to be accepted");
}

#[test]
fn open_after_close_is_an_error() {
    let world = world(Options::plain());
    let (handle, _) = client(&world, config(&world));
    run(&world, 1);
    let opened = block(&world, async move {
        let mut closing = pin!(handle.close(0, Bytes::new()));
        let begun = poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx).is_pending())).await;
        assert!(begun, "there is a peer to wait for");
        handle.open(StreamOptions::default()).await.map(drop)
    });
    assert!(opened.expect("because it is an answer at once").is_err());
}

#[test]
fn a_backoff_without_pauses_is_refused() {
    let backoff = Backoff::default()
        .with_first(Duration::ZERO)
        .with_base(Duration::ZERO)
        .with_cap(Duration::ZERO)
        .with_jitter(Jitter::None);
    assert!(backoff.validate().is_err());
}

/// The shortest backoff there may be, against a server that refuses at once.
#[test]
fn dials_leave_others_their_turn() {
    let mut options = Options::plain();
    options.shape.latency = 0;
    let mut world = world(options);
    world.kill_server();
    let backoff = Backoff::default()
        .with_first(Duration::from_millis(10))
        .with_base(Duration::from_millis(10))
        .with_cap(Duration::from_millis(10))
        .with_jitter(Jitter::None);
    let config = config(&world).with_backoff(backoff);
    let (_handle, _) = client(&world, config);
    let before = world.kernel.polls();
    run(&world, 10);
    let polls = world.kernel.polls() - before;
    assert!(polls <= 10 * 100 * 10, "{polls} polls in 10 s");
}

/// A clock that jumps while the network is well: the session goes on.
#[test]
fn a_session_outlives_a_clock_that_jumps() {
    let hour = i128::from(3_600 * SECOND);
    for (side, by, told) in [
        ("client", hour, true),
        ("client", hour, false),
        ("client", -hour, false),
        ("server", hour, true),
        ("server", hour, false),
        ("server", -hour, false),
        ("client", 48 * hour, true),
        ("server", 48 * hour, true),
    ] {
        let world = world(Options::plain());
        let (handle, process) = client(&world, config(&world));
        run(&world, 30);
        let server = world.server.as_ref().expect("because it was started");
        let process = if side == "client" {
            process
        } else {
            server.runtime.process()
        };
        world.kernel.jump(process, by, told);
        run(&world, 60);
        // A connection that breaks afterwards is replaced.
        world.disturb(|conn| conn.break_now());
        run(&world, 60);
        let (state, attaches) = (handle.state(), handle.stats().attaches);
        println!(
            "{side}, by {} h, told {told}: {state:?}, {attaches} attaches",
            by / hour
        );
        assert!(
            handle.ended().is_none(),
            "{side}, by {} h: {:?}",
            by / hour,
            handle.ended()
        );
        assert_eq!(
            format!("{state:?}"),
            "Attached",
            "{side}, by {} h, told {told}",
            by / hour
        );
    }
}
