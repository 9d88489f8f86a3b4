//! What the crate of a runtime offers.

/// All that the crate of a runtime offers besides that runtime: the types of sessions, and its two ends on `$runtime`, which
/// are `Server` and the functions of this crate without their argument `runtime`. Goes into the crate's root, behind a
/// `pub use unbroken_carriers as carriers`.
#[macro_export]
macro_rules! on_runtime {
    ($runtime:ident) => {
        pub use $crate::driver;
        pub use $crate::driver::proto;
        pub use $crate::driver::{
            Accepted, Answer, BroadcastOutcome, Broadcaster, ConnectError, Connected, Connecting, Connector, Events,
            Framed, PendingAnswer, Reconnector, RecvError, RecvHalf, Runtime, SendHalf, ServerHandle, Session, Stream,
        };
        pub use $crate::{Acceptor, Address, ForwardingHeader, StartError, TrustedProxies};

        /// Accepts sessions on this runtime.
        pub type Server = carriers::Server<$runtime>;

        /// A session with the server at `address`: [`carriers::connect`].
        ///
        /// # Errors
        /// As there.
        pub fn connect(address: Address, config: proto::ClientConfig) -> Result<Session, StartError> {
            carriers::connect($runtime, address, config)
        }

        /// A session over TCP to `host:port`, or `tls://host:port`: [`carriers::connect_tcp`].
        ///
        /// # Errors
        /// As there.
        pub fn connect_tcp(address: impl AsRef<str>, config: proto::ClientConfig) -> Result<Session, StartError> {
            carriers::connect_tcp($runtime, address.as_ref(), config)
        }

        /// A session over WebSocket to a `ws://` or `wss://` address: [`carriers::connect_ws`].
        ///
        /// # Errors
        /// As there.
        pub fn connect_ws(url: impl AsRef<str>, config: proto::ClientConfig) -> Result<Session, StartError> {
            carriers::connect_ws($runtime, url.as_ref(), config)
        }

        /// A session that dials with `connector`: [`carriers::connect_with`].
        ///
        /// # Errors
        /// As there.
        pub fn connect_with(
            config: proto::ClientConfig,
            connector: impl Connector + 'static,
        ) -> Result<Session, StartError> {
            carriers::connect_with($runtime, config, connector)
        }

        /// A session that takes the place of `old`, once that has ended: [`carriers::connect_after`].
        ///
        /// # Errors
        /// As there.
        pub async fn connect_after(
            old: &Session,
            config: proto::ClientConfig,
            connector: impl Connector + 'static,
        ) -> Result<Session, StartError> {
            carriers::connect_after($runtime, old, config, connector).await
        }

        /// A session that outlives its process: [`carriers::connect_durable`].
        ///
        /// # Errors
        /// As there.
        pub async fn connect_durable(
            config: proto::ClientConfig,
            connector: impl Connector + 'static,
            store: std::sync::Arc<dyn driver::store::Store>,
            id: driver::store::JournalId,
        ) -> Result<Session, StartError> {
            carriers::connect_durable($runtime, config, connector, store, id).await
        }

        /// Goes on with a session that was packed up elsewhere: [`carriers::import`].
        ///
        /// # Errors
        /// As there.
        pub async fn import(
            config: proto::ClientConfig,
            connector: impl Connector + 'static,
            ticket: (carriers::bytes::Bytes, &proto::security::AtRest),
            place: Option<(std::sync::Arc<dyn driver::store::Store>, driver::store::JournalId)>,
        ) -> Result<Session, StartError> {
            carriers::import($runtime, config, connector, ticket, place).await
        }

        /// Dials `address`, or where the server said to go instead: [`carriers::connector`].
        pub fn connector(address: Address) -> impl Connector {
            carriers::connector($runtime, address)
        }

        /// Dials once: [`carriers::dial`].
        ///
        /// # Errors
        /// As there.
        pub async fn dial(address: &Address) -> Result<Connected, ConnectError> {
            carriers::dial(&$runtime, address).await
        }
    };
}
