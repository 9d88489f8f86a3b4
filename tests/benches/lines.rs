//! What a session makes of lines, in virtual time: exact figures, the same on any machine.
//! `cargo bench -p unbroken-tests --bench lines [part of a case]`

use unbroken_tests::lines::{self, CHANGES};

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |text: &str| only.iter().all(|word| text.contains(word.as_str()));
    for case in lines::cells() {
        let name = case.to_string();
        if wanted(&name) {
            let figures = lines::run(case);
            println!("{name} | {figures} {}", figures.faults().join("; "));
        }
    }
    for case in lines::changes() {
        for change in CHANGES {
            let name = format!("{case} {change:?}");
            if wanted(&name) {
                let figures = lines::change(case, change);
                println!("{name:>40} | {figures} {}", figures.faults().join("; "));
            }
        }
    }
    for case in lines::changes() {
        for (plain, late) in [(false, false), (false, true), (true, false), (true, true)] {
            let name = format!(
                "{case} beside {}{}",
                if plain { "plain" } else { "session" },
                if late { ", late" } else { "" }
            );
            if wanted(&name) {
                let [first, second] = lines::sharing(case, plain, late);
                println!("{name:>50} | {first:.2} and {second:.2}");
            }
        }
        let name = format!("{case} slow reader");
        if wanted(&name) {
            let (outbox, unread) = lines::slow_reader(case, 20_000);
            println!("{name:>50} | outbox {outbox}, unread {unread}");
        }
    }
}
