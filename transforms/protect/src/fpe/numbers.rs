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

    pub(super) fn fit(&self, value: &Value, text: &str) -> Result<Fit, FaultRule> {
        let rank = match value {
            Value::Number(_) => self.format.rank_number(text),
            _ => self.format.rank(text),
        };
        let Rank { class, number, slot } = rank?;
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

#[cfg(test)]
mod tests {
    use allonym_keyring::{DomainId, KeyEntry, KeyId, KeySet, KeyState, NamespaceId, Secret};

    use super::*;
    use crate::{Context, Domain, Transform};

    /// A letter for the class, then a number of it.
    struct Lettered {
        classes: Vec<Class>,
        keeps: bool,
    }

    impl Ranked for Lettered {
        fn classes(&self) -> &[Class] {
            &self.classes
        }

        fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
            let letter = text.bytes().next().ok_or(FaultRule::Length)?;
            let class = usize::from(letter.wrapping_sub(b'a'));
            let all = self.classes.get(class).ok_or(FaultRule::Structure)?;
            let number: u128 = text[1..].parse().map_err(|_| FaultRule::Alphabet)?;
            if number >= all.size {
                return Err(FaultRule::Range);
            }
            Ok(Rank { class, number, slot: 0 })
        }

        fn unrank(&self, rank: Rank, like: &str) -> Result<Zeroizing<String>, FaultRule> {
            Ok(Zeroizing::new(format!("{}{}", &like[..1], rank.number)))
        }

        fn keeps(&self) -> bool {
            self.keeps
        }
    }

    fn numbers(sizes: &[u128], keeps: bool) -> Result<Numbers, SpecError> {
        let class = |size: &u128| Class { name: "some".to_owned(), size: *size };
        Numbers::new(Box::new(Lettered { classes: sizes.iter().map(class).collect(), keeps }))
    }

    fn protected(sizes: &[u128], values: &[&str]) -> Vec<String> {
        let key = KeyId::from_bytes([3; 16]);
        let secret = std::sync::Arc::new(Secret::new(Zeroizing::new([1; 32])));
        let versions = [(KeyVersion::FIRST, (KeyState::Active, Some(secret)))].into();
        let entry = KeyEntry { name: "k".to_owned(), versions };
        let keys = KeySet::new([(key, entry)].into());
        let domain =
            Domain { namespace: NamespaceId::DEFAULT, id: DomainId::from_bytes([7; 16]), key };
        let format = super::super::Format::Ranked(numbers(sizes, false).unwrap());
        let fpe = super::super::Fpe::of(format, domain);
        let context =
            Context { pinned: &keys, newest: &keys, tenant: None, subject: None, stated: &[] };
        let plain: Vec<Value> = values.iter().map(|value| Value::text(*value)).collect();
        let mut values = plain.clone();
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        fpe.protect(&mut batch, &context).unwrap();
        let tokens = values.iter().map(|value| value.as_str().unwrap().to_owned()).collect();
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        fpe.reveal(&mut batch, &context).unwrap();
        assert!(values == plain);
        tokens
    }

    #[test]
    fn classes_of_one_size_do_not_share_a_permutation() {
        for size in [1_000, 1_000_000] {
            let values = ["a1", "b1", "a2", "b2", "a3", "b3", "b4", "a4"];
            let tokens = protected(&[size, size], &values);
            let of = |letter| {
                let mut all: Vec<&str> =
                    tokens.iter().filter_map(|token| token.strip_prefix(letter)).collect();
                all.sort_unstable();
                all
            };
            assert_eq!((of('a').len(), of('b').len()), (4, 4));
            assert_ne!(of('a'), of('b'), "{size}");
        }
    }

    #[test]
    fn classes_that_cannot_be_had_are_refused() {
        let refused = |sizes: &[u128], keeps| numbers(sizes, keeps).err();
        let small = |size| Some(SpecError::ClassTooSmall { class: "some".to_owned(), size });
        assert_eq!(refused(&[1_000_000, 99], false), small(99));
        assert_eq!(refused(&[0], true), small(0));
        assert!(matches!(refused(&[999_999], true), Some(SpecError::Invalid(_))));
        assert!(matches!(refused(&[], false), Some(SpecError::Invalid(_))));
        assert_eq!(refused(&[1_000_000], true), None);
        assert_eq!(refused(&[100, 999_999, u128::MAX], false), None);
    }
}
