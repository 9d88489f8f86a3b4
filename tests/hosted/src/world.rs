//! A schedule's processes: the server there is, the clients there were.

use std::collections::BTreeMap;
use std::sync::Arc;

use unbroken_driver::Session;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_proto::session::SessionState;
use unbroken_proto::{ClientConfig, ServerConfig, Side};
use unbroken_tests::probe::most_unread;
use unbroken_tests::rng::Rng;

use crate::SimRuntime;
use crate::app::App;
use crate::client::Client;
use crate::kernel::{Kernel, ProcessId, READS, Stop};
use crate::net::{Conn, Net};
use crate::options::{Options, Work};
use crate::oracle::Party;
use crate::server::{Server, name_of};
use crate::shared::{EndId, Shared};

/// Clients there may be in one schedule.
const CLIENTS: usize = 8;
/// Stands for no conversation, in the names of the server's own tasks.
const NONE: usize = 9_999;
/// How the names of those begin.
pub(crate) const OF_SERVER: &str = "app 9999";
/// Subscriptions made inside of wake-ups that are kept until somebody listens to them.
const PROBED: usize = 12;
/// Of the session's own limit, what control frames may hold beyond it.
const RESERVE: usize = 64 << 10;

/// What is to be done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The next fault.
    Fault,
    /// A server again.
    Serve,
    /// Another server, after the runtime of this one ended.
    Replace(u64),
    /// Listeners again.
    Listen,
    /// A client reconnects again.
    Resume(usize),
    /// The drain is over.
    Undrain,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    /// The executor.
    pub kernel: Arc<Kernel>,
    /// What applications see.
    pub shared: Shared,
    /// What the schedule is made of.
    pub options: Options,
    /// Its chance.
    pub rng: Rng,
    /// All clients so far.
    pub clients: Vec<Client>,
    /// The server, if there is one.
    pub server: Option<Server>,
    /// Servers so far.
    pub generation: u64,
    /// Somebody listens to subscriptions that were made inside of wake-ups.
    pub listens: bool,
    plans: BTreeMap<u64, Plan>,
    next_plan: u64,
}

/// What clients and servers share.
#[must_use]
pub fn secret() -> SharedSecret {
    SharedSecret::from_key(b"hosted", [7; 32]).unwrap_or_else(|_| unreachable!("because the hint is short"))
}

impl World {
    /// A server and its clients, at the beginning.
    ///
    /// # Errors
    /// They do not start.
    pub fn new(options: Options, mut rng: Rng) -> Result<World, String> {
        let net = Net::new(options.shape, rng.fork());
        let listens = options.strict;
        let reads = if options.strict { READS } else { u64::MAX };
        let kernel = Kernel::new(options.style, rng.fork(), net, reads);
        let mut world = World {
            kernel,
            shared: Shared::default(),
            options,
            rng,
            clients: Vec::new(),
            server: None,
            generation: 0,
            listens,
            plans: BTreeMap::new(),
            next_plan: 0,
        };
        if world.options.style.probing {
            world.probe();
        }
        world.serve()?;
        for _ in 0..world.options.clients {
            world.join(None)?;
        }
        Ok(world)
    }

    fn app(&self, end: EndId, name: &str, work: Work) -> App {
        let process = self.kernel.process();
        let peer = if end.1 == Party::Client {
            &self.options.server
        } else {
            &self.options.client
        };
        App {
            runtime: SimRuntime::new(&self.kernel, process, name),
            shared: self.shared.clone(),
            end,
            work,
            cancel: self.options.cancel,
            strict: self.options.strict,
            peer_streams: peer.max_streams,
        }
    }

