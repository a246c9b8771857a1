//! Tokens of no format in particular: what is given comes back, once and for all.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use allonym_keyring::{Purpose, Secret};
use async_trait::async_trait;

use super::*;

conformance!(
    values_come_back_as_they_were,
    a_store_that_is_opened_again_knows_its_tokens,
    values_outside_the_template_are_refused_and_nothing_is_stored,
    equal_values_get_equal_tokens_from_whomever,
    random_tokens_differ_and_are_not_searched,
    what_is_no_stored_token_is_not_revealed,
    searching_never_stores,
    tenants_share_nothing,
    an_altered_row_is_noticed,
    tokens_stay_when_their_values_are_resealed,
    a_domain_that_the_store_does_not_know_is_refused,
    a_taken_token_is_drawn_again_but_not_for_ever,
);

async fn values_come_back_as_they_were(world: World) {
    let keys = world.keys();
    let method = world.plain("note");
    let values = vec![
        Value::text("Zoë"),
        Value::Null,
        Value::number("-0.10"),
        Value::text(""),
        Value::Bool(true),
        Value::text("Zoë"),
        Value::text("-0.10"),
        Value::text("x".repeat(200_000)),
    ];
    let tokens = protect(&method, &values, &context(&keys)).await;
    for (value, token) in values.iter().zip(&tokens) {
        if value.is_empty() {
            assert!(value == token);
        } else {
            assert_eq!(method.mark(token), Mark::Protected(None));
            assert!(token.as_str().unwrap().len() == 32 && token.as_str() != value.as_str());
        }
    }
    assert!(tokens[0] == tokens[5] && tokens[2] != tokens[6]);
    assert_eq!(world.count("note").await, 5);
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
}

async fn a_store_that_is_opened_again_knows_its_tokens(world: World) {
    let (method, keys, values) = (world.email("email", Canonical::Exact), world.keys(), emails(3));
    let tokens = protect(&method, &values, &context(&keys)).await;
    drop(method);
    let world = world.reopened();
    let (method, keys) = (world.email("email", Canonical::Exact), world.keys());
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
}

async fn values_outside_the_template_are_refused_and_nothing_is_stored(world: World) {
    let (method, keys) = (world.email("email", Canonical::Exact), world.keys());
    let token = protect(&method, &emails(1), &context(&keys)).await.remove(0);
    let check = async |wrong: Value, rule: FaultRule| {
        let mut values = [Value::text("new@example.org"), wrong];
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        assert_eq!(method.protect(&mut batch, &context(&keys)).await, fault(1, rule));
    };
    check(Value::text("no address"), FaultRule::Structure).await;
    check(Value::number("1"), FaultRule::Kind).await;
    check(Value::text("j***@example.org"), FaultRule::Masked).await;
    check(Value::text("someone@allonym.invalid"), FaultRule::BadMark).await;
    check(token, FaultRule::BadMark).await;
    check(Value::text(format!("{}@b", "a".repeat(300_000))), FaultRule::Length).await;
    assert_eq!(world.count("email").await, 1);
}

