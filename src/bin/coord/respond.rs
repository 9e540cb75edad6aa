//! `coord respond`

use crate::bus::{BusArgs, Ended, Signals, block_on};
use crate::output::{CmdResult, ExitStatus, failure, tell, unavailable};
use crate::sender::{KeyArgs, KeysArgs};
use crate::subscribe::{at_least_one, feed, told};
use coordination_protocol::driver::{
    Component, ComponentOptions, Context, EXCHANGES, HandlerError, Request,
};
use coordination_protocol::json::{Kind, members, write_text};
use coordination_protocol::machine::RespondOptions;
use coordination_protocol::message::{
    AllocationRequest, ConflictCheck, Envelope, MessageKind, Release, Rollback,
};
use coordination_protocol::scalar::{Now, ResponseId};
use coordination_protocol::{Codec, Json, Mode};
use std::cell::Cell;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord respond allocation_request --as resource-manager -- ./allocate.sh --fast
  coord respond conflict_check --as checker --once -- jq -c '{conflicts: []}'

The command gets each request on standard input, and prints the answer: a whole message, or its body only.
Its request_id, response_id and timestamp are filled in where the body has none. A command that does not
end with 0, or prints no such answer, makes an error report, which answers instead. A request is answered
once, however often it is sent.

Answers are signed if there is a key. With --keys, requests must be signed by their source; others become
dead letters.

While it runs, the component is registered and shows that it is alive; -v tells at the end what was done.

Exit status: 0 after --once. Else a signal ends it as it ends every program; 4 if the bus cannot be used any
more, 5 if another process is this component.")]
pub(crate) struct Args {
    /// The kind of request: `allocation_request`, `conflict_check`, `release` or `rollback`.
    #[arg(value_name = "KIND")]
    kind: MessageKind,

    /// The component that answers, which is its address, too.
    #[arg(long = "as", value_name = "COMPONENT", env = "COORD_COMPONENT", hide_env_values = true)]
    component: String,

    /// End after one request.
    #[arg(long)]
    once: bool,

    /// How many commands run at a time.
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one::<usize>)]
    jobs: usize,

    /// The command.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<String>,

    #[command(flatten)]
    place: BusArgs,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    keys: KeysArgs,
}

/// The maximum number of bytes of an answer: as much as a message may have.
const MOST: u64 = 1 << 20;

/// What the handler needs.
struct CommandAnswer {
    words: Vec<String>,
    answered: Arc<Notify>,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let answered = Arc::new(Notify::new());
    let handler =
        Arc::new(CommandAnswer { words: args.command.clone(), answered: Arc::clone(&answered) });
    let respond = RespondOptions::default().with_concurrent(args.jobs);
    let component = Component::new(&args.component)
        .version(env!("CARGO_PKG_VERSION"))
        .capability(args.kind.to_string())
        .with_options(ComponentOptions::new().with_respond(respond))
        .with_validator(args.keys.validator()?);
    let component = match args.key.signer(&args.component)? {
        Some(signer) => component.with_signer(signer),
        None => component,
    };
    let component = match args.kind {
        MessageKind::AllocationRequest => serve::<AllocationRequest>(component, handler),
        MessageKind::ConflictCheck => serve::<ConflictCheck>(component, handler),
        MessageKind::Release => serve::<Release>(component, handler),
        MessageKind::Rollback => serve::<Rollback>(component, handler),
        other => {
            return Err(failure(format_args!(
                "no command answers a {other}; one answers allocation_request, conflict_check, \
                 release or rollback"
            )));
        }
    };
    let bus = args.place.open_to_read()?;
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        let running = component.connect(&bus).await?;
        let by = Cell::new(None);
        let once = async {
            if args.once {
                answered.notified().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let asked = async {
            by.set(Some(tokio::select! {
                signal = signals.next() => Ended::By(signal),
                () = once => Ended::With(ExitStatus::Done),
            }));
        };
        // What is under way is answered first.
        let stopped = running.run_until(asked).await;
        if args.place.verbose() {
            tell(format_args!("coord: {stopped}"));
        }
        // Nothing asked it to: the bus cannot be used any more.
        by.take().ok_or_else(|| unavailable(stopped.reason))
    })??;
    drop(bus);
    Ok(ended.status())
}

fn serve<R: Request>(component: Component, handler: Arc<CommandAnswer>) -> Component {
    component.on_request(move |context: Context, _: R| {
        let handler = Arc::clone(&handler);
        async move {
            let answer = handler.answer::<R>(&context).await;
            handler.answered.notify_one();
            answer
        }
    })
}

