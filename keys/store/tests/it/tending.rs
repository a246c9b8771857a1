use allonym_store::{PutOutcome, StoreError};

use super::*;

conformance_async! {
    every_column_is_kept,
    a_row_that_ended_makes_way,
    rows_are_imported_as_they_are,
    tokens_are_switched_ended_and_noted,
    a_subject_is_forgotten_in_its_domain,
    what_ended_is_tidied_in_portions,
    pages_are_in_the_order_of_bytes,
    pages_end_before_they_are_too_large,
    no_text_holds_a_nul,
    a_counter_gives_each_number_once,
    large_batches_go_through,
    sixteen_takers_share_a_counter,
}

/// Milliseconds since 1970 so many days after [`now`].
fn day(days: u64) -> i64 {
    later(days).duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn full_row(number: u32) -> TokenRow {
    TokenRow {
        created: day(0),
        expires: Some(day(3)),
        disabled: true,
        subject: Some([7; 16]),
        meta: Some(b"sealed note".to_vec()),
        ..token_row(number)
    }
}

async fn rows(store: &Store, domain: DomainId) -> Vec<TokenRow> {
    store.token_page(domain, None, 1000).await.unwrap()
}

async fn every_column_is_kept(home: Home) {
    let (store, domain) = with_domain(&home);
    store.token_put(domain, vec![full_row(1), token_row(2)], now()).await.unwrap();
    let found = store.token_by_token(domain, vec![full_row(1).token, token_row(2).token]).await;
    assert_eq!(found, Ok(vec![Some(full_row(1)), Some(token_row(2))]));
    let lookups = vec![full_row(1).lookup.unwrap()];
    assert_eq!(store.token_by_lookup(domain, lookups).await, Ok(vec![Some(full_row(1))]));
    assert_eq!(store.token_scan_below(domain, 2, 10).await, Ok(vec![full_row(1), token_row(2)]));
    assert_eq!(rows(&store, domain).await, [full_row(1), token_row(2)]);
    store.rotate(store.keys().unwrap()[0].id, now()).unwrap();
    let meta = Some(b"again".to_vec());
    let again = TokenRow { version: 2, sealed: b"x".to_vec(), meta, ..full_row(1) };
    let other = TokenRow { created: 1, expires: None, disabled: false, ..again.clone() };
    assert_eq!(store.token_reseal(domain, vec![(1, other)]).await, Ok(1));
    assert_eq!(rows(&store, domain).await, [again, token_row(2)], "the rest stays");
}

async fn a_row_that_ended_makes_way(home: Home) {
    let (store, domain) = with_domain(&home);
    let ends = |number| TokenRow { expires: Some(day(3)), ..token_row(number) };
    let fresh = |number, token: &str| TokenRow { token: token.to_owned(), ..token_row(number) };
    store.token_put(domain, vec![ends(1), ends(2), ends(3)], now()).await.unwrap();
    let put = async |row: TokenRow, days| {
        store.token_put(domain, vec![row], later(days)).await.unwrap().remove(0)
    };
    assert_eq!(put(fresh(1, "fresh"), 2).await, PutOutcome::Existing(ends(1)));
    let import = store.token_import(domain, vec![fresh(1, "fresh")]).await;
    assert_eq!(import, Ok(vec![PutOutcome::Existing(ends(1))]), "an import replaces nothing");
    assert_eq!(put(fresh(1, "fresh"), 3).await, PutOutcome::Inserted);
    assert_eq!(put(fresh(1, "other"), 9).await, PutOutcome::Existing(fresh(1, "fresh")));
    assert_eq!(put(ends(2), 3).await, PutOutcome::Inserted, "with the same token again");
    assert_eq!(put(fresh(3, "fresh"), 3).await, PutOutcome::TokenTaken);
    let tokens = vec![token_row(1).token, token_row(3).token];
    let found = store.token_by_token(domain, tokens).await;
    assert_eq!(found, Ok(vec![None, None]), "the old tokens are gone");
    // In one batch the first of a look-up holds.
    let batch = vec![fresh(2, "a"), fresh(2, "b")];
    let expected = [PutOutcome::Inserted, PutOutcome::Existing(fresh(2, "a"))];
    assert_eq!(store.token_put(domain, batch, later(3)).await.unwrap(), expected);
}

async fn rows_are_imported_as_they_are(home: Home) {
    let (store, domain) = with_domain(&home);
    let random = TokenRow { lookup: None, token: "random".to_owned(), ..full_row(3) };
    let batch = vec![full_row(1), random.clone()];
    let import = async |rows| store.token_import(domain, rows).await.unwrap();
    assert_eq!(import(batch.clone()).await, [PutOutcome::Inserted, PutOutcome::Inserted]);
    let again = [PutOutcome::Existing(full_row(1)), PutOutcome::TokenTaken];
    assert_eq!(import(batch).await, again);
    let conflicts = vec![
        TokenRow { token: "another".to_owned(), ..full_row(1) },
        TokenRow { token: full_row(1).token, ..full_row(2) },
    ];
    let expected = [PutOutcome::Existing(full_row(1)), PutOutcome::TokenTaken];
    assert_eq!(import(conflicts).await, expected);
    assert_eq!(rows(&store, domain).await, [random, full_row(1)]);
    let gone = store.token_import(domain, vec![TokenRow { version: 9, ..token_row(5) }]).await;
    assert_eq!(gone, Err(StoreError::VersionGone { domain, version: 9 }));
}

async fn tokens_are_switched_ended_and_noted(home: Home) {
    let (store, domain) = with_domain(&home);
    store.token_put(domain, vec![token_row(1), token_row(2)], now()).await.unwrap();
    let token = |number| token_row(number).token;
    let three = vec![token(1), "nobody".to_owned(), token(2)];
    assert_eq!(
        store.token_set_disabled(domain, three.clone(), true).await,
        Ok(vec![true, false, true])
    );
    assert_eq!(store.token_set_disabled(domain, vec![token(2)], false).await, Ok(vec![true]));
    assert_eq!(
        store.token_set_expiry(domain, three.clone(), Some(day(1))).await,
        Ok(vec![true, false, true])
    );
    assert_eq!(store.token_set_expiry(domain, vec![token(2)], None).await, Ok(vec![true]));
    let note = |text: &str| Some(text.as_bytes().to_vec());
    let metas = vec![
        (token(1), note("old")),
        ("nobody".to_owned(), note("x")),
        (token(2), note("two")),
        (token(1), note("one")),
    ];
    assert_eq!(store.token_set_meta(domain, metas).await, Ok(vec![true, false, true, true]));
    let one = TokenRow { disabled: true, expires: Some(day(1)), meta: note("one"), ..token_row(1) };
    let two = TokenRow { meta: note("two"), ..token_row(2) };
    assert_eq!(rows(&store, domain).await, [one.clone(), two]);
    assert_eq!(store.token_set_meta(domain, vec![(token(2), None)]).await, Ok(vec![true]));
    assert_eq!(rows(&store, domain).await, [one, token_row(2)]);
    let long = store.token_set_meta(domain, vec![(token(2), Some(Vec::new()))]).await;
    assert!(matches!(long, Err(StoreError::Length { .. })));
    for nothing in [
        store.token_set_disabled(domain, Vec::new(), true).await,
        store.token_set_expiry(domain, Vec::new(), None).await,
        store.token_set_meta(domain, Vec::new()).await,
        store.token_delete(domain, Vec::new()).await,
    ] {
        assert_eq!(nothing, Ok(Vec::new()));
    }
    let elsewhere = store.put_domain("phone", "{}", store.keys().unwrap()[0].id).unwrap();
    assert_eq!(store.token_set_disabled(elsewhere, vec![token(1)], true).await, Ok(vec![false]));
    assert_eq!(store.token_delete(elsewhere, vec![token(1)]).await, Ok(vec![false]));
    assert_eq!(
        store.token_delete(domain, vec![token(1), "nobody".to_owned(), token(1)]).await,
        Ok(vec![true, false, false])
    );
    assert_eq!(rows(&store, domain).await, [token_row(2)]);
}

async fn a_subject_is_forgotten_in_its_domain(home: Home) {
    let (store, domain) = with_domain(&home);
    let phone = store.put_domain("phone", "{}", store.keys().unwrap()[0].id).unwrap();
    let of = |number, subject| TokenRow { subject, ..token_row(number) };
    let [mine, yours] = [Some([1; 16]), Some([2; 16])];
    let batch = vec![of(3, mine), of(1, mine), of(2, yours), of(4, None)];
    store.token_put(domain, batch.clone(), now()).await.unwrap();
    store.token_put(phone, batch, now()).await.unwrap();
    let forgotten = store.token_delete_subject(domain, [1; 16]).await;
    assert_eq!(forgotten, Ok(vec![token_row(1).token, token_row(3).token]));
    assert_eq!(store.token_delete_subject(domain, [1; 16]).await, Ok(Vec::new()));
    assert_eq!(rows(&store, domain).await, [of(2, yours), of(4, None)]);
    assert_eq!(store.token_count(phone).await, Ok(4));
}

async fn what_ended_is_tidied_in_portions(home: Home) {
    let (store, domain) = with_domain(&home);
    let batch = (0..20).map(|number| TokenRow {
        expires: [None, Some(day(1)), Some(day(2)), Some(day(3))][number as usize % 4],
        ..token_row(number)
    });
    store.token_put(domain, batch.collect(), now()).await.unwrap();
    let tidy = async |days, limit| store.token_tidy(domain, later(days), limit).await.unwrap();
    assert_eq!(tidy(0, 100).await, 0);
    assert_eq!(tidy(2, 4).await, 4);
    assert_eq!(tidy(2, 0).await, 0);
    assert_eq!(tidy(2, 100).await, 6);
    assert_eq!(tidy(2, 100).await, 0);
    let left = rows(&store, domain).await;
    assert_eq!(left.len(), 10);
    assert!(left.iter().all(|row| !row.ended(day(2))));
}

async fn pages_are_in_the_order_of_bytes(home: Home) {
    let (store, domain) = with_domain(&home);
    let tokens = ["a", "A", "é", "ab", "\u{10000}", "\u{ff5e}", "Z", "_", "-"];
    let batch = tokens
        .iter()
        .zip(0..)
        .map(|(token, number)| TokenRow { token: (*token).to_owned(), ..token_row(number) });
    store.token_put(domain, batch.collect(), now()).await.unwrap();
    let mut sorted = tokens;
    sorted.sort_unstable();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.token_page(domain, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.token.clone());
        seen.extend(page.into_iter().map(|row| row.token));
    }
    assert_eq!(seen, sorted);
    let from = store.token_page(domain, Some("a\0b".to_owned()), 1).await.unwrap();
    assert_eq!(from[0].token, "ab");
}

