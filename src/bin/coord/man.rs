//! `coord man`

use crate::output::{CmdResult, ExitStatus, Format, Printer, cannot_write, failure, say};
use crate::{replace_file, usage};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord man | man -l -
  coord man state merge > coord-state-merge.1
  coord man --out ~/.local/share/man/man1

With --out, a page for the program and one for each verb: coord.1, coord-check.1 and so on. What the
folder has under these names is replaced.

Exit status: 0 if it was written.")]
pub(crate) struct Args {
    /// The verb, and the verb below it; the program if left out.
    #[arg(conflicts_with = "out")]
    verb: Vec<String>,

    /// Write all pages into this folder, which is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut whole = usage::command();
    whole.build();
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder.display(), error))?;
        let mut pages = Vec::new();
        collect(&whole, "coord", &mut pages)?;
        for (name, page) in &pages {
            let path = folder.join(format!("{name}.1"));
            replace_file::replace(&path, |file| file.write_all(page))
                .map_err(|error| cannot_write(path.display(), error))?;
        }
        say(format_args!("{}: {} pages", folder.display(), pages.len()))?;
        return Ok(ExitStatus::Done);
    }
    let mut command = &whole;
    let mut name = "coord".to_owned();
    for verb in &args.verb {
        command = command
            .find_subcommand(verb)
            .ok_or_else(|| failure(format_args!("there is no verb `{verb}`; see `coord help`")))?;
        name = format!("{name}-{verb}");
    }
    let mut out = Printer::new(Format::Records);
    out.write_all(&page(command, &name)?)?;
    out.finish(ExitStatus::Done)
}

/// The page of a command, and those of all below it.
fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((name.to_owned(), page(command, name)?));
    for verb in command.get_subcommands() {
        collect(verb, &format!("{name}-{}", verb.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    // What stands behind the options in `--help` has sections of its own.
    let behind = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let named = command
        .clone()
        .version(env!("CARGO_PKG_VERSION"))
        .display_name(name.to_owned())
        .after_help(None::<&str>);
    let man = Man::new(named).title(name.to_ascii_uppercase()).manual("Coordination protocol");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut out)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    sections(&behind).to_writer(&mut out)?;
    man.render_version_section(&mut out)?;
    Ok(out)
}

/// The paragraphs behind the options: examples as they are, exit statuses, and all else as notes.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut last = "";
    for paragraph in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
        let head = paragraph.lines().next().unwrap_or_default();
        let (title, body) = match head {
            "Example:" | "Examples:" => {
                ("EXAMPLES", paragraph.split_once('\n').map_or("", |p| p.1))
            }
            _ if head.starts_with("Exit status:") => ("EXIT STATUS", paragraph),
            _ => ("NOTES", paragraph),
        };
        if title == last {
            roff.control("PP", []);
        } else {
            roff.control("SH", [title]);
        }
        last = title;
        // Lines that are indented are laid out, and stay so.
        let laid_out = title == "EXAMPLES" || body.lines().any(|line| line.starts_with("  "));
        if laid_out {
            roff.control("nf", []);
        }
        for line in body.lines() {
            roff.text([roman(line)]);
        }
        if laid_out {
            roff.control("fi", []);
        }
    }
    roff
}
