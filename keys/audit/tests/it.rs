//! The audit log as its callers see it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use allonym_audit::{
    AuditLog, AuditOptions, AuditSink as _, Broken, ClassCount, Durability, Event, EventKind,
    FILE_NAME, Head, OpenError, VerifyError, tail, verify,
};

fn open(folder: &Path) -> AuditLog {
    AuditLog::open(folder, AuditOptions::default()).unwrap()
}

fn intent(number: usize) -> Event {
    let mut event = Event::new(EventKind::Intent, format!("token:{number}"), "reveal");
    event.place = Some("payments-api GET /v1/charges/{id}".into());
    event.classes =
        vec![ClassCount { class: "email".into(), outcome: "plain".into(), count: number as u64 }];
    event
}

/// A folder with a log of so many lines, and its head.
fn log_of(lines: usize) -> (tempfile::TempDir, Head) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for number in 0..lines {
        log.accept_blocking(intent(number), Durability::Process).unwrap();
    }
    let head = log.head();
    (folder, head)
}

#[test]
fn what_is_accepted_is_on_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("audit");
    let log = open(&inner);
    let first = log.accept_blocking(intent(3), Durability::Power).unwrap();
    let mut result = Event::new(EventKind::Result, "token:3", "reveal");
    result.of = Some(first);
    log.accept_blocking(result.clone(), Durability::Process).unwrap();
    log.accept_blocking(result.clone(), Durability::Process).unwrap();
    log.accept_blocking(intent(4), Durability::Process).unwrap();
    let report = verify(&inner, Some(log.head())).unwrap();
    assert_eq!((report.lines, report.open_intents, report.stray_results), (4, 1, 1));
    assert_eq!((report.head, report.torn), (log.head(), 0));
    let entries = tail(&inner, 2).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(entries[0].event, result);
    assert_eq!(entries[1].event, intent(4));
    assert_eq!(entries[1].hash, log.head().hash);
    assert_eq!(tail(&inner, 100).unwrap().len(), 4);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&inner.join(FILE_NAME))), (0o700, 0o600));
}

#[test]
fn a_log_goes_on_where_it_ended_and_has_one_writer() {
    let (folder, head) = log_of(3);
    let log = open(folder.path());
    assert_eq!(log.head(), head);
    let again = AuditLog::open(folder.path(), AuditOptions::default());
    assert!(matches!(again, Err(OpenError::InUse(_))));
    assert_eq!(log.accept_blocking(intent(9), Durability::Power), Ok(4));
    assert_eq!(verify(folder.path(), Some(head)).unwrap().lines, 4);
}

#[test]
fn an_event_too_large_is_refused_and_the_log_goes_on() {
    let (folder, _) = log_of(0);
    let log = open(folder.path());
    let large = Event::new(EventKind::Admin, "a".repeat(70_000), "x");
    assert!(log.accept_blocking(large, Durability::Process).is_err());
    assert_eq!(log.accept_blocking(intent(0), Durability::Process), Ok(1));
}

#[test]
fn a_link_in_the_place_of_the_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.path().join(FILE_NAME)).unwrap();
    let opened = AuditLog::open(folder.path(), AuditOptions::default());
    assert!(matches!(opened, Err(OpenError::NotAFile(_))));
}

#[test]
fn many_tasks_share_commits_and_get_dense_numbers() {
    const TASKS: u64 = 64;
    const EACH: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let numbers: BTreeSet<u64> = runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let mut numbers = Vec::new();
                    for each in 0..EACH {
                        let durability =
                            if each % 2 == 0 { Durability::Power } else { Durability::Process };
                        numbers.push(log.accept(intent(task as usize), durability).await.unwrap());
                    }
                    assert!(numbers.is_sorted());
                    numbers
                })
            })
            .collect();
        let mut all = BTreeSet::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    assert_eq!(numbers, (1..=TASKS * EACH).collect());
    assert_eq!(verify(folder.path(), Some(log.head())).unwrap().lines, TASKS * EACH);
}

#[test]
fn a_line_torn_by_a_crash_is_cut_off_and_recorded() {
    let (folder, _) = log_of(5);
    let path = folder.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (last + 1..whole.len()).step_by(13).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(verify(folder.path(), None).unwrap().torn, (cut - last) as u64);
        let log = open(folder.path());
        assert_eq!(log.head().sequence, 5);
        let entries = tail(folder.path(), 1).unwrap();
        assert_eq!(entries[0].event.kind, EventKind::Recovered);
        assert_eq!(entries[0].event.detail["bytes_cut"], (cut - last).to_string());
        let report = verify(folder.path(), Some(log.head())).unwrap();
        assert_eq!((report.lines, report.torn), (5, 0));
    }
}

