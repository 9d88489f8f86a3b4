//! What handles say when their session closes, or its driver is gone. No runtime: futures are polled by hand.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use common::NoStream;
use futures_channel::mpsc;
use futures_io::AsyncRead;
use futures_sink::Sink;
use unbroken_driver::proto::config::{MAX_CODE, Seed};
use unbroken_driver::proto::error::{CodeTooLarge, OpenError, SendRefusal};
use unbroken_driver::proto::event::EndReason;
use unbroken_driver::proto::security::{Auth, ServerAuth};
use unbroken_driver::proto::server::{LagPolicy, Placement, Select, SessionCommand};
use unbroken_driver::proto::stream::StreamOptions;
use unbroken_driver::proto::{Cause, ClientConfig, Duration, Event, Instant, ReconnectIntent, ServerConfig};
use unbroken_driver::{ConnectError, Connected, Driver, Runtime, ServerHandle, Session, Stream, Verdict};

/// A runtime whose time stands still and whose sockets never come.
#[derive(Clone)]
struct Frozen;

impl Runtime for Frozen {
    type Stream = NoStream;
    type Listener = ();

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send + 'static {
        pending()
    }

    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}

    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        pending()
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<NoStream>> + Send + 'static {
        pending()
    }

    fn accept(&self, _: &()) -> impl Future<Output = io::Result<(NoStream, Option<IpAddr>)>> + Send {
        pending()
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future gives that must not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// A session that nobody answers, and the driver that would dial.
fn session() -> (Session, Driver) {
    let connector = |_: ReconnectIntent| pending::<Result<Connected, ConnectError>>();
    unbroken_driver::connect(&Frozen, ClientConfig::new(Auth::anonymous()), Seed([1; 32]), connector).unwrap()
}

/// A stream with ten messages queued.
fn queued(session: &Session) -> Stream {
    let mut stream = now(session.open(StreamOptions::default())).unwrap();
    for _ in 0..10 {
        now(stream.sender().send(Bytes::from_static(b"unsent"))).unwrap();
    }
    stream
}

/// Whatever happened to the driver: the session is aborted, and the ten messages come back.
fn assert_handed_back(session: &Session) {
    let ended = session.ended().expect("because its driver is gone");
    assert_eq!(ended.reason, EndReason::Aborted);
    assert!(!ended.fates.all_delivered());
    assert_eq!(ended.fates.streams.len(), 1);
    assert_eq!(ended.fates.streams[0].not_delivered.len(), 10);
}

#[test]
fn a_stream_of_a_session_that_is_over_is_refused_at_once() {
    let (session, driver) = session();
    let mut stream = queued(&session);
    drop(driver);
    let late = now(session.open(StreamOptions::default()));
    assert_eq!(late.err(), Some(OpenError::SessionClosed));
    let refused = now(stream.sender().send(Bytes::from_static(b"late"))).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::SessionClosed);
    assert!(now(session.accept()).is_none());
    assert!(now(stream.receiver().recv()).is_err());
}

#[test]
fn a_stream_that_was_waited_for_is_refused_when_the_driver_goes() {
    let (session, driver) = session();
    let open: Vec<Stream> = std::iter::from_fn(|| match poll(pin!(session.open(StreamOptions::default()))) {
        Poll::Ready(stream) => Some(stream.unwrap()),
        Poll::Pending => None,
    })
    .collect();
    assert!(!open.is_empty());
    let mut waiting = pin!(session.open(StreamOptions::default()));
    assert!(poll(waiting.as_mut()).is_pending());
    drop(driver);
    let refused = poll(waiting).map(|opened| opened.err());
    assert_eq!(refused, Poll::Ready(Some(OpenError::SessionClosed)));
}

#[test]
fn nothing_is_opened_or_sent_once_close_was_called() {
    let (session, _driver) = session();
    let mut stream = queued(&session);
    assert!(
        poll(pin!(session.close(0, Bytes::new()))).is_pending(),
        "it lingers for what is queued"
    );
    let late = now(session.open(StreamOptions::default()));
    assert_eq!(late.err(), Some(OpenError::SessionClosed));
    let refused = now(stream.sender().send(Bytes::from_static(b"late"))).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::SessionClosed);
}

/// Found by reading: the halves took a code that the machine refuses for done, so that the stream was neither reset nor of use.
#[test]
fn a_code_that_is_too_large_leaves_session_and_halves_as_they_were() {
    let (session, _driver) = session();
    let mut stream = queued(&session);
    let refused = Err(CodeTooLarge(MAX_CODE + 1));
    assert_eq!(now(session.close(MAX_CODE + 1, Bytes::new())).map(drop), refused);
    assert_eq!(stream.sender().reset(MAX_CODE + 1), refused);
    assert_eq!(stream.receiver().stop(MAX_CODE + 1), refused);
    now(stream.sender().send(Bytes::from_static(b"goes on"))).unwrap();
    assert!(poll(pin!(stream.receiver().recv())).is_pending(), "it was not stopped");
    stream.sender().reset(MAX_CODE).unwrap();
    stream.receiver().stop(MAX_CODE).unwrap();
    let refused = now(stream.sender().send(Bytes::from_static(b"late"))).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::StreamClosed);
}

