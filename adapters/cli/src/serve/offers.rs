//! What clients may have: nothing but what was named.

use super::pattern::Pattern;
use crate::failure::Failure;
use crate::listener::Bind;
use crate::options::endpoints::Serve;
use crate::target::Target;

/// What this server's flags allow.
#[derive(Debug)]
pub(crate) struct Offers {
    forward: Vec<Pattern>,
    listen: Vec<Pattern>,
    echo: bool,
}

impl Offers {
    pub(crate) fn new(options: &Serve) -> Result<Offers, Failure> {
        if options.allow_forward.is_empty() && options.allow_listen.is_empty() && !options.echo {
            return Err(Failure::Unable(
                "nothing would be allowed: see --allow-forward, --allow-listen and --echo".into(),
            ));
        }
        Ok(Offers {
            forward: options.allow_forward.clone(),
            listen: options.allow_listen.clone(),
            echo: options.echo,
        })
    }

    /// Whether clients may have this machine accept connections there.
    pub(crate) fn allow_listen(&self, bind: &Bind) -> bool {
        let place = bind.as_target();
        self.listen.iter().any(|pattern| pattern.matches(&place))
    }

    pub(crate) fn allow(&self, target: &Target) -> bool {
        match target {
            Target::Echo => self.echo,
            _ => self.forward.iter().any(|pattern| pattern.matches(target)),
        }
    }
}
