//! What is checkpointed.

use super::error::CheckpointError;
use super::options::CheckpointOptions;
use super::part_name::PartName;
use crate::event::Codec;
use crate::finding::Mode;
use crate::json::{Dialect, Json, Kind, Limits, ObjectEdit, canonical, check, write_text};
use crate::message::{Message, MessageKind, StateSnapshot, WorkflowState};
use crate::scalar::{Digest, WorkflowId, id};
use smol_str::SmolStr;
use std::collections::BTreeMap;

impl PartName {
    /// A name: an identifier of recommended characters.
    ///
    /// # Errors
    /// [`CheckpointError::PartName`].
    pub fn new(name: &str) -> Result<Self, CheckpointError> {
        match id::check(name) {
            Ok(id::IdCharset::Recommended) if name.bytes().any(|byte| byte != b'.') => {
                Ok(PartName(SmolStr::new(name)))
            }
            _ => Err(CheckpointError::PartName(name.to_owned())),
        }
    }
}

impl TryFrom<String> for PartName {
    type Error = CheckpointError;

    fn try_from(name: String) -> Result<Self, CheckpointError> {
        PartName::new(&name)
    }
}

/// The parts of a checkpoint, collected by the host.
///
/// ```
/// use coordination_protocol::checkpoint::{PartName, Parts};
/// use coordination_protocol::scalar::Digest;
///
/// let parts = Parts::parse(r#"{
///     "workflow_id": "wf_001", "state_version": 15, "timestamp": "2025-01-15T12:00:00Z",
///     "agent_states": {"agent_001": {"status": "active", "progress": 45.20}}
/// }"#)?
/// .with_files([("src/lib.rs", Digest::of(b"//! Empty."))])?;
///
/// // Spellings survive; digests do not depend on them.
/// let agents = parts.get(&PartName::AGENT_STATES).unwrap();
/// assert_eq!(agents.as_str(), r#"{"agent_001":{"status":"active","progress":45.20}}"#);
/// assert_eq!(
///     parts.digests()?.agent_state_hash.unwrap(),
///     Digest::of(br#"{"agent_001":{"progress":45.2,"status":"active"}}"#),
/// );
/// # Ok::<(), coordination_protocol::checkpoint::CheckpointError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parts {
    state: WorkflowState,
    given: BTreeMap<PartName, Json>,
    limits: Limits,
}

/// Parts are equal if they are spelled alike, whatever limits they were read with.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Eq for Parts {}

impl Parts {
    /// The state of a workflow, as it is written.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is beyond the limits.
    pub fn new(state: &WorkflowState) -> Result<Self, CheckpointError> {
        let text = serde_json::to_string(state)
            .map_err(|error| CheckpointError::State { detail: error.to_string() })?;
        Parts::parse(&text)
    }

