//! Each key of a configuration that machines obey changes what they do, and the specification's
//! figures are what they do without one.

use super::{asked, error, name, now, outputs, request};
use coordination_protocol::Message;
use coordination_protocol::machine::{
    Backoff, BallotOptions, Breaker, BreakerInput, BreakerOptions, CallResult, Dispatcher,
    DispatcherInput, DispatcherOptions, Handshake, HandshakeOptions, HandshakeOutput, Machine,
    Presence, PresenceInput, PresenceOptions, RequestOptions, Requester, RespondInput,
    RespondOptions, Responder, Settings,
};
use coordination_protocol::message::ComponentConfig;
use std::time::Duration;

fn config(section: &str, key: &str, value: &str) -> ComponentConfig {
    let text = format!(r#"{{"component_id":"hub","{section}":{{"{key}":{value}}}}}"#);
    serde_json::from_str(&text).unwrap()
}

/// The configuration of the specification, word for word where machines look.
const SPECIFICATION: &str = r#"{"component_id":"resource-manager",
    "coordination":{"hub_endpoint":"coordination-hub","heartbeat_interval":"30s",
        "event_queue_size":1000,"max_retry_attempts":3,"timeout_default":"30s"},
    "performance":{"max_concurrent_operations":50,"resource_pool_size":20,"cache_size_mb":128,
        "optimization_interval":"5m"},
    "monitoring":{"metrics_collection":true,"performance_tracking":true,"health_check_interval":"60s"}}"#;

