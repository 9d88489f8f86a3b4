//! The arguments of session-manager-plugin.

use unbroken_ssm::api::{StartSession, Started};
use unbroken_ssm::proto::ssm::body::SessionGrant;

use crate::failure::Failure;

/// How the AWS CLI's variables begin that hold the answer to StartSession.
const RESPONSE_VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// The only operation there is.
const OPERATION: &str = "StartSession";
/// What the AWS CLI, and people, are told of the plugin's version: the oldest that AWS supports. From 1.2.497.0 on the AWS CLI passes the
/// answer in a variable, where other users of the machine do not see it.
pub(super) const VERSION: &str = "1.2.764.0";

/// What the arguments say.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) started: Started,
    pub(super) region: Option<String>,
    pub(super) profile: Option<String>,
    /// What StartSession was asked for, if that was said: the same can be asked for again.
    pub(super) request: Option<StartSession>,
    pub(super) endpoint: Option<String>,
}

impl Invocation {
    /// `variable`: the environment.
    pub(super) fn parse(
        arguments: &[String],
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Invocation, Failure> {
        let [response, region, operation, others @ ..] = arguments else {
            return Err(wrong(
                "the answer to StartSession, a region and the word StartSession are needed",
            ));
        };
        let none = String::new();
        let (profile, request, endpoint) = match others {
            [] => (&none, &none, &none),
            [profile] => (profile, &none, &none),
            [profile, request] => (profile, request, &none),
            [profile, request, endpoint] => (profile, request, endpoint),
            _ => return Err(wrong("there are more than six")),
        };
        if operation != OPERATION {
            return Err(wrong(&format!("the operation is {OPERATION}, not {operation:?}")));
        }
        let started = match response.starts_with(RESPONSE_VARIABLE) {
            true => {
                let value = variable(response).ok_or_else(|| wrong(&format!("{response} is not set")))?;
                started(&value)?
            }
            false => started(response)?,
        };
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Invocation {
            started,
            region: given(region),
            profile: given(profile),
            request: given(request).map(|request| asked(&request)).transpose()?,
            endpoint: given(endpoint),
        })
    }
}

fn wrong(why: &str) -> Failure {
    Failure::Unable(format!("the arguments of session-manager-plugin: {why}"))
}

/// What is in it is a secret, so that what is wrong with it is not shown.
fn started(response: &str) -> Result<Started, Failure> {
    let grant =
        SessionGrant::decode(response.as_bytes()).map_err(|_| wrong("the answer to StartSession is no JSON object"))?;
    for (value, name) in [
        (grant.session_id.as_str(), "SessionId"),
        (grant.token_value.as_str(), "TokenValue"),
        (&grant.stream_url, "StreamUrl"),
    ] {
        if value.is_empty() {
            return Err(wrong(&format!("the answer to StartSession has no {name}")));
        }
    }
    Ok(Started::new(grant.session_id, grant.stream_url, grant.token_value))
}

fn asked(request: &str) -> Result<StartSession, Failure> {
    serde_json::from_str(request).map_err(|error| wrong(&format!("the request: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"{"SessionId":"s-1","TokenValue":"t","StreamUrl":"wss://h/v1","ResponseMetadata":{}}"#;

    fn parse(arguments: &[&str], variable: Option<&str>) -> Result<Invocation, String> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let parsed = Invocation::parse(&arguments, |_| variable.map(str::to_owned));
        parsed.map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn all_six_are_read() {
        let request = r#"{"Target":"i-1","DocumentName":"AWS-StartSSHSession","Parameters":{"portNumber":["22"]}}"#;
        let read = parse(&[RESPONSE, "eu-west-1", OPERATION, "work", request, "https://e"], None).expect("six");
        assert_eq!(read.started.session_id, "s-1");
        assert_eq!(read.started.token.as_str(), "t");
        assert_eq!(read.started.stream_url, "wss://h/v1");
        assert_eq!(
            (read.region.as_deref(), read.profile.as_deref()),
            (Some("eu-west-1"), Some("work"))
        );
        assert_eq!(read.endpoint.as_deref(), Some("https://e"));
        let request = read.request.expect("a request");
        assert_eq!(request.target, "i-1");
        assert_eq!(request.document_name.as_deref(), Some("AWS-StartSSHSession"));
        assert_eq!(request.parameters["portNumber"], ["22"]);
    }

    #[test]
    fn a_variable_may_hold_the_answer_and_the_rest_may_be_left_out() {
        let read = parse(
            &["AWS_SSM_START_SESSION_RESPONSE_1", "r", OPERATION, ""],
            Some(RESPONSE),
        )
        .expect("four");
        assert_eq!(read.started.session_id, "s-1");
        assert!(read.profile.is_none() && read.request.is_none() && read.endpoint.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_and_no_token_shown() {
        for (arguments, variable, why) in [
            (&[][..], None, "are needed"),
            (&[RESPONSE, "r"], None, "are needed"),
            (&[RESPONSE, "r", "StopSession"], None, "not \\\"StopSession"),
            (&[RESPONSE, "r", OPERATION, "", "", "", ""], None, "more than six"),
            (&["AWS_SSM_START_SESSION_RESPONSE", "r", OPERATION], None, "is not set"),
            (
                &["AWS_SSM_START_SESSION_RESPONSE", "r", OPERATION],
                Some("{"),
                "no JSON",
            ),
            (&["secret", "r", OPERATION], None, "no JSON"),
            (
                &[r#"{"SessionId":"s","TokenValue":"secret"}"#, "r", OPERATION],
                None,
                "no StreamUrl",
            ),
            (&[RESPONSE, "r", OPERATION, "", r#"{"target":1}"#], None, "the request"),
        ] {
            let said = parse(arguments, variable).expect_err("wrong");
            assert!(said.contains(why), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
