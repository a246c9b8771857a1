//! Whatever a value holds, there is an answer, and it is the same on every way.

use super::format_vectors::{births, email, integer, reserved, string};
use super::*;

use allonym_protect::EmailPart;
use proptest::prelude::*;

fn methods() -> Vec<Arc<dyn Transform>> {
    use VersionMode::{Epoch, Header, Pinned, Reserved, Sidecar, Slack};
    let words = || string("09AZaz", "._@", (0, 0), (6, 40));
    let pattern = || TemplateSpec::Regex { pattern: "[ -~]{4,19}".to_owned(), max: 19 };
    let ssn = || TemplateSpec::National { id: "us_ssn".to_owned() };
    vec![
        global(pan(Slack)),
        global(pan(Pinned)),
        global(digits(1, 1, 8, 40)),
        global(alphanumeric(1, 1, 8, 40)),
        global(fpe(TemplateSpec::Phone, Pinned)),
        global(fpe(TemplateSpec::Iban, Slack)),
        global(fpe(TemplateSpec::Iban, Pinned)),
        global(MethodSpec::Siv),
        global(MethodSpec::Hash),
        global(MethodSpec::Encrypt),
        global(MethodSpec::Vaultless),
        global(pan(Sidecar)),
        global(pan(Epoch)),
        global(fpe(words(), Header)),
        global(fpe(words(), Sidecar)),
        global(fpe(words(), Pinned)),
        global(fpe(email(EmailPart::Both), Header)),
        global(fpe(email(EmailPart::Local), Pinned)),
        global(fpe(pattern(), Header)),
        global(fpe(pattern(), Epoch)),
        global(fpe(ssn(), Pinned)),
        global(fpe(integer(-1_000, 99_999_999), Sidecar)),
        global(fpe(reserved(0, 999_999, &[1_000_000, 2_000_000]), Reserved)),
        global(fpe(births(), Header)),
        global(fpe(births(), Pinned)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,40}".prop_map(Value::text),
        "[0-9]{6,20}".prop_map(Value::text),
        "\\+[0-9]{5,16}".prop_map(Value::text),
        "[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}".prop_map(Value::text),
        "(DE|FR|GB)[0-9]{2}[0-9]{18,24}".prop_map(Value::text),
        "(aln1|alh1|ale1)\\.[A-Za-z0-9_-]{0,60}".prop_map(Value::text),
        "alf1\\.[0-9]{1,2}\\.[A-Za-z0-9_-]{0,20}".prop_map(Value::text),
        "(tkv1_|TKV1_|tok_|TOK_)[0-9a-z]{0,60}".prop_map(Value::text),
        "tok_0{24}[0-9a-z]{0,4}".prop_map(Value::text),
        "tok_0{28}".prop_map(Value::text),
        "0{18}@(allonym\\.invalid|ALLONYM\\.INVALID)".prop_map(Value::text),
        "[a-z0-9.]{1,20}@[a-z]{1,10}\\.[a-z]{2,3}".prop_map(Value::text),
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(Value::text),
        "[0-9]{3}-[0-9]{2}-[0-9]{4}".prop_map(Value::text),
        "[0-9*Xx•]{6,20}".prop_map(Value::text),
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?".prop_map(Value::number),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_value_gets_an_answer(value in value()) {
        let keys = keys_without(3, &[1]);
        let context = context(&keys);
        for method in methods() {
            let mark = method.mark(&value, &context);
            let protected = protect(&*method, &value, &context);
            let revealed = reveal(&*method, &value, &context);
            let forms = method.stored_forms(&value, &context);
            if value.is_empty() {
                prop_assert!(protected == Ok(value.clone()) && revealed == Ok(value.clone()));
                continue;
            }
            match mark {
                Mark::Plain => {
                    let refused = protected.as_ref().err();
                    prop_assert!(refused.is_none() || refused == Some(&FaultRule::NotANumber));
                    prop_assert!(matches!(revealed, Err(FaultRule::NotProtected | FaultRule::Irreversible | FaultRule::NoVersion)));
                }
                Mark::Protected(_) => prop_assert_eq!(protected.clone().err(), Some(FaultRule::BadMark)),
                Mark::Neither(rule) => {
                    prop_assert_eq!(protected.clone().err(), Some(rule));
                    prop_assert!(revealed.is_err());
                }
                Mark::Unmarked => {}
            }
            prop_assert!(forms.is_err() || protected != Err(FaultRule::BadMark));
            if let Ok(token) = protected {
                // What a connector keeps beside the value; the modes that need none pass it over.
                let beside = [method.writes_under(&context).ok()];
                let mark = method.mark(&token, &Context { stated: &beside, ..context });
                if method.is_marked() {
                    prop_assert!(matches!(mark, Mark::Protected(_)));
                    let bare = method.mark(&token, &context) == Mark::Plain;
                    prop_assert!(bare || token != value);
                } else {
                    // FF1 maps one value of 10^6 to itself, so the two may be equal.
                    prop_assert_eq!(mark, Mark::Unmarked);
                }
            }
        }
    }
}

#[test]
fn no_key_is_a_fault_and_an_empty_batch_is_none() {
    let none = KeySet::default();
    for method in methods() {
        let mut values = [Value::Null, Value::text("")];
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        assert_eq!(method.protect(&mut batch, &context(&none)), Ok(()));
        assert_eq!(method.protect(&mut [], &context(&none)), Ok(()));
        assert_eq!(method.reveal(&mut [], &context(&none)), Ok(()));
        let card = Value::text("4929120000006466");
        assert!(protect(&*method, &card, &context(&none)).is_err());
    }
    let siv = global(MethodSpec::Siv);
    let refused = protect(&*siv, &Value::text("a"), &context(&none)).err();
    assert_eq!(refused, Some(FaultRule::NoKey));
}