#[test]
fn who_subscribes_behind_the_end_is_told_of_it_and_of_nothing_else() {
    let (session, driver) = session();
    let mut early = session.events();
    drop(driver);
    let mut late = session.events();
    assert!(matches!(now(late.next()), Some(Event::Ended(_))));
    assert_eq!(now(late.next()), None);
    while let Some(event) = now(early.next()) {
        assert!(early.missed() == 0, "{event:?}");
    }
}

#[test]
fn what_a_dropped_driver_never_sent_comes_back() {
    let (session, driver) = session();
    let _stream = queued(&session);
    drop(driver);
    assert_handed_back(&session);
}

#[test]
fn what_a_driver_that_panicked_never_sent_comes_back() {
    let connector =
        |_: ReconnectIntent| -> std::future::Ready<Result<Connected, ConnectError>> { panic!("as planned") };
    let config = ClientConfig::new(Auth::anonymous());
    let (session, driver) = unbroken_driver::connect(&Frozen, config, Seed([1; 32]), connector).unwrap();
    let _stream = queued(&session);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let driver = driver;
        poll(pin!(driver))
    }));
    assert!(panicked.is_err());
    assert_handed_back(&session);
}

/// One end of a connection in memory. It takes for ever to close.
struct Pipe {
    open: Arc<()>,
    incoming: mpsc::UnboundedReceiver<Bytes>,
    outgoing: mpsc::UnboundedSender<Bytes>,
}

impl Pipe {
    fn pair() -> (Pipe, Pipe) {
        let ((outgoing, others), (theirs, incoming)) = (mpsc::unbounded(), mpsc::unbounded());
        let pipe = |incoming, outgoing| Pipe {
            open: Arc::default(),
            incoming,
            outgoing,
        };
        (pipe(incoming, outgoing), pipe(others, theirs))
    }
}

impl futures_core::Stream for Pipe {
    type Item = io::Result<BytesMut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let next = Pin::new(&mut self.incoming).poll_next(cx);
        next.map(|packet| packet.map(|packet| Ok(BytesMut::from(&packet[..]))))
    }
}

impl unbroken_driver::Connection for Pipe {}

impl Sink<Bytes> for Pipe {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        let _closed = self.outgoing.unbounded_send(packet);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// A session over pipes, with all that moves it, polled by hand.
struct Pair {
    client: Session,
    server: Arc<ServerHandle>,
    driver: Pin<Box<Driver>>,
    serving: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    /// The accepting ends of the pipes that were dialled.
    dialled: mpsc::UnboundedReceiver<Pipe>,
}

impl Pair {
    fn established() -> Pair {
        let (accepting, dialled) = mpsc::unbounded();
        let connector = move |_: ReconnectIntent| {
            let (local, remote) = Pipe::pair();
            let refused = |_| ConnectError::new(Cause::Network);
            let listening = accepting.unbounded_send(remote).map_err(refused);
            std::future::ready(listening.map(|()| Connected::ordered(local)))
        };
        let mut config = ClientConfig::new(Auth::anonymous());
        config.session.outbox_limit = 256 << 10;
        let (client, driver) = unbroken_driver::connect(&Frozen, config, Seed([1; 32]), connector).unwrap();
        let config = ServerConfig::new(ServerAuth::anonymous());
        let authorise = Box::new(|_| -> Verdict { Box::pin(std::future::ready(Ok(Placement::default()))) });
        let server = ServerHandle::new(&Frozen, config, Seed([2; 32]), authorise).unwrap();
        let mut pair = Pair {
            client,
            driver: Box::pin(driver),
            serving: Vec::new(),
            dialled,
            server,
        };
        pair.turns();
        assert!(pair.client.id().is_some());
        pair
    }

