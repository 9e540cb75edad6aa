use std::cmp::Ordering;

use coordination_protocol::scalar::{Amount, Count, Percent, Quantity, Ratio, ScalarError};
use proptest::prelude::*;
use regex::Regex;

use super::{keeps, read, refuses};

#[test]
fn spellings_survive_json() {
    for json in ["12", "12.0", "94.20", "-0", "0", "-0.0e-0", "1E5", "1e+05", "2.5", "1e999"] {
        assert_eq!(keeps::<Quantity>(json).as_str(), json);
    }
    for json in ["0", "100", "100.000", "94.20", "1e2", "-0", "1e-999"] {
        assert_eq!(keeps::<Percent>(json).as_str(), json);
    }
    for json in ["0", "1", "1.0", "0.97", "10e-1"] {
        assert_eq!(keeps::<Ratio>(json).as_str(), json);
    }
    for json in ["0", "5", "18446744073709551615"] {
        assert_eq!(keeps::<Count>(json).to_string(), json);
    }
    assert_eq!(keeps::<Vec<Quantity>>("[1,1.0,1e0]").len(), 3);
    assert_eq!(read::<Vec<Percent>>(" [ 1.50 , 2 ] ").unwrap()[0].as_str(), "1.50");
}

#[test]
fn other_texts_are_not_numbers() {
    for text in [
        "", "-", "+1", ".5", "1.", "01", "-01", "1e", "1e+", "0x10", "NaN", "Infinity", " 1", "1 ",
        "1,5", "1_000", "\"1\"", "null", "１", "--1", "1.2.3", "1e5.0",
    ] {
        let message = format!("`{text}` is not a JSON number; write it like `12` or `94.2`");
        refuses(Quantity::parse(text), &message);
        refuses(text.parse::<Percent>(), &message);
        refuses(text.parse::<Ratio>(), &message);
        refuses(text.parse::<Count>(), &message);
        assert!(!Quantity::is_valid(text) && !Percent::is_valid(text) && !Count::is_valid(text));
    }
    refuses(
        Quantity::parse(&"é".repeat(99)),
        &format!("`{}…` is not a JSON number; write it like `12` or `94.2`", "é".repeat(40)),
    );
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let expected = ScalarError::NotANumber { text: value.to_string().into() };
        assert_eq!(Quantity::new(value), Err(expected.clone()));
        assert_eq!(Percent::new(value), Err(expected.clone()));
        assert_eq!(Ratio::new(value), Err(expected));
    }
}

#[test]
fn ranges_are_exact() {
    for text in
        ["100.00000000000000000001", "101", "-1", "-1e-400", "1e999", "1e99999999999999999999"]
    {
        let message = format!("{text} is out of range: it must be from 0 to 100");
        refuses(Percent::parse(text), &message);
        refuses(read::<Percent>(text), &message);
        refuses(
            read::<Vec<Percent>>(&format!("[{text}]")),
            &format!("{message} at line 1 column {}", text.len() + 2),
        );
    }
    refuses(Ratio::parse("94.2"), "94.2 is out of range: it must be from 0 to 1");
    refuses(Ratio::new(1.5), "1.5 is out of range: it must be from 0 to 1");
    refuses(Percent::new(-0.1), "-0.1 is out of range: it must be from 0 to 100");
    assert!(Percent::MIN.cmp_value(&Percent::MAX).is_lt());
    assert_eq!((Percent::MIN.value(), Percent::MAX.value()), (0.0, 100.0));
    assert_eq!((Ratio::MIN.value(), Ratio::MAX.value()), (0.0, 1.0));
}

#[test]
fn counts_are_whole_by_value() {
    for (text, value) in [
        ("5.0", 5),
        ("5e0", 5),
        ("5E2", 500),
        ("-0", 0),
        ("0.0", 0),
        ("1.50e1", 15),
        ("1200e-2", 12),
        ("0e999999999", 0),
        ("18446744073709551615", u64::MAX),
        ("1844674407370955161.5e1", u64::MAX),
    ] {
        let count = Count::parse(text).unwrap();
        assert_eq!((count.get(), count.as_str()), (value, text));
        assert!(Count::is_valid(text));
        assert_eq!(keeps::<Count>(text), count);
    }
    for text in ["1.5", "1e-1", "-1.5", "1200e-3", "123456789012345678901.5"] {
        refuses(
            Count::parse(text),
            &format!("`{text}` is not a count; write a whole number like `12`"),
        );
        assert!(!Count::is_valid(text));
        assert!(read::<Count>(text).is_err(), "{text}");
    }
    for text in ["-1", "18446744073709551616", "1e20", "1e999999999999999999999", "-1e2"] {
        refuses(
            Count::parse(text),
            &format!("{text} is out of range: it must be from 0 to 18446744073709551615"),
        );
        assert!(read::<Count>(text).is_err(), "{text}");
    }
    for text in ["01", "1.", "+1", "", "1x"] {
        refuses(
            Count::parse(text),
            &format!("`{text}` is not a JSON number; write it like `12` or `94.2`"),
        );
    }
    assert_eq!(Count::default(), Count::new(0));
    assert!(Count::parse("5.0").unwrap().cmp_value(&Count::new(5)).is_eq());
}

