use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, "dir/c.toml".into()).map_err(|failure| match failure {
        Failure::Unable(line) => line,
        other => format!("{other:?}"),
    })
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line) in [
        ("[defaults]\nverbos = true\n", "2: unknown field `verbos`"),
        ("\n[host]\n", "2: unknown field `host`"),
        (
            "[hosts.db]\nurl = \"tcp://db:1\"\nkey = 5\n",
            "3: invalid type: integer `5`, expected a string",
        ),
        ("[hosts.db]\nurl = \"db\"\n", "2: db: "),
        (
            "[hosts.db]\nurl = \"tcp://db:1\"\nto = \"x\"\n",
            "3: x: expected HOST:PORT",
        ),
        (
            "[defaults]\n\nlocal-forward = [\n  \"1:a:1\",\n  \"80\",\n]\n",
            "3: 80: expected [BIND:]PORT:HOST:PORT",
        ),
        (
            "[defaults]\nlocal-forward = \"1:a:1\"\n",
            "2: invalid type: string \"1:a:1\", expected a sequence",
        ),
        ("[defaults]\nconnect-timeout = \"5\"\n", "2: 5: expected a duration"),
        (
            "[defaults]\nkey = \"~other/key\"\n",
            "2: ~other/key: only ~/ is understood",
        ),
        ("[defaults]\nkey = \"\"\n", "2: : expected a path"),
        ("[defaults]\nserver-key = \"ab\"\n", "2: ab: expected 64 hex digits"),
        ("[defaults]\nurl = \"tcp://db:1\"\n", "2: only a host has a url"),
        ("[defaults]\n[hosts.db]\nto = \"a:1\"\n", "2: the host db has no url"),
        ("[serve]\nlisten = \"tcp://0.0.0.0:1\"\n", "2: invalid type: string"),
        ("[serve]\nallow-forward = [\"*\"]\n", "2: *: expected HOST:PORT"),
        ("[serve]\ntls-cert = \"c\"\n", "1: tls-cert and tls-key belong together"),
        (
            "\n[serve]\nanybody = true\nsecret-file = \"s\"\n",
            "2: anybody leaves nothing",
        ),
        ("[defaults\n", "1: "),
        ("[defaults]\nkey = \"a\"\nkey = \"b\"\n", "3: duplicate key"),
    ] {
        let said = parse(text).unwrap_err();
        let expected = format!("dir/c.toml:{line}");
        assert!(said.starts_with(&expected), "{text}\n{said}\n{expected}");
    }
}

#[test]
fn a_host_leaves_to_the_defaults_what_it_does_not_say() {
    let text = "
        [defaults]
        key = \"default\"
        known-hosts = \"/etc/hosts\"
        verbose = true
        dynamic-forward = [\"1080\"]
        [hosts.db]
        url = \"tcp://db:1\"
        key = \"own\"
        verbose = false
        [hosts.\"b.c\"]
        url = \"wss://b.c/x\"
    ";
    let config = parse(text).unwrap();
    let paths = |name: &str| {
        let (url, host) = config.host(name).unwrap();
        let (mut key, mut known_hosts) = (None, Some("given".into()));
        config.fill_path(&mut key, host.key.as_ref()).unwrap();
        config.fill_path(&mut known_hosts, host.known_hosts.as_ref()).unwrap();
        assert_eq!(known_hosts, Some("given".into()));
        assert_eq!(host.dynamic_forward.unwrap().len(), 1);
        (url, key.unwrap().display().to_string(), host.verbose)
    };
    assert_eq!(paths("db"), ("tcp://db:1".into(), "dir/own".into(), Some(false)));
    assert_eq!(paths("b.c"), ("wss://b.c/x".into(), "dir/default".into(), Some(true)));
    assert!(config.host("nobody").is_err());
}

#[test]
fn paths_begin_at_home_in_the_folder_of_the_file_or_at_the_root() {
    let home = etcetera::home_dir().unwrap();
    for (text, path) in [
        ("a/b", Path::new("/etc/x/a/b").to_owned()),
        ("/a", "/a".into()),
        ("~", home.clone()),
        ("~/a", home.join("a")),
    ] {
        let parsed: FilePath = text.parse().unwrap();
        assert_eq!(parsed.within(Path::new("/etc/x")).unwrap(), path, "{text}");
    }
}
