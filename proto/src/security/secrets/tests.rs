use super::{Algorithm, Kdf, ResumptionSecret};
use crate::security::Suite;
use crate::security::testing::{established, hex, unhex};

#[test]
fn hkdf_is_rfc_5869s() {
    // Test case 3 of the RFC has neither salt nor info; its first block is 32 bytes of output.
    let out = Kdf::new(Algorithm::Aes256Gcm).hkdf(&[0; 32], &[0x0b; 22], &[]);
    assert_eq!(
        hex(out.as_ref()),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    );
}

#[test]
fn hmac_is_rfc_4231s() {
    // Test case 2, whose key of four bytes is padded with zeros to 32.
    let mut key = [0; 32];
    key[..4].copy_from_slice(b"Jefe");
    let out = Kdf::new(Algorithm::Aes256Gcm).hmac(&key, b"what do ya want for nothing?");
    assert_eq!(
        out.as_slice(),
        unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    );
}

#[test]
fn secrets_depend_on_all_that_goes_in() {
    let base = ResumptionSecret::derive(Suite::Aes256Gcm, &[1; 32], &[2; 64]);
    let mut split = [2; 64];
    split[63] = 3;
    for other in [
        ResumptionSecret::derive(Suite::ChaChaPoly, &[1; 32], &[2; 64]),
        ResumptionSecret::derive(Suite::Aes256Gcm, &[3; 32], &[2; 64]),
        ResumptionSecret::derive(Suite::Aes256Gcm, &[1; 32], &split),
    ] {
        assert_ne!(base.key(), other.key());
    }
}

// PROTOCOL R3.15
#[test]
fn verifiers_check_their_own_macs_only() {
    for suite in Suite::all() {
        let outcome = established(suite, 1);
        let (client, server) = (outcome.client.secret.verifier(), outcome.server.secret.verifier());
        let mac = client.mac(&[7; 32]);
        assert!(server.check(&[7; 32], &mac));
        assert!(!server.check(&[8; 32], &mac), "a MAC is worthless in another handshake");
        assert!(!established(suite, 2).server.secret.verifier().check(&[7; 32], &mac));
        for position in 0..32 {
            let mut forged = mac;
            forged[position] ^= 1;
            assert!(!server.check(&[7; 32], &forged));
        }
    }
}

#[test]
fn debug_shows_no_byte() {
    let secret = ResumptionSecret::derive(Suite::Aes256Gcm, &[1; 32], &[2; 64]);
    assert_eq!(alloc::format!("{secret:?}"), "ResumptionSecret(..)");
    assert_eq!(alloc::format!("{:?}", secret.verifier()), "Verifier(..)");
}
