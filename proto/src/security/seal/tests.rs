use alloc::vec;
use alloc::vec::Vec;

use bytes::BytesMut;
use snow::TransportState;

use super::{Forged, KeyExhausted, Opener, Sealer};
use crate::error::ConnectionError;
use crate::security::suite::{Algorithm, Suite};
use crate::security::testing::SnowsOwn;

/// `snow` alone, both ends, with its own ciphers; and the keys of the initiator's direction for us.
fn noise(algorithm: Algorithm) -> (TransportState, TransportState, Sealer, Opener) {
    let suite = match algorithm {
        Algorithm::Aes256Gcm => Suite::Aes256Gcm,
        Algorithm::ChaChaPoly => Suite::ChaChaPoly,
    };
    let end = || {
        SnowsOwn { zero_point: false }
            .builder(suite.resume_name())
            .psk(0, &[5; 32])
            .expect("because it is the only one")
    };
    let mut client = end().build_initiator().expect("because everything is given");
    let mut server = end().build_responder().expect("because everything is given");
    let (mut message, mut payload) = ([0; 200], [0; 200]);
    let length = client.write_message(&[], &mut message).expect("because there is room");
    server
        .read_message(&message[..length], &mut payload)
        .expect("because it is the client's");
    let length = server.write_message(&[], &mut message).expect("because there is room");
    client
        .read_message(&message[..length], &mut payload)
        .expect("because it is the server's");
    let (key, _) = client.dangerously_get_raw_split();
    let client = client.into_transport_mode().expect("because it is finished");
    let server = server.into_transport_mode().expect("because it is finished");
    (
        client,
        server,
        Sealer::new(algorithm, &key),
        Opener::new(algorithm, &key),
    )
}

const BOTH: [Algorithm; 2] = [Algorithm::Aes256Gcm, Algorithm::ChaChaPoly];

// PROTOCOL R3.21, R3.23
#[test]
fn bytes_are_noises_across_rekeys() {
    for algorithm in BOTH {
        let (mut client, mut server, mut sealer, mut opener) = noise(algorithm);
        let mut theirs = vec![0; 70_000];
        for round in 0..40_usize {
            let plaintext: Vec<u8> = (0..round * round * 40).map(|at| (at * 7 + round) as u8).collect();
            let length = client
                .write_message(&plaintext, &mut theirs)
                .expect("because it is short enough");
            let mut ours = vec![7; 3];
            ours.extend_from_slice(&plaintext);
            assert_eq!(sealer.seal(&mut ours, 3), Ok(()));
            assert_eq!(ours[..3], [7; 3]);
            assert_eq!(ours[3..], theirs[..length]);

            let mut packet = BytesMut::from(&theirs[..length]);
            assert_eq!(opener.open(&mut packet), Ok(()));
            assert_eq!(&packet[..], &plaintext[..]);
            let mut check = vec![0; 70_000];
            assert!(server.read_message(&ours[3..], &mut check).is_ok());

            assert_eq!(sealer.since_rekey(), round as u64 % 7 + 1);
            assert_eq!(opener.since_rekey(), round as u64 % 7 + 1);
            if round % 7 == 6 {
                client.rekey_outgoing();
                server.rekey_incoming();
                sealer.rekey();
                opener.rekey();
                assert_eq!((sealer.since_rekey(), opener.since_rekey()), (0, 0));
            }
        }
    }
}

#[test]
fn what_does_not_open_changes_nothing() {
    for algorithm in BOTH {
        let mut sealer = Sealer::new(algorithm, &[1; 32]);
        let mut opener = Opener::new(algorithm, &[1; 32]);
        let mut packet = vec![1, 2, 3, 4, 5];
        sealer.seal(&mut packet, 0).expect("because the key is fresh");
        for position in 0..packet.len() {
            let mut forged = BytesMut::from(&packet[..]);
            forged[position] ^= 0x10;
            assert_eq!(opener.open(&mut forged), Err(Forged));
            let mut short = BytesMut::from(&packet[..position]);
            assert_eq!(opener.open(&mut short), Err(Forged));
        }
        assert_eq!(opener.since_rekey(), 0);
        assert_eq!(opener.open(&mut BytesMut::from(&packet[..])), Ok(()));
        assert_eq!(
            opener.open(&mut BytesMut::from(&packet[..])),
            Err(Forged),
            "a second time"
        );
        assert_eq!(opener.since_rekey(), 1);
    }
}

#[test]
fn keys_of_another_direction_or_algorithm_open_nothing() {
    let mut packet = Vec::new();
    Sealer::new(Algorithm::ChaChaPoly, &[1; 32])
        .seal(&mut packet, 0)
        .expect("because the key is fresh");
    for (algorithm, key) in [(Algorithm::ChaChaPoly, [2; 32]), (Algorithm::Aes256Gcm, [1; 32])] {
        assert_eq!(
            Opener::new(algorithm, &key).open(&mut BytesMut::from(&packet[..])),
            Err(Forged)
        );
    }
}

// PROTOCOL R3.24
#[test]
fn the_last_nonce_is_never_a_packets() {
    let mut sealer = Sealer::new(Algorithm::ChaChaPoly, &[1; 32]);
    let mut opener = Opener::new(Algorithm::ChaChaPoly, &[1; 32]);
    sealer.0.nonce = u64::MAX - 1;
    opener.0.nonce = u64::MAX - 1;
    let mut packet = vec![1];
    assert_eq!(sealer.seal(&mut packet, 0), Ok(()));
    assert_eq!(opener.open(&mut BytesMut::from(&packet[..])), Ok(()));
    let mut packet = vec![1];
    assert_eq!(sealer.seal(&mut packet, 0), Err(KeyExhausted));
    assert_eq!(packet, [1]);
    assert_eq!(opener.open(&mut BytesMut::from(&[0; 17][..])), Err(Forged));
    assert_eq!(ConnectionError::from(KeyExhausted), ConnectionError::KeyExhausted);
    assert_eq!(ConnectionError::from(Forged), ConnectionError::Forged);
}

#[test]
fn a_start_beyond_the_end_seals_nothing() {
    let mut packet = vec![7];
    assert_eq!(
        Sealer::new(Algorithm::ChaChaPoly, &[1; 32]).seal(&mut packet, 5),
        Ok(())
    );
    assert_eq!(packet.len(), 17);
}
