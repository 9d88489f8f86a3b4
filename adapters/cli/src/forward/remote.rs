//! What is accepted there is connected to a target here.

use std::sync::Arc;

use unbroken_tokio::{RecvError, RecvHalf, SendHalf, Session, Stream};

use super::spec::Forwarded;
use crate::failure::Failure;
use crate::notes::{self, Tell};
use crate::outward::{self, Confirmation, refuse};
use crate::target::{Purpose, Reason, Target};

/// No place is longer.
const LONGEST_PLACE: usize = 4_096;

/// A place where the server accepts connections for us.
pub(crate) struct Place {
    /// As it was asked for.
    asked: String,
    target: Arc<Target>,
    /// It accepts as long as this stream is open.
    _control: (SendHalf, RecvHalf),
}

/// Has the server listen at each place.
///
/// # Errors
/// It does not, at one of them.
pub(crate) async fn listen(session: &Session, wanted: Vec<Forwarded>) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for Forwarded { bind, target } in wanted {
        let asked = bind.to_string();
        let stream = session.open(Purpose::Listen(asked.clone()).options()).await;
        let stream = stream.map_err(|error| Failure::Broken(format!("cannot ask for {asked}: {error}")))?;
        let (send, mut recv) = stream.split();
        let there = first_line(&mut recv).await.map_err(|error| match error {
            RecvError::Reset(code) => match Reason::of_code(code) {
                Some(reason) => Failure::Refused(format!("{asked}: {reason}")),
                None => Failure::Refused(format!("{asked}: the server does not listen there")),
            },
            error => Failure::Broken(format!("{asked}: {error}")),
        })?;
        eprintln!("unbroken: {there} there is connected to {target}");
        places.push(Place {
            asked,
            target: Arc::new(target),
            _control: (send, recv),
        });
    }
    Ok(places)
}

async fn first_line(recv: &mut RecvHalf) -> Result<String, RecvError> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LONGEST_PLACE {
        let Some((bytes, _)) = recv.recv_chunk().await? else {
            break;
        };
        line.extend_from_slice(&bytes);
    }
    // It is shown to a person.
    let shown = String::from_utf8_lossy(&line).trim_end().replace(char::is_control, "?");
    Ok(shown)
}

/// Connects what the server accepted to its target, for as long as the session lives.
pub(crate) async fn accept(session: Session, places: Vec<Place>, tell: Tell) {
    while let Some(stream) = session.accept().await {
        let place = match Purpose::of_label(stream.label()) {
            Some(Purpose::Note) => {
                tokio::spawn(notes::read(stream, Arc::clone(&tell)));
                continue;
            }
            Some(Purpose::Accepted(place)) => places.iter().find(|known| known.asked == place),
            _ => None,
        };
        match place {
            Some(place) => drop(tokio::spawn(carry(stream, Arc::clone(&place.target)))),
            // Nobody asked for it.
            None => refuse(stream, Reason::NotAllowed),
        }
    }
}

async fn carry(stream: Stream, target: Arc<Target>) {
    if let Err(reason) = outward::carry(stream, &target, Confirmation::None).await {
        eprintln!("unbroken: {target}: {reason}");
    }
}
