//! The JSON scanner against `serde_json`, and RFC 8785 against its published vectors.

use crate::fuzz_corpus::bodies;
use crate::support::{Drawn, Quotes, Rng, any_value, mutate, scaled, write_object};
use coordination_protocol::json::{
    self, Dialect, FaultKind, Json, JsonError, Limits, canonical, elements, members, pointer,
};
use coordination_protocol::merge::{MergePolicy, MergeRule, Row};
use coordination_protocol::route::Field;
use coordination_protocol::version::FieldPath;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::{HashMap, HashSet};
use std::fmt;

fn check(text: &str) -> Result<(), json::JsonFault> {
    json::check(text, Dialect::Strict, &bodies::LIMITS)
}

fn canon(text: &str) -> String {
    canonical(text, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Whether any object of a JSON text repeats a key, found by `serde`'s own walk.
struct Repeats(bool);

impl<'de> Deserialize<'de> for Repeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Repeats;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_str<E>(self, _: &str) -> Result<Repeats, E> {
                Ok(Repeats(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Repeats, A::Error> {
                let mut repeats = false;
                while let Some(item) = seq.next_element::<Repeats>()? {
                    repeats |= item.0;
                }
                Ok(Repeats(repeats))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeats, A::Error> {
                let mut keys = HashSet::new();
                let mut repeats = false;
                while let Some((key, value)) = map.next_entry::<String, Repeats>()? {
                    repeats |= !keys.insert(key) | value.0;
                }
                Ok(Repeats(repeats))
            }
        }
        deserializer.deserialize_any(Walk)
    }
}

/// Data of generated events, in both kinds of quotes, and some shapes of their own.
fn payloads() -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for number in 0..150 {
        let drawn = Drawn::new(number);
        let quotes = if number % 10 == 0 { Quotes::Single } else { Quotes::Double };
        let mut text = String::new();
        write_object(&drawn.entries(), quotes, &mut text);
        payloads.push(text.into_bytes());
    }
    payloads.retain(|payload| payload.len() < 400);
    let keys: Vec<String> = (0..40).map(|key| format!("\"k{key}\":{key}")).collect();
    payloads.push(format!("{{{}}}", keys.join(",")).into_bytes());
    for text in [
        "{}",
        " [ ] ",
        "\"\"",
        "0",
        "[1,2.5e-3,true,false,null]",
        "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
        "{\"a\":1,\"\\u0061\":2}",
        "\"\\ud83d\\ude00\\u0000\\/\"",
        "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
    ] {
        payloads.push(text.as_bytes().to_vec());
    }
    payloads
}

#[test]
fn mutations_get_the_verdict_of_serde_json() {
    let payloads = payloads();
    let rng = &mut Rng::new(1);
    let (mut accepted, mut repeated) = (0, 0);
    for case in 0..scaled(300_000) {
        let mut bytes = payloads[rng.below(payloads.len())].clone();
        mutate(rng, &mut bytes);
        let theirs = serde_json::from_slice::<Repeats>(&bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            assert!(theirs.is_err(), "case {case}: {bytes:?}");
            continue;
        };
        match (check(text), theirs) {
            (Ok(()), Ok(Repeats(false))) => accepted += 1,
            (Err(fault), Ok(Repeats(true))) => {
                assert_eq!(fault.kind, FaultKind::DuplicateKey, "case {case}: {text}");
                repeated += 1;
            }
            (Err(fault), Err(_)) => {
                assert!(text.is_char_boundary(fault.range.start), "case {case}: {text}");
                assert!(text.is_char_boundary(fault.range.end), "case {case}: {text}");
            }
            // The scanner passes a number beyond a double, or stops at what comes before it.
            (Ok(()), Err(error)) if error.to_string().starts_with("number out of range") => {}
            (mine, theirs) => panic!(
                "case {case}: {text}\nscanner {mine:?}, serde_json repeats {:?}",
                theirs.map(|repeats| repeats.0)
            ),
        }
        if case % 20 == 0 {
            bodies::scanner(&bytes);
        }
    }
    assert!(accepted > 10_000 && repeated > 100, "{accepted} accepted, {repeated} repeated");
}

#[test]
fn generated_values_are_walked_as_serde_json_walks_them() {
    let rng = &mut Rng::new(2);
    for _ in 0..scaled(3_000) {
        let text = any_value(rng, 120).to_json();
        assert_eq!(check(&text), Ok(()), "{text}");
        bodies::scanner(text.as_bytes());
    }
}

#[test]
fn depth_ends_where_the_limit_says() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [1, 2, 127, 128, 129, 512] {
            let limits = Limits::default().with_depth(depth);
            let nest = |count: usize| {
                let inner = if open == "[" { "" } else { "0" };
                format!("{}{inner}{}", open.repeat(count), close.repeat(count))
            };
            assert_eq!(json::check(&nest(depth), Dialect::Strict, &limits), Ok(()));
            let fault = json::check(&nest(depth + 1), Dialect::Strict, &limits).unwrap_err();
            assert_eq!(fault.kind, FaultKind::TooDeep);
            assert_eq!(fault.range, depth * open.len()..depth * open.len() + 1);
        }
    }
    // The other reader draws its line one level earlier; otherwise they agree.
    let nest = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
    assert!(serde_json::from_str::<serde_json::Value>(&nest(127)).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(&nest(128)).is_err());
}

