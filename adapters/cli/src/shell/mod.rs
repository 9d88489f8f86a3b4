//! `unbroken shell`: a terminal on the server's machine.

mod asking;
mod conversation;
mod status;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use unbroken_tokio::{RecvHalf, SendHalf, Session};

use self::asking::{ask, request};
use self::conversation::{Conversation, Over};
use crate::client;
use crate::config;
use crate::console::around::{Notes, Surroundings};
use crate::console::display::Display;
use crate::console::keyboard::Keyboard;
use crate::console::record::Recording;
use crate::console::tty::{self, Raw};
use crate::console::writer::Writer;
use crate::failure::Failure;
use crate::notes::Tell;
use crate::options::shell::{Shell, Terminal};
use crate::said;
use crate::signals::Signals;
use crate::target::Purpose;
use crate::terminal::messages::{Action, Answer, Listed, Size};
use crate::text::clean;

/// The exit code where that of the program is not known, as ssh has it.
const UNKNOWN: u8 = 255;

pub(crate) async fn run(mut options: Shell) -> Result<ExitCode, Failure> {
    let (endpoint, _) = config::resolve(&options.server, &mut options.client)?;
    let session = client::open(&endpoint, &options.client).await?;
    let again = format!("unbroken shell {} --attach", options.server);
    let (tell, notes) = notes();
    tokio::spawn(crate::notes::hear(session.clone(), tell));
    let terminal = Attaching {
        session: &session,
        server: &endpoint.server,
        options: &options.terminal,
        again: &again,
        keyboard: &Keyboard::new(),
    };
    terminal.run(notes).await
}

/// What the server says to people, on its way to who is at the terminal. What nobody reads in time is lost.
pub(crate) fn notes() -> (Tell, Notes) {
    let (sender, notes) = tokio::sync::mpsc::channel(64);
    let tell = move |line: &str| drop(sender.try_send(line.to_owned()));
    (Arc::new(tell), notes)
}

/// Which terminal on which session.
pub(crate) struct Attaching<'a> {
    pub(crate) session: &'a Session,
    pub(crate) server: &'a str,
    pub(crate) options: &'a Terminal,
    /// The command that attaches it again, but for its name.
    pub(crate) again: &'a str,
    pub(crate) keyboard: &'a Keyboard,
}

