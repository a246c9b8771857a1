//! What is remembered of the store, and what is not.

use super::*;

conformance!(
    what_is_remembered_needs_no_store,
    a_destroyed_version_reveals_nothing_from_memory,
    what_a_neighbour_changes_is_seen_in_time,
    a_value_is_never_given_a_token_that_is_gone,
);

/// Whether values come from memory is seen by changing the store behind its back.
async fn what_is_remembered_needs_no_store(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(2);
    let tokens = protect(&method, &values, &context(&keys)).await;
    reveal(&method, &tokens[..1], &context(&keys)).await.unwrap();
    let names = tokens.iter().map(|token| token.as_str().unwrap().to_owned()).collect();
    world.store.token_delete(world.id("note"), names).await.unwrap();
    assert!(reveal(&method, &tokens[..1], &context(&keys)).await.unwrap() == values[..1]);
    assert!(reveal(&method, &tokens[1..], &context(&keys)).await == fault(0, FaultRule::BadMark));
    world.pass(Duration::from_secs(10));
    assert!(reveal(&method, &tokens[..1], &context(&keys)).await == fault(0, FaultRule::BadMark));
}

async fn a_destroyed_version_reveals_nothing_from_memory(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let values = emails(1);
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    world.store.rotate(world.key, SystemTime::now()).unwrap();
    // Resealed by a neighbour, so that what is remembered here is not forgotten by that.
    let neighbour = world.neighbour();
    while neighbour.vault.reseal(&domain, &world.keys(), 10).await.unwrap() > 0 {}
    world.store.destroy(world.key, KeyVersion::FIRST, SystemTime::now()).unwrap();
    let newest = world.keys();
    assert!(newest.secret(world.key, KeyVersion::FIRST).is_err());
    // What is in memory is under the version that is gone, so the store is asked.
    assert!(reveal(&method, &tokens, &context(&newest)).await.unwrap() == values);
    world.store.token_delete(domain.domain.id, vec![texts(&tokens)[0].into()]).await.unwrap();
    let none = KeySet::default();
    let refused = reveal(&method, &tokens, &Context { newest: &none, ..context(&newest) }).await;
    assert!(refused == fault(0, FaultRule::BadMark), "{refused:?}");
}

async fn what_a_neighbour_changes_is_seen_in_time(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let values = emails(2);
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let neighbour = world.neighbour();
    let names = texts(&tokens);
    neighbour.vault.set_disabled(&domain, &names[..1], true).await.unwrap();
    neighbour.vault.delete(&domain, &names[1..]).await.unwrap();
    world.pass(Duration::from_secs(10));
    let check = async |at: usize, rule| {
        let found = reveal(&method, &tokens[at..=at], &context(&keys)).await;
        assert!(found == fault(0, rule));
    };
    check(0, FaultRule::Disabled).await;
    check(1, FaultRule::BadMark).await;
}

async fn a_value_is_never_given_a_token_that_is_gone(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let values = emails(1);
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
    match world.store.is_shared() {
        true => world.neighbour().vault.delete(&domain, &texts(&tokens)).await.unwrap(),
        false => world.vault.delete(&domain, &texts(&tokens)).await.unwrap(),
    };
    let again = protect(&method, &values, &context(&keys)).await;
    assert!(again != tokens);
    assert!(reveal(&method, &again, &context(&keys)).await.unwrap() == values);
}
