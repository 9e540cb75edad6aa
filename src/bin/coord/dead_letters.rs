//! `coord dead-letters`

use crate::bus::{BusArgs, block_on};
use crate::clock::now;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, complain, failure,
};
use crate::subscribe::span;
use clap::Subcommand;
use coordination_protocol::EventRef;
use coordination_protocol::bus::{Bus, Position, Post};
use coordination_protocol::driver::EXCHANGES;
use coordination_protocol::message::{Envelope, MessageKind, MessageRef, peek};
use coordination_protocol::route::RouteKey;
use coordination_protocol::scalar::{Count, WallTime};
use coordination_protocol::storage::view::{self, DeadLetters, StoredLetter};
use coordination_protocol::storage::{DynEngine, Key, StorageError};
use coordination_protocol::transport::Address;
use coordination_protocol::{Codec, Json, Mode};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord dead-letters list --older-than 1h
  coord dead-letters show dead-letter/000001736942400-0123456789abcdef
  coord dead-letters redrive --reason 'no agent'
  coord dead-letters purge --older-than 30d")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the letters, the oldest first.
    List(List),
    /// Show a letter, or the message that it is about.
    Show(Show),
    /// Publish the messages again where they came from, and remove their letters.
    Redrive(Redrive),
    /// Remove letters.
    Purge(Purge),
}

/// Which letters.
#[derive(clap::Args)]
struct Chosen {
    /// Only letters that are older.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    older_than: Option<Duration>,

    /// Only letters that are younger.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    newer_than: Option<Duration>,

    /// Only letters whose reason has this text in it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord dead-letters list
  coord dead-letters list --reason timeout --format json

Exit status: 0 if they were listed, 1 if one is damaged.")]
struct List {
    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    place: BusArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(ROWS), default_value = "human")]
    format: Format,
}

const ROWS: &[(Format, &str)] =
    &[(Format::Human, "A line a letter"), (Format::Json, "An object a letter")];

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord dead-letters show dead-letter/000001736942400-0123456789abcdef
  coord dead-letters show --original dead-letter/000001736942400-0123456789abcdef | coord check

Exit status: 0 if it was shown, 1 if there is no such letter.")]
struct Show {
    /// The letter, as `list` names it.
    #[arg(value_name = "LETTER", value_parser = letter)]
    letter: Key,

    /// Show the message that could not be delivered, byte for byte.
    #[arg(long)]
    original: bool,

    #[command(flatten)]
    place: BusArgs,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord dead-letters redrive --all
  coord dead-letters redrive dead-letter/000001736942400-0123456789abcdef

A message that was published is published again, one that was sent to an address is sent there. Its letter
goes when that is done; who is killed in between has published it and finds the letter: to do it again
changes nothing. What cannot be delivered stays.

Exit status: 0 if all were delivered, 1 if one stays.")]
struct Redrive {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    place: BusArgs,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord dead-letters purge --older-than 30d
  coord dead-letters purge --all

Exit status: 0 if they are gone, 1 if there is no such letter.")]
struct Purge {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    place: BusArgs,
}

/// Letters that something is done to: nothing is done to all without saying so.
#[derive(clap::Args)]
struct Which {
    /// The letters, as `list` names them.
    #[arg(value_name = "LETTER", value_parser = letter)]
    letters: Vec<Key>,

    /// All letters.
    #[arg(long, conflicts_with = "letters")]
    all: bool,

    #[command(flatten)]
    chosen: Chosen,
}

type Letters = DeadLetters<Arc<dyn DynEngine>>;

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Verb::List(args) => list(args),
        Verb::Show(args) => show(args),
        Verb::Redrive(args) => redrive(args),
        Verb::Purge(args) => purge(args),
    }
}

fn open(place: &BusArgs) -> Result<(Bus, Letters), Failure> {
    let bus = place.open_existing()?;
    let letters = DeadLetters::new(Arc::clone(bus.engine()));
    Ok((bus, letters))
}

impl Chosen {
    fn is_open(&self) -> bool {
        self.older_than.is_none() && self.newer_than.is_none() && self.reason.is_none()
    }

    fn takes(&self, letter: &StoredLetter) -> bool {
        let died = letter.letter.died_at.as_ref().and_then(|at| WallTime::try_from(at).ok());
        let age = died.map(|died| {
            let millis = now().wall.unix_millis().saturating_sub(died.unix_millis());
            Duration::from_millis(u64::try_from(millis).unwrap_or_default())
        });
        // A letter that does not say when is as old as one likes.
        self.older_than.is_none_or(|than| age.is_none_or(|age| age > than))
            && self.newer_than.is_none_or(|than| age.is_some_and(|age| age < than))
            && self.reason.as_deref().is_none_or(|text| letter.letter.reason.contains(text))
    }
}

/// Hands on the letters that are chosen, and names the damaged ones. Whether there were any.
async fn each(
    letters: &Letters,
    chosen: &Chosen,
    mut take: impl AsyncFnMut(&StoredLetter) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    const PAGE: usize = 100;
    let (mut after, mut damaged) = (None, false);
    loop {
        let page = letters.list(after.as_ref(), PAGE).await?;
        for letter in page.items.iter().filter(|letter| chosen.takes(letter)) {
            take(letter).await?;
        }
        for damage in &page.damaged {
            damaged = true;
            complain(damage);
        }
        after = page.next;
        if after.is_none() {
            return Ok(damaged);
        }
    }
}

/// Reads the name of a letter.
fn letter(text: &str) -> Result<Key, String> {
    let key: Key = text.parse().map_err(|error| format!("{error}"))?;
    match view::kind(&key) {
        Some(MessageKind::DeadLetter) => Ok(key),
        _ => Err("it is no letter such as `coord dead-letters list` names".to_owned()),
    }
}

