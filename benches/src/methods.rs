//! The computed methods, from value to value: what is around the ciphers, and what many
//! key versions cost.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::ops::RangeInclusive;
use std::sync::Arc;

use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use allonym_keyring::{
    DomainId, KeyEntry, KeyId, KeySet, KeyState, KeyVersion, Keyring, NamespaceId, Secret,
};
use allonym_protect::{
    Context, DateFormat, Domain, Keep, Means, Method, MethodSpec, Scope, Spec, TemplateSpec,
    Transform, VersionMode, build,
};
use allonym_record::Value;
use zeroize::Zeroizing;

use crate::Outcome;
use crate::ff1::Chain;
use crate::measure::{Arm, Pace, Sample, Series, interleave, repeat};
use crate::report::{Figure, Goal, Row, Section};

const KEY: KeyId = KeyId::from_bytes([3; 16]);
const BATCH: usize = 256;
const MANY: u32 = 10_000;

const LATENCY: Figure = Figure { of: Sample::nanoseconds, scale: 1.0, unit: "ns a value" };

const HOW: &str = "Each arm protects 256 values in one call and reveals them in another, one thread; the figure is for \
one value one way, with everything that is around the cipher: finding the key, judging each value, its mark, text in and \
text out. The floor is one AES-256 block whose input is the block before. `siv` is of 16 bytes, `fpe pan` of card numbers \
of 16 digits of which 6 stay, `fpe date` goes through a permutation table of 73,049 days. The last rows do the same with \
10,000 live key versions, under the newest of them, and reveal values of which each is under another of the 10,000.";

pub(crate) fn compare(pace: Pace) -> Outcome<Section> {
    let aes = Aes256Enc::new(&[7; 32].into());
    let mut block = aes::Block::default();
    let (one, many) = (keys(1..=1)?, keys(1..=MANY)?);
    let siv = method(MethodSpec::Siv)?;
    let pan = method(fpe(
        TemplateSpec::Pan { keep: Keep { first: 6, last: 0 }, min: 16, max: 16 },
        VersionMode::Sidecar,
    ))?;
    let date = method(fpe(
        TemplateSpec::Date {
            format: DateFormat::Iso,
            from: "1900-01-01".to_owned(),
            to: "2099-12-31".to_owned(),
        },
        VersionMode::Pinned,
    ))?;
    let names = values(|number| format!("person {number:09}"));
    let cards = values(card);
    let days =
        values(|number| format!("19{:02}-0{}-1{}", number % 100, number % 9 + 1, number % 10));
    let spread = spread(&*siv, &names)?;
    let arms = [
        Arm::new("one AES-256 block", |length| {
            repeat(length, || {
                aes.encrypt_with_backend(Chain { block: &mut block, count: 1000 });
                Ok(1000)
            })
        }),
        both_ways("siv, 16 bytes", &*siv, &one, &names)?,
        both_ways("fpe pan", &*pan, &one, &cards)?,
        both_ways("fpe date", &*date, &one, &days)?,
        both_ways("siv, 10,000 versions", &*siv, &many, &names)?,
        both_ways("fpe pan, 10,000 versions", &*pan, &many, &cards)?,
        reveal("siv, each under another of 10,000", &*siv, &many, &spread),
    ];
    let [block, siv, pan, date, siv_many, pan_many, spread] =
        interleave(arms, pace.rounds, pace.round)?;
    Ok(section(&block, [&siv, &pan, &date], [&siv_many, &pan_many, &spread]))
}

fn section(block: &Series, one: [&Series; 3], many: [&Series; 3]) -> Section {
    let [siv, pan, date] = one;
    let [siv_many, pan_many, spread] = many;
    let rows = vec![
        Row::new("methods.siv", "siv, 16 bytes", LATENCY, siv, block)
            .goal(Goal::ValueAtMost(250.0)),
        Row::new("methods.pan", "fpe pan, 16 digits", LATENCY, pan, block),
        Row::new("methods.date", "fpe date, by a table", LATENCY, date, block),
        Row::new(
            "methods.siv.versions",
            "siv, the newest of 10,000 versions",
            LATENCY,
            siv_many,
            siv,
        )
        .goal(Goal::RatioAtMost(1.1)),
        Row::new("methods.pan.versions", "fpe pan, the newest of 10,000", LATENCY, pan_many, pan)
            .goal(Goal::RatioAtMost(1.1)),
        Row::new("methods.siv.spread", "reveal siv, each of 10,000 versions", LATENCY, spread, siv),
    ];
    Section { title: "Methods, value to value", rows, how: HOW, details: String::new() }
}

