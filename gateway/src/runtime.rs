//! The gateway as it runs: what is open, which snapshot is in force, and how that changes.
//!
//! Reload, rotation and revocation build something new beside the old and swap it in;
//! whatever is under way keeps the snapshot it pinned.

mod administration;
mod anchor;
mod connectors;
mod db_users;
mod missing;
mod reload;
mod serve;
mod start;
mod tenure;
mod upkeep;
mod vault;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use allonym_audit::{AuditLog, AuditOptions, AuditSink, Durability, Event, EventKind};
use allonym_contract::Principal;
use allonym_policy::{Budgets, Right};
use allonym_store::Store;
use allonym_tokens::VaultStore;
use arc_swap::ArcSwap;

pub use administration::counts;
pub use anchor::cut_warning;
pub(crate) use db_users::without_password;
pub use missing::missing;
pub use start::{StartError, look_at_store, restore};
pub use tenure::{Lost, Tenure};
pub(crate) use vault::{token_problem, vaulted};

use crate::api::{Explained, OperatorRight, Problem, Status};
use crate::config::{self, AdminRight, Config, ConfigErrors};
use crate::identity::TokenBook;
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, Shared};
use crate::plan::{self, Callers, Draft, Plan};
use connectors::Running;
use db_users::DbUsers;
use start::{open_seals, open_store};

/// Everything that is open while the gateway lives.
pub struct Gateway {
    store: Store,
    audit: Arc<AuditLog>,
    shared: Arc<Shared>,
    tokens: Arc<TokenBook>,
    vault: Arc<VaultStore>,
    logins: Arc<DbUsers>,
    current: ArcSwap<Current>,
    revision: AtomicU64,
    connectors: Mutex<Vec<(String, Running)>>,
    serving: AtomicBool,
    /// Set once the audit log was compared with its anchor.
    compared: AtomicBool,
    /// Reload, rotation and the like happen one after another.
    change: Mutex<()>,
}

/// A configuration and what it means.
struct Current {
    config: Arc<Config>,
    pipeline: Arc<Pipeline>,
}

impl Gateway {
    /// Opens seal, store and audit log, and compiles the configuration. Nothing listens
    /// yet. `said` hears, now and later, what becomes of the store's lease.
    ///
    /// # Errors
    /// When any of it does not open, or the configuration contradicts what is pinned.
    pub fn open(
        config: Config,
        said: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, StartError> {
        Self::open_for(config, Callers::Identified, said)
    }

    /// The same for looking at a configuration: no caller will ever be identified, and no
    /// key set is fetched for it.
    ///
    /// # Errors
    /// As [`Gateway::open`].
    pub fn examine(config: Config) -> Result<Arc<Self>, StartError> {
        Self::open_for(config, Callers::Examined, |_| ())
    }

    fn open_for(
        config: Config,
        callers: Callers,
        said: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, StartError> {
        let seals = open_seals(&config)?;
        let (store, tenure) = open_store(&config, &seals, said)?;
        let audit = Arc::new(AuditLog::open(&config.audit.path, AuditOptions::default())?);
        let tokens = Arc::new(TokenBook::new(administration::api_token_key(&store)));
        tokens.replace(administration::api_token_records(&store)?);
        let vault = Arc::new(VaultStore::new(store.clone()));
        let logins = Arc::new(DbUsers::read(&store)?);
        let plan =
            Draft::new(&config, 1, &store, &vault, &tokens, callers)?.commit(&store, &vault)?;
        let shared = Arc::new(Shared {
            newest: ArcSwap::from_pointee(store.key_set()?),
            budgets: Budgets::default(),
            audit: Arc::clone(&audit) as Arc<dyn AuditSink>,
            durability: match config.audit.reads {
                config::Durability::Process => Durability::Process,
                config::Durability::Power => Durability::Power,
            },
            store: store.clone(),
            tenure,
            first_use: std::sync::Mutex::new(()),
            on_record: AtomicBool::new(true),
            metrics: Metrics::default(),
        });
        let pipeline = Arc::new(Pipeline::new(Arc::new(plan), Arc::clone(&shared)));
        shared.metrics.reloaded(Some(1));
        Ok(Arc::new(Self {
            store,
            audit,
            shared,
            tokens,
            vault,
            logins,
            current: ArcSwap::from_pointee(Current { config: Arc::new(config), pipeline }),
            revision: AtomicU64::new(1),
            connectors: Mutex::default(),
            serving: AtomicBool::new(false),
            compared: AtomicBool::new(false),
            change: Mutex::default(),
        }))
    }

    /// The snapshot in force.
    #[must_use]
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.current.load().pipeline)
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(self.current.load().pipeline.plan())
    }

    /// Whether connectors are serving.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// The tokens in the store.
    #[must_use]
    pub fn vault(&self) -> &VaultStore {
        &self.vault
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        // As it is when somebody looks: upkeep may be at work for a while.
        self.shared.metrics.store_held(self.shared.tenure.check().is_ok());
        &self.shared.metrics
    }

