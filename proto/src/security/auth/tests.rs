use alloc::vec;

use super::{Auth, ServerAuth};
use crate::error::ConfigError;
use crate::security::Suite;
use crate::security::testing::{client_key, secret, server_key};

const PSK: [Suite; 2] = [Suite::Aes256GcmPsk, Suite::ChaChaPolyPsk];
const PLAIN: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaChaPoly];

// PROTOCOL R3.1
#[test]
fn a_client_uses_psk_suites_if_and_only_if_it_has_a_secret() {
    let all = Suite::all();
    let pins = vec![server_key().public()];
    for auth in [
        Auth::anonymous(),
        Auth::pinned(pins.clone()),
        Auth::anonymous().with_key(client_key()),
    ] {
        assert_eq!(auth.suites(&all), PLAIN);
        assert_eq!(auth.validate(&all), Ok(()));
        assert_eq!(auth.validate(&PSK), Err(ConfigError::NoSuite));
        assert_eq!(auth.validate(&[]), Err(ConfigError::NoSuite));
    }
    for auth in [Auth::secret(secret()), Auth::pinned(pins).with_secret(secret())] {
        assert_eq!(auth.suites(&all), PSK);
        assert_eq!(auth.validate(&all), Ok(()));
        assert_eq!(auth.validate(&PLAIN), Err(ConfigError::NoSuite));
    }
}

#[test]
fn the_configured_order_stands_and_repetitions_go() {
    let configured = [
        Suite::ChaChaPoly,
        Suite::Aes256GcmPsk,
        Suite::Aes256Gcm,
        Suite::ChaChaPoly,
    ];
    assert_eq!(
        Auth::anonymous().suites(&configured),
        [Suite::ChaChaPoly, Suite::Aes256Gcm]
    );
    assert_eq!(
        ServerAuth::anonymous().suites(&configured),
        [Suite::ChaChaPoly, Suite::Aes256Gcm]
    );
}

// PROTOCOL R3.7
#[test]
fn empty_lists_are_not_anonymity() {
    let all = Suite::all();
    assert_eq!(Auth::pinned(vec![]).validate(&all), Err(ConfigError::NoIdentity));
    assert!(!Auth::pinned(vec![]).trusts(server_key().public()));
    assert_eq!(ServerAuth::secrets(vec![]).validate(&all), Err(ConfigError::NoIdentity));
    assert_eq!(
        ServerAuth::key(server_key()).with_secrets(vec![]).validate(&all),
        Err(ConfigError::NoIdentity)
    );
    assert!(!ServerAuth::secrets(vec![]).allows(Suite::ChaChaPoly));
    assert_eq!(
        ServerAuth::anonymous().with_clients(vec![]).validate(&all),
        Err(ConfigError::NoIdentity)
    );
    assert!(
        !ServerAuth::anonymous()
            .with_clients(vec![])
            .trusts(client_key().public())
    );
}

// PROTOCOL R3.2
#[test]
fn a_server_with_secrets_takes_psk_suites_only_unless_it_says_otherwise() {
    let all = Suite::all();
    let key = ServerAuth::key(server_key());
    assert_eq!(key.suites(&all), PLAIN);
    assert_eq!(key.validate(&PSK), Err(ConfigError::NoSuite));
    assert_eq!(key.clone().with_secrets(vec![secret()]).suites(&all), PSK);
    assert_eq!(
        ServerAuth::secrets(vec![secret()]).with_key(server_key()).suites(&all),
        PSK
    );
    let both = key.admit_without_secret().with_secrets(vec![secret()]);
    assert_eq!(both.suites(&all), all);
    assert_eq!(both.validate(&PLAIN), Ok(()));
    assert_eq!(
        ServerAuth::secrets(vec![secret()]).validate(&PLAIN),
        Err(ConfigError::NoSuite)
    );
}

#[test]
fn secrets_are_found_by_their_hint() {
    let auth = ServerAuth::secrets(vec![secret()]);
    assert!(auth.find_secret(b"laptop").is_some());
    assert!(auth.find_secret(b"lapto").is_none());
    assert!(auth.find_secret(b"").is_none());
}
