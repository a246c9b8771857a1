use allonym_keyring::{KeyVersion, Keyring, Purpose};
use allonym_seal::{Cost, PassphraseSeal, Seal};
use allonym_store::{Store, StoreError};
use zeroize::Zeroizing;

use super::*;

conformance! {
    a_store_needs_its_seal,
    any_seal_opens_and_a_new_one_gets_its_wrap,
    a_newer_schema_is_refused,
    settings_and_subkeys_are_kept,
    api_tokens_come_and_go,
}

fn passphrase() -> Box<dyn Seal> {
    let cost = Cost { memory_kib: 32, passes: 1, lanes: 1 };
    let text = Zeroizing::new("correct horse battery".to_owned());
    Box::new(PassphraseSeal::with_cost(text, cost).unwrap())
}

fn refused(home: &Home, seals: &[Box<dyn Seal>]) -> StoreError {
    home.open_with(seals, now()).err().unwrap()
}

fn a_store_needs_its_seal(home: Home) {
    assert_eq!(refused(&home, &[]), StoreError::NoSeal);
    drop(home.open());
    let error = refused(&home, &home.other_seals());
    assert_eq!(error, StoreError::WrongSeal);
    assert_eq!(error.to_string(), "this seal does not open this store");
    assert_eq!(refused(&home, &[passphrase()]), StoreError::WrongSeal);
    drop(home.open());
}

fn any_seal_opens_and_a_new_one_gets_its_wrap(home: Home) {
    let key = {
        let store = home.open();
        assert_eq!(store.seals().unwrap().len(), 1);
        store.ensure_key("pan", None, now()).unwrap()
    };
    let secret = home.open().key_set().unwrap().secret(key, KeyVersion::FIRST).unwrap();
    let mut both = home.seals();
    both.push(passphrase());
    for _ in 0..2 {
        let store = home.open_with(&both, later(1)).unwrap();
        let seals = store.seals().unwrap();
        let names: Vec<_> = seals.iter().map(|seal| seal.name.as_str()).collect();
        assert_eq!(names, [home.seals()[0].name().as_str(), "passphrase"]);
        assert_eq!((seals[0].created, seals[1].created), (now(), later(1)));
    }
    let store = home.open_with(&[passphrase()], now()).unwrap();
    let again = store.key_set().unwrap().secret(key, KeyVersion::FIRST).unwrap();
    assert!(again == secret);
    // A seal that is given first and has no wrap does not stand in the way.
    drop(store);
    let mut seals = home.other_seals();
    seals.push(passphrase());
    assert_eq!(home.open_with(&seals, now()).unwrap().seals().unwrap().len(), 3);
    drop(home.open_with(&home.other_seals(), now()).unwrap());
}

#[test]
fn a_seal_is_known_by_its_key_and_not_by_its_path() {
    let home = Home::new();
    drop(home.open());
    std::fs::rename(home.at("seal.key"), home.at("moved.key")).unwrap();
    let moved: Vec<Box<dyn Seal>> = vec![Box::new(FileSeal::open(home.at("moved.key")).unwrap())];
    let store = Store::open(&home.path(), &moved, now()).unwrap();
    let names: Vec<_> = store.seals().unwrap().into_iter().map(|seal| seal.name).collect();
    assert_eq!(names, [moved[0].name()]);
}

#[test]
fn a_store_is_opened_once_at_a_time() {
    let home = Home::new();
    let store = home.open();
    let clone = store.clone();
    assert_eq!(refused(&home, &home.seals()), StoreError::InUse(home.path()));
    drop(store);
    assert_eq!(refused(&home, &home.seals()), StoreError::InUse(home.path()));
    drop(clone);
    assert!(!home.at("data/store.db-wal").exists(), "the log is written back");
    drop(home.open());
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let home = Home::new();
    std::fs::create_dir(home.at("data")).unwrap();
    std::fs::write(home.path(), b"").unwrap();
    assert_eq!(refused(&home, &home.seals()), StoreError::NotAStore(home.path()));
    std::fs::write(home.path(), [b'x'; 8192]).unwrap();
    assert!(matches!(refused(&home, &home.seals()), StoreError::Damaged(_)));
    assert_eq!(std::fs::read(home.path()).unwrap(), [b'x'; 8192]);
    std::fs::remove_file(home.path()).unwrap();
    std::fs::write(home.at("data/store.db-wal"), b"log of a store that was moved").unwrap();
    assert_eq!(refused(&home, &home.seals()), StoreError::NotAStore(home.path()));
    assert!(home.at("data/store.db-wal").exists());
}

fn a_newer_schema_is_refused(home: Home) {
    drop(home.open());
    home.edit("UPDATE schema_version SET version = 99");
    assert!(matches!(refused(&home, &home.seals()), StoreError::Newer { found: 99, .. }));
    let reading = home.open_read_only().err();
    assert!(matches!(reading, Some(StoreError::Newer { found: 99, .. })));
}

#[cfg(unix)]
#[test]
fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let store = home.open();
    store.put_setting("a", b"b").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.at("data")), 0o700);
    for entry in std::fs::read_dir(home.at("data")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(store);
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let _store = home.open();
    assert_eq!(mode(&home.path()), 0o600);
}

