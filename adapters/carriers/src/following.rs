//! Following redirections from one address to the next.

use std::error::Error;

use tungstenite::http::StatusCode;
use tungstenite::http::header::HOST;
use unbroken_driver::ConnectError;

use crate::address::Address;
use crate::redirect::{Credentials, MAX_REDIRECTS, RedirectError, resolve};
use crate::upgrade::UpgradeError;

impl Address {
    /// Follows redirections to `host`, too, whichever its port, and sends it `credentials` or not.
    ///
    /// [`dial`](crate::dial), [`connector`](crate::connector) and what stands on them follow the answers 301, 302, 307 and 308 (RFC
    /// 9110, section 15.4), [`MAX_REDIRECTS`] in one dial at most, all within its time. Without this they go to the same host's name
    /// only, with any path and port, from `ws` to `wss` but never back. What was set by [`header`](Address::header) and
    /// [`subprotocol`](Address::subprotocol) goes with them; where another host was sent none of it, no later one is in that dial.
    /// Nothing is remembered, not even what is permanent (301, 308): each dial begins at this address.
    /// [`connect`](Address::connect) has one stream only, and follows nothing.
    ///
    /// Of a host that is named twice the later word counts. An address that is no WebSocket's has no redirections.
    ///
    /// ```
    /// use unbroken_carriers::{Address, Credentials};
    /// let address = Address::parse("ws://example.org/sessions")?
    ///     .header("authorization", "Bearer 0123")?
    ///     .redirects_to("eu.example.org", Credentials::Send)
    ///     .redirects_to("mirror.example.net", Credentials::Withhold);
    /// # let _ = address;
    /// # Ok::<(), unbroken_carriers::AddressError>(())
    /// ```
    #[must_use]
    pub fn redirects_to(mut self, host: &str, credentials: Credentials) -> Address {
        if let Some(ws) = &mut self.websocket {
            ws.redirects.push((host.into(), credentials));
        }
        self
    }

    /// Where `location` leads from here, in a dial that began at `first`.
    fn redirected(&self, first: &Address, location: &str) -> Result<Address, RedirectError> {
        let Some(ours) = &self.websocket else {
            return Err(RedirectError::NoLocation);
        };
        let mut there = Address::parse(&resolve(&ours.uri, location)?).map_err(RedirectError::Malformed)?;
        if self.secure && !there.secure {
            return Err(RedirectError::LeavesTls);
        }
        let is_named = |(host, _): &&(String, Credentials)| host.eq_ignore_ascii_case(&there.host);
        let credentials = match there.host.eq_ignore_ascii_case(&first.host) {
            true => Credentials::Send,
            false => {
                let named = ours.redirects.iter().rev().find(is_named);
                named.ok_or(RedirectError::OtherHost)?.1
            }
        };
        let is_same_server = (&there.host, there.port, there.secure) == (&self.host, self.port, self.secure);
        if let Some(theirs) = &mut there.websocket {
            theirs.redirects.clone_from(&ours.redirects);
            if credentials == Credentials::Send {
                theirs.headers.clone_from(&ours.headers);
                theirs.subprotocols.clone_from(&ours.subprotocols);
            }
            if !is_same_server {
                theirs.headers.remove(HOST);
            }
        }
        if there.host == self.host {
            there.known = self.known.clone();
        }
        #[cfg(feature = "tls")]
        there.tls.clone_from(&self.tls);
        Ok(there)
    }

    /// Whether both are asked the same.
    fn is_as(&self, other: &Address) -> bool {
        let path = |address: &Address| address.websocket.as_ref().map(|ws| ws.uri.path_and_query().cloned());
        (self.port, self.secure) == (other.port, other.secure)
            && self.host.eq_ignore_ascii_case(&other.host)
            && path(self) == path(other)
    }
}

/// The next address of a dial that asked `first`, then `others`, the last of which failed of `error`.
///
/// # Errors
/// `error` is no redirection, or it is not followed.
pub(crate) fn follow(first: &Address, others: &[Address], error: ConnectError) -> Result<Address, ConnectError> {
    let source = error.source().and_then(|source| source.downcast_ref());
    let Some(UpgradeError::Status {
        status:
            status @ (StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT),
        location,
    }) = source
    else {
        return Err(error);
    };
    let here = others.last().unwrap_or(first);
    let led = match location {
        None => Err(RedirectError::NoLocation),
        Some(_) if others.len() >= MAX_REDIRECTS => Err(RedirectError::TooMany),
        Some(location) => here.redirected(first, location),
    };
    let led = led.and_then(
        |there| match others.iter().chain([first]).any(|been| been.is_as(&there)) {
            true => Err(RedirectError::Circle),
            false => Ok(there),
        },
    );
    led.map_err(|why| {
        let (status, location) = (*status, location.clone());
        UpgradeError::NotFollowed { status, location, why }.into()
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test")]
mod tests;