#[test]
fn limits_hold_to_the_byte_and_the_key() {
    let text = r#"{"a":1,"b":{"a":1,"b":2}}"#;
    let at = |limits: Limits| json::check(text, Dialect::Strict, &limits).map_err(|f| f.kind);
    let limits = Limits::default();
    assert_eq!(at(limits.with_bytes(text.len())), Ok(()));
    assert_eq!(at(limits.with_bytes(text.len() - 1)), Err(FaultKind::TooLong));
    assert_eq!(at(limits.with_keys(2)), Ok(()));
    assert_eq!(at(limits.with_keys(1)), Err(FaultKind::TooManyKeys));
    assert_eq!(at(limits.with_depth(2)), Ok(()));
    assert_eq!(at(limits.with_depth(1)), Err(FaultKind::TooDeep));
    assert_eq!(at(limits.with_depth(0)), Err(FaultKind::TooDeep));
    assert_eq!(json::check("1", Dialect::Strict, &limits.with_depth(0)), Ok(()));
    // A text that is cut inside a character.
    let fault = json::check("\"é\"", Dialect::Strict, &limits.with_bytes(2)).unwrap_err();
    assert_eq!((fault.kind, fault.range), (FaultKind::TooLong, 1..4));
}

/// Wide objects, in order and out of order, with and without a key that is there twice: the fault is
/// at the first repetition, whatever the order.
#[test]
fn repeated_keys_of_wide_objects_are_found() {
    let mut rng = Rng::new(41);
    for case in 0..scaled(600) {
        let count = 60 + rng.below(80);
        let mut keys: Vec<String> = (0..count).map(|at| format!("key_{at:04}")).collect();
        match case % 3 {
            0 => {}
            1 => rng.shuffle(&mut keys[..]),
            _ => keys.swap(rng.below(count), count - 1),
        }
        if rng.one_in(2) {
            let (from, to) = (rng.below(count), rng.below(count));
            keys[to] = keys[from].clone();
        }
        if rng.one_in(4) {
            let at = rng.below(count);
            keys[at] = keys[at].replace("key", "\\u006bey");
        }
        let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":{{}}")).collect();
        let text = format!("{{{}}}", members.join(","));
        let meant: Vec<String> = keys.iter().map(|key| key.replace("\\u006b", "k")).collect();
        let repeated = (0..count).find(|at| meant[..*at].contains(&meant[*at]));
        let at = repeated.map(|at| 1 + members[..at].iter().map(|m| m.len() + 1).sum::<usize>());
        let told = check(&text).err();
        assert!(told.iter().all(|fault| fault.kind == FaultKind::DuplicateKey));
        assert_eq!(told.map(|fault| fault.range.start), at, "{text}");
    }
}

