use std::collections::BTreeMap;

use allonym_store::StoreError;

use super::*;

fn read_only(home: &Home) -> Result<Store, StoreError> {
    Store::open_read_only(&home.path(), &home.seals())
}

fn error(home: &Home) -> StoreError {
    read_only(home).err().unwrap()
}

/// Every file beside the store, with its content.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(home.at("data")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn filled(home: &Home) -> (Store, DomainId) {
    let (store, domain) = with_domain(home);
    let key = store.keys().unwrap()[0].id;
    store.mark_place_used("orders", "$.email", domain, SPEC, key).unwrap();
    store.backup(&home.at("backup"), later(1)).unwrap();
    store.rotate(key, later(2)).unwrap();
    (store, domain)
}

fn assert_same(one: &Store, other: &Store) {
    assert_eq!(one.keys(), other.keys());
    assert_eq!(one.domains(), other.domains());
    assert_eq!(one.places(), other.places());
    assert_eq!(one.seals(), other.seals());
    assert_eq!(one.api_tokens(), other.api_tokens());
    assert_eq!(one.last_verified_backup(), other.last_verified_backup());
    assert_eq!(one.newer_than_backup(), other.newer_than_backup());
    assert_eq!(one.restored_since(), other.restored_since());
    assert!(!one.keys().unwrap().is_empty() && !one.places().unwrap().is_empty());
}

#[test]
fn a_stopped_store_is_read_and_nothing_beside_it_changes() {
    let home = Home::new();
    drop(filled(&home));
    std::fs::remove_file(home.at("data/store.db.lock")).unwrap();
    let before = files(&home);
    assert_eq!(before.len(), 1);
    let mut seals = home.other_seals();
    seals.extend(home.seals());
    let reading = Store::open_read_only(&home.path(), &seals).unwrap();
    assert_eq!(reading.seals().unwrap().len(), 1, "the other seal got no wrap");
    assert_eq!(reading.keys().unwrap()[0].versions.len(), 2);
    assert_eq!(files(&home), before);
    // It does not stand in the way of a start, and follows what happens then.
    let store = home.open();
    assert_same(&reading, &store);
    store.ensure_key("pan", None, now()).unwrap();
    assert_same(&reading, &store);
    let twin = read_only(&home).unwrap();
    assert_same(&twin, &store);
    drop(store);
    assert_eq!(reading.keys().unwrap().len(), 2);
    assert!(!home.at("data/store.db-wal").exists());
}

#[test]
fn names_of_files_are_taken_as_they_are() {
    let home = Home::new();
    drop(filled(&home));
    let folder = home.at("a?mode=memory%20&ü#x");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(home.path(), folder.join("st ore%41.db")).unwrap();
    let path = folder.join("st ore%41.db");
    let reading = Store::open_read_only(&path, &home.seals()).unwrap();
    assert_eq!(reading.keys().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_store_on_a_read_only_folder_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    drop(filled(&home));
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&home.path(), 0o400);
    mode(&home.at("data"), 0o500);
    let keys = read_only(&home).and_then(|store| store.keys());
    mode(&home.at("data"), 0o700);
    assert_eq!(keys.unwrap().len(), 1);
}

/// As a power cut leaves it: the last values are in the log only, which has no index.
#[test]
fn the_log_of_a_crashed_store_is_read() {
    let home = Home::new();
    let (store, _) = filled(&home);
    let crashed = home.at("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(home.at("data").join(name), crashed.join(name)).unwrap();
    }
    let log = std::fs::read(crashed.join("store.db-wal")).unwrap();
    let main = std::fs::read(crashed.join("store.db")).unwrap();
    assert!(!log.is_empty());
    let path = crashed.join("store.db");
    let reading = Store::open_read_only(&path, &home.seals()).unwrap();
    assert_same(&reading, &store);
    drop(reading);
    assert_eq!(std::fs::read(crashed.join("store.db-wal")).unwrap(), log);
    assert_eq!(std::fs::read(crashed.join("store.db")).unwrap(), main);
    let recovered = Store::open(&path, &home.seals(), now()).unwrap();
    assert_same(&recovered, &store);
}

