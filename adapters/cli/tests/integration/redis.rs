//! Redis through `unbroken forward`: two clients that talk through it both ways, while their connection is cut again and again.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use unbroken_conformance::relay::{Plan, Relay};

use crate::common::{Folder, Forwarding, PATIENCE, Running, Served, free_port, pattern};

const CUTS: u64 = 20;

/// `None`: it is not installed.
fn start(folder: &Folder) -> Option<(Running, u16)> {
    let port = free_port();
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        &folder.text(""),
    ]);
    let Ok(child) = command.stdout(Stdio::null()).spawn() else {
        eprintln!("!! SKIPPED: there is no Redis here (Debian: redis-server). Nothing was tested.");
        return None;
    };
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "redis-server does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Some((Running(child), port))
}

/// A connection in Redis's protocol, RESP.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(place: &str) -> Client {
        Client(BufReader::new(TcpStream::connect(place).unwrap()))
    }

    fn send(&mut self, words: &[&[u8]]) {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend(*word);
            request.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&request).unwrap();
    }

    /// An answer: its words.
    fn read(&mut self) -> Vec<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" | ":" => vec![rest.as_bytes().to_vec()],
            "$" => {
                let mut word = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut word).unwrap();
                word.truncate(word.len() - 2);
                vec![word]
            }
            "*" => (0..rest.parse::<usize>().unwrap()).flat_map(|_| self.read()).collect(),
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn a_database_notices_no_cut() {
    let folder = Folder::new();
    let Some((_redis, port)) = start(&folder) else { return };
    let target = format!("127.0.0.1:{port}");
    let served = Served::new(&["--allow-forward", &target]);
    let plan = Plan {
        cuts: CUTS + 4,
        most: 1 << 20,
        idle: None,
        seed: 11,
    };
    let relay = Relay::new(served.address, plan);
    let url = format!("tcp://{}", relay.address());
    let mut forwarding = Forwarding::start(&served, &url, &["-L", &format!("0:{target}")]);
    let place = forwarding.place();

    let mut subscriber = Client::connect(&place);
    subscriber.send(&[b"SUBSCRIBE", b"news"]);
    assert_eq!(subscriber.read()[2], b"1");
    const NEWS: usize = 2_000;
    let hearing = thread::spawn(move || (0..NEWS).map(|_| subscriber.read()[2].clone()).collect::<Vec<_>>());

    let mut client = Client::connect(&place);
    let value = pattern(8 << 10);
    for round in 0..NEWS {
        let number = round.to_string();
        // Several requests are under way at once.
        client.send(&[b"INCR", b"count"]);
        client.send(&[b"SET", b"value", &value]);
        client.send(&[b"PUBLISH", b"news", number.as_bytes()]);
        client.send(&[b"GET", b"value"]);
        assert_eq!(client.read()[0], (round + 1).to_string().as_bytes());
        assert_eq!(client.read()[0], b"OK");
        assert_eq!(client.read()[0], b"1", "one subscriber");
        assert!(client.read()[0] == value);
    }
    let heard = hearing.join().unwrap();
    assert!(
        (0..NEWS).map(|round| round.to_string().into_bytes()).eq(heard),
        "each once, in order"
    );
    assert!(relay.cuts() >= CUTS, "only {} cuts", relay.cuts());
}
