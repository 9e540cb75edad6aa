//! Negotiation against a brute-force oracle, and the two forms of what a side supports.

use crate::support::{Rng, scaled};
use coordination_protocol::ProtocolVersion;
use coordination_protocol::message::{
    Envelope, EnvelopeHeader, Hello, Message, VersionRange as WireRange, Welcome,
};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::version::{
    Agreement, Capability, Refusal, Remedy, Side, SupportedVersions, Transition, VERSIONS,
    VersionRange, negotiate,
};
use serde_json::json;
use std::collections::BTreeSet;

/// A small world of versions, in which a set is a list of all its members.
fn world() -> Vec<ProtocolVersion> {
    let numbers = (0..3).flat_map(|a| (0..3).flat_map(move |b| (0..3).map(move |c| (a, b, c))));
    numbers.map(|(a, b, c)| ProtocolVersion::new(a, b, c)).collect()
}

fn any_version(rng: &mut Rng) -> ProtocolVersion {
    ProtocolVersion::new(rng.below(3) as u64, rng.below(3) as u64, rng.below(3) as u64)
}

fn any_range(rng: &mut Rng) -> VersionRange {
    let (a, b) = (any_version(rng), any_version(rng));
    if rng.one_in(2) {
        a.into()
    } else {
        VersionRange::new(a.clone().min(b.clone()), a.max(b)).unwrap()
    }
}

const CAPABILITIES: &[&str] = &["a", "b", "batching", "x-1", "y.z"];

/// The parts of a `SupportedVersions`, in the order in which they were drawn.
#[derive(Clone)]
struct Parts {
    ranges: Vec<VersionRange>,
    known: Vec<VersionRange>,
    floor: Option<ProtocolVersion>,
    capabilities: Vec<Capability>,
}

impl Parts {
    fn any(rng: &mut Rng) -> Self {
        Parts {
            ranges: (0..=rng.below(3)).map(|_| any_range(rng)).collect(),
            known: (0..rng.below(3)).map(|_| any_range(rng)).collect(),
            floor: rng.one_in(2).then(|| any_version(rng)),
            capabilities: (0..rng.below(4))
                .map(|_| Capability::new(rng.pick(CAPABILITIES)).unwrap())
                .collect(),
        }
    }

    fn build(&self) -> SupportedVersions {
        let mut supported = SupportedVersions::new(self.ranges[0].clone());
        for range in &self.ranges[1..] {
            supported = supported.with_implemented(range.clone());
        }
        for range in &self.known {
            supported = supported.with_known(range.clone());
        }
        for capability in &self.capabilities {
            supported = supported.with_capability(capability.clone());
        }
        match &self.floor {
            Some(floor) => supported.with_floor(floor.clone()),
            None => supported,
        }
    }
}

/// Tries every version of the world.
fn oracle(ours: &Parts, theirs: &Parts) -> Option<ProtocolVersion> {
    let speaks = |parts: &Parts, version: &ProtocolVersion| {
        parts.ranges.iter().any(|range| range.lowest() <= version && version <= range.highest())
            && parts.floor.as_ref().is_none_or(|floor| version >= floor)
    };
    world().into_iter().rfind(|version| speaks(ours, version) && speaks(theirs, version))
}

