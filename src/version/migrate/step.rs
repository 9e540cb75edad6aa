//! Steps between neighbouring versions.

use super::edit::{Edits, quoted};
use super::record::{Record, Shape};
use super::{Loss, MigrateError, Migrated};
use crate::event::EventType;
use crate::json::{Kind, Limits, Token};
use crate::scalar::ProtocolVersion;
use crate::version::addition::{Addition, AdditionKind, between, is_body};
use crate::version::supported::VERSIONS;
use std::fmt;
use std::sync::Arc;

/// What a step of yours says when it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepError(String);

impl StepError {
    /// A reason.
    pub fn new(reason: impl Into<String>) -> Self {
        StepError(reason.into())
    }
}

type Work = dyn Fn(&str) -> Result<Migrated, StepError> + Send + Sync;

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
    /// A step of your own: takes a record of `from` and gives one of `to`.
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
        work: impl Fn(&str) -> Result<Migrated, StepError> + Send + Sync + 'static,
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

    pub(super) fn run(&self, text: &str, limits: &Limits) -> Result<Migrated, MigrateError> {
        match &self.way {
            Way::Additive => Ok(self.additive(&Record::read(text, limits)?)),
            Way::Custom(work) => work(text).map_err(|error| MigrateError::Step {
                from: self.from.clone(),
                to: self.to.clone(),
                error,
            }),
        }
    }

    /// Going down, what the lower version lacks is left out; going up, it gains a meaning.
    fn additive(&self, record: &Record<'_>) -> Migrated {
        let up = self.from < self.to;
        let uses = self.uses(record);
        let mut edits = Edits::new(record.text);
        let mut losses = Vec::new();
        for found in &uses {
            let pointer = found.place.pointer();
            let addition = &found.addition;
            if up {
                let what = format!("the free meaning of {}", found.name());
                let reason = format!("protocol {} gives it one", self.to);
                losses.push(Loss::new(pointer, what, reason));
                continue;
            }
            let reason = format!("protocol {} does not have it", self.to);
            let loss = Loss::new(pointer, addition.to_string(), reason);
            if !addition.kind.is_optional() {
                return Migrated::dropped(loss);
            }
            losses.push(loss);
        }
        if up {
            if let Some(Use { place: Place::Root { value, .. }, .. }) =
                uses.iter().find(|found| found.addition.name == "protocol_version")
            {
                edits.replace(value.range(), quoted(&self.to.to_string()));
            }
        } else if !uses.is_empty() {
            edits.remove(record.start, |key| {
                uses.iter()
                    .any(|found| matches!(&found.place, Place::Root { key: at, .. } if *at == key))
            });
            for found in &uses {
                if let Place::Inside { open, key, .. } = &found.place {
                    edits.remove(*open, |name| name == *key);
                }
            }
        }
        Migrated { losses, ..Migrated::new(edits.finish()) }
    }

    /// What only the higher of the two versions has a meaning for, in the order of the record.
    fn uses(&self, record: &Record<'_>) -> Vec<Use> {
        let (low, high) = (self.from.min_of(&self.to), self.from.max_of(&self.to));
        let later = |name: &str| {
            let spec = EventType::lookup(name)?.spec();
            let inside = *low < spec.since && spec.since <= *high;
            inside.then(|| {
                Addition::new(spec.since.clone(), AdditionKind::EventType, spec.event_type.as_str())
            })
        };
        if let Shape::Line(header, _) = &record.shape {
            let found = later(header.type_name);
            return found
                .map(|addition| Use { addition, place: Place::Record })
                .into_iter()
                .collect();
        }
        let members = record.members();
        // Without a body it is no message of this protocol, and its keys are nobody's header.
        if !members.iter().any(|member| is_body(&member.key)) {
            return Vec::new();
        }
        let added: Vec<_> = between(low, high).collect();
        let addition = |kind, name: &'static str| Addition::new(high.clone(), kind, name);
        let mut uses = Vec::new();
        for member in members {
            for (kind, name) in &added {
                match kind {
                    AdditionKind::Header | AdditionKind::Body if *name == member.key => {
                        let place = Place::Root { key: name, value: member.value };
                        uses.push(Use { addition: addition(*kind, name), place });
                    }
                    AdditionKind::Field => {
                        let Some((message, field)) = name.split_once('/') else { continue };
                        if message == member.key && record.inside(member.value, field).is_some() {
                            let place =
                                Place::Inside { open: member.value.start(), message, key: field };
                            uses.push(Use { addition: addition(*kind, name), place });
                        }
                    }
                    _ => {}
                }
            }
            if member.key == "event" && member.value.kind() == Kind::Object {
                let name = record
                    .inside(member.value, "event_type")
                    .and_then(|token| record.meaning(token));
                if let Some(addition) = name.and_then(|name| later(&name)) {
                    uses.push(Use { addition, place: Place::Event });
                }
            }
        }
        uses
    }
}

/// The lower and the higher of two versions, borrowed.
trait Ordered {
    fn min_of<'a>(&'a self, other: &'a Self) -> &'a Self;
    fn max_of<'a>(&'a self, other: &'a Self) -> &'a Self;
}

impl Ordered for ProtocolVersion {
    fn min_of<'a>(&'a self, other: &'a Self) -> &'a Self {
        if other < self { other } else { self }
    }

    fn max_of<'a>(&'a self, other: &'a Self) -> &'a Self {
        if other < self { self } else { other }
    }
}

/// One use of an addition.
struct Use {
    addition: Addition,
    place: Place,
}

enum Place {
    /// The type of an event line.
    Record,
    /// The type in an `event` body.
    Event,
    /// A key of the root object.
    Root { key: &'static str, value: Token },
    /// A key of a message.
    Inside { open: usize, message: &'static str, key: &'static str },
}

impl Place {
    fn pointer(&self) -> String {
        match self {
            Place::Record => String::new(),
            Place::Event => "/event/event_type".to_owned(),
            Place::Root { key, .. } => format!("/{key}"),
            Place::Inside { message, key, .. } => format!("/{message}/{key}"),
        }
    }
}

impl Use {
    /// The bare name: nobody has declared yet what kind of thing it is.
    fn name(&self) -> String {
        let name = self.addition.name.rsplit('/').next().unwrap_or_default();
        format!("`{name}`")
    }
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
