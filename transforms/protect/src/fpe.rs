//! Format-preserving encryption: FF1 (SP 800-38G) with AES-256, and permutation tables
//! where a format has too few values for it.
//!
//! Each value is enciphered under the key of (version, domain, specification) with the
//! tweak of [`crate::tweak`]. Positional formats encipher characters where they stand,
//! ranked ones the number of a value. What carries the version:
//!
//! ```text
//!   slack     check digits = valid ones + slot; slot = ((version - 1) mod slots) + 1
//!             card numbers: 9 slots, added mod 10; IBAN: 96 slots, added mod 97 from 02 on
//!             slot 0 is never issued: valid check digits say that the value is plain
//!   reserved  the range the value lies in: one for each slot, and one for plain values
//!   header    "alf1." version "." before the enciphered text
//!   sidecar   what stands beside the value; nothing there says that it is plain
//!   epoch     what the catalogue says of the value's position
//!   pinned    nothing: the active version is the only one
//! ```

mod format;
mod headed;
mod integer;
mod numbers;
mod plan;
mod positional;
mod tweaks;

use std::sync::Arc;

use allonym_ff1::{Ff1, Ff1Error};
use allonym_keyring::{KeyVersion, Purpose, Secret};
use allonym_record::Value;
use zeroize::Zeroizing;

use crate::derived::Derived;
use crate::table::{MOST_BYTES, MOST_TABLES, Tables};
use crate::tweak::{self, Prf};
use crate::{
    Context, Domain, Fault, FaultRule, Mark, Scope, SpecError, TemplateSpec, Transform,
    VersionMode, header,
};
use format::Fit;
use plan::{Plan, Work};

pub(crate) use format::Format;

/// Format-preserving encryption of one format.
pub(crate) struct Fpe {
    format: Format,
    mode: VersionMode,
    scope: Scope,
    /// The tenants there are, in order, where values go through tables.
    tenants: Vec<String>,
    keys: Derived<FpeKey>,
    tables: Tables,
}

/// What one key version gives.
struct FpeKey {
    engines: Vec<(u32, Ff1)>,
    prf: Prf,
    /// Where values go through tables.
    table: Option<Secret>,
    /// Its tables live no longer than this.
    alive: Arc<()>,
}

/// What a value inside the format is.
enum Look {
    Plain(Fit),
    Protected(KeyVersion, Fit),
    /// Only the catalogue knows.
    Unmarked(Fit),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Protect,
    Reveal,
}

impl Fpe {
    pub(crate) fn new(
        template: &TemplateSpec,
        mode: VersionMode,
        (scope, mut tenants): (Scope, Vec<String>),
        domain: Domain,
        specification: [u8; 32],
    ) -> Result<Self, SpecError> {
        let format = Format::build(template)?;
        format::check_mode(template, mode, format.slots())?;
        tenants.sort_unstable();
        tenants.dedup();
        if scope == Scope::Global {
            tenants.clear();
        }
        check_tables(format.tables(), &scope, &tenants)?;
        let (keys, tables) = (Derived::new(domain, specification), Tables::new());
        Ok(Self { format, mode, scope, tenants, keys, tables })
    }

    /// Of a format of a test.
    #[cfg(test)]
    fn of(format: Format, domain: Domain) -> Self {
        let (keys, tables) = (Derived::new(domain, [0; 32]), Tables::new());
        let (mode, scope, tenants) = (VersionMode::Pinned, Scope::Global, Vec::new());
        Self { format, mode, scope, tenants, keys, tables }
    }

    /// What a value is by its form alone.
    fn fit(&self, value: &Value, text: &str) -> Result<Fit, FaultRule> {
        match value {
            Value::Text(_) => {}
            Value::Number(_) if self.format.takes_numbers() && self.mode != VersionMode::Header => {
            }
            _ => return Err(FaultRule::Kind),
        }
        let fit = self.format.fit(value, text)?;
        writable(value)?;
        Ok(fit)
    }

