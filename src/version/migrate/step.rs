//! Steps between neighbouring versions.

use crate::event::EventType;
use crate::json::pointer::push_key;
use crate::json::{Edits, Kind, Limits, Token, elements, members, quoted};
use crate::message::{EnvelopeHeader, MessageKind, Shape as Form};
use crate::scalar::ProtocolVersion;
use crate::version::addition::{Addition, AdditionKind};
use crate::version::error::VersionError;
use crate::version::loss::{Loss, Migrated};
use crate::version::record::{Member, Record, Shape};
use crate::version::supported::VERSIONS;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Work = dyn Fn(&str) -> Result<Migrated, String> + Send + Sync;

#[derive(Clone)]
enum Way {
    /// The higher version only adds to the lower one, as its tables say.
    Additive,
    Custom(Arc<Work>),
}

/// One direct way from a version to another.
#[derive(Clone)]
pub struct Step {
    from: ProtocolVersion,
    to: ProtocolVersion,
    way: Way,
}

impl Step {
    /// A step of your own: takes a record of `from` and gives one of `to`, or a sentence that says
    /// why it cannot.
    ///
    /// It must keep the law of this module: if it reports no losses, the step back restores the
    /// record.
    ///
    /// ```
    /// use coordination_protocol::ProtocolVersion;
    /// use coordination_protocol::version::{Migrated, Migrator, Step};
    ///
    /// let (v1, v2) = (ProtocolVersion::V1_1_0, ProtocolVersion::new(2, 0, 0));
    /// let up = Step::new(v1.clone(), v2.clone(), |record| {
    ///     Ok(Migrated::new(record.replace("\"eta_update\"", "\"eta\"")))
    /// });
    /// let migrator = Migrator::new().with_step(up);
    /// let path = migrator.path(&ProtocolVersion::V1_0_0, &v2).unwrap();
    /// assert_eq!(path, [ProtocolVersion::V1_0_0, v1, v2]);
    /// ```
    pub fn new(
        from: ProtocolVersion,
        to: ProtocolVersion,
        work: impl Fn(&str) -> Result<Migrated, String> + Send + Sync + 'static,
    ) -> Self {
        Step { from, to, way: Way::Custom(Arc::new(work)) }
    }

    /// Where it starts.
    pub const fn from(&self) -> &ProtocolVersion {
        &self.from
    }

    /// Where it leads.
    pub const fn to(&self) -> &ProtocolVersion {
        &self.to
    }

    pub(super) fn run(&self, text: &str, limits: &Limits) -> Result<Migrated, VersionError> {
        match &self.way {
            Way::Additive => Ok(self.additive(&Record::read(text, limits)?)),
            Way::Custom(work) => work(text).map_err(|reason| VersionError::Step {
                from: self.from.clone(),
                to: self.to.clone(),
                reason,
            }),
        }
    }

    /// Going down, what the lower version lacks is left out; going up, it gains a meaning.
    fn additive(&self, record: &Record<'_>) -> Migrated {
        let up = self.from < self.to;
        let uses = self.uses(record);
        let mut losses = Vec::new();
        for found in &uses {
            let addition = &found.addition;
            if up {
                let name = addition.name.rsplit('/').next().unwrap_or_default();
                let what = format!("the free meaning of `{name}`");
                let reason = format!("protocol {} gives it one", self.to);
                losses.push(Loss::new(&found.pointer, what, reason));
                continue;
            }
            let reason = format!("protocol {} does not have it", self.to);
            let loss = Loss::new(&found.pointer, addition.to_string(), reason);
            // A message whose type is not known there means nothing to its reader: all or nothing.
            if !addition.kind.is_optional() {
                return Migrated::dropped(loss);
            }
            losses.push(loss);
        }
        let mut edits = Edits::new(record.text);
        if up {
            let states = |found: &&Use| found.addition.name == "protocol_version";
            if let Some(Use { member: Some((_, value)), .. }) = uses.iter().find(states) {
                edits.replace(value.range(), quoted(&self.to.to_string()));
            }
        } else {
            let mut gone: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (open, value) in uses.iter().filter_map(|found| found.member) {
                gone.entry(open).or_default().push(value.start());
            }
            for (open, values) in gone {
                edits.remove(open, |value| values.contains(&value.start()));
            }
        }
        Migrated { losses, ..Migrated::new(edits.finish()) }
    }

