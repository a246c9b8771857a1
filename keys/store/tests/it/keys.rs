use allonym_keyring::{KeyError, KeyId, KeyState, KeyVersion, Keyring};
use allonym_store::{StoreError, VersionInfo};

use super::*;

conformance! {
    keys_are_made_once_and_renamed,
    a_rotation_deactivates_what_was_active,
}

conformance_async! {
    a_destroyed_version_is_gone,
}

fn version(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

fn keys_are_made_once_and_renamed(home: Home) {
    let pan = {
        let store = home.open();
        let pan = store.ensure_key("pan", None, now()).unwrap();
        assert_eq!(store.ensure_key("pan", None, later(1)), Ok(pan));
        assert_eq!(store.ensure_key("card", Some("pan"), later(1)), Ok(pan));
        assert_eq!(store.ensure_key("card", Some("pan"), later(1)), Ok(pan), "done before");
        let contact = store.ensure_key("contact", Some("nothing"), now()).unwrap();
        assert_ne!(contact, pan);
        let both = store.ensure_key("card", Some("contact"), now());
        assert_eq!(both, Err(StoreError::NameTaken { what: "key", name: "card".to_owned() }));
        assert!(matches!(store.ensure_key("", None, now()), Err(StoreError::Length { .. })));
        pan
    };
    let keys = home.open().keys().unwrap();
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["card", "contact"]);
    assert_eq!(keys[0].id, pan);
    let first = VersionInfo {
        version: KeyVersion::FIRST,
        state: KeyState::Active,
        created: now(),
        changed: now(),
    };
    assert_eq!(keys[0].versions, [first]);
}

fn a_rotation_deactivates_what_was_active(home: Home) {
    let store = home.open();
    let key = store.ensure_key("pan", None, now()).unwrap();
    let before = store.key_set().unwrap();
    assert_eq!(store.rotate(key, later(1)), Ok(version(2)));
    assert_eq!(store.rotate(key, later(2)), Ok(version(3)));
    drop(store);
    let store = home.open();
    let set = store.key_set().unwrap();
    assert_eq!(set.active(key), Ok(version(3)));
    assert_eq!(set.live(key), [version(1), version(2), version(3)]);
    assert_eq!(set.id("pan"), Some(key));
    let secret = |number| set.secret(key, version(number)).unwrap();
    assert!(secret(1) == before.secret(key, version(1)).unwrap());
    assert!(secret(1) != secret(2) && secret(2) != secret(3));
    let states: Vec<_> = store.keys().unwrap()[0]
        .versions
        .iter()
        .map(|info| (info.state, info.created, info.changed))
        .collect();
    let expected = [
        (KeyState::Deactivated, now(), later(1)),
        (KeyState::Deactivated, later(1), later(2)),
        (KeyState::Active, later(2), later(2)),
    ];
    assert_eq!(states, expected);
    let unknown = KeyId::from_bytes([1; 16]);
    assert_eq!(store.rotate(unknown, now()), Err(StoreError::UnknownKey(unknown)));
}

async fn a_destroyed_version_is_gone(home: Home) {
    let (store, domain) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let destroy = |number| store.destroy(key, version(number), later(3));
    assert_eq!(destroy(1), Err(StoreError::ActiveVersion(key, version(1))));
    store.rotate(key, later(1)).unwrap();
    assert_eq!(destroy(3), Err(StoreError::UnknownVersion(key, version(3))));
    let unknown = KeyId::from_bytes([1; 16]);
    let nothing = store.destroy(unknown, version(1), now());
    assert_eq!(nothing, Err(StoreError::UnknownKey(unknown)));

    store.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    assert_eq!(destroy(1), Err(StoreError::VersionInUse(key, version(1))));
    let resealed = TokenRow { version: 2, ..token_row(1) };
    assert_eq!(store.token_reseal(domain, vec![(1, resealed)]).await, Ok(1));

    // The wrap as it lies on disk, log included, to look for it afterwards.
    let wrap = home.is_file().then(|| {
        let copy = home.at("copy");
        std::fs::create_dir(&copy).unwrap();
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(home.at("data").join(name), copy.join(name)).unwrap();
        }
        let connection = rusqlite::Connection::open(copy.join("store.db")).unwrap();
        let sql = "SELECT wrap FROM key_versions WHERE version = 1";
        connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)).unwrap()
    });
    let on_disk = |wrap: &Vec<u8>| holds(&bytes_under(&home.at("data")), wrap);
    assert!(wrap.iter().all(on_disk));
    assert_eq!(destroy(1), Ok(()));
    assert_eq!(destroy(1), Ok(()));
    assert!(!wrap.iter().any(on_disk));

    let late = store.token_put(domain, vec![token_row(2)], now()).await;
    assert_eq!(late, Err(StoreError::VersionGone { domain, version: 1 }), "sealed before");
    let set = store.key_set().unwrap();
    let gone = KeyError::Destroyed(key, version(1));
    assert_eq!(set.secret(key, version(1)).err(), Some(gone));
    assert_eq!(set.live(key), [version(2)]);
    let info = &store.keys().unwrap()[0].versions[0];
    assert_eq!((info.state, info.changed), (KeyState::Destroyed, later(3)));
    assert_eq!(store.rotate(key, now()), Ok(version(3)), "a number is never used again");
}