    /// What a value is by its form, by what stands beside it, and by which versions are live.
    fn look(
        &self,
        value: &Value,
        stated: Option<KeyVersion>,
        live: &[KeyVersion],
    ) -> Result<Look, FaultRule> {
        let text = value.as_str().unwrap_or_default();
        if self.mode == VersionMode::Header && headed::is_marked(text) {
            let (version, enciphered) = headed::read(text).ok_or(FaultRule::BadMark)?;
            let fit = self.fit(value, enciphered).map_err(|_| FaultRule::BadMark)?;
            let holds = fit.slot == 0 && live.binary_search(&version).is_ok();
            return if holds { Ok(Look::Protected(version, fit)) } else { Err(FaultRule::BadMark) };
        }
        let fit = self
            .fit(value, text)
            .map_err(|rule| if header::is_marked(text) { FaultRule::BadMark } else { rule })?;
        match (self.mode, fit.slot, stated) {
            (VersionMode::Slack | VersionMode::Reserved, 1.., _) => {
                Ok(Look::Protected(self.owner(fit.slot, live)?, fit))
            }
            (_, 1.., _) => Err(FaultRule::CheckDigits),
            (VersionMode::Sidecar, 0, Some(version)) => {
                let known = live.binary_search(&version).is_ok();
                if known { Ok(Look::Protected(version, fit)) } else { Err(FaultRule::BadMark) }
            }
            (VersionMode::Epoch | VersionMode::Pinned, 0, _) => Ok(Look::Unmarked(fit)),
            (_, 0, _) if header::is_marked(text) => Err(FaultRule::BadMark),
            (_, 0, _) if self.format.looks_masked(text) => Err(FaultRule::Masked),
            (_, 0, _) => Ok(Look::Plain(fit)),
        }
    }

    /// What a plain value is; what is protected, mistyped or a mask is refused.
    fn look_plain(
        &self,
        value: &Value,
        stated: Option<KeyVersion>,
        live: &[KeyVersion],
    ) -> Result<Fit, FaultRule> {
        match self.look(value, stated, live)? {
            Look::Plain(fit) => Ok(fit),
            Look::Protected(..) => Err(FaultRule::BadMark),
            Look::Unmarked(fit) => match value.as_str() {
                Some(text) if header::is_marked(text) => Err(FaultRule::BadMark),
                Some(text) if self.format.looks_masked(text) => Err(FaultRule::Masked),
                _ => Ok(fit),
            },
        }
    }

    /// The live version whose slot this is, if it is the slot of exactly one.
    fn owner(&self, slot: u32, live: &[KeyVersion]) -> Result<KeyVersion, FaultRule> {
        let mut owners = live.iter().filter(|version| self.slot_of(**version) == slot);
        match (owners.next(), owners.next()) {
            (Some(version), None) => Ok(*version),
            _ if self.mode == VersionMode::Reserved => Err(FaultRule::BadMark),
            _ => Err(FaultRule::CheckDigits),
        }
    }

    /// The slot that marks what a version protects.
    fn slot_of(&self, version: KeyVersion) -> u32 {
        match self.mode {
            VersionMode::Slack | VersionMode::Reserved => {
                (version.number() - 1) % self.format.slots().max(1) + 1
            }
            _ => 0,
        }
    }

