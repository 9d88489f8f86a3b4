//! Session Manager on this machine, without an account: the gateway of `unbroken-ssm`, with an agent for each session that is started.
//! Every target is this machine; `i-offline` is none.
//!
//! | document | what the agent does |
//! |---|---|
//! | none, `SSM-SessionManagerRunShell` | a shell in a pseudoterminal |
//! | `AWS-StartInteractiveCommand` | `command` in a pseudoterminal |
//! | `AWS-StartNonInteractiveCommand` | `command` with pipes, and how it ends |
//! | `AWS-StartSSHSession` | one connection to `portNumber` |
//! | `AWS-StartPortForwardingSession`, `…ToRemoteHost` | connections to `portNumber` of `host`, or of this machine |
//!
//! Nobody is asked who they are: it is for loopback alone.

mod documents;
mod programs;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use unbroken_ssm::api::{AgentService, Http, Unsigned};
use unbroken_ssm::gateway::{ApiError, End, Gateway, Settings, StartRequest};
use unbroken_ssm::proto::ssm::ChannelConfig;
use unbroken_ssm::{AgentSession, Tls};

use documents::Program;

/// The service, and its agents.
#[derive(Debug)]
pub struct Loopback {
    gateway: Gateway,
    address: SocketAddr,
    serving: JoinHandle<()>,
    agents: Agents,
}

/// The sessions that were started, and their agents.
type Agents = Arc<Mutex<Vec<(String, AgentSession)>>>;

impl Loopback {
    /// Serves at `address`; `channel`: how its agents send.
    ///
    /// # Errors
    /// It cannot listen there.
    pub async fn start(address: &str, channel: ChannelConfig) -> Result<Loopback, Box<dyn Error + Send + Sync>> {
        programs::interruptible();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let agents = Agents::default();
        let started = Arc::clone(&agents);
        let http = Http::new(Tls::platform()?);
        let gateway = Gateway::new(Settings::default(), move |request: StartRequest| {
            let service = (http.clone(), format!("http://{address}/"));
            let began = begin(&request, channel.clone(), service);
            if let Ok(agent) = &began {
                let mut agents = lock(&started);
                agents.retain(|(_, agent)| agent.ended().is_none());
                agents.push((request.session_id.clone(), agent.clone()));
            }
            async move { began.map(drop) }
        })?;
        let serving = gateway.clone();
        Ok(Loopback {
            gateway,
            address,
            serving: tokio::spawn(async move { serving.serve(listener).await }),
            agents,
        })
    }

    /// Where the SSM API is: what `--endpoint-url` takes.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The sessions that were not over when the last one was started, in their order, and their agents.
    #[must_use]
    pub fn agents(&self) -> Vec<(String, AgentSession)> {
        lock(&self.agents).clone()
    }

    /// Drops all connections, as a network would. How many there were.
    pub fn cut(&self) -> usize {
        let sessions = self.gateway.sessions().into_iter();
        let ends = sessions.flat_map(|(id, _)| [(id.clone(), End::Client), (id, End::Agent)]);
        ends.filter(|(id, end)| self.gateway.cut(id, *end)).count()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the agent of a session.
fn begin(
    request: &StartRequest,
    channel: ChannelConfig,
    (http, gateway): (Http, String),
) -> Result<AgentSession, ApiError> {
    if request.target == "i-offline" {
        return Err(ApiError::target_not_connected(&request.target));
    }
    let (config, program) = documents::read(request)?;
    let gateway = gateway.parse().map_err(|_| internal("the gateway's URL"))?;
    let client_id = format!("{}-worker", request.session_id);
    let service = AgentService::new(http, gateway, client_id, Unsigned);
    // Digests are checked, since both ends are ours.
    let config = config.with_channel(channel.with_check_digest(true));
    let session = AgentSession::connect(config, &request.stream_url, service);
    let session = session.map_err(|error| internal(&error.to_string()))?;
    tokio::spawn(run(session.clone(), program));
    Ok(session)
}

async fn run(session: AgentSession, program: Program) {
    match program {
        Program::Terminal(command) => programs::in_terminal(&session, command.as_deref()).await,
        Program::Pipes(command) => programs::with_pipes(&session, &command).await,
        Program::Port(host, port) => {
            let dial = move || {
                let host = host.clone();
                async move { tokio::net::TcpStream::connect((host.as_str(), port)).await }
            };
            unbroken_ssm::ports::serve(&session, dial).await;
        }
    }
}

fn internal(why: &str) -> ApiError {
    ApiError::new("InternalServerError", why)
}
