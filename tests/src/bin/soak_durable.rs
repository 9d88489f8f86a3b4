//! Runs many schedules of durable sessions and says how many a second; stops at the first that breaks a promise.
//!
//! `cargo run --profile sim -p unbroken-tests --bin soak_durable -- --seeds N [--start S] [--jobs J] [--verbose]`

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use unbroken_tests::durable::{Summary, run_seed};
use unbroken_tests::tally::Tally;

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

#[derive(Default)]
struct Totals {
    tally: Tally,
    time: u64,
}

impl Totals {
    fn add(&mut self, summary: &Summary) {
        self.tally.merge(&summary.tally);
        self.time += summary.time;
    }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("soak_durable: {what}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|info| {
        if std::env::var_os("UNBROKEN_TRACE").is_some() {
            eprintln!("{info}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    let next = AtomicU64::new(arguments.start);
    let end = arguments.start.saturating_add(arguments.seeds);
    let failed = AtomicBool::new(false);
    let totals = Mutex::new(Totals::default());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| work(&arguments, &next, end, &failed, &totals));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let done = next.load(Ordering::Relaxed).min(end) - arguments.start;
    let totals = totals.lock().expect("because no worker panics while it holds the lock");
    if arguments.verbose {
        totals
            .tally
            .iter()
            .for_each(|(name, count)| println!("{count:>12}  {name}"));
    }
    println!(
        "{done} schedules in {seconds:.1} s ({:.0}/s), {} processes killed, {:.1} virtual hours",
        done as f64 / seconds,
        totals.tally.of("fault: killed"),
        totals.time as f64 / 3.6e12,
    );
    if failed.load(Ordering::Relaxed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn work(arguments: &Arguments, next: &AtomicU64, end: u64, failed: &AtomicBool, totals: &Mutex<Totals>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || failed.load(Ordering::Relaxed) && !arguments.keep_going {
            return;
        }
        match run_twice_sometimes(seed) {
            Ok(summary) => totals
                .lock()
                .expect("because no worker panics while it holds the lock")
                .add(&summary),
            Err(what) => {
                let first = !failed.swap(true, Ordering::Relaxed);
                if arguments.keep_going && !first {
                    println!("seed {seed}: {}", what.lines().next().unwrap_or_default());
                } else {
                    println!(
                        "seed {seed} FAILED: {what}\nrun it alone: UNBROKEN_SEED={seed} cargo test -p unbroken-tests --test durable"
                    );
                }
            }
        }
    }
}

/// One seed in a hundred runs twice and must do the same.
fn run_twice_sometimes(seed: u64) -> Result<Summary, String> {
    let summary = run_seed(seed)?;
    if seed.is_multiple_of(100) {
        let again = run_seed(seed).map_err(|failure| format!("only at the second run: {failure}"))?;
        if again != summary {
            return Err("the same seed did two different things".to_owned());
        }
    }
    Ok(summary)
}
