//! Text with a header, and methods without a way back.

use super::*;

use allonym_protect::Mask;

#[test]
fn a_mark_that_does_not_hold_is_neither_plain_nor_protected() {
    let keys = keys_without(2, &[]);
    let siv = global(MethodSpec::Siv);
    let hash = global(MethodSpec::Hash);
    let name = Value::text("Zoë Müller");
    let sealed = protect(&*siv, &name, &context(&keys)).unwrap();
    let hashed = protect(&*hash, &name, &context(&keys)).unwrap();
    let bad = Mark::Neither(FaultRule::BadMark);
    assert_eq!(siv.mark(&sealed, &context(&keys)), Mark::Protected(Some(version(2))));
    assert_eq!(hash.mark(&hashed, &context(&keys)), Mark::Protected(Some(version(2))));
    assert_eq!(siv.mark(&hashed, &context(&keys)), bad);
    assert_eq!(hash.mark(&sealed, &context(&keys)), bad);

    let elsewhere = Domain { id: DomainId::from_bytes([8; 16]), ..DOMAIN };
    let Method::Pure(other) =
        build(&spec(MethodSpec::Siv, Scope::Global), elsewhere, Means::default()).unwrap()
    else {
        panic!("not a computed method")
    };
    assert_eq!(other.mark(&sealed, &context(&keys)), bad);

    let text = sealed.as_str().unwrap().to_owned();
    for at in 5..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = Value::text(String::from_utf8(bytes).unwrap());
        assert_eq!(siv.mark(&forged, &context(&keys)), bad, "{at}");
        assert_eq!(reveal(&*siv, &forged, &context(&keys)).err(), Some(FaultRule::BadMark));
        assert_eq!(protect(&*siv, &forged, &context(&keys)).err(), Some(FaultRule::BadMark));
    }
    for wrong in ["aln1.", "alh1.", "aln1.AQE", &text[..text.len() - 1], &format!("{text}=")] {
        let wrong = Value::text(wrong);
        for method in [&siv, &hash] {
            assert_eq!(method.mark(&wrong, &context(&keys)), bad);
            assert_eq!(protect(&**method, &wrong, &context(&keys)).err(), Some(FaultRule::BadMark));
        }
    }
    let first_gone = keys_without(3, &[2]);
    assert_eq!(siv.mark(&sealed, &context(&first_gone)), bad);
    assert_eq!(hash.mark(&hashed, &context(&first_gone)), bad);
}

#[test]
fn kinds_are_kept_apart_and_given_back() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    for method in [global(MethodSpec::Siv), global(MethodSpec::Hash)] {
        let values = [
            Value::text("1"),
            Value::number("1"),
            Value::text("true"),
            Value::Bool(true),
            Value::Bool(false),
        ];
        let mut seen = Vec::new();
        for value in values {
            assert_eq!(method.mark(&value, &context), Mark::Plain);
            let protected = protect(&*method, &value, &context).unwrap();
            assert!(matches!(protected, Value::Text(_)));
            assert!(protect(&*method, &value, &context).unwrap() == protected, "deterministic");
            assert!(!seen.contains(&protected));
            if method.is_reversible() {
                assert!(reveal(&*method, &protected, &context).unwrap() == value);
            }
            seen.push(protected);
        }
        for mask in ["***", "Anna*", "•••", "XXX-XX-XXXX"] {
            let mask = Value::text(mask);
            assert_eq!(protect(&*method, &mask, &context).err(), Some(FaultRule::Masked));
            assert_eq!(method.mark(&mask, &context), Mark::Neither(FaultRule::Masked));
        }
    }
    let siv = global(MethodSpec::Siv);
    for plain in [Value::text("Anna"), Value::number("1"), Value::Bool(true)] {
        assert_eq!(reveal(&*siv, &plain, &context).err(), Some(FaultRule::NotProtected));
    }
}

#[test]
fn one_way_methods_have_no_way_back() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let hide = |keep| MethodSpec::Mask(Mask { keep });
    let last = Keep { first: 0, last: 4 };
    for (method, value, expected) in [
        (hide(None), Value::text("Anna"), Value::text("***")),
        (hide(None), Value::number("12"), Value::Null),
        (hide(Some(last)), Value::number("4929120000006466"), Value::text("************6466")),
        (MethodSpec::Redact, Value::text("Anna"), Value::Null),
        (MethodSpec::Redact, Value::Bool(true), Value::Null),
        (MethodSpec::Redact, Value::text(""), Value::text("")),
        (MethodSpec::Replace { with: "gone".to_owned() }, Value::number("7"), Value::text("gone")),
        (MethodSpec::Replace { with: "gone".to_owned() }, Value::Null, Value::Null),
    ] {
        let method = global(method);
        assert!(protect(&*method, &value, &context).unwrap() == expected, "{expected:?}");
        assert_eq!(method.mark(&value, &context), Mark::Unmarked);
        let forms = method.stored_forms(&value, &context);
        assert_eq!(forms.err().map(|fault| fault.rule), Some(FaultRule::NotSearchable));
    }
    let methods = [
        hide(None),
        MethodSpec::Redact,
        MethodSpec::Replace { with: "x".to_owned() },
        MethodSpec::Hash,
    ];
    for method in methods.map(global) {
        let mut values = [Value::Null, Value::text(""), Value::text("***")];
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        let fault = Fault { index: 2, rule: FaultRule::Irreversible };
        assert_eq!(method.reveal(&mut batch, &context), Err(fault));
        assert_eq!(method.reveal(&mut batch[..2], &context), Ok(()));
    }
}