#[test]
fn rows_cannot_be_swapped_or_changed() {
    let home = Home::new();
    {
        let store = home.open();
        store.put_setting("limit", b"10").unwrap();
        store.put_setting("other", b"99").unwrap();
        store.api_token_put(&api_token("a", "alpha")).unwrap();
        store.api_token_put(&api_token("b", "beta")).unwrap();
        let key = store.ensure_key("pan", None, now()).unwrap();
        store.ensure_key("contact", None, now()).unwrap();
        store.rotate(key, now()).unwrap();
        let domain = store.put_domain("email", "{}", key).unwrap();
        store.put_domain("phone", "{}", key).unwrap();
        store.mark_place_used("orders", "$.email", domain, "{}", key).unwrap();
        store.mark_place_used("orders", "$.phone", domain, "{}", key).unwrap();
    }
    let pristine = std::fs::read(home.path()).unwrap();
    let check = |sql: &str, table: &'static str, read: &dyn Fn(&Store) -> Option<StoreError>| {
        std::fs::write(home.path(), &pristine).unwrap();
        assert_eq!(read(&home.open()), None, "before: {sql}");
        home.edit(sql);
        assert_eq!(read(&home.open()), Some(StoreError::Altered(table)), "{sql}");
    };
    let setting = |store: &Store| store.setting("limit").err();
    check(
        "UPDATE settings SET body = (SELECT body FROM settings WHERE name = 'other')",
        "settings",
        &setting,
    );
    check("UPDATE settings SET generation = 0", "settings", &setting);
    let cut = "UPDATE settings SET body = substr(body, 1, length(body) - 1)";
    check(cut, "settings", &setting);
    let tokens = |store: &Store| store.api_tokens().err();
    let swap = "UPDATE api_tokens SET body = (SELECT body FROM api_tokens WHERE id = 'b')";
    check(swap, "api_tokens", &tokens);
    check("UPDATE api_tokens SET name = 'x' WHERE id = 'a'", "api_tokens", &tokens);
    let keys = |store: &Store| store.key_set().err();
    let swap = "UPDATE key_versions SET wrap =
        (SELECT wrap FROM key_versions WHERE version = 2) WHERE version = 1";
    check(swap, "key_versions", &keys);
    let domains = |store: &Store| store.domains().err();
    check(
        "UPDATE domains SET name = 'x' WHERE name = 'email';
         UPDATE domains SET name = 'email' WHERE name = 'phone'",
        "domains",
        &domains,
    );
    check(
        "UPDATE domains SET key = (SELECT id FROM keys WHERE name = 'contact')",
        "domains",
        &domains,
    );
    let places = |store: &Store| store.places().err();
    check("UPDATE places SET field = '$.name' WHERE field = '$.email'", "places", &places);
    let wraps = |store: &Store| {
        let domains = store.domains().unwrap();
        domains.iter().find_map(|domain| store.domain_secret(domain.id).err())
    };
    let swap = "UPDATE domains SET wrap = (SELECT wrap FROM domains WHERE name = 'phone')";
    check(swap, "domains.wrap", &wraps);
    std::fs::write(home.path(), &pristine).unwrap();
    home.edit("UPDATE namespaces SET wrap = zeroblob(61)");
    assert_eq!(refused(&home, &home.seals()), StoreError::Altered("namespaces"));
    home.edit("UPDATE store SET root_check = zeroblob(32)");
    assert_eq!(refused(&home, &home.seals()), StoreError::WrongSeal);
}

fn settings_and_subkeys_are_kept(home: Home) {
    let subkey = {
        let store = home.open();
        assert_eq!(store.setting("anchor"), Ok(None));
        store.put_setting("anchor", b"one").unwrap();
        store.put_setting("anchor", b"two").unwrap();
        let reserved = store.put_setting("store/backup_verified", b"x");
        assert!(matches!(reserved, Err(StoreError::NameTaken { .. })));
        assert!(matches!(store.put_setting("", b"x"), Err(StoreError::Length { .. })));
        store.subkey(Purpose::ApiToken)
    };
    let store = home.open();
    assert_eq!(store.setting("anchor").unwrap().unwrap().as_slice(), b"two");
    assert!(store.subkey(Purpose::ApiToken) == subkey);
    assert!(store.subkey(Purpose::Hash) != subkey);
    store.put_setting("people/b", b"2").unwrap();
    store.put_setting("people/a", b"1").unwrap();
    let named = |prefix| {
        let found = store.settings(prefix).unwrap();
        found.into_iter().map(|(name, value)| (name, value[0])).collect::<Vec<_>>()
    };
    assert_eq!(named("people/"), [("people/a".to_owned(), b'1'), ("people/b".to_owned(), b'2')]);
    assert_eq!(store.drop_setting("people/a"), Ok(true));
    assert_eq!(store.drop_setting("people/a"), Ok(false));
    assert_eq!(named("people/"), [("people/b".to_owned(), b'2')]);
    assert!(store.drop_setting("store/backup").is_err(), "that is the store's own");
}

fn api_tokens_come_and_go(home: Home) {
    {
        let store = home.open();
        store.api_token_put(&api_token("a", "alpha")).unwrap();
        store.api_token_put(&api_token("b", "beta")).unwrap();
        let taken = |id: &str, name: &str| {
            let error = store.api_token_put(&api_token(id, name)).err();
            assert!(matches!(error, Some(StoreError::NameTaken { .. })), "{id} {name}");
        };
        taken("c", "alpha");
        taken("a", "gamma");
        assert_eq!(store.api_token_revoke("alpha", later(1)), Ok(true));
        assert_eq!(store.api_token_revoke("alpha", later(2)), Ok(false));
        assert_eq!(store.api_token_revoke("nobody", later(2)), Ok(false));
        taken("a", "alpha");
        store.api_token_put(&api_token("c", "alpha")).unwrap();
        assert_eq!(store.api_token_revoke("b", later(1)), Ok(true));
    }
    let revoked = |id: &str, name: &str| {
        let mut token = api_token(id, name);
        token.revoked = Some(later(1));
        token
    };
    let expected = [revoked("a", "alpha"), revoked("b", "beta"), api_token("c", "alpha")];
    assert_eq!(home.open().api_tokens().unwrap(), expected);
}
