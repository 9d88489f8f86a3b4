use super::*;

fn secret(suite: Suite, key: u8) -> ResumptionSecret {
    ResumptionSecret::for_test(suite, [key; 32])
}

fn holds(secrets: &ResumeSecrets, wanted: &[&ResumptionSecret]) -> bool {
    let present = secrets.read();
    let present = || present.iter().flatten();
    present().count() == wanted.len() && wanted.iter().all(|secret| present().any(|known| known.is(secret)))
}

#[test]
fn one_secret_takes_the_place_of_another_and_the_third_stays_where_it_is() {
    let [a, b, c] = [1, 2, 3].map(|key| secret(Suite::Aes256Gcm, key));
    let shared = ResumeSecrets::default();
    assert!(holds(&shared, &[]));
    shared.publish([Some(&a), None]);
    assert!(holds(&shared, &[&a]));
    shared.publish([Some(&a), Some(&b)]);
    assert!(holds(&shared, &[&a, &b]));
    let place = |secrets: &ResumeSecrets, secret: &ResumptionSecret| {
        let known = secrets.read();
        known
            .iter()
            .position(|known| known.as_ref().is_some_and(|known| known.is(secret)))
    };
    // The candidate's becomes the session's: it is not moved, so that no moment lacks it.
    let before = place(&shared, &b);
    shared.publish([Some(&b), Some(&c)]);
    assert!(holds(&shared, &[&b, &c]));
    assert_eq!(place(&shared, &b), before);
    shared.publish([Some(&c), None]);
    assert!(holds(&shared, &[&c]));
    shared.publish([None, None]);
    assert!(holds(&shared, &[]));
    assert!(
        shared
            .0
            .iter()
            .flat_map(|place| &place.key)
            .all(|word| word.load(Ordering::Relaxed) == 0),
        "wiped"
    );
}

#[test]
fn secrets_of_two_suites_are_told_apart() {
    let (a, b) = (secret(Suite::Aes256Gcm, 1), secret(Suite::ChaChaPoly, 1));
    assert!(!a.is(&b) && a.is(&a.clone()));
    let shared = ResumeSecrets::default();
    shared.publish([Some(&a), Some(&b)]);
    assert!(holds(&shared, &[&a, &b]));
    assert_eq!(
        shared.read().map(|secret| secret.map(|secret| secret.suite())),
        [Some(Suite::Aes256Gcm), Some(Suite::ChaChaPoly)]
    );
}