#[test]
fn what_no_crash_explains_is_not_opened() {
    let (folder, _) = log_of(5);
    let path = folder.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let check = |broken: Vec<u8>, sequence: u64, what: Broken| {
        fs::write(&path, &broken).unwrap();
        match AuditLog::open(folder.path(), AuditOptions::default()) {
            Err(OpenError::Broken { sequence: found, broken, .. }) => {
                assert_eq!((found, broken), (sequence, what));
            }
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(fs::read(&path).unwrap(), broken, "it was changed");
    };
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let mut flipped = whole.clone();
    let inside = whole.len() - 300;
    flipped[inside] = if flipped[inside] == b'a' { b'b' } else { b'a' };
    let line = whole[..inside].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    fs::write(&path, &flipped).unwrap();
    assert!(AuditLog::open(folder.path(), AuditOptions::default()).is_err());
    assert!(
        matches!(verify(folder.path(), None), Err(VerifyError::Broken { line: found, .. }) if found == line)
    );
    check([lines[0], lines[2]].concat(), 2, Broken::Sequence { found: 3 });
    check([&whole[..], b"\n"].concat(), 6, Broken::Malformed);
    check([&whole[..], &[0; 70_000]].concat(), 6, Broken::TooLong);
    check(lines[1..].concat(), 1, Broken::Sequence { found: 2 });
}

/// A small generator with a fixed seed (xorshift64*): the same mutations each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// One mutation; the first line that is not as it was, from 1.
fn mutate(whole: &[u8], random: &mut Random, kind: usize) -> (Vec<u8>, u64) {
    let mut lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let at = random.below(lines.len());
    let other = (at + 1 + random.below(lines.len() - 1)) % lines.len();
    let line_of = |byte: usize| whole[..byte].iter().filter(|byte| **byte == b'\n').count() + 1;
    let first = match kind {
        0 => {
            let byte = random.below(whole.len());
            let mut flipped = whole.to_vec();
            flipped[byte] ^= 1 << random.below(8);
            return (flipped, line_of(byte) as u64);
        }
        1 => {
            lines.remove(at);
            at
        }
        2 => {
            lines.swap(at, other);
            at.min(other)
        }
        3 => {
            lines.insert(other, lines[at]);
            // A copy beside its original is the second of the two.
            if other == at || other == at + 1 { at + 1 } else { other }
        }
        4 => {
            let byte = random.below(whole.len());
            return (whole[..byte].to_vec(), line_of(byte) as u64);
        }
        _ => {
            let from = random.below(lines.len());
            lines.drain(from..lines.len().min(from + 1 + random.below(5)));
            from
        }
    };
    (lines.concat(), first as u64 + 1)
}

#[test]
fn two_thousand_mutations_are_all_detected_where_they_are() {
    const LINES: usize = 40;
    let (folder, anchor) = log_of(LINES);
    let path = folder.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..2_000 {
        let (mutated, first) = mutate(&whole, &mut random, round % 6);
        fs::write(&path, &mutated).unwrap();
        match verify(folder.path(), Some(anchor)) {
            Err(VerifyError::Broken { line, sequence, .. }) => {
                assert_eq!((line, sequence), (first, first), "round {round}");
            }
            Err(VerifyError::Truncated { found, .. }) => {
                assert_eq!(found.sequence + 1, first, "round {round}");
            }
            other => panic!("round {round}: {other:?}"),
        }
        // An anchor is needed for lines cut off the end only.
        if mutated.len() >= whole.len() && mutated.ends_with(b"\n") {
            assert!(verify(folder.path(), None).is_err(), "round {round}");
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(verify(folder.path(), Some(anchor)).unwrap().lines, LINES as u64);
}

#[test]
fn a_log_written_anew_does_not_pass_the_anchor() {
    let (folder, anchor) = log_of(4);
    let (forged, _) = log_of(6);
    fs::copy(forged.path().join(FILE_NAME), folder.path().join(FILE_NAME)).unwrap();
    assert_eq!(verify(folder.path(), None).unwrap().lines, 6, "by itself it holds together");
    let verified = verify(folder.path(), Some(anchor));
    assert!(matches!(verified, Err(VerifyError::Rewritten { line: 4, .. })));
    fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
    assert!(matches!(verify(folder.path(), None), Err(VerifyError::Io { .. })));
}
