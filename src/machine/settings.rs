//! What a component's configuration asks of its machines (specification, Configuration
//! Management).

use crate::finding::{Code, Finding};
use crate::message::{ComponentConfig, CoordinationConfig, MonitoringConfig, PerformanceConfig};
use crate::scalar::{Count, Span};
use smol_str::SmolStr;
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

/// A key of a [`ComponentConfig`], and who obeys it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingKey {
    /// The section and the key, such as `coordination.heartbeat_interval`.
    pub path: &'static str,
    /// The machines that obey it; empty if none does.
    pub obeyed_by: &'static [&'static str],
    /// What it sets, or whose it is if no machine obeys it.
    pub summary: &'static str,
}

/// Expands the table of keys. Those that machines obey: section and key, type, default, the machines,
/// sentence. The others: section and key, whose they are.
macro_rules! settings {
    (
        obeyed { $($section:ident.$key:ident: $type:ty = $default:expr, [$($machine:ident),+], $doc:literal;)+ }
        others { $($outer:ident.$other:ident $(.$inner:ident)?, $whose:literal;)+ }
    ) => {
        /// The keys of a [`ComponentConfig`] that machines obey, with the specification's figures for
        /// what is absent or unreadable.
        ///
        /// The others belong to what stands around the machines:
        ///
        /// | key | obeyed by |
        /// |---|---|
        $(#[doc = concat!("| `", stringify!($section), ".", stringify!($key), "` |", $(" [`", stringify!($machine), "`](crate::machine::", stringify!($machine), ")",)+ " |")])+
        $(#[doc = concat!("| `", stringify!($outer), ".", stringify!($other), $(".", stringify!($inner),)? "` | no machine; ", $whose, " |")])+
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

        impl Settings {
            /// All keys, those that machines obey first.
            pub const KEYS: &'static [SettingKey] = &[
                $(SettingKey {
                    path: concat!(stringify!($section), ".", stringify!($key)),
                    obeyed_by: &[$(stringify!($machine)),+],
                    summary: $doc,
                },)+
                $(SettingKey {
                    path: concat!(stringify!($outer), ".", stringify!($other) $(, ".", stringify!($inner))?),
                    obeyed_by: &[],
                    summary: $whose,
                },)+
            ];

            /// The keys of a configuration that no machine obeys.
            fn others(config: &ComponentConfig) -> Vec<&'static SettingKey> {
                let given = [$(config
                    .$outer
                    .as_ref()
                    .and_then(|section| section.$other.as_ref())
                    $(.and_then(|inner| inner.$inner.as_ref()))?
                    .is_some(),)+];
                let others = Settings::KEYS.iter().filter(|key| key.obeyed_by.is_empty());
                others.zip(given).filter(|(_, given)| *given).map(|(key, _)| key).collect()
            }
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
    obeyed {
        coordination.heartbeat_interval: Duration = Duration::from_secs(30), [Presence, Handshake], "time between heartbeats, one's own and expected ones. Default 30 s.";
        coordination.event_queue_size: usize = 1000, [Requester, Responder, Breaker, Presence, Dispatcher, StateSync, Proposer, Voter], "the limit of everything that is kept: open requests, answers, components. Default 1000.";
        coordination.max_retry_attempts: usize = 3, [Requester, Dispatcher, StateSync], "attempts in all. Default 3.";
        coordination.timeout_default: Duration = Duration::from_secs(30), [Requester, Breaker, Dispatcher, StateSync, Proposer, Voter], "how long one attempt waits. Default 30 s.";
        performance.max_concurrent_operations: usize = 50, [Responder], "requests under way at a responder. Default 50.";
        monitoring.health_check_interval: Duration = Duration::from_secs(60), [Presence, StateSync], "time between reports of one's own health. Default 60 s.";
    }
    others {
        coordination.hub_endpoint, "the transport resolves it";
        performance.resource_pool_size, "the component sizes its own pool";
        performance.cache_size_mb, "the component sizes its own cache";
        performance.optimization_interval, "the component optimizes by itself";
        monitoring.metrics_collection, "the host collects metrics";
        monitoring.performance_tracking, "the host tracks performance";
        monitoring.alert_thresholds.response_time, "the host raises alerts";
        monitoring.alert_thresholds.error_rate, "the host raises alerts";
        monitoring.alert_thresholds.memory_usage, "the host raises alerts";
    }
}

impl Settings {
    /// The settings of a configuration, and a finding ([`Code::NotObeyed`]) for each key of it that no
    /// machine obeys: whoever applies it does that, or tells its writer. Keys that the protocol
    /// does not know are among them.
    ///
    /// ```
    /// use coordination_protocol::machine::Settings;
    /// use coordination_protocol::message::{ComponentConfig, PerformanceConfig};
    /// use coordination_protocol::scalar::{ComponentId, Count};
    ///
    /// let performance = PerformanceConfig::new().with_resource_pool_size(Count::from(20_u64));
    /// let config = ComponentConfig::new(ComponentId::new("hub")?).with_performance(performance);
    /// let (settings, not_obeyed) = Settings::from_config(&config);
    /// assert_eq!(settings, Settings::default());
    /// assert_eq!(not_obeyed[0].code.as_str(), "not-obeyed");
    /// assert_eq!(not_obeyed[0].pointer, "/component_config/performance/resource_pool_size");
    /// assert_eq!(
    ///     not_obeyed[0].to_string(),
    ///     "`performance.resource_pool_size` is obeyed by no machine: the component sizes its own pool",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_config(config: &ComponentConfig) -> (Settings, Vec<Finding>) {
        let mut findings: Vec<Finding> = Settings::others(config)
            .into_iter()
            .map(|key| not_obeyed(key.path, key.summary))
            .collect();
        let unknown = [
            ("coordination", config.coordination.as_ref().map(CoordinationConfig::extra)),
            ("performance", config.performance.as_ref().map(PerformanceConfig::extra)),
            ("monitoring", config.monitoring.as_ref().map(MonitoringConfig::extra)),
        ];
        for (section, extra) in unknown {
            for (key, _) in extra.into_iter().flat_map(|extra| extra.iter()) {
                findings
                    .push(not_obeyed(&format!("{section}.{key}"), "the protocol does not know it"));
            }
        }
        (Settings::from(config), findings)
    }
}

fn not_obeyed(path: &str, whose: &str) -> Finding {
    let mut pointer = "/component_config".to_owned();
    path.split('.').for_each(|key| crate::json::pointer::push_key(&mut pointer, key));
    Finding::new(Code::NotObeyed, 0..0)
        .with_pointer(pointer)
        .with_actual(path)
        .with_detail(SmolStr::from(whose))
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
