//! Transcripts: what a machine does, for people to read. Each file shows one behaviour.
//!
//! A file holds blocks: a command, `----`, and what the machine says to it. The first command names
//! the machine. `COORD_UPDATE_TRANSCRIPTS=1` writes anew what the machines say; review the
//! difference.

use super::{
    START, Step, allocation, answer, checked, error, hand_in, id, name, now, outputs, request,
};
use coordination_protocol::Message;
use coordination_protocol::machine::{
    Backoff, BallotOptions, Breaker, BreakerInput, BreakerOptions, CallResult, Caller,
    CallerOptions, Handshake, HandshakeInput, Machine, OutboundRequest, Presence, PresenceInput,
    Proposer, Rejected, RequestInput, RequestKey, RequestOptions, Requester, RespondInput,
    RespondOptions, Responder, Voter,
};
use coordination_protocol::scalar::{Now, Span};
use coordination_protocol::validate::{Gate, Validator};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::path::Path;
use std::time::Duration;

/// The words of a command and its `key=value` pairs.
pub(super) struct Command<'t> {
    pub(super) words: Vec<&'t str>,
    pub(super) pairs: BTreeMap<&'t str, &'t str>,
    /// Everything behind the first word.
    rest: &'t str,
}

impl<'t> Command<'t> {
    fn read(text: &'t str) -> Self {
        let rest = text.split_once(' ').map_or("", |(_, rest)| rest);
        if rest.starts_with('{') {
            return Command { words: vec!["record"], pairs: BTreeMap::new(), rest };
        }
        let (pairs, words): (Vec<&str>, Vec<&str>) =
            text.split(' ').partition(|part| part.contains('='));
        let pairs = pairs.into_iter().map(|pair| pair.split_once('=').unwrap()).collect();
        Command { words, pairs, rest }
    }

    pub(super) fn get(&self, key: &str, default: &'t str) -> &'t str {
        self.pairs.get(key).copied().unwrap_or(default)
    }

    pub(super) fn count<T: std::str::FromStr<Err: std::fmt::Debug>>(
        &self,
        key: &str,
        default: &'t str,
    ) -> T {
        self.get(key, default).parse().unwrap()
    }

    /// The value of a pair that may hold `=` itself.
    pub(super) fn rest_of(&self, key: &str) -> &'t str {
        let found = self.rest.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or("")
    }

    pub(super) fn span(&self, key: &str, default: &'t str) -> Duration {
        span(self.get(key, default))
    }
}

fn span(text: &str) -> Duration {
    Span::new(text).unwrap().value().unwrap()
}

/// A machine that takes commands.
pub(super) trait Told: Machine<Output: Display> {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<Self::Input>;
}

impl Told for Caller {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<RequestInput> {
        asking(now, command)
    }
}

impl Told for Requester {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<RequestInput> {
        asking(now, command)
    }
}

