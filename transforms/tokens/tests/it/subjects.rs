//! Whom tokens are about, and their erasure.

use allonym_tokens::{Erasure, Receipt};

use super::*;

conformance!(
    a_subject_is_erased_with_a_receipt,
    what_is_anothers_too_is_neither_erased_nor_forgotten,
    who_named_nobody_has_no_claim,
    a_subject_of_one_tenant_is_not_that_of_another,
    random_tokens_are_erased_too,
    claims_are_no_tokens_and_outlive_a_rotation,
    subjects_that_meet_in_a_batch_and_at_once,
);

async fn erase(world: &World, name: &str, subject: &str) -> Erasure {
    let owner = Owner { tenant: "", subject };
    world.vault.erase(&world.domain(name), owner).await.unwrap()
}

async fn a_subject_is_erased_with_a_receipt(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(3);
    let ours = protect(&method, &values[..2], &about(&keys, "customer-17")).await;
    let theirs = protect(&method, &values[2..], &about(&keys, "customer-18")).await;
    assert!(reveal(&method, &ours, &context(&keys)).await.unwrap() == values[..2]);
    let Erasure { receipt, shared, .. } = erase(&world, "note", "customer-17").await;
    let mut names = texts(&ours);
    names.sort_unstable();
    let mut hashed = Vec::new();
    for name in names {
        hashed.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
        hashed.extend(name.as_bytes());
    }
    assert_eq!(receipt.digest, sha256(&hashed));
    assert_eq!((receipt.deleted, receipt.shared, shared), (2, 0, Vec::new()));
    assert_eq!(receipt.domain, world.id("note").to_string());
    assert!(receipt.at > 1_700_000_000_000);
    let json = serde_json::to_string(&receipt).unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&json).unwrap(), receipt);
    for token in &ours {
        let found = reveal(&method, std::slice::from_ref(token), &context(&keys)).await;
        assert!(found == fault(0, FaultRule::BadMark));
    }
    assert!(reveal(&method, &theirs, &context(&keys)).await.unwrap() == values[2..]);
    let again = erase(&world, "note", "customer-17").await.receipt;
    assert_eq!((again.deleted, again.shared), (0, 0));
    // The same value later is a new token.
    let fresh = protect(&method, &values[..1], &about(&keys, "customer-17")).await;
    assert!(fresh[0] != ours[0]);
    assert_eq!(erase(&world, "note", "customer-17").await.receipt.deleted, 1);
}

async fn what_is_anothers_too_is_neither_erased_nor_forgotten(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(2);
    let tokens = protect(&method, &values, &about(&keys, "a")).await;
    for _ in 0..2 {
        let same = protect(&method, &values[..1], &about(&keys, "b")).await;
        assert!(same[0] == tokens[0]);
    }
    let same = protect(&method, &values[..1], &about(&keys, "c")).await;
    assert!(same[0] == tokens[0]);
    // Looking for a value claims nothing.
    method.stored_forms(&[&values[1]], &about(&keys, "d")).await.unwrap();
    let expected = [tokens[0].as_str().unwrap().to_owned()];
    for (subject, deleted, shared) in
        [("a", 1, 1), ("a", 0, 1), ("b", 0, 1), ("c", 0, 1), ("d", 0, 0)]
    {
        let Erasure { receipt, shared: left, .. } = erase(&world, "note", subject).await;
        assert_eq!((receipt.deleted, receipt.shared), (deleted, shared), "{subject}");
        assert_eq!(left, expected[..usize::try_from(shared).unwrap()]);
    }
    assert!(reveal(&method, &tokens[..1], &context(&keys)).await.unwrap() == values[..1]);
    // Whoever decides that it goes all the same names it.
    let deleted = world.vault.delete(&world.domain("note"), &[&expected[0]]).await;
    assert_eq!(deleted, Ok(vec![true]));
    for subject in ["a", "b", "c"] {
        assert_eq!(erase(&world, "note", subject).await.receipt.shared, 0, "{subject}");
    }
    assert_eq!(world.count("note").await, 0);
}

async fn who_named_nobody_has_no_claim(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(2);
    let tokens = protect(&method, &values, &context(&keys)).await;
    let same = protect(&method, &values[..1], &about(&keys, "a")).await;
    assert!(same[0] == tokens[0]);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
    // Others have the token, whom nobody named.
    let receipt = erase(&world, "note", "a").await.receipt;
    assert_eq!((receipt.deleted, receipt.shared), (0, 1));
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let empty = Context { subject: Some(""), ..context(&keys) };
    protect(&method, &values, &empty).await;
    assert_eq!(world.row("note", &tokens[1]).await.subject, None);
}

async fn a_subject_of_one_tenant_is_not_that_of_another(world: World) {
    let keys = world.keys();
    let scope = Scope::Tenant("tenant".into());
    let method = world.method("note", TokenTemplate::Plain, false, Canonical::Exact, scope);
    let of = |tenant| Context { tenant: Some(tenant), ..about(&keys, "17") };
    let ours = protect(&method, &emails(1), &of("a")).await;
    let theirs = protect(&method, &emails(1), &of("b")).await;
    let owner = Owner { tenant: "a", subject: "17" };
    let erased = world.vault.erase(&world.domain("note"), owner).await.unwrap();
    assert_eq!(erased.receipt.deleted, 1);
    assert!(reveal(&method, &ours, &of("a")).await == fault(0, FaultRule::BadMark));
    assert!(reveal(&method, &theirs, &of("b")).await.unwrap() == emails(1));
}

