//! Where the key version is, and what each way of carrying it refuses.

use super::format_vectors::{births, card, email, integer, reserved, string};
use super::*;

use allonym_protect::EmailPart;

use VersionMode::{Epoch, Header, Pinned, Reserved, Sidecar, Slack};

const CARD: &str = "4929120000006466";

fn text(content: impl Into<String>) -> Value {
    Value::text(content)
}

fn mark(method: &dyn Transform, value: &str, context: &Context<'_>) -> Mark {
    method.mark(&Value::text(value), context)
}

/// The card number with another check digit.
fn mistyped(by: u32) -> String {
    let (body, check) = CARD.split_at(CARD.len() - 1);
    format!("{body}{}", (check.parse::<u32>().unwrap() + by) % 10)
}

/// Nine in ten mistyped numbers carry what could be a version's residue. None passes.
#[test]
fn a_mistyped_card_number_that_carries_a_residue_does_not_pass() {
    let method = global(fpe(card(), Slack));
    for live in 1..=9 {
        let keys = keys_without(live, &[]);
        for by in 1..=9 {
            let value = text(mistyped(by));
            let rule = if by <= live { FaultRule::BadMark } else { FaultRule::CheckDigits };
            let refused = protect(&*method, &value, &context(&keys)).err();
            assert_eq!(refused, Some(rule), "{by} of {live}");
            assert_ne!(method.mark(&value, &context(&keys)), Mark::Plain);
            assert!(method.stored_forms(&value, &context(&keys)).is_err());
        }
    }
    // Where nothing in the value carries a version, valid check digits are all that passes.
    let keys = keys_without(9, &[]);
    for mode in [Pinned, Sidecar, Epoch] {
        let method = global(fpe(card(), mode));
        for by in 1..=9 {
            let value = text(mistyped(by));
            let stated = [Some(version(by))];
            for stated in [&stated[..], &[]] {
                let context = Context { stated, ..context(&keys) };
                let rule = FaultRule::CheckDigits;
                assert_eq!(method.mark(&value, &context), Mark::Neither(rule));
                assert_eq!(protect(&*method, &value, &context).err(), Some(rule));
                assert_eq!(reveal(&*method, &value, &context).err(), Some(rule));
            }
        }
    }
}

/// A format with slots, how many, and a plain value of it.
fn slotted() -> Vec<(Arc<dyn Transform>, u32, Value)> {
    let ranges: Vec<i64> = (1..=5).map(|slot| slot * 1_000_000).collect();
    let small: Vec<i64> = (1..=3).map(|slot| slot * -1_000).collect();
    vec![
        (global(fpe(card(), Slack)), 9, text(CARD)),
        (global(fpe(TemplateSpec::Iban, Slack)), 96, text("DE89370400440532013000")),
        (global(fpe(reserved(0, 999_999, &ranges), Reserved)), 5, Value::number("42")),
        (global(fpe(reserved(0, 999, &small), Reserved)), 3, Value::number("42")),
    ]
}

#[test]
fn the_last_free_slot_is_used_and_none_is_used_twice() {
    for (method, slots, plain) in slotted() {
        assert_eq!(method.slots(), Some(slots));
        let all = keys_without(slots, &[]);
        let last = protect(&*method, &plain, &context(&all)).unwrap();
        let marked = Mark::Protected(Some(version(slots)));
        assert_eq!(method.mark(&last, &context(&all)), marked);
        assert!(reveal(&*method, &last, &context(&all)).unwrap() == plain);
        assert_eq!(method.writes_under(&context(&all)), Ok(version(slots)));
        // The next version would have the slot of the first, which is live.
        let over = keys_without(slots + 1, &[]);
        let refused = protect(&*method, &plain, &context(&over)).err();
        assert_eq!(refused, Some(FaultRule::NoKey));
        assert_eq!(method.writes_under(&context(&over)), Err(FaultRule::NoKey));
        // What is there stays readable, but for the slot that two versions claim.
        assert!(reveal(&*method, &last, &context(&over)).unwrap() == plain);
        let first = keys_without(1, &[]);
        let oldest = protect(&*method, &plain, &context(&first)).unwrap();
        assert!(reveal(&*method, &oldest, &context(&all)).unwrap() == plain);
        assert!(reveal(&*method, &oldest, &context(&over)).is_err());
        // Once the first is destroyed, its slot is free.
        let freed = keys_without(slots + 1, &[1]);
        let token = protect(&*method, &plain, &context(&freed)).unwrap();
        let marked = Mark::Protected(Some(version(slots + 1)));
        assert_eq!(method.mark(&token, &context(&freed)), marked);
        assert!(reveal(&*method, &token, &context(&freed)).unwrap() == plain);
        assert!(reveal(&*method, &oldest, &context(&freed)) != Ok(plain));
    }
}

