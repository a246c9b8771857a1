//! Room for sessions: how many there may be, who waits for one to end, and when the last
//! is over. Connections that are no session yet have a bound of their own, the listener's:
//! whoever says nothing takes no place of a session, and a request to cancel needs none.

use std::sync::Arc;
use std::time::Duration;

use allonym_contract::{Fault, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::config::Limits;

/// The places of a connector's sessions.
pub(crate) struct Room {
    places: Arc<Semaphore>,
    /// Who waits for a place. They are fewer than may open a connection, so that they keep
    /// out nobody who needs no place.
    queue: Semaphore,
    longest: usize,
    /// Sessions, and logins that may become one, listen to this while they last.
    lasting: watch::Sender<()>,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        let longest = limits.openings / 2;
        Self {
            places: Arc::new(Semaphore::new(limits.connections)),
            queue: Semaphore::new(longest),
            longest,
            lasting: watch::Sender::new(()),
        }
    }

    /// A place, free again once it is dropped. Whoever finds none waits for so long.
    ///
    /// # Errors
    /// When none was free by then, or too many wait.
    pub(crate) async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let Ok(_turn) = self.queue.try_acquire() else { return Err(full()) };
        match timeout(patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// Whether somebody waits for a place.
    pub(crate) fn is_wanted(&self) -> bool {
        self.queue.available_permits() < self.longest
    }

    /// A login begins: as long as this lives, it or its session is not over.
    pub(crate) fn enter(&self) -> watch::Receiver<()> {
        self.lasting.subscribe()
    }

    /// Waits until all of them are over.
    pub(crate) async fn emptied(&self) {
        self.lasting.closed().await;
    }
}

fn full() -> Refusal {
    let says = "there are too many connections: no session ended in time";
    Refusal::new(Fault::TooMany, "connections", says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(connections: usize, openings: usize) -> Room {
        Room::new(&Limits { connections, openings, ..Limits::default() })
    }

    #[tokio::test]
    async fn a_place_is_waited_for_by_some_and_not_for_ever() {
        let (room, soon) = (room(1, 4), Duration::from_millis(10));
        let first = room.place(soon).await.unwrap();
        assert_eq!(room.place(soon).await.unwrap_err().rule, "connections");
        assert!(!room.is_wanted(), "nobody waits any more");
        let long = Duration::from_secs(60);
        let mut waiting = [Box::pin(room.place(long)), Box::pin(room.place(long))];
        for wait in &mut waiting {
            assert!(timeout(soon, wait).await.is_err(), "there is no place");
        }
        assert!(room.is_wanted());
        // A third would wait for ever, too, and is refused at once.
        let third = timeout(Duration::from_secs(20), room.place(long)).await.unwrap();
        assert_eq!(third.unwrap_err().rule, "connections");
        drop(first);
        let [next, _] = &mut waiting;
        let place = timeout(Duration::from_secs(20), next).await.unwrap();
        assert_eq!(place.map(|place| place.num_permits()).unwrap(), 1);
    }

    #[tokio::test]
    async fn it_is_empty_when_the_last_is_over() {
        let room = room(1, 4);
        room.emptied().await;
        let (one, other) = (room.enter(), room.enter());
        drop(one);
        assert!(timeout(Duration::from_millis(10), room.emptied()).await.is_err());
        drop(other);
        room.emptied().await;
    }
}