    /// The state of a workflow from its text: the body, or a message with that body. What interop
    /// mode lets pass is accepted; the validation `state_integrity` tells whether it is right.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is no workflow state, or beyond the default limits.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        Parts::parse_with(text, &CheckpointOptions::default())
    }

    /// The same with the limits of some options.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse_with(text: &str, options: &CheckpointOptions) -> Result<Self, CheckpointError> {
        let limits = options.limits();
        let whole = compact(&PartName::WORKFLOW_STATE, text, &limits)?;
        let body = match whole.get("workflow_id") {
            Some(_) => whole,
            None => whole.get(MessageKind::WorkflowState.as_str()).unwrap_or(whole),
        };
        let state = read_state(&body, &limits)?;
        let given = BTreeMap::from([(PartName::WORKFLOW_STATE, body)]);
        Ok(Parts { state, given, limits })
    }

    /// Sets the files: paths, and digests of their contents. Of equal paths the last counts.
    ///
    /// # Errors
    /// [`CheckpointError`] beyond the limits.
    pub fn with_files<P: AsRef<str>>(
        self,
        files: impl IntoIterator<Item = (P, Digest)>,
    ) -> Result<Self, CheckpointError> {
        let sorted: BTreeMap<String, Digest> =
            files.into_iter().map(|(path, digest)| (path.as_ref().to_owned(), digest)).collect();
        let mut out = vec![b'{'];
        for (index, (path, digest)) in sorted.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(&mut out, path);
            out.push(b':');
            write_text(&mut out, digest.as_str());
        }
        out.push(b'}');
        self.with_part(PartName::FILE_SYSTEM, &String::from_utf8(out).unwrap_or_default())
    }

    /// Sets a part from its JSON text, in the place of the one it had.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is no JSON within the limits, or not what the protocol's own parts
    /// are: an object.
    pub fn with_part(mut self, name: PartName, text: &str) -> Result<Self, CheckpointError> {
        let value = compact(&name, text, &self.limits)?;
        if name == PartName::WORKFLOW_STATE {
            self.state = read_state(&value, &self.limits)?;
        }
        if name == PartName::FILE_SYSTEM {
            let is_digest =
                |value: &Json| value.to_text().is_some_and(|text| Digest::new(text).is_ok());
            if let Some((path, _)) =
                ObjectEdit::of(&value).iter().find(|(_, value)| !is_digest(value))
            {
                return Err(CheckpointError::File { path: path.to_owned() });
            }
        }
        let own = [PartName::FILE_SYSTEM, PartName::AGENT_STATES, PartName::RESOURCE_STATE];
        if own.contains(&name) && value.kind() != Kind::Object {
            return Err(CheckpointError::NotAnObject { part: name });
        }
        self.given.insert(name, value);
        Ok(self)
    }

    /// The state of the workflow, typed.
    pub fn state(&self) -> &WorkflowState {
        &self.state
    }

    /// The state of the workflow, as spelled.
    pub fn state_text(&self) -> &Json {
        &self.given[&PartName::WORKFLOW_STATE]
    }

    /// The workflow.
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.state.workflow_id
    }

    /// A part. The states of agents and the resources come from the workflow's state unless they
    /// are given; `{}` if it has none.
    pub fn get(&self, name: &PartName) -> Option<Json> {
        let derived = || {
            let member = self.state_text().get(name.derived_from()?);
            Some(member.unwrap_or_else(|| Json::from_valid("{}")))
        };
        self.given.get(name).cloned().or_else(derived)
    }

    /// The parts that were given, which are those that are stored, by name.
    pub fn given(&self) -> impl Iterator<Item = (&PartName, &Json)> {
        self.given.iter()
    }

    /// Whether a part was given.
    pub fn has(&self, name: &PartName) -> bool {
        self.given.contains_key(name)
    }

    /// A part if it was given, not if it comes from the state.
    pub(super) fn stored(&self, name: &PartName) -> Option<&Json> {
        self.given.get(name)
    }

    /// Files and the digests of their contents; none if no list was given.
    pub fn files(&self) -> BTreeMap<String, String> {
        let Some(files) = self.given.get(&PartName::FILE_SYSTEM) else { return BTreeMap::new() };
        let entries = ObjectEdit::of(files);
        entries
            .iter()
            .filter_map(|(path, digest)| Some((path.to_owned(), digest.to_text()?)))
            .collect()
    }

    /// The digest of a part over its RFC 8785 form.
    ///
    /// # Errors
    /// [`CheckpointError::Digest`] for a number that the form cannot hold.
    pub fn digest(&self, name: &PartName) -> Result<Option<Digest>, CheckpointError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match canonical(value.as_str(), &self.limits) {
            Ok(text) => Ok(Some(Digest::of(text.as_bytes()))),
            Err(error) => Err(CheckpointError::Digest { part: name.clone(), error }),
        }
    }

    /// The digests that a confirmation carries. `file_system_hash` is there if a list of files was
    /// given.
    ///
    /// # Errors
    /// [`CheckpointError::Digest`].
    pub fn digests(&self) -> Result<StateSnapshot, CheckpointError> {
        let mut snapshot = StateSnapshot::new();
        snapshot.workflow_state_hash = self.digest(&PartName::WORKFLOW_STATE)?;
        snapshot.file_system_hash = self.digest(&PartName::FILE_SYSTEM)?;
        snapshot.agent_state_hash = self.digest(&PartName::AGENT_STATES)?;
        snapshot.resource_state_hash = self.digest(&PartName::RESOURCE_STATE)?;
        Ok(snapshot)
    }

    /// Whether others say the same, as after a restore: the same parts, and a state that differs in
    /// nothing but `state_version`, `epoch`, `restored_version`, `checkpoint_id`, `timestamp` and
    /// `metadata`. Lists of files are not compared, for those are not put back.
    ///
    /// ```
    /// use coordination_protocol::checkpoint::Parts;
    ///
    /// let state = r#"{"workflow_id":"wf_001","state_version":15,"timestamp":"2025-01-15T12:00:00Z"}"#;
    /// let then = Parts::parse(state)?;
    /// assert!(then.says_the_same(&Parts::parse(&state.replace("15", "17"))?));
    /// assert!(!then.says_the_same(&Parts::parse(&state.replace("001", "002"))?));
    /// # Ok::<(), coordination_protocol::checkpoint::CheckpointError>(())
    /// ```
    pub fn says_the_same(&self, other: &Parts) -> bool {
        let all = |parts: &Parts| -> BTreeMap<PartName, Json> {
            let given = parts.given().filter(|(name, _)| **name != PartName::FILE_SYSTEM);
            given.map(|(name, value)| (name.clone(), content(name, value))).collect()
        };
        all(self) == all(other)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The parts without one of them; the workflow's state stays.
    pub(super) fn without(mut self, name: &PartName) -> Self {
        if *name != PartName::WORKFLOW_STATE {
            self.given.remove(name);
        }
        self
    }
}

/// What a part says: of a state, what it says about the workflow and not about itself.
pub(super) fn content(name: &PartName, value: &Json) -> Json {
    if *name != PartName::WORKFLOW_STATE {
        return value.clone();
    }
    let mut state = ObjectEdit::of(value);
    let about =
        ["state_version", "epoch", "restored_version", "checkpoint_id", "timestamp", "metadata"];
    for member in about {
        state.set(member, None);
    }
    state.into_json()
}

/// A text without white space between its values.
fn compact(name: &PartName, text: &str, limits: &Limits) -> Result<Json, CheckpointError> {
    // An object around it must fit into the limits, too.
    let inner = limits.with_depth(limits.depth - 1);
    check(text, Dialect::Strict, &inner)
        .map_err(|error| CheckpointError::Json { part: name.clone(), error })?;
    Ok(Json::from_valid(text.trim_matches([' ', '\t', '\n', '\r'])))
}

/// The message whose body a state is.
pub(super) fn as_message(state: &Json) -> String {
    format!("{{\"{}\":{state}}}", MessageKind::WorkflowState)
}

fn read_state(body: &Json, limits: &Limits) -> Result<WorkflowState, CheckpointError> {
    let text = as_message(body);
    // Room for the key around it.
    let codec = Codec::new(Mode::Interop).with_limits(limits.with_bytes(limits.bytes + 64));
    let state = |detail: String| CheckpointError::State { detail };
    let message = codec.parse_message(&text).map_err(|error| state(error.to_string()))?;
    match message.decode().map_err(|error| state(error.to_string()))?.message {
        Message::WorkflowState(body) => Ok(*body),
        other => Err(state(format!("it is of the kind `{}`", other.kind()))),
    }
}