#[test]
fn a_reserved_range_says_which_version() {
    let method = global(fpe(reserved(0, 999_999, &[1_000_000, 5_000_000]), Reserved));
    let (two, first_gone) = (keys_without(2, &[]), keys_without(2, &[1]));
    let neither = Mark::Neither;
    for (value, keys, expected) in [
        ("42", &two, Mark::Plain),
        ("999999", &two, Mark::Plain),
        ("1000000", &two, Mark::Protected(Some(version(1)))),
        ("1999999", &two, Mark::Protected(Some(version(1)))),
        ("2000000", &two, neither(FaultRule::Range)),
        ("5000000", &two, Mark::Protected(Some(version(2)))),
        ("6000000", &two, neither(FaultRule::Range)),
        ("-1", &two, neither(FaultRule::Range)),
        ("1000000", &first_gone, neither(FaultRule::BadMark)),
        ("042", &two, neither(FaultRule::Structure)),
        ("4.2", &two, neither(FaultRule::Alphabet)),
    ] {
        assert_eq!(method.mark(&Value::number(value), &context(keys)), expected, "{value}");
        assert_eq!(mark(&*method, value, &context(keys)), expected, "{value}");
    }
    let context = context(&two);
    let token = protect(&*method, &Value::number("42"), &context).unwrap();
    assert!(matches!(token, Value::Number(_)));
    assert_eq!(protect(&*method, &token, &context).err(), Some(FaultRule::BadMark), "twice");
    let plain = reveal(&*method, &Value::number("42"), &context).err();
    assert_eq!(plain, Some(FaultRule::NotProtected));
}

#[test]
fn a_header_says_which_version() {
    let method = global(fpe(string("09az", "-", (0, 0), (6, 20)), Header));
    let (three, second_gone) = (keys_without(3, &[]), keys_without(3, &[2]));
    let bad = Mark::Neither(FaultRule::BadMark);
    for (value, keys, expected) in [
        ("abc-123", &three, Mark::Plain),
        ("alf1.1.abc-123", &three, Mark::Protected(Some(version(1)))),
        ("alf1.3.abc-123", &three, Mark::Protected(Some(version(3)))),
        ("alf1.2.abc-123", &second_gone, bad),
        ("alf1.4.abc-123", &three, bad),
        ("alf1.0.abc-123", &three, bad),
        ("alf1.01.abc-123", &three, bad),
        ("alf1.1.ABC-123", &three, bad),
        ("alf1.1.abc", &three, bad),
        ("alf1.1.******", &three, bad),
        ("alf1.1.alf1.1.abc-123", &three, bad),
        ("alf1.1.", &three, bad),
        ("alf1.", &three, bad),
        ("alf1.abc-123", &three, bad),
        ("alf1", &three, Mark::Neither(FaultRule::Length)),
        ("***-123", &three, Mark::Neither(FaultRule::Masked)),
        ("xxxx-123", &three, Mark::Neither(FaultRule::Masked)),
    ] {
        assert_eq!(mark(&*method, value, &context(keys)), expected, "{value}");
        let refused = protect(&*method, &text(value), &context(keys)).err();
        match expected {
            Mark::Protected(_) => assert_eq!(refused, Some(FaultRule::BadMark), "{value}"),
            Mark::Neither(rule) => assert_eq!(refused, Some(rule), "{value}"),
            _ => assert_eq!(refused, None, "{value}"),
        }
    }
    let plain = reveal(&*method, &text("abc-123"), &context(&three)).err();
    assert_eq!(plain, Some(FaultRule::NotProtected));
    // A number cannot carry it, whatever the template takes without one.
    let digits =
        global(fpe(TemplateSpec::Digits { keep: Keep::default(), min: 6, max: 9 }, Header));
    let refused = protect(&*digits, &Value::number("123456"), &context(&three)).err();
    assert_eq!(refused, Some(FaultRule::Kind));
    // An alphabet in which a plain value could begin with the mark.
    let wide = global(fpe(string("..09az", "", (0, 0), (6, 20)), Header));
    let lookalike = text("alf1.2.3abcd");
    assert_eq!(protect(&*wide, &lookalike, &context(&three)).err(), Some(FaultRule::BadMark));
}

#[test]
fn a_batch_of_several_versions_and_lengths_keeps_its_headers() {
    let method = global(fpe(email(EmailPart::Both), Header));
    let all = keys_without(12, &[]);
    let plain: Vec<Value> = (0..60)
        .map(|number| text(format!("user{}@shop.example", 10_u64.pow(number % 7))))
        .collect();
    let mut values = plain.clone();
    for (batch, active) in values.chunks_mut(20).zip([1, 9, 12]) {
        let keys = keys_without(active, &[]);
        let mut batch: Vec<&mut Value> = batch.iter_mut().collect();
        method.protect(&mut batch, &context(&keys)).unwrap();
    }
    assert!(values[59].as_str().unwrap().starts_with("alf1.12."));
    let mut batch: Vec<&mut Value> = values.iter_mut().rev().collect();
    method.reveal(&mut batch, &context(&all)).unwrap();
    assert!(values == plain);
}

