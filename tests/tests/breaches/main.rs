//! Every row of the table of breaches in PROTOCOL.md, carried out on the machine in several ways, and the rules that only a
//! peer spelled by hand can show. `UNBROKEN_SEED=n` carries out all rows by that seed alone.

mod answering;
mod first;
mod noise;
mod rules;
mod sealed;
mod table;

use bytes::Bytes;
use unbroken_proto::Side;
use unbroken_proto::wire::frame::{EndCode, Frame};
use unbroken_proto::wire::{FrameWriter, frames as read};
use unbroken_tests::rng::Rng;

/// What a breach is answered, in the words of the table, and whether the session lives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    answer: String,
    lives: bool,
}

fn plaintext(frames: &[Frame]) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut writer = FrameWriter::new(&mut plaintext);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    plaintext
}

fn frames(plaintext: impl Into<Bytes>) -> Vec<Frame> {
    let frames: Result<Vec<Frame>, _> = read(plaintext.into()).collect();
    frames.expect("because the machine wrote them")
}

/// The END among them.
fn end_name(frames: &[Frame]) -> String {
    let end = frames.iter().find_map(|frame| match frame {
        Frame::End(end) => Some(end.code),
        _ => None,
    });
    let name = end.map(|code: EndCode| format!("END {code:?}"));
    name.unwrap_or_else(|| "nothing".to_owned())
}

type Breach = fn(&mut Rng, Side) -> Outcome;

/// Where a breach is committed, as the table says, and how.
const BREACHES: [(&str, &str, Breach); 60] = [
    ("B1", "before proof", first::no_first_packet),
    ("B2", "before proof", first::too_long),
    ("B3", "before proof", first::another_version),
    ("B4", "before proof", first::another_suite),
    ("B5", "before proof", first::malformed_hello),
    ("B6", "before proof", first::zero_hello),
    ("B7", "before proof", first::hellos_in_a_hurry),
    ("B8", "before proof", first::resume_of_another_length),
    ("B9", "before proof", first::resume_that_opens_nothing),
    ("B10", "handshake", first::resume_under_a_used_counter),
    ("B11", "handshake", first::authentic_and_wrong),
    ("B12", "handshake", first::attempts_in_a_hurry),
    ("B13", "handshake", first::no_proof),
    ("B14", "handshake", first::malformed_offer),
    ("B15", "handshake", first::better_suite_passed_over),
    ("B16", "handshake", first::wrong_predecessor),
    ("B17", "before proof", answering::any_reject),
    ("B18", "handshake", answering::spoilt_challenge),
    ("B19", "handshake", answering::another_server),
    ("B20", "handshake", answering::spoilt_final),
    ("B21", "handshake", answering::spoilt_resumed),
    ("B22", "sealed", sealed::impossible_claim),
    ("B57", "handshake", first::impossible_predecessor),
    ("B23", "sealed", sealed::no_sealed_packet),
    ("B24", "sealed", sealed::longer_than_any),
    ("B58", "sealed", sealed::longer_than_its_receiver_takes),
    ("B25", "sealed", sealed::does_not_open),
    ("B26", "sealed", sealed::on_a_retired_connection),
    ("B27", "sealed", sealed::overdue_rekey),
    ("B28", "sealed", sealed::cut_short),
    ("B29", "sealed", sealed::long_integer),
    ("B30", "sealed", sealed::long_string),
    ("B31", "sealed", sealed::unknown_frame),
    ("B32", "sealed", sealed::value_out_of_range),
    ("B33", "sealed", sealed::final_again),
    ("B34", "sealed", sealed::before_from),
    ("B35", "sealed", sealed::from_above),
    ("B36", "sealed", sealed::from_again),
    ("B37", "sealed", sealed::ack_beyond),
    ("B38", "sealed", sealed::resync_out_of_place),
    ("B39", "sealed", sealed::resync_below),
    ("B40", "sealed", sealed::resync_answered_low),
    ("B41", "sealed", sealed::resync_answered_high),
    ("B42", "sealed", sealed::inbox_overrun),
    ("B43", "sealed", sealed::closed_out_of_place),
    ("B44", "sealed", sealed::closed_out_of_range),
    ("B45", "sealed", sealed::close_out_of_range),
    ("B46", "sealed", sealed::more_behind_close),
    ("B47", "sealed", sealed::above_its_close),
    ("B48", "sealed", sealed::end_out_of_range),
    ("B49", "sealed", sealed::behind_end),
    ("B50", "sealed", sealed::stream_out_of_place),
    ("B51", "sealed", sealed::open_not_above),
    ("B52", "sealed", sealed::behind_the_end),
    ("B53", "sealed", sealed::too_many_streams),
    ("B54", "sealed", sealed::beyond_credit),
    ("B55", "sealed", sealed::credit_lowered),
    ("B56", "sealed", sealed::beyond_fragment_size),
    ("B59", "sealed", sealed::part_that_is_none),
    ("B60", "sealed", sealed::part_out_of_turn),
];

/// Rows that take a million packets.
const SLOW: [&str; 1] = ["B27"];

fn breaches() -> impl Iterator<Item = (&'static str, &'static str, Breach)> {
    BREACHES.into_iter()
}

fn seeds(id: &str) -> Vec<u64> {
    let one = std::env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok());
    match one {
        Some(seed) => vec![seed],
        None if SLOW.contains(&id) => vec![0],
        None => (0..24).collect(),
    }
}

#[test]
fn every_breach_is_answered_as_the_table_says() {
    let mut wrong = Vec::new();
    for row in table::rows() {
        let Some((_, _, breach)) = breaches().find(|(id, _, _)| *id == row.id) else {
            continue;
        };
        let victims: &[Side] = match row.judge {
            "server" => &[Side::Server],
            "client" => &[Side::Client],
            _ => &[Side::Server, Side::Client],
        };
        for victim in victims {
            for seed in seeds(row.id) {
                let mut rng = Rng::new(seed);
                let run = std::panic::catch_unwind(move || breach(&mut rng, *victim));
                let expected = Outcome {
                    answer: row.answer.to_owned(),
                    lives: row.lives,
                };
                if run.as_ref().ok() != Some(&expected) {
                    wrong.push(format!("{} by seed {seed}, {victim:?} judges: {:?}", row.id, run.ok()));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn table_and_test_know_the_same_breaches() {
    let rows = table::rows();
    let written: Vec<(&str, &str)> = rows.iter().map(|row| (row.id, row.place)).collect();
    let carried_out: Vec<(&str, &str)> = breaches().map(|(id, place, _)| (id, place)).collect();
    assert_eq!(written, carried_out);
}
