//! A server's process: listeners, the handle, an application for each session.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use unbroken_carriers::Acceptor;
use unbroken_driver::{Accepted, ServerHandle};
use unbroken_proto::ServerConfig;
use unbroken_proto::server::{Placement, Refusal, Request};

use crate::SimRuntime;
use crate::app::{App, Task, insist, run};
use crate::kernel::{Kernel, inject};
use crate::net::SimListener;
use crate::oracle::Party;
use crate::runtime::SERVER;
use crate::shared::{Judgement, Shared};

const MS: u64 = 1_000_000;

/// A server's process, and its application's.
#[derive(Debug)]
pub struct Server {
    /// Which one it is.
    pub generation: u64,
    /// What its tasks run on.
    pub runtime: SimRuntime,
    /// Its application, as each session's is made.
    pub app: App,
    /// Its handle.
    pub handle: Arc<ServerHandle>,
    server: Arc<unbroken_carriers::Server<SimRuntime>>,
    listens: bool,
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
    ///
    /// # Errors
    /// It does not start.
    pub fn start(generation: u64, config: ServerConfig, app: App) -> Result<Server, String> {
        let kernel = Arc::clone(app.runtime.kernel());
        let runtime = SimRuntime::new(&kernel, kernel.process(), "serve");
        let (shared, judging) = (app.shared.clone(), runtime.clone());
        runtime.name_next("timers");
        let authorise = move |request| authorise(&shared, &judging, &request);
        let server = unbroken_carriers::Server::with_runtime(runtime.clone(), config, authorise);
        let server = Arc::new(server.map_err(|error| error.to_string())?);
        let handle = Arc::clone(server.handle());
        let (taking, collecting) = (Arc::clone(&handle), Arc::clone(&handle));
        app.spawn("takes sessions", |task| take_sessions(task, generation, taking));
        app.spawn("cleans up", |task| clean_up(task, generation, collecting));
        let mut server = Server {
            generation,
            runtime,
            app,
            handle,
            server,
            listens: false,
        };
        server.listen();
        Ok(server)
    }

    /// Listens on both carriers, if it does not.
    pub fn listen(&mut self) {
        if std::mem::replace(&mut self.listens, true) {
            return;
        }
        for (port, acceptor) in [(80, Acceptor::websocket()), (81, Acceptor::tcp())] {
            let listener = SimListener::new(self.runtime.kernel(), (SERVER.to_owned(), port));
            self.runtime.name_next("listens");
            self.server.listen(listener, acceptor);
        }
    }

    /// Listens no more; connections that were accepted are not touched.
    pub fn stop_listening(&mut self) {
        self.listens = false;
        let server = Arc::clone(&self.server);
        let mut stopping = Box::pin(async move { server.stop_listening().await });
        // It begins now, whenever that task runs.
        if stopping
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            return;
        }
        let server = Arc::clone(&self.server);
        self.app.spawn("stops listening", |mut task| async move {
            if task.patient(1_000 * MS, stopping).await.is_none() {
                task.hit("app: gave up waiting for listeners to stop");
            }
            drop(server);
        });
    }

    /// All of it is gone, without a word.
    pub fn die(self) {
        let kernel = Arc::clone(self.runtime.kernel());
        let app = self.app.runtime.process();
        drop((self.handle, self.server));
        for process in [self.runtime.process(), app] {
            kernel.kill(process);
        }
    }
}

type Verdict = Pin<Box<dyn Future<Output = Result<Placement, Refusal>> + Send>>;

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

async fn take_sessions(mut task: Task, generation: u64, handle: Arc<ServerHandle>) {
    loop {
        let from = task.with(|state| state.accepts_from);
        task.rest_until(from).await;
        let Some(accepted) = task.patient(60_000 * MS, handle.accept()).await else {
            continue;
        };
        let Accepted { session, request, .. } = accepted;
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