#[test]
fn faults_point_at_the_byte() {
    use FaultKind::{BadEscape, ControlCharacter, DuplicateKey, LoneSurrogate, TrailingText};
    let kind = |expected: &'static str| FaultKind::Unexpected { expected };
    for (text, expected, range) in [
        ("", FaultKind::UnexpectedEnd, 0..0),
        ("  ", FaultKind::UnexpectedEnd, 2..2),
        ("{", FaultKind::UnexpectedEnd, 1..1),
        ("{\"a\"", FaultKind::UnexpectedEnd, 4..4),
        ("[1,", FaultKind::UnexpectedEnd, 3..3),
        ("\"ab", FaultKind::UnexpectedEnd, 3..3),
        ("\"ab\\", FaultKind::UnexpectedEnd, 4..4),
        ("tru", FaultKind::UnexpectedEnd, 3..3),
        ("-", FaultKind::UnexpectedEnd, 1..1),
        ("1.", FaultKind::UnexpectedEnd, 2..2),
        ("1e+", FaultKind::UnexpectedEnd, 3..3),
        ("trub", kind("a value"), 0..4),
        ("é", kind("a value"), 0..2),
        ("[1,]", kind("a value"), 3..4),
        ("{\"a\":1,}", kind("a key in double quotes"), 7..8),
        ("{a:1}", kind("a key in double quotes"), 1..2),
        ("{\"a\" 1}", kind("`:` after the key"), 5..6),
        ("{\"a\":1 \"b\":2}", kind("`,` or `}`"), 7..8),
        ("[1 2]", kind("`,` or `]`"), 3..4),
        ("-a", kind("a digit"), 0..2),
        ("1.e5", kind("a digit after the decimal point"), 0..4),
        ("1ex", kind("a digit of the exponent"), 0..3),
        ("01", kind("a value"), 0..2),
        ("1 2", TrailingText, 2..3),
        ("\"a\nb\"", ControlCharacter, 2..3),
        ("\"12345678\u{0}\"", ControlCharacter, 9..10),
        ("\"\\x\"", BadEscape, 1..3),
        ("\"\\é\"", BadEscape, 1..4),
        ("\"\\u12g4\"", BadEscape, 1..3),
        ("\"\\'\"", BadEscape, 1..3),
        ("\"\\ud800\"", LoneSurrogate, 1..7),
        ("\"\\udc00\"", LoneSurrogate, 1..7),
        ("\"\\ud800\\u0041\"", LoneSurrogate, 1..7),
        ("\"\\ud800\\ud800\"", LoneSurrogate, 1..7),
        ("'a'", FaultKind::SingleQuoted, 0..1),
        ("{\"a\":1,\"\\u0061\":2}", DuplicateKey, 7..15),
        ("[{\"x\":{},\"x\":[]}]", DuplicateKey, 9..12),
    ] {
        let fault = check(text).expect_err(text);
        assert_eq!((fault.kind, fault.range), (expected, range), "{text:?}");
    }
}

#[test]
fn a_scan_may_start_anywhere() {
    struct Quiet;
    impl json::Visit for Quiet {}
    let text = "é[1] 𝒳";
    for from in 0..text.len() + 3 {
        let scanned = json::scan(text, from, &Limits::default(), &mut Quiet);
        assert_eq!(scanned.is_ok(), [2, 3].contains(&from), "{from}: {scanned:?}");
    }
}

#[test]
fn pointers_read_as_rfc_6901_has_them() {
    let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    for path in [
        "",
        "/foo",
        "/foo/0",
        "/",
        "/a~1b",
        "/c%d",
        "/e^f",
        "/g|h",
        "/i\\j",
        "/k\"l",
        "/ ",
        "/m~0n",
        "/foo/2",
        "/foo/00",
        "/foo/+0",
        "/foo/-",
        "/foo/-0",
        "/foo/ 0",
        "/foo/",
        "/nope",
        "foo",
        "/foo/0/0",
        "/foo/18446744073709551616",
    ] {
        let found = pointer::find(text, 0, path).map(|token| token.raw(text));
        let found = found.map(|raw| serde_json::from_str::<serde_json::Value>(raw).unwrap());
        assert_eq!(found.as_ref(), value.pointer(path), "{path}");
    }
}

/// `~0` and `~1` are the only escapes, and an index has one spelling. Whatever takes a pointer says so.
#[test]
fn what_is_no_pointer_names_nothing_anywhere() {
    let text = r#"{"a~2b":1,"a~":2,"~":3,"a":[10,[20]],"b":"x","":{"":4}}"#;
    let named = |path| pointer::find(text, 0, path).map(|token| token.raw(text));
    for (path, value) in
        [("/a~02b", "1"), ("/a~0", "2"), ("/~0", "3"), ("/a/1/0", "20"), ("//", "4"), ("", text)]
    {
        assert_eq!(named(path), Some(value), "{path}");
    }
    for path in ["/a~2b", "/a~", "/~", "/~~0", "/a~ 0", "/a/~0", "a", "a/0", "~0", "/é~é"] {
        assert_eq!(named(path), None, "{path}");
    }
    for index in [
        "00",
        "01",
        "-",
        "-0",
        "-1",
        "+1",
        "+0",
        " 1",
        "1 ",
        "1.0",
        "1e0",
        "0x1",
        "",
        "١",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        assert!(pointer::find(text, 0, &format!("/a/{index}")).is_none(), "{index}");
        // As a key it is one like any other.
        let text = format!("{{\"{index}\":7}}");
        let found = pointer::find(&text, 0, &format!("/{index}")).map(|token| token.raw(&text));
        assert_eq!(found, Some("7"), "{index}");
    }
    for bad in ["/a~2b", "/a~", "/~", "/x/~~/y"] {
        assert!(Field::parse(bad).is_err(), "{bad}");
        assert!(Row::new(bad, MergeRule::Highest).is_err(), "{bad}");
        assert!(MergePolicy::default().with_clock(bad).is_err(), "{bad}");
        assert!(FieldPath::new(&format!("TASK_FAILED{bad}")).is_err(), "{bad}");
    }
}