    /// The versions a stored value can be under, oldest first.
    fn live<'a>(&self, context: &Context<'a>) -> &'a [KeyVersion] {
        let key = self.keys.domain().key;
        let live = context.newest.live(key);
        if self.mode != VersionMode::Pinned {
            return live;
        }
        let active = context.newest.active(key).ok();
        let at = active.and_then(|active| live.binary_search(&active).ok());
        at.and_then(|at| live.get(at..=at)).unwrap_or_default()
    }

    /// The typed encoding of the scope. Where values go through tables, only that of a
    /// declared tenant: no caller can make more tables than there are tenants.
    fn scope(&self, context: &Context<'_>) -> Result<Vec<u8>, FaultRule> {
        let typed = tweak::scope(&self.scope, context.tenant)?;
        let declared = |tenant: &str| {
            self.tenants.binary_search_by(|declared| declared.as_str().cmp(tenant)).is_ok()
        };
        match (&self.scope, context.tenant) {
            (Scope::Tenant(_), Some(tenant)) if self.format.tables().0 > 0 && !declared(tenant) => {
                Err(FaultRule::UnknownTenant)
            }
            _ => Ok(typed),
        }
    }

    /// The version that protects, unless it would take the slot of another.
    fn writing(&self, context: &Context<'_>) -> Result<(KeyVersion, Arc<FpeKey>), FaultRule> {
        let (version, key) = self.keys.writing(context, |derive| self.derive(derive))?;
        let slot = self.slot_of(version);
        // Under a slot that two versions share, nothing could be revealed again.
        let taken = |other: &KeyVersion| *other != version && self.slot_of(*other) == slot;
        if slot > 0 && self.live(context).iter().any(taken) {
            return Err(FaultRule::NoKey);
        }
        // Tables that have no room would be made anew with every batch.
        let live = self.live(context).len();
        let crowded = || self.most_versions().is_some_and(|most| live > most as usize);
        if key.table.is_some() && crowded() {
            return Err(FaultRule::NoKey);
        }
        Ok((version, key))
    }

    fn key(&self, context: &Context<'_>, version: KeyVersion) -> Result<Arc<FpeKey>, FaultRule> {
        self.keys.get(context.newest, version, |derive| self.derive(derive))
    }

    fn derive(&self, derive: &dyn Fn(Purpose) -> Secret) -> Result<FpeKey, FaultRule> {
        let secret = derive(Purpose::Ff1);
        let engines = self
            .format
            .radices()
            .into_iter()
            .map(|radix| Ok((radix, Ff1::new(secret.expose(), radix)?)))
            .collect::<Result<_, Ff1Error>>()
            .map_err(|_| FaultRule::NoKey)?;
        let table = (self.format.tables().0 > 0).then(|| derive(Purpose::Table));
        let prf = tweak::prf(&derive(Purpose::TweakPrf));
        Ok(FpeKey { engines, prf, table, alive: Arc::default() })
    }

    /// Takes the values of one version and group through the engine.
    fn transform(
        &self,
        way: Way,
        (key, scope): (&FpeKey, &[u8]),
        group: &[Work],
        (batch, numbers): (&mut [&mut Value], &[u128]),
    ) -> Result<(), Fault> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let headed = self.mode == VersionMode::Header;
        if headed && way == Way::Reveal {
            each_text(group, batch, headed::strip)?;
        }
        let slot = if way == Way::Protect { self.slot_of(first.version) } else { 0 };
        let with = (key, scope, slot);
        match &self.format {
            Format::Positional(template) => {
                positional::run(way, &**template, with, group, batch)?;
            }
            Format::Ranked(format) => {
                format.run(way, with, &self.tables, group, (batch, numbers))?;
            }
        }
        if headed && way == Way::Protect {
            each_text(group, batch, |text| headed::put(first.version, text))?;
        }
        for work in group {
            let value = batch.get(work.index).map_or(Err(FaultRule::Kind), |value| writable(value));
            value.map_err(|rule| Fault { index: work.index, rule })?;
        }
        Ok(())
    }

    fn is_ranked(&self) -> bool {
        matches!(self.format, Format::Ranked(_))
    }
}

impl FpeKey {
    fn engine(&self, radix: u32) -> Result<&Ff1, FaultRule> {
        let engine = self.engines.iter().find(|(other, _)| *other == radix);
        engine.map(|(_, engine)| engine).ok_or(FaultRule::NoKey)
    }
}

impl Transform for Fpe {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = self.scope(context).map_err(failed)?;
        let (version, key) = self.writing(context).map_err(failed)?;
        let live = self.live(context);
        let plan = Plan::new(batch, self.is_ranked(), |index, value| {
            Ok((version, self.look_plain(value, stated(context, index), live)?))
        })?;
        for group in plan.groups() {
            self.transform(Way::Protect, (&key, &scope), group, (batch, &plan.numbers))?;
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let scope = self.scope(context).map_err(|rule| Fault { index: first, rule })?;
        let live = self.live(context);
        let plan = Plan::new(batch, self.is_ranked(), |index, value| {
            let stated = stated(context, index);
            Ok(match self.look(value, stated, live)? {
                Look::Protected(version, fit) => (version, fit),
                Look::Plain(_) if self.mode == VersionMode::Sidecar => {
                    return Err(FaultRule::NoVersion);
                }
                Look::Plain(_) => return Err(FaultRule::NotProtected),
                Look::Unmarked(fit) if self.mode == VersionMode::Epoch => {
                    (stated.ok_or(FaultRule::NoVersion)?, fit)
                }
                Look::Unmarked(fit) => (*live.first().ok_or(FaultRule::NoKey)?, fit),
            })
        })?;
        for group in plan.groups() {
            let Some(first) = group.first() else { continue };
            let key = self
                .key(context, first.version)
                .map_err(|rule| Fault { index: first.index, rule })?;
            self.transform(Way::Reveal, (&key, &scope), group, (batch, &plan.numbers))?;
        }
        Ok(())
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        if value.is_empty() {
            return if self.is_marked() { Mark::Plain } else { Mark::Unmarked };
        }
        let live = self.live(context);
        match self.look(value, stated(context, 0), live) {
            Ok(Look::Plain(_)) => Mark::Plain,
            Ok(Look::Protected(version, _)) => Mark::Protected(Some(version)),
            Ok(Look::Unmarked(_)) => Mark::Unmarked,
            Err(rule) => Mark::Neither(rule),
        }
    }

