//! A server's process: listeners, the handle, an application for each session.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use futures_channel::mpsc;
use futures_core::Stream as _;
use unbroken_carriers::Acceptor;
use unbroken_driver::{Established, MakeTimer, Runtime, RuntimeTimer, ServerHandle, Timer, Verdict};
use unbroken_proto::ServerConfig;
use unbroken_proto::config::Seed;
use unbroken_proto::server::{Placement, Refusal, Request};

use crate::SimRuntime;
use crate::app::{App, Task, insist, run};
use crate::kernel::{Kernel, inject};
use crate::net::SimListener;
use crate::oracle::Party;
use crate::shared::{Judgement, Shared};

const MS: u64 = 1_000_000;

/// A server's process, and its application's.
pub struct Server {
    /// Which one it is.
    pub generation: u64,
    /// What its tasks run on.
    pub runtime: SimRuntime,
    /// Its application, as each session's is made.
    pub app: App,
    /// Its handle.
    pub handle: Arc<ServerHandle>,
    /// The process of its listeners.
    pub listeners: SimRuntime,
}

/// Names the conversation of a client.
pub(crate) fn name_of(conversation: usize) -> String {
    format!("c{conversation}")
}

fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('c')?.parse().ok()
}

impl Server {
    /// Starts one. `app`: what its sessions' applications are like.
    pub fn start(generation: u64, config: ServerConfig, seed: Seed, app: App) -> Result<Server, String> {
        let kernel = Arc::clone(app.runtime.kernel());
        let runtime = SimRuntime::new(&kernel, kernel.process(), "serve");
        let clock = runtime.clone();
        let timer: MakeTimer = Box::new(move || -> Box<dyn Timer> { Box::new(RuntimeTimer::new(clock.clone())) });
        let (shared, judging) = (app.shared.clone(), runtime.clone());
        let authorise = Box::new(move |request| authorise(&shared, &judging, &request));
        let (handle, backlog) = ServerHandle::new(config, seed, authorise, timer).map_err(|error| error.to_string())?;
        kernel.spawn(runtime.process(), "housekeeping", Arc::clone(&handle).housekeeping());
        app.spawn("takes sessions", |task| take_sessions(task, generation, backlog));
        let collecting = Arc::clone(&handle);
        app.spawn("cleans up", |task| clean_up(task, generation, collecting));
        let mut server = Server {
            generation,
            listeners: runtime.clone(),
            runtime,
            app,
            handle,
        };
        server.listen();
        Ok(server)
    }

    /// Listens on both carriers.
    pub fn listen(&mut self) {
        let kernel = Arc::clone(self.runtime.kernel());
        self.listeners = SimRuntime::new(&kernel, kernel.process(), "listener");
        for (port, acceptor) in [(80, Acceptor::websocket()), (81, Acceptor::tcp())] {
            let listener = SimListener::new(&kernel, ("server".to_owned(), port));
            let (runtime, handle) = (self.runtime.clone(), Arc::clone(&self.handle));
            kernel.spawn(self.listeners.process(), "listens", async move {
                loop {
                    match runtime.accept(&listener).await {
                        Ok((stream, from)) => {
                            let accepted = acceptor.accept(stream);
                            let accepted = match from {
                                Some(from) => accepted.from_peer(handle.peer_key(from)),
                                None => accepted,
                            };
                            runtime.spawn(Arc::clone(&handle).serve(accepted));
                        }
                        Err(_) => runtime.sleep(std::time::Duration::from_millis(50)).await,
                    }
                }
            });
        }
    }

    /// Listens no more; connections that were accepted are not touched.
    pub fn stop_listening(&self) {
        self.runtime.kernel().kill(self.listeners.process());
    }

    /// Whether it has stopped listening.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.runtime.kernel().is_dead(self.listeners.process())
    }

    /// All of it is gone, without a word.
    pub fn die(self) {
        let kernel = Arc::clone(self.runtime.kernel());
        let app = self.app.runtime.process();
        drop(self.handle);
        for process in [self.listeners.process(), self.runtime.process(), app] {
            kernel.kill(process);
        }
    }
}

fn authorise(shared: &Shared, runtime: &SimRuntime, request: &Request) -> Verdict {
    let judgement = shared.with(|state| {
        let judgement = state.judgements.pop_front();
        if judgement == Some(Judgement::Refuse)
            && let Some(conversation) = number_of(&request.name).and_then(|n| state.oracle.conversations.get_mut(n))
        {
            conversation.refused = true;
        }
        if matches!(judgement, Some(Judgement::Panic | Judgement::PanicLater)) {
            state.breaks += 1;
        }
        judgement
    });
    let kernel: &Kernel = runtime.kernel();
    let let_in = || Ok(Placement::of(request.name.clone()).labelled("all"));
    let decided = match judgement {
        None => let_in(),
        Some(Judgement::Refuse) => Err(Refusal::Unauthorized),
        Some(Judgement::Later) => Err(Refusal::RetryLater {
            after: std::time::Duration::from_millis(700),
            alternate: bytes::Bytes::new(),
        }),
        Some(Judgement::Refresh) => Err(Refusal::RefreshCredentials),
        Some(Judgement::After(nanos)) => {
            let sleep = runtime.kernel().sleep(runtime.process(), nanos);
            let decided = let_in();
            return Box::pin(async move {
                sleep.await;
                decided
            });
        }
        Some(Judgement::Never) => return Box::pin(pending()),
        Some(Judgement::Panic) => {
            kernel.hit("panic: the callback that authorises");
            inject()
        }
        Some(Judgement::PanicLater) => {
            kernel.hit("panic: what authorises");
            return Box::pin(async { inject() });
        }
    };
    Box::pin(async move { decided })
}

async fn take_sessions(mut task: Task, generation: u64, mut backlog: mpsc::Receiver<Established>) {
    loop {
        let from = task.with(|state| state.accepts_from);
        task.rest_until(from).await;
        let next = std::future::poll_fn(|cx| Pin::new(&mut backlog).poll_next(cx));
        let Some(established) = task.patient(60_000 * MS, next).await else {
            continue;
        };
        let Some(Established { session, request }) = established else {
            return;
        };
        let Some(number) = number_of(&request.name) else {
            task.demand("accept", Err(format!("a session named {:?}", request.name)));
            return;
        };
        let Some(id) = session.id() else {
            task.demand("accept", Err("an established session without an id".to_owned()));
            return;
        };
        let taken = task.with(|state| {
            let instance = state.oracle.established(number, generation, id)?;
            let end = (number, Party::Server(instance));
            let done = state.oracle.conversations[number].done(end.1);
            [done.closed, done.aborted] = state.commanded;
            if state.commanded.contains(&true) {
                state.closing.insert(end, true);
            }
            Ok(end)
        });
        match taken {
            Ok(end) => {
                task.hit("app: a session accepted");
                let app = App {
                    end,
                    ..task.app.clone()
                };
                run(&app, &session);
            }
            Err(what) => task.demand("accept", Err(what)),
        }
    }
}

async fn clean_up(mut task: Task, generation: u64, handle: Arc<ServerHandle>) {
    loop {
        let over = insist!(task, 60_000 * MS, handle.ended());
        task.hit("app: a session cleaned up after");
        task.with(|state| state.oracle.collected.push((generation, over.info.id)));
    }
}
