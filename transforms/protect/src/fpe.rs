//! Format-preserving encryption: FF1 (SP 800-38G) with AES-256.
//!
//! Each run of a value is enciphered under the key of (version, domain, specification)
//! with the tweak of [`crate::tweak`]. What carries the version:
//!
//! ```text
//!   slack   check digits = valid ones + slot; slot = ((version - 1) mod slots) + 1
//!           card numbers: 9 slots, added mod 10; IBAN: 96 slots, added mod 97 from 02 on
//!           slot 0 is never issued: valid check digits say that the value is plain
//!   pinned  nothing: check digits are valid, and the active version is the only one
//! ```

use allonym_ff1::{Ff1, Ff1Error, Tweaks};
use allonym_keyring::{KeyVersion, Purpose, Secret};
use allonym_record::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::derived::Derived;
use crate::mask::{has_mask_symbol, has_run_of_x};
use crate::template::{Alphabet, Layout, Run, Template};
use crate::tweak::{self, Prf};
use crate::{Context, Domain, Fault, FaultRule, Mark, Scope, Transform, VersionMode};

/// Format-preserving encryption of one template.
pub(crate) struct Fpe {
    template: Box<dyn Template>,
    version: VersionMode,
    scope: Scope,
    keys: Derived<FpeKey>,
}

/// What one key version gives.
struct FpeKey {
    engines: Vec<(Alphabet, Ff1)>,
    prf: Prf,
}

/// A value that is inside the template.
struct Fit {
    layout: usize,
    /// 0 if the check digits are valid, or there are none.
    slot: u32,
}

/// One value of a batch that is to be enciphered or deciphered. Values of one version
/// and layout go through the engine together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    version: KeyVersion,
    layout: usize,
    index: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Protect,
    Reveal,
}

impl Fpe {
    pub(crate) fn new(
        template: Box<dyn Template>,
        version: VersionMode,
        scope: Scope,
        domain: Domain,
        specification: [u8; 32],
    ) -> Self {
        Self { template, version, scope, keys: Derived::new(domain, specification) }
    }

    /// What a value is by its form alone.
    fn fit(&self, value: &Value) -> Result<Fit, FaultRule> {
        let text = match value {
            Value::Text(text) => text,
            Value::Number(text) if self.template.takes_numbers() => text,
            _ => return Err(FaultRule::Kind),
        };
        let layout = self.template.fit(text).map_err(|rule| {
            if has_mask_symbol(text) || has_run_of_x(text, 2) { FaultRule::Masked } else { rule }
        })?;
        writable(value)?;
        Ok(Fit { layout, slot: self.template.slot(text.as_bytes())? })
    }

    /// What a plain value is; what is protected, mistyped or a mask is refused.
    fn fit_plain(&self, value: &Value, live: &[KeyVersion]) -> Result<Fit, FaultRule> {
        let fit = self.fit(value)?;
        self.judge_plain(value, &fit, live)?;
        Ok(fit)
    }

    fn judge_plain(&self, value: &Value, fit: &Fit, live: &[KeyVersion]) -> Result<(), FaultRule> {
        match (self.version, fit.slot) {
            (_, 0) if value.as_str().is_some_and(|text| self.template.looks_masked(text)) => {
                Err(FaultRule::Masked)
            }
            (_, 0) => Ok(()),
            (_, _) if self.version != VersionMode::Slack => Err(FaultRule::CheckDigits),
            (_, slot) => {
                Err(self.owner(slot, live).map_or_else(|rule| rule, |_| FaultRule::BadMark))
            }
        }
    }

    /// The live version whose slot this is, if it is the slot of exactly one.
    fn owner(&self, slot: u32, live: &[KeyVersion]) -> Result<KeyVersion, FaultRule> {
        let mut owners = live.iter().filter(|version| self.slot_of(**version) == slot);
        match (owners.next(), owners.next()) {
            (Some(version), None) => Ok(*version),
            _ => Err(FaultRule::CheckDigits),
        }
    }

    /// The slot that marks what a version protects.
    fn slot_of(&self, version: KeyVersion) -> u32 {
        match self.version {
            VersionMode::Slack => (version.number() - 1) % self.template.slots().max(1) + 1,
            _ => 0,
        }
    }

    /// The versions a stored value can be under.
    fn live(&self, context: &Context<'_>) -> Vec<KeyVersion> {
        let key = self.keys.domain().key;
        match self.version {
            VersionMode::Slack => context.newest.live(key),
            _ => context.newest.active(key).into_iter().collect(),
        }
    }

