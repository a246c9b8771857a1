//! Faults that no real part produces on demand: a disk that is full in the middle of a
//! line, one that cannot be cut, an fsync that fails, a write that hangs.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{AuditLog, AuditOptions, AuditSink as _};
use crate::chain::Head;
use crate::event::{Durability, Event, EventKind};
use crate::file::{self, LogFile};
use crate::{AuditError, FILE_NAME, verify};

struct Faulty {
    file: file::Held,
    full: AtomicBool,
    uncuttable: AtomicBool,
    unsyncable: AtomicBool,
    appending: AtomicBool,
    gate: Mutex<()>,
}

impl LogFile for Faulty {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.appending.store(true, Ordering::SeqCst);
        let _open = self.gate.lock().unwrap();
        if self.full.load(Ordering::SeqCst) {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return OpenOptions::new().write(true).open("/dev/full")?.write_all(bytes);
        }
        self.file.append(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.uncuttable.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        if self.unsyncable.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.sync()
    }
}

fn faulty(folder: &Path, options: AuditOptions) -> (Arc<Faulty>, AuditLog) {
    let file = Arc::new(Faulty {
        file: file::open(folder, &folder.join(FILE_NAME)).unwrap(),
        full: false.into(),
        uncuttable: false.into(),
        unsyncable: false.into(),
        appending: false.into(),
        gate: Mutex::default(),
    });
    let log = AuditLog::start(Arc::clone(&file) as _, Head::EMPTY, 0, options).unwrap();
    (file, log)
}

fn accept(log: &AuditLog, durability: Durability) -> Result<u64, AuditError> {
    log.accept_blocking(Event::new(EventKind::Intent, "a", "reveal"), durability)
}

fn is_unwritable(result: &Result<u64, AuditError>) -> bool {
    matches!(result, Err(AuditError::Unwritable(_)))
}

fn eventually(happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never happened");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_refuses_and_leaves_no_part_of_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = faulty(folder.path(), AuditOptions::default());
    assert_eq!(accept(&log, Durability::Power), Ok(1));
    let head = log.head();
    file.full.store(true, Ordering::SeqCst);
    for durability in [Durability::Process, Durability::Power] {
        assert!(is_unwritable(&accept(&log, durability)));
    }
    assert_eq!((log.head(), log.broken()), (head, None));
    assert_eq!(verify(folder.path(), Some(head)).unwrap().torn, 0);
    file.full.store(false, Ordering::SeqCst);
    assert_eq!(accept(&log, Durability::Process), Ok(2));
    assert_eq!(verify(folder.path(), Some(head)).unwrap().head, log.head());
}

#[test]
fn nothing_is_written_behind_part_of_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = faulty(folder.path(), AuditOptions::default());
    assert_eq!(accept(&log, Durability::Process), Ok(1));
    file.uncuttable.store(true, Ordering::SeqCst);
    file.full.store(true, Ordering::SeqCst);
    assert!(is_unwritable(&accept(&log, Durability::Power)));
    file.full.store(false, Ordering::SeqCst);
    assert!(is_unwritable(&accept(&log, Durability::Power)));
    let report = verify(folder.path(), Some(log.head())).unwrap();
    assert!(report.lines == 1 && report.torn > 0);
    file.uncuttable.store(false, Ordering::SeqCst);
    assert_eq!(accept(&log, Durability::Power), Ok(2));
    let report = verify(folder.path(), Some(log.head())).unwrap();
    assert_eq!((report.lines, report.torn), (2, 0));
}

#[test]
fn after_a_failed_fsync_only_opening_again_helps() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = faulty(folder.path(), AuditOptions::default());
    assert_eq!(accept(&log, Durability::Power), Ok(1));
    file.unsyncable.store(true, Ordering::SeqCst);
    assert!(is_unwritable(&accept(&log, Durability::Power)));
    file.unsyncable.store(false, Ordering::SeqCst);
    for durability in [Durability::Process, Durability::Power] {
        assert!(is_unwritable(&accept(&log, durability)));
    }
    assert!(log.broken().is_some());
    drop(log);
    drop(file);
    let log = AuditLog::open(folder.path(), AuditOptions::default()).unwrap();
    // The refused event was written, and says so by being there; none is missing.
    assert_eq!(accept(&log, Durability::Power), Ok(3));
    assert_eq!(verify(folder.path(), Some(log.head())).unwrap().lines, 3);
}

#[test]
fn a_process_event_is_synced_within_the_flush_time() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = faulty(folder.path(), AuditOptions::default());
    file.unsyncable.store(true, Ordering::SeqCst);
    assert_eq!(accept(&log, Durability::Process), Ok(1));
    // Nobody waits for that fsync, so its failure shows that it was tried.
    eventually(|| log.broken().is_some());
    assert!(is_unwritable(&accept(&log, Durability::Process)));
}

#[test]
fn a_write_that_hangs_is_an_overload_and_loses_nothing() {
    const TASKS: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions { queue: 2, wait: Duration::from_millis(50), ..Default::default() };
    let (file, log) = faulty(folder.path(), options);
    let log = Arc::new(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let closed = file.gate.lock().unwrap();
    assert_eq!(accept(&log, Durability::Process), Err(AuditError::Overloaded));
    eventually(|| file.appending.load(Ordering::SeqCst));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let log = Arc::clone(&log);
                let event = Event::new(EventKind::Intent, "a", "reveal");
                tokio::spawn(async move { log.accept(event, Durability::Power).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Err(AuditError::Overloaded));
        }
    });
    drop(closed);
    // What waited is written before the log is closed: the one that hung and the two
    // that had room in the queue. The rest never got in.
    drop(log);
    assert_eq!(verify(folder.path(), None).unwrap().lines, 3);
}