#[test]
fn negotiation_agrees_with_trying_every_version() {
    let (mut agreed, mut refused) = (0, 0);
    for case in 0..scaled(20_000) {
        let rng = &mut Rng::new(case as u64 + 1);
        let (a, b) = (Parts::any(rng), Parts::any(rng));
        let (ours, theirs) = (a.build(), b.build());
        let outcome = negotiate(&ours, &theirs);
        let expected = oracle(&a, &b);
        // All ends of ranges lie in the world, so the highest common version does, too.
        assert_eq!(
            outcome.as_ref().ok().map(|found| &found.version),
            expected.as_ref(),
            "case {case}"
        );
        match &outcome {
            Ok(agreement) => {
                agreed += 1;
                let both =
                    a.capabilities.iter().filter(|capability| b.capabilities.contains(capability));
                assert_eq!(agreement.capabilities, both.cloned().collect(), "case {case}");
            }
            Err(_) => refused += 1,
        }

        // Symmetric, and the order of the parts does not matter.
        let mirrored = negotiate(&theirs, &ours);
        assert_eq!(mirrored, outcome.clone().map_err(|refusal| refusal.swapped()), "case {case}");
        let mut shuffled = a.clone();
        rng.shuffle(&mut shuffled.ranges);
        rng.shuffle(&mut shuffled.known);
        rng.shuffle(&mut shuffled.capabilities);
        assert_eq!(shuffled.build(), ours, "case {case}");
        assert_eq!(negotiate(&ours, &theirs), outcome);

        if let Err(refusal) = outcome {
            assert!(!refusal.remedies().is_empty(), "case {case}: {refusal}");
            for remedy in refusal.remedies() {
                let (ours, theirs) = remedy.apply(refusal.ours(), refusal.theirs());
                assert!(negotiate(&ours, &theirs).is_ok(), "case {case}: {remedy} does not help");
            }
        }
    }
    assert!(
        agreed > scaled(2_000) && refused > scaled(2_000),
        "{agreed} agreed, {refused} refused"
    );
}

#[test]
fn equal_sets_are_equal_values_and_both_forms_read_back() {
    for case in 0..scaled(5_000) {
        let rng = &mut Rng::new(case as u64 + 77);
        let parts = Parts::any(rng);
        let supported = parts.build();
        assert_eq!(
            supported.to_string().parse::<SupportedVersions>().unwrap(),
            supported,
            "case {case}"
        );
        let json = supported.to_json();
        assert_eq!(SupportedVersions::from_json(json.as_str()).unwrap(), supported, "case {case}");
        let through: SupportedVersions =
            serde_json::from_str(&serde_json::to_string(&supported).unwrap()).unwrap();
        assert_eq!(through, supported);
        for version in world() {
            let inside = parts.ranges.iter().any(|range| range.contains(&version));
            assert_eq!(supported.implements(&version), inside);
            let known = inside || parts.known.iter().any(|range| range.contains(&version));
            assert_eq!(supported.knows(&version), known);
        }
        let ranges = supported.implemented();
        assert!(ranges.windows(2).all(|pair| pair[0].highest() < pair[1].lowest()));
    }
    let apart: SupportedVersions = "1.0.1+1.0.0+1.0.3".parse().unwrap();
    assert_eq!(apart.to_string(), "1.0.0..=1.0.1+1.0.3");
    let last = ProtocolVersion::new(1, 0, u64::MAX);
    assert_eq!(
        SupportedVersions::new(last.clone()).with_implemented(ProtocolVersion::V1_1_0).to_string(),
        format!("{last}..=1.1.0"),
        "nothing lies between them"
    );
}

#[test]
fn what_is_only_known_is_never_agreed_on() {
    let ours: SupportedVersions = "1.0.0,reads=1.0.0..=1.2.0".parse().unwrap();
    let theirs: SupportedVersions = "1.0.0..=1.2.0".parse().unwrap();
    assert!(ours.knows(&ProtocolVersion::V1_1_0) && !ours.implements(&ProtocolVersion::V1_1_0));
    assert_eq!(negotiate(&ours, &theirs).unwrap().version, ProtocolVersion::V1_0_0);
    let newer: SupportedVersions = "1.1.0..=1.2.0".parse().unwrap();
    assert!(negotiate(&ours, &newer).is_err());
    let json =
        r#"{"versions":[{"min":"1.1.0","max":"1.1.0"}],"known":[{"min":"1.0.0","max":"1.0.0"}]}"#;
    let read = SupportedVersions::from_json(json).unwrap();
    assert!(read.knows(&ProtocolVersion::V1_1_0), "what is implemented is known");
}