async fn equal_values_get_equal_tokens_from_whomever(world: World) {
    const TASKS: usize = 16;
    const VALUES: usize = 60;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (method, keys) = (world.plain("note"), world.keys());
            tokio::spawn(async move {
                let mut values = emails(VALUES);
                values.rotate_left(task * 7 % VALUES);
                let mut tokens = Vec::new();
                for part in values.chunks(1 + task % 8) {
                    tokens.extend(protect(&method, part, &context(&keys)).await);
                }
                tokens.rotate_right(task * 7 % VALUES);
                tokens
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert!(all.iter().all(|tokens| *tokens == all[0]));
    assert_eq!(world.count("note").await, VALUES as u64);
}

async fn random_tokens_differ_and_are_not_searched(world: World) {
    let keys = world.keys();
    let scope = Scope::Global;
    let method = world.method("note", TokenTemplate::Plain, true, Canonical::Exact, scope);
    let values = vec![Value::text("same"), Value::text("same")];
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(tokens[0] != tokens[1] && !method.is_searchable());
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let found = method.stored_forms(&[&values[0]], &context(&keys)).await;
    assert!(found == fault(0, FaultRule::NotSearchable));
    assert_eq!(world.count("note").await, 2);
}

async fn what_is_no_stored_token_is_not_revealed(world: World) {
    let (here, there, keys) = (world.plain("here"), world.plain("there"), world.keys());
    let value = Value::text("value");
    let token = protect(&here, std::slice::from_ref(&value), &context(&keys)).await.remove(0);
    let other = protect(&there, std::slice::from_ref(&value), &context(&keys)).await.remove(0);
    assert!(token != other);
    let upper = Value::text(token.as_str().unwrap().to_uppercase());
    let unknown = Value::text("tok_0000000000000000000000000000");
    assert_eq!(here.mark(&unknown), Mark::Protected(None));
    // A token of another domain is as unknown here as one that was never issued.
    for wrong in [unknown.clone(), other.clone()] {
        let batch = [Value::Null, token.clone(), wrong];
        assert!(reveal(&here, &batch, &context(&keys)).await == fault(2, FaultRule::BadMark));
    }
    let plain = [token.clone(), value.clone()];
    assert!(reveal(&here, &plain, &context(&keys)).await == fault(1, FaultRule::NotProtected));
    let broken = [Value::text("tok_1")];
    assert!(reveal(&here, &broken, &context(&keys)).await == fault(0, FaultRule::BadMark));
    assert!(
        reveal(&here, std::slice::from_ref(&upper), &context(&keys)).await.unwrap()
            == [value.clone()]
    );
    let stored = here
        .is_stored(&[&unknown, &token, &value, &other, &upper, &Value::Null], &context(&keys))
        .await;
    assert_eq!(stored, Ok(vec![false, true, false, false, false, false]));
}

async fn searching_never_stores(world: World) {
    let (method, keys) = (world.email("email", Canonical::Lower), world.keys());
    let values = emails(2);
    let tokens = protect(&method, &values[..1], &context(&keys)).await;
    let operands = [&values[1], &Value::Null, &values[0], &Value::text("ZOË.0@EXAMPLE.ORG")];
    let forms = method.stored_forms(&operands, &context(&keys)).await.unwrap();
    assert!(forms[1] == Value::Null && forms[2] == tokens[0] && forms[3] == tokens[0]);
    assert_eq!(method.mark(&forms[0]), Mark::Protected(None));
    assert_eq!(method.is_stored(&[&forms[0]], &context(&keys)).await, Ok(vec![false]));
    assert_eq!(world.count("email").await, 1);
    let refused = method.stored_forms(&[&values[0], &tokens[0]], &context(&keys)).await;
    assert!(refused == fault(1, FaultRule::BadMark));
}

async fn tenants_share_nothing(world: World) {
    let keys = world.keys();
    let scope = Scope::Tenant("tenant".into());
    let method = world.method("note", TokenTemplate::Plain, false, Canonical::Exact, scope);
    let of = |tenant| Context { tenant, ..context(&keys) };
    let value = [Value::text("value")];
    let ours = protect(&method, &value, &of(Some("a"))).await;
    let theirs = protect(&method, &value, &of(Some("b"))).await;
    assert!(ours != theirs);
    assert!(reveal(&method, &ours, &of(Some("a"))).await.unwrap() == value);
    assert!(reveal(&method, &ours, &of(Some("b"))).await == fault(0, FaultRule::BadMark));
    assert_eq!(method.is_stored(&[&theirs[0]], &of(Some("a"))).await, Ok(vec![false]));
    for nobody in [None, Some("")] {
        assert!(reveal(&method, &ours, &of(nobody)).await == fault(0, FaultRule::NoTenant));
        let found = method.stored_forms(&[&value[0]], &of(nobody)).await;
        assert!(found == fault(0, FaultRule::NoTenant));
    }
}

async fn an_altered_row_is_noticed(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let values = emails(2);
    let tokens = protect(&method, &values, &context(&keys)).await;
    let rows = [world.row("note", &tokens[0]).await, world.row("note", &tokens[1]).await];
    let put = async |row: TokenRow| {
        let version = world.row("note", &Value::text(row.token.clone())).await.version;
        let put = world.store.token_reseal(world.id("note"), vec![(version, row)]).await;
        assert_eq!(put, Ok(1));
    };
    let altered = Err(VaultedFault::Store(TokenError::Altered));
    let mut last = rows[0].clone();
    *last.sealed.last_mut().unwrap() ^= 1;
    let moved = TokenRow { sealed: rows[1].sealed.clone(), ..rows[0].clone() };
    let cut = TokenRow { sealed: rows[0].sealed[..20].to_vec(), ..rows[0].clone() };
    for row in [last, moved, cut] {
        put(row).await;
        assert!(reveal(&method, &tokens, &context(&keys)).await == altered);
    }
    // The look-up and its token are bound, so that no value is given another's token.
    let mut unbound = rows[0].clone();
    unbound.sealed[5] ^= 1;
    put(unbound).await;
    let found = method.stored_forms(&[&values[0]], &context(&keys)).await;
    assert!(found == Err(VaultedFault::Store(TokenError::Altered)));
    // A row is read under the version that sealed it and no other.
    let second = world.store.rotate(world.key, SystemTime::now()).unwrap();
    put(TokenRow { version: second.number(), ..rows[0].clone() }).await;
    let newest = world.keys();
    assert!(reveal(&method, &tokens, &context(&newest)).await == altered);
    let unknown = VaultedFault::Store(TokenError::Key(KeyError::NoVersion(world.key, second)));
    assert!(reveal(&method, &tokens, &context(&keys)).await == Err(unknown));
    put(rows[0].clone()).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
}

async fn tokens_stay_when_their_values_are_resealed(world: World) {
    let (method, old, now) = (world.plain("note"), world.keys(), SystemTime::now());
    let values = emails(25);
    let tokens = protect(&method, &values, &context(&old)).await;
    world.store.rotate(world.key, now).unwrap();
    let keys = world.keys();
    let destroyed = world.store.destroy(world.key, KeyVersion::FIRST, now);
    assert_eq!(destroyed, Err(StoreError::VersionInUse(world.key, KeyVersion::FIRST)));
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    let domain = world.domain("note");
    let mut resealed = Vec::new();
    loop {
        let count = world.vault.reseal(&domain, &keys, 10).await.unwrap();
        if count == 0 {
            break;
        }
        resealed.push(count);
    }
    assert_eq!(resealed, [10, 10, 5]);
    world.store.destroy(world.key, KeyVersion::FIRST, now).unwrap();
    let keys = world.keys();
    assert!(keys.secret(world.key, KeyVersion::FIRST).is_err());
    assert_eq!(world.row("note", &tokens[0]).await.version, 2);
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
    // A request that is pinned to the keys before the rotation still finds its tokens.
    let pinned = Context { pinned: &old, newest: &keys, tenant: None, subject: None, stated: &[] };
    assert!(protect(&method, &values, &pinned).await == tokens);
    // But it seals nothing new under a version that nobody could open any more.
    let mut late = Value::text("late");
    let protected = method.protect(&mut [&mut late], &pinned).await;
    assert!(matches!(protected, Err(VaultedFault::Store(TokenError::Unavailable(_)))));
    assert!(late == Value::text("late"));
    assert_eq!(world.count("note").await, 25);
}

/// Says that tokens are taken, which random ones are not within any test's time.
struct Unlucky {
    vault: Arc<VaultStore>,
    left: AtomicUsize,
    drawn: Mutex<HashSet<String>>,
}

#[async_trait]
impl TokenStore for Unlucky {
    async fn tokens_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: Vec<Candidate>,
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError> {
        let fresh =
            |candidate: &Candidate| self.drawn.lock().unwrap().insert(candidate.token.clone());
        assert!(batch.iter().all(fresh), "a token was drawn twice");
        let one_less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            // One of two is stored all the same.
            let count = batch.len();
            let half: Vec<_> = batch.into_iter().take(count / 2).collect();
            let mut issued = self.vault.tokens_for(domain, keys, half, issue).await?;
            issued.resize(count, Issued::Taken);
            return Ok(issued);
        }
        self.vault.tokens_for(domain, keys, batch, issue).await
    }

    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError> {
        self.vault.values_for(domain, keys, tokens).await
    }

    async fn reseal(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
    ) -> Result<usize, TokenError> {
        self.vault.reseal(domain, keys, limit).await
    }

    async fn fixed_key(&self, domain: &TokenDomain, of: Purpose) -> Result<Secret, TokenError> {
        self.vault.fixed_key(domain, of).await
    }

    async fn numbers(
        &self,
        domain: &TokenDomain,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError> {
        self.vault.numbers(domain, wanted).await
    }

    fn give_back(&self, domain: &TokenDomain, part: [u8; 16], numbers: Vec<u64>) {
        self.vault.give_back(domain, part, numbers);
    }
}

async fn a_taken_token_is_drawn_again_but_not_for_ever(world: World) {
    let keys = world.keys();
    let domain = world.domain("note");
    // The store itself tells a taken token from a known value.
    let candidate = |value: &[u8]| Candidate {
        lookup: Some(Zeroizing::new(value.to_vec())),
        value: Zeroizing::new(value.to_vec()),
        token: "tok_same".into(),
    };
    let insert = Issue { insert: true, ..Issue::default() };
    let put = |value: &[u8]| world.vault.tokens_for(&domain, &keys, vec![candidate(value)], insert);
    assert_eq!(put(b"one").await, Ok(vec![Issued::Token("tok_same".into())]));
    assert_eq!(put(b"two").await, Ok(vec![Issued::Taken]));
    assert_eq!(put(b"one").await, Ok(vec![Issued::Token("tok_same".into())]));
    for (taken, lucky) in [(3, true), (4, false)] {
        let vault = Arc::clone(&world.vault);
        let store = Arc::new(Unlucky { vault, left: taken.into(), drawn: Mutex::default() });
        let (template, canonical) = (TokenTemplate::Plain, Canonical::Exact);
        let method =
            Vaulted::new(domain.clone(), &template, false, canonical, Scope::Global, store);
        let mut value = Value::text("value");
        let protected = method.unwrap().protect(&mut [&mut value], &context(&keys)).await;
        let expected = Err(VaultedFault::Store(TokenError::Taken));
        assert_eq!(protected, if lucky { Ok(()) } else { expected });
    }
    let store = Arc::new(Unlucky {
        vault: Arc::clone(&world.vault),
        left: 1.into(),
        drawn: Mutex::default(),
    });
    let method =
        Vaulted::new(domain, &TokenTemplate::Plain, false, Canonical::Exact, Scope::Global, store);
    let (method, values) = (method.unwrap(), emails(8));
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
}

async fn a_domain_that_the_store_does_not_know_is_refused(world: World) {
    let keys = world.keys();
    let mut domain = world.domain("note");
    domain.domain.id = DomainId::from_bytes([1; 16]);
    let found = world.vault.values_for(&domain, &keys, &["tok_1"]).await;
    assert!(matches!(found, Err(TokenError::Unavailable(_))));
}
