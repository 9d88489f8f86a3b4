//! Runs many schedules and says how many a minute; stops at the first that breaks a promise.
//!
//! `cargo run --profile sim -p unbroken-hosted --bin hosted-soak -- --seeds N [--start S] [--jobs J] [--strict] [--verbose] [--keep-going]`,
//! `… -- --seed S [--strict] [--trace]` for one alone.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use unbroken_hosted::{Summary, run_seed};
use unbroken_tests::tally::Tally;

struct Arguments {
    seeds: u64,
    start: u64,
    jobs: u64,
    verbose: bool,
    keep_going: bool,
    alone: Option<u64>,
    trace: bool,
    strict: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        seeds: 1_000,
        start: 0,
        jobs: 1,
        verbose: false,
        keep_going: false,
        alone: None,
        trace: false,
        strict: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || {
            let text = given.next();
            text.and_then(|text| text.parse().ok())
                .ok_or(format!("{name} needs a number"))
        };
        match name.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--start" => parsed.start = number()?,
            "--jobs" => parsed.jobs = number()?,
            "--seed" => parsed.alone = Some(number()?),
            "--verbose" => parsed.verbose = true,
            "--keep-going" => parsed.keep_going = true,
            "--strict" => parsed.strict = true,
            "--trace" => parsed.trace = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(parsed)
}

/// Real time that one schedule may take: one that takes more waits for itself.
const LIMIT: Duration = Duration::from_secs(120);

/// What every worker is at, since when.
type Working = Mutex<BTreeMap<u64, (u64, Instant)>>;

fn watch(working: &'static Working) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(5));
            let working = working.lock().expect("because nobody panics while it is locked");
            for (seed, since) in working.values() {
                if since.elapsed() > LIMIT {
                    println!(
                        "seed {seed} FAILED: it takes more than {} s: a lock that waits for itself?",
                        LIMIT.as_secs()
                    );
                    std::process::exit(1);
                }
            }
        }
    });
}

#[derive(Default)]
struct Totals {
    tally: Tally,
    messages: u64,
    bytes: u64,
    polls: u64,
    time: u64,
    failures: BTreeMap<String, (u64, u64)>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("hosted-soak: {what}");
            return ExitCode::from(2);
        }
    };
    if arguments.alone.is_none() || !arguments.trace {
        std::panic::set_hook(Box::new(|_| {}));
    }
    if let Some(seed) = arguments.alone {
        return match run_seed(seed, arguments.strict, arguments.trace) {
            Ok(summary) => {
                println!("seed {seed}: {summary:#?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("seed {seed} FAILED: {failure}");
                ExitCode::FAILURE
            }
        };
    }
    soak(&arguments)
}

fn soak(arguments: &Arguments) -> ExitCode {
    static WORKING: Working = Mutex::new(BTreeMap::new());
    watch(&WORKING);
    let next = AtomicU64::new(arguments.start);
    let end = arguments.start.saturating_add(arguments.seeds);
    let failed = AtomicBool::new(false);
    let totals = Mutex::new(Totals::default());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for job in 0..arguments.jobs.max(1) {
            let (next, failed, totals) = (&next, &failed, &totals);
            scope.spawn(move || work(arguments, job, next, end, failed, totals, &WORKING));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let done = next.load(Ordering::Relaxed).min(end) - arguments.start;
    let totals = totals.lock().expect("because nobody panics while it is locked");
    if arguments.verbose {
        totals
            .tally
            .iter()
            .for_each(|(name, count)| println!("{count:>12}  {name}"));
    }
    for (what, (count, seed)) in &totals.failures {
        println!("{count:>6} times, first by seed {seed}: {what}");
    }
    println!(
        "{done} schedules in {seconds:.1} s ({:.0} a minute), {} messages, {} MB, {} polls, {:.1} virtual hours",
        done as f64 / seconds * 60.0,
        totals.messages,
        totals.bytes / 1_000_000,
        totals.polls,
        totals.time as f64 / 3.6e12,
    );
    match failed.load(Ordering::Relaxed) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn work(
    arguments: &Arguments,
    job: u64,
    next: &AtomicU64,
    end: u64,
    failed: &AtomicBool,
    totals: &Mutex<Totals>,
    working: &Working,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || failed.load(Ordering::Relaxed) && !arguments.keep_going {
            return;
        }
        let lock = || working.lock().expect("because nobody panics while it is locked");
        lock().insert(job, (seed, Instant::now()));
        let ran = run_twice_sometimes(seed, arguments.strict);
        lock().remove(&job);
        let mut totals = totals.lock().expect("because nobody panics while it is locked");
        match ran {
            Ok(summary) => {
                totals.tally.merge(&summary.tally);
                totals.messages += summary.messages;
                totals.bytes += summary.bytes;
                totals.polls += summary.polls;
                totals.time += summary.time;
            }
            Err(what) if arguments.keep_going => {
                failed.store(true, Ordering::Relaxed);
                let first = what.lines().next().unwrap_or_default();
                println!("seed {seed}: {first}");
                let kind: String = first.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
                totals.failures.entry(kind).or_insert((0, seed)).0 += 1;
            }
            Err(what) => {
                failed.store(true, Ordering::Relaxed);
                println!("seed {seed} FAILED: {what}\nalone, with a trace: hosted-soak --seed {seed} --trace");
            }
        }
    }
}

/// One seed in a hundred runs twice and must do the same.
fn run_twice_sometimes(seed: u64, strict: bool) -> Result<Summary, String> {
    let summary = run_seed(seed, strict, false).map_err(|failure| failure.to_string())?;
    if seed.is_multiple_of(100) {
        let again = run_seed(seed, strict, false).map_err(|failure| format!("only at the second run: {failure}"))?;
        if again != summary {
            return Err("the same seed did two different things".to_owned());
        }
    }
    Ok(summary)
}
