//! A carrier of one's own in a few lines: Unix socket pairs inside one process, each new dial a new pair.
//!
//! `cargo run -p unbroken-smol --example socket_pair`

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use smol::net::unix::UnixStream;
    use unbroken_smol::driver::FuturesIo;
    use unbroken_smol::proto::security::{Auth, ServerAuth};
    use unbroken_smol::proto::stream::StreamOptions;
    use unbroken_smol::proto::{Cause, ClientConfig, ServerConfig};
    use unbroken_smol::{Connected, Framed, Server, connect_with};

    let mut server = Server::new(ServerConfig::new(ServerAuth::anonymous()))?;
    let handle = std::sync::Arc::clone(server.handle());
    let connector = move |_intent| {
        let handle = std::sync::Arc::clone(&handle);
        async move {
            let (local, remote) = UnixStream::pair()?;
            let accepted = Connected::ordered(Framed::accepted(FuturesIo::new(remote)));
            smol::spawn(handle.serve(accepted)).detach();
            Ok(Connected::ordered(Framed::new(FuturesIo::new(local))))
        }
    };
    smol::block_on(async {
        let session = connect_with(ClientConfig::new(Auth::anonymous()), connector)?;
        let (mut send, _recv) = session.open(StreamOptions::default()).await?.split();
        send.send("through one pair".into()).await?;
        let remote = server.accept().await.session;
        let (_send, mut recv) = remote.accept().await.ok_or("no stream")?.split();
        println!("{:?}", recv.recv().await?);
        session.report_failure(Cause::Network);
        send.send("and another".into()).await?;
        println!("{:?}, over {} pairs", recv.recv().await?, session.stats().attaches);
        Ok(())
    })
}
