//! Serving: connectors, control socket, admin listener, signals.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use allonym_audit::{AuditSink, Durability, Event, EventKind};
use allonym_contract::Guard;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::access_log::AccessLogs;

use super::connectors::{Fittings, Running};
use super::{Gateway, StartError};

impl Gateway {
    /// Serves until SIGTERM or SIGINT; SIGHUP reloads. `said` is called with a line
    /// whenever something happened that an operator should see.
    ///
    /// # Errors
    /// When something cannot listen. Nothing is served then.
    pub async fn serve(
        self: Arc<Self>,
        said: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<(), StartError> {
        let system = |what: &str| {
            let what = what.to_owned();
            move |cause| StartError::System { what, cause }
        };
        let mut hangup = signal(SignalKind::hangup()).map_err(system("signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system("signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("signals"))?;
        let (stop, stopping) = watch::channel(false);
        let said = Arc::new(said);
        let hear = Arc::clone(&said);
        self.compare_record(move |line| hear(line)).await?;
        let start = Event::new(EventKind::Start, "allonym", "serve")
            .with_detail("version", env!("CARGO_PKG_VERSION"));
        self.audit.accept(start, Durability::Power).await?;
        // The start is on the disk, and so is every line before it.
        let _ = self.drop_anchor(&self.audit.head());
        let logs = self.build_connectors()?;
        self.take_newest_keys()?;
        let mut tasks = self.spawn_connectors(&stopping).await?;
        let (hear, told) = (Arc::clone(&said), stopping.clone());
        tasks.spawn(Arc::clone(&self).upkeep(told, move |line: &str| hear(line)));
        self.serving.store(true, Ordering::Release);
        self.spawn_control(&mut tasks, &stopping).await?;
        for (name, address) in self.status().connectors {
            said(&format!("{name} listens on {address}"));
        }
        let outcome = loop {
            tokio::select! {
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                _ = hangup.recv() => {
                    let gateway = Arc::clone(&self);
                    match tokio::task::spawn_blocking(move || gateway.reload("signal:HUP")).await {
                        Ok(Ok(revision)) => said(&format!("reloaded: revision {revision} is in force")),
                        Ok(Err(problem)) => said(&format!("not reloaded, the old configuration stays: {}", problem.detail)),
                        Err(_) => said("not reloaded: the task ended early"),
                    }
                }
                // None of them ends before it is told to.
                Some(ended) = tasks.join_next() => break Err(ending(ended).err().unwrap_or(TASK)),
            }
        };
        said("stopping: running requests are finished first");
        let outcome = wind_up(outcome, tasks, &stop).await;
        self.serving.store(false, Ordering::Release);
        let _ = tokio::task::spawn_blocking(move || logs.finish()).await;
        outcome?;
        let stop = Event::new(EventKind::Stop, "allonym", "serve");
        if self.audit.accept(stop, Durability::Power).await.is_ok() {
            let _ = self.drop_anchor(&self.audit.head());
        }
        Ok(())
    }

    /// Takes the keys as they are in the store, and shows their versions as metrics.
    fn take_newest_keys(&self) -> Result<(), StartError> {
        let _one = self.lock();
        self.refresh_keys().map_err(|problem| StartError::System {
            what: "keys".to_owned(),
            cause: std::io::Error::other(problem.detail),
        })
    }

    /// Builds all connectors. Gives back the access log that they write.
    fn build_connectors(&self) -> Result<AccessLogs, StartError> {
        let current = self.current.load_full();
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = self.metrics().access_log_dropped();
        let logs = AccessLogs::start(dropped)
            .map_err(|cause| StartError::System { what: "access log".to_owned(), cause })?;
        let (http, postgres) = (Default::default(), Default::default());
        let logins = Arc::clone(&self.logins) as Arc<dyn allonym_postgres::Logins>;
        let fittings = Fittings { http, postgres, logs: logs.clone(), logins };
        self.metrics().with_registry(|registry| {
            fittings.http.register(registry);
            fittings.postgres.register(registry);
        });
        for section in &current.config.connectors {
            let guard = Arc::clone(&current.pipeline) as Arc<dyn Guard>;
            let running = Running::build(&section.name, &section.config, guard, &fittings);
            let running = running.map_err(|faults| StartError::Connector {
                connector: section.name.clone(),
                cause: faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            })?;
            connectors.push((section.name.clone(), running));
        }
        Ok(logs)
    }

    /// Starts all connectors and waits until each of them listens. A taken address is a
    /// failed start and not half a gateway.
    async fn spawn_connectors(
        self: &Arc<Self>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<JoinSet<Result<(), StartError>>, StartError> {
        let connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut tasks = JoinSet::new();
        for (name, connector) in connectors {
            let (stopping, running) = (stopping.clone(), connector.clone());
            tasks.spawn(async move {
                running.run(stopping).await.map_err(|error| StartError::Connector {
                    connector: name,
                    cause: error.to_string(),
                })
            });
            tokio::select! {
                _ = connector.listening() => {}
                Some(ended) = tasks.join_next() => return Err(ending(ended).err().unwrap_or(TASK)),
            }
        }
        Ok(tasks)
    }

    async fn spawn_control(
        self: &Arc<Self>,
        tasks: &mut JoinSet<Result<(), StartError>>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let current = self.current.load_full();
        let socket = current.config.admin.socket.clone();
        let listener = crate::api::socket::bind(&socket).map_err(|cause| StartError::System {
            what: format!("control socket {}", socket.display()),
            cause,
        })?;
        let (gateway, stop) = (Arc::clone(self), stopping.clone());
        tasks.spawn(async move {
            crate::api::socket::serve(gateway, listener, stop).await;
            let _ = crate::api::socket::remove(&socket);
            Ok(())
        });
        let Some(listen) = &current.config.admin.listen else { return Ok(()) };
        let listener = tokio::net::TcpListener::bind(listen.value).await.map_err(|cause| {
            StartError::System { what: format!("admin listener {}", listen.value), cause }
        })?;
        let (gateway, stop) = (Arc::clone(self), stopping.clone());
        tasks.spawn(async move {
            crate::admin::serve(gateway, listener, stop).await;
            Ok(())
        });
        Ok(())
    }
}

const TASK: StartError = StartError::Ended("a task of the gateway");

/// How a task ended. One that panicked is a failure of the gateway.
fn ending(ended: Result<Result<(), StartError>, JoinError>) -> Result<(), StartError> {
    ended.unwrap_or(Err(TASK))
}

/// Tells the tasks to stop and waits for them. The first failure is what is reported.
async fn wind_up(
    mut outcome: Result<(), StartError>,
    mut tasks: JoinSet<Result<(), StartError>>,
    stop: &watch::Sender<bool>,
) -> Result<(), StartError> {
    let _ = stop.send(true);
    while let Some(ended) = tasks.join_next().await {
        outcome = outcome.and(ending(ended));
    }
    outcome
}
