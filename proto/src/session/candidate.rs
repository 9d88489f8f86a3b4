//! Packets of a connection that has not proven itself: the handshakes, step by step.

use bytes::BytesMut;

use super::Session;
use super::connection::{Attach, Stage};
use super::links::Slot;
use super::receive::cause_of;
use crate::error::ConnectionError;
use crate::id::Epoch;
use crate::reconnect::Cause;
use crate::time::Instant;
use crate::wire::handshake::Reject;
use crate::wire::packet::PacketType;

impl Session {
    pub(super) fn on_candidate_packet(
        &mut self,
        now: Instant,
        epoch: Epoch,
        mut packet: BytesMut,
    ) -> Result<(), ConnectionError> {
        let kind = PacketType::of(&packet)?;
        let Some(mut candidate) = self.links.candidate.take() else {
            return Ok(());
        };
        match (candidate.stage, kind) {
            (stage @ (Stage::Hello { .. } | Stage::Resuming { .. }), PacketType::Reject) => {
                // Either way the attempt was answered; the connection is of no more use.
                match Reject::decode(&packet) {
                    Ok(reject) => self.on_reject(now, reject, &stage),
                    Err(error) => return self.attempt_failed_with(now, error.into()),
                }
                Ok(())
            }
            (Stage::Hello { handshake, carrier, .. }, PacketType::Challenge) => {
                let step = self.on_challenge(handshake, carrier, &packet);
                match step {
                    Ok((proof, stage)) => {
                        candidate.outgoing = Some(proof);
                        candidate.stage = stage;
                        self.links.candidate = Some(candidate);
                        Ok(())
                    }
                    Err(error) => self.attempt_failed_with(now, error),
                }
            }
            (
                Stage::Proven {
                    established,
                    predecessor,
                },
                PacketType::Sealed,
            ) => match self.on_final(now, epoch, established, predecessor, packet) {
                Ok(()) => Ok(()),
                Err(error) => self.attempt_failed_with(now, error),
            },
            (
                Stage::Resuming {
                    resume,
                    sent,
                    alive,
                    acked,
                },
                PacketType::Resumed,
            ) => match resume.on_resumed(&packet) {
                Ok(answer) => {
                    self.stats.packets_received += 1;
                    let attach = Attach {
                        stated: answer.position,
                        // The server goes on acknowledging on the old connection after it stated
                        // this, so only what was acknowledged before counts against it.
                        may_be_old: answer.position >= acked,
                        planned: alive && answer.alive,
                    };
                    self.resumed(now, epoch, answer.keys, answer.secret, attach);
                    if let Some(live) = &mut self.links.current {
                        live.rtt.sample(now.saturating_since(sent));
                    }
                    Ok(())
                }
                Err(error) => self.attempt_failed_with(now, error),
            },
            (Stage::Answered { mut keys, attach }, PacketType::Sealed) => {
                // The first packet under these keys is the proof; a forged one is nobody's word.
                let mut opened = packet.split_off(1);
                if keys.opener.open(&mut opened).is_err() {
                    self.lost_candidate(now, Cause::Protocol);
                    return Err(ConnectionError::Forged);
                }
                self.confirm(now, epoch, *keys, attach);
                match self.links.take(Slot::Current) {
                    Some(taken) if !self.state.is_ended() => self.on_frames(now, taken, opened),
                    _ => Ok(()),
                }
            }
            (stage, _) => {
                candidate.stage = stage;
                self.links.candidate = Some(candidate);
                Err(ConnectionError::UnexpectedPacket)
            }
        }
    }

    /// The candidate is gone already; its attempt still has to be counted.
    fn attempt_failed_with(&mut self, now: Instant, error: ConnectionError) -> Result<(), ConnectionError> {
        self.attempt_failed(now, cause_of(&error), None);
        Err(error)
    }
}
