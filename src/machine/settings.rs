//! What a component's configuration asks of its machines (specification, Configuration
//! Management).

use crate::message::ComponentConfig;
use crate::scalar::{Count, Span};
use std::time::Duration;

/// The least duration that a timer waits.
const LEAST: Duration = Duration::from_millis(1);

/// A duration that a timer can wait.
pub(super) fn at_least(duration: Duration) -> Duration {
    duration.max(LEAST)
}

/// A value as configured; `None` if it is absent or unreadable.
trait Setting: Sized {
    type Wire;
    fn read(wire: &Self::Wire) -> Option<Self>;
}

impl Setting for Duration {
    type Wire = Span;

    fn read(wire: &Span) -> Option<Self> {
        // An unreadable duration counts as absent: a component starts with the usual figure rather
        // than not at all. The reader of the configuration reports the text.
        wire.value().map(at_least)
    }
}

impl Setting for usize {
    type Wire = Count;

    fn read(wire: &Count) -> Option<Self> {
        // A limit of 0 would switch the machine off without saying so.
        Some(usize::try_from(wire.get()).unwrap_or(usize::MAX).max(1))
    }
}

/// Expands the table of keys: section and key, default, type, sentence.
macro_rules! settings {
    ($($section:ident.$key:ident: $type:ty = $default:expr, $doc:literal;)+) => {
        /// The keys of a [`ComponentConfig`] that machines obey, with the specification's figures for
        /// what is absent or unreadable.
        ///
        /// The others belong to what stands around the machines: endpoints to the transport, pools and
        /// caches to the component, thresholds to monitoring.
        ///
        /// ```
        /// use coordination_protocol::machine::Settings;
        /// use coordination_protocol::message::{ComponentConfig, CoordinationConfig};
        /// use coordination_protocol::scalar::{ComponentId, Span};
        /// use std::time::Duration;
        ///
        /// let coordination = CoordinationConfig::new().with_timeout_default(Span::new("5s")?);
        /// let config = ComponentConfig::new(ComponentId::new("hub")?).with_coordination(coordination);
        /// let settings = Settings::from(&config);
        /// assert_eq!(settings.timeout_default, Duration::from_secs(5));
        /// assert_eq!(settings.max_retry_attempts, 3);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Settings {
            $(#[doc = concat!("`", stringify!($section), ".", stringify!($key), "`: ", $doc)]
            pub $key: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($key: $default,)+ }
            }
        }

        impl From<&ComponentConfig> for Settings {
            fn from(config: &ComponentConfig) -> Self {
                let figures = Settings::default();
                Settings { $($key: config
                    .$section
                    .as_ref()
                    .and_then(|section| section.$key.as_ref())
                    .and_then(<$type as Setting>::read)
                    .unwrap_or(figures.$key),)+ }
            }
        }
    };
}

settings! {
    coordination.heartbeat_interval: Duration = Duration::from_secs(30), "time between heartbeats, one's own and expected ones. Default 30 s.";
    coordination.event_queue_size: usize = 1000, "the limit of everything that is kept: open requests, answers, components. Default 1000.";
    coordination.max_retry_attempts: usize = 3, "attempts in all. Default 3.";
    coordination.timeout_default: Duration = Duration::from_secs(30), "how long one attempt waits. Default 30 s.";
    performance.max_concurrent_operations: usize = 50, "requests under way at a responder. Default 50.";
    monitoring.health_check_interval: Duration = Duration::from_secs(60), "time between reports of one's own health. Default 60 s.";
}

/// Options that follow from settings follow from a configuration, and have defaults.
macro_rules! from_settings {
    ($($options:ty),+) => { $(
        impl Default for $options {
            fn default() -> Self {
                <$options>::from(&$crate::machine::Settings::default())
            }
        }

        impl From<&$crate::message::ComponentConfig> for $options {
            fn from(config: &$crate::message::ComponentConfig) -> Self {
                <$options>::from(&$crate::machine::Settings::from(config))
            }
        }
    )+ };
}
pub(super) use from_settings;
