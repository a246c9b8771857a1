//! Seals as the store uses them.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use allonym_keyring::Secret;
use allonym_seal::{Cost, FileSeal, PassphraseSeal, Seal, SealError, SealKind, WrappedRoot};
use serde_json::{Value, json};
use zeroize::Zeroizing;

const CHEAP: Cost = Cost { memory_kib: 32, passes: 1, lanes: 1 };

fn passphrase(text: &str) -> PassphraseSeal {
    PassphraseSeal::with_cost(Zeroizing::new(text.to_owned()), CHEAP).unwrap()
}

fn altered(wrapped: &WrappedRoot, change: impl Fn(&mut Value)) -> WrappedRoot {
    let mut json = serde_json::to_value(wrapped).unwrap();
    change(&mut json);
    serde_json::from_value(json).unwrap()
}

/// Another base64 text of the same length.
fn flip(text: &mut Value) {
    let old = text.as_str().unwrap().to_owned();
    let first = if old.starts_with('A') { "B" } else { "A" };
    *text = json!(format!("{first}{}", &old[1..]));
}

#[test]
fn every_seal_opens_what_it_wrapped_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let seals: Vec<Box<dyn Seal>> = vec![
        Box::new(FileSeal::create(folder.path().join("a.key")).unwrap()),
        Box::new(FileSeal::create(folder.path().join("b.key")).unwrap()),
        Box::new(passphrase("correct horse battery")),
        Box::new(passphrase("correct horse batterz")),
    ];
    let root = Secret::random().unwrap();
    for (maker, seal) in seals.iter().enumerate() {
        let wrapped = seal.wrap(&root).unwrap();
        let text = serde_json::to_string(&wrapped).unwrap();
        let read: WrappedRoot = serde_json::from_str(&text).unwrap();
        assert_eq!(read, wrapped);
        for (opener, other) in seals.iter().enumerate() {
            match other.unwrap(&read) {
                Ok(opened) => assert!(opener == maker && opened == root),
                Err(error) => {
                    assert_ne!(opener, maker);
                    assert_eq!(error, SealError::WrongKey);
                    assert_eq!(error.to_string(), "this seal does not open this store");
                }
            }
        }
        assert_ne!(seal.wrap(&root).unwrap(), wrapped, "a nonce was used twice");
    }
}

#[test]
fn a_key_file_is_read_again_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    let root = Secret::random().unwrap();
    let made = FileSeal::create(&path).unwrap();
    let wrapped = made.wrap(&root).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(before.len(), 65);
    assert_eq!(FileSeal::create(&path).err(), Some(SealError::Exists(path.clone())));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let read = FileSeal::open(&path).unwrap();
    assert!(read.unwrap(&wrapped).unwrap() == root);
    assert_eq!(read.name(), format!("file:{}", path.display()));
    assert_eq!((wrapped.kind(), wrapped.id()), (SealKind::File, made.wrap(&root).unwrap().id()));
}

#[cfg(unix)]
#[test]
fn a_key_file_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    FileSeal::create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let check = |mode: u32, refused: bool| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = FileSeal::open(&path).err();
        let expected = refused.then(|| SealError::OpenToOthers { path: path.clone(), mode });
        assert_eq!(error, expected, "{mode:o}");
        if let Some(error) = error {
            assert!(error.to_string().ends_with(&format!("chmod 600 {}", path.display())));
        }
    };
    check(0o600, false);
    check(0o400, false);
    check(0o640, true);
    check(0o604, true);
    check(0o620, true);
    check(0o666, true);
}

#[test]
fn what_is_no_key_file_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    assert!(matches!(FileSeal::open(&path).err(), Some(SealError::Unreadable { .. })));
    assert_eq!(
        FileSeal::open(folder.path()).err(),
        Some(SealError::NotAKey(folder.path().to_owned()))
    );
    FileSeal::create(&path).unwrap();
    std::fs::write(&path, "canary-4929120000006466").unwrap();
    let error = FileSeal::open(&path).err().unwrap();
    assert_eq!(error, SealError::NotAKey(path));
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(FileSeal::create(folder.path().join("missing/seal.key")).is_err());
}

#[test]
fn every_field_of_a_wrap_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let file = FileSeal::create(folder.path().join("seal.key")).unwrap();
    let phrase = passphrase("correct horse battery");
    let root = Secret::random().unwrap();
    let check = |seal: &dyn Seal, change: &dyn Fn(&mut Value), expected: SealError| {
        let wrapped = altered(&seal.wrap(&root).unwrap(), change);
        assert_eq!(seal.unwrap(&wrapped).err(), Some(expected));
    };
    check(&file, &|json| flip(&mut json["ciphertext"]), SealError::Altered);
    check(&file, &|json| flip(&mut json["nonce"]), SealError::Altered);
    check(&file, &|json| json["nonce"] = json!("AAAA"), SealError::Altered);
    check(&file, &|json| json["ciphertext"] = json!(""), SealError::Altered);
    check(&file, &|json| flip(&mut json["id"]), SealError::WrongKey);
    check(&file, &|json| json["format"] = json!(2), SealError::Format(2));
    check(&file, &|json| json["kind"] = json!("passphrase"), SealError::WrongKey);
    check(&phrase, &|json| flip(&mut json["kdf"]["salt"]), SealError::WrongKey);
    check(&phrase, &|json| json["kdf"]["passes"] = json!(2), SealError::WrongKey);
    check(&phrase, &|json| json["kdf"] = Value::Null, SealError::Altered);
    let memory = SealError::Cost("memory is at most 4 GiB");
    check(&phrase, &|json| json["kdf"]["memory_kib"] = json!(u32::MAX), memory);
    let none = SealError::Cost("at least one pass, one lane, and 8 KiB of memory for each lane");
    check(&phrase, &|json| json["kdf"]["passes"] = json!(0), none);
}

#[test]
fn a_passphrase_has_a_least_length_and_a_default_cost() {
    let short = PassphraseSeal::new(Zeroizing::new("too short".to_owned()));
    assert_eq!(short.err(), Some(SealError::ShortPassphrase(12)));
    let seal = PassphraseSeal::new(Zeroizing::new("correct horse battery".to_owned())).unwrap();
    let root = Secret::random().unwrap();
    let wrapped = seal.wrap(&root).unwrap();
    let json = serde_json::to_value(&wrapped).unwrap();
    assert_eq!(json["kdf"]["memory_kib"], 65_536);
    assert_eq!((&json["kdf"]["passes"], &json["kdf"]["lanes"]), (&json!(3), &json!(1)));
    // A seal of another cost opens it: the cost is the wrap's.
    assert!(passphrase("correct horse battery").unwrap(&wrapped).unwrap() == root);
}
