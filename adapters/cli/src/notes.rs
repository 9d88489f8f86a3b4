//! What a server's people have to say to those of its clients.

use unbroken_tokio::{Session, Stream};

use crate::outward::refuse;
use crate::target::{Purpose, Reason};
use crate::text::clean;

/// No note is longer, in bytes.
pub(crate) const LONGEST: usize = 4_096;

/// Shows notes for as long as the session lives. For a client that expects no other streams.
pub(crate) async fn hear(session: Session) {
    while let Some(stream) = session.accept().await {
        match Purpose::of_label(stream.label()) {
            Some(Purpose::Note) => drop(tokio::spawn(show(stream))),
            // Nobody asked for it.
            _ => refuse(stream, Reason::NotAllowed),
        }
    }
}

/// Shows what comes on a stream that is for notes.
pub(crate) async fn show(stream: Stream) {
    let (mut send, mut recv) = stream.split();
    send.finish();
    recv.set_max_message(LONGEST);
    while let Ok(Some(note)) = recv.recv().await {
        for line in String::from_utf8_lossy(&note).lines() {
            eprintln!("unbroken: the server says: {}", clean(line));
        }
    }
    let _over_already = recv.stop(0);
}
