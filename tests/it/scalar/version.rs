use coordination_protocol::scalar::{ComponentVersion, ProtocolVersion};
use proptest::prelude::*;

use super::{keeps, read, refuses};

#[test]
fn protocol_versions_are_three_numbers() {
    assert_eq!(ProtocolVersion::default().to_string(), "1.1.0");
    assert!(ProtocolVersion::V1_0_0 < ProtocolVersion::V1_1_0);
    assert!(ProtocolVersion::new(1, 10, 0) > ProtocolVersion::new(1, 9, 0));

    let version = keeps::<ProtocolVersion>(r#""1.2.1""#);
    assert_eq!((version.major(), version.minor(), version.patch()), (1, 2, 1));
    assert_eq!(version.as_semver(), &semver::Version::new(1, 2, 1));

    for text in
        ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-rc1", "1.0.0+x", " 1.0.0", "1..0"]
    {
        let message =
            format!("`{text}` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0`");
        refuses(text.parse::<ProtocolVersion>(), &message);
        assert!(!ProtocolVersion::is_valid(text));
    }
    refuses(
        read::<ProtocolVersion>(r#""1.0""#),
        "`1.0` is not a protocol version; write MAJOR.MINOR.PATCH like `1.1.0` at line 1 column 5",
    );
    refuses(
        read::<ProtocolVersion>("1.0"),
        "invalid type: floating point `1.0`, expected a protocol version as a text \
         at line 1 column 3",
    );
}

#[test]
fn other_texts_are_not_component_versions() {
    for (text, reason, at) in [
        ("", "a digit is missing", 0),
        ("v1", "a digit is missing", 0),
        ("1", "expected `.` and a number", 1),
        ("1.x.0", "a digit is missing", 2),
        ("1.02.0", "a number cannot start with 0", 2),
        ("1.0.18446744073709551616", "the number exceeds 2^64 - 1", 4),
        ("1.0.0-", "a letter or digit is missing", 6),
        ("1.0.0-a..b", "a letter or digit is missing", 8),
        ("1.0.0-01", "a number cannot start with 0", 6),
        ("1.0.0 ", "unexpected character", 5),
        ("1.0.0é", "unexpected character", 5),
    ] {
        refuses(
            ComponentVersion::new(text),
            &format!("`{text}` is not a version: {reason} (byte {at}); write it like `1.0.0`"),
        );
    }
}

proptest! {
    #[test]
    fn the_grammar_is_that_of_semantic_versioning(
        text in r"[0-9v]{1,2}(\.[0-9]{1,2}){1,3}(-[0-9a-]{0,3}(\.[0-9a]{0,2})?)?(\+[0-9a-]{0,3}(\.[0-9]{0,2})?)?_?",
    ) {
        let oracle = semver::Version::parse(&text).ok();
        prop_assert_eq!(ComponentVersion::is_valid(&text), oracle.is_some(), "{}", text);
        prop_assert_eq!(ComponentVersion::from_lenient(&text).value(), oracle.clone());
        let plain = oracle.filter(|version| version.pre.is_empty() && version.build.is_empty());
        prop_assert_eq!(ProtocolVersion::is_valid(&text), plain.is_some());
        prop_assert_eq!(
            text.parse::<ProtocolVersion>().ok().map(|version| version.to_string()),
            plain.map(|version| version.to_string()),
        );
    }

    #[test]
    fn a_protocol_version_survives(major: u64, minor: u64, patch: u64) {
        let version = ProtocolVersion::new(major, minor, patch);
        prop_assert_eq!(version.to_string().parse::<ProtocolVersion>().unwrap(), version);
    }
}
