//! A session that was started: what kind it is decides what is done with standard input and output.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use unbroken_ssm::api::{StartSession, Started};
use unbroken_ssm::aws::AwsClient;
use unbroken_ssm::proto::Cause;
use unbroken_ssm::proto::reconnect::{Backoff, Strategies};
use unbroken_ssm::proto::ssm::body::{PortProperties, SessionType};
use unbroken_ssm::proto::ssm::event::{EndReason, Established};
use unbroken_ssm::proto::ssm::{ChannelConfig, ClientConfig};
use unbroken_ssm::{ClientSession, ConnectError};

use super::open::Open;
use super::signals::Signals;
use super::{ended, local, port, shell, status, stdio};
use crate::failure::Failure;
use crate::listener::{Bind, Listener};
use crate::options::ssm::Pace;
use crate::text::clean;

/// Before an attempt to start a session in the place of one that is lost, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// No pause between two attempts to connect is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that lasted so long was a success: the next attempt is made at once again.
const STABLE: Duration = Duration::from_millis(500);
/// After so long a session was a success, and the next attempt is made as soon as at first.
const STEADY: Duration = Duration::from_secs(60);

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
        let mut pause = PAUSE.0;
        loop {
            let begun = Instant::now();
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
                match ended.as_deref() {
                    // Others may come to the port, although this session was lost before it had begun.
                    Some(ended) if listening.is_some() && is_lost(&ended.reason) => {
                        let Some(another) = self.start_another(&mut signals, &mut pause).await? else {
                            return Ok(ExitCode::SUCCESS);
                        };
                        started = another;
                        continue;
                    }
                    ended => return ended::outcome(&session, ended, None),
                }
            };
            if !established.customer_message.is_empty() {
                eprintln!("{}", clean(&established.customer_message));
            }
            let Some(properties) = established.port.as_ref().filter(|_| is_listening(&established)) else {
                return match established.session_type {
                    SessionType::Port => stdio::run(&session, &mut signals).await,
                    _ => shell::run(&session, &self.service, &mut signals).await,
                };
            };
            let listener = match &mut listening {
                Some(listener) => listener,
                none => none.insert(self.listen(properties, bind, &started.session_id).await?),
            };
            match port::run(&session, listener, &mut signals).await {
                port::Over::Left => return Ok(ExitCode::SUCCESS),
                port::Over::Again if self.request.is_some() => {
                    if begun.elapsed() > STEADY {
                        pause = PAUSE.0;
                    }
                    let Some(another) = self.start_another(&mut signals, &mut pause).await? else {
                        return Ok(ExitCode::SUCCESS);
                    };
                    started = another;
                }
                port::Over::Again | port::Over::Ended => {
                    let ended = session.ended();
                    let code = ended::outcome(&session, ended.as_deref(), None)?;
                    eprintln!("unbroken: {} is closed with its session", opened(listener));
                    return Ok(code);
                }
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
            .with_frame_bytes(self.pace.frame_bytes)
            .with_backoff(patient())
            // Who is not let in at first will not be let in later.
            .with_strategies(Strategies::resume_always().with_final(Cause::Denied, true));
        let config = ClientConfig::new(started.session_id.clone(), started.token.clone()).with_channel(channel);
        let session = ClientSession::connect(config, &started.stream_url, self.service.clone())
            .map_err(Failure::unable("cannot begin the session"))?;
        self.open.connected(&session);
        Ok(session)
    }

    /// Starts a session in the place of one that is lost, for as long as it takes; `None`: the person wants it no more.
    async fn start_another(&self, signals: &mut Signals, pause: &mut Duration) -> Result<Option<Started>, Failure> {
        let Some(request) = &self.request else {
            return Err(Failure::Broken("the session is lost".into()));
        };
        eprintln!("unbroken: the session is lost, starting another");
        let starting = async {
            let mut said = String::new();
            loop {
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(PAUSE.1);
                match self.service.api().start_session(request).await {
                    Ok(started) => return started,
                    Err(error) => {
                        let why = clean(&ConnectError::from(error).to_string());
                        if said != why {
                            eprintln!("unbroken: cannot start a session, trying on: {why}");
                            said = why;
                        }
                    }
                }
            }
        };
        tokio::select! {
            started = starting => Ok(Some(started)),
            () = signals.end() => Ok(None),
        }
    }
}

/// Whether another session may do what this one cannot any more.
fn is_lost(reason: &EndReason) -> bool {
    !matches!(
        reason,
        EndReason::Closed { .. } | EndReason::Terminated | EndReason::Finished
    )
}

/// A person waits, and a connection that was there was a success, however short its life.
fn patient() -> Backoff {
    let mut backoff = Backoff::default();
    (backoff.cap, backoff.stable_after) = (LONGEST_PAUSE, STABLE);
    backoff
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
        Listener::Unix(_, path) => format!("Unix socket {}", clean(&path.display().to_string())),
    }
}
