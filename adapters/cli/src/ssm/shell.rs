//! A shell, or a command, on the instance.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use unbroken_ssm::ClientSession;
use unbroken_ssm::aws::AwsClient;
use unbroken_ssm::proto::ssm::body::Size as Window;
use unbroken_ssm::proto::ssm::event::Chunk;

use super::status::{self, Said};
use super::{ended, signals::Signals};
use crate::console::around::Surroundings;
use crate::console::display::Display;
use crate::console::escape::{Escapes, Typed};
use crate::console::keyboard::Keyboard;
use crate::console::tty::{self, Input, Raw};
use crate::console::writer::{Place, Writer};
use crate::failure::Failure;
use crate::said;
use crate::terminal::messages::Size;

/// What a program takes for the end of its input.
const END_OF_INPUT: &[u8] = b"\x04";
/// What the agent is told of where there is no terminal here, as the official plugin does.
const NO_TERMINAL: Window = Window { cols: 300, rows: 100 };
/// Output that nobody read for so long is in nobody's way who wants to leave.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long the service may take to end a session that is to end.
const GOODBYE: Duration = Duration::from_secs(3);
/// The exit code where that of the program is not known, as ssh has it.
const UNKNOWN: u8 = 255;

/// So many pieces that were typed wait, so that what is meant for the command itself is read though nothing can be sent.
const TYPED: usize = 1 << 16;
/// Of a pipe as many as make it wait soon.
const PIPED: usize = 16;

/// What was typed, on its way.
type Outgoing = mpsc::Sender<Bytes>;

/// What `~?` says.
const HELP: &str = "\
~.  end the session
~~  a tilde
~?  this\r
These count at the beginning of a line. Enter tries at once to connect again where there is no connection.";

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The session is.
    Ended,
    /// The person wants it to be, or is gone.
    Left,
    /// This process is to end.
    Killed,
}

pub(super) async fn run(
    session: &ClientSession,
    service: &AwsClient,
    signals: &mut Signals,
) -> Result<ExitCode, Failure> {
    let keyboard = Keyboard::new();
    let raw = Raw::new(&keyboard)?;
    let size = tty::size();
    session.resize(size.map_or(NO_TERMINAL, window));
    let writer = Writer::new(io::stdout(), io::stderr()).map_err(Failure::unable("cannot write"))?;
    let display = Display::new(writer.clone(), size.filter(|_| raw.is_some()), None);
    let around = Surroundings::new(&keyboard, (writer, display), size);
    let shell = Shell {
        session,
        around,
        exit_code: Cell::new(None),
    };
    let mut lines = said::divert();
    let (_nobody, mut notes) = mpsc::channel(1);
    let (outgoing, typed) = mpsc::channel(if io::stdin().is_terminal() { TYPED } else { PIPED });
    let over = tokio::select! {
        () = shell.show() => Over::Ended,
        () = shell.read(&outgoing) => Over::Left,
        () = shell.send(typed) => Over::Left,
        () = shell.obey(signals, &outgoing) => Over::Killed,
        () = shell.around.follow_window(async |size| session.resize(window(size))) => Over::Left,
        () = shell.around.follow_stops() => Over::Left,
        () = shell.follow_connection() => Over::Left,
        () = shell.around.hear(&mut notes, &mut lines, HELP) => Over::Left,
        () = shell.around.writer.closed() => Over::Left,
    };
    let mut is_told = true;
    if over != Over::Ended && session.ended().is_none() {
        // Its program ends with it; a service that does not hear of it ends it when it has been idle for long enough.
        let session_id = session.session_id();
        let terminated = service.api().terminate_session(&session_id);
        is_told = matches!(timeout(GOODBYE, terminated).await, Ok(Ok(())));
        if !is_told {
            eprintln!("unbroken: the service could not be told to end the session");
        }
        session.abort();
    }
    let exit_code = shell.exit_code.get();
    shell.leave(&mut lines).await;
    drop(raw);
    drop(lines);
    match over {
        // The AWS CLI shows a failure with all arguments; that somebody left is none.
        Over::Left if is_told => Ok(ExitCode::SUCCESS),
        Over::Left | Over::Killed => Ok(ExitCode::from(UNKNOWN)),
        Over::Ended => ended::outcome(session, session.closed().await.as_deref(), exit_code),
    }
}