    /// Local users with administrative rights, as configured.
    #[must_use]
    pub fn operators(&self) -> HashMap<String, Vec<OperatorRight>> {
        let current = self.current.load();
        let right = |right: &AdminRight| match right {
            AdminRight::Keys => OperatorRight::Keys,
            AdminRight::Tokens => OperatorRight::Tokens,
            AdminRight::Audit => OperatorRight::Audit,
        };
        let operators = current.config.admin.operators.iter();
        operators
            .map(|operator| {
                (operator.user.value.clone(), operator.rights.iter().map(right).collect())
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a role would see at a place.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn explain(
        &self,
        connector: &str,
        place: &str,
        role: &str,
        purpose: Option<&str>,
    ) -> Result<Vec<Explained>, Problem> {
        let current = self.current.load();
        if let Some(known) = current.config.connectors.iter().find(|known| known.name == connector)
            && matches!(known.config, config::ConnectorConfig::Postgres(_))
        {
            // No column is protected, so there is nothing to tell apart.
            return Ok(Vec::new());
        }
        let keys = self.shared.newest.load_full();
        crate::explain::explain(&self.plan(), &keys, connector, place, role, purpose)
    }

    /// Whether a role can see anything in plain or in part.
    #[must_use]
    pub fn can_reveal(&self, role: &str) -> bool {
        let plan = self.plan();
        (0..plan.rules.len()).filter_map(|index| plan.policy.rule(index)).any(|rule| {
            rule.role == role
                && [Right::Reveal, Right::Mask].iter().any(|right| rule.rights.contains_key(right))
        })
    }

    /// The principal an API token stands for.
    ///
    /// # Errors
    /// When it stands for none.
    pub fn verify_api_token(&self, token: &str) -> Result<Arc<Principal>, Problem> {
        self.tokens
            .verify(token, SystemTime::now())
            .map_err(|_| Problem::new("credential-invalid", "the API token is not valid"))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let address = |connector: &Running| {
            connector.local_addr().map_or_else(|| "-".to_owned(), |address| address.to_string())
        };
        Status {
            serving: self.is_serving(),
            revision: self.revision.load(Ordering::Acquire),
            connectors: connectors.iter().map(|(name, c)| (name.clone(), address(c))).collect(),
            warnings: self.warnings(),
        }
    }

    /// What an operator should know about this installation.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let plan = self.plan();
        let serious = plan.warnings.iter().filter(|warning| warning.serious);
        let serious = serious.map(|warning| warning.text.clone());
        self.installation_warnings().into_iter().chain(serious).collect()
    }

    /// The same of the installation alone: its seals, backups and keys.
    #[must_use]
    pub fn installation_warnings(&self) -> Vec<String> {
        let current = self.current.load();
        let plan = current.pipeline.plan();
        let warnings = plan::installation_warnings(&self.store, plan, &current.config);
        let texts = warnings.into_iter().map(|warning| warning.text);
        let pressed = self.pressed();
        let pressed = pressed.iter().map(|(domain, used)| vault::pressure_warning(domain, *used));
        let logins = without_password(&self.store, &current.config);
        cut_warning(&self.store).into_iter().chain(pressed).chain(texts).chain(logins).collect()
    }

    /// Whether it can do its work: keys open, audit log writable, and no other gateway has
    /// taken the store. If the log refused the last event, it is tried again here: without
    /// traffic nobody else would. `Ok` may say what it cannot do for now.
    ///
    /// # Errors
    /// What is missing.
    pub async fn readiness(&self) -> Result<Option<String>, String> {
        if !self.is_serving() || self.audit.broken().is_some() {
            return Err("not ready".to_owned());
        }
        let limits = match self.shared.tenure.check() {
            Ok(()) => None,
            // What needs no store goes on.
            Err(lost @ (Lost::Away | Lost::Stale)) => Some(lost.to_string()),
            Err(lost @ Lost::Taken(_)) => return Err(lost.to_string()),
        };
        if self.shared.on_record.load(Ordering::Acquire) {
            return Ok(limits);
        }
        let probe = Event::new(EventKind::Admin, "allonym", "audit.probe");
        let accepted = self.audit.accept(probe, Durability::Process).await.is_ok();
        self.shared.on_record.store(accepted, Ordering::Release);
        if accepted { Ok(limits) } else { Err("the audit log takes no events".to_owned()) }
    }
}

fn refused(errors: &ConfigErrors) -> Problem {
    let lines: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    Problem::new("config-invalid", lines.join("\n"))
}

fn store_problem(error: &allonym_store::StoreError) -> Problem {
    Problem::new("store-unavailable", error.to_string())
}

impl From<Lost> for Problem {
    fn from(lost: Lost) -> Self {
        Self::new("store-unavailable", lost.to_string())
    }
}
