//! A proxy on the loopback interface that makes tunnels to one place, wherever it is asked to make them to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that was started.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Answers each request, of which it is told the head, with a status as `answers` says; 200 is followed by a tunnel to `there`.
    pub(crate) async fn start(there: SocketAddr, answers: fn(&str) -> u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let heads = Arc::clone(&heads);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = client.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8(head).expect("text");
                    let status = answers(&head);
                    heads.lock().expect("a lock").push(head);
                    let answer = format!("HTTP/1.1 {status} so\r\n\r\n");
                    client.write_all(answer.as_bytes()).await.expect("it reads");
                    if status == 200 {
                        let mut server = TcpStream::connect(there).await.expect("it listens");
                        let _ended = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Proxy { address, asked }
    }

    /// Its URL; `who`: a name and a password with an `@` behind, or nothing.
    pub(crate) fn url(&self, who: &str) -> String {
        format!("http://{who}{}", self.address)
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

/// Takes whoever is `me` with the password `word`.
pub(crate) fn only_me(head: &str) -> u16 {
    let is_me = head.contains("proxy-authorization: Basic bWU6d29yZA==\r\n");
    if is_me { 200 } else { 407 }
}
