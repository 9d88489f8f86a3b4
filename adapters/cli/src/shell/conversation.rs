//! What goes on between a person and a terminal, until one of them ends it.

use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::{RecvError, RecvHalf, SendHalf, Session};

use super::asking;
use super::display::Display;
use super::escape::{Escapes, HELP, Typed};
use super::keyboard::Keyboard;
use super::status::Status;
use super::tty::{self, Input, Resizes};
use crate::signals::Signals;
use crate::terminal::messages::{self, Control, Message, Size};

/// What a program takes for the end of its input.
const END_OF_INPUT: &[u8] = b"\x04";
/// So many pieces that were typed wait, so that what is meant for the command itself is read though the program reads nothing.
const TYPED: usize = 1 << 16;

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
    display: Mutex<Display<Stdout>>,
    keyboard: &'a Keyboard,
}

/// What the server's people have to say, line by line.
pub(crate) type Notes = tokio::sync::mpsc::Receiver<String>;

/// What was typed, or happened to the window, and waits to be sent.
type Outgoing = tokio::sync::mpsc::Sender<Bytes>;

impl<'a> Conversation<'a> {
    pub(crate) fn new(session: &'a Session, display: Display<Stdout>, keyboard: &'a Keyboard) -> Conversation<'a> {
        Conversation {
            session,
            display: Mutex::new(display),
            keyboard,
        }
    }

    fn display(&self) -> MutexGuard<'_, Display<Stdout>> {
        self.display.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `name`: that of the terminal; `None`: the program has pipes. `size`: what the window was when the terminal was asked for.
    pub(crate) async fn run(
        &mut self,
        size: Option<Size>,
        mut send: SendHalf,
        mut recv: RecvHalf,
        mut notes: Notes,
        name: Option<&str>,
        (mut end, mut hangup): (Signals, Signals),
    ) -> Over {
        self.keyboard.attend();
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
        let over = tokio::select! {
            over = self.show(&mut recv) => over,
            over = self.read(&outgoing, name) => over,
            over = sent => over,
            () = self.follow_window(&outgoing, size) => Over::Broken,
            () = self.follow_connection() => Over::Broken,
            () = self.hear_notes(&mut notes) => Over::Broken,
            () = end.end() => Over::Detached,
            () = hangup.reload() => Over::Detached,
        };
        if over == Over::Detached {
            // What was typed before goes first.
            let rest = std::iter::from_fn(|| next.take().or_else(|| waiting.try_recv().ok()));
            // What does not fit any more leaves no gap.
            let fits = rest.map(|message| send.try_send(message)).all(|sent| sent.is_ok());
            if !fits {
                self.display()
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

    /// Leaves the person's terminal as it was. What could not be done, if anything.
    pub(crate) fn leave(self) -> Option<String> {
        let display = self.display.into_inner().unwrap_or_else(PoisonError::into_inner);
        display
            .leave()
            .unwrap_or_else(|error| Some(format!("the terminal: {error}")))
    }

    /// Shows what the program prints.
    async fn show(&self, recv: &mut RecvHalf) -> Over {
        loop {
            let message = match recv.recv().await {
                Ok(Some(message)) => message,
                Err(RecvError::SessionEnded) => return Over::Broken,
                Ok(None) | Err(_) => return Over::GivenUp,
            };
            match Message::decode(message) {
                // Whoever closed our output does not want it any more.
                Some(Message::Data(bytes)) if self.display().print(&bytes).is_err() => return Over::Detached,
                Some(Message::Errors(bytes)) => drop(io::stderr().write_all(&bytes)),
                Some(Message::Control(Control::Exited(status))) => return Over::Exited(status),
                Some(Message::Control(Control::Displaced)) => return Over::Displaced,
                _ => {}
            }
        }
    }

    /// Sends what is typed.
    async fn read(&self, outgoing: &Outgoing, name: Option<&str>) -> Over {
        let (mut input, mut escapes) = (Input::new(self.keyboard), Escapes::new());
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
            if self.display().shows_status() && matches!(typed.as_slice(), b"\r" | b"\n") {
                self.keyboard.hear();
                self.session.reconnect_now();
                continue;
            }
            for typed in escapes.read(&typed) {
                match typed {
                    Typed::Bytes(bytes) => drop(outgoing.send(messages::data(&bytes)).await),
                    Typed::Detach => return Over::Detached,
                    Typed::HangUp if is_away || hung_up => return Over::Left,
                    Typed::HangUp => {
                        hung_up = true;
                        if let Some(name) = name {
                            tokio::spawn(asking::end(self.session.clone(), name.to_owned()));
                        }
                    }
                    Typed::Help => drop(self.display().say(HELP)),
                }
            }
        }
    }

    async fn follow_window(&self, outgoing: &Outgoing, mut last: Option<Size>) {
        let Ok(mut resizes) = Resizes::new() else {
            return std::future::pending().await;
        };
        loop {
            let size = tty::size();
            if let Some(now) = size.filter(|_| size != last && last.is_some()) {
                last = size;
                let _output_closed = self.display().resize(now);
                let _session_over = outgoing.send(Control::Resize(now).encode()).await;
            }
            resizes.next().await;
        }
    }

    /// Shows what the server's people have to say.
    async fn hear_notes(&self, notes: &mut Notes) {
        while let Some(line) = notes.recv().await {
            let _output_closed = self.display().say(&format!("unbroken: {line}"));
        }
        std::future::pending().await
    }

    /// Says so while there is no connection.
    async fn follow_connection(&self) {
        let (mut events, mut status) = (self.session.events(), Status::default());
        loop {
            let said = self.display().shows_status();
            let next_look = status.next_look(self.session, said);
            if self.keyboard.was_lent() {
                let _output_closed = self.display().redraw();
            }
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => status.heard(&event),
                    // The stream says how it ends.
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(next_look.unwrap_or_default()), if next_look.is_some() => {
                    if !self.keyboard.is_lent() {
                        let line = status.line(self.session, self.keyboard.has_question());
                        let _output_closed = self.display().status(line);
                    }
                    continue;
                }
            }
            if said && status.next_look(self.session, said).is_none() {
                let _output_closed = self.display().status(None);
            }
        }
    }
}