#[test]
fn the_figures_of_the_specification_are_the_defaults() {
    let written: ComponentConfig = serde_json::from_str(SPECIFICATION).unwrap();
    let silent: ComponentConfig = serde_json::from_str(r#"{"component_id":"x"}"#).unwrap();
    for config in [written, silent] {
        assert_eq!(Settings::from(&config), Settings::default());
        assert_eq!(RequestOptions::from(&config), RequestOptions::new());
        assert_eq!(RespondOptions::from(&config), RespondOptions::new());
        assert_eq!(BreakerOptions::from(&config), BreakerOptions::new());
        assert_eq!(HandshakeOptions::from(&config), HandshakeOptions::new());
        assert_eq!(PresenceOptions::from(&config), PresenceOptions::new());
        assert_eq!(DispatcherOptions::from(&config), DispatcherOptions::new());
        assert_eq!(BallotOptions::from(&config), BallotOptions::new());
    }
    let settings = Settings::default();
    assert_eq!(settings.heartbeat_interval, Duration::from_secs(30));
    assert_eq!(settings.event_queue_size, 1_000);
    assert_eq!(settings.max_retry_attempts, 3);
    assert_eq!(settings.timeout_default, Duration::from_secs(30));
    assert_eq!(settings.max_concurrent_operations, 50);
    assert_eq!(settings.health_check_interval, Duration::from_secs(60));
    let backoff = Backoff::new();
    assert_eq!((backoff.base, backoff.cap), (Duration::from_secs(1), Duration::from_secs(30)));
    assert_eq!((backoff.factor, backoff.attempts), (2, 3));
    assert_eq!(RespondOptions::new().execution_timeout, Duration::from_secs(102));
    assert_eq!(RespondOptions::new().remember, Duration::from_secs(300));
}

#[test]
fn what_cannot_be_obeyed_falls_back() {
    let unreadable = config("coordination", "timeout_default", r#""soon""#);
    assert_eq!(Settings::from(&unreadable), Settings::default());
    let zero = config("coordination", "timeout_default", r#""0s""#);
    assert_eq!(Settings::from(&zero).timeout_default, Duration::from_millis(1));
    let none = config("coordination", "max_retry_attempts", "0");
    assert_eq!(Settings::from(&none).max_retry_attempts, 1);
}

fn requester(config: &ComponentConfig) -> Requester {
    Requester::new(name("hub"), 1).with_options(config.into())
}

/// A machine of the configuration beside one of the defaults.
macro_rules! both {
    ($make:expr, $section:literal, $key:literal, $value:literal, $look:expr) => {{
        let plain = serde_json::from_str::<ComponentConfig>(r#"{"component_id":"hub"}"#).unwrap();
        ($look($make(&plain)), $look($make(&config($section, $key, $value))))
    }};
}

#[test]
fn timeout_default() {
    let look = |mut machine: Requester| {
        machine.handle(now(0), asked("req_1")).unwrap();
        machine.deadline()
    };
    let both = both!(requester, "coordination", "timeout_default", r#""5s""#, look);
    assert_eq!(both, (Some(now(30_000).at), Some(now(5_000).at)));

    let responder =
        |config: &ComponentConfig| Responder::new(name("rm"), 1).with_options(config.into());
    let look = |mut machine: Responder| {
        let request = super::checked(&request("req_1", 3, "").to_string());
        machine.receive(now(0), *request);
        machine.deadline()
    };
    let both = both!(responder, "coordination", "timeout_default", r#""5s""#, look);
    assert_eq!(both, (Some(now(102_000).at), Some(now(27_000).at)));

    let look = |mut machine: Breaker| {
        for call in 1..=5 {
            let call = super::id(&format!("req_{call}"));
            machine.handle(now(0), BreakerInput::Call(call.clone())).unwrap();
            machine.handle(now(0), BreakerInput::Ended(call, CallResult::Failure)).unwrap();
        }
        machine.handle(now(30_000), BreakerInput::Call(super::id("req_6"))).unwrap();
        machine.deadline()
    };
    let breaker = |config: &ComponentConfig| Breaker::new(config.into());
    let both = both!(breaker, "coordination", "timeout_default", r#""5s""#, look);
    assert_eq!(both, (Some(now(60_000).at), Some(now(35_000).at)));
}

#[test]
fn max_retry_attempts() {
    let look = |mut machine: Requester| {
        machine.handle(now(0), asked("req_1")).unwrap();
        while let Some(at) = machine.deadline() {
            machine.handle_timeout(now(at.as_nanos() / 1_000_000));
        }
        outputs(&mut machine).len()
    };
    let both = both!(requester, "coordination", "max_retry_attempts", "7", look);
    assert_eq!(both, (3 + 1, 7 + 1));
}

#[test]
fn event_queue_size() {
    let look = |mut machine: Requester| {
        let busy = |n: &usize| {
            let asked = asked(&format!("req_{n}"));
            machine.handle(now(0), asked).is_err()
        };
        (0..2_000).find(busy).unwrap()
    };
    assert_eq!(both!(requester, "coordination", "event_queue_size", "4", look), (1_000, 4));
    let presence = |config: &ComponentConfig| Presence::new(1).with_options(config.into());
    let look = |mut machine: Presence| {
        let full = |n: &usize| {
            machine.handle(now(0), PresenceInput::Expect(name(&format!("c{n}")))).is_err()
        };
        (0..2_000).find(full).unwrap()
    };
    assert_eq!(both!(presence, "coordination", "event_queue_size", "4", look), (1_000, 4));
}

#[test]
fn max_concurrent_operations() {
    let responder =
        |config: &ComponentConfig| Responder::new(name("rm"), 1).with_options(config.into());
    let look = |mut machine: Responder| {
        let busy = |n: &usize| {
            let request = super::checked(&request(&format!("req_{n}"), 3, "").to_string());
            machine.receive(now(0), *request);
            outputs(&mut machine)[0].contains("requests are under way, which is the limit")
        };
        (0..100).find(busy).unwrap()
    };
    let both = both!(responder, "performance", "max_concurrent_operations", "2", look);
    assert_eq!(both, (50, 2));
}

#[test]
fn heartbeat_interval() {
    let presence = |config: &ComponentConfig| Presence::new(1).with_options(config.into());
    let join = |mut machine: Presence| {
        let body = coordination_protocol::message::ComponentRegistration::new(name("hub"), "hub");
        machine.handle(now(0), PresenceInput::Join(Box::new(body))).unwrap();
        machine.deadline()
    };
    let both = both!(presence, "coordination", "heartbeat_interval", r#""10s""#, join);
    assert_eq!(both, (Some(now(30_000).at), Some(now(10_000).at)));
    let watch = |mut machine: Presence| {
        let text = r#"{"component_registration":{"component_id":"a","component_type":"utility","version":"1.0.0"}}"#;
        machine.receive(now(0), *super::checked(text));
        machine.deadline()
    };
    let both = both!(presence, "coordination", "heartbeat_interval", r#""10s""#, watch);
    assert_eq!(both, (Some(now(33_000).at), Some(now(11_000).at)));

    let handshake = |config: &ComponentConfig| {
        Handshake::new(name("hub"), "1.0.0..=1.1.0".parse().unwrap(), 1).with_options(config.into())
    };
    let look = |mut machine: Handshake| {
        let text = r#"{"request_id":"req_h","hello":{"component_id":"a","versions":[{"min":"1.0.0","max":"1.0.0"}]}}"#;
        machine.receive(now(0), *super::checked(text));
        let Some(HandshakeOutput::Send(sent)) = machine.poll() else { panic!("no welcome") };
        let Message::Welcome(welcome) = sent.envelope.message else { panic!("no welcome") };
        welcome.heartbeat_interval.unwrap().as_str().to_owned()
    };
    let both = both!(handshake, "coordination", "heartbeat_interval", r#""10s""#, look);
    assert_eq!(both, ("30s".to_owned(), "10s".to_owned()));
}

#[test]
fn health_check_interval() {
    let presence = |config: &ComponentConfig| {
        let options = PresenceOptions::from(config).with_heartbeat(Duration::from_secs(3_600));
        Presence::new(1).with_options(options)
    };
    let look = |mut machine: Presence| {
        let body = coordination_protocol::message::ComponentRegistration::new(name("hub"), "hub");
        machine.handle(now(0), PresenceInput::Join(Box::new(body))).unwrap();
        machine.deadline()
    };
    let both = both!(presence, "monitoring", "health_check_interval", r#""15s""#, look);
    assert_eq!(both, (Some(now(60_000).at), Some(now(15_000).at)));
}

fn dispatcher(config: &ComponentConfig) -> Dispatcher {
    let mut machine = Dispatcher::new(1).with_options(config.into());
    let text = r#"{"subscription":{"subscriber":"monitor","patterns":[">"]}}"#;
    machine.handle(now(0), DispatcherInput::Subscribe(super::checked(text))).unwrap();
    machine
}

fn publish(machine: &mut Dispatcher, id: usize) -> bool {
    let text = format!(
        r#"{{"message_id":"msg_{id}","event":{{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global",
            "data":{{"component_name":"hub","shutdown_reason":"update"}}}}}}"#,
    );
    let published = machine.handle(now(0), DispatcherInput::Publish(super::checked(&text)));
    published.is_ok()
}

#[test]
fn dispatcher_obeys_the_configuration() {
    let look = |mut machine: Dispatcher| {
        publish(&mut machine, 1);
        machine.deadline()
    };
    let both = both!(dispatcher, "coordination", "timeout_default", r#""5s""#, look);
    assert_eq!(both, (Some(now(30_000).at), Some(now(5_000).at)));

    let look = |mut machine: Dispatcher| {
        publish(&mut machine, 1);
        outputs(&mut machine);
        while let Some(at) = machine.deadline().filter(|at| *at < now(290_000).at) {
            machine.handle_timeout(now(at.as_nanos() / 1_000_000));
        }
        outputs(&mut machine).len()
    };
    assert_eq!(both!(dispatcher, "coordination", "max_retry_attempts", "4", look), (3, 4));

    let look = |mut machine: Dispatcher| {
        let full = |id: &usize| {
            let full = !publish(&mut machine, *id);
            outputs(&mut machine);
            full
        };
        (0..2_000).find(full).unwrap()
    };
    assert_eq!(both!(dispatcher, "coordination", "event_queue_size", "4", look), (1_000, 4));
}

/// The options that no key of the configuration sets.
#[test]
fn options_without_a_key() {
    let options = RequestOptions::new()
        .with_queue_wait(Duration::from_secs(7))
        .with_backoff(Backoff::new().with_base(Duration::from_millis(1)).with_cap(Duration::ZERO));
    let mut machine = Requester::new(name("hub"), 1).with_options(options);
    machine.handle(now(0), asked("req_1")).unwrap();
    let error = error("req_1", r#","recoverable":true"#);
    machine.receive(now(0), *error);
    assert_eq!(machine.deadline(), Some(now(1).at));
    machine.handle_timeout(now(1));
    let corr = r#","correlation_id":"corr_req_1""#;
    machine.receive(now(2), *super::answer("req_1", corr, "queued"));
    assert_eq!(machine.deadline(), Some(now(7_002).at));

    let options = BreakerOptions::new().with_failures(1).with_probe(Duration::from_secs(2));
    let mut machine = Breaker::new(options.with_open(Duration::from_secs(1)));
    machine.handle(now(0), BreakerInput::Call(super::id("req_1"))).unwrap();
    let failed = BreakerInput::Ended(super::id("req_1"), CallResult::Failure);
    machine.handle(now(0), failed).unwrap();
    machine.handle(now(1_000), BreakerInput::Call(super::id("req_2"))).unwrap();
    assert_eq!(machine.deadline(), Some(now(3_000).at));

    let options = PresenceOptions::new().with_missing(2, 4).with_grace(Duration::from_secs(1));
    let mut machine = Presence::new(1).with_options(options.with_max_peers(1));
    let text = r#"{"component_registration":{"component_id":"a","component_type":"utility","version":"1.0.0"}}"#;
    machine.receive(now(0), *super::checked(text));
    assert_eq!(machine.deadline(), Some(now(61_000).at));
    machine.handle_timeout(now(61_000));
    assert_eq!(machine.deadline(), Some(now(121_000).at));

    let options = RespondOptions::new()
        .with_execution_timeout(Duration::from_secs(4))
        .with_queue_wait(Duration::from_secs(9));
    let mut machine = Responder::new(name("rm"), 1).with_options(options);
    let request = super::checked(&request("req_1", 3, "").to_string());
    machine.receive(now(0), *request);
    assert_eq!(machine.deadline(), Some(now(4_000).at));
    let key = machine.running().next().unwrap().clone();
    let queued = super::answer("req_1", "", "queued").into_inner().message;
    machine.handle(now(1_000), RespondInput::Answer(key, Box::new(queued))).unwrap();
    assert_eq!(machine.deadline(), Some(now(10_000).at));
}

/// The table of who obeys which key has each key of the specification of a configuration once, and a key
/// is told exactly if no machine obeys it.
#[test]
fn keys_that_no_machine_obeys_are_told() {
    use coordination_protocol::message::{MemberSpec, Shape};
    fn keys(members: &[MemberSpec], prefix: &str, out: &mut Vec<String>) {
        for member in members {
            let path = format!("{prefix}{}", member.name);
            match member.shape {
                Shape::Object(object) => keys(object.members, &format!("{path}."), out),
                _ if prefix.is_empty() => {}
                _ => out.push(path),
            }
        }
    }
    let spec = coordination_protocol::MessageKind::ComponentConfig.spec().unwrap();
    let mut specified = Vec::new();
    keys(spec.members, "", &mut specified);
    let mut listed: Vec<String> = Settings::KEYS.iter().map(|key| key.path.to_owned()).collect();
    specified.sort();
    listed.sort();
    assert_eq!(listed, specified);
    assert_eq!(listed.len(), 15);

    let written: ComponentConfig = serde_json::from_str(SPECIFICATION).unwrap();
    let (settings, findings) = Settings::from_config(&written);
    assert_eq!(settings, Settings::default());
    let told: Vec<&str> = findings.iter().map(|finding| finding.actual()).collect();
    assert_eq!(
        told,
        [
            "coordination.hub_endpoint",
            "performance.resource_pool_size",
            "performance.cache_size_mb",
            "performance.optimization_interval",
            "monitoring.metrics_collection",
            "monitoring.performance_tracking",
        ],
    );
    let thresholds = config("monitoring", "alert_thresholds", r#"{"error_rate":5}"#);
    let told = |config: &ComponentConfig| {
        Settings::from_config(config).1.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&thresholds),
        [
            "`monitoring.alert_thresholds.error_rate` is obeyed by no machine: the host raises alerts"
        ],
    );
    assert_eq!(
        told(&config("coordination", "heartbeat_intervall", "30")),
        [
            "`coordination.heartbeat_intervall` is obeyed by no machine: the protocol does not know it"
        ],
    );
    for key in Settings::KEYS.iter().filter(|key| !key.obeyed_by.is_empty()) {
        let (section, name) = key.path.split_once('.').unwrap();
        let value =
            if name.ends_with("interval") || name.starts_with("timeout") { r#""7s""# } else { "7" };
        assert_eq!(told(&config(section, name, value)), [""; 0]);
    }
    // A check of a file says nothing of it.
    let validator =
        coordination_protocol::validate::Validator::new(coordination_protocol::Mode::Strict);
    let text = format!(r#"{{"component_config":{SPECIFICATION}}}"#);
    let outcome = validator.check(&text, &coordination_protocol::validate::Context::new());
    assert!(outcome.report.is_empty(), "{:?}", outcome.report);
}
