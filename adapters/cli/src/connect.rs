//! `unbroken connect`: standard input and output on one stream, as for ssh's `ProxyCommand`.

use bytes::Bytes;

use crate::client;
use crate::failure::Failure;
use crate::options::endpoints::Connect;
use crate::pump::{Over, pump};
use crate::signals::Signals;

pub(crate) async fn run(options: Connect) -> Result<(), Failure> {
    let session = client::open(&options.server, &options.client).await?;
    let stream = client::open_stream(&session, &options.to).await?;
    // ssh sends SIGHUP to its ProxyCommand when it ends.
    let (mut end, mut hangup) = (Signals::new()?, Signals::new()?);
    let over = tokio::select! {
        over = pump(stream, tokio::io::stdin(), tokio::io::stdout()) => over,
        () = end.end() => return client::leave(&session).await,
        () = hangup.reload() => return client::leave(&session).await,
    };
    match over {
        Over::Whole => {
            let ended = session
                .close(0, Bytes::new())
                .await
                .map_err(Failure::unable("cannot close"))?;
            match ended.fates.all_delivered() {
                true => Ok(()),
                false => Err(Failure::Broken("not all of it arrived before the session ended".into())),
            }
        }
        Over::Reset(reason) => {
            session.abort().await;
            Err(match reason {
                Some(reason) => Failure::Refused(format!("{}: {reason}", options.to)),
                None => Failure::Broken(format!("{}: the server gave the stream up", options.to)),
            })
        }
        // Whoever reads our output is gone, as ssh is when a person leaves.
        Over::Local(_) => client::leave(&session).await,
        Over::SessionEnded => Err(client::ended(&session, &options.server).await),
    }
}
