//! Many schedules, each from its seed: a fixed set for tests, and as many as are asked for. One seed in a hundred runs twice and must do the same.

use std::fmt::Debug;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::tally::Tally;

/// What a schedule came to.
pub trait Summary: Debug + PartialEq + Send {
    /// What happened, by name.
    fn tally(&self) -> &Tally;
}

struct Arguments {
    seeds: u64,
    start: u64,
    jobs: u64,
    verbose: bool,
    keep_going: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        seeds: 1_000,
        start: 0,
        jobs: 1,
        verbose: false,
        keep_going: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || {
            given
                .next()
                .and_then(|text| text.parse().ok())
                .ok_or(format!("{name} needs a number"))
        };
        match name.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--start" => parsed.start = number()?,
            "--jobs" => parsed.jobs = number()?,
            "--verbose" => parsed.verbose = true,
            "--keep-going" => parsed.keep_going = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(parsed)
}

/// What all workers share.
struct Soak<'a, S, T> {
    arguments: Arguments,
    next: AtomicU64,
    end: u64,
    failed: AtomicBool,
    totals: Mutex<(Tally, T)>,
    run: &'a (dyn Fn(u64) -> Result<S, String> + Sync),
    add: &'a (dyn Fn(&mut T, &S) + Sync),
    /// The test that runs a seed alone.
    test: &'a str,
}

/// The main function of a program that runs schedules until one breaks a promise, or all are done, and says how many a second. `add` sums up what
/// `line` says of them beside.
pub fn main<S: Summary, T: Default + Send>(
    test: &str,
    run: impl Fn(u64) -> Result<S, String> + Sync,
    add: impl Fn(&mut T, &S) + Sync,
    line: impl Fn(&Tally, &T) -> String,
) -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|info| {
        if std::env::var_os("UNBROKEN_TRACE").is_some() {
            eprintln!("{info}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    let soak = Soak {
        next: AtomicU64::new(arguments.start),
        end: arguments.start.saturating_add(arguments.seeds),
        failed: AtomicBool::new(false),
        totals: Mutex::default(),
        run: &run,
        add: &add,
        test,
        arguments,
    };
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..soak.arguments.jobs.max(1) {
            scope.spawn(|| soak.work());
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let done = soak.next.load(Ordering::Relaxed).min(soak.end) - soak.arguments.start;
    let totals = soak
        .totals
        .lock()
        .expect("because no worker panics while it holds the lock");
    let (tally, others) = &*totals;
    if soak.arguments.verbose {
        tally.iter().for_each(|(name, count)| println!("{count:>12}  {name}"));
    }
    let rate = done as f64 / seconds;
    println!(
        "{done} schedules in {seconds:.1} s ({rate:.0}/s), {}",
        line(tally, others)
    );
    match soak.failed.load(Ordering::Relaxed) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

impl<S: Summary, T> Soak<'_, S, T> {
    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end || self.failed.load(Ordering::Relaxed) && !self.arguments.keep_going {
                return;
            }
            match run_twice_sometimes(seed, self.run) {
                Ok(summary) => {
                    let mut totals = self
                        .totals
                        .lock()
                        .expect("because no worker panics while it holds the lock");
                    totals.0.merge(summary.tally());
                    (self.add)(&mut totals.1, &summary);
                }
                Err(what) => self.tell(seed, &what),
            }
        }
    }

    fn tell(&self, seed: u64, what: &str) {
        let first = !self.failed.swap(true, Ordering::Relaxed);
        if self.arguments.keep_going && !first {
            println!("seed {seed}: {}", what.lines().next().unwrap_or_default());
        } else {
            let test = self.test;
            println!(
                "seed {seed} FAILED: {what}\nrun it alone: UNBROKEN_SEED={seed} cargo test -p unbroken-tests --test {test}"
            );
        }
    }
}

fn run_twice_sometimes<S: Summary>(seed: u64, run: &(dyn Fn(u64) -> Result<S, String> + Sync)) -> Result<S, String> {
    let summary = run(seed)?;
    if seed.is_multiple_of(100) {
        let again = run(seed).map_err(|failure| format!("only at the second run: {failure}"))?;
        if again != summary {
            return Err("the same seed did two different things".to_owned());
        }
    }
    Ok(summary)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The fixed set of a test, `seeds` schedules from seed 0 on, and what happened in it. `UNBROKEN_SEED=n` runs only that one, of which nothing more is
/// to be checked, and `UNBROKEN_SEEDS=n` that many.
///
/// # Panics
/// A schedule broke a promise; the message names its seed.
pub fn fixed_set<S: Summary>(seeds: u64, run: impl Fn(u64) -> Result<S, String> + Sync) -> Option<Tally> {
    if let Some(seed) = number("UNBROKEN_SEED") {
        match run(seed) {
            Ok(summary) => println!("seed {seed}: {summary:#?}"),
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
        return None;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let asked = number("UNBROKEN_SEEDS").unwrap_or(seeds);
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let results: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| work_off(&next, asked, &run))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker died".to_owned())))
            .collect()
    });
    let _ = std::panic::take_hook();
    let mut tally = Tally::default();
    for result in results {
        match result {
            Ok(part) => tally.merge(&part),
            Err(what) => panic!("{what}"),
        }
    }
    println!("{asked} schedules in {:?}", begin.elapsed());
    tally.iter().for_each(|(name, count)| println!("{count:>10}  {name}"));
    (asked >= seeds).then_some(tally)
}

fn work_off<S: Summary>(
    next: &AtomicU64,
    seeds: u64,
    run: &(dyn Fn(u64) -> Result<S, String> + Sync),
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return Ok(tally);
        }
        let summary = run_twice_sometimes(seed, run).map_err(|failure| format!("seed {seed}: {failure}"))?;
        tally.merge(summary.tally());
    }
}

/// An untriggered fault is an untested one: each of these happened at least so often.
///
/// # Panics
/// Something is too rare.
pub fn demand<'a>(tally: &Tally, least: impl IntoIterator<Item = (&'a str, u64)>) {
    let rare = least.into_iter().filter(|(name, least)| tally.of(name) < *least);
    let missing: Vec<String> = rare
        .map(|(name, least)| format!("{name}: {} of {least}", tally.of(name)))
        .collect();
    assert!(missing.is_empty(), "too rare in the fixed set: {missing:#?}");
}