#[tokio::test]
async fn nothing_changes_through_it() {
    let home = Home::new();
    let (store, domain) = filled(&home);
    let key = store.keys().unwrap()[0].id;
    drop(store);
    let before = files(&home);
    let store = read_only(&home).unwrap();
    let check = |what: &str, refused: Result<(), StoreError>| {
        let expected = StoreError::Unavailable("opened for reading only".to_owned());
        assert_eq!(refused, Err(expected), "{what}");
    };
    let first = allonym_keyring::KeyVersion::FIRST;
    check("ensure_key", store.ensure_key("pan", None, now()).map(drop));
    check("rotate", store.rotate(key, now()).map(drop));
    check("rotate_from", store.rotate_from(key, first, now()).map(drop));
    check("destroy", store.destroy(key, first, now()));
    check("put_domain", store.put_domain("phone", "{}", key).map(drop));
    check("rename_domain", store.rename_domain("email", "mail"));
    check("retire_domain", store.retire_domain("email"));
    check("mark_domain_used", store.mark_domain_used(domain, SPEC, key));
    check("mark_place_used", store.mark_place_used("a", "b", domain, SPEC, key));
    check("api_token_put", store.api_token_put(&api_token("a", "alpha")));
    check("api_token_revoke", store.api_token_revoke("alpha", now()).map(drop));
    check("put_setting", store.put_setting("a", b"b"));
    check("backup", store.backup(&home.at("backup"), now()).map(drop));
    check("token_put", store.token_put(domain, vec![token_row(1)], now()).await.map(drop));
    check("token_by_token", store.token_by_token(domain, Vec::new()).await.map(drop));
    check("token_scan_below", store.token_scan_below(domain, 2, 1).await.map(drop));
    assert_eq!(files(&home), before);
}

#[test]
fn what_cannot_be_read_is_named_and_left_alone() {
    let home = Home::new();
    assert_eq!(error(&home), StoreError::NotAStore(home.path()));
    assert!(!home.at("data").exists());
    drop(filled(&home));
    let wrong = Store::open_read_only(&home.path(), &home.other_seals());
    assert_eq!(wrong.err(), Some(StoreError::WrongSeal));
    let none = Store::open_read_only(&home.path(), &[]);
    assert_eq!(none.err(), Some(StoreError::NoSeal));

    home.edit(
        "DROP TABLE counters; DROP TABLE leases;
         DROP INDEX tokens_by_subject; DROP INDEX tokens_by_end;
         ALTER TABLE tokens DROP COLUMN created; ALTER TABLE tokens DROP COLUMN expires;
         ALTER TABLE tokens DROP COLUMN disabled; ALTER TABLE tokens DROP COLUMN subject;
         ALTER TABLE tokens DROP COLUMN meta;
         DROP INDEX tokens_by_version; UPDATE schema_version SET version = 2",
    );
    let before = files(&home);
    let older = error(&home);
    assert_eq!(older, StoreError::Older { found: 2, known: 4 });
    assert!(older.to_string().contains("start the gateway once"), "{older}");
    assert_eq!(files(&home), before);
    let keys = home.open().keys().unwrap();
    assert!(!keys.is_empty());
    assert_eq!(read_only(&home).unwrap().keys().unwrap(), keys);

    home.edit("UPDATE schema_version SET version = 99");
    assert_eq!(error(&home), StoreError::Newer { found: 99, known: 4 });
    std::fs::write(home.path(), b"").unwrap();
    assert_eq!(error(&home), StoreError::NotAStore(home.path()));
    std::fs::write(home.path(), [b'x'; 8192]).unwrap();
    assert!(matches!(error(&home), StoreError::Damaged(_)));
}
