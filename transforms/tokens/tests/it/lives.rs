//! What becomes of a token: it ends, is switched off, described, deleted.

use std::collections::BTreeMap;

use allonym_tokens::{Metadata, MetadataError};

use super::*;

conformance!(
    a_token_ends_and_its_value_gets_another,
    an_end_can_be_moved,
    a_token_that_is_off_reveals_nothing_and_has_no_second,
    what_is_deleted_is_gone,
    metadata_is_sealed_and_follows_the_token,
    altered_metadata_is_noticed,
    metadata_has_bounds,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn a_token_ends_and_its_value_gets_another(world: World) {
    let (method, keys) = (world.plain("note").with_ttl(Some(MINUTE)), world.keys());
    let (values, domain) = (emails(3), world.domain("note"));
    let tokens = protect(&method, &values, &context(&keys)).await;
    let state = world.vault.states(&domain, &texts(&tokens[..1])).await.unwrap()[0].unwrap();
    assert_eq!(state.expires, Some(state.created + 60_000));
    assert!(!state.expired && !state.disabled && state.version == 1);
    world.pass(MINUTE - Duration::from_secs(5));
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens, "it is not prolonged");
    world.pass(Duration::from_secs(5));
    let found = reveal(&method, &tokens[1..], &context(&keys)).await;
    assert!(found == fault(0, FaultRule::Expired));
    let forms = method.stored_forms(&[&values[0]], &context(&keys)).await.unwrap();
    assert!(forms[0] != tokens[0]);
    let stored = method.is_stored(&[&tokens[0], &forms[0]], &context(&keys)).await;
    assert_eq!(stored, Ok(vec![false, false]));
    let again = protect(&method, &values[..2], &context(&keys)).await;
    assert!(again[0] != tokens[0] && again[1] != tokens[1]);
    assert!(reveal(&method, &again, &context(&keys)).await.unwrap() == values[..2]);
    // What was replaced is gone; what only ended says so until it is tidied.
    let check = async |token: usize, rule| {
        let found = reveal(&method, &tokens[token..=token], &context(&keys)).await;
        assert!(found == fault(0, rule));
    };
    check(0, FaultRule::BadMark).await;
    check(2, FaultRule::Expired).await;
    assert_eq!(world.vault.tidy(&domain, 100).await, Ok(1));
    check(2, FaultRule::BadMark).await;
    assert_eq!(world.count("note").await, 2);
}

async fn an_end_can_be_moved(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let tokens = protect(&method, &emails(2), &context(&keys)).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await == Ok(emails(2)));
    let end = Some(world.now() + MINUTE);
    let names = [texts(&tokens)[0], "tok_none"];
    assert_eq!(world.vault.set_expiry(&domain, &names, end).await, Ok(vec![true, false]));
    assert!(reveal(&method, &tokens, &context(&keys)).await == Ok(emails(2)));
    world.pass(MINUTE);
    assert!(reveal(&method, &tokens, &context(&keys)).await == fault(0, FaultRule::Expired));
    assert_eq!(world.vault.set_expiry(&domain, &names[..1], None).await, Ok(vec![true]));
    assert!(reveal(&method, &tokens, &context(&keys)).await == Ok(emails(2)));
}

async fn a_token_that_is_off_reveals_nothing_and_has_no_second(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let values = emails(2);
    let tokens = protect(&method, &values, &context(&keys)).await;
    // Both directions are remembered before it is switched off.
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
    let (names, off) = (texts(&tokens), FaultRule::Disabled);
    assert_eq!(world.vault.set_disabled(&domain, &names[1..], true).await, Ok(vec![true]));
    assert!(reveal(&method, &tokens, &context(&keys)).await == fault(1, off));
    let mut more = values.clone();
    more.insert(0, Value::text("new@example.org"));
    assert!(try_protect(&method, &more, &context(&keys)).await == fault(2, off));
    assert!(method.stored_forms(&[&values[1]], &context(&keys)).await == fault(0, off));
    let stored = method.is_stored(&[&tokens[1]], &context(&keys)).await;
    assert_eq!(stored, Ok(vec![true]));
    assert!(world.vault.states(&domain, &names).await.unwrap()[1].unwrap().disabled);
    assert_eq!(world.vault.set_disabled(&domain, &names[1..], false).await, Ok(vec![true]));
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
}

