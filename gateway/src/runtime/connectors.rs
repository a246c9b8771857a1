//! The connectors that run, whatever their protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use allonym_contract::config::ConfigFault;
use allonym_contract::{Connector, Guard, Refusal, Shutdown};
use allonym_http::{HttpConnector, Metrics as HttpMetrics};
use allonym_postgres::{Logins, Metrics as PostgresMetrics, PostgresConnector};

use crate::access_log::AccessLogs;
use crate::config::ConnectorConfig;

/// A connector that runs, or is about to.
#[derive(Clone)]
pub(super) enum Running {
    Http(Arc<HttpConnector>),
    Postgres(Arc<PostgresConnector>),
}

/// Puts a section in force, with a guard. What could fail has been done before.
pub(super) type Swap = Box<dyn FnOnce(Arc<dyn Guard>)>;

/// What connectors are built with.
pub(super) struct Fittings {
    pub(super) http: HttpMetrics,
    pub(super) postgres: PostgresMetrics,
    pub(super) logs: AccessLogs,
    pub(super) logins: Arc<dyn Logins>,
}

impl Running {
    /// A connector that is ready to run.
    ///
    /// # Errors
    /// Everything that is wrong with its section.
    pub(super) fn build(
        name: &str,
        config: &ConnectorConfig,
        guard: Arc<dyn Guard>,
        fittings: &Fittings,
    ) -> Result<Self, Vec<ConfigFault>> {
        Ok(match config {
            ConnectorConfig::Http(http) => {
                let connector = HttpConnector::new(name, (**http).clone(), guard)?
                    .with_metrics(fittings.http.clone())
                    .with_access_log(fittings.logs.requests());
                Self::Http(Arc::new(connector))
            }
            ConnectorConfig::Postgres(postgres) => {
                let logins = Arc::clone(&fittings.logins);
                let connector = PostgresConnector::new(name, (**postgres).clone(), guard, logins)?
                    .with_metrics(&fittings.postgres)
                    .with_session_log(fittings.logs.sessions());
                Self::Postgres(Arc::new(connector))
            }
        })
    }

    pub(super) async fn run(&self, shutdown: Shutdown) -> Result<(), Refusal> {
        match self {
            Self::Http(connector) => connector.run(shutdown).await,
            Self::Postgres(connector) => connector.run(shutdown).await,
        }
    }

    /// Waits until it listens.
    pub(super) async fn listening(&self) -> SocketAddr {
        match self {
            Self::Http(connector) => connector.listening().await,
            Self::Postgres(connector) => connector.listening().await,
        }
    }

    /// Where it listens, once it does.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Http(connector) => connector.local_addr(),
            Self::Postgres(connector) => connector.local_addr(),
        }
    }

    /// Whether a section could replace the one in force without a restart.
    ///
    /// # Errors
    /// When it could not.
    pub(super) fn check_swap(&self, config: &ConnectorConfig) -> Result<(), Vec<ConfigFault>> {
        match (self, config) {
            (Self::Http(connector), ConnectorConfig::Http(http)) => connector.check_swap(http),
            (Self::Postgres(connector), ConnectorConfig::Postgres(postgres)) => {
                connector.check_swap(postgres)
            }
            _ => Err(other_type()),
        }
    }

    /// Reads all that a section names, so that it can be put in force.
    ///
    /// # Errors
    /// When any of it cannot be read: nothing has changed.
    pub(super) fn prepare(&self, config: &ConnectorConfig) -> Result<Swap, Vec<ConfigFault>> {
        match (self.clone(), config) {
            (Self::Http(connector), ConnectorConfig::Http(http)) => {
                let prepared = connector.prepare((**http).clone())?;
                Ok(Box::new(move |guard| connector.put(prepared, guard)))
            }
            (Self::Postgres(connector), ConnectorConfig::Postgres(postgres)) => {
                let prepared = connector.prepare((**postgres).clone())?;
                Ok(Box::new(move |guard| connector.put(prepared, guard)))
            }
            _ => Err(other_type()),
        }
    }

    /// The section in force again, under another guard: nothing is read.
    pub(super) fn keep(&self) -> Swap {
        match self.clone() {
            Self::Http(connector) => Box::new(move |guard| connector.put_guard(guard)),
            Self::Postgres(connector) => Box::new(move |guard| connector.put_guard(guard)),
        }
    }
}

fn other_type() -> Vec<ConfigFault> {
    vec![ConfigFault::new(Default::default(), "its type changes at a restart only")]
}
