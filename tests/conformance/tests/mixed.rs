//! Client and server on different runtimes, and sessions that change their carrier.

use unbroken_conformance::adapters::{AsyncStd, Blocking, Smol, Stepped, Tokio};
use unbroken_conformance::block::eventually;
use unbroken_conformance::relay::{Plan, Relay};
use unbroken_conformance::suite::streams::{echo_streams, round_trip};
use unbroken_conformance::world::{client_config, free_port, pattern, server_config};
use unbroken_conformance::{Adapter, Carrier, suite};

mod tokio_to_smol {
    super::suite!(Tokio, Smol, Ws);
}

mod smol_to_async_std {
    super::suite!(Smol, AsyncStd, Wss);
}

mod async_std_to_tokio {
    super::suite!(AsyncStd, Tokio, Tcp);
}

/// Every dial takes the next carrier; the server listens for all of them.
fn carriers_by_turns(client: &dyn Adapter, server: &dyn Adapter) {
    let carriers = [Carrier::Ws, Carrier::Tcp, Carrier::Wss, Carrier::Tls];
    let mut server = server.serve(server_config());
    let plan = Plan {
        cuts: 4,
        most: 100_000,
        ..Plan::CALM
    };
    let relays = carriers.map(|carrier| {
        let (listener, address) = free_port();
        server.listen(listener, carrier.acceptor());
        Relay::new(
            address,
            Plan {
                seed: carrier as u64,
                ..plan
            },
        )
    });
    let addresses = [0, 1, 2, 3].map(|i| carriers[i].address(relays[i].address()));
    let mut dials = addresses.into_iter().cycle();
    let pick = Box::new(move |_: &_| dials.next().expect("because it cycles"));
    let session = client.connect(pick, client_config());
    let id = session.established().expect("because a server is there");
    echo_streams(server.accept());
    let (send, mut recv) = session.open().expect("because the session lives");
    round_trip(
        (0..200).map(|number| pattern(number, 7_000)).collect(),
        send,
        &mut *recv,
    );
    for (relay, carrier) in relays.iter().zip(carriers) {
        assert!(relay.cuts() >= 1, "{carrier:?}");
    }
    assert_eq!(session.established().ok(), Some(id));
    assert!(session.close(0).fates.all_delivered());
    eventually("the server forgot it", || server.sessions() == 0);
}

#[test]
fn carriers_by_turns_tokio_to_smol() {
    carriers_by_turns(&Tokio, &Smol);
}

#[test]
fn carriers_by_turns_smol_to_async_std() {
    carriers_by_turns(&Smol, &AsyncStd);
}

#[test]
fn carriers_by_turns_async_std_to_tokio() {
    carriers_by_turns(&AsyncStd, &Tokio);
}

#[test]
fn carriers_by_turns_blocking_to_stepped() {
    carriers_by_turns(&Blocking, &Stepped);
}

/// A planned swap from WebSocket to TCP: nothing is replayed, nothing waits.
#[test]
fn a_planned_swap_to_another_carrier() {
    let mut server = Tokio.serve(server_config());
    let [first, last] = [Carrier::Ws, Carrier::Tcp].map(|carrier| {
        let (listener, address) = free_port();
        server.listen(listener, carrier.acceptor());
        carrier.address(address)
    });
    let mut first = Some(first);
    let pick = Box::new(move |_: &_| first.take().unwrap_or_else(|| last.clone()));
    let session = Smol.connect(pick, client_config());
    session.established().expect("because a server is there");
    echo_streams(server.accept());
    let (send, mut recv) = session.open().expect("because the session lives");
    session.migrate(std::time::Duration::from_secs(20));
    round_trip(
        (0..200).map(|number| pattern(number, 7_000)).collect(),
        send,
        &mut *recv,
    );
    eventually("the swap", || session.stats().attaches == 2);
    assert_eq!(session.stats().replayed_bytes, 0);
}
