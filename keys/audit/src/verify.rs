use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use crate::chain::{Broken, Head};
use crate::error::VerifyError;
use crate::line::{Line, MAX_LINE};
use crate::{Event, EventKind, FILE_NAME, file};

/// What a log that holds together contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many lines.
    pub lines: u64,
    /// Where it ends. Keep it elsewhere: it is the anchor of the next verification.
    pub head: Head,
    /// When its first event was written, as RFC 3339.
    pub first: Option<String>,
    /// When its last event was written, as RFC 3339.
    pub last: Option<String>,
    /// Intents that no result has followed: what was under way when a process ended.
    pub open_intents: u64,
    /// Results whose intent is not in the log before them, or has a result already.
    pub stray_results: u64,
    /// Bytes at the end that are not a complete line: a write under way, or a crash.
    pub torn: u64,
}

/// A line as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence number.
    pub sequence: u64,
    /// When it was written, as RFC 3339.
    pub time: String,
    /// What it says.
    pub event: Event,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Walks the whole log of a folder, which may be in use, and checks every line. The
/// anchor, an earlier head that was kept elsewhere, shows lines cut off the end and a
/// log written anew.
///
/// # Errors
/// When it cannot be read, or at the first line that does not hold.
pub fn verify(folder: &Path, anchor: Option<Head>) -> Result<Report, VerifyError> {
    let path = folder.join(FILE_NAME);
    let failed = |source| VerifyError::Io { path: path.clone(), source };
    let mut lines = BufReader::with_capacity(1 << 20, File::open(&path).map_err(failed)?);
    let mut walk = Walk::new(anchor);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        lines.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        if let Some(line) = line.strip_suffix(b"\n") {
            walk.line(line)?;
        } else if line.len() > MAX_LINE {
            return Err(walk.broken(Broken::TooLong));
        } else {
            return walk.finish(line.len() as u64);
        }
    }
}

/// The last `count` lines of the log of a folder, which may be in use; fewer if it has
/// fewer. They are checked as far as they go.
///
/// # Errors
/// When the log cannot be read, or one of them does not hold.
pub fn tail(folder: &Path, count: usize) -> Result<Vec<Entry>, VerifyError> {
    let path = folder.join(FILE_NAME);
    let failed = |source| VerifyError::Io { path: path.clone(), source };
    let log = File::open(&path).map_err(failed)?;
    let mut window = 64 * 1024;
    let (from_start, bytes) = loop {
        let (start, bytes) = file::last_bytes(&log, window).map_err(failed)?;
        // One more than asked for: the first of a window may be cut.
        if start == 0 || bytes.iter().filter(|byte| **byte == b'\n').count() > count {
            break (start == 0, bytes);
        }
        window = window.saturating_mul(2);
    };
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes.get(..complete).unwrap_or_default();
    let lines: Vec<_> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    let skipped = lines.len().saturating_sub(count);
    let mut head = (from_start && skipped == 0).then_some(Head::EMPTY);
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(lines.iter().skip(skipped)) {
        let sequence = head.map_or(0, |head| head.sequence.saturating_add(1));
        let failed = |broken| VerifyError::Broken { line: number, sequence, broken };
        let line = Line::parse(line.strip_suffix(b"\n").unwrap_or(line)).map_err(failed)?;
        line.follows(&head.unwrap_or(line.before())).map_err(failed)?;
        head = Some(line.head());
        entries.push(Entry {
            sequence: line.sequence,
            time: line.time.to_owned(),
            event: line.event().map_err(failed)?,
            hash: line.hash,
        });
    }
    Ok(entries)
}

/// A verification under way.
struct Walk {
    anchor: Option<Head>,
    head: Head,
    lines: u64,
    first: Option<String>,
    last: String,
    open: HashSet<u64>,
    stray: u64,
}

impl Walk {
    fn new(anchor: Option<Head>) -> Self {
        Self {
            anchor: anchor.filter(|anchor| *anchor != Head::EMPTY),
            head: Head::EMPTY,
            lines: 0,
            first: None,
            last: String::new(),
            open: HashSet::new(),
            stray: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), VerifyError> {
        let parsed = Line::parse(line).map_err(|broken| self.broken(broken))?;
        parsed.follows(&self.head).map_err(|broken| self.broken(broken))?;
        let event = parsed.event().map_err(|broken| self.broken(broken))?;
        self.lines += 1;
        self.head = parsed.head();
        if let Some(anchor) = self.anchor
            && anchor.sequence == self.head.sequence
            && anchor != self.head
        {
            return Err(VerifyError::Rewritten { line: self.lines, anchor });
        }
        match (event.kind, event.of) {
            (EventKind::Intent, _) => drop(self.open.insert(parsed.sequence)),
            (EventKind::Result, Some(intent)) if self.open.remove(&intent) => {}
            (EventKind::Result, Some(_)) => self.stray += 1,
            _ => {}
        }
        self.first.get_or_insert_with(|| parsed.time.to_owned());
        parsed.time.clone_into(&mut self.last);
        Ok(())
    }

    /// The line after those walked does not hold.
    const fn broken(&self, broken: Broken) -> VerifyError {
        VerifyError::Broken {
            line: self.lines + 1,
            sequence: self.head.sequence.saturating_add(1),
            broken,
        }
    }

    fn finish(self, torn: u64) -> Result<Report, VerifyError> {
        match self.anchor {
            Some(anchor) if anchor.sequence == 0 => {
                return Err(VerifyError::Rewritten { line: 0, anchor });
            }
            Some(anchor) if anchor.sequence > self.head.sequence => {
                return Err(VerifyError::Truncated { found: self.head, anchor });
            }
            _ => {}
        }
        Ok(Report {
            lines: self.lines,
            head: self.head,
            last: self.first.is_some().then_some(self.last),
            first: self.first,
            open_intents: self.open.len() as u64,
            stray_results: self.stray,
            torn,
        })
    }
}
