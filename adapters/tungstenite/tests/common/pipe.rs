//! A byte stream in memory that does not block, and takes as much as a test lets it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use unbroken_tungstenite::ByteStream;

/// Bytes under way one way; `true`: no more will be written.
type Pipe = Rc<RefCell<(VecDeque<u8>, bool)>>;

pub(crate) struct End {
    from: Pipe,
    to: Pipe,
    room: Rc<Cell<usize>>,
}

/// Two ends, with room for so many bytes each way.
pub(crate) fn pair(room: usize) -> (End, End, Rc<Cell<usize>>) {
    let (forth, back) = (Pipe::default(), Pipe::default());
    let room = Rc::new(Cell::new(room));
    let end = |from: &Pipe, to: &Pipe| End {
        from: Rc::clone(from),
        to: Rc::clone(to),
        room: Rc::clone(&room),
    };
    (end(&back, &forth), end(&forth, &back), Rc::clone(&room))
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (bytes, over) = &mut *self.from.borrow_mut();
        match bytes.read(buf)? {
            0 if !*over => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (bytes, _) = &mut *self.to.borrow_mut();
        match self.room.get().saturating_sub(bytes.len()).min(buf.len()) {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => bytes.write(&buf[..taken]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ByteStream for End {
    fn finish(&mut self) -> io::Result<()> {
        self.to.borrow_mut().1 = true;
        Ok(())
    }
}
