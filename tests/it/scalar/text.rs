//! What all text-shaped scalars share, then sizes and digests.

use std::fmt::Write as _;

use coordination_protocol::scalar::{ByteSize, ComponentVersion, Digest, Span, Timestamp, Window};
use proptest::prelude::*;

use super::{keeps, read, refuses};

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The laws of one text-shaped scalar, for one text.
macro_rules! laws {
    ($($name:ident)+, $text:expr) => {$(
        let text: &str = $text;
        let kept = $name::from_lenient(text);
        assert_eq!(kept.as_str(), text);
        assert_eq!(kept.to_string(), text);
        assert_eq!(kept.is_readable(), $name::is_valid(text));
        assert_eq!($name::new(text).ok(), kept.is_readable().then(|| kept.clone()));
        assert_eq!(text.parse::<$name>(), $name::new(text));
        assert_eq!(keeps::<$name>(&serde_json::to_string(text).unwrap()), kept);
        if let Err(error) = $name::new(text) {
            assert!(text.is_char_boundary(error.at().unwrap()), "{error}: {}", error.at().unwrap());
        }
    )+};
}

proptest! {
    #[test]
    fn any_text_is_kept_and_judged_alike(
        text in prop_oneof![
            any::<String>(),
            "[0-9]{1,3}(\\.[0-9]{1,3})?[ dhmsKMGTiB:-]{0,3}[0-9]{0,2}[dhmsé]{0,2}",
            "[0-9]{1,2}:[0-9]{1,2}-[0-9]{1,2}:[0-9]{1,2}",
            "sha256:[0-9a-fA-F]{60,66}",
        ],
    ) {
        laws!(Span Timestamp Window ByteSize Digest ComponentVersion, &text);
    }
}

#[test]
fn only_a_non_text_is_refused_when_read() {
    let tail = "as a text at line 1 column 1";
    refuses(read::<Span>("5"), &format!("invalid type: integer `5`, expected a duration {tail}"));
    refuses(
        read::<Timestamp>("5"),
        &format!("invalid type: integer `5`, expected a timestamp {tail}"),
    );
    assert!(read::<Window>("null").is_err());
    assert!(read::<ByteSize>("{}").is_err());
    assert!(read::<Digest>("[]").is_err());
    assert!(read::<ComponentVersion>("1.0").is_err());
}

#[test]
fn long_texts_are_cut_in_errors() {
    let error = ByteSize::new("é".repeat(99)).unwrap_err();
    assert_eq!(error.text(), format!("{}…", "é".repeat(40)));
    assert_eq!((error.at(), error.reason()), (Some(0), Some("a digit is missing")));
}

#[test]
fn sizes_are_decimal_or_binary() {
    for (text, bytes) in [
        ("2.5GB", 2_500_000_000),
        ("512MB", 512_000_000),
        ("128 KB", 128_000),
        ("100B", 100),
        ("0B", 0),
        ("007B", 7),
        ("1TB", 1_000_000_000_000),
        ("1KiB", 1_024),
        ("1.5MiB", 1_572_864),
        ("2 GiB", 2_147_483_648),
        ("1TiB", 1 << 40),
        ("1.9B", 1),
        ("0.0000000001TB", 100),
        ("0.0000000000009TB", 0),
        ("18446744073709551615B", u64::MAX),
        ("18.446744073709551615GB", 18_446_744_073),
    ] {
        assert_eq!(ByteSize::new(text).unwrap().bytes(), Some(bytes), "{text}");
    }
}

#[test]
fn other_texts_are_not_sizes() {
    let tail = "write it like `2.5GB`";
    let unit = "the unit must be B, KB, MB, GB, TB, KiB, MiB, GiB or TiB";
    for (text, reason, at) in [
        ("", "a digit is missing", 0),
        ("GB", "a digit is missing", 0),
        ("-1GB", "a digit is missing", 0),
        ("1.GB", "a digit is missing", 2),
        ("2.5", unit, 3),
        ("2.5gb", unit, 3),
        ("2.5  GB", unit, 4),
        ("2.5GB ", unit, 3),
        ("1,5GB", unit, 1),
        ("18446744073709551616B", "more than 2^64 - 1 bytes", 0),
        ("99999999999999999999999999999999999999999B", "more than 2^64 - 1 bytes", 0),
    ] {
        let excerpt = ByteSize::new(text).unwrap_err().text().to_owned();
        refuses(
            ByteSize::new(text),
            &format!("`{excerpt}` is not a size: {reason} (byte {at}); {tail}"),
        );
    }
}

#[test]
fn sizes_are_spelled_with_two_digits_at_most() {
    for (bytes, text) in [
        (0, "0B"),
        (999, "999B"),
        (1_000, "1KB"),
        (1_050, "1.05KB"),
        (1_500, "1.5KB"),
        (15_432, "15432B"),
        (128_000_000, "128MB"),
        (2_500_000_000, "2.5GB"),
        (1_000_000_001, "1000000001B"),
        (1_234_000, "1234KB"),
        (5_000_000_000_000_000, "5000TB"),
    ] {
        assert_eq!(ByteSize::from_bytes(bytes).as_str(), text);
    }
}

#[test]
fn digests_are_sha256() {
    assert_eq!(Digest::of(b"").as_str(), EMPTY);
    assert_eq!(
        Digest::of(b"abc").as_str(),
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    let bytes = Digest::new(EMPTY).unwrap().bytes().unwrap();
    assert_eq!((bytes[0], bytes[1], bytes[31]), (0xe3, 0xb0, 0x55));
    assert_eq!(Digest::from_lenient("sha256:ghi789...").bytes(), None);
}

#[test]
fn other_texts_are_not_digests() {
    let (head, tail) = ("is not a digest:", format!("write it like `{EMPTY}`"));
    let digit = "expected a digit 0-9 or a letter a-f";
    let count = "there must be exactly 64 hexadecimal digits";
    let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
    let long = format!("{EMPTY}0");
    for (text, reason, at) in [
        ("", "it must start with `sha256:`", 0),
        ("md5:00", "it must start with `sha256:`", 0),
        ("sha256:ghi789...", digit, 7),
        ("sha256:abc123...", digit, 13),
        ("sha256:", count, 7),
        ("sha256:abc", count, 10),
        (&upper, digit, 7),
        (&long, count, 71),
    ] {
        let excerpt = Digest::new(text).unwrap_err().text().to_owned();
        refuses(Digest::new(text), &format!("`{excerpt}` {head} {reason} (byte {at}); {tail}"));
    }
}

proptest! {
    #[test]
    fn a_number_of_bytes_survives(
        bytes in prop_oneof![any::<u64>(), (0..20_000_u64).prop_map(|n| n * 10_000_000)],
    ) {
        let size = ByteSize::from_bytes(bytes);
        prop_assert_eq!(size.bytes(), Some(bytes));
        prop_assert!(size.is_readable());
    }

    #[test]
    fn a_digest_survives(bytes: Vec<u8>) {
        let digest = Digest::of(&bytes);
        prop_assert_eq!(&Digest::new(digest.as_str()).unwrap(), &digest);
        let mut text = "sha256:".to_owned();
        for byte in digest.bytes().unwrap() {
            write!(text, "{byte:02x}").unwrap();
        }
        prop_assert_eq!(text, digest.as_str());
    }
}