/// Whatever keys a document has, the pointer of each place leads back to it.
#[test]
fn every_place_is_found_by_its_own_pointer() {
    for case in 0..scaled(300) {
        let rng = &mut Rng::new(case as u64 + 11);
        let mut key = || -> String {
            (0..rng.below(4)).map(|_| rng.pick(&["~", "/", "0", "1", "a", "2"])).collect()
        };
        let (one, two, three) = (key(), key(), key());
        let text = serde_json::json!({ one: [{ two: { three: "here" } }, 2] }).to_string();
        let at = text.find("here").unwrap();
        let path = pointer::locate(&text, 0, at);
        let found = pointer::find(&text, 0, &path).unwrap();
        assert_eq!(found.raw(&text), "\"here\"", "{text} {path}");
    }
}

#[test]
fn members_and_elements_step_over_everything_inside() {
    let text = " { \"a\" : [ 1 , {\"x\":\"}],\\\"\"} ] , \"\\u0062\" : \"\\\\\" , \"c\":-1.5e3 } ";
    let found: Vec<_> = members(text, 1)
        .map(|(key, value)| (key.decode(text).into_owned(), value.raw(text)))
        .collect();
    let expected = [("a", "[ 1 , {\"x\":\"}],\\\"\"} ]"), ("b", "\"\\\\\""), ("c", "-1.5e3")]
        .map(|(k, v)| (k.to_owned(), v));
    assert_eq!(found, expected);
    let open = text.find('[').unwrap();
    let found: Vec<_> = elements(text, open).map(|token| token.raw(text)).collect();
    assert_eq!(found, ["1", "{\"x\":\"}],\\\"\"}"]);
    assert_eq!(elements("[]", 0).count() + members("{ }", 0).count(), 0);
}

#[test]
fn a_value_keeps_its_spelling() {
    for (text, kept) in [
        ("12.0", "12.0"),
        (" 1e5\n", "1e5"),
        ("-0", "-0"),
        ("1.50", "1.50"),
        ("1E+400", "1E+400"),
        ("{ \"b\" : 1.0 ,\r\n\t\"a\" : [ ] }", "{\"b\":1.0,\"a\":[]}"),
        ("\" \\u00e9 \\/ it's \"", "\" \\u00e9 \\/ it's \""),
    ] {
        let value: Json = text.parse().unwrap();
        assert_eq!(value.as_str(), kept);
        assert_eq!(serde_json::to_string(&value).unwrap(), kept);
        assert_eq!(serde_json::from_str::<Json>(kept).unwrap_or_else(|_| value.clone()), value);
    }
    // Raw JSON that somebody else hands over may be laid out over lines; a line has none.
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str("{ \"a\" :\n 1.0 }").unwrap();
    assert_eq!(Json::of(&raw).unwrap().as_str(), "{\"a\":1.0}");
}

#[test]
fn rfc_8785_example() {
    let text = r#"{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"#;
    let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(canon(text), expected);
}

#[test]
fn rfc_8785_sorting() {
    let text = r#"{
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let sorted = canon(text);
    let values: Vec<_> = members(&sorted, 0).map(|(_, value)| value.inner(&sorted)).collect();
    assert_eq!(
        values,
        [
            "Carriage Return",
            "One",
            "Control",
            "Latin Small Letter O With Diaeresis",
            "Euro Sign",
            "Emoji: Grinning Face",
            "Hebrew Letter Dalet With Dagesh",
        ]
    );
}

#[test]
fn rfc_8785_numbers() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let double = f64::from_bits(bits);
        assert_eq!(canon(&format!("{double:e}")), expected, "{bits:016x}");
        assert_eq!(canon(expected), expected, "the canonical spelling is its own");
    }
}

