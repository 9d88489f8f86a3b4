//! What sessions of AWS's documents are.

use unbroken_ssm::gateway::{ApiError, StartRequest};
use unbroken_ssm::proto::ssm::AgentConfig;
use unbroken_ssm::proto::ssm::body::{LOCAL_PORT_FORWARDING, PortProperties, SessionType};

/// What runs in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A command in a pseudoterminal, or a shell.
    Terminal(Option<String>),
    /// A command with pipes.
    Pipes(String),
    /// Connections to a host and a port.
    Port(String, u16),
}

/// What the agent is to be told, and to do.
pub(crate) fn read(request: &StartRequest) -> Result<(AgentConfig, Program), ApiError> {
    let config = AgentConfig::new(request.session_id.clone(), request.target.clone());
    let document = request.document_name.as_deref();
    match document.unwrap_or("SSM-SessionManagerRunShell") {
        "SSM-SessionManagerRunShell" => Ok((config, Program::Terminal(None))),
        "AWS-StartInteractiveCommand" => {
            let command = parameter(request, "command").ok_or_else(|| needed("command"))?;
            let config = config.with_session_type(SessionType::InteractiveCommands);
            Ok((config, Program::Terminal(Some(command))))
        }
        "AWS-StartNonInteractiveCommand" => {
            let command = parameter(request, "command").ok_or_else(|| needed("command"))?;
            let config = config.with_session_type(SessionType::NonInteractiveCommands);
            Ok((config, Program::Pipes(command)))
        }
        "AWS-StartSSHSession" => {
            let port = port(request, Some("22"))?;
            port_session(request, None, ("localhost".into(), port))
        }
        "AWS-StartPortForwardingSession" => {
            let port = port(request, None)?;
            port_session(request, Some(LOCAL_PORT_FORWARDING), ("localhost".into(), port))
        }
        "AWS-StartPortForwardingSessionToRemoteHost" => {
            let host = parameter(request, "host").ok_or_else(|| needed("host"))?;
            let port = port(request, None)?;
            port_session(request, Some(LOCAL_PORT_FORWARDING), (host, port))
        }
        other => Err(ApiError::new(
            "InvalidDocument",
            format!("there is no document {other}"),
        )),
    }
}

fn port_session(
    request: &StartRequest,
    kind: Option<&str>,
    (host, port): (String, u16),
) -> Result<(AgentConfig, Program), ApiError> {
    let properties = PortProperties {
        port_number: Some(port.to_string()),
        local_port_number: parameter(request, "localPortNumber"),
        local_connection_type: parameter(request, "localConnectionType"),
        local_unix_socket: parameter(request, "localUnixSocket"),
        kind: kind.map(Into::into),
        ..PortProperties::default()
    };
    let config = AgentConfig::port(request.session_id.clone(), request.target.clone(), properties);
    Ok((config, Program::Port(host, port)))
}

fn parameter(request: &StartRequest, name: &str) -> Option<String> {
    request.parameters.get(name)?.first().cloned()
}

fn port(request: &StartRequest, default: Option<&str>) -> Result<u16, ApiError> {
    let number = parameter(request, "portNumber").or(default.map(Into::into));
    let number = number.ok_or_else(|| needed("portNumber"))?;
    number
        .parse()
        .map_err(|_| ApiError::new("InvalidParameters", "portNumber is a number from 0 to 65535"))
}

fn needed(name: &str) -> ApiError {
    ApiError::new("InvalidParameters", format!("the document needs {name}"))
}
