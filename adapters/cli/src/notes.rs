//! What a server's people have to say to those of its clients.

use std::sync::Arc;

use unbroken_tokio::{Session, Stream};

use crate::outward::refuse;
use crate::target::{Purpose, Reason};
use crate::text::clean;

/// No note is longer, in bytes.
pub(crate) const LONGEST: usize = 4_096;

/// Where notes go, line by line.
pub(crate) type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Shows them on standard error.
pub(crate) fn on_standard_error() -> Tell {
    Arc::new(|line| eprintln!("unbroken: {line}"))
}

/// Hears notes for as long as the session lives. For a client that expects no other streams.
pub(crate) async fn hear(session: Session, tell: Tell) {
    while let Some(stream) = session.accept().await {
        match Purpose::of_label(stream.label()) {
            Some(Purpose::Note) => drop(tokio::spawn(read(stream, Arc::clone(&tell)))),
            // Nobody asked for it.
            _ => refuse(stream, Reason::NotAllowed),
        }
    }
}

/// Reads a stream with notes.
pub(crate) async fn read(stream: Stream, tell: Tell) {
    let (mut send, mut recv) = stream.split();
    send.finish();
    recv.set_max_message(LONGEST);
    while let Ok(Some(note)) = recv.recv().await {
        for line in String::from_utf8_lossy(&note).lines() {
            tell(&format!("the server says: {}", clean(line)));
        }
    }
    let _over_already = recv.stop(0);
}
