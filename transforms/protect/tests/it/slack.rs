//! Values that carry their key version in their check digits, and those that carry none.

use super::*;

use VersionMode::{Pinned, Slack};

const CARD: &str = "4929120000006466";
const IBAN: &str = "DE89370400440532013000";

fn mark(method: &dyn Transform, text: &str, keys: &KeySet) -> Mark {
    method.mark(&Value::text(text), &context(keys))
}

/// The text with its check digits moved on by `slot` (cards mod 10, IBANs mod 97).
fn moved(text: &str, slot: u32) -> String {
    if text.starts_with(|symbol: char| symbol.is_ascii_digit()) {
        let (body, check) = text.split_at(text.len() - 1);
        return format!("{body}{}", (check.parse::<u32>().unwrap() + slot) % 10);
    }
    let check: u32 = text[2..4].parse().unwrap();
    format!("{}{:02}{}", &text[..2], (check - 2 + slot) % 97 + 2, &text[4..])
}

#[test]
fn what_a_card_number_is() {
    let pan = global(pan(Slack));
    let protected = Mark::Protected;
    let three = keys_without(3, &[]);
    let second_gone = keys_without(3, &[2]);
    let eleven = keys_without(11, &[]);
    let tenth_only = keys_at(10);
    let check_digits = Mark::Neither(FaultRule::CheckDigits);
    for (text, keys, expected) in [
        (CARD.to_owned(), &three, Mark::Plain),
        (moved(CARD, 1), &three, protected(Some(version(1)))),
        (moved(CARD, 2), &three, protected(Some(version(2)))),
        (moved(CARD, 3), &three, protected(Some(version(3)))),
        (moved(CARD, 4), &three, check_digits),
        (moved(CARD, 9), &three, check_digits),
        (moved(CARD, 2), &second_gone, check_digits),
        (moved(CARD, 1), &eleven, check_digits), // versions 1 and 10 share slot 1
        (moved(CARD, 2), &eleven, check_digits), // versions 2 and 11
        (moved(CARD, 3), &eleven, protected(Some(version(3)))),
        (moved(CARD, 9), &eleven, protected(Some(version(9)))),
        (moved(CARD, 1), &tenth_only, protected(Some(version(10)))),
        // One digit mistyped can look like a token: it is refused on a write all the same.
        ("4929120000006476".to_owned(), &three, protected(Some(version(2)))),
        ("4929120000006".to_owned(), &KeySet::default(), check_digits),
        ("492912000000".to_owned(), &three, Mark::Neither(FaultRule::Length)),
        ("49291200000064660000".to_owned(), &three, Mark::Neither(FaultRule::Length)),
        ("4929-1200-0000-6466".to_owned(), &three, Mark::Neither(FaultRule::Alphabet)),
        ("4929 1200 0000 6466".to_owned(), &three, Mark::Neither(FaultRule::Alphabet)),
        ("************6466".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
        ("492912XXXXXX6466".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
        ("492912••••••6466".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
        ("***".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
        (String::new(), &three, Mark::Plain),
    ] {
        assert_eq!(mark(&*pan, &text, keys), expected, "{text}");
    }
    assert_eq!(pan.mark(&Value::Bool(true), &context(&three)), Mark::Neither(FaultRule::Kind));
    assert_eq!(pan.mark(&Value::Null, &context(&three)), Mark::Plain);
    assert_eq!(pan.mark(&Value::number(CARD), &context(&three)), Mark::Plain);
    assert_eq!(
        pan.mark(&Value::number("-4929120000006466"), &context(&three)),
        Mark::Neither(FaultRule::Alphabet)
    );
    assert_eq!(
        pan.mark(&Value::number("49291200000.6466"), &context(&three)),
        Mark::Neither(FaultRule::Alphabet)
    );
}

#[test]
fn what_an_iban_is() {
    let iban = global(fpe(TemplateSpec::Iban, Slack));
    let three = keys_without(3, &[]);
    let many = keys_without(97, &[]);
    let check_digits = Mark::Neither(FaultRule::CheckDigits);
    for (text, keys, expected) in [
        (IBAN.to_owned(), &three, Mark::Plain),
        (moved(IBAN, 1), &three, Mark::Protected(Some(version(1)))),
        (moved(IBAN, 3), &three, Mark::Protected(Some(version(3)))),
        (moved(IBAN, 4), &three, check_digits),
        (moved(IBAN, 1), &many, check_digits), // versions 1 and 97 share slot 1
        (moved(IBAN, 96), &many, Mark::Protected(Some(version(96)))),
        ("DE00370400440532013000".to_owned(), &many, check_digits),
        ("DE01370400440532013000".to_owned(), &many, check_digits),
        ("DE99370400440532013000".to_owned(), &many, check_digits),
        ("de89370400440532013000".to_owned(), &three, Mark::Neither(FaultRule::Structure)),
        ("DE89 3704 0044 0532 0130 00".to_owned(), &three, Mark::Neither(FaultRule::Alphabet)),
        ("DE89**************3000".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
        ("DE89XXXXXXXXXXXXXX3000".to_owned(), &three, Mark::Neither(FaultRule::Masked)),
    ] {
        assert_eq!(mark(&*iban, &text, keys), expected, "{text}");
    }
    let number = iban.mark(&Value::number("893704004405"), &context(&three));
    assert_eq!(number, Mark::Neither(FaultRule::Kind));
}

#[test]
fn only_what_is_plain_is_protected_and_only_what_is_protected_is_revealed() {
    let three = keys_without(3, &[]);
    let context = context(&three);
    for (method, plain) in
        [(global(pan(Slack)), CARD), (global(fpe(TemplateSpec::Iban, Slack)), IBAN)]
    {
        let text = |slot| Value::text(moved(plain, slot));
        let refused = |value| protect(&*method, &value, &context).err();
        assert_eq!(refused(text(1)), Some(FaultRule::BadMark), "a token");
        assert_eq!(refused(text(4)), Some(FaultRule::CheckDigits), "mistyped, or a residue");
        let token = protect(&*method, &text(0), &context).unwrap();
        assert_eq!(refused(token.clone()), Some(FaultRule::BadMark), "twice");
        let not_revealed = |value| reveal(&*method, &value, &context).err();
        assert_eq!(not_revealed(text(0)), Some(FaultRule::NotProtected));
        assert_eq!(not_revealed(text(4)), Some(FaultRule::CheckDigits));
        assert!(reveal(&*method, &token, &context).unwrap() == text(0));
    }
}

#[test]
fn a_fault_says_which_of_the_batch() {
    let pan = global(pan(Slack));
    let keys = keys_without(3, &[]);
    let mut values =
        [Value::Null, Value::text(CARD), Value::text(moved(CARD, 5)), Value::text(CARD)];
    let mut batch: Vec<&mut Value> = values.iter_mut().collect();
    let fault = Fault { index: 2, rule: FaultRule::CheckDigits };
    assert_eq!(pan.protect(&mut batch, &context(&keys)), Err(fault));
    assert!(values[1] == Value::text(CARD), "what is refused as a whole is not changed in part");
}

#[test]
fn a_version_whose_slot_is_taken_protects_nothing() {
    let pan = global(pan(Slack));
    let value = Value::text(CARD);
    let ten = keys_without(10, &[]);
    assert_eq!(protect(&*pan, &value, &context(&ten)).err(), Some(FaultRule::NoKey));
    let nine_gone = keys_without(10, &[1]);
    let token = protect(&*pan, &value, &context(&nine_gone)).unwrap();
    assert_eq!(pan.mark(&token, &context(&nine_gone)), Mark::Protected(Some(version(10))));
    assert!(reveal(&*pan, &token, &context(&nine_gone)).unwrap() == value);
}

#[test]
fn the_pinned_set_protects_and_the_newest_reveals() {
    let value = Value::text(CARD);
    let (old, new) = (keys_without(1, &[]), keys_without(2, &[]));
    let first_gone = keys_without(2, &[1]);
    for method in [global(pan(Slack)), global(MethodSpec::Siv)] {
        let across =
            Context { pinned: &old, newest: &new, tenant: None, subject: None, stated: &[] };
        let token = protect(&*method, &value, &across).unwrap();
        assert_eq!(method.mark(&token, &context(&new)), Mark::Protected(Some(version(1))));
        assert!(reveal(&*method, &token, &context(&new)).unwrap() == value);
        let newer = protect(&*method, &value, &context(&new)).unwrap();
        assert_eq!(method.mark(&newer, &across), Mark::Protected(Some(version(2))));
        assert!(reveal(&*method, &newer, &across).unwrap() == value);
        assert!(reveal(&*method, &newer, &context(&old)).is_err());
        let destroyed =
            Context { pinned: &old, newest: &first_gone, tenant: None, subject: None, stated: &[] };
        assert_eq!(protect(&*method, &value, &destroyed).err(), Some(FaultRule::NoKey));
        assert!(reveal(&*method, &token, &destroyed).is_err());
        assert!(matches!(method.mark(&token, &destroyed), Mark::Neither(_)));
    }
}

#[test]
fn pinned_values_carry_no_mark() {
    let keys = keys_without(2, &[]);
    let context = context(&keys);
    for (method, plain, broken) in [
        (global(pan(Pinned)), CARD, Some(moved(CARD, 1))),
        (global(fpe(TemplateSpec::Iban, Pinned)), IBAN, Some(moved(IBAN, 1))),
        (global(fpe(TemplateSpec::Phone, Pinned)), "+4915112345678", None),
        (global(digits(0, 0, 6, 20)), "0123456789", None),
        (global(alphanumeric(0, 0, 6, 20)), "AbCdEf0123", None),
    ] {
        let plain = Value::text(plain);
        let token = protect(&*method, &plain, &context).unwrap();
        assert!(token != plain);
        for value in [&plain, &token, &Value::text("")] {
            assert_eq!(method.mark(value, &context), Mark::Unmarked);
        }
        assert!(reveal(&*method, &token, &context).unwrap() == plain);
        if let Some(broken) = broken.map(Value::text) {
            let rule = FaultRule::CheckDigits;
            assert_eq!(method.mark(&broken, &context), Mark::Neither(rule));
            assert_eq!(protect(&*method, &broken, &context).err(), Some(rule));
            assert_eq!(reveal(&*method, &broken, &context).err(), Some(rule));
        }
    }
}

#[test]
fn the_stored_forms_are_those_of_all_live_versions() {
    let keys = keys_without(4, &[2]);
    for (method, count) in
        [(pan(Slack), 3), (pan(Pinned), 1), (MethodSpec::Siv, 3), (MethodSpec::Hash, 3)]
    {
        let method = global(method);
        let plain = Value::text(CARD);
        let forms = method.stored_forms(&plain, &context(&keys)).unwrap();
        assert_eq!(forms.len(), count);
        let current = protect(&*method, &plain, &context(&keys)).unwrap();
        assert!(forms.last() == Some(&current));
        if method.is_reversible() {
            for form in &forms {
                assert!(reveal(&*method, form, &context(&keys)).unwrap() == plain);
            }
        }
        for empty in [Value::Null, Value::text("")] {
            assert!(method.stored_forms(&empty, &context(&keys)).unwrap() == [empty]);
        }
        let none = KeySet::default();
        assert_eq!(
            method.stored_forms(&plain, &context(&none)).err(),
            Some(Fault { index: 0, rule: FaultRule::NoKey })
        );
        let token = method.stored_forms(&current, &context(&keys)).err().map(|fault| fault.rule);
        assert_eq!(token, method.is_marked().then_some(FaultRule::BadMark));
    }
}

#[test]
fn a_number_stays_a_number_or_is_refused() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let digits = global(digits(0, 0, 6, 12));
    let (mut numbers, mut refused) = (0, 0);
    for plain in 100_000..100_400 {
        let plain = Value::number(plain.to_string());
        match protect(&*digits, &plain, &context) {
            Ok(token) => {
                assert!(matches!(&token, Value::Number(written) if !written.starts_with('0')));
                assert!(reveal(&*digits, &token, &context).unwrap() == plain);
                numbers += 1;
            }
            Err(rule) => {
                assert_eq!(rule, FaultRule::NotANumber);
                refused += 1;
            }
        }
    }
    assert!(numbers > 300 && refused > 10, "{numbers} {refused}");
    for (written, rule) in [
        ("0123456", FaultRule::NotANumber),
        ("-123456", FaultRule::Alphabet),
        ("123456.5", FaultRule::Alphabet),
        ("1e10000000", FaultRule::Alphabet),
        ("12345", FaultRule::Length),
    ] {
        assert_eq!(
            protect(&*digits, &Value::number(written), &context).err(),
            Some(rule),
            "{written}"
        );
    }
    let letters = global(alphanumeric(0, 0, 6, 12));
    let refused = protect(&*letters, &Value::number("123456"), &context).err();
    assert_eq!(refused, Some(FaultRule::Kind));
}
