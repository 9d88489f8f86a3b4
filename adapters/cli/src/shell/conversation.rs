//! What goes on between a person and a terminal, until one of them ends it.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::{RecvError, RecvHalf, SendHalf, Session};

use super::asking;
use super::status::follow_connection;
use crate::console::around::{Notes, Surroundings};
use crate::console::escape::{Escapes, HELP, Typed};
use crate::console::tty::Input;
use crate::console::writer::Place;
use crate::said::{self, Diverted};
use crate::signals::Signals;
use crate::terminal::messages::{self, Control, Message};

/// What a program takes for the end of its input.
const END_OF_INPUT: &[u8] = b"\x04";
/// Output that nobody read for so long is in nobody's way who wants to leave.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many pieces that were typed wait, so that what is meant for the command itself is read though the program reads nothing.
const TYPED: usize = 1 << 16;

/// What was typed, or happened to the window, and waits to be sent.
type Outgoing = tokio::sync::mpsc::Sender<Bytes>;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The program did, with this status.
    Exited(u8),
    /// The person left.
    Detached,
    /// The person wanted the program to end, and it did not, or there was no connection.
    Left,
    /// Somebody attached it elsewhere.
    Displaced,
    /// The server gave the terminal up, as it does where somebody attached it elsewhere while we did not read.
    GivenUp,
    /// The session is over.
    Broken,
}