    fn stored_forms(&self, operand: &Value, context: &Context<'_>) -> Result<Vec<Value>, Fault> {
        if operand.is_empty() {
            return Ok(vec![operand.clone()]);
        }
        let fault = |rule| Fault { index: 0, rule };
        let versions = self.live(context);
        let scope = self.scope(context).map_err(fault)?;
        self.look_plain(operand, None, versions).map_err(fault)?;
        if versions.is_empty() {
            return Err(fault(FaultRule::NoKey));
        }
        versions
            .iter()
            .map(|version| {
                let key = self.key(context, *version).map_err(fault)?;
                let mut form = operand.clone();
                let batch = &mut [&mut form];
                let plan = Plan::new(batch, self.is_ranked(), |_, value| {
                    Ok((*version, self.look_plain(value, None, versions)?))
                })?;
                self.transform(Way::Protect, (&key, &scope), plan.all(), (batch, &plan.numbers))?;
                Ok(form)
            })
            .collect()
    }

    fn is_marked(&self) -> bool {
        !matches!(self.mode, VersionMode::Epoch | VersionMode::Pinned)
    }

    fn is_reversible(&self) -> bool {
        true
    }

    fn writes_under(&self, context: &Context<'_>) -> Result<KeyVersion, FaultRule> {
        self.writing(context).map(|(version, _)| version)
    }

    fn slots(&self) -> Option<u32> {
        let carried = matches!(self.mode, VersionMode::Slack | VersionMode::Reserved);
        carried.then(|| self.format.slots())
    }

    fn most_versions(&self) -> Option<u32> {
        let (count, bytes) = all_tables(self.format.tables(), &self.tenants);
        let room = MOST_TABLES.checked_div(count)?.min(MOST_BYTES.checked_div(bytes)?);
        Some(u32::try_from(room).unwrap_or(u32::MAX))
    }
}

/// How many tables one version has for all tenants, and how much memory they take.
fn all_tables((count, bytes): (usize, usize), tenants: &[String]) -> (usize, usize) {
    let all = |of_one: usize| of_one.saturating_mul(tenants.len().max(1));
    (all(count), all(bytes))
}

/// Refuses tables for tenants nobody declared, and more than there is room for: those of
/// two key versions must fit, or a rotation would make them anew with every batch.
fn check_tables(
    tables: (usize, usize),
    scope: &Scope,
    tenants: &[String],
) -> Result<(), SpecError> {
    if tables.0 == 0 {
        return Ok(());
    }
    if *scope != Scope::Global && tenants.is_empty() {
        return Err(SpecError::Invalid(
            "the format has fewer than 10^6 values of a kind, for which a table is made for each tenant: declare the tenants",
        ));
    }
    let (count, bytes) = all_tables(tables, tenants);
    if bytes > MOST_BYTES / 2 || count > MOST_TABLES / 2 {
        return Err(SpecError::Invalid(
            "the tables of all tenants would be more than 512, or take more than 128 MiB: use a larger format, fewer tenants, or `method: token`",
        ));
    }
    Ok(())
}

/// What stands beside a value of the batch.
fn stated(context: &Context<'_>, index: usize) -> Option<KeyVersion> {
    context.stated.get(index).copied().flatten()
}

/// The characters of a text or a number.
fn text_of(value: &mut Value) -> Option<&mut Zeroizing<String>> {
    match value {
        Value::Text(content) | Value::Number(content) => Some(content),
        Value::Null | Value::Bool(_) => None,
    }
}

/// Changes the text of each value of a group.
fn each_text(
    group: &[Work],
    batch: &mut [&mut Value],
    change: impl Fn(&mut Zeroizing<String>),
) -> Result<(), Fault> {
    for work in group {
        let text = batch.get_mut(work.index).and_then(|value| text_of(value));
        change(text.ok_or(Fault { index: work.index, rule: FaultRule::Kind })?);
    }
    Ok(())
}

/// Refuses a number with a zero too many: no format can write it back digit for digit.
fn writable(value: &Value) -> Result<(), FaultRule> {
    match value {
        Value::Number(written) => match written.as_bytes() {
            [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] => Err(FaultRule::NotANumber),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