/// 8 MiB of what is sealed, and always a row.
async fn pages_end_before_they_are_too_large(home: Home) {
    const MIB: usize = 1024 * 1024;
    let (store, domain) = with_domain(&home);
    let large = |number: u32, meta: bool| TokenRow {
        token: format!("{number:02}"),
        sealed: vec![7; MIB],
        meta: meta.then(|| vec![8; MIB]),
        ..token_row(number)
    };
    let mut all: Vec<TokenRow> = (0..20).map(|number| large(number, number < 10)).collect();
    all.push(TokenRow { token: "\u{1}before".to_owned(), ..token_row(90) });
    store.token_import(domain, all.clone()).await.unwrap();
    all.sort_by(|a, b| a.token.cmp(&b.token));
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let after = seen.last().map(|row: &TokenRow| row.token.clone());
        let page = store.token_page(domain, after, 1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        sizes.push(page.len());
        seen.extend(page);
    }
    assert!(seen == all);
    assert_eq!(sizes, [4, 4, 5, 8], "the least comes first, and makes room for three");
    let before = async |after: Option<&str>, before: &str| {
        let page = store.token_page_before(domain, after.map(Into::into), before.into(), 1000);
        page.await.unwrap().into_iter().map(|row| row.token).collect::<Vec<_>>()
    };
    assert_eq!(before(None, "\u{2}").await, ["\u{1}before"]);
    assert_eq!(before(Some("\u{1}before"), "\u{2}").await, [""; 0]);
    assert_eq!(before(Some("12"), "16").await, ["13", "14", "15"]);
    assert_eq!(before(None, "\u{1}before").await, [""; 0]);

    // The same of rows that are to be sealed again.
    let mut scanned = Vec::new();
    let mut sizes = Vec::new();
    while scanned.len() < all.len() {
        let rows = store.token_scan_below(domain, 2, 1000).await.unwrap();
        sizes.push(rows.len());
        scanned.extend(rows);
    }
    assert_eq!(sizes, [4, 4, 6, 7]);
    scanned.sort_by(|a, b| a.token.cmp(&b.token));
    assert!(scanned == all);
}

