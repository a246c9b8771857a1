use async_trait::async_trait;

use crate::Refusal;

/// Something that listens and carries one protocol.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Serves until told to stop, then drains: no new work is taken, what is under
    /// way is finished within the connector's configured time.
    ///
    /// # Errors
    /// When it cannot listen (the address is taken, the certificate unreadable).
    async fn run(&self, shutdown: Shutdown) -> Result<(), Refusal>;
}

/// Becomes true once, when the process is to stop.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;