    /// Polls both ends until neither has anything to do.
    fn turns(&mut self) {
        for _ in 0..100 {
            let _over = poll(self.driver.as_mut());
            while let Ok(pipe) = self.dialled.try_recv() {
                let server = Arc::clone(&self.server);
                self.serving.push(Box::pin(server.serve(Connected::ordered(pipe))));
            }
            self.serving.retain_mut(|serving| poll(serving.as_mut()).is_pending());
        }
    }
}

#[test]
fn a_session_that_is_over_is_not_accepted_while_its_connection_still_closes() {
    let mut pair = Pair::established();
    now(pair.client.abort());
    pair.turns();
    assert!(pair.server.sessions().is_empty());
    assert!(
        poll(pin!(pair.server.accept())).is_pending(),
        "a session that is over was handed out"
    );
}

/// Two streams of which the first comes first in every round; each sends with its function, which says how many messages went, for
/// as long as it may.
fn assert_fair(send: [fn(&mut Stream) -> usize; 2]) -> (Pair, Vec<Stream>) {
    let mut pair = Pair::established();
    let remote = now(pair.server.accept()).session;
    let mut streams: Vec<Stream> = (0..2)
        .map(|_| now(pair.client.open(StreamOptions::default())).unwrap())
        .collect();
    let mut sent = [0, 0];
    let mut received: Vec<Stream> = Vec::new();
    for _ in 0..50 {
        for ((stream, send), sent) in streams.iter_mut().zip(send).zip(&mut sent) {
            *sent += send(stream);
        }
        pair.turns();
        read_all(&remote, &mut received);
        pair.turns();
    }
    let [first, second] = sent;
    assert!(first > 500 && second * 2 > first, "{sent:?}");
    (pair, streams)
}

fn send_while_ready(stream: &mut Stream, message: &'static [u8]) -> usize {
    let ready = |_: &usize| poll(pin!(stream.sender().send(Bytes::from_static(message)))).is_ready();
    (0..).take_while(ready).count()
}

fn send_large(stream: &mut Stream) -> usize {
    send_while_ready(stream, &[7; 4_096])
}

fn send_empty(stream: &mut Stream) -> usize {
    send_while_ready(stream, &[])
}

fn send_by_the_sink(stream: &mut Stream) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut sent = 0;
    while let Poll::Ready(ready) = Sink::poll_ready(Pin::new(stream.sender()), &mut cx) {
        ready.unwrap();
        Sink::start_send(Pin::new(stream.sender()), Bytes::from_static(&[7; 4_096])).unwrap();
        sent += 1;
    }
    sent
}

#[test]
fn a_half_that_sends_without_pause_does_not_take_all_room_from_another() {
    let (_pair, mut streams) = assert_fair([send_large, send_large]);
    for _ in 0..40 {
        // Who does not wait is refused for want of room alone.
        streams[0].sender().try_send(Bytes::from_static(&[7; 4_096])).unwrap();
    }
}

#[test]
fn a_sink_does_not_take_all_room_from_another() {
    assert_fair([send_by_the_sink, send_large]);
}

#[test]
fn empty_messages_do_not_take_all_room_from_another() {
    assert_fair([send_empty, send_empty]);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn commands_and_broadcasts_wake_the_drivers_of_their_sessions() {
    let mut pair = Pair::established();
    let broadcaster = pair
        .server
        .broadcaster(StreamOptions::default(), 1 << 20, LagPolicy::Skip);
    let leave = SessionCommand::Leave {
        within: Duration::from_secs(1),
        alternate: Bytes::new(),
    };
    let server = Arc::clone(&pair.server);
    let command = || assert_eq!(server.command(Select::All, &leave), Ok(1));
    let broadcast = || assert_eq!(broadcaster.send(Select::All, Bytes::from_static(b"news")).queued, 1);
    let acts: [&dyn Fn(); 2] = [&command, &broadcast];
    for act in acts {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        assert!(pair.serving[0].as_mut().poll(&mut cx).is_pending());
        let before = wakes.0.load(Ordering::Relaxed);
        act();
        assert!(wakes.0.load(Ordering::Relaxed) > before, "its driver sleeps on");
        pair.turns();
    }
}

/// Nobody reads at the server, so that an answer would only use up what the session may have unread.
#[test]
fn an_answer_to_a_broadcast_is_refused() {
    let mut pair = Pair::established();
    let broadcaster = pair
        .server
        .broadcaster(StreamOptions::default(), 1 << 20, LagPolicy::Skip);
    assert_eq!(broadcaster.send(Select::All, Bytes::from_static(b"news")).queued, 1);
    pair.turns();
    let mut stream = now(pair.client.accept()).expect("because it was opened");
    let refused = now(stream.sender().send(Bytes::from_static(b"answer"))).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::Stopped(0));
}

#[test]
fn connections_that_do_not_close_are_bounded() {
    let mut pair = Pair::established();
    let mut open: Vec<Weak<()>> = Vec::new();
    for _ in 0..30 {
        pair.client.migrate(Duration::from_secs(1), Bytes::new());
        let _over = poll(pair.driver.as_mut());
        let pipe = pair.dialled.try_recv().expect("because the session moves");
        open.push(Arc::downgrade(&pipe.open));
        let server = Arc::clone(&pair.server);
        pair.serving.push(Box::pin(server.serve(Connected::ordered(pipe))));
        pair.turns();
    }
    assert!(open.last().unwrap().upgrade().is_some(), "it goes on");
    let open = open.iter().filter(|open| open.upgrade().is_some()).count();
    assert!(open <= 6, "{open} are open");
}

