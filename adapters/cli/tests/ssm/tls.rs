//! A service inside TLS, whose certificate nobody else trusts.

use std::process::Command;
use std::sync::Arc;

use unbroken_ssm::gateway::rustls::ServerConfig;
use unbroken_ssm::gateway::rustls::crypto::ring;
use unbroken_ssm::gateway::rustls::pki_types::PrivateKeyDer;
use unbroken_ssm::gateway::{Gateway, Settings, StartRequest};

use super::place::Place;
use crate::common::{eventually, failure, run};

#[test]
fn a_certificate_is_trusted_in_calls_and_in_the_session_where_it_is_said() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let file = place.folder.text("ca.pem");
    let base64 = run(Command::new("base64"), made.cert.der()).stdout;
    let base64 = String::from_utf8(base64).unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}-----END CERTIFICATE-----\n");
    std::fs::write(&file, pem).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    // No agent comes.
    let settings = Settings::default().tls(Arc::new(config));
    let gateway = Gateway::new(settings, |_: StartRequest| async { Ok(()) }).unwrap();
    let port = place.serve(gateway.clone());
    let endpoint = format!("https://127.0.0.1:{port}");

    let refused = run(place.start_at(&endpoint, "i-1", &[]), b"");
    let (code, line) = failure(&refused);
    assert!((code, line.contains("certificate")) == (3, true), "{code} {line}");
    assert!(gateway.sessions().is_empty());

    let ends = std::thread::spawn({
        let gateway = gateway.clone();
        move || {
            eventually("the client to come", || {
                gateway
                    .sessions()
                    .first()
                    .is_some_and(|(_, stats)| stats.client.is_attached)
            });
            assert!(gateway.terminate(&gateway.sessions()[0].0, "enough"));
        }
    });
    let (code, line) = failure(&run(place.start_at(&endpoint, "i-1", &["--tls-ca", &file]), b""));
    assert!((code, line.ends_with(": enough")) == (1, true), "{code} {line}");
    ends.join().unwrap();
}
