//! Whom tokens are about.

use super::*;
use allonym_store::SubjectChange;

conformance_async!(a_subject_changes_only_from_what_the_caller_saw);

async fn a_subject_changes_only_from_what_the_caller_saw(home: Home) {
    let (store, domain) = with_domain(&home);
    assert_eq!(store.is_shared(), !home.is_file());
    store.token_put(domain, vec![token_row(1), token_row(2)], now()).await.unwrap();
    let [one, two] = [[1; 16], [2; 16]];
    let set = async |number: u32, from: Option<[u8; 16]>, to: Option<[u8; 16]>| {
        let change = SubjectChange { token: token_row(number).token, from, to };
        store.token_set_subject(domain, vec![change]).await.unwrap()[0]
    };
    let subject = async |number: u32| {
        let found = store.token_by_token(domain, vec![token_row(number).token]).await.unwrap();
        found[0].as_ref().unwrap().subject
    };
    assert!(!set(1, Some(one), Some(two)).await, "it is about nobody");
    assert!(set(1, None, Some(one)).await);
    assert!(!set(1, None, Some(two)).await, "it is about somebody");
    assert_eq!((subject(1).await, subject(2).await), (Some(one), None));
    assert!(set(1, Some(one), Some(two)).await);
    assert!(set(1, Some(two), None).await);
    assert_eq!(subject(1).await, None);
    assert!(!set(3, None, Some(one)).await, "there is no such token");
    let both = |from| {
        [1, 2].map(|number| SubjectChange { token: token_row(number).token, from, to: Some(one) })
    };
    let twice = [both(None), both(None)].concat();
    assert_eq!(store.token_set_subject(domain, twice).await, Ok(vec![true, true, false, false]));
    assert_eq!(store.token_delete_subject(domain, one).await.unwrap().len(), 2);
}
