//! The threads that carry connections. A connection stays on one thread, with both of
//! its sockets: nobody else is woken for what it says.

pub(crate) mod pauses;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use self::pauses::Pauses;
use crate::metrics::Tally;

/// How often a worker looks at its clock and at its connections.
const TICK: Duration = Duration::from_millis(250);
/// How long connections may take to say that they end, before they are cut.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long a server may take to close after its client has left.
const PARTING: Duration = Duration::from_secs(3);
/// What is read at a time. One buffer serves all connections of a worker, so that an
/// idle one needs none.
const BUFFER: usize = 128 << 10;

/// A task for a worker: it is made and runs on its thread.
pub(crate) type Job = Box<dyn FnOnce(Rc<Desk>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// How far the connector is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Connections come and go.
    Serving,
    /// What is under way is finished, what is idle ends.
    Draining,
    /// Everything ends.
    Over,
}

/// What the connections of a worker share.
pub(crate) struct Desk {
    /// Borrowed while bytes are moved, never across a wait.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    pub(crate) tally: Tally,
    pub(crate) stage: Cell<Stage>,
    pub(crate) pauses: Arc<Pauses>,
    /// Ticks since the worker began: the clock of everything that may be coarse.
    now: Cell<u64>,
    started: Instant,
    relays: RefCell<Slab<Rc<Vitals>>>,
}

/// What the worker looks at, and how it wakes a relay.
#[derive(Default)]
pub(crate) struct Vitals {
    pub(crate) waker: RefCell<Option<Waker>>,
    /// The tick of the last byte from the client.
    pub(crate) heard: Cell<u64>,
    /// Whether an answer is owed or not taken yet, or a transaction is open.
    pub(crate) under_way: Cell<bool>,
    /// Since when one side takes nothing, where there is something for it.
    pub(crate) stalled: Cell<Option<u64>>,
    /// Since when the server has nothing to do but to close, since the client has left.
    pub(crate) parted: Cell<Option<u64>>,
    /// In ticks.
    pub(crate) idle_after: Cell<Option<u64>>,
    pub(crate) stalled_after: Cell<u64>,
    /// Why the connection is to end now.
    pub(crate) end: Cell<Option<End>>,
}

/// Why a worker ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Nothing came for too long.
    Idle,
    /// One side took nothing for too long.
    Stalled,
    /// The client has left, and the server did not close.
    Parted,
    /// The gateway stops.
    Shutdown,
}

/// A thread, until it is dropped and its connections are over.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread, for which so many tasks may wait.
    ///
    /// # Errors
    /// When the system has none to give.
    pub(crate) fn start(
        name: &str,
        tally: Tally,
        stage: watch::Receiver<Stage>,
        room: usize,
    ) -> std::io::Result<Self> {
        let pauses = Arc::new(Pauses::new());
        let hook = Arc::clone(&pauses);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || hook.idle())
            .build()?;
        let (jobs, taken) = mpsc::channel(room);
        let run = move || {
            precise_pauses();
            let desk = Rc::new(Desk::new(tally, pauses));
            // What blocks on is polled at each wake of any session: it is no more than a handle.
            let all = async { tokio::task::spawn_local(work(taken, desk, stage)).await };
            let _ = LocalSet::new().block_on(&runtime, all);
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { jobs, thread: Some(thread) })
    }

    /// Gives it a task.
    ///
    /// # Errors
    /// The task, if the thread is gone or too many wait for it.
    pub(crate) fn give(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send(job).map_err(TrySendError::into_inner)
    }

    /// Waits for its connections to be over. They have to be told before.
    pub(crate) fn join(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// The kernel lets a sleeping thread sleep 50 microseconds longer, unless it is told that
/// fewer matter.
fn precise_pauses() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1000));
}

async fn work(mut jobs: mpsc::Receiver<Job>, desk: Rc<Desk>, mut stage: watch::Receiver<Stage>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut taking, mut tasks, mut over) = (true, tokio::task::JoinSet::new(), None);
    loop {
        tokio::select! {
            job = jobs.recv(), if taking => match job {
                Some(job) => { tasks.spawn_local(job(Rc::clone(&desk))); }
                None => taking = false,
            },
            _ = tick.tick() => desk.tick(),
            Ok(()) = stage.changed() => {
                desk.stage.set(*stage.borrow_and_update());
                desk.wake_all();
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if ended.is_err_and(|ended| ended.is_panic()) {
                    desk.tally.panicked();
                }
            }
        }
        if !taking && tasks.is_empty() {
            desk.tally.flush();
            return;
        }
        if desk.stage.get() == Stage::Over
            && over.get_or_insert_with(Instant::now).elapsed() > LAST_WORDS
        {
            // They had their time to say that they end; a login does not look up.
            tasks.abort_all();
        }
    }
}

