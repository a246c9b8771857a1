use allonym_keyring::KeyId;
use allonym_store::{PinnedDomain, PinnedPlace, StoreError};

use super::*;

conformance! {
    a_domain_changes_until_it_is_used,
    a_use_pins_what_protects,
    a_domain_keeps_its_id_under_another_name,
    a_retired_domain_protects_no_more,
    a_place_keeps_its_domain,
}

fn a_domain_changes_until_it_is_used(home: Home) {
    let store = home.open();
    let pan = store.ensure_key("pan", None, now()).unwrap();
    let contact = store.ensure_key("contact", None, now()).unwrap();
    let unknown = KeyId::from_bytes([1; 16]);
    let refused = store.put_domain("card", "{}", unknown);
    assert_eq!(refused, Err(StoreError::UnknownKey(unknown)));
    let card = store.put_domain("card", "{}", contact).unwrap();
    let secret = store.domain_secret(card).unwrap();
    assert_eq!(store.put_domain("card", r#"{"v":2}"#, contact), Ok(card));
    assert_eq!(store.put_domain("card", r#"{"v":2}"#, pan), Ok(card));
    assert!(store.domain_secret(card).unwrap() == secret, "fixed for the life of a domain");
    store.mark_domain_used(card, r#"{"v":2}"#, pan).unwrap();
    store.mark_domain_used(card, r#"{"v":2}"#, pan).unwrap();
    assert_eq!(store.put_domain("card", r#"{"v":2}"#, pan), Ok(card));
    let pinned = Err(StoreError::DomainPinned("card".to_owned()));
    assert_eq!(store.put_domain("card", r#"{"v":3}"#, pan), pinned);
    assert_eq!(store.put_domain("card", r#"{"v":2}"#, contact), pinned);
    let email = store.put_domain("email", "{}", contact).unwrap();
    assert!(store.domain_secret(email).unwrap() != secret);
    drop(store);

    let store = home.open();
    assert!(store.domain_secret(card).unwrap() == secret);
    let spec = r#"{"v":2}"#.to_owned();
    let expected = PinnedDomain {
        id: card,
        name: "card".to_owned(),
        spec,
        key: pan,
        used: true,
        retired: false,
    };
    assert_eq!(store.domains().unwrap()[0], expected);
    assert!(!store.domains().unwrap()[1].used);
    let nothing = DomainId::from_bytes([1; 16]);
    let unknown = Err(StoreError::UnknownDomain(nothing));
    assert_eq!(store.mark_domain_used(nothing, "{}", pan), unknown);
    assert_eq!(store.domain_secret(nothing).err(), Some(StoreError::UnknownDomain(nothing)));
}

/// What protects values is what their writer read, not what was put meanwhile.
fn a_use_pins_what_protects(home: Home) {
    let (store, email) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let newer = store.ensure_key("newer", None, now()).unwrap();
    let unknown = KeyId::from_bytes([1; 16]);
    let phone = store.put_domain("phone", "{}", key).unwrap();
    store.put_domain("email", r#"{"v":2}"#, newer).unwrap();
    store.put_domain("phone", r#"{"v":2}"#, newer).unwrap();
    let no_key = Err(StoreError::UnknownKey(unknown));
    assert_eq!(store.mark_domain_used(email, SPEC, unknown), no_key);
    let empty = store.mark_domain_used(email, "", key);
    assert!(matches!(empty, Err(StoreError::Length { .. })));
    assert!(!store.domains().unwrap()[0].used);

    store.mark_domain_used(email, SPEC, key).unwrap();
    store.mark_place_used("orders", "$.phone", phone, "{}", key).unwrap();
    for (domain, spec) in store.domains().unwrap().iter().zip([SPEC, "{}"]) {
        assert_eq!((&*domain.spec, domain.key, domain.used), (spec, key, true));
    }
    let check = |id, spec, key, name: &str| {
        let pinned = Err(StoreError::DomainPinned(name.to_owned()));
        assert_eq!(store.mark_domain_used(id, spec, key), pinned);
        assert_eq!(store.mark_place_used("orders", "$.other", id, spec, key), pinned);
        assert_eq!(store.put_domain(name, spec, key).err(), pinned.err());
    };
    check(email, r#"{"v":2}"#, newer, "email");
    check(email, SPEC, newer, "email");
    check(email, r#"{"v":2}"#, key, "email");
    check(phone, r#"{"v":2}"#, newer, "phone");
    assert_eq!(store.places().unwrap().len(), 1, "a refusal changes nothing");
    drop(store);
    assert_eq!(home.open().domains().unwrap()[0].spec, SPEC);
}

fn a_domain_keeps_its_id_under_another_name(home: Home) {
    let (store, email) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    store.put_domain("phone", "{}", key).unwrap();
    store.mark_domain_used(email, SPEC, key).unwrap();
    let taken = StoreError::NameTaken { what: "domain", name: "phone".to_owned() };
    assert_eq!(store.rename_domain("email", "phone"), Err(taken));
    let unknown = StoreError::UnknownName { what: "domain", name: "mail".to_owned() };
    assert_eq!(store.rename_domain("mail", "contact"), Err(unknown));
    assert_eq!(store.rename_domain("email", "mail"), Ok(()));
    assert_eq!(store.rename_domain("mail", "mail"), Ok(()));
    assert_eq!(store.put_domain("mail", SPEC, key), Ok(email));
    assert_ne!(store.put_domain("email", "{}", key), Ok(email));
}

fn a_retired_domain_protects_no_more(home: Home) {
    let (store, email) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    store.mark_place_used("orders", "$.email", email, SPEC, key).unwrap();
    store.retire_domain("email").unwrap();
    assert!(store.domains().unwrap()[0].retired);
    let retired = || StoreError::DomainRetired("email".to_owned());
    assert_eq!(store.put_domain("email", "{}", key), Err(retired()));
    assert_eq!(store.mark_domain_used(email, SPEC, key), Err(retired()));
    for field in ["$.email", "$.name"] {
        assert_eq!(store.mark_place_used("orders", field, email, SPEC, key), Err(retired()));
    }
    assert!(store.domain_secret(email).is_ok(), "its values stay revealable");
    let unknown = StoreError::UnknownName { what: "domain", name: "mail".to_owned() };
    assert_eq!(store.retire_domain("mail"), Err(unknown));
}

fn a_place_keeps_its_domain(home: Home) {
    let (store, email) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let phone = store.put_domain("phone", "{}", key).unwrap();
    store.mark_place_used("orders", "$.email", email, SPEC, key).unwrap();
    store.mark_place_used("orders", "$.email", email, SPEC, key).unwrap();
    assert!(store.domains().unwrap()[0].used, "its domain is used too");
    assert!(!store.domains().unwrap()[1].used);
    let pinned = StoreError::PlacePinned {
        place: "orders".to_owned(),
        field: "$.email".to_owned(),
        holds: email,
    };
    assert_eq!(store.mark_place_used("orders", "$.email", phone, "{}", key), Err(pinned));
    let other = store.mark_place_used("orders", "$.email", email, "{}", key);
    assert_eq!(other, Err(StoreError::DomainPinned("email".to_owned())), "also of a known place");
    let other = store.mark_place_used("orders", "$.name", email, "{}", key);
    assert_eq!(other, Err(StoreError::DomainPinned("email".to_owned())));
    assert!(!store.domains().unwrap()[1].used, "a refusal changes nothing");
    store.mark_place_used("orders", "$.phone", phone, "{}", key).unwrap();
    store.mark_place_used("customers", "$.email", email, SPEC, key).unwrap();
    let nothing = DomainId::from_bytes([1; 16]);
    let unknown = store.mark_place_used("orders", "$.x", nothing, "{}", key);
    assert_eq!(unknown, Err(StoreError::UnknownDomain(nothing)));
    drop(store);
    let pin = |place: &str, field: &str, domain| PinnedPlace {
        place: place.to_owned(),
        field: field.to_owned(),
        domain,
    };
    let expected = [
        pin("customers", "$.email", email),
        pin("orders", "$.email", email),
        pin("orders", "$.phone", phone),
    ];
    assert_eq!(home.open().places().unwrap(), expected);
}