#[test]
fn amounts_are_not_negative() {
    for text in ["0", "-0", "-0.0", "2.50", "1e9", "1e-9"] {
        assert_eq!(Amount::parse(text).unwrap().as_str(), text);
        assert_eq!(keeps::<Amount>(text).as_str(), text);
    }
    for text in ["-1", "-1e-9"] {
        refuses(
            Amount::parse(text),
            &format!("{text} is out of range: it must be from 0 to the largest double"),
        );
        assert!(!Amount::is_valid(text));
        assert!(read::<Amount>(text).is_err());
    }
    assert!(Amount::new(f64::NAN).is_err() && Amount::new(-0.5).is_err());
    assert_eq!(Amount::from(3_u32), Amount::from(Count::new(3)));
    assert_eq!(Amount::parse("1e999").unwrap().value(), None);
}

#[test]
fn values_are_computed_on_demand() {
    assert_eq!(Quantity::parse("94.20").unwrap().value(), Some(94.2));
    assert_eq!(Quantity::parse("1e999").unwrap().value(), None);
    assert_eq!(Quantity::parse("-1e999").unwrap().value(), None);
    assert_eq!(Quantity::from(8).as_u64(), Some(8));
    for text in ["8.0", "8e0", "-0", "-8", "18446744073709551616"] {
        assert_eq!(Quantity::parse(text).unwrap().as_u64(), None, "{text}");
    }
    assert_eq!(Quantity::from(Count::new(u64::MAX)).as_u64(), Some(u64::MAX));
    assert_eq!(Quantity::from(i64::MIN).as_str(), "-9223372036854775808");
    assert_eq!(Quantity::from(7_u32), Quantity::from(7_i32));
}

#[test]
fn doubles_are_spelled_the_short_way() {
    for (value, text) in
        [(12.0, "12"), (94.2, "94.2"), (-0.0, "0"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.1, "0.1")]
    {
        assert_eq!(Quantity::new(value).unwrap().as_str(), text);
    }
    assert_eq!(Percent::new(100.0).unwrap(), Percent::MAX);
}

#[test]
fn spellings_differ_where_values_agree() {
    let (plain, pointed) = (Quantity::parse("12").unwrap(), Quantity::parse("12.0").unwrap());
    assert_ne!(plain, pointed);
    assert_eq!(plain.cmp_value(&pointed), Ordering::Equal);
}

#[test]
fn values_are_compared_exactly() {
    let ascending = [
        "-1e999",
        "-1e998",
        "-12.5",
        "-12",
        "-1e-999",
        "0",
        "1e-999",
        "0.001",
        "0.01",
        "0.0999",
        "0.1",
        "9007199254740992",
        "9007199254740993",
        "1e400",
        "1.00000000000000000001e400",
        "11e399",
        "2e400",
    ];
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            let order = Quantity::parse(left).unwrap().cmp_value(&Quantity::parse(right).unwrap());
            assert_eq!(order, i.cmp(&j), "{left} {right}");
        }
    }
    for same in [["-0", "0.00e7"], ["1e2", "100.0"], ["0.001e3", "1"], ["120e-1", "12"]] {
        let [left, right] = same.map(|text| Quantity::parse(text).unwrap());
        assert_eq!(left.cmp_value(&right), Ordering::Equal);
    }
}

#[test]
fn a_value_tree_is_read_and_written() {
    let tree = serde_json::json!(94.2);
    assert_eq!(serde_json::from_value::<Percent>(tree.clone()).unwrap().as_str(), "94.2");
    assert_eq!(serde_json::to_value(Percent::new(94.2).unwrap()).unwrap(), tree);
}

proptest! {
    #[test]
    fn the_grammar_is_that_of_json(text in r"-?[0-9]{0,3}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?x?") {
        let oracle = Regex::new(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$").unwrap();
        prop_assert_eq!(Quantity::is_valid(&text), oracle.is_match(&text));
        match Quantity::parse(&text) {
            Ok(number) => {
                prop_assert_eq!(number.as_str(), &text);
                prop_assert_eq!(&keeps::<Quantity>(&text), &number);
                prop_assert_eq!(Percent::is_valid(&text), Percent::parse(&text).is_ok());
                prop_assert_eq!(Ratio::is_valid(&text), read::<Ratio>(&text).is_ok());
                prop_assert_eq!(Count::is_valid(&text), Count::parse(&text).is_ok());
                prop_assert_eq!(Count::is_valid(&text), read::<Count>(&text).is_ok());
            }
            Err(_) => prop_assert!(read::<Quantity>(&text).is_err()),
        }
    }

    #[test]
    fn a_double_survives(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
        let number = Quantity::new(value).unwrap();
        prop_assert_eq!(number.value(), Some(value));
        prop_assert_eq!(number.to_string().parse::<Quantity>().unwrap(), number);
    }

    #[test]
    fn the_exact_order_agrees_with_that_of_doubles(
        left in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        right in prop::num::f64::NORMAL | prop::num::f64::ZERO,
    ) {
        let order = Quantity::new(left).unwrap().cmp_value(&Quantity::new(right).unwrap());
        prop_assert_eq!(Some(order), left.partial_cmp(&right));
    }

    #[test]
    fn the_exact_order_agrees_with_that_of_integers(left: i64, right: i64) {
        let order = Quantity::from(left).cmp_value(&Quantity::from(right));
        prop_assert_eq!(order, left.cmp(&right));
    }

    #[test]
    fn bounds_hold(value in -1.0..=101.0) {
        prop_assert_eq!(Percent::new(value).is_ok(), (0.0..=100.0).contains(&value));
        prop_assert_eq!(Ratio::new(value).is_ok(), (0.0..=1.0).contains(&value));
    }
}
