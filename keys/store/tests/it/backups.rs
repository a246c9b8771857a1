use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allonym_keyring::{KeyVersion, Keyring};
use allonym_store::{BackupReport, StoreError};

use super::*;

conformance_async! {
    a_restored_store_is_the_store,
    a_backup_that_was_touched_is_refused,
    a_newer_format_is_named,
    a_backup_is_of_one_moment_while_others_write,
    what_no_backup_holds_is_known,
}

/// Enough tokens for a backup of several chunks.
async fn filled(home: &Home) -> (Store, DomainId) {
    let (store, domain) = with_domain(home);
    let rows = (0..4000).map(|number| TokenRow { sealed: vec![7; 200], ..token_row(number) });
    store.token_put(domain, rows.collect(), now()).await.unwrap();
    let key = store.keys().unwrap()[0].id;
    store.mark_place_used("orders", "$.email", domain, SPEC, key).unwrap();
    store.api_token_put(&api_token("a", "alpha")).unwrap();
    store.put_setting("anchor", b"here").unwrap();
    (store, domain)
}

pub(crate) fn restore(home: &Home, from: &str) -> Result<BackupReport, StoreError> {
    Store::restore(&home.at(from), &home.at("restored/store.db"), &home.seals(), later(9))
}

async fn a_restored_store_is_the_store(home: Home) {
    let (store, domain) = filled(&home).await;
    assert_eq!(store.last_verified_backup(), Ok(None));
    let report = store.backup(&home.at("backup"), later(1)).unwrap();
    assert_eq!((report.created, report.tokens, report.keys), (later(1), 4000, 1));
    assert_eq!((report.domains, report.api_tokens, report.key_versions), (1, 1, 1));
    assert_eq!(report.bytes, std::fs::metadata(home.at("backup")).unwrap().len());
    assert_eq!(store.last_verified_backup(), Ok(Some(later(1))));
    // What comes after is not in it.
    let key = store.keys().unwrap()[0].id;
    let before = store.key_set().unwrap();
    store.rotate(key, later(2)).unwrap();

    assert_eq!(restore(&home, "backup"), Ok(report));
    let path = home.at("restored/store.db");
    let restored = Store::open(&path, &home.seals(), later(3)).unwrap();
    let set = restored.key_set().unwrap();
    assert_eq!(set.live(key), [KeyVersion::FIRST]);
    let secret = |set: &allonym_keyring::KeySet| set.secret(key, KeyVersion::FIRST).unwrap();
    assert!(secret(&set) == secret(&before));
    assert!(restored.domain_secret(domain).unwrap() == store.domain_secret(domain).unwrap());
    assert_eq!(restored.domains(), store.domains());
    assert_eq!(restored.places(), store.places());
    assert_eq!(restored.api_tokens(), store.api_tokens());
    assert_eq!(restored.setting("anchor").unwrap().unwrap().as_slice(), b"here");
    let lookups: Vec<_> = (0..4000).map(|number| token_row(number).lookup.unwrap()).collect();
    let found = restored.token_by_lookup(domain, lookups.clone()).await.unwrap();
    assert_eq!(found, store.token_by_lookup(domain, lookups).await.unwrap());
    assert_eq!(found.iter().flatten().count(), 4000);
}