/// A command to who asks, or an answer.
fn asking(now: Now, command: &Command<'_>) -> Step<RequestInput> {
    let which = command.words[1];
    let corr = format!(r#","correlation_id":"corr_{}""#, command.get("corr", which));
    Step::Input(match command.words[0] {
        "start" => {
            let more = match command.get("max_wait", "") {
                "" => String::new(),
                wait => format!(r#","constraints":{{"max_wait_time":"{wait}"}}"#),
            };
            let envelope = request(which, 3, &more);
            assert_eq!(allocation(&envelope).request_id.as_str(), which);
            let mut ask = OutboundRequest::new(envelope, now, [7; 10]);
            if let Some(peer) = command.pairs.get("peer") {
                ask = ask.with_peer(name(peer));
            }
            if let Some(within) = command.pairs.get("within") {
                ask = ask.with_deadline(span(within));
            }
            RequestInput::Start(Box::new(ask))
        }
        "cancel" => RequestInput::Cancel(id(which)),
        "answer" => return Step::Message(answer(which, &corr, command.words[2])),
        "error" => {
            let recoverable = format!(r#","recoverable":{}"#, command.get("recoverable", "false"));
            let mut error = error(which, &recoverable).into_inner();
            if let Some(cause) = command.pairs.get("cause") {
                error.header.causation_id = Some((*cause).try_into().unwrap());
            }
            if let (Some(id), Message::ErrorReport(report)) =
                (command.pairs.get("id"), &mut error.message)
            {
                report.error_id = coordination_protocol::scalar::ErrorId::new(*id).unwrap();
            }
            return Step::Message(checked(&error.to_string()));
        }
        other => panic!("unknown command `{other}`"),
    })
}

impl Told for Responder {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<RespondInput> {
        if command.words[0] == "record" {
            let mut gate = Gate::new(Validator::new(coordination_protocol::Mode::Strict));
            return match gate.accept(command.rest.as_bytes(), now.wall, None) {
                Ok(envelope) => Step::Message(Box::new(envelope)),
                Err(report) => Step::Input(RespondInput::Rejected(Box::new(Rejected::new(
                    command.rest,
                    report,
                )))),
            };
        }
        let which = command.words[1];
        let key = serde_json::json!({ "source": "hub", "request_id": which });
        let key: RequestKey = serde_json::from_value(key).unwrap();
        let message = match command.words[0] {
            "request" => {
                let mut envelope = request(which, command.count("agents", "3"), "");
                envelope.header.source = Some(name(command.get("from", "hub")));
                return Step::Message(checked(&envelope.to_string()));
            }
            "forget" => return Step::Input(RespondInput::Forget(key)),
            "answer" => answer(which, "", command.words[2]),
            "error" => {
                error(which, &format!(r#","recoverable":{}"#, command.get("recoverable", "false")))
            }
            other => panic!("unknown command `{other}`"),
        };
        Step::Input(RespondInput::Answer(key, Box::new(message.into_inner().message)))
    }
}

impl Told for Breaker {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<BreakerInput> {
        let call = id(command.words[1]);
        Step::Input(match command.words[0] {
            "call" => BreakerInput::Call(call),
            "success" => BreakerInput::Ended(call, CallResult::Success),
            "failure" => BreakerInput::Ended(call, CallResult::Failure),
            "neutral" => BreakerInput::Ended(call, CallResult::Neutral),
            other => panic!("unknown command `{other}`"),
        })
    }
}

impl Told for Handshake {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<HandshakeInput> {
        let greeting = coordination_protocol::scalar::RequestId::generate(
            u64::try_from(START).unwrap(),
            [7; 10],
        );
        Step::Input(match command.words[0] {
            "greet" => HandshakeInput::Greet([7; 10]),
            "hello" => {
                let (min, max) = command.get("versions", "").split_once("..").unwrap();
                return Step::Message(checked(&format!(
                    r#"{{"request_id":"{}","correlation_id":"corr_h","response_required":true,
                        "hello":{{"component_id":"{}","versions":[{{"min":"{min}","max":"{max}"}}]}}}}"#,
                    command.get("greeting", "req_h"),
                    command.words[1],
                )));
            }
            "welcome" => {
                return Step::Message(checked(&format!(
                    r#"{{"response_to":"{greeting}","source":"{0}","welcome":{{"component_id":"{0}","version":"{1}"}}}}"#,
                    command.words[1], command.words[2],
                )));
            }
            "refusal" => {
                return Step::Message(checked(
                    &error("req_x", r#","recoverable":false"#)
                        .to_string()
                        .replace("req_x", greeting.as_str())
                        .replace(r#""correlation_id":"corr_req_x","#, "")
                        .replace(&format!(r#""correlation_id":"corr_{greeting}","#), "")
                        .replace(
                            r#""recovery_suggestions""#,
                            r#""details":{"error_message":"too old"},"recovery_suggestions""#,
                        ),
                ));
            }
            other => panic!("unknown command `{other}`"),
        })
    }
}

impl Told for Presence {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<PresenceInput> {
        let who = command.words[1];
        // The header's time, if it is given.
        let sent = || match command.pairs.get("sent") {
            Some(time) => format!(r#""timestamp":"2025-01-15T{time}Z","#),
            None => String::new(),
        };
        let instance = || match command.pairs.get("instance") {
            Some(mark) => format!(r#","instance":"{mark}""#),
            None => String::new(),
        };
        let registration = || {
            checked(&format!(
                r#"{{{}"component_registration":{{"component_id":"{who}","component_type":"utility","version":"1.0.0"{}}}}}"#,
                sent(),
                instance(),
            ))
        };
        let health = |status: &str, time: &str| {
            checked(&format!(
                r#"{{"health_status":{{"component_id":"{who}","status":"{status}","timestamp":"2025-01-15T{time}Z"{}}}}}"#,
                instance(),
            ))
        };
        Step::Input(match command.words[0] {
            "join" => match registration().into_inner().message {
                Message::ComponentRegistration(body) => PresenceInput::Join(body),
                other => panic!("{other:?}"),
            },
            "health" => match health(command.words[2], "12:00:00").into_inner().message {
                Message::HealthStatus(body) => PresenceInput::Health(body),
                other => panic!("{other:?}"),
            },
            "leave" => PresenceInput::Leave(who.to_owned()),
            "expect" => PresenceInput::Expect(name(who)),
            "registration" => return Step::Message(registration()),
            "status" => {
                return Step::Message(health(command.words[2], command.get("sent", "12:00:00")));
            }
            "heartbeat" => {
                let status = match command.get("status", "") {
                    "" => String::new(),
                    word => format!(r#","status":"{word}""#),
                };
                return Step::Message(checked(&format!(
                    r#"{{"heartbeat":{{"component_id":"{who}","sequence":{},"timestamp":"2025-01-15T{}Z"{status}{}}}}}"#,
                    command.words[2],
                    command.get("sent", "12:00:00"),
                    instance(),
                )));
            }
            // Somebody asks a component for its registration.
            "asked" => {
                let strategy = command.get("strategy", "register");
                return Step::Message(checked(&format!(
                    r#"{{"source":"watcher","error_report":{{"error_id":"err_1","workflow_id":"global","timestamp":"2025-01-15T12:00:00Z",
                        "classification":{{"category":"state","severity":"low","type":"unavailable","scope":"system","recoverable":true}},
                        "context":{{"component":"{who}"}},"recovery_suggestions":[{{"strategy":"{strategy}"}}]}}}}"#,
                )));
            }
            "deregistration" => {
                return Step::Message(checked(&format!(
                    r#"{{{}"deregistration":{{"component_id":"{who}","reason":"done"{}}}}}"#,
                    sent(),
                    instance(),
                )));
            }
            other => panic!("unknown command `{other}`"),
        })
    }
}

/// Does what `at TIME COMMAND` asks, and says what comes of it.
fn tell<M: Told>(machine: &mut M, line: &str) -> String {
    let command = line.strip_prefix("at ").unwrap_or_else(|| panic!("`{line}` has no time"));
    let (time, command) = command.split_once(' ').unwrap();
    let now = now(u64::try_from(span(time).as_millis()).unwrap());
    let mut said = String::new();
    if command == "timeout" {
        machine.handle_timeout(now);
    } else {
        let command = Command::read(command);
        let input = machine.input(now, &command);
        if let Err(refused) = hand_in(machine, now, input) {
            let _ = writeln!(said, "error: {refused}");
        }
    }
    for output in outputs(machine) {
        let _ = writeln!(said, "{output}");
    }
    let _ = match machine.deadline() {
        Some(at) => writeln!(said, "next {at}"),
        None => writeln!(said, "next never"),
    };
    said
}

/// Plays all commands of a file and writes it anew.
fn replay(text: &str) -> String {
    let mut blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
    let first = blocks.next().unwrap();
    let mut page = format!("{first}\n");
    let line = first.lines().find(|line| line.starts_with("machine ")).unwrap();
    let command = Command::read(line);
    let seed: u64 = command.count("seed", "1");
    match command.words[1] {
        "requester" => {
            let backoff = Backoff::new().with_attempts(command.count("attempts", "3"));
            let options = RequestOptions::new()
                .with_timeout(command.span("timeout", "30s"))
                .with_max_open(command.count("max_open", "1000"))
                .with_remembered(command.count("remembered", "10000"))
                .with_backoff(backoff);
            follow(Requester::new(name("hub"), seed).with_options(options), blocks, &mut page);
        }
        "responder" => {
            let options = RespondOptions::new()
                .with_accepted(name("hub"))
                .with_capacity(command.count("capacity", "1000"))
                .with_remembered(command.count("remembered", "10000"))
                .with_remember(command.span("remember", "5m"))
                .with_concurrent(command.count("concurrent", "50"));
            follow(Responder::new(name("rm"), seed).with_options(options), blocks, &mut page);
        }
        "caller" => {
            let request = RequestOptions::new()
                .with_backoff(Backoff::new().with_attempts(command.count("attempts", "1")));
            let breaker = BreakerOptions::new().with_failures(command.count("failures", "1"));
            let options = CallerOptions::new().with_request(request).with_breaker(breaker);
            follow(Caller::new(name("hub"), seed).with_options(options), blocks, &mut page);
        }
        "breaker" => {
            let options = BreakerOptions::new()
                .with_failures(command.count("failures", "5"))
                .with_open(command.span("open", "30s"));
            follow(Breaker::new(options), blocks, &mut page);
        }
        "handshake" => {
            let supported = command.get("supports", "1.0.0..=1.1.0");
            let supported = line.split_once("supports=").map_or(supported, |(_, rest)| rest);
            let supported = supported.parse().unwrap();
            follow(Handshake::new(name("hub"), supported, seed), blocks, &mut page);
        }
        "dispatcher" => follow(super::dispatcher::of(&command, seed), blocks, &mut page),
        "sync" => follow(super::sync::of(seed), blocks, &mut page),
        "proposer" => {
            let options = BallotOptions::new().with_capacity(command.count("capacity", "1000"));
            follow(Proposer::new(name("p1"), seed).with_options(options), blocks, &mut page);
        }
        "voter" => {
            let options = BallotOptions::new().with_longest(command.span("longest", "10m"));
            follow(Voter::new(name("a"), seed).with_options(options), blocks, &mut page);
        }
        "presence" => follow(Presence::new(seed), blocks, &mut page),
        other => panic!("unknown machine `{other}`"),
    }
    page
}

fn follow<'t, M: Told>(mut machine: M, blocks: impl Iterator<Item = &'t str>, page: &mut String) {
    for block in blocks.filter(|block| !block.is_empty()) {
        let (input, _) = block.split_once("\n----").unwrap_or((block, ""));
        let _ = write!(page, "\n{input}\n----\n");
        for line in input.lines().filter(|line| !line.starts_with('#')) {
            page.push_str(&tell(&mut machine, line));
        }
    }
}

#[test]
fn machines_do_what_the_transcripts_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let update = std::env::var_os("COORD_UPDATE_TRANSCRIPTS").is_some_and(|set| set == "1");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    assert!(files.len() >= 25, "only {} transcripts were found", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let written = std::fs::read_to_string(&path).unwrap();
        let said = replay(&written);
        if update {
            std::fs::write(&path, said).unwrap();
        } else if said != written {
            wrong.push(format!("{}:\n{said}", path.file_name().unwrap().display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nIf that is right, run again with COORD_UPDATE_TRANSCRIPTS=1.",
        wrong.join("\n")
    );
}