async fn no_text_holds_a_nul(home: Home) {
    let (store, domain) = with_domain(&home);
    let nul = TokenRow { token: "a\0b".to_owned(), ..token_row(1) };
    let refused = store.token_put(domain, vec![nul], now()).await;
    assert_eq!(refused, Err(StoreError::Nul("a token")));
    assert_eq!(store.ensure_key("a\0b", None, now()), Err(StoreError::Nul("the name of a key")));
    store.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    let long = store.token_by_token(domain, vec!["t".repeat(5000)]).await;
    assert_eq!(long, Ok(vec![None]));
    let asked = vec!["a\0b".to_owned(), token_row(1).token];
    let found = store.token_by_token(domain, asked.clone()).await;
    assert_eq!(found, Ok(vec![None, Some(token_row(1))]));
    assert_eq!(store.token_set_disabled(domain, asked.clone(), false).await, Ok(vec![false, true]));
    assert_eq!(store.token_delete(domain, asked).await, Ok(vec![false, true]));
}

async fn a_counter_gives_each_number_once(home: Home) {
    let (store, domain) = with_domain(&home);
    let take = async |part: u8, need, ahead, limit| {
        store.counter_take(domain, [part; 16], need, ahead, limit).await.unwrap()
    };
    assert_eq!(store.counter_used(domain, [1; 16]).await, Ok(0));
    assert_eq!(take(1, 10, 0, 25).await, 0..10);
    assert_eq!(take(1, 4, 6, 25).await, 10..20);
    assert_eq!(take(2, 3, 0, 25).await, 0..3, "of each part by itself");
    assert!(take(1, 6, 0, 25).await.is_empty(), "fewer than are needed: none");
    assert!(take(1, u64::MAX, u64::MAX, 25).await.is_empty());
    assert_eq!(store.counter_used(domain, [1; 16]).await, Ok(20));
    assert_eq!(take(1, 4, 6, 25).await, 20..25, "what is needed, and what is left");
    assert!(take(1, 10, 0, 25).await.is_empty());
    assert!(take(1, 10, 10, 5).await.is_empty(), "a lower limit takes nothing back");
    assert_eq!(take(1, 0, 0, 99).await, 25..25);
    assert_eq!(take(1, 1, 0, 99).await, 25..26);
    assert_eq!(store.counter_used(domain, [1; 16]).await, Ok(26));
    assert_eq!(take(3, 1, u64::MAX, u64::MAX).await, 0..i64::MAX as u64);
    assert!(take(3, 1, u64::MAX, u64::MAX).await.is_empty());
    let nothing = DomainId::from_bytes([1; 16]);
    let unknown = store.counter_take(nothing, [1; 16], 1, 0, 2).await;
    assert_eq!(unknown, Err(StoreError::UnknownDomain(nothing)));
}

