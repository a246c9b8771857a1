use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use allonym_keyring::{DomainId, KeyId, KeySet, Keyring, NamespaceId, Secret};
use async_trait::async_trait;
use zeroize::Zeroizing;

use super::*;
use crate::token::Candidate;
use crate::{Canonical, Domain, Keep, Scope, TokenDomain, TokenStore, TokenTemplate};

/// One counter, and every token free.
#[derive(Default)]
struct Counter {
    next: Mutex<u64>,
    back: Mutex<Vec<u64>>,
}

#[async_trait]
impl TokenStore for Counter {
    async fn tokens_for(
        &self,
        _: &TokenDomain,
        _: &dyn Keyring,
        batch: Vec<Candidate>,
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError> {
        let issued = batch.into_iter().map(|candidate| match issue.insert {
            true => Issued::Token(candidate.token),
            false => Issued::Absent,
        });
        Ok(issued.collect())
    }

    async fn values_for(
        &self,
        _: &TokenDomain,
        _: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError> {
        Ok(tokens.iter().map(|_| Found::Unknown).collect())
    }

    async fn reseal(
        &self,
        _: &TokenDomain,
        _: &dyn Keyring,
        _: usize,
    ) -> Result<usize, TokenError> {
        Ok(0)
    }

    async fn fixed_key(&self, _: &TokenDomain, _: Purpose) -> Result<Secret, TokenError> {
        Ok(Secret::new(Zeroizing::new([7; 32])))
    }

    async fn numbers(
        &self,
        _: &TokenDomain,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError> {
        let mut next = self.next.lock().unwrap();
        let give = |wanted: &Numbers| {
            if wanted.limit - *next < wanted.count {
                return Vec::new();
            }
            *next += wanted.count;
            (*next - wanted.count..*next).collect()
        };
        Ok(wanted.iter().map(give).collect())
    }

    fn give_back(&self, _: &TokenDomain, _: [u8; 16], numbers: Vec<u64>) {
        self.back.lock().unwrap().extend(numbers);
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing is waited for"),
    }
}

/// Nearly all numbers of a length as JSON numbers: one use of the cipher for each
/// number of the counter, and every token that suits is issued.
#[test]
fn what_is_left_is_divided_without_the_cipher() {
    for (length, values, spare) in
        [(4, 8_998, None), (4, 9_000, None), (5, 90_000, None), (4, 9_001, Some(()))]
    {
        let store = Arc::new(Counter::default());
        let id = DomainId::from_bytes([1; 16]);
        let key = KeyId::from_bytes([2; 16]);
        let domain = Domain { namespace: NamespaceId::DEFAULT, id, key };
        let domain = TokenDomain { domain, specification: [0; 32] };
        let template = TokenTemplate::Digits { keep: Keep::default(), min: length, max: length };
        let shared = Arc::clone(&store) as Arc<dyn TokenStore>;
        let random = spare.is_some();
        let method =
            Vaulted::new(domain, &template, random, Canonical::Exact, Scope::Global, shared)
                .unwrap();
        let first = 10_usize.pow(length as u32 - 1);
        let mut batch: Vec<Value> =
            (0..values).map(|n| Value::number(format!("{}", first + n % (9 * first)))).collect();
        let before = batch.clone();
        let keys = KeySet::default();
        let context =
            Context { pinned: &keys, newest: &keys, tenant: None, subject: None, stated: &[] };
        let mut slots: Vec<&mut Value> = batch.iter_mut().collect();
        let done = ready(method.protect(&mut slots, &context));
        let used = method.sequence_keys.get().unwrap().used.load(Ordering::Relaxed);
        let taken = usize::try_from(*store.next.lock().unwrap()).unwrap();
        assert_eq!(used, taken, "once for each number");
        match spare {
            None => {
                assert_eq!(done, Ok(()));
                let tokens: std::collections::HashSet<&str> =
                    batch.iter().filter_map(Value::as_str).collect();
                assert_eq!(tokens.len(), values);
                assert!(batch.iter().zip(&before).all(|(token, value)| token != value));
            }
            Some(()) => {
                assert!(matches!(
                    done,
                    Err(VaultedFault::Fault(Fault { rule: FaultRule::Exhausted, .. }))
                ));
                assert!(batch == before);
                let mut back = std::mem::take(&mut *store.back.lock().unwrap());
                back.sort_unstable();
                assert!(back.iter().copied().eq(0..taken as u64), "all come back");
            }
        }
    }
}
