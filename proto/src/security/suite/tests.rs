use super::Suite;

#[test]
fn bytes_are_stable_and_round_trip() {
    for (position, suite) in Suite::all().into_iter().enumerate() {
        assert_eq!(usize::from(suite.byte()), position + 1);
        assert_eq!(Suite::from_byte(suite.byte()), Some(suite));
    }
    for byte in [0, 5, 6, 128, 255] {
        assert_eq!(Suite::from_byte(byte), None);
    }
}

#[test]
fn preferred_is_all_of_them_in_some_order() {
    let preferred = Suite::preferred();
    assert_eq!(preferred.len(), Suite::all().len());
    for suite in Suite::all() {
        assert!(preferred.contains(&suite));
    }
    assert!(preferred[0].has_secret() && preferred[1].has_secret());
    if cfg!(not(feature = "std")) {
        assert_eq!(preferred[0], Suite::ChaChaPolyPsk);
    }
}