#[test]
fn canonical_form_refuses_what_a_double_would_change() {
    for (text, at) in [
        ("9007199254740993", 0),
        ("-9007199254740993", 0),
        ("[1, 9007199254740993]", 4),
        ("1e999", 0),
        ("{\"a\":-1E400}", 5),
        ("18446744073709551615", 0),
        ("123456789012345678901234567890123456789012345678901234567890", 0),
    ] {
        let error = canonical(text, &Limits::default()).expect_err(text);
        assert!(matches!(error, JsonError::Inexact { at: found, .. } if found == at), "{error}");
    }
    for text in ["{\"a\":1,\"a\":1}", "{'a':1}", "[1,]", ""] {
        let error = canonical(text, &Limits::default()).expect_err(text);
        assert!(matches!(error, JsonError::NotCanonical(_)), "{error}");
    }
}

/// A whole number: its digits without zeros at either end, and the zeros behind them.
type Whole = (bool, String, usize);

/// One spelling of many.
fn spelled(rng: &mut Rng, (negative, digits, zeros): &Whole) -> String {
    let sign = if *negative { "-" } else { "" };
    let (zeros, len) = (*zeros, digits.len());
    match rng.below(4) {
        0 => format!("{sign}{digits}{}", "0".repeat(zeros)),
        1 => format!("{sign}{digits}{}.{}", "0".repeat(zeros), "0".repeat(1 + rng.below(3))),
        2 => {
            let more = rng.below(4);
            format!(
                "{sign}{digits}{}e{}",
                "0".repeat(more),
                zeros.cast_signed() - more.cast_signed()
            )
        }
        _ if len > 1 => {
            format!("{sign}{}.{}E+{}", &digits[..1], &digits[1..], zeros + len - 1)
        }
        _ => format!("{sign}{digits}e+{zeros}"),
    }
}

/// The whole number that the RFC's spelling of a double says, by the standard library's shortest
/// digits.
fn of_double(double: f64) -> Whole {
    let text = format!("{:e}", double.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let digits = mantissa.replace('.', "");
    let exponent: i64 = exponent.parse().unwrap();
    (
        double < 0.0,
        digits.clone(),
        (exponent + 1 - digits.len().cast_signed() as i64).try_into().unwrap(),
    )
}

/// A canonical text is its own canonical form, equal whole numbers have one, and two never share it.
#[test]
fn whole_numbers_have_a_canonical_form_of_their_own() {
    let (mut taken, mut refused, mut forms) = (0, 0, HashMap::new());
    for case in 0..scaled(20_000) {
        let rng = &mut Rng::new(case as u64 + 5);
        // What is near a double, near a power of two, and anything.
        let double = f64::from_bits((rng.next() % (60 << 52)).wrapping_add((1075 - 5) << 52));
        let plain = match case % 4 {
            0 => format!("{}", double.trunc()),
            1 => of_double(double.trunc()).1 + &"0".repeat(of_double(double.trunc()).2),
            2 => ((2_u128 << rng.below(126)) + rng.below(5) as u128 - rng.below(3) as u128)
                .to_string(),
            _ => (rng.next() >> rng.below(60)).to_string(),
        };
        let digits = plain.trim_end_matches('0');
        if digits.is_empty() {
            continue;
        }
        let number: Whole = (rng.one_in(3), digits.to_owned(), plain.len() - digits.len());
        let (one, other) = (spelled(rng, &number), spelled(rng, &number));
        let (form, same) =
            (canonical(&one, &Limits::DEFAULT).ok(), canonical(&other, &Limits::DEFAULT).ok());
        assert_eq!(form, same, "{one} {other}");
        let exact = of_double(one.parse().unwrap()) == number;
        assert_eq!(form.is_some(), exact, "{one} {number:?}");
        let Some(form) = form else {
            refused += 1;
            continue;
        };
        taken += 1;
        assert_eq!(canon(&form), form);
        let known = forms.entry(form.clone()).or_insert_with(|| number.clone());
        assert_eq!(*known, number, "{form}");
    }
    assert!(taken > scaled(5_000) && refused > scaled(2_000), "{taken} {refused}");
}

#[test]
fn canonical_form_forgets_order_and_is_its_own() {
    for case in 0..scaled(3_000) {
        let rng = &mut Rng::new(case as u64 + 7);
        let mut entries = Drawn::new(case).entries();
        let render = |entries: &[_]| {
            let mut text = String::new();
            write_object(entries, Quotes::Double, &mut text);
            text
        };
        let one = canonical(&render(&entries), &Limits::default());
        rng.shuffle(&mut entries);
        let other = canonical(&render(&entries), &Limits::default());
        match (one, other) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other);
                assert_eq!(canon(&one), one);
            }
            (Err(one), Err(_)) => assert!(matches!(one, JsonError::Inexact { .. }), "{one}"),
            (one, other) => panic!("{one:?} and {other:?}"),
        }
    }
}
