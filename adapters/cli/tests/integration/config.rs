//! The configuration's file, the environment, and which of them counts.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Folder, Running, Served, failure, run, unbroken};

/// In a home folder, where it is looked for.
fn configure(folder: &Folder, text: &str) {
    let place = folder.path(".config/unbroken");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("config.toml"), text).unwrap();
}

fn in_home(served: &Served, arguments: &[&str]) -> Command {
    unbroken(&served.folder.path("."), arguments)
}

/// A host that is told all a client has to know.
fn host(served: &Served) -> String {
    format!(
        "[hosts.db]\nurl = \"{}\"\nkey = \"~/client.key\"\nserver-key = \"{}\"\n",
        served.url(),
        served.server_key
    )
}

#[test]
fn a_host_is_called_by_its_name() {
    let served = Served::new(&["--echo"]);
    configure(
        &served.folder,
        &(host(&served) + "to = \"echo\"\nlocal-forward = [\"0:echo\"]\n"),
    );
    let output = run(in_home(&served, &["connect", "db"]), b"hello");
    assert_eq!(
        (&output.stdout[..], output.status.code()),
        (&b"hello"[..], Some(0)),
        "{output:?}"
    );
    let output = run(in_home(&served, &["doctor", "db"]), b"");
    assert!(output.status.success(), "{output:?}");
    let mut command = in_home(&served, &["forward", "db"]);
    let mut forwarding = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    // Kept, so that there is somebody to tell the rest.
    let mut said = BufReader::new(forwarding.0.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    let mut socket = TcpStream::connect(line.split_whitespace().nth(1).unwrap()).unwrap();
    socket.write_all(b"hello").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"hello");
}

/// Each of the four says another key; what counts is seen by whom the server lets in.
#[test]
fn the_command_line_counts_before_the_environment_the_host_and_the_defaults() {
    let served = Served::new(&["--echo"]);
    let right = served.folder.text("client.key");
    let wrong = served.folder.text("wrong.key");
    assert!(
        in_home(&served, &["keygen", "--key", &wrong])
            .output()
            .unwrap()
            .status
            .success()
    );
    // Of the command line, the environment, the host and the defaults, the first that is there is the right key.
    for first in 0..4 {
        let says = |place: usize| match place.cmp(&first) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(&right),
            std::cmp::Ordering::Greater => Some(&wrong),
        };
        let key = |place| says(place).map_or(String::new(), |key| format!("key = \"{key}\"\n"));
        let text = format!(
            "[defaults]\n{}[hosts.db]\nto = \"echo\"\nurl = \"{}\"\nserver-key = \"{}\"\n{}",
            key(3),
            served.url(),
            served.server_key,
            key(2),
        );
        configure(&served.folder, &text);
        let mut command = in_home(&served, &["connect", "db"]);
        if let Some(key) = says(1) {
            command.env("UNBROKEN_KEY", key);
        }
        if let Some(key) = says(0) {
            command.args(["--key", key]);
        }
        let output = run(command, b"hello");
        assert_eq!(
            (&output.stdout[..], output.status.code()),
            (&b"hello"[..], Some(0)),
            "{first}: {output:?}"
        );
    }
}

#[test]
fn defaults_hold_for_an_address_too() {
    let served = Served::new(&["--echo"]);
    let text = format!(
        "[defaults]\nkey = \"../../client.key\"\nserver-key = \"{}\"\nto = \"echo\"\n",
        served.server_key
    );
    configure(&served.folder, &text);
    let output = run(in_home(&served, &["connect", &served.url()]), b"hello");
    assert_eq!(output.stdout, b"hello", "{output:?}");
    // Beside a key that is written down, a new one is not trusted.
    let output = run(in_home(&served, &["connect", &served.url(), "--accept-new"]), b"hello");
    assert_eq!(output.stdout, b"hello", "{output:?}");
    assert!(!served.folder.path(".config/unbroken/known_hosts").exists());
}

#[test]
fn a_file_that_is_named_is_read_instead() {
    let served = Served::new(&["--echo"]);
    configure(&served.folder, "nonsense");
    let other = served.folder.text("other.toml");
    fs::write(&other, host(&served) + "to = \"echo\"\n").unwrap();
    let output = run(in_home(&served, &["connect", "db", "--config", &other]), b"hello");
    assert_eq!(output.stdout, b"hello", "{output:?}");
    let mut command = in_home(&served, &["connect", "db"]);
    command.env("UNBROKEN_CONFIG", &other);
    assert_eq!(run(command, b"hello").stdout, b"hello");
    // Neither the one nor the other has to be a file in a folder.
    let url = served.url();
    let client = served.client("connect", &url, &["--to", "echo", "--config", "/dev/null"]);
    assert_eq!(run(client, b"hello").stdout, b"hello");
}