impl Attaching<'_> {
    /// Has the terminal, and then no session any more.
    pub(crate) async fn run(&self, notes: Notes) -> Result<ExitCode, Failure> {
        let done = self.attach(notes).await;
        if self.session.ended().is_none() {
            client::leave(self.session).await;
        }
        done
    }

    async fn attach(&self, notes: Notes) -> Result<ExitCode, Failure> {
        // As soon as there is a program there, this command does not just end.
        let signals = Signals::new()?;
        let (session, size) = (self.session, tty::size());
        let record = self.options.record.as_deref();
        let recording = record.map(|path| Recording::create(path, size.unwrap_or(Size::USUAL)));
        let recording = recording.transpose()?;
        let (send, recv, named) = match self.begin(size).await {
            Ok(begun) => begun,
            Err(failure) => {
                recording.into_iter().for_each(Recording::discard);
                return Err(failure);
            }
        };
        let name = match named {
            Named::Attached(name) => Some(name),
            Named::Started => None,
            Named::Listed(listed) => {
                print(&listed);
                return Ok(ExitCode::SUCCESS);
            }
        };
        let raw = match &name {
            Some(_) => Raw::new(self.keyboard)?,
            None => None,
        };
        let size = size.filter(|_| name.is_some());
        let writer = Writer::new(io::stdout(), io::stderr()).map_err(Failure::unable("cannot write"))?;
        let display = Display::new(writer.clone(), size, recording);
        let around = Surroundings::new(self.keyboard, (writer, display), size);
        let mut conversation = Conversation::new(session, around);
        let mut lines = said::divert();
        let heard = (notes, &mut lines);
        let over = conversation.run(send, recv, heard, name.as_deref(), signals).await;
        let left = conversation.leave(&mut lines).await;
        drop(raw);
        drop(lines);
        if let Some(problem) = left {
            eprintln!("unbroken: {problem}");
        }
        self.tell(over, name.as_deref()).await
    }

    /// Asks for the terminal.
    async fn begin(&self, size: Option<Size>) -> Result<(SendHalf, RecvHalf, Named), Failure> {
        let stream = self.session.open(Purpose::Terminal.options()).await;
        let stream = stream.map_err(|error| Failure::Broken(format!("cannot open a stream: {error}")))?;
        let (mut send, mut recv) = stream.split();
        let request = request(self.options, size);
        match ask(&request, &mut send, &mut recv).await {
            Ok(answer) => Ok((send, recv, named(answer, &request.action)?)),
            Err(Some(reason)) => Err(Failure::Refused(format!("a terminal: {reason}"))),
            Err(None) => Err(client::ended(self.session, self.server).await),
        }
    }

    /// Says how it ended, where the exit code does not.
    async fn tell(&self, over: Over, name: Option<&str>) -> Result<ExitCode, Failure> {
        let Some(name) = name else {
            return match over {
                Over::Exited(status) => Ok(ExitCode::from(status)),
                Over::Broken => Err(client::ended(self.session, self.server).await),
                Over::GivenUp => Err(Failure::Broken(format!("{} gave the program up", self.server))),
                _ => Ok(ExitCode::from(UNKNOWN)),
            };
        };
        let again = format!("attach it again with: {} {name}", self.again);
        let told = match over {
            Over::Exited(status) => return Ok(ExitCode::from(status)),
            Over::Broken => return Err(client::ended(self.session, self.server).await),
            Over::Detached => {
                eprintln!("unbroken: detached from {name}; {again}");
                return Ok(ExitCode::SUCCESS);
            }
            Over::Displaced => format!("{name} was attached elsewhere"),
            Over::GivenUp => format!("the server gave {name} up, as where it was attached elsewhere; {again}"),
            Over::Left => format!("{name} was left, and goes on; {again}"),
        };
        eprintln!("unbroken: {told}");
        Ok(ExitCode::from(UNKNOWN))
    }
}

enum Named {
    Attached(String),
    Started,
    Listed(Vec<Listed>),
}

fn named(answer: Answer, action: &Action) -> Result<Named, Failure> {
    let (name, command) = match action {
        Action::Start { name, command } => (name.as_deref(), command.as_deref()),
        Action::Attach { name } => (Some(name.as_str()), None),
        Action::Run { command } => (None, Some(command.as_str())),
        Action::End { name } => (Some(name.as_str()), None),
        Action::List => (None, None),
    };
    let name = name.unwrap_or_default();
    Err(match answer {
        Answer::Attached { name } => return Ok(Named::Attached(clean(&name))),
        // Of the two that nothing is shown of, only the first is asked for here.
        Answer::Started | Answer::Ending => return Ok(Named::Started),
        Answer::Terminals(listed) => return Ok(Named::Listed(listed)),
        Answer::NotAllowed => {
            let what = command.map_or("a shell".to_owned(), |command| format!("`{command}`"));
            Failure::Refused(format!("the server does not allow {what}"))
        }
        Answer::Unknown => Failure::Refused(format!("there is no terminal {name}; --list says which there are")),
        Answer::NameTaken => Failure::Refused(format!("there is a terminal {name} already; --attach leads to it")),
        Answer::BadName => Failure::Unable(format!(
            "{name:?} is no name: 1 to 64 letters, digits, dots, dashes and underscores"
        )),
        Answer::TooMany => Failure::Refused("there are too many terminals".into()),
        Answer::Failed(why) => Failure::Refused(format!("it cannot be started there: {}", clean(&why))),
    })
}

fn print(listed: &[Listed]) {
    for terminal in listed {
        let state = match (terminal.exited, terminal.attached) {
            (Some(status), _) => format!("exited {status}"),
            (None, true) => "attached".into(),
            (None, false) => "detached".into(),
        };
        let command = terminal.command.as_deref().unwrap_or("a shell");
        let (name, minutes) = (clean(&terminal.name), terminal.age / 60);
        println!("{name:<16} {state:<10} {minutes:>6} min  {}", clean(command));
    }
}