#[test]
fn the_current_versions_are_those_of_the_tables() {
    let current = SupportedVersions::current();
    assert_eq!(current.to_string(), "1.0.0+1.1.0");
    assert_eq!(SupportedVersions::default(), current);
    assert!(VERSIONS.iter().all(|version| current.implements(version)));
    assert!(VERSIONS.is_sorted());
    for spec in coordination_protocol::event::REGISTRY {
        assert!(current.implements(&spec.since), "{}", spec.event_type);
    }
}

fn refused(ours: &str, theirs: &str) -> Refusal {
    negotiate(&ours.parse().unwrap(), &theirs.parse().unwrap()).unwrap_err()
}

#[test]
fn refusals_say_what_would_help() {
    for (ours, theirs, sentence) in [
        (
            "1.1.0..=1.2.0",
            "1.0.0",
            "no version is common to 1.1.0..=1.2.0 (ours) and 1.0.0 (theirs); upgrade the peer to \
             at least 1.1.0, or let our side speak 1.0.0 as well",
        ),
        (
            "1.0.0..=1.1.0,floor=1.1.0",
            "1.0.0",
            "the highest common version is 1.0.0, below our floor 1.1.0; upgrade the peer to at \
             least 1.1.0, or lower the floor of our side to 1.0.0",
        ),
        (
            "1.0.0,floor=1.0.0",
            "1.0.0,floor=2.0.0",
            "the highest common version is 1.0.0, below the peer's floor 2.0.0; lower the floor \
             of the peer to 1.0.0",
        ),
        (
            "1.0.0,floor=1.1.0",
            "1.0.0,floor=1.2.0",
            "the highest common version is 1.0.0, below our floor 1.1.0 and the peer's floor \
             1.2.0; lower the floor of both sides to 1.0.0",
        ),
        (
            "1.0.0,floor=3.0.0",
            "2.0.0",
            "no version is common to 1.0.0 (ours) and 2.0.0 (theirs); upgrade both sides to at \
             least 3.0.0",
        ),
    ] {
        assert_eq!(refused(ours, theirs).to_string(), sentence);
    }
}

#[test]
fn a_refusal_carries_both_sides_as_data() {
    let refusal = refused("1.0.0..=1.1.0,floor=1.1.0", "1.0.0");
    assert_eq!(refusal.highest_common(), Some(&ProtocolVersion::V1_0_0));
    assert_eq!(
        refusal.remedies(),
        [
            Remedy::Upgrade { side: Side::Theirs, version: ProtocolVersion::V1_1_0 },
            Remedy::LowerFloor { side: Side::Ours, version: ProtocolVersion::V1_0_0 },
        ]
    );
    assert_eq!(
        serde_json::to_value(&refusal).unwrap(),
        json!({
            "ours": {"versions": [{"min": "1.0.0", "max": "1.1.0"}], "floor": "1.1.0"},
            "theirs": {"versions": [{"min": "1.0.0", "max": "1.0.0"}]},
            "highest_common": "1.0.0",
            "remedies": [
                {"do": "upgrade", "side": "theirs", "version": "1.1.0"},
                {"do": "lower-floor", "side": "ours", "version": "1.0.0"},
            ],
            "message": refusal.to_string(),
        })
    );
    assert_eq!(refusal.swapped().swapped(), refusal);
}

