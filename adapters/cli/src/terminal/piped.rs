//! A program without a terminal, between pipes. Nobody attaches it again: it goes with its stream.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use unbroken_tokio::{RecvHalf, SendHalf, Session};

use super::messages::{self, Answer, Control, Message, PIECE, Request};
use super::pty;

/// No more waits for a program that does not read, and one message.
const UNREAD: usize = 64 << 10;
/// So long a program may take to end when nobody is there any more.
const HANG_UP: Duration = Duration::from_secs(5);

/// Runs the command to its end, or to that of its stream.
pub(super) async fn serve(command: &str, request: &Request, session: &Session, mut send: SendHalf, mut recv: RecvHalf) {
    let mut child = match start(command, request) {
        Ok(child) => child,
        Err(error) => {
            let _gone = send.send(messages::json(&Answer::Failed(error.to_string()))).await;
            return send.finish();
        }
    };
    let answered = send.send(messages::json(&Answer::Started)).await;
    let input = child.stdin.take();
    let (printed, mut waiting) = mpsc::channel(1);
    tokio::spawn(read(child.stdout.take(), printed.clone(), messages::data));
    tokio::spawn(read(child.stderr.take(), printed, messages::errors));
    let print = async {
        while let Some(message) = waiting.recv().await {
            if send.send(message).await.is_err() {
                return;
            }
        }
    };
    let ended = tokio::select! {
        ended = async { tokio::join!(print, child.wait()).1 }, if answered.is_ok() => Some(ended),
        () = feed(input, &mut recv) => None,
        // What it does not read says nothing of that.
        _ = session.closed() => None,
    };
    let Some(status) = ended else {
        return end(child).await;
    };
    let _gone = send
        .send(Control::Exited(status.map_or(255, pty::status)).encode())
        .await;
    send.finish();
}

fn start(command: &str, request: &Request) -> io::Result<Child> {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut program = Command::new(shell);
    program.arg("-c").arg(command).envs(messages::locale(request));
    if let Some(home) = etcetera::home_dir().ok().filter(|home| home.is_dir()) {
        program.current_dir(home);
    }
    // A signal reaches all that it starts.
    #[cfg(unix)]
    program.process_group(0);
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program.spawn()
}

async fn read(output: Option<impl AsyncRead + Unpin>, printed: mpsc::Sender<Bytes>, message: fn(&[u8]) -> Bytes) {
    let Some(mut output) = output else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(bytes @ 1..) = output.read(&mut buffer).await {
        if printed.send(message(&buffer[..bytes])).await.is_err() {
            return;
        }
    }
}

/// Gives the program what the client sends, until the client is gone, or wants the program to end.
async fn feed(mut input: Option<ChildStdin>, recv: &mut RecvHalf) {
    let (mut unread, mut is_all) = (BytesMut::new(), false);
    loop {
        if is_all && unread.is_empty() {
            input = None;
        }
        let write = async {
            match &mut input {
                Some(input) => input.write(&unread).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = recv.recv(), if unread.len() < UNREAD => match message.ok().flatten().map(Message::decode) {
                Some(Some(Message::Data(bytes))) if input.is_some() => unread.extend_from_slice(&bytes),
                Some(Some(Message::Control(Control::EndOfInput))) => is_all = true,
                Some(Some(Message::Control(Control::Detach))) | None => return,
                _ => {}
            },
            written = write, if !unread.is_empty() => match written {
                Ok(written) => unread.advance(written),
                // It reads no more, and may print on.
                Err(_) => {
                    unread.clear();
                    input = None;
                }
            },
        }
    }
}

async fn end(mut child: Child) {
    pty::hang_up(&child);
    if timeout(HANG_UP, child.wait()).await.is_err() {
        let _ended_already = child.start_kill();
        let _reaped: io::Result<ExitStatus> = child.wait().await;
    }
}
