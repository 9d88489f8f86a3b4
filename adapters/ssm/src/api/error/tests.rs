use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use unbroken_proto::Cause;
use unbroken_tokio::ConnectError;

use super::{ApiError, MAX_MESSAGE, ServiceError};
use crate::service::TokenError;

fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> ServiceError {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    ServiceError::read(&answer.body(Bytes::from(body.to_owned())).expect("an answer"))
}

fn connect_error(error: ServiceError) -> ConnectError {
    ApiError::from(error).into()
}

#[test]
fn names_and_messages_are_read_in_all_their_forms() {
    let json = answer(
        400,
        r#"{"__type":"com.amazonaws.ssm#TargetNotConnected","message":"i-1 is not"}"#,
        &[],
    );
    assert_eq!(
        (json.code.as_str(), json.message.as_str()),
        ("TargetNotConnected", "i-1 is not")
    );
    let other = answer(400, r#"{"__type":"ThrottlingException","Message":"Rate"}"#, &[]);
    assert_eq!(
        (other.code.as_str(), other.message.as_str()),
        ("ThrottlingException", "Rate")
    );
    let header = answer(400, "{}", &[("x-amzn-errortype", "DoesNotExistException:http://x/")]);
    assert_eq!(header.code, "DoesNotExistException");
    let html = answer(502, "<html>é", &[]);
    assert_eq!((html.code.as_str(), html.message.as_str()), ("", "<html>é"));
}

#[test]
fn a_long_message_is_cut_where_a_character_ends() {
    let error = answer(500, &"é".repeat(MAX_MESSAGE), &[]);
    assert_eq!(error.message, "é".repeat(MAX_MESSAGE / 2));
    let error = answer(500, &format!("a{}", "é".repeat(MAX_MESSAGE)), &[]);
    assert_eq!(error.message.len(), MAX_MESSAGE - 1);
}

#[test]
fn refused_credentials_are_denied_and_the_session_is_not_gone() {
    for (status, code) in [
        (400, "ExpiredTokenException"),
        (400, "UnrecognizedClientException"),
        (400, "AccessDeniedException"),
        (403, ""),
        (403, "DoesNotExistException"),
        (401, ""),
    ] {
        let error = answer(status, &format!(r#"{{"__type":"{code}"}}"#), &[]);
        assert!(error.is_refusal() && !error.is_gone(), "{status} {code}");
        let TokenError::Failed(error) = ApiError::from(error).into_token_error() else {
            panic!("{status} {code}: gone");
        };
        assert_eq!(error.cause(), Cause::Denied, "{status} {code}");
    }
}

#[test]
fn only_a_session_that_does_not_exist_is_gone() {
    for code in ["DoesNotExistException", "InvalidSessionId", "InvalidSessionIdException"] {
        let error = answer(400, &format!(r#"{{"__type":"{code}","message":"no such"}}"#), &[]);
        let token = ApiError::from(error).into_token_error();
        assert!(matches!(token, TokenError::Gone(why) if why == "no such"), "{code}");
    }
    for (status, code) in [
        (400, "ValidationException"),
        (404, ""),
        (500, "InternalServerError"),
        (500, "DoesNotExistException"),
    ] {
        let error = answer(status, &format!(r#"{{"__type":"{code}"}}"#), &[]);
        assert!(!error.is_gone(), "{status} {code}");
    }
}

#[test]
fn a_service_that_is_asked_too_often_is_left_alone() {
    let after = |status, body, headers: &[_]| connect_error(answer(status, body, headers)).after();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(after(400, r#"{"__type":"ThrottlingException"}"#, &[]), seconds(5));
    assert_eq!(after(429, "", &[]), seconds(5));
    assert_eq!(after(429, "", &[("retry-after", "17")]), seconds(17));
    assert_eq!(after(503, "", &[("retry-after", "999999")]), seconds(3600));
    assert_eq!(after(503, "", &[]), None);
    let dates = [
        ("date", "Fri, 01 Jan 2027 00:00:00 GMT"),
        ("retry-after", "Fri, 01 Jan 2027 00:00:30 GMT"),
    ];
    assert_eq!(after(503, "", &dates), seconds(30));
    let past = [
        ("date", "Fri, 01 Jan 2027 00:00:00 GMT"),
        ("retry-after", "Thu, 31 Dec 2026 00:00:30 GMT"),
    ];
    assert_eq!(after(503, "", &past), seconds(0));
    assert_eq!(after(503, "", &[("retry-after", "soon")]), None);
}

#[test]
fn statuses_have_their_causes() {
    for (status, cause) in [
        (400, Cause::Refused),
        (404, Cause::NoService),
        (500, Cause::Refused),
        (503, Cause::ServerAsked),
    ] {
        assert_eq!(connect_error(answer(status, "", &[])).cause(), cause, "{status}");
    }
}