    fn derive(&self, derive: &dyn Fn(Purpose) -> Secret) -> Result<FpeKey, FaultRule> {
        let secret = derive(Purpose::Ff1);
        let mut alphabets: Vec<Alphabet> = self
            .template
            .layouts()
            .iter()
            .flat_map(|layout| layout.runs.iter().map(|run| run.alphabet))
            .collect();
        alphabets.sort_unstable();
        alphabets.dedup();
        let engines = alphabets
            .into_iter()
            .map(|alphabet| Ok((alphabet, Ff1::new(secret.expose(), alphabet.radix())?)))
            .collect::<Result<_, Ff1Error>>()
            .map_err(|_| FaultRule::NoKey)?;
        Ok(FpeKey { engines, prf: tweak::prf(&derive(Purpose::TweakPrf)) })
    }

    /// Takes the values of one version and layout through the engine, and makes their
    /// check digits anew.
    fn transform(
        &self,
        way: Way,
        key: &FpeKey,
        scope: &[u8],
        group: &[Work],
        batch: &mut [&mut Value],
    ) -> Result<(), Fault> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let layout = self.template.layouts().get(first.layout);
        let layout = layout.ok_or(Fault { index: first.index, rule: FaultRule::Structure })?;
        for run in &layout.runs {
            cipher_run(way, key, scope, (layout, run), group, batch)?;
        }
        let slot = if way == Way::Protect { self.slot_of(first.version) } else { 0 };
        for work in group {
            let fault = |rule| Fault { index: work.index, rule };
            let value = batch.get_mut(work.index).ok_or(fault(FaultRule::Kind))?;
            edit(value, |text| {
                self.template.set_slot(text, slot);
                Ok(())
            })
            .and_then(|()| writable(value))
            .map_err(fault)?;
        }
        Ok(())
    }
}

impl Transform for Fpe {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = tweak::scope(&self.scope, context.tenant).map_err(failed)?;
        let (version, key) =
            self.keys.writing(context, |derive| self.derive(derive)).map_err(failed)?;
        let live = self.live(context);
        let slot = self.slot_of(version);
        // Under a slot that two versions share, nothing could be revealed again.
        let shared = live.iter().any(|other| *other != version && self.slot_of(*other) == slot);
        if self.version == VersionMode::Slack && shared {
            return Err(failed(FaultRule::NoKey));
        }
        let mut work = plan(batch, |value| Ok((version, self.fit_plain(value, &live)?.layout)))?;
        work.sort_unstable();
        for group in work.chunk_by(|one, next| one.layout == next.layout) {
            self.transform(Way::Protect, &key, &scope, group, batch)?;
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = tweak::scope(&self.scope, context.tenant).map_err(failed)?;
        let live = self.live(context);
        let mut work = plan(batch, |value| {
            let fit = self.fit(value)?;
            let version = match (self.version, fit.slot) {
                (VersionMode::Slack, 0) => return Err(FaultRule::NotProtected),
                (VersionMode::Slack, slot) => self.owner(slot, &live)?,
                (_, 0) => *live.first().ok_or(FaultRule::NoKey)?,
                (_, _) => return Err(FaultRule::CheckDigits),
            };
            Ok((version, fit.layout))
        })?;
        work.sort_unstable();
        let same =
            |one: &Work, next: &Work| (one.version, one.layout) == (next.version, next.layout);
        for group in work.chunk_by(same) {
            let Some(first) = group.first() else { continue };
            let key = self
                .keys
                .get(context.newest, first.version, |derive| self.derive(derive))
                .map_err(|rule| Fault { index: first.index, rule })?;
            self.transform(Way::Reveal, &key, &scope, group, batch)?;
        }
        Ok(())
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        let plain = if self.is_marked() { Mark::Plain } else { Mark::Unmarked };
        if value.is_empty() {
            return plain;
        }
        match (self.version, self.fit(value)) {
            (_, Err(rule)) => Mark::Neither(rule),
            (VersionMode::Slack, Ok(fit @ Fit { slot: 0, .. })) => {
                self.judge_plain(value, &fit, &[]).map_or_else(Mark::Neither, |()| plain)
            }
            (VersionMode::Slack, Ok(Fit { slot, .. })) => self
                .owner(slot, &self.live(context))
                .map_or_else(Mark::Neither, |version| Mark::Protected(Some(version))),
            (_, Ok(Fit { slot: 0, .. })) => Mark::Unmarked,
            (_, Ok(_)) => Mark::Neither(FaultRule::CheckDigits),
        }
    }