pub(crate) struct Conversation<'a> {
    session: &'a Session,
    around: Surroundings<'a>,
    /// How it ended, while the last that was printed is written.
    ended: Cell<Option<Over>>,
    /// The person wanted the program to end.
    hung_up: Notify,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(session: &'a Session, around: Surroundings<'a>) -> Conversation<'a> {
        Conversation {
            session,
            around,
            ended: Cell::new(None),
            hung_up: Notify::new(),
        }
    }

    /// `name`: that of the terminal; `None`: the program has pipes. `lines`: what is said on standard error otherwise.
    pub(crate) async fn run(
        &mut self,
        mut send: SendHalf,
        mut recv: RecvHalf,
        (mut notes, lines): (Notes, &mut Diverted),
        name: Option<&str>,
        mut signals: Signals,
    ) -> Over {
        self.around.keyboard.attend();
        let (outgoing, mut waiting) = tokio::sync::mpsc::channel::<Bytes>(if name.is_some() { TYPED } else { 64 });
        let mut next = None;
        let sent = async {
            loop {
                if next.is_none() {
                    next = waiting.recv().await;
                }
                // It stays there until it is sent, whatever ends this meanwhile.
                match &next {
                    Some(message) if send.send(Bytes::clone(message)).await.is_ok() => next = None,
                    _ => return std::future::pending::<Over>().await,
                }
            }
        };
        let around = &self.around;
        let resized = async |size| drop(outgoing.send(Control::Resize(size).encode()).await);
        let over = tokio::select! {
            over = self.show(&mut recv) => over,
            over = self.read(&outgoing, name) => over,
            over = sent => over,
            () = around.follow_window(resized) => Over::Broken,
            () = around.follow_stops() => Over::Broken,
            () = follow_connection(self.session, around) => Over::Broken,
            () = around.hear(&mut notes, lines, HELP) => Over::Broken,
            () = self.give_up_output() => Over::Broken,
            () = around.writer.closed() => Over::Detached,
            () = signals.end_or_hangup() => Over::Detached,
        };
        let over = match self.ended.get() {
            // Who leaves what ended already, before all of it is written.
            Some(ended) if !around.writer.is_closed() => ended,
            _ => over,
        };
        if over == Over::Detached {
            // What was typed before goes first.
            let rest = std::iter::from_fn(|| next.take().or_else(|| waiting.try_recv().ok()));
            // What does not fit any more leaves no gap.
            let fits = rest.map(|message| send.try_send(message)).all(|sent| sent.is_ok());
            if !fits {
                self.around
                    .display()
                    .say("unbroken: not all that was typed could be sent")
                    .ok();
            }
        }
        // Whoever heard how the program ended says so by leaving, too.
        if matches!(over, Over::Detached | Over::Exited(_)) {
            let _no_room = send.try_send(Control::Detach.encode());
            send.finish();
        }
        over
    }

    /// Leaves the person's terminal as it was, and writes what is to be written yet, as long as it is read. What could not be done, if anything.
    pub(crate) async fn leave(self, lines: &mut Diverted) -> Option<String> {
        let writer = self.around.writer.clone();
        let mut display = self.around.into_display();
        while let Some(line) = lines.try_next() {
            let _output_closed = display.line(&line);
        }
        let problem = display
            .leave()
            .unwrap_or_else(|error| Some(format!("the terminal: {error}")));
        if !writer.settle(PATIENCE).await {
            said::set_stuck();
        }
        problem
    }

    /// Shows what the program prints, to its end.
    async fn show(&self, recv: &mut RecvHalf) -> Over {
        let over = self.show_all(recv).await;
        self.ended.set(Some(over));
        self.around.writer.drained().await;
        match self.around.writer.is_closed() {
            true => Over::Detached,
            false => over,
        }
    }

    async fn show_all(&self, recv: &mut RecvHalf) -> Over {
        loop {
            // As long as nobody reads what was printed before, nothing more is taken from the server.
            self.around.writer.room().await;
            let message = match recv.recv().await {
                Ok(Some(message)) => message,
                Err(RecvError::SessionEnded) => return Over::Broken,
                Ok(None) | Err(_) => return Over::GivenUp,
            };
            let _is_ours = self.around.screen.lock().await;
            match Message::decode(message) {
                // Whoever closed our output does not want it any more.
                Some(Message::Data(bytes)) if self.around.display().print(&bytes).is_err() => return Over::Detached,
                Some(Message::Errors(bytes)) => drop(self.around.writer.push(Place::Errors, &bytes)),
                Some(Message::Control(Control::Exited(status))) => return Over::Exited(status),
                Some(Message::Control(Control::Displaced)) => return Over::Displaced,
                _ => {}
            }
        }
    }

    /// Drops what nobody reads, once the program is to end: how it ended is behind it.
    async fn give_up_output(&self) {
        self.hung_up.notified().await;
        self.around.writer.stuck(PATIENCE).await;
        self.around.writer.give_up();
        std::future::pending().await
    }

    /// Sends what is typed.
    async fn read(&self, outgoing: &Outgoing, name: Option<&str>) -> Over {
        let (mut input, mut escapes) = (Input::new(self.around.keyboard), Escapes::new(true));
        let (mut hung_up, mut line_begins) = (false, true);
        loop {
            let typed = match input.read().await {
                // Where the person's terminal is gone, or what was to be typed is all typed.
                Err(_) => return Over::Detached,
                Ok(typed) if typed.is_empty() => {
                    let end = match name.is_some() {
                        // Behind the beginning of a line the first only ends the line.
                        true => messages::data(&END_OF_INPUT.repeat(if line_begins { 1 } else { 2 })),
                        false => Control::EndOfInput.encode(),
                    };
                    let _session_over = outgoing.send(end).await;
                    return std::future::pending().await;
                }
                Ok(typed) => typed,
            };
            if !io::stdin().is_terminal() {
                line_begins = typed.ends_with(b"\n");
                let _session_over = outgoing.send(messages::data(&typed)).await;
                continue;
            }
            let is_away = self.session.state() == SessionState::Detached;
            // What the line that is shown offers; nothing is taken from the program otherwise.
            if self.around.display().shows_status() && matches!(typed.as_slice(), b"\r" | b"\n") {
                self.around.keyboard.hear();
                self.session.reconnect_now();
                continue;
            }
            for typed in escapes.read(&typed) {
                match typed {
                    Typed::Bytes(bytes) => drop(outgoing.send(messages::data(&bytes)).await),
                    Typed::Detach => return Over::Detached,
                    Typed::HangUp if is_away || hung_up || self.ended.get().is_some() => return Over::Left,
                    Typed::HangUp => {
                        hung_up = true;
                        self.hung_up.notify_one();
                        if let Some(name) = name {
                            tokio::spawn(asking::end(self.session.clone(), name.to_owned()));
                        }
                    }
                    Typed::Help => self.around.help.notify_one(),
                }
            }
        }
    }
}
