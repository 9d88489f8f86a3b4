//! AWS as the environment and the shared files say: each case in a process of its own, whose environment it is.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use unbroken_ssm::api::Http;
use unbroken_ssm::aws::Aws;
use unbroken_ssm::{Service, Tls};

use crate::serving::{Answer, Serving, answer, error, line, signers};

const GRANT: &str = r#"{"SessionId":"me-0a1b","TokenValue":"THE-TOKEN","StreamUrl":"wss://x/v1/data-channel/me-0a1b"}"#;

/// Run in a process of its own: prints the region and what two calls come to.
#[tokio::test]
#[ignore = "run by others, each of which sets the environment"]
async fn in_an_environment() {
    let said = |name| std::env::var(name).ok();
    let http = Http::new(Tls::trusting([]).unwrap());
    let profile = said("TEST_PROFILE");
    let aws = Aws::load_with(http, said("TEST_REGION").as_deref(), profile.as_deref(), Some(""))
        .await
        .unwrap();
    println!("region={}", aws.region());
    for _ in 0..2 {
        match aws.client("i-1").token("me-0a1b").await {
            Ok(grant) => println!("token={}", grant.token.as_str()),
            Err(error) => println!("error={error}"),
        }
    }
}

/// What [`in_an_environment`] prints with these variables and no others of AWS's or of proxies.
fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "environment::in_an_environment", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if upper.starts_with("AWS_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A directory that is removed in the end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("unbroken-ssm-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Writes a file; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

async fn granting() -> Serving {
    Serving::start(|_| answer(200, GRANT)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_the_shared_files_is_read() {
    let (service, directory) = (granting().await, Directory::new("profile"));
    let credentials = directory.write(
        "credentials",
        "[default]\naws_access_key_id = WRONG\naws_secret_access_key = x\n[work]\naws_access_key_id = RIGHT\naws_secret_access_key = x\n",
    );
    let config = directory.write("config", "[profile work]\nregion = eu-north-1\n");
    let said = in_environment(&[
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("TEST_PROFILE", "work"),
    ]);
    assert!(
        said.contains("region=eu-north-1\ntoken=THE-TOKEN\ntoken=THE-TOKEN\n"),
        "{said}"
    );
    assert_eq!(signers(&service), ["RIGHT", "RIGHT"]);
    assert!(line(&service.asked()[0], "authorization").contains("/eu-north-1/ssm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_read_afresh_from_the_file() {
    let directory = Directory::new("afresh");
    let file = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = x\n");
    let credentials = directory.write("credentials", &file("OLD"));
    let answers = AtomicUsize::new(0);
    let fresh = (credentials.clone(), file("NEW"));
    let service = Serving::start(move |_| -> Answer {
        match answers.fetch_add(1, Ordering::SeqCst) {
            0 => {
                fs::write(&fresh.0, &fresh.1).unwrap();
                error(400, "UnrecognizedClientException")
            }
            _ => answer(200, GRANT),
        }
    })
    .await;
    let said = in_environment(&[
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL", &service.url()),
        ("TEST_REGION", "eu-west-1"),
    ]);
    assert!(
        said.contains("error=denied") && said.contains("token=THE-TOKEN"),
        "{said}"
    );
    assert_eq!(signers(&service), ["OLD", "NEW"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_container_are_asked_over_the_same_http() {
    let service = Serving::start(|request| match request.uri().path() {
        "/credentials" => answer(
            200,
            r#"{"AccessKeyId":"CONTAINER","SecretAccessKey":"x","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#,
        ),
        _ => answer(200, GRANT),
    })
    .await;
    let said = in_environment(&[
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("{}/credentials", service.url()),
        ),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("AWS_REGION", "eu-west-1"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    assert_eq!(signers(&service), ["", "CONTAINER", "CONTAINER"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_profile_is_run() {
    let (service, directory) = (granting().await, Directory::new("process"));
    let output = directory.write(
        "output",
        r#"{"Version":1,"AccessKeyId":"PROGRAM","SecretAccessKey":"x"}"#,
    );
    let config = directory.write("config", &format!("[default]\ncredential_process = cat {output}\n"));
    let said = in_environment(&[
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("AWS_REGION", "eu-west-1"),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    assert_eq!(signers(&service), ["PROGRAM", "PROGRAM"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_used() {
    let proxy = Serving::start(|request| match request.uri().to_string().as_str() {
        "http://ssm.example.org/" => answer(200, GRANT),
        other => answer(500, other),
    })
    .await;
    let said = in_environment(&[
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SSM", "http://ssm.example.org"),
        ("HTTP_PROXY", &format!("http://me:word@{}", proxy.address)),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    let asked = &proxy.asked()[0];
    assert_eq!(line(asked, "proxy-authorization"), "Basic bWU6d29yZA==");
    assert_eq!(
        (line(asked, "host"), line(asked, "authorization")),
        ("ssm.example.org", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_asked_for_where_tls_is() {
    let proxy = Serving::start(|_| answer(407, "")).await;
    let said = in_environment(&[
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-west-1"),
        ("HTTPS_PROXY", &proxy.url()),
    ]);
    assert!(
        said.contains("error=denied: the proxy answers with status 407"),
        "{said}"
    );
    let asked = &proxy.asked()[0];
    assert_eq!(
        (asked.method().as_str(), asked.uri().to_string().as_str()),
        ("CONNECT", "ssm.eu-west-1.amazonaws.com:443")
    );
    assert_eq!(line(asked, "authorization"), "");
}
