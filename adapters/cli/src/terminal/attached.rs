//! A stream that is attached to a terminal.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::{RecvHalf, SendHalf, Session, Stream};

use super::held::{Next, Terminal};
use super::messages::{self, Action, Answer, Control, LONGEST, Message, PIECE, Request, Size};
use super::piped;
use super::registry::{Owner, Terminals};

/// So long a client may take to hear that it is attached no more.
const TELLING: Duration = Duration::from_secs(5);

/// Serves a stream to a terminal to its end. `allowed`: whether the client may start this command, or a shell.
pub(crate) async fn serve(
    stream: Stream,
    session: &Session,
    owner: Owner,
    terminals: &Terminals,
    allowed: impl Fn(Option<&str>) -> bool,
) {
    let (mut send, mut recv) = stream.split();
    recv.set_max_message(LONGEST);
    let Ok(Some(first)) = recv.recv().await else { return };
    let found = match serde_json::from_slice::<Request>(&first) {
        Ok(Request {
            action: Action::Start { command, .. },
            ..
        }) if !allowed(command.as_deref()) => Err(Answer::NotAllowed),
        Ok(Request {
            action: Action::Run { command },
            ..
        }) if !allowed(Some(&command)) => Err(Answer::NotAllowed),
        Ok(request) => match &request.action {
            Action::Run { command } => return piped::serve(command, &request, session, send, recv).await,
            _ => terminals.find(&owner, &request).map(|terminal| (terminal, request)),
        },
        Err(error) => Err(Answer::Failed(format!("this server does not understand that: {error}"))),
    };
    let (terminal, request) = match found {
        Ok(found) => found,
        Err(answer) => {
            let _gone = send.send(messages::json(&answer)).await;
            return send.finish();
        }
    };
    let is_new = matches!(request.action, Action::Start { .. });
    let viewer = terminal.attach(is_new);
    let name = terminal.name.clone();
    let answered = send.send(messages::json(&Answer::Attached { name })).await;
    if answered.is_ok() {
        terminals.resize(&owner, &terminal, request.size);
        let told = AtomicBool::new(false);
        let left = tokio::select! {
            () = show(&terminal, viewer, &mut send, &told) => false,
            // What was typed before the session ended counts.
            () = obey(&terminal, &mut recv, |size| terminals.resize(&owner, &terminal, size)) => true,
            never = watch(&terminal, viewer, session) => match never {},
            () = displaced(&terminal, viewer) => false,
            // Nobody is there any more to wait for a program that does not read what was typed.
            () = over(session) => false,
        };
        // Whoever leaves then knows how the program ended; nobody else has to.
        if left && told.into_inner() {
            terminals.forget(&owner, &terminal);
        }
    }
    send.finish();
    terminal.detach(viewer);
}

/// Sends what is printed, until another takes the viewer's place; whether the viewer was `told` that the program ended.
async fn show(terminal: &Terminal, viewer: u64, send: &mut SendHalf, told: &AtomicBool) {
    loop {
        match terminal.next(viewer, PIECE).await {
            Next::Print(printed) => {
                for piece in printed.chunks(PIECE) {
                    if send.send(messages::data(piece)).await.is_err() {
                        return terminal.displaced(viewer).await;
                    }
                }
            }
            Next::Exited(status) => {
                let heard = send.send(Control::Exited(status).encode()).await.is_ok();
                told.store(heard, Ordering::Relaxed);
                // Until the viewer leaves, or another takes its place.
                return terminal.displaced(viewer).await;
            }
            Next::Displaced => {
                let _gone = send.send(Control::Displaced.encode()).await;
                return;
            }
        }
    }
}

/// Does what the client says, until it leaves.
async fn obey(terminal: &Terminal, recv: &mut RecvHalf, resize: impl Fn(Size)) {
    loop {
        terminal.room().await;
        let Ok(Some(message)) = recv.recv().await else { return };
        match Message::decode(message) {
            Some(Message::Data(bytes)) => terminal.typed(&bytes),
            Some(Message::Control(Control::Resize(size))) => resize(size),
            Some(Message::Control(Control::Detach)) => return,
            // What a later version says is no reason to end.
            Some(Message::Control(_) | Message::Errors(_)) | None => {}
        }
    }
}

/// Waits until somebody else has been attached for a while: whoever does not read is not told so.
async fn displaced(terminal: &Terminal, viewer: u64) {
    terminal.displaced(viewer).await;
    tokio::time::sleep(TELLING).await;
}

/// Waits until the session has been over for a while.
async fn over(session: &Session) {
    session.closed().await;
    tokio::time::sleep(TELLING).await;
}

/// Tells the terminal whether a connection carries the session.
async fn watch(terminal: &Terminal, viewer: u64, session: &Session) -> Infallible {
    let mut events = session.events();
    loop {
        terminal.connected(viewer, session.state() == SessionState::Attached);
        if events.next().await.is_none() {
            return std::future::pending().await;
        }
    }
}
