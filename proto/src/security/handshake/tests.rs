use alloc::vec;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::{ClientHandshake, HelloRefusal, ServerHandshake};
use crate::error::ConnectionError;
use crate::id::Carrier;
use crate::rng::Rng;
use crate::security::testing::{
    Failure, HINT, OFFER, client_key, ends, established, handshake, rng, secret, server_key,
};
use crate::security::{Auth, Keys, ServerAuth, SharedSecret, StaticKey, Suite};

mod meddling;

fn exchange(from: &mut Keys, to: &mut Keys) {
    for round in 0..3_u8 {
        let mut packet = vec![7, round, 1, 2, 3];
        from.sealer.seal(&mut packet, 1).expect("because the key is fresh");
        let mut sealed = BytesMut::from(&packet[1..]);
        to.opener
            .open(&mut sealed)
            .expect("because both ends hold the same key");
        assert_eq!(&sealed[..], [round, 1, 2, 3]);
    }
}

fn refusal(auth: &ServerAuth, suites: &[Suite], hello: &[u8]) -> Option<HelloRefusal> {
    ServerHandshake::new(auth, suites, hello, &mut rng(2)).err()
}

// PROTOCOL R3.14
#[test]
fn every_suite_establishes_the_same_on_both_sides() {
    for suite in Suite::all() {
        let mut outcome = established(suite, 1);
        assert_eq!(outcome.offer, OFFER);
        assert_eq!(outcome.client.suite, suite);
        assert_eq!(outcome.server.suite, suite);
        assert_eq!(outcome.client.id, outcome.server.id);
        assert_eq!(outcome.client.peer_key, server_key().public());
        assert_eq!(outcome.server.peer_key, client_key().public());
        assert_eq!(outcome.client.secret.key(), outcome.server.secret.key());
        exchange(&mut outcome.client.keys, &mut outcome.server.keys);
        exchange(&mut outcome.server.keys, &mut outcome.client.keys);
    }
}

