//! Options of `unbroken completions` and `unbroken man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Options of `unbroken completions`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken completions bash > ~/.local/share/bash-completion/completions/unbroken
  unbroken completions zsh > ~/.zfunc/_unbroken
  unbroken completions fish > ~/.config/fish/completions/unbroken.fish")]
pub(crate) struct Completions {
    /// Whose completions.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Options of `unbroken man`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken man | man -l -
  unbroken man --dir ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write the pages of all commands into this folder, which is made if it is not there, instead of printing that of `unbroken`.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
