//! The tables that are kept, as many as there is room for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use allonym_keyring::KeyVersion;

use super::Table;

/// Most memory that the tables of a domain take.
pub(crate) const MOST_BYTES: usize = 256 << 20;
/// Most tables of a domain.
pub(crate) const MOST_TABLES: usize = 1_024;

/// What a table is of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableKey {
    pub(crate) version: KeyVersion,
    pub(crate) class: usize,
    /// The typed encoding of the scope.
    pub(crate) scope: Vec<u8>,
}

/// The tables of a domain. Where there is no room, the one that was not used for longest
/// goes. One whose key is gone goes with the next look at them.
pub(crate) struct Tables {
    most_bytes: usize,
    most_tables: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<TableKey, Entry>,
    bytes: usize,
    /// Counts the looks.
    clock: u64,
}

struct Entry {
    /// Dead when the key that the table was made with is.
    key: Weak<()>,
    table: Arc<OnceLock<Table>>,
    bytes: usize,
    used: u64,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self::bounded(MOST_BYTES, MOST_TABLES)
    }

    fn bounded(most_bytes: usize, most_tables: usize) -> Self {
        Self { most_bytes, most_tables, kept: Mutex::default() }
    }

    /// The place of a table of `size` numbers. It is made outside of the lock, once, by
    /// whoever comes first.
    pub(crate) fn place(&self, of: TableKey, alive: &Arc<()>, size: u32) -> Arc<OnceLock<Table>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        kept.forget_dead();
        let clock = kept.clock;
        if let Some(entry) = kept.entries.get_mut(&of)
            && std::ptr::eq(entry.key.as_ptr(), Arc::as_ptr(alive))
        {
            entry.used = clock;
            return Arc::clone(&entry.table);
        }
        kept.remove(&of);
        let bytes = Table::bytes(size);
        kept.make_room(self.most_bytes.saturating_sub(bytes), self.most_tables.saturating_sub(1));
        let table = Arc::<OnceLock<Table>>::default();
        let entry =
            Entry { key: Arc::downgrade(alive), table: Arc::clone(&table), bytes, used: clock };
        kept.bytes += bytes;
        kept.entries.insert(of, entry);
        table
    }
}

impl Kept {
    fn forget_dead(&mut self) {
        if self.entries.values().all(|entry| entry.key.strong_count() > 0) {
            return;
        }
        self.entries.retain(|_, entry| entry.key.strong_count() > 0);
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }

    fn remove(&mut self, of: &TableKey) {
        if let Some(entry) = self.entries.remove(of) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }

    /// Leaves no more than that.
    fn make_room(&mut self, bytes: usize, tables: usize) {
        while self.bytes > bytes || self.entries.len() > tables {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(of, _)| of.clone()) else {
                return;
            };
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u32, tenant: u8) -> TableKey {
        TableKey { version: KeyVersion::new(version).unwrap(), class: 0, scope: vec![1, tenant] }
    }

    fn held(tables: &Tables) -> (usize, usize) {
        let kept = tables.kept.lock().unwrap();
        assert_eq!(kept.bytes, kept.entries.values().map(|entry| entry.bytes).sum::<usize>());
        (kept.entries.len(), kept.bytes)
    }

    #[test]
    fn tables_are_bounded_in_number_and_in_bytes() {
        let alive = Arc::new(());
        let few = Tables::bounded(usize::MAX, 3);
        let small = Tables::bounded(10_000, usize::MAX);
        for tenant in 0..100 {
            few.place(of(1, tenant), &alive, 1_000);
            small.place(of(1, tenant), &alive, 1_000);
            let expected = usize::from(tenant) + 1;
            assert_eq!(held(&few), (expected.min(3), 4_000 * expected.min(3)));
            assert_eq!(held(&small), (expected.min(2), 4_000 * expected.min(2)));
        }
        // One that is larger than all there is room for is alone.
        small.place(of(1, 200), &alive, 100_000);
        assert_eq!(held(&small), (1, 800_000));
    }

    #[test]
    fn the_one_not_used_for_longest_goes() {
        let alive = Arc::new(());
        let tables = Tables::bounded(usize::MAX, 2);
        let first = tables.place(of(1, 1), &alive, 100);
        let second = tables.place(of(1, 2), &alive, 100);
        assert!(Arc::ptr_eq(&first, &tables.place(of(1, 1), &alive, 100)));
        tables.place(of(1, 3), &alive, 100);
        assert!(Arc::ptr_eq(&first, &tables.place(of(1, 1), &alive, 100)));
        assert!(!Arc::ptr_eq(&second, &tables.place(of(1, 2), &alive, 100)));
    }

    #[test]
    fn a_table_goes_with_its_key() {
        let (one, two) = (Arc::new(()), Arc::new(()));
        let tables = Tables::new();
        let first = Arc::downgrade(&tables.place(of(1, 1), &one, 100));
        tables.place(of(2, 1), &two, 100);
        assert_eq!(held(&tables), (2, 800));
        drop(one);
        tables.place(of(2, 1), &two, 100);
        assert_eq!(held(&tables), (1, 400));
        assert_eq!(first.strong_count(), 0);
        let again = Arc::new(());
        let before = tables.place(of(2, 1), &two, 100);
        assert!(!Arc::ptr_eq(&before, &tables.place(of(2, 1), &again, 100)), "another key");
        assert_eq!(held(&tables), (1, 400));
    }
}
