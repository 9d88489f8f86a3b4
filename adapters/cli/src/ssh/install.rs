//! `unbroken ssh --install`: this program, copied to the host.

use std::fs::File;
use std::process::Stdio;

use super::carrier::Carrier;
use crate::failure::Failure;

/// What the far side does with the program on its standard input. It is never there half.
const RECEIVE: &str = "exec sh -c 'umask 077; mkdir -p \"$HOME/.local/bin\" && cd \"$HOME/.local/bin\" && cat >unbroken.new && chmod 700 unbroken.new && mv -f unbroken.new unbroken'";

/// Copies this program to `~/.local/bin` there, if the platform is the same and another version, or none, is there.
pub(crate) async fn install(carrier: &Carrier) -> Result<(), Failure> {
    let there = ask(carrier, "uname -sm").await?;
    let here = here()?;
    if there != here {
        return Err(Failure::Unable(format!(
            "{} is another platform ({there}; this program is for {here})",
            carrier.host
        )));
    }
    let own = std::env::current_exe().map_err(Failure::unable("cannot find this program"))?;
    let file = File::open(&own).map_err(Failure::unable(own.display()))?;
    let mut command = carrier.command(true, RECEIVE);
    let status = command.stdin(file).stdout(Stdio::null()).status().await;
    let status = status.map_err(Failure::unable("cannot run ssh"))?;
    if !status.success() {
        return Err(Failure::Unable(format!(
            "the program cannot be copied to {}",
            carrier.host
        )));
    }
    eprintln!("unbroken: copied to {}, as ~/.local/bin/unbroken", carrier.host);
    Ok(())
}

async fn ask(carrier: &Carrier, question: &str) -> Result<String, Failure> {
    let mut command = carrier.command(true, question);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await;
    let output = output.map_err(Failure::unable("cannot run ssh"))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    match answer.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(Failure::Unreachable(format!("cannot reach {}", carrier.host))),
    }
}

/// As `uname -sm` has it.
fn here() -> Result<String, Failure> {
    #[cfg(unix)]
    {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Ok(format!("{} {}", text(name.sysname()), text(name.machine())))
    }
    #[cfg(not(unix))]
    Err(Failure::Unable(
        "this program is for no platform that it could be copied to".into(),
    ))
}
