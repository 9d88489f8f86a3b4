use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

const SIZE: Size = Size { columns: 40, rows: 10 };

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A display, and a terminal that shows what it writes.
struct Shown {
    display: Display,
    writer: Writer,
    written: Written,
}

impl Shown {
    fn new() -> Shown {
        let written = Written::default();
        let writer = Writer::new(written.clone(), io::sink()).unwrap();
        Shown {
            display: Display::new(writer.clone(), Some(SIZE), None),
            writer,
            written,
        }
    }

    async fn terminal(&self) -> vt100::Parser {
        self.writer.drained().await;
        let (rows, columns) = SIZE.cells();
        let mut terminal = vt100::Parser::new(rows, columns, 100);
        terminal.process(&self.written.0.lock().unwrap());
        terminal
    }

    async fn picture(&self) -> String {
        self.terminal().await.screen().state_formatted()
    }

    async fn text(&self) -> String {
        self.terminal().await.screen().contents()
    }
}

#[tokio::test]
async fn what_is_said_over_a_whole_screen_leaves_no_trace_there_and_is_said_when_it_is_given_back() {
    let mut shown = Shown::new();
    shown
        .display
        .print(b"before\r\n\x1b[?1049h\x1b[2J\x1b[10;1H\x1b[44mbelow\x1b[3;3Hx")
        .unwrap();
    let before = shown.picture().await;
    shown.display.say("unbroken: first").unwrap();
    shown.display.say("unbroken: second").unwrap();
    shown.display.help("~d\n~.").unwrap();
    let text = shown.text().await;
    assert!(text.ends_with("unbroken: first\nunbroken: second\n~d\n~."), "{text}");
    // It stays over what the program prints meanwhile.
    shown.display.print(b"\x1b[3;4H").unwrap();
    assert!(shown.text().await.ends_with("~."));
    assert!(shown.display.shows_notice());
    shown.display.forget().unwrap();
    assert_eq!(shown.picture().await, before);
    shown.display.print(b"\x1b[m\x1b[?1049l").unwrap();
    assert_eq!(shown.text().await, "before\n\nunbroken: first\n\nunbroken: second");
    // Where the program ends with it, it is said as well.
    shown.display.print(b"\x1b[?1049h\x1b[2J").unwrap();
    shown.display.say("unbroken: third").unwrap();
    let (display, rest) = (shown.display, (shown.writer, shown.written));
    display.leave().unwrap();
    rest.0.drained().await;
    let written = String::from_utf8(rest.1.0.lock().unwrap().clone()).unwrap();
    assert!(written.ends_with("unbroken: third\r\n"), "{written:?}");
}

#[tokio::test]
async fn a_line_of_ours_is_in_the_middle_of_nothing() {
    let mut shown = Shown::new();
    shown.display.status(Some("reconnecting".into())).unwrap();
    for byte in "\x1b[1;31mr\u{f6}t\x1b[m".bytes() {
        shown.display.print(&[byte]).unwrap();
        shown.display.status(Some("reconnecting".into())).unwrap();
    }
    shown.display.status(None).unwrap();
    let mut plain = Shown::new();
    plain.display.print("\x1b[1;31mr\u{f6}t\x1b[m".as_bytes()).unwrap();
    let text = shown.text().await;
    assert_eq!(text.trim_end(), "r\u{f6}t");
    assert_eq!(shown.picture().await.trim_end(), plain.picture().await.trim_end());
}

#[tokio::test]
async fn a_screen_that_somebody_else_had_is_drawn_as_it_was() {
    let mut shown = Shown::new();
    shown
        .display
        .print(b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J\x1b[4;4Hhere")
        .unwrap();
    let before = shown.picture().await;
    shown.display.step_aside().unwrap();
    let aside = shown.terminal().await;
    let aside = aside.screen();
    assert!(!aside.alternate_screen() && !aside.hide_cursor() && !aside.bracketed_paste());
    // What is said meanwhile waits.
    shown.display.status(Some("reconnecting".into())).unwrap();
    assert_eq!(shown.text().await.trim(), "");
    shown.display.status(None).unwrap();
    shown.display.redraw().unwrap();
    assert_eq!(shown.picture().await, before);
}

#[test]
fn a_line_is_not_longer_than_the_screen_is_wide() {
    assert_eq!(fitting("abcdef", 4), "abcd");
    assert_eq!(fitting("a\u{4e2d}\u{4e2d}", 4), "a\u{4e2d}");
}
