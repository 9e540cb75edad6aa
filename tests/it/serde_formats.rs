//! The matrix of serde: what is written in any format and any shape is read back, or is an error when it
//! is written. A spelling may be lost on the way, a value never.

use coordination_protocol::event::{Event, EventRef};
use coordination_protocol::json::{Json, Limits, canonical};
use coordination_protocol::message::{
    AllocationRequest, CheckpointSync, ComponentRegistration, Envelope, EnvelopeHeader,
    ErrorReport, HealthStatus, Message, WorkflowState,
};
use coordination_protocol::scalar::{
    Amount, ByteSize, ComponentId, Count, Digest, Percent, Priority, ProtocolVersion, Quantity,
    Ratio, Severity, Span, Timestamp, WallTime, Window, WorkflowId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum External<T> {
    One(T),
    Named { inner: T },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tag")]
enum Internal<T> {
    Named { inner: T },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tag")]
enum InternalNewtype<T> {
    One(T),
}

/// The content may stand before the tag, so it is buffered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "a_tag", content = "content")]
enum Adjacent<T> {
    One(T),
    Named { inner: T },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged<T> {
    Named { inner: T },
    One(T),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat<T> {
    seen_at: u64,
    #[serde(flatten)]
    inner: T,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plain<T> {
    first: Option<T>,
    list: Vec<T>,
    map: BTreeMap<String, T>,
}

const MAGIC: &str = "$serde_json";

/// What a value means, whatever the spelling of its numbers; of numbers that the canonical form
/// refuses, the spelling.
fn meaning<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap();
    canonical(&text, &Limits::DEFAULT).unwrap_or(text)
}

trait Sample: Clone + Debug + PartialEq + Serialize + DeserializeOwned {}
impl<T: Clone + Debug + PartialEq + Serialize + DeserializeOwned> Sample for T {}

/// Written in a format and read back: the same meaning. `Ok(false)` where it could not be written.
fn trip<T: Serialize + DeserializeOwned>(name: &str, value: &T) -> Result<bool, String> {
    let want = meaning(value);
    let told = |read: Result<T, String>, written: &dyn Debug| match read {
        Ok(read) if meaning(&read) == want => Ok(true),
        Ok(read) => Err(format!("{name}: {want} came back as {} from {written:?}", meaning(&read))),
        Err(error) => {
            Err(format!("{name}: {want} was written as {written:?}, which cannot be read: {error}"))
        }
    };
    match name {
        "json" => {
            let Ok(text) = serde_json::to_string_pretty(value) else { return Ok(false) };
            assert!(!text.contains(MAGIC), "{text}");
            told(serde_json::from_str(&text).map_err(|e| e.to_string()), &text)?;
            told(serde_json::from_reader(text.as_bytes()).map_err(|e| e.to_string()), &text)
        }
        "tree" => {
            let Ok(tree) = serde_json::to_value(value) else { return Ok(false) };
            assert!(!tree.to_string().contains(MAGIC), "{tree}");
            told(T::deserialize(&tree).map_err(|e| e.to_string()), &tree)?;
            told(serde_json::from_value(tree.clone()).map_err(|e| e.to_string()), &tree)
        }
        "cbor" => {
            let mut bytes = Vec::new();
            if ciborium::into_writer(value, &mut bytes).is_err() {
                return Ok(false);
            }
            assert!(!String::from_utf8_lossy(&bytes).contains(MAGIC));
            let tree: ciborium::Value = ciborium::from_reader(&*bytes).unwrap();
            told(ciborium::from_reader(&*bytes).map_err(|e| e.to_string()), &tree)
        }
        "messagepack" | "messagepack with names" => {
            let bytes = match name {
                "messagepack" => rmp_serde::to_vec(value),
                _ => rmp_serde::to_vec_named(value),
            };
            let Ok(bytes) = bytes else { return Ok(false) };
            assert!(!String::from_utf8_lossy(&bytes).contains(MAGIC));
            told(rmp_serde::from_slice(&bytes).map_err(|e| e.to_string()), &bytes)
        }
        _ => {
            let Ok(bytes) = postcard::to_stdvec(value) else { return Ok(false) };
            told(postcard::from_bytes(&bytes).map_err(|e| e.to_string()), &bytes)
        }
    }
}

const DESCRIBED: [&str; 4] = ["json", "tree", "cbor", "messagepack with names"];

/// All shapes in all formats that have them.
fn everywhere<T: Sample>(value: &T) {
    let must = |done: Result<bool, String>| match done {
        Ok(written) => assert!(written, "{value:?} was not written"),
        Err(told) => panic!("{told}"),
    };
    for format in ["json", "tree", "cbor", "messagepack", "messagepack with names", "postcard"] {
        must(trip(format, value));
        let mut map = BTreeMap::new();
        map.insert("k".to_owned(), value.clone());
        let list = vec![value.clone(), value.clone()];
        must(trip(format, &Plain { first: Some(value.clone()), list, map }));
        must(trip(format, &External::One(value.clone())));
        must(trip(format, &External::Named { inner: value.clone() }));
    }
    for format in DESCRIBED {
        must(trip(format, &Internal::Named { inner: value.clone() }));
        must(trip(format, &Adjacent::One(value.clone())));
        must(trip(format, &Adjacent::Named { inner: value.clone() }));
        must(trip(format, &Untagged::Named { inner: value.clone() }));
        must(trip(format, &Untagged::One(value.clone())));
    }
    // JSON text keeps the spelling itself.
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value);
}

/// What is an object may stand flat beside other fields, or beside its tag.
fn flat<T: Sample>(value: &T) {
    everywhere(value);
    for format in DESCRIBED {
        let flat = Flat { seen_at: 7, inner: value.clone() };
        assert_eq!(trip(format, &flat), Ok(true), "{value:?}");
        assert_eq!(trip(format, &InternalNewtype::One(value.clone())), Ok(true), "{value:?}");
    }
    // Postcard has no maps without a length: an error while writing.
    assert_eq!(trip("postcard", &Flat { seen_at: 7, inner: value.clone() }), Ok(false));
    assert_eq!(trip("postcard", &InternalNewtype::One(value.clone())), Ok(false));
}

/// Formats that are not for humans hold one string.
fn one_string<T: Sample>(value: &T, text: &str) {
    let mut cbor = Vec::new();
    ciborium::into_writer(value, &mut cbor).unwrap();
    assert_eq!(ciborium::from_reader::<String, _>(&*cbor).unwrap(), text);
    let packed = rmp_serde::to_vec(value).unwrap();
    assert_eq!(rmp_serde::from_slice::<String>(&packed).unwrap(), text);
    assert_eq!(postcard::to_stdvec(value).unwrap(), postcard::to_stdvec(text).unwrap());
}

const STATE: &str = r#"{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z",
    "agent_states":{"agent_1":{"status":"working","current_task":"t1","progress":94.20,"own":{"n":-1.50e2}}},
    "resource_usage":{"memory_current":2.50,"tokens":9007199254740991,"none":null,"list":[1,2.0,"x",true,[],{}]},
    "metadata":{"small":0.1,"\u00fc \"q\"":"\n"},"surprise":[{"deep":[null]}]}"#;

#[test]
fn messages_pass_every_format_in_every_shape() {
    let state: WorkflowState = serde_json::from_str(STATE).unwrap();
    flat(&state);
    one_string(&state, &serde_json::to_string(&state).unwrap());
    let mut envelope = Envelope::from(state);
    envelope.header = envelope.header.with_source(ComponentId::new("hub").unwrap());
    flat(&envelope);
    flat(&envelope.message);
    flat(&envelope.header);
    one_string(&envelope, &envelope.to_string());
    let line = r#"PHASE_PROGRESS:wf_001:testing:{"phase_id":4,"progress_percentage":67.50,"eta_update":"20m","x":[1.0]}"#;
    let event: Event = line.parse().unwrap();
    flat(&event);
    flat(&Envelope::from(event.clone()));
    one_string(&event, &serde_json::to_string(&event).unwrap());
    let borrowed = EventRef::parse(line).unwrap();
    assert_eq!(serde_json::to_string(&borrowed).unwrap(), serde_json::to_string(&event).unwrap());
    let custom: Event = serde_json::from_str(
        r#"{"event_type":"SHIP_DONE","workflow_id":"wf","phase":"global","data":{"n":1}}"#,
    )
    .unwrap();
    flat(&custom);
}

#[test]
fn every_document_passes_every_format_in_every_shape() {
    let mut seen = 0;
    let stream = include_str!("../../examples/documents.json");
    for envelope in serde_json::Deserializer::from_str(stream).into_iter::<Envelope>() {
        let envelope = envelope.unwrap();
        flat(&envelope);
        flat(&envelope.message);
        seen += 1;
        match envelope.message {
            Message::AllocationRequest(body) => flat::<AllocationRequest>(&body),
            Message::CheckpointSync(body) => flat::<CheckpointSync>(&body),
            Message::ComponentRegistration(body) => flat::<ComponentRegistration>(&body),
            Message::ErrorReport(body) => flat::<ErrorReport>(&body),
            Message::HealthStatus(body) => flat::<HealthStatus>(&body),
            _ => {}
        }
    }
    assert!(seen >= 20, "{seen}");
    flat(&EnvelopeHeader::new());
}

#[test]
fn scalars_pass_every_format_in_every_shape() {
    for count in ["0", "5", "8.0", "8e0", "9007199254740993", "18446744073709551615"] {
        let count: Count = count.parse().unwrap();
        everywhere(&count);
        one_string(&count, count.as_str());
    }
    for number in ["-0.0", "94.20", "1e3", "-9223372036854775808", "0.1", "5e-324", "12.0"] {
        let number: Quantity = number.parse().unwrap();
        everywhere(&number);
        one_string(&number, number.as_str());
    }
    everywhere(&Percent::parse("94.20").unwrap());
    everywhere(&Ratio::parse("0.90").unwrap());
    everywhere(&Amount::parse("2.50").unwrap());
    everywhere(&Span::new("2h 30m").unwrap());
    everywhere(&Span::from_lenient("soon"));
    everywhere(&Timestamp::new("2025-01-15T12:00:00Z").unwrap());
    everywhere(&Window::new("12:30-13:00").unwrap());
    everywhere(&ByteSize::new("2.5GB").unwrap());
    everywhere(&Digest::of(b"x"));
    everywhere(&WorkflowId::new("wf_001").unwrap());
    everywhere(&Priority::High);
    everywhere(&Severity::from_lenient("warning"));
    everywhere(&"1.1.0".parse::<ProtocolVersion>().unwrap());
    everywhere(&WallTime::from(1_736_942_400_000));
}

#[test]
fn open_values_pass_every_format_in_every_shape() {
    for text in [
        "null",
        "true",
        "12",
        "12.0",
        "-1.50e2",
        "\"5\"",
        "\"plain\"",
        "\"{\\\"a\\\":1}\"",
        "[]",
        "{}",
        r#"{"b":[1,{"c":null}],"a":"x"}"#,
        "18446744073709551615",
        "9007199254740993",
    ] {
        let value: Json = text.parse().unwrap();
        // An optional value that is null is none in serde, whatever the type.
        if text != "null" {
            everywhere(&value);
        }
        one_string(&value, text);
    }
}

#[test]
fn numbers_are_keys_of_maps() {
    let map: BTreeMap<String, u8> = [("94.20".to_owned(), 1)].into();
    let counts: std::collections::HashMap<Count, u8> = [(Count::new(5), 1)].into();
    let text = serde_json::to_string(&counts).unwrap();
    assert_eq!(text, r#"{"5":1}"#);
    assert_eq!(
        serde_json::from_str::<std::collections::HashMap<Count, u8>>(&text).unwrap(),
        counts
    );
    let tree = serde_json::to_value(&counts).unwrap();
    assert_eq!(
        serde_json::from_value::<std::collections::HashMap<Count, u8>>(tree).unwrap(),
        counts
    );
    let shares: std::collections::HashMap<Quantity, u8> =
        serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
    assert_eq!(shares.keys().next().unwrap().as_str(), "94.20");
}

/// What a buffer cannot hold exactly is refused when it is written, or when it is read.
#[test]
fn no_value_is_lost_in_a_buffer() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Open {
        value: Json,
    }
    for number in [
        "18446744073709551616",
        "1e30",
        "-9223372036854775809",
        "0.1000000000000000000000001",
        "1e999",
    ] {
        let value: Quantity = number.parse().unwrap();
        assert_eq!(
            serde_json::from_str::<Quantity>(&serde_json::to_string(&value).unwrap()).unwrap(),
            value
        );
        assert!(serde_json::to_value(&value).is_err(), "{number}");
        let flat = Flat { seen_at: 1, inner: Open { value: number.parse().unwrap() } };
        // Text keeps it, flat as well; what reads it into a buffer may not.
        let text = serde_json::to_string(&flat).unwrap();
        assert!(text.contains(number), "{text}");
        for read in [
            serde_json::from_str::<Flat<Open>>(&text).err(),
            serde_json::from_str::<Untagged<Quantity>>(number).err(),
        ] {
            let fraction = number.starts_with("0.");
            assert_eq!(read.is_some(), !fraction, "{number}: {read:?}");
        }
    }
    let error = serde_json::to_value(Quantity::parse("18446744073709551616").unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the number 18446744073709551616 fits into no double and no 64 bits exactly; only JSON text holds it"
    );
    let text = r#"{"seen_at":1,"value":18446744073709551616}"#;
    let error = serde_json::from_str::<Flat<Open>>(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the whole number 18446744073709552000 arrived as a double, beyond 2^53, so it may not be what was \
         written at line 1 column 42"
    );
    // A tag beside a number has no place: an error, and no key that nothing reads.
    let error = serde_json::to_string(&InternalNewtype::One(Count::new(5))).unwrap_err();
    assert!(error.to_string().contains("cannot serialize tagged newtype variant"), "{error}");
    let flat = serde_json::to_string(&Flat { seen_at: 1, inner: Count::new(5) });
    assert_eq!(flat.unwrap_err().to_string(), "can only flatten structs and maps (got an integer)");
}

#[test]
fn what_is_no_number_is_refused_as_before() {
    for text in ["\"5\"", "null", "{}", "[5]", "-1", "5.5", "true"] {
        assert!(serde_json::from_str::<Count>(text).is_err(), "{text}");
    }
    for text in ["null", "{}", "[5]", "-1", "5.5", "true"] {
        assert!(serde_json::from_str::<Untagged<Count>>(text).is_err(), "{text}");
    }
    let repeated =
        r#"{"seen_at":1,"release":{"allocation_id":"a","allocation_id":"b","release_reason":"x"}}"#;
    assert!(serde_json::from_str::<Flat<Envelope>>(repeated).is_err());
    let mut cbor = Vec::new();
    ciborium::into_writer(r#"{"a":1,"a":2}"#, &mut cbor).unwrap();
    let error = ciborium::from_reader::<Json, _>(&*cbor).unwrap_err();
    assert!(error.to_string().contains("duplicate key"), "{error}");
}