#[test]
fn what_came_before_a_stream_broke_off_is_read() {
    let mut pair = Pair::established();
    let remote = now(pair.server.accept()).session;
    let mut stream = now(remote.open(StreamOptions::default())).unwrap();
    now(stream.sender().write_bytes(Bytes::from_static(b"abc"))).unwrap();
    pair.turns();
    let mut stream = now(pair.client.accept()).expect("because it was opened");
    now(pair.client.abort());
    let mut read = |buffer: &mut [u8]| {
        let polled = Pin::new(&mut stream).poll_read(&mut Context::from_waker(Waker::noop()), buffer);
        match polled {
            Poll::Ready(read) => read.map_err(|error| error.kind()),
            Poll::Pending => panic!("it waits"),
        }
    };
    let mut buffer = [0; 100];
    assert_eq!(read(&mut buffer), Ok(3));
    assert_eq!(&buffer[..3], b"abc");
    assert_eq!(read(&mut buffer), Err(io::ErrorKind::ConnectionAborted));
}

/// Polls the server's side of all streams until nothing more comes.
fn read_all(remote: &Session, received: &mut Vec<Stream>) {
    while let Poll::Ready(Some(stream)) = poll(pin!(remote.accept())) {
        received.push(stream);
    }
    for stream in received {
        while poll(pin!(stream.receiver().recv())).is_ready() {}
    }
}

#[test]
fn a_large_message_that_waits_for_room_does_not_hold_up_streams_that_move() {
    let mut pair = Pair::established();
    let remote = now(pair.server.accept()).session;
    let open = || now(pair.client.open(StreamOptions::default())).unwrap();
    let (mut unread, mut large, mut small) = (open(), open(), open());
    while {
        pair.turns();
        unread.sender().try_send(Bytes::from_static(&[7; 4_096])).is_ok()
    } {}
    let mut waiting = pin!(large.sender().send(Bytes::from(vec![7; 200 << 10])));
    assert!(poll(waiting.as_mut()).is_pending());
    pair.turns();
    let _unread = now(remote.accept());
    let mut received: Vec<Stream> = Vec::new();
    let mut sent = 0;
    for _ in 0..50 {
        sent += send_while_ready(&mut small, &[7; 1_024]);
        pair.turns();
        read_all(&remote, &mut received);
        pair.turns();
    }
    assert!(sent > 100, "{sent}");
}

/// On an executor of one thread, or one whose task was woken by another of the same worker, nobody else runs while a task
/// goes on.
#[test]
fn a_half_that_never_waits_for_room_lets_other_tasks_have_a_turn() {
    // Also one whose messages are empty.
    for message in [&[7; 256][..], &[]] {
        let pair = Pair::established();
        let mut stream = now(pair.client.open(StreamOptions::default())).unwrap();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut sent = 0;
        let send = |stream: &mut Stream| {
            let sending = pin!(stream.sender().send(Bytes::from_static(message)));
            sending.poll(&mut Context::from_waker(&waker))
        };
        while send(&mut stream).is_ready() {
            sent += message.len().max(64);
            assert!(sent <= 64 << 10, "{sent} bytes in one turn");
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "it goes on by itself");
        assert!(send(&mut stream).is_ready(), "there was room");
    }
}

/// As above: the readers get a turn before a driver has read all that there is.
#[test]
fn a_driver_that_reads_much_lets_the_readers_have_a_turn() {
    let mut pair = Pair::established();
    let remote = now(pair.server.accept()).session;
    let mut stream = now(remote.open(StreamOptions::default())).unwrap();
    while stream.sender().try_send(Bytes::from(vec![7; 4_096])).is_ok() {}
    for serving in &mut pair.serving {
        let _goes_on = poll(serving.as_mut());
    }
    let mut reader = None;
    let (mut most, mut received, mut idle) = (0, 0, 0);
    // Acknowledgements, which make room for more, wait for company for a while.
    while idle < 50 {
        let before = received;
        let _goes_on = poll(pair.driver.as_mut());
        if reader.is_none() {
            reader = Some(now(pair.client.accept()).unwrap());
        }
        while let Some(Poll::Ready(_)) = reader.as_mut().map(|stream| poll(pin!(stream.receiver().recv()))) {
            received += 1;
        }
        idle = if received == before { idle + 1 } else { 0 };
        if idle > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        most = most.max(received - before);
        // What was acknowledged makes room for more.
        for serving in &mut pair.serving {
            let _goes_on = poll(serving.as_mut());
        }
    }
    assert!(received > 20 && most <= 20, "{received} messages, {most} in one turn");
}