#[tokio::test]
async fn a_backup_needs_a_seal_and_overwrites_nothing_else() {
    let home = Home::new();
    let (store, _) = filled(&home).await;
    let backup = home.at("backup");
    store.backup(&backup, later(1)).unwrap();
    store.backup(&backup, later(2)).unwrap();
    std::fs::write(home.at("letter"), "dear").unwrap();
    let refused = store.backup(&home.at("letter"), later(3));
    assert_eq!(refused, Err(StoreError::Exists(home.at("letter"))));
    assert_eq!(store.backup(&home.path(), later(3)), Err(StoreError::Exists(home.path())));
    assert_eq!(store.last_verified_backup(), Ok(Some(later(2))));
    assert_eq!(std::fs::read(home.at("letter")).unwrap(), b"dear");

    let to = home.at("restored/store.db");
    let wrong = Store::restore(&backup, &to, &home.other_seals(), now());
    assert_eq!(wrong, Err(StoreError::WrongSeal));
    assert_eq!(Store::restore(&backup, &to, &[], now()), Err(StoreError::NoSeal));
    assert_eq!(restore(&home, "letter"), Err(StoreError::NotABackup(home.at("letter"))));
    assert!(matches!(restore(&home, "missing"), Err(StoreError::Unavailable(_))));
    let over = Store::restore(&backup, &home.path(), &home.seals(), now());
    assert_eq!(over, Err(StoreError::InUse(home.path())));
    drop(store);
    let over = Store::restore(&backup, &home.path(), &home.seals(), now());
    assert_eq!(over, Err(StoreError::Exists(home.path())));
    assert_eq!(restore(&home, "backup").unwrap().created, later(2));
    #[cfg(unix)]
    for path in [&backup, &to] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

async fn a_backup_that_was_touched_is_refused(home: Home) {
    let (store, _) = filled(&home).await;
    store.backup(&home.at("backup"), now()).unwrap();
    store.backup(&home.at("second"), now()).unwrap();
    let whole = std::fs::read(home.at("backup")).unwrap();
    let other = std::fs::read(home.at("second")).unwrap();
    let step = 256 * 1024 + 16;
    let header = 20 + u32::from_be_bytes(whole[16..20].try_into().unwrap()) as usize;
    assert!(whole.len() > header + 3 * step, "several chunks");
    let chunk = |number: usize| &whole[header + number * step..header + (number + 1) * step];
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let check = |bytes: Vec<u8>, what: &str| {
        std::fs::write(home.at("touched"), bytes).unwrap();
        assert_eq!(restore(&home, "touched"), Err(StoreError::BackupAltered), "{what}");
        assert!(!home.at("restored/store.db").exists());
        assert!(!home.at("restored/store.db.restored").exists(), "nothing is left behind");
    };
    check(whole[..18].to_vec(), "cut in the length");
    check(whole[..header - 1].to_vec(), "cut in the header");
    check(whole[..header].to_vec(), "cut after the header");
    check(whole[..header + step].to_vec(), "cut after a chunk");
    check(whole[..whole.len() - 1].to_vec(), "cut at the end");
    check(flipped(header), "a bit of the first chunk");
    check(flipped(whole.len() - 1), "a bit of the last chunk");
    let moved = [&whole[..header], chunk(1), chunk(0), &whole[header + 2 * step..]].concat();
    check(moved, "chunks moved");
    check([&whole[..header], &whole[header + step..]].concat(), "a chunk missing");
    check([whole.as_slice(), b"x"].concat(), "a byte more");
    let other_header = 20 + u32::from_be_bytes(other[16..20].try_into().unwrap()) as usize;
    let foreign = [&whole[..header + step], &other[other_header + step..]].concat();
    check(foreign, "the end of another backup");
    let created = whole.windows(9).position(|part| part == b"\"created\"").unwrap();
    check(flipped(created + 12), "a digit of the header");
    restore(&home, "backup").unwrap();
}

async fn a_newer_format_is_named(home: Home) {
    let (store, _) = filled(&home).await;
    store.backup(&home.at("backup"), now()).unwrap();
    let bytes = std::fs::read(home.at("backup")).unwrap();
    let at = bytes.windows(10).position(|part| part == b"\"format\":1").unwrap();
    let mut newer = bytes;
    newer[at + 9] = b'7';
    std::fs::write(home.at("newer"), newer).unwrap();
    assert_eq!(restore(&home, "newer"), Err(StoreError::BackupFormat(7)));
}

async fn a_backup_is_of_one_moment_while_others_write(home: Home) {
    let (store, domain) = filled(&home).await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            let mut number = 10_000;
            while !done.load(Ordering::Relaxed) {
                // Always two together: a backup between the two would hold one.
                let pair = vec![token_row(number), token_row(number + 1)];
                store.token_put(domain, pair, now()).await.unwrap();
                number += 2;
            }
            number - 10_000
        }
    });
    let mut last = 0;
    for round in 0..3 {
        let (store, to) = (store.clone(), home.at("backup"));
        let report =
            tokio::task::spawn_blocking(move || store.backup(&to, later(round))).await.unwrap();
        let tokens = report.unwrap().tokens;
        assert!(tokens >= last && tokens % 2 == 0, "{tokens} after {last}");
        last = tokens;
    }
    done.store(true, Ordering::Relaxed);
    let written = u64::from(writer.await.unwrap());
    assert!(written > 0);
    assert_eq!(store.token_count(domain).await, Ok(4000 + written));
    let report = restore(&home, "backup").unwrap();
    assert_eq!(report.tokens, last);
    let restored = Store::open(&home.at("restored/store.db"), &home.seals(), now()).unwrap();
    assert_eq!(restored.token_count(domain).await, Ok(last));
}

async fn what_no_backup_holds_is_known(home: Home) {
    let store = home.open();
    assert_eq!(store.newer_than_backup(), Ok(false), "there is nothing to lose");
    let key = store.ensure_key("contact", None, now()).unwrap();
    assert_eq!(store.newer_than_backup(), Ok(true), "never backed up");
    // The clock stands still: it must not matter.
    let backup = || store.backup(&home.at("backup"), now()).map(drop);
    let check = |what: &str, change: &dyn Fn() -> Result<(), StoreError>| {
        backup().unwrap();
        assert_eq!(store.newer_than_backup(), Ok(false), "before: {what}");
        change().unwrap();
        assert_eq!(store.newer_than_backup(), Ok(true), "{what}");
    };
    check("a key", &|| store.ensure_key("pan", None, now()).map(drop));
    check("a renamed key", &|| store.ensure_key("card", Some("pan"), now()).map(drop));
    check("a version", &|| store.rotate(key, now()).map(drop));
    check("a destroyed version", &|| store.destroy(key, KeyVersion::FIRST, now()));
    check("a domain", &|| store.put_domain("email", SPEC, key).map(drop));
    let email = store.domains().unwrap()[0].id;
    check("a used domain", &|| store.mark_domain_used(email, SPEC, key));
    check("a renamed domain", &|| store.rename_domain("email", "mail"));
    check("a retired domain", &|| store.retire_domain("mail"));
    backup().unwrap();
    store.put_setting("anchor", b"there").unwrap();
    store.api_token_put(&api_token("a", "alpha")).unwrap();
    assert_eq!(store.newer_than_backup(), Ok(false), "neither key nor domain");
    assert_eq!(store.last_verified_backup(), Ok(Some(now())));
    drop(store);
    assert_eq!(home.open().newer_than_backup(), Ok(false));
}
