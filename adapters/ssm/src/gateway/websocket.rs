//! One WebSocket, from its upgrade to its end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use unbroken_proto::ssm::Message;

use super::shared::{Attached, Reading};
use crate::socket::to_be_sent;

/// How long a connection may take to close, and to take what is left for it.
const CLOSING: Duration = Duration::from_secs(5);

/// Why the conversation is over.
enum Over {
    /// The connection is gone, or is to be dropped as it is.
    Gone,
    /// The machine does not want it any more, and everything was sent.
    Unwanted,
}

/// Carries messages between the WebSocket and the machine until one of them wants no more.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, attached: &Attached) {
    let most = attached.settings().machine.max_frame;
    let config = WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut source) = stream.split();
    let over = tokio::select! {
        biased;
        () = attached.handle.cut.notified() => Over::Gone,
        over = write(&mut sink, attached) => over,
        over = read(&mut source, attached) => over,
    };
    if let Over::Unwanted = over {
        let close = WsMessage::Close(Some(close_frame(attached)));
        let closing = async {
            if sink.send(close).await.is_ok() {
                // Whoever closes with something unread resets the connection, and what is under way to the peer may be lost with it.
                while let Some(Ok(_)) = source.next().await {}
            }
        };
        // Whether it was in time makes no difference: the connection is dropped.
        let _in_time = timeout(CLOSING, closing).await;
    }
}

fn close_frame(attached: &Attached) -> CloseFrame {
    match attached.handle.refusal.get() {
        Some(refusal) => CloseFrame {
            code: CloseCode::Policy,
            reason: refusal.to_string().into(),
        },
        None => CloseFrame {
            code: CloseCode::Normal,
            reason: "Bye".into(),
        },
    }
}

/// Sends what the machine has, and pings where it has nothing for long.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, WsMessage>,
    attached: &Attached,
) -> Over {
    let interval = attached.settings().ping_interval;
    let mut ping_at = Instant::now() + interval;
    loop {
        while let Some(message) = attached.poll_transmit() {
            if sink.feed(to_be_sent(message)).await.is_err() {
                return Over::Gone;
            }
            ping_at = Instant::now() + interval;
        }
        if sink.flush().await.is_err() {
            return Over::Gone;
        }
        if !attached.is_wanted() {
            return Over::Unwanted;
        }
        tokio::select! {
            () = attached.handle.writer.notified() => {}
            () = sleep_until(ping_at) => {
                if sink.send(WsMessage::Ping(Bytes::new())).await.is_err() {
                    return Over::Gone;
                }
                ping_at = Instant::now() + interval;
            }
        }
    }
}

/// Hands over what comes, while the machine takes it.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    source: &mut SplitStream<WebSocketStream<S>>,
    attached: &Attached,
) -> Over {
    let patience = attached.settings().ping_interval * 2;
    let mut deadline = Instant::now() + patience;
    loop {
        match attached.reading() {
            Reading::Now => {}
            Reading::Later => {
                attached.handle.reader.notified().await;
                deadline = Instant::now() + patience;
                continue;
            }
            Reading::NeverAgain => {
                // What is left to be sent has so long.
                sleep(CLOSING).await;
                return Over::Gone;
            }
        }
        let came = tokio::select! {
            () = attached.handle.reader.notified() => continue,
            came = timeout_at(deadline, source.next()) => came,
        };
        let Ok(Some(Ok(message))) = came else {
            return Over::Gone;
        };
        deadline = Instant::now() + patience;
        match message {
            WsMessage::Text(text) => attached.handle_input(Message::Text(text.as_str().to_owned())),
            // A copy: it may wait long, and would hold all of the buffer that it was read into.
            WsMessage::Binary(bytes) => attached.handle_input(Message::Binary(Bytes::copy_from_slice(&bytes))),
            // Pings were answered by tungstenite, and a close frame will be when it is read on.
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Close(_) | WsMessage::Frame(_) => {}
        }
    }
}