impl Desk {
    /// How many requests one read may hold: each is a header at least.
    pub(crate) const REQUESTS: usize = BUFFER / 5 + 1;

    pub(crate) fn new(tally: Tally, pauses: Arc<Pauses>) -> Self {
        Self {
            buffer: RefCell::new(vec![0; BUFFER].into_boxed_slice()),
            tally,
            stage: Cell::new(Stage::Serving),
            pauses,
            now: Cell::new(0),
            started: Instant::now(),
            relays: RefCell::default(),
        }
    }

    /// The tick it is.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// How many ticks so long a time has, at least one.
    pub(crate) fn ticks(time: Duration) -> u64 {
        let ticks = time.as_millis().div_ceil(TICK.as_millis());
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }

    /// Looks after a relay from now on, until that is dropped.
    pub(crate) fn watch(self: &Rc<Self>, vitals: &Rc<Vitals>) -> Watched {
        vitals.heard.set(self.now());
        let place = self.relays.borrow_mut().insert(Rc::clone(vitals));
        Watched { desk: Rc::clone(self), place }
    }

    /// Looks at the clock, and ends what is overdue.
    pub(crate) fn tick(&self) {
        let now = self.started.elapsed().as_millis() / TICK.as_millis();
        self.now.set(u64::try_from(now).unwrap_or(u64::MAX));
        self.tally.flush();
        for (_, vitals) in self.relays.borrow().iter() {
            if let Some(end) = vitals.overdue(self.now.get()) {
                vitals.end.set(Some(end));
                vitals.wake();
            }
        }
    }

    fn wake_all(&self) {
        self.relays.borrow().iter().for_each(|(_, vitals)| vitals.wake());
    }
}

impl Vitals {
    /// What is to end it at this tick, if anything.
    pub(crate) fn overdue(&self, now: u64) -> Option<End> {
        let longer = |since: &Cell<Option<u64>>, after: u64| {
            since.get().is_some_and(|since| now.saturating_sub(since) > after)
        };
        if longer(&self.stalled, self.stalled_after.get()) {
            return Some(End::Stalled);
        }
        if longer(&self.parted, Desk::ticks(PARTING)) {
            return Some(End::Parted);
        }
        let quiet = now.saturating_sub(self.heard.get());
        let idle = self.idle_after.get().is_some_and(|after| quiet > after);
        (idle && !self.under_way.get()).then_some(End::Idle)
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// A relay that is looked after.
pub(crate) struct Watched {
    desk: Rc<Desk>,
    place: usize,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.desk.relays.borrow_mut().try_remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// The thread says that it has this one, and waits.
    fn waits(told: std::sync::mpsc::SyncSender<()>, go: std::sync::mpsc::Receiver<()>) -> Job {
        Box::new(move |_| {
            told.send(()).unwrap();
            let _ = go.recv();
            Box::pin(async {})
        })
    }

    #[test]
    fn a_task_that_cannot_be_taken_is_given_back() {
        let (_stage, staged) = watch::channel(Stage::Serving);
        let worker = Worker::start("w", Tally::new(Arc::default()), staged, 1).unwrap();
        let ((told, has), (go, held)) = (sync_channel(1), sync_channel(1));
        assert!(worker.give(waits(told, held)).is_ok());
        has.recv().unwrap();
        let (done, ran) = sync_channel(2);
        let says = |what: &'static str| -> Job {
            let done = done.clone();
            Box::new(move |_| {
                done.send(what).unwrap();
                Box::pin(async {})
            })
        };
        assert!(worker.give(says("waited")).is_ok(), "one may wait");
        assert!(worker.give(says("too many")).is_err());
        go.send(()).unwrap();
        worker.join();
        drop(done);
        assert_eq!(ran.iter().collect::<Vec<_>>(), ["waited"]);
    }
}