impl CommandAnswer {
    async fn answer<R: Request>(&self, context: &Context) -> Result<R::Response, HandlerError> {
        let (program, rest) = self.words.split_first().map_or(("", &[][..]), |(p, r)| (p, r));
        let mut command = Command::new(program);
        command
            .args(rest)
            .env("COORD_POSITION", context.position().to_string())
            .env("COORD_ATTEMPT", context.attempt().to_string());
        let mut request = context.message().to_string();
        request.push('\n');
        let ran =
            tokio::task::spawn_blocking(move || feed(command, request.as_bytes(), Some(MOST)))
                .await;
        let lasting = |text: String| HandlerError::lasting(text);
        let (ended, output) = ran
            .map_err(|error| lasting(error.to_string()))?
            .map_err(|error| lasting(format!("cannot run `{program}`: {error}")))?;
        if !ended.success() {
            return Err(lasting(format!("`{program}` ended with {}", told(ended))));
        }
        if output.len() as u64 > MOST {
            return Err(lasting(format!("`{program}` printed more than {MOST} bytes")));
        }
        let row = EXCHANGES.iter().find(|(asks, _)| *asks == R::KIND);
        let wanted = row.map_or(MessageKind::Unknown, |(_, answers)| *answers);
        let now = context.client().bus().host().now();
        let id = context.client().new_id();
        let read = read(&output, wanted, context.message(), now, &id);
        let answer =
            read.map_err(|why| lasting(format!("`{program}` printed no {wanted}: {why}")))?;
        R::Response::try_from(answer.message).map_err(|other| {
            lasting(format!("`{program}` printed a {}, no {wanted}", other.kind()))
        })
    }
}

/// Reads what a command printed: a whole message, or a body whose usual fields are filled in.
fn read(
    output: &[u8],
    wanted: MessageKind,
    request: &Envelope,
    now: Now,
    id: &ResponseId,
) -> Result<Envelope, String> {
    let text = std::str::from_utf8(output).map_err(|error| error.to_string())?;
    let json: Json = text.trim().parse().map_err(|error| format!("{error}"))?;
    if json.kind() != Kind::Object {
        return Err("it is no object".to_owned());
    }
    let is_whole = members(json.as_str(), 0).any(|(key, _)| {
        let key = key.decode(json.as_str());
        EXCHANGES
            .iter()
            .any(|(asks, answers)| [asks, answers].iter().any(|kind| *kind.as_str() == *key))
            || key == MessageKind::ErrorReport.as_str()
    });
    let text =
        if is_whole { json.as_str().to_owned() } else { whole(&json, wanted, request, now, id) };
    let codec = Codec::new(Mode::Strict);
    let message = codec.parse_message(&text).and_then(|message| message.decode());
    message.map_err(|error| error.to_string())
}

/// A body as a message, with what it does not say of itself.
fn whole(body: &Json, kind: MessageKind, request: &Envelope, now: Now, id: &ResponseId) -> String {
    let asked: Option<Json> = request.to_string().parse().ok();
    let asked = asked.and_then(|asked| asked.get(request.kind().as_str()));
    let usual = [
        ("request_id", asked.and_then(|asked| asked.get("request_id"))),
        ("response_id", Some(Json::text(id.as_str()))),
        ("timestamp", Some(Json::text(now.timestamp().as_str()))),
    ];
    let mut out = vec![b'{'];
    write_text(&mut out, kind.as_str());
    out.push(b':');
    // Its bracket comes behind what is filled in.
    let mut text = body.as_str().strip_suffix('}').unwrap_or_default().to_owned();
    for (name, value) in usual {
        let known = kind.spec().is_some_and(|spec| spec.member(name).is_some());
        if let (true, None, Some(value)) = (known, body.get(name), value) {
            if !text.ends_with('{') {
                text.push(',');
            }
            let _ = write!(text, "\"{name}\":{}", value.as_str());
        }
    }
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"}}");
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(output: &str) -> Result<String, String> {
        let request: Envelope =
            r#"{"conflict_check":{"request_id":"req_1","conflicts":[]}}"#.parse().unwrap();
        let now = Now::new(std::time::Duration::ZERO, 1_736_942_400_000);
        let id = ResponseId::generate(0, [0; 10]);
        let read = read(output.as_bytes(), MessageKind::ConflictCheck, &request, now, &id);
        read.map(|envelope| envelope.to_string())
    }

    #[test]
    fn a_body_becomes_a_message_that_answers_the_request() {
        let whole = r#"{"conflict_check":{"request_id":"req_1"}}"#;
        assert_eq!(answer("{}\n").as_deref(), Ok(whole));
        assert_eq!(answer(whole).as_deref(), Ok(whole));
        let nested = r#"{"note":{"a":{}}}"#;
        let made = answer(nested).unwrap();
        assert!(
            made.contains(r#""request_id":"req_1""#) && made.contains(r#""note":{"a":{}}"#),
            "{made}"
        );
        for wrong in ["", "oops", "[]", "{", r#"{"request_id":7}"#] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }
}
