//! Verbs that talk, with keys: what is sent is signed, and what comes is checked.

use crate::coord_bus::{Place, told};
use crate::coord_talk::{ASK, end, present};
use serde_json::Value;

/// A key pair of a component: the file with the seed, and that with the public key.
fn keygen(place: &Place, owner: &str) -> (String, String) {
    let seed = place.0.path(&format!("{owner}.seed"));
    let made = place.all(&["keygen", "--id", owner, "--owner", owner, "--seed", &seed]);
    assert_eq!(made.0, 0, "{}", made.2);
    (seed, place.0.write(&format!("{owner}.keys.json"), &made.1))
}

fn respond<'a>(more: &[&'a str], script: &'a str) -> Vec<&'a str> {
    let head = ["respond", "conflict_check", "--as", "checker"];
    [&head[..], more, &["--", "sh", "-c", script]].concat()
}

#[test]
fn requests_and_answers_are_signed_and_checked() {
    let place = Place::new();
    let (checker, checker_keys) = keygen(&place, "checker");
    let (deploy, deploy_keys) = keygen(&place, "deploy");
    let script = "cat > seen; echo '{}'";
    let child = place.spawn(&respond(&["--key", &checker, "--keys", &deploy_keys], script));
    present(&place, "checker");
    let ask = ["request", "checker", ASK, "--as", "deploy"];
    let keys = ["--key", deploy.as_str(), "--keys", checker_keys.as_str()];
    let (code, text, errors) = place.all(&[&ask[..], &keys].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{text}");
    // Each attempt is signed anew; what came out is what was checked.
    let seen = std::fs::read(place.0.path("seen")).unwrap();
    for (keys, message) in [(&deploy_keys, seen), (&checker_keys, text.into_bytes())] {
        let verified = place.run(&["verify", "--keys", keys], &message);
        assert_eq!(told(&verified).0, 0, "{}", told(&verified).2);
    }
    // Whose request is not signed, or signed by another, is not answered: it becomes a dead letter.
    for more in [&[][..], &["--key", &checker, "--key-id", "checker"]] {
        let ask = [&ask[..], &["--timeout", "500ms"], more].concat();
        let (code, text, errors) = place.all(&ask);
        assert_eq!((code, text.as_str()), (3, ""));
        assert_eq!(errors, "coord: `checker` did not answer `req_1`\n");
    }
    let (_, letters, _) = place.all(&["dead-letters", "list", "--format", "json"]);
    let reasons: Vec<Value> = letters
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].clone())
        .collect();
    assert_eq!(reasons.len(), 2, "{letters}");
    assert!(reasons[0].as_str().unwrap().contains("is not signed"), "{letters}");
    end(&child);
    child.wait_with_output().unwrap();
}

#[test]
fn an_answer_that_is_not_signed_is_passed_over_and_told() {
    let place = Place::new();
    let (_, keys) = keygen(&place, "checker");
    let child = place.spawn(&respond(&[], "echo '{}'"));
    present(&place, "checker");
    let ask = ["request", "checker", ASK, "--keys", &keys, "--timeout", "500ms"];
    let (code, text, errors) = place.all(&ask);
    assert_eq!((code, text.as_str()), (3, ""), "{errors}");
    let start = "coord: `checker` did not answer `req_1`; an answer was refused: ";
    assert!(errors.starts_with(start) && errors.contains("is not signed"), "{errors}");
    end(&child);
    child.wait_with_output().unwrap();
}

#[test]
fn an_error_report_is_signed() {
    let place = Place::new();
    let (seed, keys) = keygen(&place, "hub");
    let args = ["report-error", "out of memory", "--as", "hub", "--key", &seed];
    assert_eq!(place.all(&args), (0, "0:1\n".to_owned(), String::new()));
    let (_, message, _) = place.all(&["subscribe", ">"]);
    let verified = place.run(&["verify", "--keys", &keys], message.as_bytes());
    assert_eq!(told(&verified).0, 0, "{}", told(&verified).2);
}

#[test]
fn a_key_that_cannot_be_used_is_told_before_anything_is_sent() {
    let place = Place::new();
    let bad = place.0.write("bad.seed", "not a seed");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["request", "checker", ASK, "--key", "nowhere"], 4, "coord: cannot read nowhere"),
        (&["request", "checker", ASK, "--key", &bad], 2, "bad.seed: "),
        (&["request", "checker", ASK, "--keys", "nowhere"], 4, "coord: cannot read nowhere"),
        (&["respond", "release", "--as", "x", "--keys", &bad, "--", "true"], 2, "bad.seed: "),
    ];
    for (args, status, message) in cases {
        let (code, printed, errors) = place.all(args);
        assert_eq!((code, printed.as_str()), (status, ""), "{args:?}: {errors}");
        assert!(errors.contains(message), "{args:?}: {errors}");
    }
    assert!(!std::path::Path::new(&place.0.path("coord.sqlite")).exists());
}
