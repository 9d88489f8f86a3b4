use std::collections::BTreeSet;

use super::{Circle, find};

#[test]
fn what_leads_back_is_a_circle_and_what_leads_to_one_is_not() {
    let edges = [(0, 1), (1, 2), (2, 1), (2, 3), (3, 4), (5, 6), (6, 7), (7, 5)];
    let circle = |members: &[usize]| Circle {
        members: members.iter().copied().collect(),
        ways: BTreeSet::from([members.to_vec()]),
    };
    assert_eq!(find(edges.iter()), [circle(&[1, 2]), circle(&[5, 6, 7])]);
    assert_eq!(find([(0, 1), (0, 2), (1, 2)].iter()), []);
}

#[test]
fn each_member_gets_its_shortest_way_round() {
    let edges = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 3), (3, 2)];
    let found = find(edges.iter());
    assert_eq!(found.len(), 1);
    let ways: Vec<&[usize]> = found[0].ways.iter().map(Vec::as_slice).collect();
    assert_eq!(ways, [&[0, 1][..], &[2, 3]]);
}
