//! Options of `unbroken ssm`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::forward::spec::Forwarded;

/// Options of `unbroken ssm`.
#[derive(Args)]
pub(crate) struct Ssm {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// What the AWS CLI runs: takes the arguments of session-manager-plugin, in their order.
    Plugin(Plugin),
    /// Start a session with an instance: a shell, a command, forwarded ports, or a ProxyCommand for ssh.
    Start(Box<Start>),
}

/// Options of `unbroken ssm plugin`.
#[derive(Args)]
#[command(after_help = "\
For the AWS CLI, put a link to this program on the PATH:
  ln -s \"$(command -v unbroken)\" ~/.local/bin/session-manager-plugin
  aws ssm start-session --target i-0123456789abcdef0

Arguments, in their order: the answer to StartSession as JSON, or the name of an environment variable that holds it and
begins with AWS_SSM_START_SESSION_RESPONSE; the region; the word StartSession; a profile; a JSON object with the request,
of which `Target` is needed; the SSM API's endpoint. The last three may be left out or empty. `--version` prints the
version of session-manager-plugin whose place this takes.

The connection is resumed for as long as the service has the session. In a shell `~.` at the beginning of a line ends it.

UNBROKEN_SSM_FRAMES_PER_SECOND (default 900, as the service is said to take; 0: no limit) and UNBROKEN_SSM_FRAME_BYTES
(default 1024) bound what is sent. SSM_PLUGIN_SKIP_CLIENT_CONFIGURE=true: look for no credentials, and sign nothing.")]
pub(crate) struct Plugin {
    /// As above.
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

/// Options of `unbroken ssm start`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken ssm start --target i-0123456789abcdef0
  unbroken ssm start --target i-0123456789abcdef0 -- journalctl -f
  unbroken ssm start --target i-0123456789abcdef0 --forward 8080:localhost:80 --forward 5432:db.internal:5432
  ssh -o ProxyCommand='unbroken ssm start --target %h --stdio %p' me@i-0123456789abcdef0

Credentials come from where the AWS CLI has them: the environment, profiles, SSO, containers, the instance itself.

The connection is resumed for as long as the service has the session. Where that is lost, a forwarded port gets a new
session; a shell, or the connection of an ssh, ended with it. In a shell `~.` at the beginning of a line ends it.

The exit code is the command's where the service tells it.")]
pub(crate) struct Start {
    /// The instance, or what else Session Manager connects to.
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: String,
    /// Forward a port here to one that the instance reaches: `[BIND:]PORT:HOST:PORT` or `/PATH:HOST:PORT`. May be given several times.
    #[arg(long, value_name = "FORWARD", conflicts_with_all = ["stdio", "document_name", "command"])]
    pub(crate) forward: Vec<Forwarded>,
    /// Connect standard input and output to this port of the instance.
    #[arg(long, value_name = "PORT", conflicts_with_all = ["document_name", "command"])]
    pub(crate) stdio: Option<u16>,
    /// The document that says what runs.
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub(crate) document_name: Option<String>,
    /// A parameter of the document, NAME=VALUE; may be given several times.
    #[arg(long = "parameter", value_name = "NAME=VALUE", requires = "document_name")]
    pub(crate) parameters: Vec<Parameter>,
    /// Why, for the account's records.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The region [default: as the profile or the environment says].
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The profile whose credentials and region are used [default: AWS_PROFILE].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Where the SSM API is, if not where AWS has it.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// PEM file with the certificates to trust [default: those of the system].
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pace: Pace,
    /// What to run on the instance, instead of a shell: words are put together with spaces.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// What is sent at most.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Frames sent in a second at most; 0: no limit. AWS's service is said to take no more than about 1,000.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 900,
        env = "UNBROKEN_SSM_FRAMES_PER_SECOND"
    )]
    pub(crate) frames_per_second: u32,
    /// Bytes of data in a frame, 1 to 1,048,576. AWS's own programs send no more than 1,024.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 1_024,
        env = "UNBROKEN_SSM_FRAME_BYTES"
    )]
    pub(crate) frame_bytes: usize,
}

/// A parameter of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Parameter, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        match name {
            "" => Err("a parameter has a name".into()),
            name => Ok(Parameter {
                name: name.into(),
                value: value.into(),
            }),
        }
    }
}
