//! A known session on a new connection: RESUME, RESUMED. One round trip, mutual proof.

use alloc::vec::Vec;

use super::aead::TAG;
use super::noise::{KEY, Noise, Pattern, Setup};
use super::seal::{Forged, Keys};
use super::secrets::ResumptionSecret;
use super::suite::Suite;
use crate::error::ConnectionError;
use crate::id::{SessionId, Side};
use crate::rng::Rng;
use crate::wire::packet::VERSION;

const RESUME: u8 = 4;
const RESUMED: u8 = 5;
/// Type, version, suite, session id, counter.
const CLEAR: usize = 3 + 16 + 8;
/// Position and predecessor.
const CLAIM: usize = 8 + 1;
const MESSAGE: usize = KEY + CLAIM + TAG;
const ALIVE: u8 = 1;
const DEAD: u8 = 0;

/// What RESUME says in the clear. It is not to be trusted before the packet opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResumeClear {
    pub(crate) version: u8,
    pub(crate) suite: u8,
    pub(crate) id: SessionId,
    pub(crate) counter: u64,
}

/// The clear fields of a RESUME, if it has the right length. A version or suite that is not ours is
/// reported as it is; such a packet opens under no secret.
pub(crate) fn parse_resume(packet: &[u8]) -> Option<ResumeClear> {
    split_resume(packet).map(|(fields, _, _)| fields)
}

/// The clear fields, their bytes, and the Noise message.
fn split_resume(packet: &[u8]) -> Option<(ResumeClear, &[u8], &[u8])> {
    let (clear, message) = packet.split_first_chunk::<CLEAR>()?;
    let (&[packet_type, version, suite], names) = clear.split_first_chunk()?;
    let (id, counter) = names.split_first_chunk()?;
    let counter = u64::from_be_bytes(*counter.first_chunk()?);
    let fields = ResumeClear {
        version,
        suite,
        id: SessionId(*id),
        counter,
    };
    (packet_type == RESUME && message.len() == MESSAGE).then_some((fields, clear, message))
}

fn encode_claim(position: u64, alive: bool) -> [u8; CLAIM] {
    let mut claim = [if alive { ALIVE } else { DEAD }; CLAIM];
    claim[..8].copy_from_slice(&position.to_be_bytes());
    claim
}

fn decode_claim(claim: &[u8]) -> Option<Claim> {
    let (position, predecessor) = claim.split_first_chunk()?;
    let alive = match *predecessor {
        [ALIVE] => true,
        [DEAD] => false,
        _ => return None,
    };
    Some(Claim {
        position: u64::from_be_bytes(*position),
        alive,
    })
}

/// The dialling end.
pub(crate) struct ClientResume {
    noise: Noise,
}

/// What RESUMED brought.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// The position the server expects next.
    pub(crate) position: u64,
    /// Whether it says that the predecessor is alive.
    pub(crate) alive: bool,
    pub(crate) keys: Keys,
    /// Takes the place of the one used here once the attach is confirmed.
    pub(crate) secret: ResumptionSecret,
}

impl ClientResume {
    /// The handshake and its RESUME. `counter` is one never used before in this session.
    pub(crate) fn new(
        secret: &ResumptionSecret,
        id: SessionId,
        counter: u64,
        position: u64,
        alive: bool,
        rng: &mut Rng,
    ) -> (ClientResume, Vec<u8>) {
        let suite = secret.suite();
        let mut packet = Vec::with_capacity(CLEAR + MESSAGE + 2 * (KEY + TAG));
        packet.extend_from_slice(&[RESUME, VERSION, suite.byte()]);
        packet.extend_from_slice(&id.0);
        packet.extend_from_slice(&counter.to_be_bytes());
        let pattern = Pattern::Resume { secret: secret.key() };
        let mut noise = Noise::new(
            &Setup {
                side: Side::Client,
                suite,
                clear: &packet,
                pattern,
            },
            rng,
        );
        noise
            .write(&mut packet, &encode_claim(position, alive))
            .expect("because the first message agrees on no key, so nothing can fail");
        (ClientResume { noise }, packet)
    }

