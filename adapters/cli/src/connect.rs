//! `unbroken connect`: standard input and output on one stream, as for ssh's `ProxyCommand`.

use bytes::Bytes;

use crate::client;
use crate::config;
use crate::failure::Failure;
use crate::notes;
use crate::options::endpoints::Connect;
use crate::pump::{Over, Untaken, pump};
use crate::signals::Signals;
use crate::stdio;
use crate::target::Reason;

pub(crate) async fn run(mut options: Connect) -> Result<(), Failure> {
    let (endpoint, host) = config::resolve(&options.server, &mut options.client)?;
    let nowhere = || Failure::Unable("nothing to connect to: --to says what, or `to` in the configuration".into());
    let to = options.to.or(host.to).ok_or_else(nowhere)?;
    let session = client::open(&endpoint, &options.client).await?;
    tokio::spawn(notes::hear(session.clone(), notes::on_standard_error()));
    let stream = client::open_stream(&session, &to).await?;
    // ssh sends SIGHUP to its ProxyCommand when it ends.
    let mut signals = Signals::new()?;
    let over = tokio::select! {
        over = pump(stream, stdio::input(), stdio::output(), Untaken::EndsAll) => Some(over),
        () = signals.end_or_hangup() => None,
    };
    match over {
        Some(Over::Whole) => {
            let ended = session
                .close(0, Bytes::new())
                .await
                .map_err(Failure::unable("cannot close"))?;
            client::let_go(&session).await;
            match ended.fates.all_delivered() {
                true => Ok(()),
                false => Err(Failure::Broken("not all of it arrived before the session ended".into())),
            }
        }
        Some(Over::Reset(reason)) => {
            session.abort().await;
            client::let_go(&session).await;
            Err(match reason {
                Some(Reason::Broken) | None => Failure::Broken(format!("{}: the connection there broke", to)),
                Some(reason) => Failure::Refused(format!("{}: {reason}", to)),
            })
        }
        // Whoever reads our output is gone, or tells us to go, as ssh does when a person leaves.
        Some(Over::Local(_)) | None => {
            client::leave(&session).await;
            Ok(())
        }
        Some(Over::SessionEnded) => Err(client::ended(&session, &endpoint.server).await),
    }
}
