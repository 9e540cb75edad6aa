//! The greeting on the wire: what is supported as a `hello`, what was agreed as a `welcome`.

use super::error::VersionError;
use super::negotiate::Agreement;
use super::range::VersionRange;
use super::supported::{Capability, SupportedVersions};
use crate::json::Json;
use crate::message::{Hello, VersionRange as WireRange, Welcome};
use crate::scalar::ComponentId;

impl SupportedVersions {
    /// The greeting of a component. Versions that can only be read go into an extra field `known`.
    ///
    /// ```
    /// use coordination_protocol::scalar::ComponentId;
    /// use coordination_protocol::version::{SupportedVersions, negotiate};
    ///
    /// let hello = SupportedVersions::current().hello(ComponentId::new("resource-manager")?);
    /// let theirs = SupportedVersions::from_hello(&hello)?;
    /// let agreement = negotiate(&SupportedVersions::current(), &theirs)?;
    /// let welcome = agreement.welcome(ComponentId::new("coordination-hub")?);
    /// assert_eq!(welcome.version.to_string(), "1.1.0");
    /// # Ok::<(), coordination_protocol::error::Error>(())
    /// ```
    pub fn hello(&self, component: ComponentId) -> Hello {
        let wire =
            |range: &VersionRange| WireRange::new(range.lowest().clone(), range.highest().clone());
        let mut hello =
            Hello::new(component, self.implemented().iter().map(wire).collect::<Vec<_>>());
        if let Some(floor) = self.floor() {
            hello = hello.with_floor(floor.clone());
        }
        if !self.capabilities().is_empty() {
            hello = hello.with_capabilities(names(self.capabilities()));
        }
        if self.known != self.implemented
            && let Ok(known) = Json::of(&self.known)
            && let Ok(with_known) = hello.clone().with_extra("known", known)
        {
            hello = with_known;
        }
        hello
    }

    /// What a greeting says that its component supports.
    ///
    /// # Errors
    /// [`VersionError`] if a range ends before it starts, there is none, or a capability is no
    /// name.
    pub fn from_hello(hello: &Hello) -> Result<Self, VersionError> {
        let mut supported: Option<SupportedVersions> = None;
        for (index, range) in hello.versions.iter().enumerate() {
            let range = VersionRange::new(range.min.clone(), range.max.clone())
                .map_err(|error| VersionError::greeting(format!("/versions/{index}"), error))?;
            supported = Some(match supported {
                Some(supported) => supported.with_implemented(range),
                None => SupportedVersions::new(range),
            });
        }
        let Some(mut supported) = supported else {
            return Err(VersionError::greeting("/versions", "at least one range is needed"));
        };
        if let Some(floor) = &hello.floor {
            supported = supported.with_floor(floor.clone());
        }
        for name in capabilities(hello.capabilities.as_deref())? {
            supported = supported.with_capability(name);
        }
        if let Some(known) = hello.extra().get("known") {
            let known: Vec<WireRange> =
                known.decode().map_err(|error| VersionError::greeting("/known", error))?;
            for (index, range) in known.into_iter().enumerate() {
                let range = VersionRange::new(range.min, range.max)
                    .map_err(|error| VersionError::greeting(format!("/known/{index}"), error))?;
                supported = supported.with_known(range);
            }
        }
        Ok(supported)
    }
}

impl Agreement {
    /// The answer to a greeting.
    pub fn welcome(&self, component: ComponentId) -> Welcome {
        let welcome = Welcome::new(component, self.version.clone());
        if self.capabilities.is_empty() {
            welcome
        } else {
            welcome.with_capabilities(names(&self.capabilities))
        }
    }

    /// What an answer says was agreed. Compare it with your own [`negotiate`](super::negotiate) of
    /// the two greetings: both sides compute the same.
    ///
    /// # Errors
    /// [`VersionError`] if a capability is no name.
    pub fn from_welcome(welcome: &Welcome) -> Result<Self, VersionError> {
        let capabilities = capabilities(welcome.capabilities.as_deref())?.into_iter().collect();
        Ok(Agreement { version: welcome.version.clone(), capabilities })
    }
}

fn names<'c>(capabilities: impl IntoIterator<Item = &'c Capability>) -> Vec<String> {
    capabilities.into_iter().map(ToString::to_string).collect()
}

fn capabilities(names: Option<&[String]>) -> Result<Vec<Capability>, VersionError> {
    let read = |(index, name): (usize, &String)| {
        Capability::new(name)
            .map_err(|error| VersionError::greeting(format!("/capabilities/{index}"), error))
    };
    names.unwrap_or_default().iter().enumerate().map(read).collect()
}
