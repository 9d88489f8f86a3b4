//! Manual pages and completions for shells, out of what the command line is defined by.

use std::fs;

use clap::Command;
use clap_mangen::Man as Page;

use crate::failure::Failure;
use crate::options::manual::{Completions, Man};
use crate::output::print;

/// `unbroken completions`.
pub(crate) fn completions(mut command: Command, options: &Completions) -> Result<(), Failure> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    print(&script).map(drop)
}

/// `unbroken man`.
pub(crate) fn man(command: Command, options: &Man) -> Result<(), Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(folder) = &options.dir else {
        let mut out = Vec::new();
        let rendered = page(&command).render(&mut out);
        rendered.map_err(Failure::unable("cannot make the page"))?;
        return print(&out).map(drop);
    };
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut commands = std::iter::once(&command).chain(command.get_subcommands().filter(|one| !one.is_hide_set()));
        commands.try_for_each(|one| page(one).generate_to(folder).map(drop))
    });
    written.map_err(Failure::unable(format_args!("cannot write into {}", folder.display())))
}

fn page(command: &Command) -> Page {
    let source = concat!("unbroken ", env!("CARGO_PKG_VERSION"));
    Page::new(command.clone()).source(source).manual("User Commands")
}
