//! The settings in force for a file: those of the command line, of a `coord.toml`, and the defaults.

use super::file::{ConfigError, File};
use super::names::{self, OwnType, weighed};
use super::options::Options;
use crate::limits::Reading;
use crate::output::{Failure, printable};
use coordination_protocol::finding::{Code, FindingSeverity};
use coordination_protocol::json::Limits;
use coordination_protocol::message::MessageKind;
use coordination_protocol::security::permissions::Sender;
use coordination_protocol::validate::Validator;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Default,
    Option,
    /// A line of a file of settings.
    File {
        path: String,
        line: usize,
    },
}

/// A setting as `coord config` shows it.
#[derive(Clone, Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "they name the members of a row")]
pub(crate) struct Setting {
    /// Named as in a file of settings.
    pub(crate) setting: String,
    pub(crate) value: Value,
    pub(crate) from: Origin,
}

/// The settings in force for some files.
pub(crate) struct InForce {
    pub(crate) reading: Reading,
    pub(crate) validator: Validator,
    pub(crate) fail_on: FindingSeverity,
    /// Codes that are left out everywhere, and severities: what the validator does not know of.
    ignored: Vec<Code>,
    severities: Vec<(Code, FindingSeverity)>,
    selected: Option<Vec<Code>>,
    excluded: Vec<Pattern>,
    ignored_in: Vec<(Pattern, Vec<Code>)>,
    pub(crate) rows: Vec<Setting>,
    /// What of a file of settings makes a check milder, or decides whom it trusts. A repository may
    /// not weaken its own check in silence.
    pub(crate) told: Vec<String>,
}

/// What a file may raise limits to: a repository decides neither on the memory nor on the time of whoever
/// checks it.
const MAX_BYTES: usize = 64 << 20;
const MAX_KEYS: usize = 1 << 20;

/// A pattern of paths, and the folder that it is relative to.
struct Pattern {
    folder: PathBuf,
    pattern: Gitignore,
}

impl Pattern {
    fn new(folder: &Path, pattern: &str) -> Result<Pattern, String> {
        // Each pattern stands alone, so there is nothing that it could take back.
        if pattern.starts_with('!') {
            return Err("`!` takes nothing back here; name what is meant".to_owned());
        }
        let mut builder = GitignoreBuilder::new("");
        builder.add_line(None, pattern).map_err(|error| error.to_string())?;
        let pattern = builder.build().map_err(|error| error.to_string())?;
        Ok(Pattern { folder: folder.to_owned(), pattern })
    }

    /// Whether it covers a file or a folder, or a folder above it; `path` is whole.
    fn covers(&self, path: &Path, is_folder: bool) -> bool {
        path.strip_prefix(&self.folder)
            .is_ok_and(|path| self.pattern.matched_path_or_any_parents(path, is_folder).is_ignore())
    }
}

impl InForce {
    /// Whether a file or a folder is left out; `path` is whole.
    pub(crate) fn excludes(&self, path: &Path, is_folder: bool) -> bool {
        self.excluded.iter().any(|pattern| pattern.covers(path, is_folder))
    }

    /// The codes that are left out in a file; `path` is whole.
    pub(crate) fn codes_ignored_in(&self, path: &Path) -> Vec<Code> {
        let covering = self.ignored_in.iter().filter(|(pattern, _)| pattern.covers(path, false));
        covering.flat_map(|(_, codes)| codes.iter().copied()).collect()
    }

    /// The severity of one of the program's own codes; none if it is left out, also by the file's own
    /// `ignored`.
    pub(crate) fn severity(&self, code: Code, ignored: &[Code]) -> Option<FindingSeverity> {
        let selected = self.selected.as_ref().is_none_or(|codes| codes.contains(&code));
        let ignored = self.ignored.contains(&code) || ignored.contains(&code);
        let set = self.severities.iter().find(|(found, _)| *found == code);
        let severity = || set.map_or(code.severity(self.reading.mode), |(_, severity)| *severity);
        (selected && !ignored).then(severity)
    }

