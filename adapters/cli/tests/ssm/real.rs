//! The real programs against ours, where there are any: the project neither contains nor builds them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use unbroken_ssm::api::StartSession;

use super::place::{PLUGIN, Place, skipped};
use crate::common::Running;
use crate::common::person::Person;

/// The program that a variable names, or `None`: a line says that it names none.
fn named(variable: &str) -> Option<PathBuf> {
    let program = std::env::var_os(variable).map(PathBuf::from);
    if program.is_none() {
        skipped(&format!("{variable} names no program. The real one was not tested."));
    }
    program
}

/// The plugin as the AWS CLI calls it.
fn called(place: &Place, program: PathBuf, response: &str) -> Command {
    let mut command = Command::new(program);
    command.args([response, "us-east-1", "StartSession", ""]);
    command.args([r#"{"Target": "i-1"}"#, &place.loopback.endpoint()]);
    place.prepare(&mut command);
    command
}

/// What is typed is done, and what is printed arrives, though the connections are cut all the time.
fn types_and_reads(place: &Place, person: &mut Person) {
    for round in 0..6 {
        person.types(&format!(
            "i=0; while [ $i -lt 40 ]; do echo {round}-$i; i=$((i+1)); sleep 0.02; done\r"
        ));
        person.has_read(&format!("{round}-3"));
        place.loopback.cut();
        person.has_read(&format!("{round}-39"));
    }
    // A prompt may come behind what was typed, and so in front of what it prints.
    let lines = person.all_lines();
    for round in 0..6 {
        let prefix = format!("{round}-");
        let found = lines.iter().filter_map(|line| {
            line.trim_end()
                .trim_start_matches("$ ")
                .strip_prefix(&prefix)?
                .parse()
                .ok()
        });
        assert_eq!(
            found.collect::<Vec<u32>>(),
            (0..40).collect::<Vec<_>>(),
            "each once: {lines:#?}"
        );
    }
    person.types("exit\r");
    person.ends();
    place.is_left();
}

/// `UNBROKEN_SSM_PLUGIN`: a session-manager-plugin, 1.2.835.0 at most, since later ones go to AWS alone. It is silent about what came twice
/// (B1 of what is known of it), which our agent has to infer.
#[test]
fn output_arrives_at_the_real_plugin_after_a_cut() {
    let Some(plugin) = named("UNBROKEN_SSM_PLUGIN") else {
        return;
    };
    let place = Place::new();
    let response = place.started(&StartSession::new("i-1"));
    let mut person = Person::at(called(&place, plugin, &response));
    person.reads("$ ");
    types_and_reads(&place, &mut person);
}

/// `UNBROKEN_SSM_AGENT`: a program that is run with two arguments, a session's id and the service's URL, and has the real agent serve a shell
/// in that session: a script around ssm-session-worker, which takes its work from the agent that starts it.
#[test]
fn the_real_agent_serves_a_shell_over_cuts() {
    let Some(agent) = named("UNBROKEN_SSM_AGENT") else {
        return;
    };
    let place = Place::new();
    let session_id = "s-0123456789abcdef0";
    let response = place.begun(session_id);
    let mut worker = Command::new(agent);
    worker.args([session_id, &place.loopback.endpoint()]);
    place.prepare(&mut worker);
    let _worker = Running(worker.stdin(Stdio::null()).spawn().unwrap());
    let mut person = Person::at(called(&place, place.folder.path(PLUGIN), &response));
    person.reads("$ ");
    types_and_reads(&place, &mut person);
}
