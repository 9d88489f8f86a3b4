//! QUIC by quinn: encrypted, streams and credit, over UDP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, RecvStream, SendStream, ServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::contestant::{Contestant, End, Lane, Link, Sender, greet, greeted};
use crate::failure::Failure;
use crate::framing::{self, Messages};
use crate::network::Network;

/// Its default configuration, and a certificate that only this run knows.
#[derive(Debug)]
pub(crate) struct Quinn;

/// Hands length and message over without a copy.
#[derive(Debug)]
pub(crate) struct Writer(SendStream);

impl Sender for Writer {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        let prefix = Bytes::copy_from_slice(&framing::prefix(&message));
        self.0
            .write_all_chunks(&mut [prefix, message])
            .await
            .map_err(Failure::peer)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.0.finish().map_err(Failure::peer)
    }
}

fn end((sender, receiver): (SendStream, RecvStream)) -> End<Writer, Messages<RecvStream>> {
    End {
        sender: Writer(sender),
        receiver: Messages::new(receiver),
    }
}

/// A server's configuration, and that of a client that trusts it.
fn configs() -> Result<(ServerConfig, ClientConfig), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(Failure::peer)?;
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate.clone()], key.into()).map_err(Failure::peer)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(Failure::peer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::peer)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = QuicClientConfig::try_from(client).map_err(Failure::peer)?;
    Ok((server, ClientConfig::new(Arc::new(client))))
}

impl Contestant for Quinn {
    type Sender = Writer;
    type Receiver = Messages<RecvStream>;

    async fn open(network: Network, lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (server, client) = configs()?;
        let server = Endpoint::server(server, any)?;
        let door = network.door_for_datagrams(server.local_addr()?)?;
        let dialling = Endpoint::client(any)?;
        let connecting = dialling
            .connect_with(client, door.address, "localhost")
            .map_err(Failure::peer)?;
        let accepting = async {
            server
                .accept()
                .await
                .ok_or(Failure::Closed)?
                .await
                .map_err(Failure::peer)
        };
        let (near, far) = tokio::join!(connecting, accepting);
        let (near, far) = (near.map_err(Failure::peer)?, far?);
        let mut opened = Vec::new();
        for lane in 0..lanes {
            let mut here = end(near.open_bi().await.map_err(Failure::peer)?);
            if lane > 0 {
                here.sender.0.set_priority(1).map_err(Failure::peer)?;
            }
            greet(&mut here.sender).await?;
            let mut there = end(far.accept_bi().await.map_err(Failure::peer)?);
            greeted(&mut there.receiver).await?;
            opened.push(Lane { near: here, far: there });
        }
        Ok(Link {
            lanes: opened,
            guard: vec![Box::new((near, far)), Box::new((dialling, server)), Box::new(door)],
        })
    }
}
