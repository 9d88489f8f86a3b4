//! Answers to requests, and how much of a request is read.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use unbroken_tokio::carriers::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use unbroken_tokio::carriers::http::{Response, StatusCode};

use super::sessions::ApiError;

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 64 << 10;

pub(super) type Answer = Response<Full<Bytes>>;

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A line of text.
pub(super) fn plain(status: StatusCode, line: &str) -> Answer {
    answer(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

/// The request has another method than there is.
pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "no such method here");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// What an API call answers.
pub(super) fn json(body: Vec<u8>) -> Answer {
    answer(StatusCode::OK, "application/x-amz-json-1.1", body)
}

/// Why an API call failed.
pub(super) fn failed(error: &ApiError) -> Answer {
    let body = serde_json::json!({ "__type": error.code, "message": error.message });
    answer(error.status, "application/x-amz-json-1.1", body.to_string())
}

/// What CreateDataChannel answers: elements with these texts in an element `root`.
pub(super) fn xml(status: StatusCode, root: &str, elements: &[(&str, &str)]) -> Answer {
    let mut body = format!("<{root}>");
    for (name, text) in elements {
        body.push_str(&format!("<{name}>"));
        escape(text, &mut body);
        body.push_str(&format!("</{name}>"));
    }
    body.push_str(&format!("</{root}>"));
    answer(status, "application/xml", body)
}

/// Text as it stands in an element.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

/// All of a body, or what to answer where it is too long or breaks off.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Box<Answer>> {
    let whole = Limited::new(body, MAX_BODY).collect().await;
    whole.map(|body| body.to_bytes()).map_err(|error| {
        let answer = match error.is::<LengthLimitError>() {
            true => plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 65,536 bytes"),
            false => plain(StatusCode::BAD_REQUEST, "the body is not whole"),
        };
        Box::new(answer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn text_is_escaped() {
        let answer = xml(StatusCode::CREATED, "A", &[("B", "<b>&amp;")]);
        let body = answer.into_body().collect().await.expect("it is there").to_bytes();
        assert_eq!(body, "<A><B>&lt;b&gt;&amp;amp;</B></A>");
    }
}
