//! What clients may have: nothing but what was named.

use super::pattern::Pattern;
use crate::failure::Failure;
use crate::listener::Bind;
use crate::options::endpoints::Serve;
use crate::target::Target;

/// What this server's flags allow.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    everything: bool,
    forward: Vec<Pattern>,
    listen: Vec<Pattern>,
    shell: bool,
    exec: Vec<String>,
    echo: bool,
}

impl Offers {
    pub(crate) fn new(options: &Serve) -> Result<Offers, Failure> {
        let places = options.allow_forward.len() + options.allow_listen.len();
        let programs = options.allow_shell || !options.allow_exec.is_empty();
        if places == 0 && !programs && !options.echo {
            return Err(Failure::Unable(
                "nothing would be allowed: see --allow-forward, --allow-listen, --allow-shell, --allow-exec and --echo"
                    .into(),
            ));
        }
        Ok(Offers {
            everything: false,
            forward: options.allow_forward.clone(),
            listen: options.allow_listen.clone(),
            shell: options.allow_shell,
            exec: options.allow_exec.clone(),
            echo: options.echo,
        })
    }

    /// What somebody may have who could have it anyway, as the account that the server runs in.
    pub(crate) fn everything() -> Offers {
        Offers {
            everything: true,
            ..Offers::default()
        }
    }

    /// Whether clients may have this machine accept connections there.
    pub(crate) fn allow_listen(&self, bind: &Bind) -> bool {
        let place = bind.as_target();
        self.everything || self.listen.iter().any(|pattern| pattern.matches(&place))
    }

    /// Whether clients may start this command in a terminal, or without one a shell.
    pub(crate) fn allow_program(&self, command: Option<&str>) -> bool {
        self.everything
            || self.shell
            || command.is_some_and(|command| self.exec.iter().any(|allowed| allowed == command))
    }

    pub(crate) fn allow(&self, target: &Target) -> bool {
        match target {
            _ if self.everything => true,
            Target::Echo => self.echo,
            _ => self.forward.iter().any(|pattern| pattern.matches(target)),
        }
    }
}