#[test]
fn a_sidecar_says_which_version() {
    let (three, second_gone) = (keys_without(3, &[]), keys_without(3, &[2]));
    for (template, plain) in [
        (card(), text(CARD)),
        (births(), text("1984-02-29")),
        (integer(-500, 1_000_000), Value::number("-42")),
    ] {
        let method = global(fpe(template, Sidecar));
        assert!(method.is_marked() && method.slots().is_none());
        let written = context(&three);
        let token = protect(&*method, &plain, &written).unwrap();
        assert_eq!(method.writes_under(&written), Ok(version(3)));
        let beside = |number| [Some(version(number))];
        let (first, second, third, fourth) = (beside(1), beside(2), beside(3), beside(4));
        let read = Context { stated: &third, ..written };
        assert!(reveal(&*method, &token, &read).unwrap() == plain);
        assert_eq!(method.mark(&token, &read), Mark::Protected(Some(version(3))));
        assert_eq!(method.mark(&token, &written), Mark::Plain, "nothing beside it says so");
        // It is not tried with other versions: one that is stated wrongly gives a wrong value.
        let wrong = Context { stated: &first, ..written };
        assert!(reveal(&*method, &token, &wrong).unwrap() != plain);
        for stated in [&[][..], &[None]] {
            let unstated = Context { stated, ..written };
            let refused = reveal(&*method, &token, &unstated).err();
            assert_eq!(refused, Some(FaultRule::NoVersion));
        }
        let again = protect(&*method, &token, &read).err();
        assert_eq!(again, Some(FaultRule::BadMark), "twice");
        for (stated, keys) in [(&fourth, &three), (&second, &second_gone)] {
            let gone = Context { stated, ..context(keys) };
            assert_eq!(method.mark(&token, &gone), Mark::Neither(FaultRule::BadMark));
            assert_eq!(reveal(&*method, &token, &gone).err(), Some(FaultRule::BadMark));
            assert_eq!(protect(&*method, &token, &gone).err(), Some(FaultRule::BadMark));
        }
        assert_eq!(method.stored_forms(&plain, &context(&second_gone)).unwrap().len(), 2);
    }
}

#[test]
fn each_value_of_a_batch_has_its_own_sidecar() {
    let method = global(fpe(births(), Sidecar));
    let plain: Vec<Value> = (10..40).map(|year| text(format!("19{year}-02-28"))).collect();
    let mut values = plain.clone();
    values[3] = Value::Null;
    let mut stated = Vec::new();
    for (at, value) in values.iter_mut().enumerate() {
        let number = 1 + at as u32 % 3;
        let keys = keys_without(number, &[]);
        method.protect(&mut [value], &context(&keys)).unwrap();
        stated.push((at != 3).then_some(version(number)));
    }
    let keys = keys_without(3, &[]);
    let mut batch: Vec<&mut Value> = values.iter_mut().collect();
    let short = Context { stated: &stated[..29], ..context(&keys) };
    let fault = Fault { index: 29, rule: FaultRule::NoVersion };
    assert_eq!(method.reveal(&mut batch, &short), Err(fault));
    let whole = Context { stated: &stated, ..context(&keys) };
    assert_eq!(method.reveal(&mut batch, &whole), Ok(()));
    for (at, (value, plain)) in values.iter().zip(&plain).enumerate() {
        assert!(value == if at == 3 { &Value::Null } else { plain });
    }
}

#[test]
fn an_epoch_is_told_by_the_position() {
    let keys = keys_without(3, &[]);
    let method = global(fpe(births(), Epoch));
    assert!(!method.is_marked());
    let plain = text("1984-02-29");
    let old = keys_without(2, &[]);
    let context = context(&keys);
    let written = Context { pinned: &old, ..context };
    let token = protect(&*method, &plain, &written).unwrap();
    assert_eq!(method.writes_under(&written), Ok(version(2)));
    let second = [Some(version(2))];
    let read = Context { stated: &second, ..context };
    assert!(reveal(&*method, &token, &read).unwrap() == plain);
    for value in [&plain, &token, &Value::Null] {
        assert_eq!(method.mark(value, &read), Mark::Unmarked);
        assert_eq!(method.mark(value, &context), Mark::Unmarked);
    }
    assert_eq!(reveal(&*method, &token, &context).err(), Some(FaultRule::NoVersion));
    let gone = [Some(version(4))];
    let refused = reveal(&*method, &token, &Context { stated: &gone, ..context }).err();
    assert_eq!(refused, Some(FaultRule::BadMark));
    let forms = method.stored_forms(&plain, &context).unwrap();
    assert!(forms.len() == 3 && forms[1] == token);
}

#[test]
fn nobody_else_says_under_what_they_write() {
    let keys = keys_without(2, &[]);
    for method in [MethodSpec::Siv, MethodSpec::Hash, MethodSpec::Redact] {
        let method = global(method);
        assert_eq!(method.writes_under(&context(&keys)), Err(FaultRule::NoVersion));
        assert_eq!(method.slots(), None);
    }
    let method = global(fpe(births(), Sidecar));
    assert_eq!(method.writes_under(&context(&KeySet::default())), Err(FaultRule::NoKey));
    let destroyed = keys_without(2, &[2]);
    let context = Context { newest: &destroyed, ..context(&keys) };
    assert_eq!(method.writes_under(&context), Err(FaultRule::NoKey));
}
