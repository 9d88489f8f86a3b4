//! Sessions in JetStream, beside plain messages to JetStream. A server that nobody has configured syncs what it wrote every two minutes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::runtime::Runtime;
use unbroken_store::Store;
use unbroken_store::nats::{NatsConfig, NatsStore};

use crate::pair::Pair;
use crate::{ROUND, ROUNDS, SIZES, median, one_way};

/// Where Debian has it, which is not in the path of every user.
const PLACES: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];
/// So many plain messages wait for their answers.
const AT_ONCE: usize = 256;

/// A server that ends with the benchmark.
struct Server(Child);

impl Server {
    fn start(folder: &Path, port: u16) -> Option<Server> {
        PLACES.into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]);
            command.arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().ok().map(Server)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(runtime: &Runtime, folder: &Path) {
    crate::fresh(folder, |folder| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        match Server::start(folder, port) {
            Some(_server) => runtime.block_on(measure(port)),
            None => eprintln!("!! SKIPPED: nats-server is not installed (apt-get install nats-server)"),
        }
    });
}

async fn measure(port: u16) {
    let url = format!("127.0.0.1:{port}");
    let client = loop {
        match async_nats::connect(&url).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let context = jetstream::new(client);
    let config = jetstream::stream::Config {
        name: "plain".to_owned(),
        subjects: vec!["plain".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    println!(
        "{:>6} | {:>10} | {:>13} {:>6} | {:>14} {:>6}",
        "bytes", "messages/s", "JetStream/s", "times", "256 at once/s", "times"
    );
    for size in SIZES {
        let mut rates = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            let stores = [
                store(&url, &format!("c{size}-{round}")).await,
                store(&url, &format!("s{size}-{round}")).await,
            ];
            let pair = Pair::new(Some(stores)).await;
            rates[0].push(one_way(&pair, size).await.1);
            pair.close().await;
            rates[1].push(publishes(&context, size, 1).await);
            rates[2].push(publishes(&context, size, AT_ONCE).await);
        }
        let [ours, one, many] = rates.map(median);
        println!(
            "{size:>6} | {ours:>10.0} | {one:>13.0} {:>6.1} | {many:>14.0} {:>6.2}",
            ours / one,
            ours / many
        );
    }
}

/// A store of that name, so that each end has one of its own.
async fn store(url: &str, name: &str) -> Arc<dyn Store> {
    let mut config = NatsConfig::default();
    config.name = name.to_owned();
    let client = async_nats::connect(url).await.unwrap();
    Arc::new(NatsStore::new(client, config).await.unwrap())
}

/// Plain messages a second that are answered, of which so many are on their way.
async fn publishes(context: &Context, size: usize, at_once: usize) -> f64 {
    let message = Bytes::from(vec![7; size]);
    let begin = Instant::now();
    let mut count = 0_u64;
    let mut answers = FuturesUnordered::new();
    while begin.elapsed() < ROUND {
        while answers.len() < at_once {
            let sent = context.publish("plain", message.clone()).await.unwrap();
            answers.push(sent.into_future());
        }
        answers.next().await.unwrap().unwrap();
        count += 1;
    }
    while let Some(answer) = answers.next().await {
        answer.unwrap();
        count += 1;
    }
    count as f64 / begin.elapsed().as_secs_f64()
}
