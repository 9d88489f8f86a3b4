use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use unbroken_proto::ClientConfig;
use unbroken_proto::security::{Auth, SharedSecret};

use super::Shared;
use crate::stepper::Stepper;

fn shared() -> Arc<Shared> {
    let secret = SharedSecret::from_key(b"test", [9; 32]).expect("because the hint is short");
    let config = ClientConfig::new(Auth::secret(secret));
    let seed = crate::fresh_seed().expect("because the system has entropy");
    let stepper = Stepper::connect(config, seed, crate::uptime()).expect("because the configuration is sound");
    Shared::new(stepper).expect("because there are sockets")
}

fn ends(thread: &thread::JoinHandle<()>) -> bool {
    let began = Instant::now();
    while !thread.is_finished() {
        if began.elapsed() > Duration::from_secs(60) {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn a_call_between_a_step_and_sleep_is_not_slept_over() {
    let shared = shared();
    drop(shared.step());
    shared.call(|_, _| ());
    let theirs = Arc::clone(&shared);
    let sleeper = thread::spawn(move || theirs.sleep(theirs.core(), None));
    assert!(ends(&sleeper), "asleep though it was called");
}

#[test]
fn a_call_wakes_the_thread() {
    let shared = shared();
    let theirs = Arc::clone(&shared);
    let sleeper = thread::spawn(move || {
        let (core, ..) = theirs.step();
        theirs.sleep(core, None);
    });
    while !shared.look(|core| core.asleep) {
        thread::yield_now();
    }
    shared.call(|_, _| ());
    assert!(ends(&sleeper), "nobody rang");
}