#[test]
fn agreements_have_a_json_form() {
    let capabilities = BTreeSet::from([Capability::new("batching").unwrap()]);
    let agreement = negotiate(
        &"1.0.0,capabilities=batching".parse().unwrap(),
        &"1.0.0,capabilities=batching".parse().unwrap(),
    )
    .unwrap();
    assert_eq!(agreement.capabilities, capabilities);
    let json = json!({"version": "1.0.0", "capabilities": ["batching"]});
    assert_eq!(serde_json::to_value(&agreement).unwrap(), json);
    assert_eq!(serde_json::from_value::<Agreement>(json).unwrap(), agreement);
    assert!(
        serde_json::from_str::<Agreement>(r#"{"version":"1.0.0","capabilities":["a b"]}"#).is_err()
    );
    assert_eq!(agreement.to_string(), "1.0.0 with batching");
}

#[test]
fn bad_texts_are_refused_with_their_place() {
    let version = "is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0`";
    for (text, at, reason) in [
        ("", 0, format!("`` {version}")),
        ("1.0", 0, format!("`1.0` {version}")),
        ("1.0.0+", 6, format!("`` {version}")),
        ("1.0.0..1.1.0", 5, "ranges include both ends; write `..=`".to_owned()),
        ("1.0.0..=1.x.0", 8, format!("`1.x.0` {version}")),
        ("1.0.0+2.0.0..=1.0.0", 6, "the range ends at 1.0.0, before it starts at 2.0.0".to_owned()),
        ("1.0.0,florr=1.0.0", 6, "`florr` is none of reads=, floor=, capabilities=".to_owned()),
        ("1.0.0,floor=1", 12, format!("`1` {version}")),
        ("1.0.0,floor=1.0.0,floor=1.1.0", 18, "`floor` is given twice".to_owned()),
        ("1.0.0,reads=1.0.0+x", 18, format!("`x` {version}")),
        (
            "1.0.0,capabilities=a+b c",
            21,
            "a capability name has 1 to 128 letters, digits, `_`, `-` and `.`".to_owned(),
        ),
        (
            "1.0.0,capabilities",
            19,
            "a capability name has 1 to 128 letters, digits, `_`, `-` and `.`".to_owned(),
        ),
    ] {
        let error = text.parse::<SupportedVersions>().unwrap_err();
        assert_eq!((error.at(), error.reason()), (Some(at), Some(reason.as_str())), "{text}");
        assert_eq!(error.to_string(), format!("{reason} (byte {at})"), "{text}");
    }
    let many = vec!["1.0.0"; 65].join("+");
    assert_eq!(
        many.parse::<SupportedVersions>().unwrap_err().to_string(),
        "more than 64 ranges (byte 384)"
    );
    let many: Vec<String> = (0..257).map(|n| format!("f{n}")).collect();
    let many = format!("1.0.0,capabilities={}", many.join("+"));
    assert!(
        many.parse::<SupportedVersions>()
            .unwrap_err()
            .to_string()
            .starts_with("more than 256 capabilities")
    );
}

#[test]
fn bad_json_is_refused_with_its_place() {
    for (json, message) in [
        ("[]", "expected an object, found an array (byte 0)"),
        (" {}", "`versions` is missing (byte 1)"),
        (r#"{"versions":[]}"#, "at least one range is needed at /versions (byte 12)"),
        (r#"{"versions":{}}"#, "expected an array, found an object at /versions (byte 12)"),
        (r#"{"versions":[{"min":"1.0.0"}]}"#, "`max` is missing at /versions/0 (byte 13)"),
        (
            r#"{"versions":[{"min":"1.0.0","max":"0.1.0"}]}"#,
            "the range ends at 0.1.0, before it starts at 1.0.0 at /versions/0 (byte 13)",
        ),
        (
            r#"{"versions":[{"min":"1.0.0","max":1}]}"#,
            "expected a string, found a number at /versions/0/max (byte 34)",
        ),
        (
            r#"{"versions":[{"min":"1.0.0","max":"1"}]}"#,
            "`1` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` \
             at /versions/0/max (byte 34)",
        ),
        (
            r#"{"versions":[{"min":"1.0.0","max":"1.0.0"}],"capabilities":["a","b c"]}"#,
            "a capability name has 1 to 128 letters, digits, `_`, `-` and `.` at /capabilities/1 (byte 64)",
        ),
        (r#"{"versions":[],"versions":[]}"#, "duplicate key (byte 15)"),
        (r#"{"versions":"#, "the text ends inside a value (byte 12)"),
    ] {
        assert_eq!(SupportedVersions::from_json(json).unwrap_err().to_string(), message, "{json}");
    }
    let error =
        SupportedVersions::from_json(r#"{"versions":[{"min":"1.0.0","max":1}]}"#).unwrap_err();
    assert_eq!((error.pointer(), error.at()), ("/versions/0/max", Some(34)));
    let later = r#"{"versions":[{"min":"1.0.0","max":"1.0.0","why":1}],"transports":["tcp"]}"#;
    assert_eq!(
        SupportedVersions::from_json(later).unwrap().to_string(),
        "1.0.0",
        "later keys are passed over"
    );
}

#[test]
fn a_transition_keeps_what_peers_still_need() {
    let mut transition = Transition::new(SupportedVersions::current());
    assert!(transition.versions().is_empty());
    assert!(transition.meet("old", "1.0.0".parse().unwrap()).is_ok());
    assert!(transition.meet("new", "1.0.0..=1.1.0".parse().unwrap()).is_ok());
    assert!(transition.meet("alien", "3.0.0".parse().unwrap()).is_err());
    assert!(transition.versions().into_iter().eq(VERSIONS));
    let blockers: Vec<_> = transition.blockers(&ProtocolVersion::V1_1_0).collect();
    assert_eq!(blockers, ["old"], "who is refused anyway blocks nothing");
    let blockers: Vec<_> = transition.blockers(&ProtocolVersion::new(2, 0, 0)).collect();
    assert_eq!(blockers, ["new", "old"]);
    assert_eq!(transition.outcomes().count(), 3);

    transition.meet("old", "1.0.0..=1.1.0".parse().unwrap());
    assert!(transition.versions().into_iter().eq([&ProtocolVersion::V1_1_0]));
    assert!(transition.leave("old") && !transition.leave("old"));
    assert!(transition.outcome("old").is_none() && transition.outcome("new").is_some());
}

#[test]
fn greetings_carry_what_is_supported() {
    let component = ComponentId::new("hub").unwrap();
    for case in 0..scaled(1_000) {
        let rng = &mut Rng::new(case as u64 + 31);
        let (ours, theirs) = (Parts::any(rng).build(), Parts::any(rng).build());
        let hello = ours.hello(component.clone());
        let text = Envelope::new(EnvelopeHeader::new(), hello.clone()).to_string();
        let read: Envelope = text.parse().unwrap();
        let Message::Hello(read) = &read.message else { panic!("{text}") };
        assert_eq!(SupportedVersions::from_hello(read).unwrap(), ours, "case {case}: {text}");
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let body = body["hello"].to_string();
        assert_eq!(SupportedVersions::from_json(&body).unwrap(), ours, "case {case}: one spelling");
        if let Ok(agreement) = negotiate(&ours, &theirs) {
            let welcome = agreement.welcome(component.clone());
            assert_eq!(Agreement::from_welcome(&welcome).unwrap(), agreement);
        }
    }
}

#[test]
fn unusable_greetings_are_refused_with_their_place() {
    let (v1, v2) = (ProtocolVersion::V1_0_0, ProtocolVersion::V1_1_0);
    let hub = ComponentId::new("hub").unwrap();
    let hello = |ranges: Vec<WireRange>| Hello::new(hub.clone(), ranges);
    let sound = vec![WireRange::new(v1.clone(), v2.clone())];
    let turned = WireRange::new(v2.clone(), v1.clone());
    for (hello, message) in [
        (hello(vec![]), "at least one range is needed at /versions"),
        (
            hello(vec![sound[0].clone(), turned]),
            "the range ends at 1.0.0, before it starts at 1.1.0 at /versions/1",
        ),
        (
            hello(sound.clone()).with_capabilities(vec!["a".to_owned(), "b c".to_owned()]),
            "a capability name has 1 to 128 letters, digits, `_`, `-` and `.` at /capabilities/1",
        ),
    ] {
        assert_eq!(SupportedVersions::from_hello(&hello).unwrap_err().to_string(), message);
    }
    let known = hello(sound).with_extra("known", 7).unwrap();
    assert_eq!(SupportedVersions::from_hello(&known).unwrap_err().pointer(), "/known");
    let welcome = Welcome::new(hub, v1).with_capabilities(vec![String::new()]);
    assert_eq!(Agreement::from_welcome(&welcome).unwrap_err().pointer(), "/capabilities/0");
}
