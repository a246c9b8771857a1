//! What a value costs, of each kind of format and by each method that gives text: through
//! the transform, in batches of 1,000 and one at a time, the key and its tables being
//! cached. The least of many repeats.
//!
//! `cargo run --release -p allonym-protect --example method_speed`

#![allow(clippy::print_stdout, reason = "it prints a measurement")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_keyring::{
    DomainId, KeyEntry, KeyId, KeySet, KeyState, KeyVersion, NamespaceId, Secret,
};
use allonym_protect::{
    Context, DateFormat, Domain, EmailPart, Keep, Means, Method, MethodSpec, Scope, Spec,
    TemplateSpec, VersionMode, build,
};
use allonym_record::Value;
use zeroize::Zeroizing;

const REPEATS: usize = 200;
const VALUES: i64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let key = KeyId::from_bytes([3; 16]);
    let secret = Arc::new(Secret::new(Zeroizing::new([1; 32])));
    let versions = BTreeMap::from([(KeyVersion::FIRST, (KeyState::Active, Some(secret)))]);
    let keys = KeySet::new(HashMap::from([(key, KeyEntry { name: "key".to_owned(), versions })]));
    let context =
        Context { pinned: &keys, newest: &keys, tenant: None, subject: None, stated: &[] };
    let domain = Domain { namespace: NamespaceId::DEFAULT, id: DomainId::from_bytes([7; 16]), key };
    for (name, method, plain) in formats().into_iter().chain(sealed_texts()) {
        let spec = Spec { revision: 1, method, scope: Scope::Global };
        let Method::Pure(method) = build(&spec, domain, Means::default())? else {
            return Err("the method is not a computed one".into());
        };
        let mut tokens = plain.clone();
        method.protect(&mut tokens.iter_mut().collect::<Vec<_>>(), &context)?;
        for size in [plain.len(), 1] {
            let protect = least(&plain, size, |batch| method.protect(batch, &context).is_ok())?;
            let reveal = least(&tokens, size, |batch| method.reveal(batch, &context).is_ok())?;
            println!("{name}, batches of {size}: protect {protect} ns, reveal {reveal} ns");
        }
    }
    Ok(())
}

type Case = (&'static str, MethodSpec, Vec<Value>);

fn formats() -> Vec<Case> {
    let keep = Keep::default();
    let integer = |to| TemplateSpec::Integer { from: 0, to, width: None, reserved: vec![] };
    let (from, to) = ("1900-01-01".to_owned(), "2099-12-31".to_owned());
    let cases = vec![
        (
            "digits, 16",
            TemplateSpec::Digits { keep, min: 6, max: 19 },
            texts(&|n| format!("{:016}", n * 7_919)),
        ),
        (
            "string of 16, a separator",
            TemplateSpec::String {
                alphabet: "09AZaz".to_owned(),
                pass: "-".to_owned(),
                keep,
                min: 6,
                max: 40,
            },
            texts(&|n| format!("{:08}-abcdefg", n * 7_919)),
        ),
        (
            "email, local part of 15",
            TemplateSpec::Email { part: EmailPart::Local },
            texts(&|n| format!("anna.smith{n:05}@example.org")),
        ),
        ("integer below 10^6 (table)", integer(999_998), texts(&|n| (n * 991).to_string())),
        ("integer below 10^9", integer(999_999_999), texts(&|n| (n * 991_003).to_string())),
        (
            "date (table)",
            TemplateSpec::Date { format: DateFormat::Iso, from, to },
            texts(&|n| format!("{}-{:02}-{:02}", 1900 + n % 200, 1 + n % 12, 1 + n % 28)),
        ),
        (
            "uuid",
            TemplateSpec::Uuid,
            texts(&|n| format!("f81d4fae-7dec-41d0-a765-00a0c9{:06x}", n * 13)),
        ),
    ];
    let pinned = |template| MethodSpec::Fpe { template, version: VersionMode::Pinned };
    cases.into_iter().map(|(name, template, plain)| (name, pinned(template), plain)).collect()
}

/// The methods that give text, with values of 16 bytes.
fn sealed_texts() -> Vec<Case> {
    [
        ("siv", MethodSpec::Siv),
        ("vaultless", MethodSpec::Vaultless),
        ("encrypt", MethodSpec::Encrypt),
    ]
    .map(|(name, method)| (name, method, texts(&|n| format!("{n:016}"))))
    .into()
}

fn texts(text: &dyn Fn(i64) -> String) -> Vec<Value> {
    (0..VALUES).map(|n| Value::text(text(n))).collect()
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
