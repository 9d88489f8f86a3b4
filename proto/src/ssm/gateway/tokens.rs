//! The tokens of one end of a session.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::redacted::Redacted;
use crate::rng::Rng;
use crate::ssm::body::Token;

/// Bytes of a token, before they are made text: nobody guesses as many.
const RANDOM: usize = 32;

/// Tokens that were not used yet, oldest first.
#[derive(Default)]
pub(super) struct Tokens(VecDeque<Zeroizing<String>>);

impl Tokens {
    /// A fresh one. Of `most` that were not used, the oldest goes.
    pub(super) fn issue(&mut self, most: usize, rng: &mut Rng) -> Token {
        let mut random = Zeroizing::new([0; RANDOM]);
        rng.fill(&mut *random);
        // With room for all of it, so that growing leaves no part of it behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * RANDOM));
        for byte in random.iter() {
            for nibble in [byte >> 4, byte & 0x0f] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
            }
        }
        while self.0.len() >= most.max(1) {
            self.0.pop_front();
        }
        let token = Token::from(text.as_str());
        self.0.push_back(text);
        token
    }

    /// Whether this is one of them; if so it is none any more. How long that takes says nothing of how much of a token was right.
    pub(super) fn redeem(&mut self, token: &Token) -> bool {
        let mut found = None;
        for (place, known) in self.0.iter().enumerate() {
            let same: Choice = known.as_bytes().ct_eq(token.as_str().as_bytes());
            if bool::from(same) {
                found = Some(place);
            }
        }
        found.and_then(|place| self.0.remove(place)).is_some()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|token| Redacted(token.as_bytes())))
            .finish()
    }
}
