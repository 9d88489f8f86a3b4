//! A question to the server, and its answers.

use std::path::Path;

use tokio::io::{AsyncWriteExt, BufReader};

use crate::admin::lines::{self, NoLine};
use crate::admin::protocol::{Answer, Kind, Problem, Request};
use crate::admin::socket;
use crate::failure::Failure;
use crate::text::clean;
use crate::unix::{ReadHalf, WriteHalf};

/// The answers to one question.
pub(super) struct Answers {
    read: BufReader<ReadHalf>,
    /// The server takes its end for a person who left.
    _write: WriteHalf,
}

/// Asks the server that listens there.
///
/// # Errors
/// None does.
pub(super) async fn ask(admin: Option<&Path>, request: &Request) -> Result<Answers, Failure> {
    let (read, mut write) = socket::connect(admin).await?.into_split();
    let lost = |error: std::io::Error| Failure::Broken(format!("the server broke off: {error}"));
    lines::write(&mut write, request).await.map_err(lost)?;
    write.flush().await.map_err(lost)?;
    let read = BufReader::new(read);
    Ok(Answers { read, _write: write })
}

impl Answers {
    /// The next one; `None`: that was all.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, Failure> {
        let line = lines::read(&mut self.read).await.map_err(|why| match why {
            NoLine::Over => Failure::Broken("the server broke off before it had said all".into()),
            NoLine::TooLong => Failure::Broken("the server says more than it may in one line".into()),
            NoLine::Broken(error) => Failure::Broken(format!("the server broke off: {error}")),
        })?;
        let answer = serde_json::from_slice(&line)
            .map_err(|error| Failure::Broken(format!("the server's answer is not understood: {error}")))?;
        match answer {
            Answer::End => Ok(None),
            Answer::Error(problem) => Err(failure(&problem)),
            answer => Ok(Some(answer)),
        }
    }

    /// For an answer to another question.
    pub(super) fn unexpected(answer: &Answer) -> Failure {
        Failure::Broken(format!("the server answers another question: {answer:?}"))
    }
}

fn failure(problem: &Problem) -> Failure {
    let message = clean(&problem.message);
    match problem.error {
        Kind::NoSuchSession => Failure::Refused(message),
        Kind::BadRequest | Kind::TooLong | Kind::Ambiguous => Failure::Unable(message),
    }
}
