//! `unbroken ssm`: AWS Session Manager, in the place of its plugin or by itself.

mod ended;
mod local;
mod open;
mod plugin;
mod port;
mod run;
mod shell;
mod signals;
mod start;
mod status;
mod stdio;

use std::process::ExitCode;

use unbroken_ssm::aws::Aws;

use self::open::Open;
use self::plugin::Invocation;
use self::run::Run;
use crate::failure::Failure;
use crate::options::ssm::{Command, Plugin, Ssm};

/// The name under which the AWS CLI runs the plugin.
pub(crate) const PLUGIN: &str = "session-manager-plugin";

/// Set to `true`, it has the official plugin look for no credentials, and sign nothing.
const SKIP: &str = "SSM_PLUGIN_SKIP_CLIENT_CONFIGURE";

pub(crate) async fn run(options: Ssm) -> Result<ExitCode, Failure> {
    match options.command {
        Command::Plugin(options) => plugin(options).await,
        Command::Start(options) => start::run(&options).await,
    }
}

async fn plugin(options: Plugin) -> Result<ExitCode, Failure> {
    match options.arguments.as_slice() {
        [] => {
            println!("unbroken is in the place of {PLUGIN}: the AWS CLI can start sessions.");
            return Ok(ExitCode::SUCCESS);
        }
        [word] if word == "--version" => {
            println!("{}", plugin::VERSION);
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let invocation = Invocation::parse(&options.arguments, |name| std::env::var(name).ok())?;
    let (region, profile) = (invocation.region.as_deref(), invocation.profile.as_deref());
    let aws = Aws::load(region, profile, invocation.endpoint.as_deref()).await;
    let mut aws = aws.map_err(Failure::unable("AWS"))?;
    if std::env::var(SKIP).is_ok_and(|value| value == "true") {
        aws = aws.unsigned();
    }
    let target = invocation.request.as_ref().map(|request| request.target.clone());
    let run = Run {
        service: aws.client(target.unwrap_or_default()),
        request: invocation.request,
        pace: options.pace,
        open: Open::default(),
    };
    let ended = run.to_end(invocation.started, None).await;
    run.open.terminate(&run.service).await;
    ended
}