async fn sixteen_takers_share_a_counter(home: Home) {
    let (store, domain) = with_domain(&home);
    let takers: Vec<_> = (0..16_u64)
        .map(|taker| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..10 {
                    let taken = store.counter_take(domain, [1; 16], 1, taker, 1000).await;
                    numbers.extend(taken.unwrap());
                }
                numbers
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for taker in takers {
        numbers.extend(taker.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<u64>>());
    assert_eq!(store.counter_used(domain, [1; 16]).await, Ok(1000));
}

async fn large_batches_go_through(home: Home) {
    let (store, domain) = with_domain(&home);
    let large = |number| TokenRow { sealed: vec![7; 1024 * 1024], ..token_row(number) };
    let batch: Vec<_> = (0..70).map(large).collect();
    let outcomes = store.token_put(domain, batch.clone(), now()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == PutOutcome::Inserted));
    let metas = batch.iter().map(|row| (row.token.clone(), Some(vec![8; 1024 * 1024])));
    assert_eq!(store.token_set_meta(domain, metas.collect()).await, Ok(vec![true; 70]));
    let small: Vec<_> = (100..40_100).map(token_row).collect();
    let outcomes = store.token_put(domain, small.clone(), now()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == PutOutcome::Inserted));
    assert_eq!(store.token_count(domain).await, Ok(40_070));
    let tokens = small.iter().map(|row| row.token.clone()).collect();
    let found = store.token_by_token(domain, tokens).await.unwrap();
    assert!(found.iter().flatten().eq(&small));
    let tokens = small.into_iter().map(|row| row.token).collect();
    assert_eq!(store.token_delete(domain, tokens).await, Ok(vec![true; 40_000]));
    let left = store.token_page(domain, None, 2).await.unwrap();
    let expected =
        [0, 1].map(|number| TokenRow { meta: Some(vec![8; 1024 * 1024]), ..large(number) });
    assert!(left == expected);
}
