//! Requests are read as another implementation reads them.

use proptest::prelude::*;
use tungstenite::handshake::machine::TryParse;
use unbroken_carriers::http::{Method, Request, Version};
use unbroken_carriers::{UpgradeError, answer, parse_request};

use crate::common::peer::upgrade;

/// What tungstenite makes of a request's head.
fn by_tungstenite(received: &[u8]) -> Option<(usize, Request<()>)> {
    Request::<()>::try_parse(received).ok().flatten()
}

fn check_against_tungstenite(received: &[u8]) -> Result<(), TestCaseError> {
    let theirs = by_tungstenite(received);
    let ours = match parse_request(received) {
        // These have rules that tungstenite does not look at, and so it may take them.
        Err(UpgradeError::BadRequest(_)) => return Ok(()),
        Ok(ours) => ours,
        Err(_) => None,
    };
    // It knows GET in HTTP/1.1 only.
    let Some(ours) = ours.filter(|(_, ours)| (ours.method(), ours.version()) == (&Method::GET, Version::HTTP_11))
    else {
        prop_assert!(theirs.is_none(), "tungstenite takes it");
        return Ok(());
    };
    let theirs = theirs.ok_or_else(|| TestCaseError::fail("tungstenite does not take it"))?;
    prop_assert_eq!(ours.0, theirs.0);
    prop_assert_eq!(ours.1.uri(), theirs.1.uri());
    prop_assert_eq!(ours.1.headers(), theirs.1.headers());
    if answer(&theirs.1).is_ok() {
        let response = tungstenite::handshake::server::create_response(&theirs.1);
        let accept = response
            .ok()
            .and_then(|response| response.headers().get("sec-websocket-accept").cloned());
        let ours = answer(&ours.1)
            .ok()
            .and_then(|response| response.headers().get("sec-websocket-accept").cloned());
        prop_assert_eq!(ours, accept);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]
    /// Where something is put into a request for a WebSocket, both parsers see the same or none.
    #[test]
    fn a_changed_upgrade_is_read_as_tungstenite_reads_it(
        at in 0_usize..260,
        gone in 0_usize..3,
        put in "(\r|\n|\r\n|x: y\r\n|[ -~\t\u{e4}\0]){0,3}",
    ) {
        let mut request = upgrade("GET /rooms?x=y HTTP/1.1").into_bytes();
        let at = at.min(request.len());
        request.splice(at..(at + gone).min(request.len()), put.bytes());
        check_against_tungstenite(&request)?;
    }

    /// Lines of all kinds are read as tungstenite reads them, or not at all.
    #[test]
    fn requests_are_read_as_tungstenite_reads_them(
        method in "(GET|HEAD|POST|CONNECT|[A-Z!-~]{1,4})",
        target in "(/|\\*|http://here|here:7)[!-~]{0,6}",
        minor in 0_u8..4,
        headers in "((Host|Content-Length|Transfer-Encoding|[a-z -]{1,3}): ?(here|7|chunked|[ -~]{0,5})\r?\n){0,5}",
    ) {
        check_against_tungstenite(format!("{method} {target} HTTP/1.{minor}\r\n{headers}\r\n").as_bytes())?;
    }

    /// Nothing makes it panic, and what is answered has a status.
    #[test]
    fn bytes_of_all_kinds_come_to_something(bytes in proptest::collection::vec(any::<u8>(), 0..200), begin in "(GET / HTTP/1\\.|GET |POST /)?") {
        let received = [begin.as_bytes(), &bytes].concat();
        if let Err(error) = parse_request(&received) {
            let is_http = !matches!(error, UpgradeError::Malformed);
            prop_assert_eq!(error.refusal().is_some(), is_http);
        }
        check_against_tungstenite(&received)?;
    }
}
