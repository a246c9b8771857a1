//! What is counted. Labels come from the configuration and from fixed words only: their
//! number is bounded, and no caller can choose one.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The gateway's own metrics; connectors register theirs beside them.
pub struct Metrics {
    registry: Mutex<Registry>,
    fields: Family<FieldLabels, Counter>,
    budgets: Family<BudgetLabels, Counter>,
    strangers: Family<StrangerLabels, Counter>,
    audit_refusals: Counter,
    revision: Gauge,
    reloads: Family<ReloadLabels, Counter>,
    key_versions: Family<KeyLabels, Gauge>,
    access_log_dropped: Counter,
    store_held: Gauge,
    tokens: Family<DomainLabels, Gauge>,
    counters: Family<DomainLabels, Gauge<f64, AtomicU64>>,
    tidied: Family<DomainLabels, Counter>,
    cache_hits: Counter,
    cache_misses: Counter,
    token_store_failures: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DomainLabels {
    domain: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FieldLabels {
    class: String,
    fate: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BudgetLabels {
    class: String,
    right: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StrangerLabels {
    connector: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReloadLabels {
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KeyLabels {
    key: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::default()),
            fields: Family::default(),
            budgets: Family::default(),
            strangers: Family::default(),
            audit_refusals: Counter::default(),
            revision: Gauge::default(),
            reloads: Family::default(),
            key_versions: Family::default(),
            access_log_dropped: Counter::default(),
            store_held: Gauge::default(),
            tokens: Family::default(),
            counters: Family::default(),
            tidied: Family::default(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            token_store_failures: Counter::default(),
        };
        metrics.store_held.set(1);
        metrics.with_registry(|registry| {
            let (fields, budgets) = (metrics.fields.clone(), metrics.budgets.clone());
            registry.register("allonym_fields", "Values by class and fate", fields);
            registry.register("allonym_budget_spent", "Times a budget was spent", budgets);
            let strangers = metrics.strangers.clone();
            registry.register("allonym_unidentified", "Callers that were refused", strangers);
            let refusals = metrics.audit_refusals.clone();
            registry.register("allonym_audit_refusals", "Events the record did not take", refusals);
            registry.register("allonym_policy_revision", "Revision", metrics.revision.clone());
            registry.register("allonym_reloads", "Reloads by result", metrics.reloads.clone());
            let dropped = metrics.access_log_dropped.clone();
            registry.register("allonym_access_log_dropped", "Lines the log did not take", dropped);
            let versions = metrics.key_versions.clone();
            registry.register("allonym_key_active_version", "Version that protects", versions);
            let held = metrics.store_held.clone();
            registry.register("allonym_store_held", "Whether it may write to the store", held);
            let tokens = metrics.tokens.clone();
            registry.register("allonym_tokens", "Tokens in the store", tokens);
            let counters = metrics.counters.clone();
            let what = "Share of the fullest counter, from four fifths on";
            registry.register("allonym_token_counter_used_ratio", what, counters);
            let tidied = metrics.tidied.clone();
            registry.register("allonym_tokens_tidied", "Ended tokens that were deleted", tidied);
            let hits = metrics.cache_hits.clone();
            registry.register("allonym_token_cache_hits", "Found without the store", hits);
            let misses = metrics.cache_misses.clone();
            registry.register("allonym_token_cache_misses", "Asked of the store", misses);
            let failures = metrics.token_store_failures.clone();
            let what = "Times the token store failed";
            registry.register("allonym_token_store_failures", what, failures);
        });
        metrics
    }
}

impl Metrics {
    /// Lets a connector register its own.
    pub fn with_registry<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        register(&mut registry)
    }

    /// The Prometheus text form (OpenMetrics).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        self.with_registry(|registry| {
            // Writing into a string cannot fail.
            let _ = prometheus_client::encoding::text::encode(&mut text, registry);
        });
        text
    }

    /// Values of a class that met a fate.
    pub fn fields(&self, class: &str, fate: &str, values: u64) {
        let labels = FieldLabels { class: class.to_owned(), fate: fate.to_owned() };
        self.fields.get_or_create(&labels).inc_by(values);
    }

    /// A budget was asked for more than it had.
    pub fn budget_spent(&self, class: &str, right: &str) {
        let labels = BudgetLabels { class: class.to_owned(), right: right.to_owned() };
        self.budgets.get_or_create(&labels).inc();
    }

    /// A caller was not identified.
    pub fn stranger(&self, connector: &str, reason: &str) {
        let labels = StrangerLabels { connector: connector.to_owned(), reason: reason.to_owned() };
        self.strangers.get_or_create(&labels).inc();
    }

    /// The record did not take an event.
    pub fn audit_refused(&self) {
        self.audit_refusals.inc();
    }

    /// A configuration took effect, or was refused.
    pub fn reloaded(&self, revision: Option<u64>) {
        let result = if revision.is_some() { "applied" } else { "refused" }.to_owned();
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
        if let Some(revision) = revision {
            self.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
        }
    }

    /// Counts lines of the access log that were dropped.
    #[must_use]
    pub fn access_log_dropped(&self) -> Counter {
        self.access_log_dropped.clone()
    }

    /// Whether this process may write to the store.
    pub fn store_held(&self, held: bool) {
        self.store_held.set(i64::from(held));
    }

    /// How many tokens a domain has.
    pub fn tokens(&self, domain: &str, tokens: u64) {
        let labels = DomainLabels { domain: domain.to_owned() };
        self.tokens.get_or_create(&labels).set(i64::try_from(tokens).unwrap_or(i64::MAX));
    }

    /// How often tokens and values were found without the store, and how often not, in all.
    pub fn token_cache(&self, hits: u64, misses: u64) {
        self.cache_hits.inc_by(hits.saturating_sub(self.cache_hits.get()));
        self.cache_misses.inc_by(misses.saturating_sub(self.cache_misses.get()));
    }

    /// How often the token store failed, in all.
    pub fn token_store_failed(&self, times: u64) {
        self.token_store_failures.inc_by(times.saturating_sub(self.token_store_failures.get()));
    }

    /// How much of a domain's fullest counter is used.
    pub fn counter_used(&self, domain: &str, share: f64) {
        let labels = DomainLabels { domain: domain.to_owned() };
        self.counters.get_or_create(&labels).set(share);
    }

    /// Tokens of a domain whose time was over were deleted.
    pub fn tidied(&self, domain: &str, tokens: u64) {
        let labels = DomainLabels { domain: domain.to_owned() };
        self.tidied.get_or_create(&labels).inc_by(tokens);
    }

    /// A key's active version.
    pub fn key_version(&self, key: &str, version: u32) {
        let labels = KeyLabels { key: key.to_owned() };
        self.key_versions.get_or_create(&labels).set(i64::from(version));
    }
}
