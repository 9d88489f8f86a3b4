//! The search: depth first, each state once. Machines cannot be copied, so a state is a list of acts that is replayed from the
//! beginning.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::acts::Act;
use crate::disk::Restorer;
use crate::world::{Budget, World};
use unbroken_tests::pair::Setup;

/// What the exploration came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Explored {
    /// Different states.
    pub(crate) states: usize,
    /// Acts tried.
    pub(crate) edges: usize,
    /// Kills among them.
    pub(crate) kills: usize,
    /// States in which nothing could happen any more, except that a process dies.
    pub(crate) ends: usize,
    /// States from which everything was brought to its end.
    pub(crate) healed: usize,
    /// Whether a limit was hit.
    pub(crate) cut_short: bool,
}

/// Prints the way to where a check failed.
struct Way<'a>(&'a [Act]);

impl Drop for Way<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.0);
        }
    }
}

fn replay(setup: &Setup, restorer: &Rc<Restorer>, budget: Budget, path: &[Act]) -> World {
    let _way = Way(path);
    let mut world = World::begin(setup, restorer, budget);
    path.iter().for_each(|act| world.apply(*act));
    world
}

fn heal(mut world: World, path: &[Act]) {
    let _way = Way(path);
    world.heal();
    world.check_healed();
}

/// Visits every state within the budget.
///
/// # Panics
/// When something does not hold, with the way that leads there.
pub(crate) fn explore(setup: &Setup, budget: Budget) -> Explored {
    let mut explored = Explored::default();
    let restorer = Rc::new(Restorer::new(setup));
    let mut seen = BTreeSet::new();
    let mut stack: Vec<Vec<Act>> = vec![Vec::new()];
    while let Some(mut path) = stack.pop() {
        let mut world = replay(setup, &restorer, budget, &path);
        loop {
            if !seen.insert(world.key()) {
                break;
            }
            explored.states += 1;
            {
                let _way = Way(&path);
                world.check();
            }
            if explored.states >= budget.states || path.len() >= budget.depth {
                explored.cut_short = true;
                heal(world, &path);
                explored.healed += 1;
                break;
            }
            let acts = world.actions();
            let is_end = acts.iter().all(|act| matches!(act, Act::Wait | Act::Kill(_)));
            if is_end || explored.states % budget.fair_every == 0 {
                explored.healed += 1;
                heal(replay(setup, &restorer, budget, &path), &path);
            }
            explored.ends += usize::from(is_end);
            explored.edges += acts.len();
            explored.kills += acts.iter().filter(|act| matches!(act, Act::Kill(_))).count();
            let Some((first, rest)) = acts.split_first() else {
                break;
            };
            for act in rest {
                let mut branch = path.clone();
                branch.push(*act);
                stack.push(branch);
            }
            path.push(*first);
            let _way = Way(&path);
            world.apply(*first);
        }
        if explored.states >= budget.states {
            break;
        }
    }
    explored
}
