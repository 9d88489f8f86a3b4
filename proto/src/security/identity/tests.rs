use super::{PublicKey, SharedSecret, StaticKey};
use crate::error::ConfigError;
use crate::security::testing::hex;

#[test]
fn public_keys_are_x25519s() {
    // RFC 7748, section 5.2: the scalar 9 times the base point, the first iteration of its test.
    let secret = core::array::from_fn(|position| if position == 0 { 9 } else { 0 });
    let public = StaticKey::from_bytes(secret).public();
    assert_eq!(
        hex(&public.0),
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    );
}

#[test]
fn hints_have_at_most_64_bytes() {
    let too_long = Some(ConfigError::TooLong { field: "hint", max: 64 });
    assert!(SharedSecret::from_key(&[0; 64], [0; 32]).is_ok());
    assert_eq!(SharedSecret::from_key(&[0; 65], [0; 32]).err(), too_long);
    assert_eq!(SharedSecret::from_passphrase(&[0; 65], "words").err(), too_long);
}

// PROTOCOL R3.8
#[test]
fn passphrases_are_stretched_with_hint_and_words() {
    let key = |hint: &[u8], words: &str| SharedSecret::from_passphrase(hint, words).map(|secret| hex(secret.key()));
    let base = key(b"hint", "correct horse battery staple");
    assert!(base.is_ok());
    assert_eq!(base, key(b"hint", "correct horse battery staple"));
    assert_ne!(base, key(b"", "correct horse battery staple"));
    assert_ne!(base, key(b"hint", "Correct horse battery staple"));
    assert_eq!(key(b"hint", ""), Err(ConfigError::Passphrase));
}

#[test]
fn debug_shows_no_secret() {
    assert_eq!(
        alloc::format!("{:?}", StaticKey::from_bytes([0x77; 32])),
        "StaticKey(..)"
    );
    let secret = SharedSecret::from_key(b"h", [0x77; 32]).expect("because the hint is short");
    assert_eq!(alloc::format!("{secret:?}"), "SharedSecret { hint: b\"h\", .. }");
    let key = PublicKey(core::array::from_fn(|position| position as u8));
    assert!(alloc::format!("{key}").starts_with("000102030405"));
}
