//! What the methods that give text cost per value of 16 bytes: through the transform, in
//! batches of 1,000 and one at a time, the key being cached. The least of many repeats.
//!
//! `cargo run --release -p allonym-protect --example sealed_text_speed`

#![allow(clippy::print_stdout, reason = "it prints a measurement")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_keyring::{
    DomainId, KeyEntry, KeyId, KeySet, KeyState, KeyVersion, NamespaceId, Secret,
};
use allonym_protect::{Context, Domain, Means, Method, MethodSpec, Scope, Spec, Transform, build};
use allonym_record::Value;
use zeroize::Zeroizing;

const REPEATS: usize = 200;
const VALUES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let key = KeyId::from_bytes([3; 16]);
    let secret = Arc::new(Secret::new(Zeroizing::new([1; 32])));
    let versions = BTreeMap::from([(KeyVersion::FIRST, (KeyState::Active, Some(secret)))]);
    let keys = KeySet::new(HashMap::from([(key, KeyEntry { name: "key".to_owned(), versions })]));
    let context =
        Context { pinned: &keys, newest: &keys, tenant: None, subject: None, stated: &[] };
    let domain = Domain { namespace: NamespaceId::DEFAULT, id: DomainId::from_bytes([7; 16]), key };
    for method in [MethodSpec::Siv, MethodSpec::Vaultless, MethodSpec::Encrypt] {
        let name = format!("{method:?}").to_lowercase();
        let spec = Spec { revision: 1, method, scope: Scope::Global };
        let Method::Pure(method) = build(&spec, domain, Means::default())? else {
            return Err("the method is not a computed one".into());
        };
        measure(&name, &*method, &context)?;
    }
    Ok(())
}

fn measure(
    name: &str,
    method: &dyn Transform,
    context: &Context<'_>,
) -> Result<(), Box<dyn Error>> {
    let plain: Vec<Value> = (0..VALUES).map(|n| Value::text(format!("{n:016}"))).collect();
    let mut sealed = plain.clone();
    method.protect(&mut sealed.iter_mut().collect::<Vec<_>>(), context)?;
    for size in [VALUES, 1] {
        let protect = least(&plain, size, |batch| method.protect(batch, context).is_ok())?;
        let reveal = least(&sealed, size, |batch| method.reveal(batch, context).is_ok())?;
        println!("{name}, batches of {size}: protect {protect} ns, reveal {reveal} ns");
    }
    Ok(())
}

/// Nanoseconds per value, without the copying of the values.
fn least(
    values: &[Value],
    size: usize,
    work: impl Fn(&mut [&mut Value]) -> bool,
) -> Result<u128, &'static str> {
    let mut least = Duration::MAX;
    for _ in 0..REPEATS {
        let mut copy = values.to_vec();
        let mut batch: Vec<&mut Value> = copy.iter_mut().collect();
        let start = Instant::now();
        for chunk in batch.chunks_mut(size) {
            if !black_box(work(black_box(chunk))) {
                return Err("a value was refused");
            }
        }
        least = least.min(start.elapsed());
    }
    Ok(least.as_nanos() / values.len() as u128)
}