// PROTOCOL R3.10
#[test]
fn sizes_are_those_of_the_protocol() {
    for suite in Suite::all() {
        let [hello, challenge, proof] = established(suite, 1).packets;
        let hello_length = if suite.has_secret() {
            4 + HINT.len() + 32 + 16
        } else {
            4 + 32
        };
        assert_eq!(hello.len(), hello_length);
        assert_eq!(challenge.len(), 1 + 32 + 48 + 16);
        assert_eq!(proof.len(), 1 + 48 + OFFER.len() + 16);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for suite in Suite::all() {
        let (first, again, other) = (established(suite, 1), established(suite, 1), established(suite, 2));
        assert_eq!(first.packets, again.packets);
        assert_eq!(first.client.id, again.client.id);
        assert_eq!(first.client.secret.key(), again.client.secret.key());
        for (packet, differs) in first.packets.iter().zip(&other.packets) {
            assert_ne!(packet, differs);
        }
        assert_ne!(first.client.id, other.client.id);
        assert_ne!(first.client.secret.key(), other.client.secret.key());
    }
}

// PROTOCOL R3.6
#[test]
fn pins_and_client_lists_are_enforced() {
    let stranger = StaticKey::from_bytes([9; 32]);
    for suite in Suite::all() {
        let (client, server) = ends(suite);
        let impostor = server.clone().with_key(stranger.clone());
        let outcome = handshake(suite, &(client.clone(), impostor), 1, |_, _| ());
        assert_eq!(outcome.err(), Some(Failure::Challenge(ConnectionError::Untrusted)));

        let unlisted = client.with_key(stranger.clone());
        let outcome = handshake(suite, &(unlisted, server), 1, |_, _| ());
        assert_eq!(outcome.err(), Some(Failure::Proof(ConnectionError::Untrusted)));
    }
}

// PROTOCOL R3.6
#[test]
fn an_untrusted_server_gets_no_proof() {
    let (client, server) = ends(Suite::ChaChaPoly);
    let impostor = server.with_key(StaticKey::from_bytes([9; 32]));
    let (mut client, hello) = ClientHandshake::new(&client, Suite::ChaChaPoly, &mut rng(1));
    let (_, challenge) = ServerHandshake::new(&impostor, &Suite::all(), &hello, &mut rng(2))
        .expect("because the server accepts the suite");
    assert_eq!(client.on_challenge(&challenge), Err(ConnectionError::Untrusted));
    assert!(!client.may_send_credential(Carrier::ordered()));
    assert_eq!(client.prove(OFFER).err(), Some(ConnectionError::Handshake));
}

// PROTOCOL R3.11
#[test]
fn refusals_name_version_and_suite() {
    let (client, server) = ends(Suite::ChaChaPoly);
    let (_, hello) = ClientHandshake::new(&client, Suite::ChaChaPoly, &mut rng(1));
    let changed = |position: usize, value: u8| {
        let mut hello = hello.clone();
        hello[position] = value;
        hello
    };
    assert_eq!(refusal(&server, &Suite::all(), &hello), None);
    assert_eq!(refusal(&server, &[Suite::Aes256Gcm], &hello), Some(HelloRefusal::Suite));
    assert_eq!(
        refusal(&server, &Suite::all(), &changed(1, 2)),
        Some(HelloRefusal::Version)
    );
    assert_eq!(
        refusal(&server, &Suite::all(), &[1, 9]),
        Some(HelloRefusal::Version),
        "whatever follows"
    );
    assert_eq!(
        refusal(&server, &Suite::all(), &changed(2, 99)),
        Some(HelloRefusal::Suite)
    );
    assert_eq!(
        refusal(&server, &Suite::all(), &changed(0, 4)),
        Some(HelloRefusal::Malformed)
    );
    assert_eq!(
        refusal(&server, &Suite::all(), &changed(3, 1)),
        Some(HelloRefusal::Malformed)
    );
    assert_eq!(refusal(&server, &Suite::all(), &[]), Some(HelloRefusal::Malformed));
}

#[test]
fn a_hint_may_have_64_bytes_and_no_more() {
    let suite = Suite::ChaChaPolyPsk;
    for length in [0, 1, 64] {
        let secret = SharedSecret::from_key(&vec![b'h'; length], [1; 32]).expect("because it is short enough");
        let both = (Auth::secret(secret.clone()), ServerAuth::secrets(vec![secret]));
        assert!(handshake(suite, &both, 1, |_, _| ()).is_ok());
    }
    let mut hello = vec![1, 1, suite.byte(), 65];
    hello.resize(4 + 65 + 48, 0);
    assert_eq!(
        refusal(&ends(suite).1, &Suite::all(), &hello),
        Some(HelloRefusal::Malformed)
    );
}

// PROTOCOL R3.2
#[test]
fn a_server_with_secrets_lets_no_plain_hello_in_unless_it_says_so() {
    let (_, plain) = ClientHandshake::new(&Auth::anonymous(), Suite::ChaChaPoly, &mut rng(1));
    let (_, with_secret) = ClientHandshake::new(&Auth::secret(secret()), Suite::ChaChaPolyPsk, &mut rng(1));
    let strict = [
        ServerAuth::secrets(vec![secret()]),
        ServerAuth::secrets(vec![secret()]).with_key(server_key()),
        ServerAuth::key(server_key()).with_secrets(vec![secret()]),
        ServerAuth::anonymous()
            .with_secrets(vec![secret()])
            .with_clients(vec![client_key().public()]),
    ];
    for auth in strict {
        assert_eq!(refusal(&auth, &Suite::all(), &plain), Some(HelloRefusal::Suite));
        assert_eq!(refusal(&auth, &Suite::all(), &with_secret), None);
        let both = auth.admit_without_secret();
        assert_eq!(refusal(&both, &Suite::all(), &plain), None);
        assert_eq!(refusal(&both, &Suite::all(), &with_secret), None);
    }
    for auth in [ServerAuth::anonymous(), ServerAuth::key(server_key())] {
        assert_eq!(refusal(&auth, &Suite::all(), &plain), None);
        assert_eq!(refusal(&auth, &Suite::all(), &with_secret), Some(HelloRefusal::Suite));
    }
}

#[test]
fn a_suite_that_the_clients_own_rules_exclude_gets_no_further_than_the_challenge() {
    let both = (Auth::secret(secret()), ServerAuth::anonymous());
    let outcome = handshake(Suite::ChaChaPoly, &both, 1, |_, _| ());
    assert_eq!(outcome.err(), Some(Failure::Challenge(ConnectionError::Untrusted)));
}

// PROTOCOL R3.5
#[test]
fn ends_without_a_key_show_a_fresh_one_each_time() {
    let both = (Auth::anonymous(), ServerAuth::anonymous());
    let run = |seed| handshake(Suite::Aes256Gcm, &both, seed, |_, _| ()).expect("because nobody disturbs it");
    let (first, second) = (run(1), run(2));
    let keys = [
        first.client.peer_key,
        first.server.peer_key,
        second.client.peer_key,
        second.server.peer_key,
    ];
    for (position, key) in keys.iter().enumerate() {
        assert!(!keys[..position].contains(key));
    }
    // Not the ephemeral key either, which stands in the clear.
    assert_ne!(first.packets[0][4..36], first.server.peer_key.0);
    assert_ne!(first.packets[1][1..33], first.client.peer_key.0);
}

fn credential_allowed(auth: &Auth, server: &ServerAuth, suite: Suite, carrier: Carrier) -> bool {
    let (mut client, hello) = ClientHandshake::new(auth, suite, &mut rng(1));
    assert!(
        !client.may_send_credential(Carrier::ordered()),
        "nobody has proven anything yet"
    );
    let (_, challenge) =
        ServerHandshake::new(server, &Suite::all(), &hello, &mut rng(2)).expect("because the server accepts the suite");
    client
        .on_challenge(&challenge)
        .expect("because the server is the right one");
    client.may_send_credential(carrier)
}

// PROTOCOL R3.9
#[test]
fn a_credential_goes_out_only_to_a_server_that_is_known() {
    let (open, checked) = (Carrier::ordered(), Carrier::ordered().authenticated());
    let anonymous = (Auth::anonymous(), ServerAuth::key(server_key()));
    assert!(!credential_allowed(&anonymous.0, &anonymous.1, Suite::ChaChaPoly, open));
    assert!(credential_allowed(
        &anonymous.0,
        &anonymous.1,
        Suite::ChaChaPoly,
        checked
    ));

    let pinned = Auth::pinned(vec![server_key().public()]);
    assert!(credential_allowed(&pinned, &anonymous.1, Suite::ChaChaPoly, open));

    let server = ServerAuth::secrets(vec![secret()]).with_key(server_key());
    assert!(credential_allowed(
        &Auth::secret(secret()),
        &server,
        Suite::ChaChaPolyPsk,
        open
    ));

    let words = SharedSecret::from_passphrase(HINT, "correct horse").expect("because it is not empty");
    let guessable = Auth::secret(words);
    assert!(!credential_allowed(&guessable, &server, Suite::ChaChaPolyPsk, open));
    assert!(credential_allowed(&guessable, &server, Suite::ChaChaPolyPsk, checked));
    let guessable = guessable.with_pinned(vec![server_key().public()]);
    assert!(credential_allowed(&guessable, &server, Suite::ChaChaPolyPsk, open));
}

#[test]
fn the_hint_is_told_for_a_suite_with_a_secret_only() {
    let hint_of = |suite: Suite| -> Option<Vec<u8>> {
        let both = ends(suite);
        let (_, hello) = ClientHandshake::new(&both.0, suite, &mut rng(1));
        let (server, _) = ServerHandshake::new(&both.1, &Suite::all(), &hello, &mut rng(2))
            .expect("because the server accepts the suite");
        server.secret_hint().map(|hint| hint.to_vec())
    };
    assert_eq!(hint_of(Suite::Aes256GcmPsk).as_deref(), Some(HINT));
    assert_eq!(hint_of(Suite::Aes256Gcm), None);
}

#[test]
fn a_handshake_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<ClientHandshake>();
    is_send::<ServerHandshake>();
    is_send::<super::Established>();
    is_send::<Rng>();
}