fn window(size: Size) -> Window {
    Window {
        cols: size.columns.into(),
        rows: size.rows.into(),
    }
}

struct Shell<'a> {
    session: &'a ClientSession,
    around: Surroundings<'a>,
    /// How the command ended, if the agent said so.
    exit_code: Cell<Option<i64>>,
}

impl Shell<'_> {
    /// Writes what comes, until the session is over and all of it is written.
    async fn show(&self) {
        let writer = &self.around.writer;
        loop {
            // As long as nobody reads what was printed before, nothing more is taken from the agent.
            writer.room().await;
            let Some(chunk) = self.session.read().await else { break };
            let _is_ours = self.around.screen.lock().await;
            match chunk {
                // Who closed our output is noticed elsewhere.
                Chunk::Output(bytes) => drop(self.around.display().print(&bytes)),
                Chunk::StdErr(bytes) => drop(writer.push(Place::Errors, &bytes)),
                Chunk::ExitCode(code) => self.exit_code.set(Some(code)),
                _ => {}
            }
        }
        writer.drained().await;
    }

    /// Reads what is typed, until the person wants no more.
    async fn read(&self, outgoing: &Outgoing) {
        let (mut input, mut escapes) = (Input::new(self.around.keyboard), Escapes::new(false));
        let is_terminal = io::stdin().is_terminal();
        // Nothing was typed since the line began.
        let mut is_empty = true;
        loop {
            let typed = match input.read().await {
                // The person's terminal is gone.
                Err(_) => return,
                Ok(typed) if typed.is_empty() => {
                    let _over = outgoing.send(Bytes::from_static(END_OF_INPUT)).await;
                    // The program says when it is done.
                    return std::future::pending().await;
                }
                Ok(typed) => typed,
            };
            if !is_terminal {
                let _over = outgoing.send(typed.into()).await;
                continue;
            }
            if self.around.display().shows_status() && matches!(typed.as_slice(), b"\r" | b"\n") {
                self.session.reconnect_now();
                // What the line offers is taken; the end of a line that was typed is the program's.
                if is_empty {
                    continue;
                }
            }
            is_empty = matches!(typed.last(), Some(b'\r' | b'\n'));
            for typed in escapes.read(&typed) {
                match typed {
                    // Nobody types so much; a paste that finds no room waits.
                    Typed::Bytes(bytes) => drop(outgoing.send(bytes.into()).await),
                    Typed::HangUp => return,
                    Typed::Help => self.around.help.notify_one(),
                    Typed::Detach => {}
                }
            }
        }
    }

    /// Sends it, however long there is no room for it.
    async fn send(&self, mut typed: mpsc::Receiver<Bytes>) {
        while let Some(bytes) = typed.recv().await {
            if self.session.write(bytes).await.is_err() {
                break;
            }
        }
        // What was sent last is answered by the end of the session.
        std::future::pending().await
    }

    /// Passes on what somebody types at a terminal that is not raw, until a signal wants the end.
    async fn obey(&self, signals: &mut Signals, outgoing: &Outgoing) {
        while let Some(byte) = signals.next_key().await {
            // Where much is on its way that nobody takes, this is no more than that.
            let _full = outgoing.try_send(Bytes::copy_from_slice(&[byte]));
        }
    }

    /// Says so while there is no connection.
    async fn follow_connection(&self) {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return status::on_standard_error(self.session).await;
        }
        status::follow(self.session, |said| {
            let line = match said {
                Said::Away(away, why) => Some(status::line(away, why.as_deref())),
                Said::Back(_) => None,
            };
            // Nothing is drawn where nobody looks.
            if !self.around.keyboard.is_lent() && self.around.writer.has_room() {
                let _output_closed = self.around.display().status(line);
            }
        })
        .await;
    }

    /// Leaves the person's terminal as it was, and writes what is to be written yet, as long as it is read.
    async fn leave(self, lines: &mut said::Diverted) {
        let writer = self.around.writer.clone();
        let mut display = self.around.into_display();
        while let Some(line) = lines.try_next() {
            let _output_closed = display.line(&line);
        }
        let _output_closed = display.leave();
        if !writer.settle(PATIENCE).await {
            said::set_stuck();
        }
    }
}
