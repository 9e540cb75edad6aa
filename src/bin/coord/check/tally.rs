//! What was counted in a check: of one input, or of many together.

use super::baseline::Counts;
use super::judge::{Excuse, Judged};
use crate::config::InForce;
use crate::input::Source;
use crate::output::{ExitStatus, Failure};
use crate::source::ReadSummary;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Verdict};
use coordination_protocol::validate::Security;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// The counts of a check. Those of several inputs add up, in whatever order they were read.
#[derive(Default)]
pub(crate) struct Tally {
    /// What was read, and what was passed over.
    pub(crate) read: ReadSummary,
    /// What each input was taken for, to be told if asked for.
    pub(crate) told: Vec<String>,
    /// What was fixed, and what could not be.
    pub(crate) fixed: Vec<String>,
    pub(crate) valid: u64,
    pub(crate) deviating: u64,
    pub(crate) invalid: u64,
    /// Reported findings by code, and by severity: notes, warnings, errors.
    pub(crate) codes: BTreeMap<Code, [u64; 3]>,
    /// Findings that the limit of a record left out.
    pub(crate) omitted: u64,
    /// Findings that comments in the files suppress.
    pub(crate) suppressed: u64,
    /// Findings that the baseline holds.
    pub(crate) known: u64,
    /// What is known and not there any more.
    pub(crate) gone: u64,
    /// Paths that the baseline knows and that were read.
    pub(crate) known_paths: BTreeSet<String>,
    /// What a baseline of these inputs would hold.
    pub(crate) collected: Counts,
    /// Files that patterns leave out, but for those in folders that they leave out.
    pub(crate) excluded: u64,
    /// Folders that patterns leave out.
    pub(crate) excluded_folders: u64,
    /// The gravest reported finding.
    pub(crate) worst: Option<FindingSeverity>,
    /// Whether a finding is as grave as the settings ask for.
    pub(crate) failed: bool,
    /// In which modes, and by which versions of the protocol, records were read.
    pub(crate) modes: BTreeSet<String>,
    /// What of files of settings must not go unseen.
    pub(crate) settings: BTreeSet<String>,
    /// Event lines whose freshness was asked for; they have no header that could tell it.
    pub(crate) ageless: u64,
    /// What of the security level was checked in any record.
    pub(crate) security: Security,
    /// What could not be read.
    pub(crate) unread: Vec<Unread>,
}

/// An input that could not be read, wholly or from some place on.
pub(crate) struct Unread {
    pub(crate) source: Source,
    /// The whole sentence, which names it.
    pub(crate) problem: String,
    /// What is wrong with a file of settings, drawn; else empty.
    pub(crate) drawn: String,
    /// How the program ends by it.
    pub(crate) status: ExitStatus,
}

impl Unread {
    /// An input that could not be read for this reason.
    pub(crate) fn of(source: Source, why: &Failure) -> Self {
        let (problem, status) = (why.to_string(), why.status());
        Unread { source, problem, drawn: String::new(), status }
    }
}

impl Tally {
    /// Counts a file that patterns leave out.
    pub(crate) fn leave_out(&mut self, file: &Source) {
        self.excluded += 1;
        self.told.push(format!("{file}: left out by a pattern"));
    }

    /// Counts a folder that patterns leave out, by some settings.
    pub(crate) fn leave_out_folder(&mut self, folder: &Source, by: &InForce) {
        self.excluded_folders += 1;
        self.told.push(format!("{folder}: left out by a pattern"));
        // They may have left out all that they are in force for.
        self.settings.extend(by.told.iter().cloned());
    }

    /// Counts a record.
    pub(crate) fn record(&mut self, judged: &Judged<'_>) {
        match judged.verdict() {
            Verdict::Valid => self.valid += 1,
            Verdict::Deviating => self.deviating += 1,
            _ => self.invalid += 1,
        }
        for found in &judged.reported {
            self.finding(found.finding);
        }
        for (_, why) in &judged.excused {
            match why {
                Excuse::Comment(_) => self.suppressed += 1,
                Excuse::Baseline => self.known += 1,
            }
        }
        let outcome = &judged.item.outcome;
        self.omitted += judged.omitted as u64;
        self.worst = self.worst.max(judged.worst);
        add_security(&mut self.security, outcome.security);
    }

    /// Counts a reported finding.
    pub(crate) fn finding(&mut self, finding: &Finding) {
        self.codes.entry(finding.code).or_default()[index(finding.severity)] += 1;
        self.worst = self.worst.max(Some(finding.severity));
    }

    /// Counts a finding that a limit leaves out.
    pub(crate) fn omit(&mut self, finding: &Finding) {
        self.omitted += 1;
        self.worst = self.worst.max(Some(finding.severity));
    }

    /// Reported findings by severity: notes, warnings, errors.
    pub(crate) fn findings(&self) -> [u64; 3] {
        self.codes.values().fold([0; 3], |sum, counts| {
            [sum[0] + counts[0], sum[1] + counts[1], sum[2] + counts[2]]
        })
    }

    pub(crate) fn records(&self) -> u64 {
        self.valid + self.deviating + self.invalid
    }
}

const fn index(severity: FindingSeverity) -> usize {
    match severity {
        FindingSeverity::Error => 2,
        FindingSeverity::Warning => 1,
        _ => 0,
    }
}

fn add_security(all: &mut Security, one: Security) {
    all.permissions |= one.permissions;
    all.signature |= one.signature;
    all.freshness |= one.freshness;
    all.replay |= one.replay;
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.read += other.read;
        self.valid += other.valid;
        self.deviating += other.deviating;
        self.invalid += other.invalid;
        for (code, counts) in other.codes {
            let all = self.codes.entry(code).or_default();
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        self.omitted += other.omitted;
        self.suppressed += other.suppressed;
        self.known += other.known;
        self.gone += other.gone;
        self.known_paths.extend(other.known_paths);
        for (entry, count) in other.collected {
            *self.collected.entry(entry).or_default() += count;
        }
        self.excluded += other.excluded;
        self.excluded_folders += other.excluded_folders;
        self.worst = self.worst.max(other.worst);
        self.failed |= other.failed;
        self.modes.extend(other.modes);
        self.settings.extend(other.settings);
        self.ageless += other.ageless;
        add_security(&mut self.security, other.security);
        self.unread.extend(other.unread);
    }
}
