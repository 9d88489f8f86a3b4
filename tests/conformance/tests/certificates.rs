//! Certificates that do not verify: final, and said why, on every runtime.

use unbroken_carriers::{Address, Tls, TlsServer};
use unbroken_conformance::adapters::{AsyncStd, Blocking, Smol, Tokio};
use unbroken_conformance::block::eventually;
use unbroken_conformance::world::{certificate, certificates, client_config, free_port, server_config};
use unbroken_conformance::{Adapter, Carrier};
use unbroken_proto::Cause;
use unbroken_proto::event::EndReason;

/// A client that must not get in, and what it is told.
fn refused(adapter: &dyn Adapter, carrier: Carrier, shown: TlsServer, trusted: Option<Tls>) -> String {
    let (listener, address) = free_port();
    let server = adapter.serve(server_config());
    let acceptor = carrier.acceptor().tls(shown);
    server.listen(listener, acceptor);
    let scheme = if carrier == Carrier::Wss { "wss" } else { "tls" };
    let address = Address::parse(&format!("{scheme}://{address}")).expect("because it is an address");
    let address = trusted.into_iter().fold(address, Address::tls);
    let session = adapter.connect(Box::new(move |_| address.clone()), client_config());
    let cause = Cause::Untrusted;
    assert_eq!(session.closed().reason, EndReason::GaveUp { cause });
    assert_eq!(server.sessions(), 0);
    session.connect_error().expect("because a dial failed")
}

fn refused_everywhere(adapter: &dyn Adapter) {
    let (trusting, server) = certificates();
    for carrier in [Carrier::Tls, Carrier::Wss] {
        let (_, stranger) = {
            let (certificate, key) = certificate(&["127.0.0.1"]);
            let server = TlsServer::new(vec![certificate.clone()], key).expect("because they belong together");
            (certificate, server)
        };
        let why = refused(adapter, carrier, stranger, Some(trusting.clone()));
        assert!(why.contains("invalid peer certificate"), "{why}");
        // The platform knows nothing of ours.
        let why = refused(adapter, carrier, server.clone(), None);
        assert!(why.contains("invalid peer certificate"), "{why}");
        let (certificate, key) = certificate(&["elsewhere.example"]);
        let elsewhere = TlsServer::new(vec![certificate.clone()], key).expect("because they belong together");
        let trusted = Tls::trusting([certificate]).expect("because it is one");
        let why = refused(adapter, carrier, elsewhere, Some(trusted));
        assert!(why.contains("not valid for name"), "{why}");
    }
}

#[test]
fn tokio_refuses_them() {
    refused_everywhere(&Tokio);
}

#[test]
fn smol_refuses_them() {
    refused_everywhere(&Smol);
}

#[test]
fn async_std_refuses_them() {
    refused_everywhere(&AsyncStd);
}

#[test]
fn blocking_refuses_them() {
    refused_everywhere(&Blocking);
}

/// A session that lives is not ended by a certificate that suddenly is another: who stands in the way has proven
/// nothing.
#[test]
fn a_session_outlives_a_captive_portal() {
    let (listener, address) = free_port();
    let mut server = Tokio.serve(server_config());
    server.listen(listener, Carrier::Wss.acceptor());
    let (portal, portal_address) = free_port();
    let (certificate, key) = certificate(&["127.0.0.1"]);
    let stranger = TlsServer::new(vec![certificate], key).expect("because they belong together");
    let hotel = Tokio.serve(server_config());
    hotel.listen(portal, Carrier::Wss.acceptor().tls(stranger));
    let home = Carrier::Wss.address(address);
    let portal = Carrier::Wss.address(portal_address);
    let mut dials = 0;
    let pick = move |_: &_| {
        dials += 1;
        if (2..5).contains(&dials) {
            portal.clone()
        } else {
            home.clone()
        }
    };
    let session = Smol.connect(Box::new(pick), client_config());
    let id = session.established().expect("because a server is there");
    let remote = server.accept();
    remote
        .handle()
        .expect("because it is async")
        .report_failure(Cause::Network);
    eventually("back home", || session.stats().attaches == 2);
    assert_eq!(session.established().ok(), Some(id));
    assert!(session.connect_error().is_some_and(|why| why.contains("certificate")));
}
