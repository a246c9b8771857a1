use allonym_keyring::KeyVersion;
use allonym_record::Value;
use zeroize::Zeroizing;

use super::format::Fit;
use crate::{Fault, FaultRule};

/// What is to be done with the values of a batch that hold something.
pub(super) struct Plan {
    /// In the order of versions, then of groups.
    work: Vec<Work>,
    /// The number of each value of the batch, where values are numbered; else nothing.
    pub(super) numbers: Zeroizing<Vec<u128>>,
}

/// One value of a batch that is to be enciphered or deciphered. Values of one version and
/// group go through the engine together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Work {
    pub(super) version: KeyVersion,
    pub(super) group: usize,
    pub(super) index: usize,
}

impl Plan {
    /// The only place where values are grouped.
    pub(super) fn new(
        batch: &[&mut Value],
        numbered: bool,
        judge: impl Fn(usize, &Value) -> Result<(KeyVersion, Fit), FaultRule>,
    ) -> Result<Self, Fault> {
        let mut work = Vec::with_capacity(batch.len());
        let mut numbers =
            Zeroizing::new(Vec::with_capacity(if numbered { batch.len() } else { 0 }));
        for (index, value) in batch.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            let (version, fit) = judge(index, value).map_err(|rule| Fault { index, rule })?;
            work.push(Work { version, group: fit.group, index });
            if numbered {
                numbers.resize(index, 0);
                numbers.push(fit.number);
            }
        }
        work.sort_unstable();
        Ok(Self { work, numbers })
    }

    /// All values.
    pub(super) fn all(&self) -> &[Work] {
        &self.work
    }

    /// The values of each version and group.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Work]> {
        self.work.chunk_by(|one, next| (one.version, one.group) == (next.version, next.group))
    }
}
