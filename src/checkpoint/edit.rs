//! Changing single members of an object, everything else as spelled.

use crate::json::{Json, Kind, members, write_text};

/// Keys and values of a JSON object, as spelled and in order.
pub(super) struct Object<'a> {
    text: &'a str,
    members: Vec<(String, String)>,
}

impl<'a> Object<'a> {
    /// The members; none for other kinds.
    pub(super) fn of(value: &'a Json) -> Self {
        let text = value.as_str();
        let members = if value.kind() == Kind::Object {
            members(text, 0)
                .map(|(key, value)| (key.decode(text).into_owned(), value.raw(text).to_owned()))
                .collect()
        } else {
            Vec::new()
        };
        Object { text, members }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Json)> {
        self.members.iter().map(|(key, value)| (key.as_str(), Json::from_valid(value)))
    }

    pub(super) fn get(&self, key: &str) -> Option<Json> {
        let (_, value) = self.members.iter().find(|(name, _)| name == key)?;
        Some(Json::from_valid(value))
    }

    /// Sets a member where it stands, or as the last one; `None` removes it.
    pub(super) fn set(&mut self, key: &str, value: Option<&Json>) {
        let place = self.members.iter().position(|(name, _)| name == key);
        match (place, value) {
            (Some(at), Some(value)) => value.as_str().clone_into(&mut self.members[at].1),
            (Some(at), None) => drop(self.members.remove(at)),
            (None, Some(value)) => {
                self.members.push((key.to_owned(), value.as_str().to_owned()));
            }
            (None, None) => {}
        }
    }

    pub(super) fn into_json(self) -> Json {
        let mut out = Vec::with_capacity(self.text.len() + 64);
        out.push(b'{');
        for (index, (key, value)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
        Json::from_valid(&String::from_utf8(out).unwrap_or_default())
    }
}
