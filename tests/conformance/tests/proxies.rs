//! Clients behind one proxy do not share its limits, on every adapter, in TLS and without.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use unbroken_carriers::TrustedProxies;
use unbroken_conformance::world::{client_config, free_port, server_config};
use unbroken_conformance::{Adapter, Carrier};
use unbroken_proto::config::Rate;

const CLIENTS: u8 = 4;

/// A proxy that speaks the PROXY protocol. Its first `networks` clients come from as many networks, and the others from one more.
fn proxy(server: SocketAddr, networks: u8) -> SocketAddr {
    let (listener, address): (TcpListener, _) = free_port();
    thread::spawn(move || {
        for (number, client) in (0..=u8::MAX).zip(listener.incoming().map_while(Result::ok)) {
            let network = number.min(networks);
            let Ok(mut server) = TcpStream::connect(server) else {
                return;
            };
            let header = format!("PROXY TCP4 192.0.{network}.7 127.0.0.1 4711 80\r\n");
            if server.write_all(header.as_bytes()).is_err() {
                continue;
            }
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
                    return;
                };
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    address
}

fn clients_behind_one_proxy_do_not_share_its_limits(adapter: &'static dyn Adapter) {
    for carrier in [Carrier::Tcp, Carrier::Tls, Carrier::Ws, Carrier::Wss] {
        let (listener, address) = free_port();
        let mut config = server_config();
        // A second one of the same network would have to come again.
        config.peer_hellos = Some(Rate {
            per_second: 1,
            burst: 1,
        });
        let mut server = adapter.serve(config);
        let loopback = "127.0.0.0/8".parse().expect("because it is a prefix");
        server.listen(
            listener,
            carrier
                .acceptor()
                .behind(TrustedProxies::new([loopback]).proxy_protocol()),
        );
        let proxy = proxy(address, CLIENTS);
        // The first of one network is let in at once, and the second has to come again.
        for (client, comes_again) in (1..=CLIENTS + 2).map(|client| (client, client == CLIENTS + 2)) {
            let dials = Arc::new(AtomicU32::new(0));
            let (dialled, there) = (Arc::clone(&dials), carrier.address(proxy));
            let pick = move |_: &_| {
                dialled.fetch_add(1, Ordering::Relaxed);
                there.clone()
            };
            let session = adapter.connect(Box::new(pick), client_config());
            session.established().expect("because there is room");
            drop(server.accept());
            let dials = dials.load(Ordering::Relaxed);
            assert_eq!(
                dials > 1,
                comes_again,
                "client {client} on {carrier:?} dialled {dials} times"
            );
            session.abort();
        }
    }
}

macro_rules! on {
    ($($room:ident: $adapter:ident),*) => {
        $(mod $room {
            use unbroken_conformance::adapters::$adapter;

            #[test]
            fn clients_behind_one_proxy_do_not_share_its_limits() {
                super::clients_behind_one_proxy_do_not_share_its_limits(&$adapter);
            }
        })*
    };
}

on!(tokio: Tokio, smol: Smol, async_std: AsyncStd, blocking: Blocking, stepped: Stepped);
