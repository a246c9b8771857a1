//! Where a connector takes connections: bounded in number, and found by others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{Fault, Refusal, Shutdown};

/// After an error of `accept` (no file descriptor is left, for instance).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a connector listens, once it does.
#[derive(Debug, Default)]
pub struct BoundAddress(watch::Sender<Option<SocketAddr>>);

impl BoundAddress {
    /// The address, while there is a listener.
    #[must_use]
    pub fn get(&self) -> Option<SocketAddr> {
        *self.0.borrow()
    }

    /// Waits until there is a listener.
    pub async fn wait(&self) -> SocketAddr {
        let mut bound = self.0.subscribe();
        loop {
            if let Some(address) = *bound.borrow_and_update() {
                return address;
            }
            // The sender lives as long as `self`.
            let _ = bound.changed().await;
        }
    }
}

/// A TCP socket that takes so many connections at a time and no more.
pub struct Listener<'a> {
    socket: TcpListener,
    places: Arc<Semaphore>,
    bound: &'a BoundAddress,
}

/// A connection that was taken.
pub struct Accepted {
    /// The connection.
    pub socket: TcpStream,
    /// The other side.
    pub address: SocketAddr,
    /// Its place among the connections: free again once this is dropped.
    pub permit: OwnedSemaphorePermit,
}

impl<'a> Listener<'a> {
    /// Listens for the connector of this name, with room for so many connections, and
    /// says where in `bound`.
    ///
    /// # Errors
    /// When the address is taken, or none of this machine.
    pub async fn bind(
        connector: &str,
        listen: &str,
        connections: usize,
        bound: &'a BoundAddress,
    ) -> Result<Self, Refusal> {
        let socket = TcpListener::bind(listen).await.map_err(|error| {
            let says = format!("connector {connector}: cannot listen on {listen}: {error}");
            Refusal::new(Fault::Unavailable, "listen", says)
        })?;
        let address = socket
            .local_addr()
            .map_err(|_| Refusal::new(Fault::Unavailable, "listen", "the socket has no address"))?;
        bound.0.send_replace(Some(address));
        Ok(Self { socket, places: Arc::new(Semaphore::new(connections)), bound })
    }

    /// The next connection; none once the process is to stop.
    pub async fn accept(&self, shutdown: &mut Shutdown) -> Option<Accepted> {
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => None,
            accepted = self.next() => Some(accepted),
        }
    }

    /// The next connection, however long that takes.
    pub async fn next(&self) -> Accepted {
        loop {
            if let Some(accepted) = self.take().await {
                return accepted;
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Takes no more connections. Those that were taken go on.
    pub fn close(self) {
        drop(self.socket);
        self.bound.0.send_replace(None);
    }

    /// Takes a place first: who finds none waits in the kernel's queue.
    async fn take(&self) -> Option<Accepted> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let (socket, address) = self.socket.accept().await.ok()?;
        Some(Accepted { socket, address, permit })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_waits_for_one() {
        let bound = BoundAddress::default();
        assert_eq!(bound.get(), None);
        let (stop, mut stopped) = watch::channel(false);
        let listener = Listener::bind("c", "127.0.0.1:0", 1, &bound).await.unwrap();
        let address = bound.wait().await;
        assert_eq!(bound.get(), Some(address));
        let first = TcpStream::connect(address).await.unwrap();
        let second = TcpStream::connect(address).await.unwrap();
        let taken = listener.accept(&mut stopped).await.unwrap();
        assert_eq!(taken.address, first.local_addr().unwrap());
        let waiting = timeout(Duration::from_millis(100), listener.accept(&mut stopped)).await;
        assert!(waiting.is_err(), "one place, two connections");
        drop(taken.permit);
        let next = listener.accept(&mut stopped).await.unwrap();
        assert_eq!(next.address, second.local_addr().unwrap());
        stop.send_replace(true);
        assert!(listener.accept(&mut stopped).await.is_none());
        listener.close();
        assert_eq!(bound.get(), None);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
