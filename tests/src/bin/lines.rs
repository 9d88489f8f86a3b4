//! Runs sessions over simulated lines and prints how they use them: see `unbroken_tests::lines`.
//!
//! `cargo run --profile sim -p unbroken-tests --bin lines -- [--only TEXT] [--small] [--check] [--steps MS]`. With `--check` it
//! fails if a limit is missed that is kept otherwise (`lines::KEPT`); with `--steps` it prints what happens in each case from the beginning on, in steps of so many milliseconds.

use std::process::ExitCode;
use std::time::Instant;

use unbroken_tests::lines;

fn main() -> ExitCode {
    let (mut only, mut small, mut checked, mut steps) = (None, false, false, None);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--only" => only = given.next(),
            "--small" => small = true,
            "--check" => checked = true,
            "--steps" => steps = given.next().and_then(|text| text.parse::<u64>().ok()),
            other => {
                eprintln!("lines: unknown argument {other}");
                return ExitCode::from(2);
            }
        }
    }
    let began = Instant::now();
    let (mut count, mut missed, mut failed) = (0, 0, false);
    println!("{}", lines::heading());
    for case in if small { lines::small() } else { lines::all() } {
        if only.as_ref().is_some_and(|only| !lines::name(&case).contains(only)) {
            continue;
        }
        if let Some(step) = steps {
            println!("{}", lines::name(&case));
            let moments = lines::timeline(&case, step.max(1) * lines::MS);
            moments.for_each(|(at, measured)| println!("{}", lines::moment(at, &measured)));
            continue;
        }
        let measured = lines::run(&case);
        let misses = lines::check(&case, &measured);
        println!("{}", lines::row(&case, &measured, &misses));
        count += 1;
        missed += u32::from(!misses.is_empty());
        failed |= misses.iter().any(|miss| lines::KEPT.contains(&miss.check));
    }
    println!(
        "{missed} of {count} cases miss a limit; {:.1} s",
        began.elapsed().as_secs_f64()
    );
    if checked && failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