    /// Opens RESUMED.
    ///
    /// # Errors
    /// `UnexpectedPacket` or `Handshake`: drop the connection. The session's secret stays as it is.
    pub(crate) fn on_resumed(mut self, packet: &[u8]) -> Result<Resumed, ConnectionError> {
        let Some((&RESUMED, message)) = packet.split_first() else {
            return Err(ConnectionError::UnexpectedPacket);
        };
        let claim = self.noise.read(message)?;
        let Claim { position, alive } = decode_claim(&claim).ok_or(ConnectionError::Handshake)?;
        let split = self.noise.split()?;
        Ok(Resumed {
            position,
            alive,
            keys: split.keys,
            secret: split.secret,
        })
    }
}

/// The accepting end: a RESUME that opened.
pub(crate) struct ServerResume {
    noise: Noise,
    /// Which of the secrets opened it.
    pub(crate) which: usize,
    /// What the client claims; `None`: authentic, and malformed.
    pub(crate) claim: Option<Claim>,
}

/// What an end says of itself in RESUME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The position it expects next; any 64 bits, though authentic.
    pub(crate) position: u64,
    /// Whether it says that the predecessor is alive.
    pub(crate) alive: bool,
}

impl core::fmt::Debug for ServerResume {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ServerResume")
            .field("which", &self.which)
            .finish_non_exhaustive()
    }
}

impl ServerResume {
    /// Tries `packet` under both secrets, a dummy standing in for one that is missing, so that the
    /// time it takes tells nothing: neither how many there are nor whether there is a session. Costs no key agreement.
    ///
    /// # Errors
    /// It opened under neither.
    pub(crate) fn open(
        secrets: [Option<&ResumptionSecret>; 2],
        packet: &[u8],
        rng: &mut Rng,
    ) -> Result<ServerResume, Forged> {
        let [first, second] = secrets;
        let first = trial(first, 0, packet, rng);
        let second = trial(second, 1, packet, rng);
        first.or(second)
    }

    /// RESUMED, the connection's keys, and the secret that takes the place of the one used.
    ///
    /// # Errors
    /// `Handshake` if the client's ephemeral key is one that agrees on nothing.
    pub(crate) fn answer(
        mut self,
        position: u64,
        alive: bool,
    ) -> Result<(Vec<u8>, Keys, ResumptionSecret), ConnectionError> {
        let mut packet = Vec::with_capacity(1 + MESSAGE + 2 * (KEY + TAG));
        packet.push(RESUMED);
        self.noise.write(&mut packet, &encode_claim(position, alive))?;
        let split = self.noise.split()?;
        Ok((packet, split.keys, split.secret))
    }
}

fn trial(
    secret: Option<&ResumptionSecret>,
    which: usize,
    packet: &[u8],
    rng: &mut Rng,
) -> Result<ServerResume, Forged> {
    let (fields, clear, message) = split_resume(packet).ok_or(Forged)?;
    // The suite and version on the packet are what the trial runs with, so that the peer's choice
    // costs the same; a secret of another suite does not take part.
    let suite = Suite::from_byte(fields.suite).ok_or(Forged)?;
    #[cfg(test)]
    TRIALS.set(TRIALS.get() + 1);
    let mut dummy = zeroize::Zeroizing::new([0; 32]);
    rng.fill(dummy.as_mut());
    let eligible = secret.filter(|secret| secret.suite() == suite && fields.version == VERSION);
    let pattern = Pattern::Resume {
        secret: eligible.map_or(&*dummy, ResumptionSecret::key),
    };
    let mut noise = Noise::new(
        &Setup {
            side: Side::Server,
            suite,
            clear,
            pattern,
        },
        rng,
    );
    let claim = noise.read(message).map_err(|_| Forged)?;
    Ok(ServerResume {
        noise,
        which,
        claim: decode_claim(&claim),
    })
}

#[cfg(test)]
extern crate std;

#[cfg(test)]
std::thread_local! {
    /// How often a RESUME was tried under a secret, or under what stands in for one.
    pub(crate) static TRIALS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