async fn what_is_deleted_is_gone(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let values = emails(3);
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let names = texts(&tokens);
    let deleted = world.vault.delete(&domain, &[names[0], "tok_none", names[0]]).await;
    assert_eq!(deleted, Ok(vec![true, false, false]));
    let gone = reveal(&method, &tokens, &context(&keys)).await;
    assert!(gone == fault(0, FaultRule::BadMark));
    let again = protect(&method, &values, &context(&keys)).await;
    assert!(again[0] != tokens[0] && again[1..] == tokens[1..]);
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn metadata_is_sealed_and_follows_the_token(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let (values, vault) = (emails(3), &world.vault);
    let tokens = protect(&method, &values, &context(&keys)).await;
    let names = texts(&tokens);
    let owner = metadata(&[("owner", "canary-billing"), ("since", "2026")]);
    let set = [(names[0], owner.clone()), ("tok_none", owner.clone()), (names[1], owner.clone())];
    let done = vault.set_metadata(&domain, &keys, &set).await;
    assert_eq!(done, Ok(vec![true, false, true]));
    let row = world.row("note", &tokens[0]).await;
    let sealed = [row.sealed.as_slice(), row.meta.as_deref().unwrap()].concat();
    assert!(!sealed.windows(6).any(|window| window == b"canary"));
    let asked = [names[0], names[2], "tok_none"];
    let expected = vec![Some(owner.clone()), Some(BTreeMap::new()), None];
    assert_eq!(vault.metadata(&domain, &keys, &asked).await, Ok(expected.clone()));
    // It is not needed to reveal, and is sealed again with the value.
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    world.store.rotate(world.key, SystemTime::now()).unwrap();
    let newest = world.keys();
    let third = [(names[2], owner.clone())];
    assert_eq!(vault.set_metadata(&domain, &newest, &third).await, Ok(vec![true]));
    assert_eq!(world.row("note", &tokens[2]).await.version, 2);
    while vault.reseal(&domain, &newest, 10).await.unwrap() > 0 {}
    world.store.destroy(world.key, KeyVersion::FIRST, SystemTime::now()).unwrap();
    let newest = world.keys();
    let all = vault.metadata(&domain, &newest, &names).await;
    assert_eq!(all, Ok(vec![Some(owner); 3]));
    assert!(reveal(&method, &tokens, &context(&newest)).await.unwrap() == values);
    let none = [(names[0], Metadata::new())];
    assert_eq!(vault.set_metadata(&domain, &newest, &none).await, Ok(vec![true]));
    assert_eq!(world.row("note", &tokens[0]).await.meta, None);
}

async fn altered_metadata_is_noticed(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let (domain, other) = (world.domain("note"), world.domain("other"));
    let (values, vault) = (emails(2), &world.vault);
    let tokens = protect(&method, &values, &context(&keys)).await;
    let names = texts(&tokens);
    let owner = metadata(&[("owner", "billing")]);
    let set = [(names[0], owner.clone()), (names[1], metadata(&[("owner", "support")]))];
    vault.set_metadata(&domain, &keys, &set).await.unwrap();
    let rows = [world.row("note", &tokens[0]).await, world.row("note", &tokens[1]).await];
    let good = rows[0].meta.clone().unwrap();
    let check = async |meta: Vec<u8>, token: &str| {
        let put = vec![(token.to_owned(), Some(meta))];
        assert_eq!(world.store.token_set_meta(domain.domain.id, put).await, Ok(vec![true]));
        vault.metadata(&domain, &keys, &[token]).await
    };
    for at in 0..good.len() {
        let mut wrong = good.clone();
        wrong[at] ^= 1;
        assert_eq!(check(wrong, names[0]).await, Err(TokenError::Altered), "byte {at}");
    }
    for wrong in
        [rows[1].meta.clone().unwrap(), good[..20].to_vec(), vec![1], rows[0].sealed.clone()]
    {
        assert_eq!(check(wrong, names[0]).await, Err(TokenError::Altered));
    }
    assert_eq!(check(good.clone(), names[0]).await, Ok(vec![Some(owner)]));
    // The same row in another domain.
    let moved = TokenRow { meta: Some(good), ..rows[0].clone() };
    world.store.token_import(other.domain.id, vec![moved]).await.unwrap();
    let found = vault.metadata(&other, &keys, &names[..1]).await;
    assert_eq!(found, Err(TokenError::Altered));
    // The value is no worse for it.
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
}

async fn metadata_has_bounds(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let token = protect(&method, &emails(1), &context(&keys)).await.remove(0);
    let name = token.as_str().unwrap();
    let many = |count: usize, size: usize| -> Metadata {
        (0..count).map(|number| (format!("{number:02}"), "x".repeat(size))).collect()
    };
    for (metadata, expected) in [
        (many(32, 100), Ok(vec![true])),
        (many(33, 1), Err(MetadataError::Size)),
        (many(1, 4096), Err(MetadataError::Size)),
        (metadata(&[("", "x")]), Err(MetadataError::Size)),
        (metadata(&[("n".repeat(64).as_str(), "x")]), Ok(vec![true])),
        (metadata(&[("n".repeat(65).as_str(), "x")]), Err(MetadataError::Size)),
    ] {
        let set = world.vault.set_metadata(&domain, &keys, &[(name, metadata)]).await;
        assert_eq!(set, expected);
    }
}

/// Nobody asks for a reseal or a tidying, so what fails there is counted, and how is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_by_itself_is_counted() {
    let world = World::in_postgres();
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let method = method.with_ttl(Some(Duration::from_secs(60)));
    protect(&method, &emails(2), &context(&keys)).await;
    world.pass(Duration::from_secs(120));
    world.store.rotate(world.key, SystemTime::now()).unwrap();
    let newest = world.keys();
    let schema = world.home.schema.as_deref().unwrap();
    let sql = |sql: &str| server::shared().sql(&format!("SET search_path = {schema}; {sql}"));
    sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER no BEFORE DELETE OR UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION no()");
    assert_eq!(world.vault.outage().times, 0);
    let failed = world.vault.reseal_under(&domain, &newest, 10, None).await.unwrap_err();
    assert_eq!((world.vault.outage().times, world.vault.outage().last), (1, Some(failed)));
    let failed = world.vault.tidy_under(&domain, 10, None).await.unwrap_err();
    assert_eq!((world.vault.outage().times, world.vault.outage().last), (2, Some(failed)));
    sql("DROP TRIGGER no ON tokens");
    // A version that is missing is nobody's request either.
    let missing = KeySet::default();
    let failed = world.vault.reseal_under(&domain, &missing, 10, None).await.unwrap_err();
    assert!(matches!(failed, TokenError::Key(_)), "{failed:?}");
    assert_eq!(world.vault.outage().times, 3);
    assert_eq!(world.vault.reseal_under(&domain, &newest, 10, None).await, Ok(2));
    assert_eq!(world.vault.tidy_under(&domain, 10, None).await, Ok(2));
    assert_eq!(world.vault.outage().times, 3);
}
