use super::*;
use crate::terminal::messages::{Action, Request};

const LINES: usize = 100_000;

/// A program that prints far more than is kept, and a viewer of it.
fn printing() -> (Arc<Terminal>, u64) {
    let request = Request {
        action: Action::List,
        size: Size::USUAL,
        term: "dumb".into(),
        locale: Vec::new(),
    };
    let command = format!("seq {LINES}");
    let program = pty::start("test", Some(&command), &request).unwrap();
    let terminal = Terminal::new("test".into(), Some(command), Size::USUAL, program);
    let viewer = terminal.attach(true);
    (terminal, viewer)
}

async fn all(terminal: &Terminal, viewer: u64) -> String {
    let mut all = Vec::new();
    loop {
        match terminal.next(viewer, 1_000).await {
            Next::Print(printed) => all.extend(printed),
            Next::Exited(0) => return String::from_utf8(all).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_waits_for_who_is_there() {
    let (terminal, viewer) = printing();
    // It is over long before, if it does not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(terminal.listed().exited, None);
    let expected: String = (1..=LINES).map(|line| format!("{line}\r\n")).collect();
    assert!(all(&terminal, viewer).await == expected, "each line once");
}

#[tokio::test]
async fn a_program_does_not_wait_for_who_is_away() {
    let (terminal, viewer) = printing();
    terminal.connected(viewer, false);
    timeout(Duration::from_secs(120), terminal.exited()).await.unwrap();
    // What is too long ago comes as a screen.
    let screen = all(&terminal, viewer).await;
    assert!(screen.contains(&LINES.to_string()), "{screen}");
    assert!(screen.len() < 100_000, "{} bytes", screen.len());
}