    /// Whether something is new in the higher of the two versions.
    fn is_new(&self, since: &ProtocolVersion) -> bool {
        let (low, high) = ((&self.from).min(&self.to), (&self.from).max(&self.to));
        low < since && since <= high
    }

    /// What only the higher version has a meaning for, in the order of the record.
    fn uses(&self, record: &Record<'_>) -> Vec<Use> {
        let mut uses = Vec::new();
        if let Shape::Line(header, _) = &record.shape {
            self.event_type(header.type_name, "", &mut uses);
        }
        // Without a body it is no message of this protocol, and its keys are no header keys.
        if !record.has_body() {
            return uses;
        }
        for Member { key, value, .. } in record.members() {
            let mut pointer = String::new();
            push_key(&mut pointer, key);
            let mut found = |since: &ProtocolVersion, kind| {
                let addition = Addition::new(since.clone(), kind, key.to_string());
                let member = Some((record.start, *value));
                uses.push(Use { addition, pointer: pointer.clone(), member });
            };
            if let Some(member) = EnvelopeHeader::SPEC.member(key) {
                if self.is_new(member.since) {
                    found(member.since, AdditionKind::Header);
                }
                continue;
            }
            let Some(kind) = MessageKind::lookup(key) else { continue };
            if self.is_new(kind.since()) {
                found(kind.since(), AdditionKind::Body);
                continue;
            }
            if let Some(spec) = kind.spec() {
                self.fields(record, *value, Form::Object(spec), &pointer, key, &mut uses);
            }
            if kind == MessageKind::Event
                && let Some(name) = record.inside(*value, "event_type")
                && let Some(name) = record.meaning(name)
            {
                self.event_type(&name, "/event/event_type", &mut uses);
            }
        }
        uses
    }

    fn event_type(&self, name: &str, pointer: &str, uses: &mut Vec<Use>) {
        let Some(kind) = EventType::lookup(name) else { return };
        let since = &kind.spec().since;
        if self.is_new(since) {
            let addition = Addition::new(since.clone(), AdditionKind::EventType, kind.as_str());
            uses.push(Use { addition, pointer: pointer.to_owned(), member: None });
        }
    }

    /// The new fields inside a value of some form, down to the last part.
    fn fields(
        &self,
        record: &Record<'_>,
        value: Token,
        form: Form,
        pointer: &str,
        path: &str,
        uses: &mut Vec<Use>,
    ) {
        let text = record.text;
        match (form, value.kind()) {
            (Form::Object(spec), Kind::Object) => {
                for (key, inner) in members(text, value.start()) {
                    let name = key.decode(text);
                    let Some(member) = spec.member(&name) else { continue };
                    let (pointer, path) =
                        (format!("{pointer}/{}", member.name), format!("{path}/{}", member.name));
                    if self.is_new(member.since) {
                        let since = member.since.clone();
                        let addition = Addition::new(since, AdditionKind::Field, path);
                        let member = Some((value.start(), inner));
                        uses.push(Use { addition, pointer, member });
                    } else {
                        self.fields(record, inner, member.shape, &pointer, &path, uses);
                    }
                }
            }
            (Form::List(form), Kind::Array) => {
                for (index, inner) in elements(text, value.start()).enumerate() {
                    let pointer = format!("{pointer}/{index}");
                    self.fields(record, inner, *form, &pointer, &format!("{path}/*"), uses);
                }
            }
            (Form::Map(form), Kind::Object) => {
                for (key, inner) in members(text, value.start()) {
                    let mut pointer = pointer.to_owned();
                    push_key(&mut pointer, &key.decode(text));
                    self.fields(record, inner, *form, &pointer, &format!("{path}/*"), uses);
                }
            }
            _ => {}
        }
    }
}

/// One use of an addition.
struct Use {
    addition: Addition,
    pointer: String,
    /// Where the object around it opens, and its value; none for an event type.
    member: Option<(usize, Token)>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({} -> {})", self.from, self.to)
    }
}

/// Up and down between all neighbours in [`VERSIONS`].
pub(super) fn standard() -> Vec<Step> {
    VERSIONS
        .windows(2)
        .flat_map(|pair| {
            let [low, high] = pair else { return Vec::new() };
            let step = |from: &ProtocolVersion, to: &ProtocolVersion| Step {
                from: from.clone(),
                to: to.clone(),
                way: Way::Additive,
            };
            vec![step(low, high), step(high, low)]
        })
        .collect()
}
