//! Words that writers take for one another: the same meaning, another word.

/// Each row means one thing. Words are in lower case and without separators; a word may stand in several
/// rows. What is close in spelling only, or an opposite, never shares a row.
const SYNONYMS: &[&[&str]] = &[
    // What happens.
    &["created", "create", "creation", "new", "added", "made", "generated", "saved"],
    &[
        "started",
        "start",
        "starting",
        "initiated",
        "initiate",
        "init",
        "begun",
        "began",
        "begin",
        "launched",
        "launch",
        "startup",
        "boot",
        "booted",
        "running",
    ],
    &["encountered", "occurred", "occured", "raised", "detected", "met"],
    &["paused", "pause", "suspended", "suspend", "held", "onhold"],
    &["resumed", "resume", "continued", "continue", "unpaused"],
    &[
        "completed",
        "complete",
        "completion",
        "finished",
        "finish",
        "done",
        "succeeded",
        "success",
        "successful",
        "ended",
        "end",
    ],
    &["failed", "fail", "failure", "failing", "errored", "crashed", "broken", "unsuccessful"],
    &["cancelled", "canceled", "cancel", "cancellation", "aborted", "abort", "revoked"],
    &["skipped", "skip", "omitted", "bypassed", "leftout"],
    &["progress", "progressed", "progressing", "progressupdate", "progressreport", "advanced"],
    &["assigned", "assign", "assignment", "delegated", "dispatched", "handedout"],
    &["reassigned", "reassign", "transferred", "moved", "relocated", "handedover"],
    &["timeout", "timedout", "timesout", "timeouts", "timeoutexceeded"],
    &["allocated", "allocate", "allocation", "alloc", "granted", "acquired", "reserved", "spawned"],
    &[
        "deallocated",
        "deallocate",
        "deallocation",
        "dealloc",
        "released",
        "release",
        "freed",
        "free",
        "returned",
        "givenback",
        "unallocated",
        "despawned",
    ],
    &[
        "conflict",
        "conflicted",
        "conflicting",
        "conflictdetected",
        "contention",
        "clash",
        "collision",
    ],
    &["threshold", "thresholdexceeded", "thresholdcrossed", "thresholdreached"],
    &["optimized", "optimised", "optimize", "optimization", "optimisation", "tuned"],
    &["performancealert", "performancewarning", "perfalert"],
    &["shutdown", "shuttingdown", "stopped", "stop", "halted", "halt", "terminated", "exited"],
    &["maintenance", "maintained", "maintaining", "maintain"],
    &["error", "errors", "errored", "fault", "exception"],
    // Closed words.
    &["critical", "fatal", "urgent"],
    &["high", "important", "major"],
    &["medium", "normal", "moderate", "middle", "med"],
    &["low", "minor", "trivial"],
    &["info", "information", "informational", "notice"],
    &["approved", "approve", "approval", "granted", "accepted"],
    &["denied", "deny", "denial", "refused", "declined", "rejected"],
    &["queued", "queue", "enqueued", "pending", "waiting", "deferred"],
    &["partial", "partially", "partly"],
    &["healthy", "ok", "up", "good", "fine", "alive"],
    &["degraded", "degrade", "impaired", "slow"],
    &["unhealthy", "down", "bad", "dead", "sick"],
    &["passed", "pass", "passing", "success", "succeeded", "ok"],
    &["accept", "accepted", "yes", "approve", "aye"],
    &["reject", "rejected", "no", "nay", "deny", "decline"],
    &["abstain", "abstained", "abstention"],
    &["committed", "commit", "decided"],
    &["strict", "strong", "full"],
    &["relaxed", "relax", "loose", "lax", "weak"],
    &["full", "whole", "entire"],
    &["incremental", "increment", "delta", "differential"],
    &["manual", "byhand", "onrequest"],
    &["automatic", "auto", "automated", "scheduled"],
    &["phasecomplete", "phasecompleted", "phasecompletion", "phaseend"],
    &["failureprevention", "preventfailure", "preventive"],
    &["unavailable", "unreachable", "offline", "notavailable"],
    &["corruption", "corrupted", "corrupt", "damaged"],
    &["limitexceeded", "quotaexceeded", "overlimit", "toolarge"],
    &["execution", "exec", "runtime"],
    &["dependency", "dependencies", "dep", "deps"],
    // Bodies.
    &["allocationrequest", "resourcerequest", "allocate", "requestallocation"],
    &["allocationresponse", "resourceresponse", "allocationreply", "allocationanswer"],
    &["workflowstate", "state", "statesync", "workflowstatus"],
    &["checkpointsync", "checkpoint", "checkpointupdate"],
    &["errorreport", "error", "failurereport", "errormessage"],
    &["componentregistration", "registration", "register", "registercomponent"],
    &["deregistration", "deregister", "unregister", "unregistration"],
    &["healthstatus", "health", "healthcheck", "healthreport"],
    &["componentconfig", "config", "componentconfiguration", "configuration"],
    &["hello", "greeting", "handshake"],
    &["heartbeat", "ping", "keepalive", "alive"],
    &["subscription", "subscribe", "subscriptionrequest"],
    &["conflictcheck", "checkconflicts", "checkconflict"],
    &["deadletter", "undeliverable"],
    &["vote", "ballot"],
    &["proposal", "propose", "motion"],
    &["decision", "verdict", "resolution"],
    &["rollback", "revert", "restore"],
    // Parts of names.
    &["request", "req"],
    &["response", "resp", "reply", "answer"],
    &["message", "msg"],
    &["workflow", "wf"],
    &["timestamp", "time", "ts", "datetime"],
    &["version", "ver"],
    &["duration", "elapsed"],
    &["reason", "cause"],
    &["id", "identifier"],
];

/// Whether two words, in lower case and without separators, are used for one another.
pub(super) fn are_synonyms(one: &str, other: &str) -> bool {
    SYNONYMS.iter().any(|row| row.contains(&one) && row.contains(&other))
}

/// Whether a word is one that somebody means, and no misspelling.
pub(super) fn is_word(word: &str) -> bool {
    SYNONYMS.iter().any(|row| row.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::SYNONYMS;

    #[test]
    fn rows_are_words_without_separators_and_say_something() {
        for row in SYNONYMS {
            assert!(row.len() > 1, "{row:?}");
            for (index, word) in row.iter().enumerate() {
                assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
                assert!(!row[..index].contains(word), "{word} twice");
            }
        }
    }

    #[test]
    fn opposites_share_no_row() {
        for (one, other) in [
            ("allocated", "deallocated"),
            ("completed", "failed"),
            ("started", "shutdown"),
            ("paused", "resumed"),
            ("assigned", "reassigned"),
            ("approved", "denied"),
            ("accept", "reject"),
            ("healthy", "unhealthy"),
            ("registration", "deregistration"),
            ("strict", "relaxed"),
            ("high", "low"),
        ] {
            assert!(!super::are_synonyms(one, other), "{one} {other}");
        }
    }
}
