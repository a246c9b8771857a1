//! Values that are numbered, and whose numbers are enciphered.

use allonym_keyring::KeyVersion;
use allonym_record::Value;
use zeroize::Zeroizing;

use super::format::Fit;
use super::integer::IntegerCipher;
use super::plan::Work;
use super::tweaks::TweakList;
use super::{FpeKey, Way, text_of};
use crate::ranked::{Class, Rank, Ranked};
use crate::table::{Table, TableKey, Tables};
use crate::template::SMALLEST_DOMAIN;
use crate::tweak::{self, Part};
use crate::{Fault, FaultRule, SpecError};

/// Fewest values of a class.
const SMALLEST_TABLE: u128 = 100;

/// A ranked format, and how the numbers of each class are enciphered.
pub(crate) struct Numbers {
    pub(super) format: Box<dyn Ranked>,
    ciphers: Vec<ClassCipher>,
}

enum ClassCipher {
    /// A permutation table of so many numbers.
    Table(u32),
    /// FF1.
    Integer(IntegerCipher),
}

impl Numbers {
    pub(super) fn new(format: Box<dyn Ranked>) -> Result<Self, SpecError> {
        let cipher = |class: &Class| match u32::try_from(class.size) {
            _ if class.size < SMALLEST_TABLE => {
                Err(SpecError::ClassTooSmall { class: class.name.clone(), size: class.size })
            }
            Ok(_) if class.size < SMALLEST_DOMAIN && format.keeps() => Err(SpecError::Invalid(
                "a format that keeps a part needs 10^6 values beside it: keep less, or use `method: token`",
            )),
            Ok(size) if class.size < SMALLEST_DOMAIN => Ok(ClassCipher::Table(size)),
            _ => Ok(ClassCipher::Integer(IntegerCipher::new(class.size))),
        };
        let ciphers = format.classes().iter().map(cipher).collect::<Result<Vec<_>, _>>()?;
        if ciphers.is_empty() {
            return Err(SpecError::Invalid("the format has no values"));
        }
        Ok(Self { format, ciphers })
    }

    pub(crate) fn classes(&self) -> &[Class] {
        self.format.classes()
    }

    pub(super) fn fit(&self, text: &str) -> Result<Fit, FaultRule> {
        let Rank { class, number, slot } = self.format.rank(text)?;
        Ok(Fit { group: class, slot, number })
    }

    pub(super) fn radices(&self) -> impl Iterator<Item = u32> {
        self.ciphers.iter().filter_map(|cipher| match cipher {
            ClassCipher::Table(_) => None,
            ClassCipher::Integer(cipher) => Some(cipher.radix),
        })
    }

    pub(super) fn tables(&self) -> (usize, usize) {
        self.ciphers.iter().fold((0, 0), |(count, bytes), cipher| match cipher {
            ClassCipher::Table(size) => (count + 1, bytes + Table::bytes(*size)),
            ClassCipher::Integer(_) => (count, bytes),
        })
    }

    /// Enciphers or deciphers the numbers of one version and class, and writes the values
    /// of the new numbers.
    pub(super) fn run(
        &self,
        way: Way,
        (key, scope, slot): (&FpeKey, &[u8], u32),
        tables: &Tables,
        group: &[Work],
        (batch, numbers): (&mut [&mut Value], &[u128]),
    ) -> Result<(), Fault> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let whole = |rule| Fault { index: first.index, rule };
        let class = first.group;
        let scope = self.with_class(scope, class);
        let mut moved = Zeroizing::new(Vec::with_capacity(group.len()));
        moved.extend(group.iter().filter_map(|work| numbers.get(work.index).copied()));
        match self.ciphers.get(class).ok_or(whole(FaultRule::Structure))? {
            ClassCipher::Table(size) => {
                look_up(way, (key, first.version), tables, (class, *size, scope), &mut moved)
                    .map_err(whole)?;
            }
            ClassCipher::Integer(cipher) => {
                let tweaks = self.tweaks(cipher, key, &scope, group, batch)?;
                let engine = key.engine(cipher.radix).map_err(whole)?;
                cipher
                    .run(way, engine, &tweaks, &mut moved)
                    .map_err(|_| whole(FaultRule::Length))?;
            }
        }
        for (work, number) in group.iter().zip(moved.iter()) {
            let fault = |rule| Fault { index: work.index, rule };
            let text = batch.get_mut(work.index).and_then(|value| text_of(value));
            let text = text.ok_or(fault(FaultRule::Kind))?;
            let rank = Rank { class, number: *number, slot };
            *text = self.format.unrank(rank, text).map_err(fault)?;
        }
        Ok(())
    }

    /// The scope, and the class as a part of digits where there is more than one: classes
    /// of the same size do not share a permutation.
    fn with_class(&self, scope: &[u8], class: usize) -> Vec<u8> {
        let mut typed = scope.to_vec();
        if self.ciphers.len() > 1 {
            tweak::append_part(Part::Digits, class.to_string().as_bytes(), &mut typed);
        }
        typed
    }

    fn tweaks(
        &self,
        cipher: &IntegerCipher,
        key: &FpeKey,
        scope: &[u8],
        group: &[Work],
        batch: &[&mut Value],
    ) -> Result<TweakList, Fault> {
        let mut tweaks = TweakList::for_values(group.len());
        for work in group {
            let fault = |rule| Fault { index: work.index, rule };
            let text = batch.get(work.index).and_then(|value| value.as_str());
            let text = text.ok_or(fault(FaultRule::Kind))?;
            let append = |typed: &mut Vec<u8>| self.format.append_kept(text, typed);
            tweaks.push(cipher.tweak, &key.prf, scope, append).map_err(fault)?;
        }
        Ok(tweaks)
    }
}

/// Takes numbers through their table.
fn look_up(
    way: Way,
    (key, version): (&FpeKey, KeyVersion),
    tables: &Tables,
    (class, size, scope): (usize, u32, Vec<u8>),
    numbers: &mut [u128],
) -> Result<(), FaultRule> {
    let secret = key.table.as_ref().ok_or(FaultRule::NoKey)?;
    let of = TableKey { version, class, scope: scope.clone() };
    let place = tables.place(of, &key.alive, size);
    let table = place.get_or_init(|| Table::new(secret, size, &scope));
    for number in numbers {
        let moved = match way {
            Way::Protect => table.protect(*number),
            Way::Reveal => table.reveal(*number),
        };
        *number = moved.ok_or(FaultRule::Range)?;
    }
    Ok(())
}
