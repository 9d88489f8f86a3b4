//! Where the peer's sequenced frames stand on one connection, and where a FROM may put them (PROTOCOL.md, "Which bytes
//! go where after an attach").

use crate::error::ProtocolError;

/// The position of the next sequenced frame to arrive here, and what is demanded of the next FROM.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arriving {
    /// Unknown before the first FROM.
    next: Option<u64>,
    answer: Answer,
}

/// How far the answer to our RESYNC has come.
#[derive(Clone, Copy, Debug, Default)]
enum Answer {
    /// Nothing was asked for, or all of it came.
    #[default]
    None,
    /// RESYNC of this position is out.
    Asked(u64),
    /// What was missing comes again; at `until` it goes on from `resume`.
    Repeating { until: u64, resume: u64 },
}

impl Arriving {
    /// Whether it is known where the peer's sequenced frames began.
    pub(crate) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// RESYNC of `position` was packed.
    pub(crate) fn asked(&mut self, position: u64) {
        self.answer = Answer::Asked(position);
    }

    /// FROM. `expected`: the position this end expects. `gap`: where the peer began here, if something below that is
    /// still missing and may be.
    ///
    /// # Errors
    /// It has no place here, is not what RESYNC is answered with, or skips positions.
    pub(crate) fn on_from(&mut self, position: u64, expected: u64, gap: Option<u64>) -> Result<(), ProtocolError> {
        let demanded = match (self.next, self.answer) {
            (None, _) if position > expected && gap.is_none() => return Err(ProtocolError::StateLost),
            (None, _) => position,
            (Some(resume), Answer::Asked(asked)) => {
                if position == asked {
                    self.answer = Answer::Repeating {
                        until: gap.unwrap_or(asked),
                        resume,
                    };
                }
                asked
            }
            (Some(next), Answer::Repeating { until, resume }) if next == until => {
                self.answer = Answer::None;
                resume
            }
            (Some(_), Answer::Repeating { .. }) if position > expected => return Err(ProtocolError::StateLost),
            (Some(_), Answer::Repeating { .. }) => return Err(ProtocolError::ResyncAnswer),
            (Some(_), Answer::None) if position > expected => {
                return Err(match gap {
                    Some(_) => ProtocolError::Gap,
                    None => ProtocolError::StateLost,
                });
            }
            // An acknowledgement that overtook the peer's cursor moves it on, and never back.
            (Some(next), Answer::None) if position <= next => return Err(ProtocolError::Misplaced),
            (Some(_), Answer::None) => position,
        };
        if position > demanded {
            return Err(ProtocolError::StateLost);
        }
        if position < demanded {
            return Err(ProtocolError::ResyncAnswer);
        }
        self.next = Some(position);
        Ok(())
    }

    /// The position of the sequenced frame that arrives now.
    ///
    /// # Errors
    /// None was stated yet, or the answer to RESYNC lacks the FROM behind what was missing.
    pub(crate) fn take(&mut self) -> Result<u64, ProtocolError> {
        let position = self.next.ok_or(ProtocolError::Misplaced)?;
        if let Answer::Repeating { until, resume } = self.answer
            && position == until
        {
            if resume != until {
                return Err(ProtocolError::ResyncAnswer);
            }
            self.answer = Answer::None;
        }
        self.next = Some(position + 1);
        Ok(position)
    }
}
