//! A change of the network is told, in a network namespace of the test's own.
#![cfg(all(feature = "network", target_os = "linux"))]

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use unbroken_carriers::NetworkWatcher;

/// Long enough for a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(30);

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

/// Runs in its own namespace, by the test below.
#[test]
#[ignore = "changes the network"]
fn inside() {
    let (told, heard) = mpsc::channel();
    let watcher = NetworkWatcher::spawn(move || told.send(()).unwrap()).unwrap();
    for change in [
        "link set lo up",
        "addr add 192.0.2.7/32 dev lo",
        "addr add 2001:db8::7/128 dev lo",
        "route add 198.51.100.0/24 dev lo",
        "addr del 192.0.2.7/32 dev lo",
        "link set lo down",
    ] {
        while heard.try_recv().is_ok() {}
        ip(change);
        heard
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("nobody told of {change}"));
        // What belongs to the same change may come late.
        while heard.recv_timeout(Duration::from_millis(700)).is_ok() {}
    }
    drop(watcher);
    assert!(heard.recv().is_err(), "its thread is gone");
}

#[test]
fn each_change_is_told() {
    let may = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no namespace for the test (unshare -rn ip link)");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .arg("-rn")
        .arg(this)
        .args(["--exact", "network::inside", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
