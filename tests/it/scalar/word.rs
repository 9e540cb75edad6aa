use coordination_protocol::scalar::{
    AllocationStatus, CheckResult, CheckpointTrigger, CheckpointType, ConflictTolerance,
    ErrorCategory, ErrorScope, ErrorType, HealthState, IsolationLevel, Priority, Severity,
};
use proptest::prelude::*;

use super::{keeps, read, refuses};

/// The specification's own `a|b|c` lists hold every vocabulary to its words.
macro_rules! vocabularies {
    ($($name:ident $list:literal)+) => {
        #[test]
        fn the_words_are_those_of_the_specification() {
            $(
                assert_eq!($name::KNOWN.join("|"), $list);
                for word in $name::KNOWN {
                    assert!($name::is_valid(word));
                    assert!($name::from_lenient(word).is_known());
                    assert_eq!(word.parse::<$name>().unwrap(), $name::from_lenient(word));
                    assert_eq!(keeps::<$name>(&format!("{word:?}")).as_str(), *word);
                    let capital = word.to_uppercase();
                    assert!(!$name::is_valid(&capital));
                    assert_eq!(
                        capital.parse::<$name>().unwrap_err().nearest(), Some(*word)
                    );
                }
            )+
        }

        proptest! {
            #[test]
            fn any_word_is_kept(word: String) {
                $(
                    let read = $name::from_lenient(&word);
                    prop_assert_eq!(read.as_str(), &word);
                    prop_assert_eq!(read.to_string(), word.as_str());
                    prop_assert_eq!(read.is_known(), $name::is_valid(&word));
                    prop_assert_eq!(read.is_known(), word.parse::<$name>().is_ok());
                    let json = serde_json::to_string(&word).unwrap();
                    prop_assert_eq!(keeps::<$name>(&json), read);
                )+
            }
        }
    };
}

vocabularies! {
    Severity "critical|high|medium|low|info"
    Priority "critical|high|medium|low"
    AllocationStatus "approved|denied|queued|partial"
    ConflictTolerance "none|low|medium|high"
    IsolationLevel "strict|moderate|relaxed"
    CheckpointType "phase_complete|incremental|emergency|manual"
    CheckpointTrigger "automatic|manual|failure_prevention"
    CheckResult "passed|failed|unknown"
    ErrorCategory "execution|resource|dependency|state|system"
    ErrorType "timeout|conflict|corruption|unavailable|limit_exceeded"
    ErrorScope "workflow|phase|task|agent|system"
    HealthState "healthy|degraded|unhealthy|unknown"
}

#[test]
fn unknown_words_are_refused_by_from_str() {
    refuses(
        "hihg".parse::<Severity>(),
        "`hihg` is not a severity; did you mean `high`? \
         known words: critical, high, medium, low, info",
    );
    refuses(
        "later".parse::<AllocationStatus>(),
        "`later` is not an allocation status; known words: approved, denied, queued, partial",
    );
    let error = "".parse::<Priority>().unwrap_err();
    assert_eq!((error.text(), error.nearest()), ("", None));
    assert_eq!(error.known(), Priority::KNOWN);
}

#[test]
fn unknown_words_are_kept_when_read() {
    let severity = keeps::<Severity>(r#""warning""#);
    assert!(matches!(&severity, Severity::Other(word) if word.as_str() == "warning"));
    assert_eq!(format!("{severity:?}"), r#"Other("warning")"#);
    assert_eq!(severity, Severity::from_lenient("warning"));
    assert_ne!(severity, Severity::from_lenient("alarm"));
    refuses(
        read::<Severity>("3"),
        "invalid type: integer `3`, expected a severity as a text at line 1 column 1",
    );
}

#[test]
fn severities_are_ranked() {
    let ranked =
        |words: &[&str]| words.iter().map(|w| Severity::from_lenient(w).rank()).collect::<Vec<_>>();
    assert_eq!(ranked(Severity::KNOWN), [5, 4, 3, 2, 1].map(Some));
    assert_eq!(ranked(&["error", "warning", "fatal"]), [Some(4), Some(3), None]);
    assert_eq!(Severity::from_lenient("warning").at_least(&Severity::Medium), Some(true));
    assert_eq!(Severity::from_lenient("warning").at_least(&Severity::High), Some(false));
    assert_eq!(Severity::from_lenient("fatal").at_least(&Severity::Info), None);
    assert_eq!(
        Severity::Critical.cmp_rank(&Severity::from_lenient("error")),
        Some(std::cmp::Ordering::Greater)
    );
    assert_eq!(Severity::Info.cmp_rank(&Severity::from_lenient("fatal")), None);
}

#[test]
fn priorities_are_ranked() {
    let ranks: Vec<_> =
        Priority::KNOWN.iter().map(|word| Priority::from_lenient(word).rank()).collect();
    assert_eq!(ranks, [4, 3, 2, 1].map(Some));
    assert_eq!(Priority::from_lenient("urgent").rank(), None);
    assert_eq!(Priority::High.at_least(&Priority::Medium), Some(true));
}
