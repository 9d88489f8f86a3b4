//! The same HTTP for the look-ups of credentials.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use unbroken_proto::Cause;

use crate::api::{Http, HttpError, Limits};

/// What aws-config sends its requests with.
pub(super) fn client(http: Http) -> SharedHttpClient {
    SharedHttpClient::new(LookUps(http))
}

#[derive(Debug)]
struct LookUps(Http);

impl HttpClient for LookUps {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let ours = self.0.limits();
        let limits = Limits {
            connect: settings
                .connect_timeout()
                .map_or(ours.connect, |limit| limit.min(ours.connect)),
            whole: settings
                .read_timeout()
                .map_or(ours.whole, |limit| limit.min(ours.whole)),
        };
        SharedHttpConnector::new(LookUp {
            http: self.0.clone(),
            limits,
        })
    }
}

#[derive(Debug)]
struct LookUp {
    http: Http,
    limits: Limits,
}

impl HttpConnector for LookUp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, limits) = (self.http.clone(), self.limits);
        HttpConnectorFuture::new(async move { call(http, limits, request).await })
    }
}

async fn call(http: Http, limits: Limits, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice);
    let body = body.ok_or_else(|| ConnectorError::user("a body that is not in memory".into()))?;
    let request = hyper::Request::from_parts(head, body);
    let answer = http.send_within(request, limits).await.map_err(classified)?;
    let answer = answer.map(SdkBody::from);
    HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
}

/// So that it is tried again, or not.
fn classified(error: HttpError) -> ConnectorError {
    match &error {
        HttpError::Timeout(_) => ConnectorError::timeout(error.into()),
        HttpError::Connect(connect) if connect.cause() == Cause::Timeout => ConnectorError::timeout(error.into()),
        HttpError::Url | HttpError::ProxyScheme => ConnectorError::user(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}
