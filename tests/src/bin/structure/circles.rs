//! Files that use one another, directly or by way of others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Groups of files of which each leads to each other, and in each group the shortest ways round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    pub(crate) members: BTreeSet<usize>,
    /// Each begins with its smallest file; the way back to it is left out.
    pub(crate) ways: BTreeSet<Vec<usize>>,
}

/// All circles of a graph.
pub(crate) fn find<'a>(edges: impl Iterator<Item = &'a (usize, usize)>) -> Vec<Circle> {
    let mut graph: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for &(from, to) in edges {
        graph.entry(from).or_default().insert(to);
    }
    let reach: BTreeMap<usize, BTreeSet<usize>> = graph.keys().map(|&file| (file, reachable(&graph, file))).collect();
    let leads = |from: usize, to: usize| reach.get(&from).is_some_and(|reached| reached.contains(&to));
    let mut circles: Vec<Circle> = Vec::new();
    for &file in graph.keys() {
        let known = circles.iter().any(|circle| circle.members.contains(&file));
        if known || !leads(file, file) {
            continue;
        }
        let members: BTreeSet<usize> = reach[&file].iter().copied().filter(|&to| leads(to, file)).collect();
        let ways = members
            .iter()
            .filter_map(|&member| shortest(&graph, &members, member))
            .collect();
        circles.push(Circle { members, ways });
    }
    circles
}

fn reachable(graph: &BTreeMap<usize, BTreeSet<usize>>, from: usize) -> BTreeSet<usize> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for &to in graph.get(&file).into_iter().flatten() {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// The shortest way from a file back to itself.
fn shortest(graph: &BTreeMap<usize, BTreeSet<usize>>, within: &BTreeSet<usize>, start: usize) -> Option<Vec<usize>> {
    let (mut came, mut open) = (BTreeMap::new(), VecDeque::from([start]));
    while let Some(file) = open.pop_front() {
        for &to in graph.get(&file).into_iter().flatten().filter(|to| within.contains(to)) {
            if to == start {
                let mut way = vec![file];
                while let Some(&before) = came.get(&way[way.len() - 1]) {
                    way.push(before);
                }
                way.reverse();
                let smallest = way.iter().enumerate().min_by_key(|&(_, file)| file)?.0;
                way.rotate_left(smallest);
                return Some(way);
            }
            if let Entry::Vacant(way) = came.entry(to) {
                way.insert(file);
                open.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
