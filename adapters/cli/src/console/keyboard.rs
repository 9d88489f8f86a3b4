//! Who reads what is typed: this command, or another program that has to ask something.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::said;

/// The keyboard of this command's terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyboard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody looks at a line of ours, which offers to hear a question.
    attended: bool,
    /// Another program reads.
    lent: bool,
    /// It was lent since the screen was last drawn.
    was_lent: bool,
    /// This command reads byte by byte.
    raw: bool,
    /// This process is, or is about to be, stopped.
    stopped: bool,
    /// Another program would ask something.
    question: bool,
    /// The person wants to hear it.
    wanted: bool,
}

impl Keyboard {
    pub(crate) fn new() -> Keyboard {
        Keyboard::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on questions are offered, and not just asked.
    pub(crate) fn attend(&self) {
        self.state().attended = true;
    }

    pub(crate) fn is_attended(&self) -> bool {
        self.state().attended
    }

    /// Whether this command reads byte by byte, when it reads.
    pub(crate) fn set_raw(&self, raw: bool) {
        self.state().raw = raw;
        said::set_raw(raw);
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.state().raw
    }

    /// The terminal is as it was found, for whoever has it while this process is stopped.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        if state.raw && !state.lent {
            let _terminal_gone = crossterm::terminal::disable_raw_mode();
            said::set_raw(false);
        }
    }

    /// This command reads byte by byte again, whatever others made of the terminal while it was stopped.
    pub(crate) fn go_on(&self) {
        let mut state = self.state();
        state.stopped = false;
        if state.raw && !state.lent {
            // What is raw as far as is known here is not made raw again.
            let _terminal_gone = crossterm::terminal::disable_raw_mode();
            let _terminal_gone = crossterm::terminal::enable_raw_mode();
            said::set_raw(true);
        }
    }

    /// Nothing is read here, and the terminal is as other programs expect it, until the value is dropped.
    pub(crate) fn lend(&self) -> Lent {
        let mut state = self.state();
        state.lent = true;
        state.was_lent = true;
        if state.raw {
            let _terminal_gone = crossterm::terminal::disable_raw_mode();
            said::set_raw(false);
        }
        Lent(self.clone())
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.state().lent
    }

    /// Whether it was lent since this was last asked, and is back: something else may be on the screen then.
    pub(crate) fn was_lent(&self) -> bool {
        let mut state = self.state();
        !state.lent && std::mem::take(&mut state.was_lent)
    }

    /// Waits until it is not lent.
    pub(crate) fn wait(&self) {
        let mut state = self.state();
        while state.lent {
            state = self.0.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether another program would ask something, if the person wanted to hear it.
    pub(crate) fn want_question(&self, question: bool) {
        self.state().question = question;
    }

    pub(crate) fn has_question(&self) -> bool {
        self.state().question
    }

    /// The person wants to hear it.
    pub(crate) fn hear(&self) {
        let mut state = self.state();
        state.wanted = state.question;
    }

    /// Whether the person wants to hear it, which holds for one try.
    pub(crate) fn takes_question(&self) -> bool {
        let mut state = self.state();
        let wanted = std::mem::take(&mut state.wanted);
        state.question &= !wanted;
        wanted
    }
}

/// Another program has the keyboard.
#[derive(Debug)]
pub(crate) struct Lent(Keyboard);

impl Drop for Lent {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.raw && !state.stopped {
            let _terminal_gone = crossterm::terminal::enable_raw_mode();
            said::set_raw(true);
        }
        state.lent = false;
        self.0.0.returned.notify_all();
    }
}
