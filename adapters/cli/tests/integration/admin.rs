//! The socket that a server's owner asks through: who reaches it, and what is said on it.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use crate::common::administered::{Administered, private, until};
use crate::common::{Folder, PATIENCE, Running, failure, run, unbroken};

#[test]
fn the_socket_is_its_owners_alone_and_outlives_no_server() {
    let mut server = Administered::new();
    let socket = server.folder.path("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = [
        server.served.folder.text("server.key"),
        server.served.folder.text("authorized"),
    ];
    let serve = |socket: &str| {
        let mut all = vec!["serve", "--listen", "tcp://127.0.0.1:0", "--echo", "--admin", socket];
        all.extend(["--key", &keys[0], "--authorized-keys", &keys[1]]);
        unbroken(&server.folder.path("."), &all)
    };
    let (code, said) = failure(&run(serve(&server.folder.text("admin.sock")), b""));
    assert!(code == 2 && said.contains("a server listens at"), "{said}");
    let mut again = serve(&server.folder.text("admin.sock"));
    let other = serve(&server.folder.text("file"));
    fs::write(server.folder.path("file"), "mine").unwrap();
    let (code, said) = failure(&run(serve(&server.folder.text("file")), b""));
    assert!(code == 2 && said.contains("it is left alone"), "{said}");
    server.served.process().signal("-KILL");
    server.served.process().wait();
    let (code, said) = failure(&server.ask(&["list"]));
    assert!(code == 2 && said.contains("no server listens at"), "{said}");
    let _again = Running(again.stderr(Stdio::null()).spawn().unwrap());
    until("the dead one's socket is not replaced", || {
        server.ask(&["list"]).status.success().then_some(())
    });
    fs::set_permissions(server.folder.path("."), fs::Permissions::from_mode(0o711)).unwrap();
    let (code, said) = failure(&server.ask(&["list"]));
    assert!(code == 2 && said.contains("others may enter"), "{said}");
    let (code, said) = failure(&run(other, b""));
    assert!(code == 2 && said.contains("others may enter"), "{said}");
}

#[test]
fn without_a_path_the_socket_is_where_the_system_has_such_things() {
    for variable in ["XDG_RUNTIME_DIR", "XDG_STATE_HOME"] {
        let folder = Folder::new();
        let home = folder.path(".");
        let with_folder = |arguments: &[&str]| {
            let mut command = unbroken(&home, arguments);
            command.env_remove("XDG_RUNTIME_DIR").env(variable, folder.path("run"));
            command
        };
        assert!(with_folder(&["keygen"]).output().unwrap().status.success());
        let serve = [
            "serve",
            "--admin",
            "--listen",
            "tcp://127.0.0.1:0",
            "--echo",
            "--anybody",
        ];
        let mut serving = Running(with_folder(&serve).stderr(Stdio::null()).spawn().unwrap());
        let list = || run(with_folder(&["sessions", "list"]), b"");
        until("nobody listens", || list().status.success().then_some(()));
        let socket = folder.path("run/unbroken/admin.sock");
        let mode = fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        serving.signal("-TERM");
        assert_eq!(serving.wait(), 0);
        assert!(!socket.exists());
    }
}

#[test]
fn what_is_no_request_is_answered_with_its_error() {
    let server = Administered::new();
    let say = |said: &[u8]| {
        let mut stream = UnixStream::connect(server.folder.path("admin.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may have heard enough before the end.
        let _refused = stream.write_all(said);
        let mut answer = String::new();
        let _reset_behind_it = stream.read_to_string(&mut answer);
        serde_json::from_str::<Value>(answer.lines().last().unwrap()).unwrap()
    };
    for said in [
        &b"\n"[..],
        b"{}\n",
        b"\xff\x00\n",
        b"[1,2]\n",
        b"{\"command\":\"list\",\"x\":1}\n",
    ] {
        let answer = say(said);
        assert_eq!(
            (&answer["answer"], &answer["error"]),
            (&"error".into(), &"bad_request".into())
        );
    }
    assert_eq!(
        say(&[&[b'['; 65_000][..], b"\n"].concat())["error"],
        "bad_request",
        "deep"
    );
    assert_eq!(say(&vec![b'x'; 70_000])["error"], "too_long");
    assert_eq!(
        say(b"{\"command\":\"show\",\"session\":\"\"}\n")["error"],
        "no_such_session"
    );
    let long = format!(
        "{{\"command\":\"close\",\"to\":\"all\",\"reason\":\"{}\"}}\n",
        "x".repeat(1_025)
    );
    assert_eq!(say(long.as_bytes())["error"], "too_long");
    assert_eq!(say(b"{\"command\":\"list\"}\n")["answer"], "end");
}

#[test]
fn a_server_that_breaks_off_is_noticed() {
    let folder = Folder::new();
    private(&folder);
    let listener = UnixListener::bind(folder.path("admin.sock")).unwrap();
    let socket = folder.text("admin.sock");
    for (answer, words) in [
        (&b""[..], "broke off before it had said all"),
        (b"{\"answer\":\"what\"}\n", "is not understood"),
        (
            b"{\"answer\":\"told\",\"name\":\"\",\"id\":\"\",\"taken\":true}\n",
            "another question",
        ),
    ] {
        let asking = unbroken(&folder.path("."), &["sessions", "list", "--admin", &socket]);
        let asking = thread::spawn(move || run(asking, b""));
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
        let (code, said) = failure(&asking.join().unwrap());
        assert!(code == 1 && said.contains(words), "{said}");
    }
}
