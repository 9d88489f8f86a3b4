//! Which request is answered by what.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use unbroken_proto::ssm::body::CreateDataChannel;
use unbroken_proto::ssm::gateway::{AttachError, End, is_session_id};
use unbroken_tokio::carriers::http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use unbroken_tokio::carriers::http::{Method, Request, StatusCode};

use super::answer::{Answer, failed, json, not_allowed, plain, read, xml};
use super::api;
use super::shared::{Attached, Shared};
use crate::service::TERMINATED;

/// A connection that becomes a WebSocket once its request is answered.
#[derive(Default)]
pub(super) struct Upgrading(Mutex<Option<(OnUpgrade, Attached)>>);

impl Upgrading {
    pub(super) fn take(&self) -> Option<(OnUpgrade, Attached)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers a request. `base` is what stream URLs begin with.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    base: &str,
    upgrading: &Upgrading,
    request: Request<Incoming>,
) -> Answer {
    let (mut parts, body) = request.into_parts();
    if let Some(authorise) = &shared.settings.authorise
        && let Err(status) = authorise(&parts)
    {
        return plain(status, "not allowed");
    }
    if parts.uri.path() == "/" {
        if parts.method != Method::POST {
            return not_allowed("POST");
        }
        return match read(body).await {
            Ok(body) => match api::call(shared, base, parts.headers, body).await {
                Ok(body) => json(body),
                Err(error) => failed(&error),
            },
            Err(answer) => *answer,
        };
    }
    let session_id = parts.uri.path().strip_prefix("/v1/data-channel/");
    let Some(session_id) = session_id.filter(|id| is_session_id(id)).map(str::to_owned) else {
        return plain(StatusCode::NOT_FOUND, "nothing here");
    };
    match parts.method {
        Method::POST => match read(body).await {
            Ok(body) => create_data_channel(shared, &session_id, &body),
            Err(answer) => *answer,
        },
        Method::GET => {
            let on_upgrade = parts.extensions.remove::<OnUpgrade>();
            upgrade(
                shared,
                &session_id,
                on_upgrade,
                upgrading,
                &Request::from_parts(parts, ()),
            )
        }
        _ => not_allowed("GET, POST"),
    }
}

fn create_data_channel(shared: &Shared, session_id: &str, body: &[u8]) -> Answer {
    if let Err(error) = CreateDataChannel::decode(body) {
        return plain(StatusCode::BAD_REQUEST, &error.to_string());
    }
    match shared.with(|machine, _| machine.token(session_id, End::Agent)) {
        Some(token) => {
            let elements = [("MessageSchemaVersion", "1.0"), ("TokenValue", token.as_str())];
            xml(StatusCode::CREATED, "CreateDataChannelOutput", &elements)
        }
        None => xml(StatusCode::BAD_REQUEST, "Error", &[("Message", TERMINATED)]),
    }
}

fn upgrade(
    shared: &Arc<Shared>,
    session_id: &str,
    on_upgrade: Option<OnUpgrade>,
    upgrading: &Upgrading,
    request: &Request<()>,
) -> Answer {
    let (Ok(response), Some(on_upgrade)) = (create_response(request), on_upgrade) else {
        let mut answer = plain(StatusCode::UPGRADE_REQUIRED, "a WebSocket of version 13 is spoken here");
        let headers = answer.headers_mut();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        return answer;
    };
    match shared.attach(session_id) {
        Ok(attached) => {
            let mut slot = upgrading.0.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some((on_upgrade, attached));
            response.map(|()| Full::new(Bytes::new()))
        }
        Err(AttachError::NoSession) => plain(StatusCode::BAD_REQUEST, TERMINATED),
        Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}