/// An arm that protects and reveals the same values.
fn both_ways<'a>(
    name: &'static str,
    method: &'a dyn Transform,
    keys: &'a KeySet,
    plain: &[Value],
) -> Outcome<Arm<'a>> {
    let stated = vec![keys.active(KEY).ok(); plain.len()];
    let (mut values, plain) = (plain.to_vec(), plain.to_vec());
    let mut turn = move || -> Outcome<usize> {
        let fresh = context(keys, &[]);
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        method.protect(black_box(&mut batch), &fresh)?;
        method.reveal(black_box(&mut batch), &Context { stated: &stated, ..fresh })?;
        if values == plain { Ok(2 * values.len()) } else { Err("a value did not come back".into()) }
    };
    turn()?;
    Ok(Arm::new(name, move |length| repeat(length, &mut turn)))
}

/// An arm that reveals the same values again and again.
fn reveal<'a>(
    name: &'static str,
    method: &'a dyn Transform,
    keys: &'a KeySet,
    protected: &'a [Value],
) -> Arm<'a> {
    let mut next = 0;
    Arm::new(name, move |length| {
        repeat(length, || {
            let end = (next + BATCH).min(protected.len());
            let mut values = protected.get(next..end).unwrap_or_default().to_vec();
            next = if end == protected.len() { 0 } else { end };
            let mut batch: Vec<&mut Value> = values.iter_mut().collect();
            method.reveal(black_box(&mut batch), &context(keys, &[]))?;
            Ok(values.len())
        })
    })
}

/// One value under each version.
fn spread(method: &dyn Transform, plain: &[Value]) -> Outcome<Vec<Value>> {
    (1..=MANY)
        .zip(plain.iter().cycle())
        .map(|(version, value)| {
            let keys = keys(version..=version)?;
            let mut value = value.clone();
            method.protect(&mut [&mut value], &context(&keys, &[]))?;
            Ok(value)
        })
        .collect()
}

fn context<'a>(keys: &'a KeySet, stated: &'a [Option<KeyVersion>]) -> Context<'a> {
    Context { pinned: keys, newest: keys, tenant: None, subject: None, stated }
}

/// These versions of one key, the last of which protects.
fn keys(versions: RangeInclusive<u32>) -> Outcome<KeySet> {
    let newest = *versions.end();
    let versions = versions
        .map(|number| {
            let state = if number == newest { KeyState::Active } else { KeyState::Deactivated };
            let mut secret = Zeroizing::new([7; 32]);
            for (byte, of) in secret.iter_mut().zip(number.to_be_bytes()) {
                *byte = of;
            }
            let version = KeyVersion::new(number).ok_or("versions begin at 1")?;
            Ok((version, (state, Some(Arc::new(Secret::new(secret))))))
        })
        .collect::<Outcome<BTreeMap<_, _>>>()?;
    Ok(KeySet::new(HashMap::from([(KEY, KeyEntry { name: "bench".to_owned(), versions })])))
}

fn method(method: MethodSpec) -> Outcome<Arc<dyn Transform>> {
    let domain =
        Domain { namespace: NamespaceId::DEFAULT, id: DomainId::from_bytes([7; 16]), key: KEY };
    let spec = Spec { revision: 1, method, scope: Scope::Global };
    match build(&spec, domain, Means::default())? {
        Method::Pure(transform) => Ok(transform),
        Method::Stored(_) => Err("a computed method was asked for".into()),
    }
}

fn fpe(template: TemplateSpec, version: VersionMode) -> MethodSpec {
    MethodSpec::Fpe { template, version }
}

fn values(of: impl Fn(u64) -> String) -> Vec<Value> {
    (0..BATCH as u64)
        .map(|number| Value::text(of(number.wrapping_mul(0x9e37_79b9) % 1_000_000)))
        .collect()
}

/// A card number of 16 digits with its check digit.
fn card(number: u64) -> String {
    let body = format!("492912{:09}", number * 977);
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| match u32::from(digit - b'0') {
            digit if index % 2 == 1 => digit,
            digit if digit < 5 => digit * 2,
            digit => digit * 2 - 9,
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}