    /// Works out what is in force. `working` is the working folder, without symbolic links.
    pub(crate) fn new(
        options: &Options,
        file: Option<&File>,
        working: &Path,
    ) -> Result<InForce, ConfigError> {
        let mut merge = Merge { options, file, working, rows: Vec::new(), told: Vec::new() };
        let reading = merge.reading()?;
        let selected = merge.selected()?;
        let ignored = merge.ignored()?;
        let severities = merge.severities(&reading)?;
        let fail_on = merge.scalar(
            "fail-on",
            options.settings.fail_on,
            |file| file.contents.fail_on.as_ref().map(|level| (level.get_ref().0, level.span())),
            FindingSeverity::Error,
        );
        let ignored_in = merge.ignored_in()?;
        let excluded = merge.excluded()?;
        let mut codec = reading.codec();
        for (code, severity) in &severities {
            codec = codec.with_severity(*code, *severity);
        }
        let policy = merge.policy(&reading)?;
        let mut validator = Validator::from(codec).with_policy(policy);
        if let Some(codes) = &selected {
            let others = Code::ALL.iter().filter(|code| !codes.contains(code));
            validator = others.fold(validator, |all, code| all.without_code(*code));
        }
        validator = ignored.iter().fold(validator, |all, code| all.without_code(*code));
        let Merge { rows, told, .. } = merge;
        let told = match file {
            Some(file) if !told.is_empty() => {
                vec![format!("{}: {}", shown(&file.path, working), told.join("; "))]
            }
            _ => Vec::new(),
        };
        Ok(InForce {
            reading,
            validator,
            fail_on,
            ignored,
            severities,
            selected,
            excluded,
            ignored_in,
            rows,
            told,
        })
    }
}

/// A path as messages show it: relative to the working folder if it is below.
fn shown(path: &Path, working: &Path) -> String {
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    crate::input::name(whole.strip_prefix(working).unwrap_or(path))
}

fn codes(codes: &[Code]) -> String {
    let names: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    names.join(", ")
}

impl From<Failure> for ConfigError {
    fn from(failure: Failure) -> Self {
        ConfigError { problem: failure.to_string(), drawn: String::new() }
    }
}

/// The sources of settings, and what has been worked out so far.
struct Merge<'a> {
    options: &'a Options,
    file: Option<&'a File>,
    working: &'a Path,
    rows: Vec<Setting>,
    told: Vec<String>,
}