    fn stored_forms(&self, operand: &Value, context: &Context<'_>) -> Result<Vec<Value>, Fault> {
        if operand.is_empty() {
            return Ok(vec![operand.clone()]);
        }
        let fault = |rule| Fault { index: 0, rule };
        let live = self.live(context);
        let scope = tweak::scope(&self.scope, context.tenant).map_err(fault)?;
        let layout = self.fit_plain(operand, &live).map_err(fault)?.layout;
        if live.is_empty() {
            return Err(fault(FaultRule::NoKey));
        }
        live.into_iter()
            .map(|version| {
                let key = self
                    .keys
                    .get(context.newest, version, |derive| self.derive(derive))
                    .map_err(fault)?;
                let mut form = operand.clone();
                let work = [Work { version, layout, index: 0 }];
                self.transform(Way::Protect, &key, &scope, &work, &mut [&mut form])?;
                Ok(form)
            })
            .collect()
    }

    fn is_marked(&self) -> bool {
        self.version == VersionMode::Slack
    }

    fn is_reversible(&self) -> bool {
        true
    }
}

/// What is to be done with the values that hold something.
fn plan(
    batch: &[&mut Value],
    judge: impl Fn(&Value) -> Result<(KeyVersion, usize), FaultRule>,
) -> Result<Vec<Work>, Fault> {
    let mut work = Vec::with_capacity(batch.len());
    for (index, value) in batch.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
        let (version, layout) = judge(value).map_err(|rule| Fault { index, rule })?;
        work.push(Work { version, layout, index });
    }
    Ok(work)
}

/// Takes one run of each value through the engine in one call.
fn cipher_run(
    way: Way,
    key: &FpeKey,
    scope: &[u8],
    (layout, run): (&Layout, &Run),
    group: &[Work],
    batch: &mut [&mut Value],
) -> Result<(), Fault> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    let mut numerals = Zeroizing::new(Vec::with_capacity(run.len() * group.len()));
    // A tweak has 7 bytes at most.
    let mut tweaks = Zeroizing::new(Vec::with_capacity(8 * group.len()));
    let mut typed = Zeroizing::new(Vec::with_capacity(64));
    for work in group {
        let fault = |rule| Fault { index: work.index, rule };
        let text = batch.get(work.index).and_then(|value| value.as_str());
        let text = text.ok_or(fault(FaultRule::Kind))?.as_bytes();
        run.read(text, &mut numerals).map_err(fault)?;
        typed.clear();
        typed.extend_from_slice(scope);
        layout.append_kept(text, &mut typed).map_err(fault)?;
        run.tweak.append(&typed, &key.prf, &mut tweaks);
    }
    // Scope and the lengths of the parts are the same in a group, so the tweak's length is.
    let each: Vec<&[u8]> = tweaks.chunks_exact((tweaks.len() / group.len()).max(1)).collect();
    let engine = key.engines.iter().find(|(alphabet, _)| *alphabet == run.alphabet);
    let (_, engine) = engine.ok_or(Fault { index: first.index, rule: FaultRule::NoKey })?;
    let tweaks = match each.first() {
        Some(one) if each.iter().all(|other| other == one) => Tweaks::Same(one),
        _ => Tweaks::Each(&each),
    };
    match way {
        Way::Protect => engine.encrypt_batch(tweaks, run.len(), &mut numerals),
        Way::Reveal => engine.decrypt_batch(tweaks, run.len(), &mut numerals),
    }
    .map_err(|_| Fault { index: first.index, rule: FaultRule::Length })?;
    for (work, numerals) in group.iter().zip(numerals.chunks_exact(run.len())) {
        let fault = |rule| Fault { index: work.index, rule };
        let value = batch.get_mut(work.index).ok_or(fault(FaultRule::Kind))?;
        edit(value, |text| run.write(numerals, text)).map_err(fault)?;
    }
    Ok(())
}

/// Changes the characters of a value where they are: no copy of them is left behind.
fn edit(
    value: &mut Value,
    change: impl FnOnce(&mut [u8]) -> Result<(), FaultRule>,
) -> Result<(), FaultRule> {
    let (Value::Text(content) | Value::Number(content)) = value else {
        return Err(FaultRule::Kind);
    };
    let mut bytes = std::mem::take(&mut **content).into_bytes();
    let changed = change(&mut bytes);
    match String::from_utf8(bytes) {
        Ok(text) => **content = text,
        Err(error) => {
            error.into_bytes().zeroize();
            return Err(FaultRule::Alphabet);
        }
    }
    changed
}

/// Refuses a number that begins with 0: no format can write it back digit for digit.
fn writable(value: &Value) -> Result<(), FaultRule> {
    match value {
        Value::Number(written) if written.starts_with('0') => Err(FaultRule::NotANumber),
        _ => Ok(()),
    }
}
