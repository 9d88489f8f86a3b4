//! One direction of a connection: a thread that reads, one that writes, and between them what is on the way.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::Line;
use super::pace::Pace;
use super::way::{Chunk, Way, sleep_until};

/// Carries what comes from `from` to `to`, until either end is over.
pub(super) fn start(from: TcpStream, to: TcpStream, line: Line) -> io::Result<()> {
    let way = Arc::new(Way::default());
    let reading = Arc::clone(&way);
    let named = |name: &str| thread::Builder::new().name(name.into());
    named("relay-in").spawn(move || {
        // A reset is the end of what can be read, as the peer's FIN is.
        let _ = read(&from, &reading, Pace::new(line));
        reading.end();
    })?;
    named("relay-out").spawn(move || {
        if write(&to, &way).is_ok() {
            let _ = to.shutdown(Shutdown::Write);
        } else {
            way.break_off();
            let _ = to.shutdown(Shutdown::Both);
        }
    })?;
    Ok(())
}

fn read(mut from: &TcpStream, way: &Way, mut pace: Pace) -> io::Result<()> {
    let mut buffer = vec![0; pace.chunk()];
    let most = pace.most_held();
    loop {
        if let Some(at) = pace.room_at() {
            sleep_until(at);
        }
        if !way.wait_for_room(most) {
            return Ok(());
        }
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        way.push(Chunk {
            due: pace.arrival(Instant::now(), length),
            bytes: buffer[..length].to_vec(),
        });
    }
}

fn write(mut to: &TcpStream, way: &Way) -> io::Result<()> {
    while let Some(chunk) = way.pop() {
        sleep_until(chunk.due);
        to.write_all(&chunk.bytes)?;
        way.delivered(chunk.bytes.len());
    }
    Ok(())
}
