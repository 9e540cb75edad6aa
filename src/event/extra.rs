//! Fields that the protocol does not know.

use crate::codec::BuildError;
use crate::json::{Entry, Iter, IterMut, Json, Map, write_text};
use smol_str::SmolStr;
use std::ops::Deref;

/// Fields beyond those that the protocol knows: kept in order, numbers as spelled.
///
/// They are read like a [`Map`]. What holds them gives them to be changed as [`ExtraFieldsMut`], which
/// keeps them apart from the fields that the protocol knows.
///
/// ```
/// use coordination_protocol::event::TaskStarted;
/// use coordination_protocol::json::Json;
/// use coordination_protocol::scalar::{AgentId, TaskId, Timestamp};
///
/// let (task, agent) = (TaskId::new("t1")?, AgentId::new("a1")?);
/// let mut data = TaskStarted::new(task, agent, Timestamp::new("2025-01-15T12:00:00Z")?)
///     .with_extra("attempt", 1_u32)?;
/// data.extra_mut().insert("attempt", 2_u32)?;
/// data.extra_mut().insert("host", "n7")?;
/// assert_eq!(data.extra().get("attempt").unwrap().as_str(), "2");
/// assert_eq!(data.extra_mut().remove("host"), Some(Json::text("n7")));
/// let error = data.extra_mut().insert("task_id", "t2").unwrap_err();
/// assert_eq!(error.to_string(), "`task_id` is a field of its own; set it there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraFields(Map<Json>);

impl ExtraFields {
    pub(crate) const fn from_valid(entries: Vec<(SmolStr, Json)>) -> Self {
        ExtraFields(Map::from_valid(entries))
    }

    /// Keys and values, to be changed; no key may be there twice.
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(SmolStr, Json)> {
        self.0.entries_mut()
    }

    /// Adds what a reader found, which keeps keys apart.
    pub(crate) fn push(&mut self, key: SmolStr, value: Json) {
        self.0.entries_mut().push((key, value));
    }

    /// Sets the value of a key that no field has.
    pub(crate) fn set(&mut self, key: &str, value: Json) {
        self.0.insert(key, value);
    }

    /// The fields to be changed, where `taken` tells which keys are fields of their own.
    pub(crate) fn guarded(&mut self, taken: fn(&str) -> bool) -> ExtraFieldsMut<'_> {
        ExtraFieldsMut { fields: &mut self.0, taken }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, mut first: bool) {
        for (key, value) in self.0.entries() {
            if !first {
                out.push(b',');
            }
            first = false;
            write_text(out, key);
            out.push(b':');
            out.extend_from_slice(value.as_str().as_bytes());
        }
    }
}

impl Deref for ExtraFields {
    type Target = Map<Json>;

    fn deref(&self) -> &Map<Json> {
        &self.0
    }
}

impl<'m> IntoIterator for &'m ExtraFields {
    type Item = (&'m str, &'m Json);
    type IntoIter = Iter<'m, Json>;

    fn into_iter(self) -> Iter<'m, Json> {
        self.0.iter()
    }
}

/// [`ExtraFields`] to be changed like a map. What is a field of its own cannot be set here, or it would be
/// written twice.
#[derive(Debug)]
pub struct ExtraFieldsMut<'m> {
    fields: &'m mut Map<Json>,
    taken: fn(&str) -> bool,
}

impl ExtraFieldsMut<'_> {
    fn free(&self, key: &str) -> Result<(), BuildError> {
        if (self.taken)(key) { Err(BuildError::Repeated(key.to_owned())) } else { Ok(()) }
    }

    /// Sets the value of a key, and returns the one it had. A new key goes to the end.
    ///
    /// # Errors
    /// [`BuildError::Repeated`] if it is the key of a field.
    pub fn insert(
        &mut self,
        key: impl AsRef<str>,
        value: impl Into<Json>,
    ) -> Result<Option<Json>, BuildError> {
        self.free(key.as_ref())?;
        Ok(self.fields.insert(key, value.into()))
    }

    /// The place of a key, be it there or not.
    ///
    /// # Errors
    /// [`BuildError::Repeated`] if it is the key of a field.
    pub fn entry(&mut self, key: impl AsRef<str>) -> Result<Entry<'_, Json>, BuildError> {
        self.free(key.as_ref())?;
        Ok(self.fields.entry(key))
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        self.fields.get_mut(key)
    }

    /// Takes a key out, and returns its value. The others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        self.fields.remove(key)
    }

    /// Takes out what `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&str, &mut Json) -> bool) {
        self.fields.retain(keep);
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.fields.clear();
    }

    /// Keys and values, in order; the values to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, Json> {
        self.fields.iter_mut()
    }
}

impl<'m> IntoIterator for &'m mut ExtraFieldsMut<'_> {
    type Item = (&'m str, &'m mut Json);
    type IntoIter = IterMut<'m, Json>;

    fn into_iter(self) -> IterMut<'m, Json> {
        self.iter_mut()
    }
}

impl Deref for ExtraFieldsMut<'_> {
    type Target = Map<Json>;

    fn deref(&self) -> &Map<Json> {
        self.fields
    }
}
