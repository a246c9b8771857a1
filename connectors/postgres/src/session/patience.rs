//! How long a client may take to log in.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use allonym_contract::{Fault, Refusal};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::room::Room;
use crate::worker::Stage;

/// How long a client that nobody knows may take, where its place is wanted.
const SHORT: Duration = Duration::from_secs(3);
/// How often it is looked whether that is so.
const LOOK: Duration = Duration::from_secs(1);

/// The time of a connection that has not logged in yet.
pub(super) struct Patience {
    /// Its place among those.
    place: OwnedSemaphorePermit,
    room: Arc<Room>,
    stage: watch::Receiver<Stage>,
    began: Instant,
    deadline: Cell<Instant>,
    /// Whether it has proven that it may be here.
    known: Cell<bool>,
}

impl Patience {
    /// That of a connection which has just come.
    pub(super) fn new(
        place: OwnedSemaphorePermit,
        room: &Arc<Room>,
        stage: &watch::Receiver<Stage>,
        limit: Duration,
    ) -> Self {
        let began = Instant::now();
        Self {
            place,
            room: Arc::clone(room),
            stage: stage.clone(),
            began,
            deadline: Cell::new(began + limit),
            known: Cell::new(false),
        }
    }

    /// The client has proven that it may be here.
    pub(super) fn know(&self) {
        self.known.set(true);
    }

    /// Lets a login begin: as long as what this gives lives, the gateway does not stop
    /// without telling it.
    ///
    /// # Errors
    /// When the gateway stops already.
    pub(super) fn enter(&self) -> Result<watch::Receiver<()>, Refusal> {
        let entered = self.room.enter();
        match *self.stage.borrow() {
            Stage::Serving => Ok(entered),
            Stage::Draining | Stage::Over => Err(draining()),
        }
    }

    /// A place for a session, waited for so long. The wait is not the client's fault, and
    /// does not count.
    ///
    /// # Errors
    /// When there is none, or the gateway stops.
    pub(super) async fn session(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
        let mut stage = self.stage.clone();
        let (began, deadline) = (Instant::now(), self.deadline.get());
        self.deadline.set(deadline + wait);
        let place = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => Err(draining()),
            place = self.room.place(wait) => place,
        };
        self.deadline.set(deadline + began.elapsed().min(wait));
        place
    }

    /// Waits until the client has had its time; says why.
    pub(super) async fn ends(&self) -> Refusal {
        let mut stage = self.stage.clone();
        let mut look = self.began + SHORT;
        loop {
            tokio::select! {
                _ = stage.wait_for(|stage| *stage == Stage::Over) => return draining(),
                () = sleep_until(look.min(self.deadline.get())) => {}
            }
            let now = Instant::now();
            if now >= self.deadline.get() {
                let says = "the login takes longer than startup_timeout allows";
                return Refusal::new(Fault::Malformed, "startup-timeout", says);
            }
            if now >= look {
                look = now + LOOK;
                if let Some(refusal) = self.is_in_the_way() {
                    return refusal;
                }
            }
        }
    }

    /// Why a client that nobody knows should not be here any longer, if it should not.
    fn is_in_the_way(&self) -> Option<Refusal> {
        if self.known.get() {
            return None;
        }
        if *self.stage.borrow() != Stage::Serving {
            return Some(draining());
        }
        let wanted = self.place.semaphore().available_permits() == 0 || self.room.is_wanted();
        let says = "others wait for the place of a connection that does not log in";
        wanted.then(|| Refusal::new(Fault::TooMany, "openings", says))
    }
}

/// Who comes while the gateway stops.
fn draining() -> Refusal {
    let says = "the gateway stops: no session begins any more";
    Refusal::new(Fault::Unavailable, "draining", says)
}