async fn random_tokens_are_erased_too(world: World) {
    let keys = world.keys();
    let scope = Scope::Global;
    let method = world.method("note", TokenTemplate::Plain, true, Canonical::Exact, scope);
    let same = [Value::text("same"), Value::text("same")];
    protect(&method, &same, &about(&keys, "a")).await;
    let theirs = protect(&method, &same, &about(&keys, "b")).await;
    let receipt = erase(&world, "note", "a").await.receipt;
    assert_eq!((receipt.deleted, receipt.shared), (2, 0));
    assert!(reveal(&method, &theirs, &context(&keys)).await.unwrap() == same);
}

async fn claims_are_no_tokens_and_outlive_a_rotation(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let tokens = protect(&method, &emails(1), &about(&keys, "a")).await;
    protect(&method, &emails(1), &about(&keys, "b")).await;
    let rows = world.store.token_page(domain.domain.id, None, 100).await.unwrap();
    let claims: Vec<&str> = rows
        .iter()
        .map(|row| row.token.as_str())
        .filter(|token| !token.starts_with("tok_"))
        .collect();
    assert_eq!((rows.len(), claims.len()), (3, 2));
    let found = world.vault.values_for(&domain, &keys, &claims).await;
    assert_eq!(found, Ok(vec![Found::Unknown, Found::Unknown]));
    assert_eq!(world.vault.delete(&domain, &claims).await, Ok(vec![false, false]));
    assert_eq!(world.vault.states(&domain, &claims).await, Ok(vec![None, None]));
    world.store.rotate(world.key, SystemTime::now()).unwrap();
    let newest = world.keys();
    while world.vault.reseal(&domain, &newest, 10).await.unwrap() > 0 {}
    world.store.destroy(world.key, KeyVersion::FIRST, SystemTime::now()).unwrap();
    assert_eq!(erase(&world, "note", "b").await.shared, texts(&tokens));
}

/// However they meet: what was told to somebody is there, and an erasure of each finds it.
async fn subjects_that_meet_in_a_batch_and_at_once(world: World) {
    const SUBJECTS: usize = 8;
    let values = emails(20);
    let mut tasks = Vec::new();
    for number in 0..SUBJECTS {
        let (method, keys, values) = (world.plain("note"), world.keys(), values.clone());
        tasks.push(tokio::spawn(async move {
            let twice = [&values[..], &values[..]].concat();
            let tokens = protect(&method, &twice, &about(&keys, &format!("s{number}"))).await;
            assert!(tokens[..values.len()] == tokens[values.len()..]);
            tokens
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert!(all.iter().all(|tokens| *tokens == all[0]));
    let mut names: Vec<String> = texts(&all[0][..20]).iter().map(|name| (*name).into()).collect();
    names.sort_unstable();
    for number in 0..SUBJECTS {
        let Erasure { receipt, mut shared, .. } =
            erase(&world, "note", &format!("s{number}")).await;
        shared.sort_unstable();
        assert_eq!((receipt.deleted, shared), (0, names.clone()), "s{number}");
    }
}

/// A step that fails: the receipt is of what was deleted before it, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_fails_has_a_receipt_of_what_it_deleted() {
    let world = World::in_postgres();
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(3);
    let tokens = protect(&method, &values, &about(&keys, "a")).await;
    protect(&method, &values[2..], &about(&keys, "b")).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let gone = tokens[2].as_str().unwrap();
    assert_eq!(world.vault.delete(&world.domain("note"), &[gone]).await, Ok(vec![true]));
    let schema = world.home.schema.as_deref().unwrap();
    let sql = |sql: &str| server::shared().sql(&format!("SET search_path = {schema}; {sql}"));
    // Claims to what is gone cannot be deleted, and they are last.
    sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER no BEFORE DELETE ON tokens FOR EACH ROW
         WHEN (starts_with(OLD.token, chr(1))) EXECUTE FUNCTION no()");
    let Erasure { receipt, shared, failed } = erase(&world, "note", "a").await;
    assert!(matches!(failed, Some(TokenError::Unavailable(_))), "{failed:?}");
    assert_eq!((receipt.deleted, receipt.shared, shared), (2, 0, Vec::new()));
    assert!(receipt.incomplete);
    assert!(serde_json::to_string(&receipt).unwrap().ends_with("\"incomplete\":true}"));
    for token in &tokens {
        let found = reveal(&method, std::slice::from_ref(token), &context(&keys)).await;
        assert!(found == fault(0, FaultRule::BadMark));
    }
    sql("DROP TRIGGER no ON tokens");
    let Erasure { receipt, failed, .. } = erase(&world, "note", "a").await;
    assert_eq!((receipt.deleted, receipt.incomplete, failed), (0, false, None));
    assert!(!serde_json::to_string(&receipt).unwrap().contains("incomplete"));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
