//! Serves Session Manager on loopback until Ctrl-C: at the address that is given, or at any port that is free.

use std::error::Error;
use std::process::ExitCode;

use unbroken_loopback::Loopback;
use unbroken_ssm::proto::ssm::ChannelConfig;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unbroken-loopback: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let loopback = Loopback::start(&address, ChannelConfig::default()).await?;
    println!("{}", loopback.endpoint());
    eprintln!("every target is this machine, with no questions asked; Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
