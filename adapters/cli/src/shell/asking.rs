//! What is asked of a server that has terminals.

use std::io::{self, IsTerminal};

use unbroken_tokio::{RecvError, RecvHalf, SendHalf, Session};

use crate::options::shell::Terminal;
use crate::target::{Purpose, Reason};
use crate::terminal::messages::{self, Action, Answer, LONGEST, Request, Size};

/// Has a terminal's program end, on a stream of its own: what was typed before may wait until the program reads.
pub(super) async fn end(session: Session, name: String) {
    let Ok(stream) = session.open(Purpose::Terminal.options()).await else {
        return;
    };
    let (mut send, mut recv) = stream.split();
    let request = Request {
        action: Action::End { name },
        ..request(&Terminal::default(), None)
    };
    let _it_ends_or_not = ask(&request, &mut send, &mut recv).await;
}

pub(super) fn request(options: &Terminal, size: Option<Size>) -> Request {
    let action = match &options.attach {
        _ if options.list => Action::List,
        Some(name) => Action::Attach { name: name.clone() },
        // As with ssh, what is read from a file or a pipe is not typed at a terminal.
        None if !options.command.is_empty() && options.name.is_none() && !io::stdin().is_terminal() => Action::Run {
            command: options.command.join(" "),
        },
        None => Action::Start {
            name: options.name.clone(),
            command: (!options.command.is_empty()).then(|| options.command.join(" ")),
        },
    };
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Request {
        action,
        size: size.unwrap_or(Size::USUAL),
        term: std::env::var("TERM").unwrap_or_else(|_| "dumb".into()),
        locale: std::env::vars_os()
            .filter_map(text)
            .filter(|(name, _)| messages::is_locale(name))
            .collect(),
    }
}

/// The server's answer, or why there is none; `Err(None)`: the session is over.
pub(super) async fn ask(request: &Request, send: &mut SendHalf, recv: &mut RecvHalf) -> Result<Answer, Option<Reason>> {
    recv.set_max_message(LONGEST);
    if send.send(messages::json(request)).await.is_err() {
        // Why it is not read is said on the other half.
        send.finish();
    }
    match recv.recv().await {
        Ok(Some(answer)) => serde_json::from_slice(&answer).map_err(|_| Some(Reason::Unknown)),
        Ok(None) => Err(Some(Reason::Unknown)),
        Err(RecvError::Reset(code)) => Err(Some(Reason::of_code(code).unwrap_or(Reason::Unknown))),
        Err(RecvError::SessionEnded) => Err(None),
        Err(_) => Err(Some(Reason::Unknown)),
    }
}