impl Merge<'_> {
    fn row(&mut self, setting: impl Into<String>, value: impl Into<Value>, from: Origin) {
        self.rows.push(Setting { setting: setting.into(), value: value.into(), from });
    }

    fn origin(&self, at: usize) -> Origin {
        self.file.map_or(Origin::Default, |file| Origin::File {
            path: shown(&file.path, self.working),
            line: file.line(at),
        })
    }

    /// A value that only one source can say: the strongest that does.
    fn scalar<T: Display>(
        &mut self,
        setting: &str,
        option: Option<T>,
        read: impl FnOnce(&File) -> Option<(T, std::ops::Range<usize>)>,
        default: T,
    ) -> T {
        let (value, from) = match (option, self.file.and_then(read)) {
            (Some(value), _) => (value, Origin::Option),
            (None, Some((value, span))) => (value, self.origin(span.start)),
            (None, None) => (default, Origin::Default),
        };
        let text = value.to_string();
        let shown = text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
        self.row(setting, shown, from);
        value
    }

    fn reading(&mut self) -> Result<Reading, ConfigError> {
        let mut reading = self.options.reading.clone();
        let given = &self.options.given;
        reading.mode = self.scalar(
            "mode",
            given.has("mode").then_some(reading.mode),
            |file| file.contents.mode.as_ref().map(|mode| (mode.get_ref().0, mode.span())),
            reading.mode,
        );
        reading.protocol = self.scalar(
            "protocol",
            given.has("protocol").then(|| reading.protocol.clone()),
            |file| {
                let version = file.contents.protocol.as_ref()?;
                Some((version.get_ref().0.clone(), version.span()))
            },
            reading.protocol.clone(),
        );
        let listed = self.file.map(|file| &file.contents);
        for (setting, id, slot, value, default, most) in [
            (
                "max-bytes",
                "max_bytes",
                &mut reading.max_bytes,
                listed.and_then(|contents| contents.max_bytes.as_ref()),
                Limits::DEFAULT.bytes,
                MAX_BYTES,
            ),
            (
                "max-depth",
                "max_depth",
                &mut reading.max_depth,
                listed.and_then(|contents| contents.max_depth.as_ref()),
                Limits::DEFAULT.depth,
                usize::MAX,
            ),
            (
                "max-keys",
                "max_keys",
                &mut reading.max_keys,
                listed.and_then(|contents| contents.max_keys.as_ref()),
                Limits::DEFAULT.keys,
                MAX_KEYS,
            ),
            (
                "max-findings",
                "max_findings",
                &mut reading.max_findings,
                listed.and_then(|contents| contents.max_findings.as_ref()),
                Limits::DEFAULT.findings,
                MAX_KEYS,
            ),
        ] {
            let option = given.has(id).then_some(*slot);
            if let (None, Some(file), Some(value)) = (option, self.file, value) {
                let asked = *value.get_ref();
                if asked > most {
                    let problem = format!("a file may set at most {most}; --{setting} more");
                    return Err(file.error(value.span(), problem));
                }
                if asked > default && setting != "max-findings" {
                    self.told.push(format!("raises {setting} to {asked}"));
                }
            }
            let spanned = value.map(|value| (*value.get_ref(), value.span()));
            *slot = self.scalar(setting, option, |_| spanned, default);
        }
        reading.types = self.types()?;
        Ok(reading)
    }

    /// Event types of one's own, by name; an option replaces what a file says of the same name.
    fn types(&mut self) -> Result<BTreeMap<String, OwnType>, ConfigError> {
        let mut types = BTreeMap::new();
        if let Some(file) = self.file {
            for (name, own) in &file.contents.types {
                let known = coordination_protocol::event::Registry::default();
                own.get_ref()
                    .register(name, known)
                    .map_err(|error| file.error(own.span(), error))?;
                types.insert(name.clone(), (own.get_ref(), self.origin(own.span().start)));
            }
            if !types.is_empty() {
                let names: Vec<String> =
                    types.keys().map(|name| format!("`{}`", printable(name))).collect();
                self.told.push(format!("knows {}", names.join(", ")));
            }
        }
        for (name, own) in &self.options.settings.types {
            types.insert(name.clone(), (own, Origin::Option));
        }
        let mut all = BTreeMap::new();
        for (name, (own, from)) in types {
            let required: serde_json::Map<String, Value> = own
                .required
                .iter()
                .map(|(key, kind)| (key.clone(), kind.as_str().into()))
                .collect();
            let value = json!({ "category": own.category.as_str(), "required": required });
            self.row(format!("types.{name}"), value, from);
            all.insert(name, own.clone());
        }
        Ok(all)
    }

    fn selected(&mut self) -> Result<Option<Vec<Code>>, ConfigError> {
        let option = &self.options.settings.select;
        let file = self.file.and_then(|file| Some((file, file.contents.select.as_ref()?)));
        let (selected, from) = match file {
            _ if !option.is_empty() => (option.clone(), Origin::Option),
            Some((file, select)) => {
                let named = select.get_ref().iter().map(|name| file.code(name, names::code));
                let selected: Vec<Code> = named.collect::<Result<_, _>>()?;
                self.told.push(format!("looks for {} only", codes(&selected)));
                (selected, self.origin(select.span().start))
            }
            None => return Ok(None),
        };
        let names: Vec<&str> = selected.iter().map(|code| code.as_str()).collect();
        self.row("select", names, from);
        Ok(Some(selected))
    }

    fn ignored(&mut self) -> Result<Vec<Code>, ConfigError> {
        let mut all = self.options.settings.ignore.clone();
        for code in &all {
            let name = code.as_str();
            self.rows.push(Setting {
                setting: "ignore".to_owned(),
                value: name.into(),
                from: Origin::Option,
            });
        }
        let Some(file) = self.file else { return Ok(all) };
        let mut told = Vec::new();
        for ignored in &file.contents.ignore {
            let code = file.code(ignored, names::lenient_code)?;
            self.row("ignore", code.as_str(), self.origin(ignored.span().start));
            told.push(code);
            all.push(code);
        }
        if !told.is_empty() {
            self.told.push(format!("ignores {}", codes(&told)));
        }
        Ok(all)
    }

    fn severities(
        &mut self,
        reading: &Reading,
    ) -> Result<Vec<(Code, FindingSeverity)>, ConfigError> {
        let mut all: BTreeMap<Code, (FindingSeverity, Origin)> = BTreeMap::new();
        if let Some(file) = self.file {
            for (code, level) in &file.contents.severity {
                let severity = level.get_ref().0;
                let code = weighed(code.0, severity)
                    .map_err(|problem| file.error(level.span(), problem))?;
                all.insert(code, (severity, self.origin(level.span().start)));
            }
        }
        for (code, severity) in &self.options.settings.severity {
            all.insert(*code, (*severity, Origin::Option));
        }
        let mut severities = Vec::new();
        for (code, (severity, from)) in all {
            let usual = code.severity(reading.mode);
            if severity < usual && from != Origin::Option {
                self.told.push(format!("makes `{code}` a {severity}, not {}", article(usual)));
            }
            self.row(format!("severity.{code}"), severity.as_str(), from);
            severities.push((code, severity));
        }
        Ok(severities)
    }

    fn ignored_in(&mut self) -> Result<Vec<(Pattern, Vec<Code>)>, ConfigError> {
        let mut all = Vec::new();
        for (text, found) in &self.options.settings.ignore_in {
            let pattern = Pattern::new(self.working, text).map_err(|problem| ConfigError {
                problem: printable(format_args!("--ignore-in {text}: {problem}")).to_string(),
                drawn: String::new(),
            })?;
            let names: Vec<&str> = found.iter().map(|code| code.as_str()).collect();
            self.row(format!("ignore-in.{text}"), names, Origin::Option);
            all.push((pattern, found.clone()));
        }
        let Some(file) = self.file else { return Ok(all) };
        for (text, listed) in &file.contents.ignore_in {
            let complain = |problem: String| file.error(listed.span(), problem);
            let pattern = Pattern::new(&file.folder, text).map_err(complain)?;
            let read = |name: &Spanned<String>| file.code(name, names::lenient_code);
            let found: Vec<Code> = listed.get_ref().iter().map(read).collect::<Result<_, _>>()?;
            self.told.push(format!("ignores {} in {}", codes(&found), printable(text)));
            let names: Vec<&str> = found.iter().map(|code| code.as_str()).collect();
            self.row(format!("ignore-in.{text}"), names, self.origin(listed.span().start));
            all.push((pattern, found));
        }
        Ok(all)
    }

    fn excluded(&mut self) -> Result<Vec<Pattern>, ConfigError> {
        let mut all = Vec::new();
        for text in &self.options.settings.exclude {
            let pattern = Pattern::new(self.working, text).map_err(|problem| ConfigError {
                problem: printable(format_args!("--exclude {text}: {problem}")).to_string(),
                drawn: String::new(),
            })?;
            self.row("exclude", text.as_str(), Origin::Option);
            all.push(pattern);
        }
        let Some(file) = self.file else { return Ok(all) };
        let mut told = Vec::new();
        for text in &file.contents.exclude {
            let pattern = Pattern::new(&file.folder, text.get_ref())
                .map_err(|problem| file.error(text.span(), problem))?;
            self.row("exclude", text.get_ref().as_str(), self.origin(text.span().start));
            told.push(printable(text.get_ref()).to_string());
            all.push(pattern);
        }
        if !told.is_empty() {
            self.told.push(format!("leaves out {}", told.join(", ")));
        }
        Ok(all)
    }

    fn policy(
        &mut self,
        reading: &Reading,
    ) -> Result<coordination_protocol::validate::SecurityPolicy, ConfigError> {
        let mut security = self.options.security.clone();
        let contents = self.file.map(|file| (file, &file.contents));
        for (setting, slot, listed) in [
            (
                "permissions",
                &mut security.permissions,
                contents.and_then(|(file, contents)| Some((file, contents.permissions.as_ref()?))),
            ),
            (
                "keys",
                &mut security.keys,
                contents.and_then(|(file, contents)| Some((file, contents.keys.as_ref()?))),
            ),
            (
                "policy",
                &mut security.policy,
                contents.and_then(|(file, contents)| Some((file, contents.policy.as_ref()?))),
            ),
        ] {
            let from = match (&*slot, listed) {
                (Some(_), _) => Origin::Option,
                (None, Some((file, path))) => {
                    *slot = Some(file.inside(path)?);
                    let shown = crate::input::name(path.get_ref());
                    self.told.push(format!("takes {setting} from {shown}"));
                    self.origin(path.span().start)
                }
                (None, None) => continue,
            };
            let path = slot.as_deref().unwrap_or(Path::new(""));
            self.row(setting, shown(path, self.working), from);
        }
        security.senders = self.senders();
        Ok(security.policy(reading)?)
    }
}

impl Merge<'_> {
    /// Who may send which kind of message; an option replaces what a file says of the same kind.
    fn senders(&mut self) -> Vec<(MessageKind, Vec<Sender>)> {
        let mut rows = BTreeMap::new();
        if let Some(file) = self.file {
            for (kind, senders) in &file.contents.senders {
                let row = senders.get_ref().clone();
                rows.insert(*kind, (row, self.origin(senders.span().start)));
            }
            if !rows.is_empty() {
                let kinds: Vec<String> = rows.keys().map(|kind| format!("`{kind}`")).collect();
                self.told.push(format!("says who may send {}", kinds.join(", ")));
            }
        }
        for (kind, senders) in &self.options.security.senders {
            rows.insert(*kind, (senders.clone(), Origin::Option));
        }
        let mut all = Vec::new();
        for (kind, (senders, from)) in rows {
            let names: Vec<String> = senders.iter().map(Sender::to_string).collect();
            self.row(format!("senders.{kind}"), names, from);
            all.push((kind, senders));
        }
        all
    }
}

fn article(severity: FindingSeverity) -> String {
    let an = if severity == FindingSeverity::Error { "an" } else { "a" };
    format!("{an} {severity}")
}
