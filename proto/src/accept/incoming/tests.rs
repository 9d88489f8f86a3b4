use super::*;

#[test]
fn the_best_common_one_is_the_clients_first_that_is_accepted() {
    assert_eq!(first_common(&[9, 3, 1], &[1, 3]), Some(3));
    assert_eq!(first_common(&[9], &[1, 3]), None);
    assert_eq!(first_common(&[], &[1]), None);
}
