use allonym_keyring::{KeyError, KeyState, KeyVersion, Keyring};
use allonym_store::{RestoredInfo, StoreError};

use super::backups::restore;
use super::*;

conformance! {
    a_restored_store_says_so,
    a_restored_key_rotates_to_a_named_number_first,
}

conformance_async! {
    numbers_have_gaps_and_never_come_again,
    counters_wait_for_how_far_they_were,
    counters_move_on_when_nothing_waits,
}

fn version(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

/// A store with the keys `contact` (version 1) and `pan` (version 2), restored.
fn restored(home: &Home) -> Store {
    let (store, _) = with_domain(home);
    let pan = store.ensure_key("pan", None, now()).unwrap();
    store.rotate(pan, later(1)).unwrap();
    assert_eq!(store.restored_since(), Ok(None));
    let year = std::time::Duration::from_secs(365 * 86_400);
    store.lease_acquire("job", "one", year, later(1)).unwrap().unwrap();
    store.backup(&home.at("backup"), later(2)).unwrap();
    store.rotate(pan, later(3)).unwrap();
    drop(store);
    restore(home, "backup").unwrap();
    Store::open(&home.at("restored/store.db"), &home.seals(), later(10)).unwrap()
}

fn a_restored_store_says_so(home: Home) {
    let store = restored(&home);
    let ids: Vec<_> = store.keys().unwrap().iter().map(|key| key.id).collect();
    let check = |store: &Store, unrotated: &[usize]| {
        let RestoredInfo { at, mut versions, unrotated: found } =
            store.restored_since().unwrap().unwrap();
        versions.sort_by_key(|(_, version)| *version);
        assert_eq!(at, later(9));
        assert_eq!(versions, [(ids[0], version(1)), (ids[1], version(2))]);
        assert_eq!(found.len(), unrotated.len());
        assert!(unrotated.iter().all(|index| found.contains(&ids[*index])));
    };
    check(&store, &[0, 1]);
    let lease = store.lease_acquire("job", "two", std::time::Duration::ZERO, later(10)).unwrap();
    assert!(lease.unwrap().fence > 1000, "above all that were given out since the backup");
    store.rotate_from(ids[0], version(1), later(11)).unwrap();
    check(&store, &[1]);
    drop(store);
    let store = Store::open(&home.at("restored/store.db"), &home.seals(), later(12)).unwrap();
    check(&store, &[1]);
    // What comes of a backup of it has to be rotated anew, all of it.
    store.backup(&home.at("second"), later(13)).unwrap();
    drop(store);
    std::fs::remove_dir_all(home.at("restored")).unwrap();
    restore(&home, "second").unwrap();
    let store = Store::open(&home.at("restored/store.db"), &home.seals(), later(14)).unwrap();
    let info = store.restored_since().unwrap().unwrap();
    assert_eq!(info.unrotated.len(), 2);
    assert!(info.versions.contains(&(ids[0], version(2))));
}

fn a_restored_key_rotates_to_a_named_number_first(home: Home) {
    let store = restored(&home);
    let keys = store.keys().unwrap();
    let (contact, pan) = (keys[0].id, keys[1].id);
    for (key, name) in [(contact, "contact"), (pan, "pan")] {
        let error = store.rotate(key, later(11)).unwrap_err();
        assert_eq!(error, StoreError::RestoredKey { name: name.to_owned() });
        let text = error.to_string();
        for part in [name, "after the backup may have protected values", "see the audit log"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(store.keys(), Ok(keys), "a refusal changes nothing");
    // Version 3 was made after the backup, so it must not come again.
    assert_eq!(store.rotate_from(pan, version(7), later(11)), Ok(version(7)));
    assert_eq!(store.rotate(pan, later(12)), Ok(version(8)), "rotated once, it goes on");
    let refused = StoreError::RestoredKey { name: "contact".to_owned() };
    assert_eq!(store.rotate(contact, later(12)), Err(refused), "of each key by itself");
    let fresh = store.ensure_key("fresh", None, later(12)).unwrap();
    assert_eq!(store.rotate(fresh, later(12)), Ok(version(2)), "made since");

    let set = store.key_set().unwrap();
    assert_eq!(set.active(pan), Ok(version(8)));
    assert_eq!(set.live(pan), [version(1), version(2), version(7), version(8)]);
    assert_eq!(set.secret(pan, version(3)).err(), Some(KeyError::NoVersion(pan, version(3))));
    let keys = store.keys().unwrap();
    let states = keys[2].versions.iter().map(|info| info.state);
    let [active, rest] = [KeyState::Active, KeyState::Deactivated];
    assert_eq!(states.collect::<Vec<_>>(), [rest, rest, rest, active]);
}

async fn numbers_have_gaps_and_never_come_again(home: Home) {
    let (store, domain) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let from = |number| store.rotate_from(key, version(number), later(1));
    assert_eq!(from(1), Ok(version(2)));
    assert_eq!(from(2), Ok(version(3)));
    assert_eq!(from(10), Ok(version(10)));
    assert_eq!(from(5), Ok(version(11)), "not into the gap");
    let gap = store.token_put(domain, vec![TokenRow { version: 5, ..token_row(1) }], now()).await;
    assert_eq!(gap, Err(StoreError::VersionGone { domain, version: 5 }));
    let missing = StoreError::UnknownVersion(key, version(5));
    assert_eq!(store.destroy(key, version(5), now()), Err(missing));
    store.destroy(key, version(10), now()).unwrap();
    assert_eq!(from(10), Ok(version(12)));
    assert_eq!(from(u32::MAX), Ok(version(u32::MAX)));
    assert_eq!(from(1), Err(StoreError::VersionsSpent(key)));
    assert_eq!(store.rotate(key, now()), Err(StoreError::VersionsSpent(key)));
    let unknown = allonym_keyring::KeyId::from_bytes([1; 16]);
    let refused = store.rotate_from(unknown, version(1), now());
    assert_eq!(refused, Err(StoreError::UnknownKey(unknown)));
}

/// What was taken after the backup is not known: nothing is taken until somebody says.
async fn counters_wait_for_how_far_they_were(home: Home) {
    let (store, domain) = with_domain(&home);
    let (old, new) = ([1; 16], [2; 16]);
    assert_eq!(store.counter_take(domain, old, 5, 0, 1000).await, Ok(0..5));
    store.backup(&home.at("backup"), later(2)).unwrap();
    assert_eq!(store.counter_take(domain, old, 5, 0, 1000).await, Ok(5..10));
    assert_eq!(store.counter_take(domain, new, 20, 0, 1000).await, Ok(0..20));
    drop(store);
    for (backup, next, floor) in [("backup", 25, 20), ("second", 55, 40)] {
        let _ = std::fs::remove_dir_all(home.at("restored"));
        restore(&home, backup).unwrap();
        let store = Store::open(&home.at("restored/store.db"), &home.seals(), later(10)).unwrap();
        let waits = Err(StoreError::CountersUnknown(domain));
        assert_eq!(store.counter_take(domain, old, 1, 0, 1000).await, waits);
        assert_eq!(store.counter_take(domain, new, 1, 0, 1000).await, waits);
        assert_eq!(store.counters_resume(domain, 20).await, Ok(true));
        assert_eq!(store.counter_take(domain, old, 10, 0, 1000).await, Ok(next..next + 10));
        let part = if backup == "backup" { [3; 16] } else { new };
        assert_eq!(store.counter_take(domain, part, 10, 0, 1000).await, Ok(floor..floor + 10));
        if backup == "backup" {
            store.backup(&home.at("second"), later(13)).unwrap();
        }
    }
}

/// Ways back that the store does not notice: a copied file, another program's backup.
async fn counters_move_on_when_nothing_waits(home: Home) {
    let (store, domain) = with_domain(&home);
    let (old, new, other) = ([1; 16], [2; 16], [3; 16]);
    assert_eq!(store.counter_take(domain, old, 5, 0, 1000).await, Ok(0..5));
    assert_eq!(store.counters_resume(domain, 7).await, Ok(false), "nothing waited");
    assert_eq!(store.counter_take(domain, old, 5, 0, 1000).await, Ok(12..17));
    assert_eq!(store.counter_take(domain, new, 5, 0, 1000).await, Ok(7..12));
    assert_eq!(store.counters_resume(domain, 3).await, Ok(false));
    assert_eq!(store.counter_take(domain, old, 5, 0, 1000).await, Ok(20..25));
    assert_eq!(store.counter_take(domain, new, 5, 0, 1000).await, Ok(15..20));
    assert_eq!(store.counter_take(domain, other, 5, 0, 1000).await, Ok(10..15));
    // However often, it ends at the end of every counter.
    for _ in 0..6 {
        assert_eq!(store.counters_resume(domain, u64::MAX).await, Ok(false));
    }
    for part in [old, new, other, [4; 16]] {
        let taken = store.counter_take(domain, part, 5, 0, 1000).await.unwrap();
        assert!(taken.is_empty(), "{taken:?}");
    }
}
