//! A client: its session, its driver on a runtime, its application.

use std::sync::Arc;
use std::time::Duration;

use unbroken_carriers::{Address, connect_with, dial};
use unbroken_driver::{Reconnector, Runtime};
use unbroken_proto::reconnect::Continuity;
use unbroken_proto::{Cause, ClientConfig, ReconnectIntent};

use crate::SimRuntime;
use crate::app::{App, run};
use crate::kernel::inject;
use crate::shared::{DialPanic, Shared};

/// See the module.
#[derive(Debug)]
pub struct Client {
    /// The number of its conversation.
    pub number: usize,
    /// What its driver runs on.
    pub runtime: SimRuntime,
    /// Its application.
    pub app: App,
}

/// Carriers that a client may begin with.
pub(crate) const ADDRESSES: [&str; 2] = ["tcp://server:81", "ws://server:80/sessions"];

impl Client {
    /// Starts one.
    pub fn start(number: usize, config: ClientConfig, app: App, websocket: bool) -> Result<Client, String> {
        let kernel = Arc::clone(app.runtime.kernel());
        let runtime = SimRuntime::new(&kernel, kernel.process(), "client");
        let address = Address::parse(ADDRESSES[usize::from(websocket)]).map_err(|error| error.to_string())?;
        let connector = connector(number, runtime.clone(), app.shared.clone(), address);
        runtime.name_next(&format!("driver {number}"));
        let handle = connect_with(runtime.clone(), config, connector).map_err(|error| error.to_string())?;
        run(&app, &handle);
        Ok(Client { number, runtime, app })
    }
}

/// Dials through the runtime, panics when asked to, and looks at the session meanwhile, as an application's own connector may.
fn connector(number: usize, runtime: SimRuntime, shared: Shared, address: Address) -> Reconnector {
    let (answering, asked) = (runtime.clone(), shared.clone());
    let dial = move |intent: ReconnectIntent| {
        let panics = shared.with(|state| {
            let panics = state.dial_panics.remove(&number);
            state.breaks += u64::from(panics.is_some());
            panics
        });
        look(&shared, number);
        if panics == Some(DialPanic::AtOnce) {
            runtime.kernel().hit("panic: a connector");
            inject();
        }
        let address = address.alternate(&intent.alternate);
        let (runtime, shared) = (runtime.clone(), shared.clone());
        async move {
            if panics == Some(DialPanic::Later) {
                runtime.kernel().hit("panic: a connector's future");
                runtime.sleep(Duration::from_millis(1)).await;
                inject();
            }
            look(&shared, number);
            dial(&runtime, &address).await
        }
    };
    let answer = move |shared: &Shared| {
        let delay = shared.with(|state| state.answers.pop_front());
        let runtime = answering.clone();
        async move {
            // In half of the cases at once.
            let delay = delay.unwrap_or(0);
            if delay % 2 == 1 {
                runtime.sleep(Duration::from_millis(delay)).await;
            }
            delay
        }
    };
    let [credentials, restore, restart, recover] = [(); 4].map(|()| (answer.clone(), asked.clone()));
    let reconnector = Reconnector::new(dial)
        .restore(move |_intent| {
            let delay = (restore.0)(&restore.1);
            async move {
                if delay.await % 3 == 0 {
                    Ok(())
                } else {
                    Err(Cause::StateDamaged)
                }
            }
        })
        .restart(move |_intent| {
            let delay = (restart.0)(&restart.1);
            async move {
                match delay.await % 5 {
                    0 => Ok(Continuity::Kept),
                    1 => Ok(Continuity::Lost),
                    _ => Err(Cause::Network),
                }
            }
        })
        .recover(move |_intent| {
            let delay = (recover.0)(&recover.1);
            async move {
                if delay.await % 3 == 0 {
                    Ok(())
                } else {
                    Err(Cause::Local)
                }
            }
        });
    if number % 2 == 1 {
        // The application answers, through its handle.
        return reconnector;
    }
    reconnector.credentials(move |_intent| {
        let delay = (credentials.0)(&credentials.1);
        async move {
            delay.await;
            Some(bytes::Bytes::from_static(b"fresh"))
        }
    })
}

/// What a connector may ask of its own session.
fn look(shared: &Shared, number: usize) {
    let handle = shared.with(|state| state.handles.get(&(number, crate::oracle::Party::Client)).cloned());
    if let Some(handle) = handle {
        let _seen = (handle.state(), handle.stats(), handle.history());
    }
}
