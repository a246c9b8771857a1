use allonym_store::Lease;

use super::*;

conformance_async! {
    one_holds_a_lease_until_it_ends,
    who_was_overtaken_writes_nothing,
    of_many_one_gets_the_lease,
}

const LONG: Duration = Duration::from_secs(3600);

async fn one_holds_a_lease_until_it_ends(home: Home) {
    let store = home.open();
    let found = || store.lease_found("rewrap").unwrap();
    assert_eq!(found(), None);
    let acquire = |holder: &str, ttl, now| store.lease_acquire("rewrap", holder, ttl, now).unwrap();
    let first = acquire("one", LONG, now()).unwrap();
    assert_eq!((first.name.as_str(), first.holder.as_str()), ("rewrap", "one"));
    assert_eq!(acquire("two", LONG, now()), None);
    assert_eq!(found(), Some(first.clone()));
    let other = store.lease_acquire("tidy", "two", LONG, now()).unwrap();
    assert!(other.is_some(), "of each name by itself");
    let renewed = store.lease_renew(&first, LONG * 2, now()).unwrap().unwrap();
    assert_eq!(renewed.fence, first.fence);
    assert!(renewed.until > first.until);
    assert_eq!(found(), Some(renewed), "whoever asks sees that its holder is alive");
    let again = acquire("one", LONG, now()).unwrap();
    assert!(again.fence > first.fence, "asked again, it is another lease");
    assert_eq!(store.lease_renew(&first, LONG, now()), Ok(None));
    assert_eq!(store.lease_release(&first), Ok(false));
    assert_eq!(acquire("two", LONG, now()), None, "still the first holder's");
    assert_eq!(store.lease_release(&again), Ok(true));
    assert_eq!(found(), None, "who gave it back has it no more");
    assert_eq!(store.lease_release(&again), Ok(false));
    assert_eq!(store.lease_renew(&again, LONG, now()), Ok(None));

    // One that ends at once is free at once.
    let second = acquire("two", Duration::ZERO, now()).unwrap();
    assert!(second.fence > again.fence);
    let kept = store.lease_renew(&second, Duration::ZERO, now()).unwrap();
    assert!(kept.is_some(), "nobody took it");
    let third = acquire("three", LONG, now()).unwrap();
    assert!(third.fence > second.fence);
    assert_eq!(store.lease_renew(&second, LONG, now()), Ok(None));
    if home.is_file() {
        assert_eq!(acquire("four", LONG, now() + LONG - Duration::from_millis(1)), None);
        assert!(acquire("four", LONG, now() + LONG).is_some());
    } else {
        let far = acquire("four", LONG, now() + LONG * 1000);
        assert_eq!(far, None, "the server's clock counts, not the caller's");
    }
    let empty = store.lease_acquire("", "one", LONG, now());
    assert!(matches!(empty, Err(StoreError::Length { .. })));
}

async fn who_was_overtaken_writes_nothing(home: Home) {
    let (store, domain) = with_domain(&home);
    store.rotate(store.keys().unwrap()[0].id, now()).unwrap();
    let ended = TokenRow { expires: Some(1), ..token_row(2) };
    store.token_put(domain, vec![token_row(1), ended.clone()], now()).await.unwrap();
    let acquire = |holder: &str, ttl| store.lease_acquire("rewrap", holder, ttl, now()).unwrap();
    let stale = acquire("one", Duration::ZERO).unwrap();
    let held = acquire("two", LONG).unwrap();
    let resealed = TokenRow { version: 2, ..token_row(1) };
    let reseal = async |lease: &Lease| {
        store.token_reseal_fenced(domain, vec![(1, resealed.clone())], lease).await
    };
    let tidy = async |lease: &Lease| store.token_tidy_fenced(domain, now(), 10, lease).await;
    let lost = StoreError::LeaseLost("rewrap".to_owned());
    assert_eq!(reseal(&stale).await, Err(lost.clone()));
    assert_eq!(tidy(&stale).await, Err(lost.clone()));
    let forged = Lease { holder: "one".to_owned(), ..held.clone() };
    assert_eq!(reseal(&forged).await, Err(lost.clone()));
    let rows = store.token_page(domain, None, 10).await.unwrap();
    assert_eq!(rows, [token_row(1), ended]);
    assert_eq!(reseal(&held).await, Ok(1));
    assert_eq!(tidy(&held).await, Ok(1));
    assert_eq!(store.token_page(domain, None, 10).await, Ok(vec![resealed.clone()]));
    store.lease_release(&held).unwrap();
    assert_eq!(tidy(&held).await, Err(lost));
}

async fn of_many_one_gets_the_lease(home: Home) {
    let store = home.open();
    let askers: Vec<_> = (0..16)
        .map(|asker| {
            let store = store.clone();
            tokio::task::spawn_blocking(move || {
                store.lease_acquire("job", &format!("node {asker}"), LONG, now()).unwrap()
            })
        })
        .collect();
    let mut got = 0;
    for asker in askers {
        got += usize::from(asker.await.unwrap().is_some());
    }
    assert_eq!(got, 1);
}
