use super::{is_loopback, is_on_this_link};

#[test]
fn loopback_hosts_are_told_from_others() {
    for host in [
        "127.0.0.1",
        "127.8.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "aws.localhost",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "128.0.0.1",
        "[::2]",
        "localhost.example.org",
        "notlocalhost",
        "169.254.169.254",
        "",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn metadata_are_asked_without_a_proxy() {
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fe80::1]",
        "127.0.0.1",
    ] {
        assert!(is_on_this_link(host), "{host}");
    }
    for host in ["10.0.0.1", "[fd00:ec3::254]", "ssm.eu-west-1.amazonaws.com"] {
        assert!(!is_on_this_link(host), "{host}");
    }
}
