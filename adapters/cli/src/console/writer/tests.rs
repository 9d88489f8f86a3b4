use std::sync::mpsc;

use super::*;

/// Something that is written piece by piece, each when it is allowed; and what was written.
#[derive(Clone)]
struct Slow {
    allowed: Arc<Mutex<mpsc::Receiver<()>>>,
    written: Arc<Mutex<Vec<u8>>>,
    name: u8,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.allowed.lock().unwrap().recv().is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut written = self.written.lock().unwrap();
        written.push(self.name);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slow() -> (Writer, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
    let (allow, allowed) = mpsc::channel();
    let output = Slow {
        allowed: Arc::new(Mutex::new(allowed)),
        written: Arc::default(),
        name: b'>',
    };
    let written = Arc::clone(&output.written);
    let errors = Slow {
        name: b'!',
        ..output.clone()
    };
    (Writer::new(output, errors).unwrap(), allow, written)
}

#[tokio::test]
async fn everything_is_written_in_its_order() {
    let (writer, allow, written) = slow();
    writer.push(Place::Output, b"one").unwrap();
    writer.push(Place::Errors, b"two").unwrap();
    writer.push(Place::Output, b"three").unwrap();
    for _ in 0..3 {
        allow.send(()).unwrap();
    }
    writer.drained().await;
    assert_eq!(*written.lock().unwrap(), b">one!two>three");
}

#[tokio::test]
async fn there_is_no_room_while_nobody_reads_and_there_is_again_after() {
    let (writer, allow, written) = slow();
    while writer.has_room() {
        writer.push(Place::Output, &[b'x'; 10 << 10]).unwrap();
    }
    let waiting = || writer.state().waiting;
    assert!((FULL..FULL + (10 << 10)).contains(&waiting()), "{}", waiting());
    let room = tokio::spawn({
        let writer = writer.clone();
        async move { writer.room().await }
    });
    tokio::task::yield_now().await;
    assert!(!room.is_finished());
    for _ in 0..4 {
        allow.send(()).unwrap();
    }
    room.await.unwrap();
    assert!(written.lock().unwrap().len() >= PIECE);
}

#[tokio::test]
async fn what_cannot_be_written_is_dropped_when_that_is_wanted() {
    let (writer, allow, written) = slow();
    writer.push(Place::Output, b"never").unwrap();
    assert!(!writer.settle(Duration::from_millis(10)).await);
    writer.push(Place::Output, b"nor this").unwrap();
    writer.drained().await;
    drop(allow);
    assert_eq!(*written.lock().unwrap(), b"");
}

#[tokio::test]
async fn who_closed_the_output_is_noticed_and_still_reads_errors() {
    let (writer, allow, _) = slow();
    writer.push(Place::Output, b"x").unwrap();
    drop(allow);
    writer.closed().await;
    assert!(writer.push(Place::Output, b"y").is_err());
    assert!(writer.push(Place::Errors, b"z").is_ok());
    writer.drained().await;
}
