//! A session that was started: what kind it is decides what is done with standard input and output.

use std::process::ExitCode;
use std::time::Duration;

use unbroken_ssm::api::{StartSession, Started};
use unbroken_ssm::aws::AwsClient;
use unbroken_ssm::proto::ssm::body::{PortProperties, SessionType};
use unbroken_ssm::proto::ssm::event::Established;
use unbroken_ssm::proto::ssm::{ChannelConfig, ClientConfig};
use unbroken_ssm::{ClientSession, ConnectError};

use super::open::Open;
use super::{ended, local, port, shell, status, stdio};
use crate::failure::Failure;
use crate::listener::{Bind, Listener};
use crate::options::ssm::Pace;
use crate::signals::Signals;
use crate::text::clean;

/// Between two attempts to start a session in the place of one that is lost, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How sessions are carried.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) service: AwsClient,
    /// What asks for another session, where one is lost.
    pub(super) request: Option<StartSession>,
    pub(super) pace: Pace,
    /// What is to be ended when no more is done here.
    pub(super) open: Open,
}

impl Run {
    /// Carries a session, and those that come in its place. A port is accepted at `bind`, if that is given, whatever the document says.
    pub(super) async fn to_end(&self, mut started: Started, bind: Option<&Bind>) -> Result<ExitCode, Failure> {
        let mut signals = Signals::new()?;
        let mut listening: Option<Listener> = None;
        loop {
            let session = self.connect(&started)?;
            let established = tokio::select! {
                established = session.established() => established,
                () = status::on_standard_error(&session) => None,
                () = signals.end() => match listening {
                    Some(_) => return Ok(ExitCode::SUCCESS),
                    None => return Err(Failure::Broken("ended before the session had begun".into())),
                }
            };
            let Some(established) = established else {
                let ended = session.closed().await;
                return ended::outcome(&session, ended.as_deref(), None);
            };
            if !established.customer_message.is_empty() {
                eprintln!("{}", clean(&established.customer_message));
            }
            let Some(properties) = established.port.as_ref().filter(|_| is_listening(&established)) else {
                return match established.session_type {
                    SessionType::Port => stdio::run(&session).await,
                    _ => shell::run(&session, &self.service).await,
                };
            };
            let listener = match &mut listening {
                Some(listener) => listener,
                none => none.insert(self.listen(properties, bind, &started.session_id).await?),
            };
            match port::run(&session, listener, &mut signals).await {
                port::Over::Left => return Ok(ExitCode::SUCCESS),
                port::Over::Again if self.request.is_some() => {
                    eprintln!("unbroken: the session is lost, starting another");
                    started = tokio::select! {
                        started = self.start_again() => started?,
                        () = signals.end() => return Ok(ExitCode::SUCCESS),
                    };
                }
                port::Over::Again => {
                    let ended = session.ended();
                    return ended::outcome(&session, ended.as_deref(), None);
                }
                port::Over::Ended(ended) => return ended::outcome(&session, ended.as_deref(), None),
            }
        }
    }

    /// Accepts connections here, and says where.
    async fn listen(&self, port: &PortProperties, bind: Option<&Bind>, session_id: &str) -> Result<Listener, Failure> {
        let asked = match bind {
            Some(bind) => bind.clone(),
            None => local::asked(port, session_id)?,
        };
        let listener = Listener::bind_or_fail(&asked).await?;
        // Programs that run the plugin wait for these lines.
        println!("{} opened for sessionId {}.", opened(&listener), clean(session_id));
        println!("Waiting for connections...");
        Ok(listener)
    }

    fn connect(&self, started: &Started) -> Result<ClientSession, Failure> {
        self.open.started(&started.session_id);
        let frames = Some(self.pace.frames_per_second).filter(|frames| *frames > 0);
        let channel = ChannelConfig::default()
            .with_frames_per_second(frames)
            .with_frame_bytes(self.pace.frame_bytes);
        let config = ClientConfig::new(started.session_id.clone(), started.token.clone()).with_channel(channel);
        let session = ClientSession::connect(config, &started.stream_url, self.service.clone())
            .map_err(Failure::unable("cannot begin the session"))?;
        self.open.connected(&session);
        Ok(session)
    }

    /// Starts a session in the place of one that is lost, for as long as it takes.
    async fn start_again(&self) -> Result<Started, Failure> {
        let Some(request) = &self.request else {
            return Err(Failure::Broken("the session is lost".into()));
        };
        let (mut pause, longest) = PAUSE;
        loop {
            match self.service.api().start_session(request).await {
                Ok(started) => return Ok(started),
                Err(error) => {
                    let error = ConnectError::from(error);
                    eprintln!("unbroken: cannot start a session: {}", clean(&error.to_string()));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }
}

fn is_listening(established: &Established) -> bool {
    let port = established.port.as_ref();
    established.session_type == SessionType::Port && port.is_some_and(|port| port.is_local_port_forwarding())
}

/// The place as the official plugin says it.
fn opened(listener: &Listener) -> String {
    match listener {
        Listener::Tcp(listener) => match listener.local_addr() {
            Ok(address) => format!("Port {}", address.port()),
            Err(_) => "Port".into(),
        },
        Listener::Unix(_, path) => format!("Unix socket {}", path.display()),
    }
}