#[test]
fn a_server_is_configured() {
    let folder = Folder::new();
    let home = folder.path(".");
    assert!(
        unbroken(&home, &["keygen", "--key", &folder.text("server.key")])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(
        unbroken(&home, &["keygen", "--secret", &folder.text("secret")])
            .output()
            .unwrap()
            .status
            .success()
    );
    let text = "
        [serve]
        listen = [\"tcp://127.0.0.1:0\"]
        key = \"server.key\"
        secret-file = \"~/secret\"
        allow-forward = [\"localhost:22\", \"unix:*\"]
        echo = true
        [defaults]
        secret-file = \"secret\"
        accept-new = true
    ";
    let config = folder.text("here.toml");
    fs::write(&config, text).unwrap();
    let mut command = unbroken(&home, &["serve", "--config", &config]);
    let mut server = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    // Kept, so that there is somebody to tell the rest.
    let mut said = BufReader::new(server.0.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    let url = line.split_whitespace().last().unwrap();
    let output = run(
        unbroken(&home, &["connect", url, "--to", "echo", "--config", &config]),
        b"hello",
    );
    assert_eq!(output.stdout, b"hello", "{output:?}");
    let output = run(
        unbroken(&home, &["connect", url, "--to", "localhost:23", "--config", &config]),
        b"",
    );
    assert!(failure(&output).1.contains("does not allow it"));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let folder = Folder::new();
    let said = |command: Command, words: &str| {
        let (code, line) = failure(&run(command, b""));
        assert!(line.contains(words), "{line}");
        assert_eq!(code, 2, "{line}");
    };
    let home = |arguments: &[&str]| unbroken(Path::new(&folder.text("")), arguments);
    let file = folder.text(".config/unbroken/config.toml");
    said(home(&["connect", "db", "--to", "echo"]), "db is no address");
    said(
        home(&["doctor", "db", "--config", "/nowhere"]),
        "cannot read /nowhere: No such file",
    );
    said(home(&["serve", "--config", "/"]), "cannot read /: ");
    said(home(&["serve"]), "there is no key");
    assert!(home(&["keygen"]).output().unwrap().status.success());
    said(home(&["serve", "--anybody", "--echo"]), "nowhere to listen");
    said(
        home(&["serve", "--anybody", "--echo", "--tls-cert", "x"]),
        "belong together",
    );
    configure(&folder, "[hosts.db]\nurl = \"tcp://localhost:1\"\nport = 1\n");
    for command in ["connect", "forward", "doctor"] {
        said(home(&[command, "db"]), &format!("{file}:3: unknown field `port`"));
    }
    said(home(&["serve"]), &format!("{file}:3: unknown field `port`"));
    configure(&folder, "[hosts.db]\nurl = \"tcp://localhost:1\"\n");
    said(home(&["connect", "db"]), "nothing to connect to");
    said(home(&["forward", "db"]), "nothing to forward");
    said(home(&["connect", "other"]), &format!("no host of {file}"));
    fs::write(&file, b"\xff").unwrap();
    said(home(&["connect", "db"]), &format!("cannot read {file}"));
}

/// Neither a key nor a secret comes with the environment of somebody who makes one.
#[test]
fn keys_are_made_where_the_environment_says() {
    let folder = Folder::new();
    let home = folder.path(".");
    let (key, secret) = (folder.text("key"), folder.text("secret"));
    for arguments in [&["keygen"][..], &["keygen", "--secret", &secret], &["id"]] {
        let mut command = unbroken(&home, arguments);
        command.env("UNBROKEN_KEY", &key);
        let output = run(command, b"");
        assert!(output.status.success(), "{output:?}");
    }
    assert!(folder.path("key").exists() && folder.path("secret").exists());
    assert!(!folder.path(".config").exists());
}

#[test]
fn what_the_documents_show_is_understood() {
    let readme = include_str!("../../../../README.md");
    let shown = readme
        .split("```toml\n")
        .find(|block| block.starts_with("[defaults]"))
        .unwrap();
    let unit = include_str!("../../contrib/unbroken.service");
    let commented = unit.lines().map_while(|line| line.strip_prefix('#'));
    let commented: Vec<&str> = commented
        .skip_while(|line| !line.contains("[serve]"))
        .take_while(|line| !line.is_empty())
        .collect();
    let folder = Folder::new();
    for (text, arguments) in [
        (shown.split("```").next().unwrap().to_owned(), &["connect", "db"][..]),
        (commented.join("\n"), &["serve"]),
    ] {
        fs::write(folder.path("config"), text).unwrap();
        let mut command = unbroken(&folder.path("."), arguments);
        command.env("UNBROKEN_CONFIG", folder.path("config"));
        // All but the keys is there.
        let (_, line) = failure(&run(command, b""));
        assert!(line.contains("there is no key"), "{line}");
    }
}