/// Hands on the letters that are named, or those that are chosen. Whether one was not there.
async fn which(
    letters: &Letters,
    which: &Which,
    mut take: impl AsyncFnMut(&StoredLetter) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    if which.letters.is_empty() {
        if !which.all && which.chosen.is_open() {
            return Err(failure("name letters, or a --reason or an age, or say --all"));
        }
        return each(letters, &which.chosen, take).await;
    }
    let mut lacking = false;
    for key in &which.letters {
        match letters.get(key).await? {
            Some(letter) if which.chosen.takes(&letter) => take(&letter).await?,
            Some(_) => {}
            None => {
                lacking = true;
                complain(format_args!("there is no dead letter {key}"));
            }
        }
    }
    Ok(lacking)
}

#[derive(Serialize)]
struct Row<'a> {
    key: String,
    died_at: Option<String>,
    attempts: Option<u64>,
    reason: &'a str,
    #[serde(skip)]
    about: String,
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let died = self.died_at.as_deref().unwrap_or("-");
        let attempts = self.attempts.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let Row { key, reason, about, .. } = self;
        out.line(format_args!("{key}  {died}  {attempts} attempts  {about}  {reason}"))
    }
}

fn list(args: &List) -> CmdResult {
    let (_bus, letters) = open(&args.place)?;
    let mut out = Printer::new(args.format);
    let damaged = block_on(each(&letters, &args.chosen, async |letter: &StoredLetter| {
        let StoredLetter { key, letter: about, .. } = letter;
        let original = String::from_utf8_lossy(&letter.original()?).into_owned();
        out.row(&Row {
            key: key.to_string(),
            died_at: about.died_at.as_ref().map(ToString::to_string),
            attempts: about.attempts.as_ref().map(Count::get),
            reason: &about.reason,
            about: match EventRef::parse(&original) {
                Ok(event) => event.type_name().to_owned(),
                Err(_) => peek(&original).kind.to_string(),
            },
        })?;
        Ok(())
    }))??;
    out.finish(ExitStatus::found(damaged))
}

fn show(args: &Show) -> CmdResult {
    let (_bus, letters) = open(&args.place)?;
    let Some(letter) = block_on(letters.get(&args.letter))?? else {
        complain(format_args!("there is no dead letter {}", args.letter));
        return Ok(ExitStatus::No);
    };
    let mut out = Printer::new(Format::Records);
    if args.original {
        out.write_all(&letter.original()?)?;
    } else {
        out.write_all(letter.text.as_bytes())?;
    }
    out.write_all(b"\n")?;
    out.finish(ExitStatus::Done)
}

fn redrive(args: &Redrive) -> CmdResult {
    let (bus, letters) = open(&args.place)?;
    let mut out = Printer::new(Format::Human);
    let mut stays = false;
    let lacking = block_on(which(&letters, &args.which, async |letter: &StoredLetter| {
        let key = &letter.key;
        let post = match post_of(letter) {
            Ok(post) => post,
            Err(why) => {
                stays = true;
                out.complain(format_args!("{key} stays: {why}"))?;
                return Ok(());
            }
        };
        let appended = bus.publish(&[post]).await?;
        letters.remove(key).await?;
        let position = Position::new(appended.positions.start);
        out.note(format_args!("{key}: published again at {position}"))?;
        Ok(())
    }))??;
    out.finish(ExitStatus::found(stays || lacking))
}

/// The message of a letter on its way to where it came from.
fn post_of(letter: &StoredLetter) -> Result<Post, Failure> {
    let data = letter.original()?;
    let text = std::str::from_utf8(&data).map_err(|_| failure("the message is not UTF-8"))?;
    let codec = Codec::new(Mode::Interop);
    let read: Result<Envelope, _> =
        codec.parse_message(text).and_then(|message: MessageRef<'_>| message.decode());
    let kind = read.as_ref().ok().map(Envelope::kind);
    let named = letter.letter.extra().get("address").and_then(Json::to_text);
    let asks = EXCHANGES.iter().any(|(request, _)| Some(*request) == kind);
    let subscriber = letter.letter.subscriber.as_ref().filter(|_| asks).map(ToString::to_string);
    let post = match (named.or(subscriber), read) {
        (Some(address), _) => {
            let address = Address::new(&address).map_err(failure)?;
            Post::raw_to(&address, data.clone())?
        }
        (None, Ok(envelope)) => {
            let key = RouteKey::of(&envelope);
            Post::raw(&key.ok_or_else(|| failure("no pattern selects it"))?, data.clone())?
        }
        (None, Err(error)) => match codec.parse(text) {
            Ok(event) => Post::raw(&RouteKey::from(&event), data.clone())?,
            Err(_) => return Err(failure(format_args!("it is no message: {error}"))),
        },
    };
    // Its own identifier stands there already, from the first time.
    Ok(post.with_id(format!("redrive/{}", letter.key)))
}

fn purge(args: &Purge) -> CmdResult {
    let (_bus, letters) = open(&args.place)?;
    let mut out = Printer::new(Format::Human);
    let mut gone = 0_u64;
    let lacking = if args.which.letters.is_empty() {
        block_on(which(&letters, &args.which, async |letter: &StoredLetter| {
            gone += u64::from(letters.remove(&letter.key).await?);
            Ok(())
        }))??
    } else {
        // A letter that is named need not be readable.
        let mut lacking = false;
        for key in &args.which.letters {
            let removed: Result<bool, StorageError> = block_on(letters.remove(key))?;
            if removed? {
                gone += 1;
            } else {
                lacking = true;
                complain(format_args!("there is no dead letter {key}"));
            }
        }
        lacking
    };
    out.note(format_args!("{gone} dead letters were removed"))?;
    out.finish(ExitStatus::found(lacking))
}