    /// Starts a server, if there is none.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve(&mut self) -> Result<(), String> {
        if self.server.is_some() {
            return Ok(());
        }
        self.generation += 1;
        let config = ServerConfig::new(ServerAuth::secrets(vec![secret()])).with_session(self.options.server.clone());
        let app = self.app((NONE, Party::Server(0)), "server app", self.options.server_work);
        self.server = Some(Server::start(self.generation, config, app)?);
        Ok(())
    }

    /// Starts a client, unless there were many. `before`: whose place its session takes.
    ///
    /// # Errors
    /// It does not start.
    pub fn join(&mut self, before: Option<&Session>) -> Result<(), String> {
        if self.clients.len() >= CLIENTS {
            return Ok(());
        }
        let key = self.rng.number();
        let number = self.shared.with(|state| {
            let number = state.oracle.begin(key);
            let conversation = &mut state.oracle.conversations[number];
            conversation.strict = self.options.strict;
            conversation.commanded = state.commanded.contains(&true);
            conversation.told = state.broadcasts > 0;
            conversation.may_give_up = self.options.backoff.attempts.is_some();
            number
        });
        if self.shortest_lifetime() < 300_000_000_000 && self.options.faults > 0 {
            self.may_expire();
        }
        let config = ClientConfig::new(Auth::secret(secret()))
            .with_session(self.options.client.clone())
            .with_name(name_of(number))
            .with_backoff(self.options.backoff.clone());
        let config = match before {
            Some(before) => before.hand_over(config),
            None => config,
        };
        let app = self.app((number, Party::Client), "client app", self.options.client_work);
        let websocket = self.rng.chance(self.options.websocket);
        let client = Client::start(number, config, app, websocket)?;
        self.clients.push(client);
        Ok(())
    }

    /// The server's process dies.
    pub fn kill_server(&mut self) {
        let Some(server) = self.server.take() else { return };
        let generation = server.generation;
        let handles = self.shared.with(|state| {
            for conversation in &mut state.oracle.conversations {
                // Also a session that was never shown to the application is gone.
                conversation.may_expire = true;
                for instance in conversation
                    .instances
                    .iter_mut()
                    .filter(|instance| instance.server == generation)
                {
                    instance.server_died = true;
                    instance.done.deaf = true;
                }
            }
            state.commanded = [false; 2];
            state.take_handles(|end| end.1 != Party::Client)
        });
        drop(handles);
        server.die();
    }

    /// The server's runtime ends; its application and its handle are still there.
    pub fn shut_down_server(&mut self) {
        let Some(server) = &self.server else { return };
        self.shared.with(|state| {
            for conversation in &mut state.oracle.conversations {
                conversation.may_expire = true;
                for instance in conversation
                    .instances
                    .iter_mut()
                    .filter(|instance| instance.server == server.generation)
                {
                    instance.done.broken |= instance.done.ended.is_none();
                }
            }
            // Those that nobody has taken yet.
            state.breaks += 8;
        });
        self.kernel.kill(server.runtime.process());
    }

    /// Another server in the place of one whose runtime ended.
    ///
    /// # Errors
    /// Somebody has not heard of the end; or it does not start.
    pub fn replace_server(&mut self, generation: u64) -> Result<(), String> {
        if self
            .server
            .as_ref()
            .is_none_or(|server| server.generation != generation)
        {
            return Ok(());
        }
        let waiting = self.kernel.tasks("app ");
        let waiting = waiting
            .iter()
            .find(|(_, name)| name.contains("Server(") && !name.starts_with(OF_SERVER));
        if let Some((_, name)) = waiting {
            return Err(format!("{name:?} has not heard that the server's runtime ended"));
        }
        self.kill_server();
        self.serve()
    }

    /// A client's process dies.
    pub fn kill_client(&mut self, number: usize) {
        self.know((number, Party::Client));
        let client = &self.clients[number];
        self.shared.with(|state| {
            let conversation = &mut state.oracle.conversations[number];
            conversation.client.deaf = true;
            conversation.may_expire = true;
        });
        self.kernel.kill(client.app.runtime.process());
        self.kernel.kill(client.runtime.process());
        drop(self.forget(|end| end == (number, Party::Client)));
    }

    /// Takes down which session a client has.
    pub fn know(&self, end: EndId) {
        let handle = self.shared.with(|state| state.handles.get(&end).cloned());
        if let (Party::Client, Some(id)) = (end.1, handle.and_then(|handle| handle.id())) {
            self.shared
                .with(|state| state.oracle.conversations[end.0].id = Some(id));
        }
    }

    /// An application lets go of a session and all its streams.
    pub fn let_go(&self, end: EndId) {
        self.know(end);
        self.shared.with(|state| {
            state.closing.insert(end, true);
            state.oracle.conversations[end.0].let_go(end.1);
        });
        for (task, _) in self.kernel.tasks(&format!("app {} {:?} ", end.0, end.1)) {
            self.kernel.kill_task(task);
        }
        drop(self.forget(|other| other == end));
    }

    /// Takes handles out of what is shared.
    pub fn forget(&self, which: impl Fn(EndId) -> bool) -> Vec<(EndId, Session)> {
        self.shared.with(|state| state.take_handles(which))
    }

    /// An end whose application lives, and its handle.
    pub fn any_end(&mut self) -> Option<(EndId, Session)> {
        let ends: Vec<(EndId, Session)> = self.shared.with(|state| {
            state
                .handles
                .iter()
                .map(|(end, handle)| (*end, handle.clone()))
                .collect()
        });
        match ends.is_empty() {
            true => None,
            false => Some(self.rng.pick(&ends).clone()),
        }
    }

    /// The application of an end.
    #[must_use]
    pub fn app_of(&self, end: EndId) -> Option<App> {
        match end.1 {
            Party::Client => self.clients.get(end.0).map(|client| client.app.clone()),
            Party::Server(_) => self.server.as_ref().map(|server| App {
                end,
                ..server.app.clone()
            }),
        }
    }

    /// From now on sessions may expire, or be forgotten.
    pub fn may_expire(&self) {
        self.shared.with(|state| {
            state
                .oracle
                .conversations
                .iter_mut()
                .for_each(|conversation| conversation.may_expire = true);
        });
    }

    /// The clock of `process` is about to jump forward: its sessions that no connection carries may expire.
    pub fn detached_may_expire(&self, process: ProcessId) {
        let of_client = self
            .clients
            .iter()
            .position(|client| client.runtime.process() == process);
        self.shared.with(|state| {
            for (number, conversation) in state.oracle.conversations.iter_mut().enumerate() {
                let ends = state.handles.iter().filter(|((of, party), handle)| {
                    *of == number && (*party == Party::Client) == of_client.is_some() && handle.ended().is_none()
                });
                let states: Vec<SessionState> = ends.map(|(_, handle)| handle.state()).collect();
                let carried = !states.is_empty() && states.iter().all(|state| *state == SessionState::Attached);
                let concerned = of_client.is_none_or(|of| of == number);
                conversation.may_expire |= concerned && !carried;
            }
        });
    }

    /// The shorter of the two ends' lifetimes without a connection, in nanoseconds.
    #[must_use]
    pub fn shortest_lifetime(&self) -> u64 {
        let lifetimes = [&self.options.client, &self.options.server].map(|config| nanos(config.detached_lifetime));
        lifetimes[0].min(lifetimes[1])
    }

    /// Plans.
    pub fn plan(&mut self, after: u64, plan: Plan) {
        self.next_plan += 1;
        self.plans.insert(self.next_plan, plan);
        self.kernel.mark(self.kernel.now() + after, self.next_plan);
    }

    /// What a mark stands for.
    pub fn planned(&mut self, mark: u64) -> Option<Plan> {
        self.plans.remove(&mark)
    }

    /// Forgets all plans.
    pub fn forget_plans(&mut self) {
        self.plans.clear();
    }

    /// Does something to all honest connections, and lets both ends look.
    pub fn disturb(&self, act: impl Fn(&mut Conn)) {
        self.kernel.with(|core| {
            for id in core.net.honest() {
                core.net.conn(id).into_iter().for_each(&act);
                core.plan_stirs(id, vec![core.now]);
            }
        });
    }

    /// Bounds that hold at any time.
    ///
    /// # Errors
    /// One does not.
    pub fn check_bounds(&self) -> Result<(), String> {
        let ends: Vec<(EndId, Session)> = self.shared.with(|state| {
            state
                .handles
                .iter()
                .map(|(end, handle)| (*end, handle.clone()))
                .collect()
        });
        for (end, handle) in ends {
            let config = if end.1 == Party::Client {
                &self.options.client
            } else {
                &self.options.server
            };
            let stats = handle.stats();
            for (what, held, limit) in [
                ("outbox", stats.outbox_bytes, config.outbox_limit + RESERVE),
                ("inbox", stats.inbox_bytes, config.inbox_limit),
                ("unread", stats.unread_bytes, most_unread(config)),
            ] {
                if held > limit {
                    return Err(format!("{end:?} holds {held} bytes in {what}, of {limit}"));
                }
            }
        }
        Ok(())
    }

    /// An inline executor: inside of some wake-ups, the application uses its handles.
    fn probe(&self) {
        let shared = self.shared.clone();
        let probe = move || {
            let Some(mut state) = shared.try_lock() else { return };
            state.probes += 1;
            if state.probes % 5 != 0 {
                return;
            }
            let turn = state.probes / 5;
            let count = state.handles.len() as u64;
            if count == 0 {
                return;
            }
            let picked = state.handles.iter().nth(usize::try_from(turn % count).unwrap_or(0));
            let Some((end, handle)) = picked.map(|(end, handle)| (*end, handle.clone())) else {
                return;
            };
            drop(state);
            let _seen = (handle.state(), handle.stats(), handle.ended());
            // Whatever happens: a subscriber hears of the end.
            let subscribed = (turn % 3 == 0).then(|| handle.events());
            drop(handle);
            if let (Some(events), Some(mut state)) = (subscribed, shared.try_lock()) {
                state.probed.push_back((end, events));
                let surplus = state.probed.len() > PROBED;
                drop(surplus.then(|| state.probed.pop_front()));
            }
        };
        self.kernel.set_probe(Some(Arc::new(probe)));
    }

    /// Runs on; what is planned is left to `act`.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn run(
        &mut self,
        until: u64,
        mut done: impl FnMut(&World) -> bool,
        mut act: impl FnMut(&mut World, Plan) -> Result<(), String>,
    ) -> Result<bool, String> {
        loop {
            let kernel = Arc::clone(&self.kernel);
            let stop = kernel.run(until, || done(self));
            self.check_bounds()?;
            self.drain_probed();
            match stop {
                Stop::Done => return Ok(true),
                Stop::Time => return Ok(false),
                Stop::Failed(what) => return Err(what),
                Stop::Mark(mark) => {
                    if let Some(plan) = self.planned(mark) {
                        act(self, plan)?;
                    }
                }
            }
        }
    }

    /// Who was subscribed inside of a wake-up is listened to by somebody.
    fn drain_probed(&mut self) {
        if !self.listens {
            return;
        }
        let probed = self.shared.with(|state| std::mem::take(&mut state.probed));
        for (end, events) in probed {
            if let Some(app) = self
                .app_of(end)
                .filter(|app| !self.kernel.is_dead(app.runtime.process()))
            {
                crate::app::drain_probed(&app, events);
                self.kernel.hit("host: a handle used inside of a wake-up");
            }
        }
    }
}

/// In nanoseconds.
pub(crate) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Which side an end is.
#[must_use]
pub fn side_of(end: EndId) -> Side {
    if end.1 == Party::Client {
        Side::Client
    } else {
        Side::Server
    }
}
