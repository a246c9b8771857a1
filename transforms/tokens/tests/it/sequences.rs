//! Tokens in the format of their values.

use std::collections::{HashMap, HashSet};

use allonym_tokens::Pressure;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

conformance!(
    cards_keep_their_ends_and_come_back,
    a_number_and_its_text_are_one_value,
    a_number_never_gets_a_leading_zero,
    every_token_is_issued_and_then_no_more,
    what_does_not_suit_one_value_is_anothers,
    a_refused_batch_costs_nothing,
    the_last_numbers_go_to_whom_they_suit,
    numbers_are_not_used_twice,
    a_token_from_elsewhere_is_passed_over,
    searching_takes_no_number,
    formats_hold_for_any_value,
);

fn digits(first: usize, last: usize, min: usize, max: usize) -> TokenTemplate {
    TokenTemplate::Digits { keep: Keep { first, last }, min, max }
}

fn pan(luhn: Luhn) -> TokenTemplate {
    TokenTemplate::Pan { keep: Keep { first: 6, last: 4 }, min: 13, max: 19, luhn }
}

fn is_valid(card: &str) -> bool {
    let sum: u32 = card
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (u32::from(digit - b'0'), at % 2) {
            (digit, 0) => digit,
            (digit, _) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A card number with a valid check digit.
fn card(prefix: &str, number: u64, length: usize) -> String {
    let body = format!("{prefix}{number:0width$}", width = length - 1 - prefix.len());
    (0..10).map(|check| format!("{body}{check}")).find(|card| is_valid(card)).unwrap()
}

async fn cards_keep_their_ends_and_come_back(world: World) {
    let keys = world.keys();
    for (name, luhn) in [("marked", Luhn::Fails), ("unmarked", Luhn::Valid)] {
        let method = world.format(name, pan(luhn));
        let values: Vec<Value> =
            (0..300).map(|n| Value::text(card("492912", n * 7919, 16))).collect();
        let tokens = protect(&method, &values, &context(&keys)).await;
        assert_eq!(method.is_marked(), luhn == Luhn::Fails);
        for (value, token) in values.iter().zip(&tokens) {
            let (value, text) = (value.as_str().unwrap(), token.as_str().unwrap());
            assert_eq!((&value[..6], &value[12..15]), (&text[..6], &text[12..15]));
            assert_eq!((text.len(), is_valid(text)), (16, luhn == Luhn::Valid));
            assert_ne!(value, text);
            let mark = if luhn == Luhn::Fails { Mark::Protected(None) } else { Mark::Unmarked };
            assert_eq!(method.mark(token), mark);
        }
        assert_eq!(texts(&tokens).into_iter().collect::<HashSet<_>>().len(), 300);
        assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
        assert!(protect(&method, &values, &context(&keys)).await == tokens);
        let stranger = match luhn {
            Luhn::Fails => (Value::text("4929120000006467"), FaultRule::BadMark),
            Luhn::Valid => (Value::text("4929120000006466"), FaultRule::NotProtected),
        };
        let found = reveal(&method, std::slice::from_ref(&stranger.0), &context(&keys)).await;
        assert!(found == fault(0, stranger.1));
        let stored = method.is_stored(&[&tokens[0], &stranger.0], &context(&keys)).await;
        assert_eq!(stored, Ok(vec![true, false]));
    }
    let method = world.format("marked", pan(Luhn::Fails));
    let mistyped = [Value::text("4929120000006468")];
    let refused = try_protect(&method, &mistyped, &context(&keys)).await;
    assert!(refused == fault(0, FaultRule::CheckDigits));
}

async fn a_number_and_its_text_are_one_value(world: World) {
    let (method, keys) = (world.format("account", digits(2, 0, 9, 12)), world.keys());
    let both = [Value::number("4821900017"), Value::text("4821900017")];
    let tokens = protect(&method, &both, &context(&keys)).await;
    assert!(matches!((&tokens[0], &tokens[1]), (Value::Number(_), Value::Text(_))));
    assert_eq!(tokens[0].as_str(), tokens[1].as_str());
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == both);
    let forms = method.stored_forms(&[&both[0], &both[1]], &context(&keys)).await;
    assert!(forms.unwrap() == tokens);
    // Digits that no number can be are revealed as text only.
    let zero = [Value::text("0012345678")];
    let token = protect(&method, &zero, &context(&keys)).await.remove(0);
    let unkept = world.format("unkept", digits(0, 0, 9, 12));
    assert!(reveal(&method, std::slice::from_ref(&token), &context(&keys)).await.unwrap() == zero);
    loop {
        let token = protect(&unkept, &zero, &context(&keys)).await.remove(0);
        if token.as_str().is_some_and(|token| !token.starts_with('0')) {
            let number = [Value::number(token.as_str().unwrap())];
            let refused = reveal(&unkept, &number, &context(&keys)).await;
            assert!(refused == fault(0, FaultRule::NotANumber));
            break;
        }
        let name = token.as_str().unwrap();
        world.vault.delete(&world.domain("unkept"), &[name]).await.unwrap();
    }
}

async fn a_number_never_gets_a_leading_zero(world: World) {
    let (method, keys) = (world.format("account", digits(0, 0, 9, 9)), world.keys());
    let values: Vec<Value> =
        (0..200).map(|n| Value::number(format!("{}", 100_000_000 + n))).collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(texts(&tokens).iter().all(|token| !token.starts_with('0')));
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    // A text may have one; the same digits as a number are then refused, and nothing
    // is stored for the others either.
    let mut zero = None;
    for number in 0..200 {
        let text = [Value::text(format!("{}", 200_000_000 + number))];
        if protect(&method, &text, &context(&keys)).await[0].as_str().unwrap().starts_with('0') {
            zero = Some(text[0].as_str().unwrap().to_owned());
            break;
        }
    }
    let before = world.count("account").await;
    let batch = [Value::number("300000000"), Value::number(zero.unwrap())];
    let refused = try_protect(&method, &batch, &context(&keys)).await;
    assert!(refused == fault(1, FaultRule::NotANumber));
    assert_eq!(world.count("account").await, before);
}

/// 100 tokens of two digits: each value gets one until none is left.
async fn every_token_is_issued_and_then_no_more(world: World) {
    let (method, keys) = (world.format("tiny", digits(1, 1, 4, 5)), world.keys());
    let value = |number: usize| Value::text(format!("7{number:02}3"));
    let mut issued = HashMap::new();
    for number in 0..99 {
        let token = protect(&method, &[value(number)], &context(&keys)).await.remove(0);
        let text = token.as_str().unwrap().to_owned();
        assert_ne!(value(number), token);
        assert_eq!((text.len(), &text[..1], &text[3..]), (4, "7", "3"));
        assert!(issued.insert(text, number).is_none());
        // A number that stood for its own value is taken too, and held for another.
        let (taken, domain) = (issued.len() as u64, world.id("tiny"));
        match world.vault.pressure()[..] {
            [] => assert!(taken < 80, "{taken}"),
            [Pressure { domain: of, used, limit: 100 }] => {
                assert!(of == domain && used >= taken.max(80) && taken > 60, "{used} {taken}");
            }
            ref other => panic!("{other:?}"),
        }
    }
    // The last number may be that of the last value itself.
    let last = [value(99)];
    let exhausted = fault(0, FaultRule::Exhausted);
    match try_protect(&method, &last, &context(&keys)).await {
        Ok(token) => {
            assert!(issued.insert(token[0].as_str().unwrap().to_owned(), 99).is_none());
            assert_eq!(issued.len(), 100);
        }
        refused => assert!(refused == exhausted),
    }
    let more = [value(5), Value::text("7123"), Value::text("79993"), value(98)];
    protect(&method, &more, &context(&keys)).await;
    let full = issued.len() as u64;
    world.vault.delete(&world.domain("tiny"), &[issued.keys().next().unwrap()]).await.unwrap();
    // What is deleted is not issued again.
    let value = Value::text(format!("7{:02}3", issued[issued.keys().next().unwrap()]));
    let mut both = [Value::text("79883"), value];
    let mut batch: Vec<&mut Value> = both.iter_mut().collect();
    let refused = method.protect(&mut batch, &context(&keys)).await;
    if full == 100 {
        assert_eq!(refused, fault(1, FaultRule::Exhausted));
        assert!(both[0] == Value::text("79883"));
        let [pressure] = world.vault.pressure()[..] else { panic!("one counter is spent") };
        assert_eq!((pressure.used, pressure.limit), (100, 100));
    }
    for (token, number) in issued.iter().skip(1) {
        let token = [Value::text(token.as_str())];
        let found = reveal(&method, &token, &context(&keys)).await.unwrap();
        assert!(found == [Value::text(format!("7{number:02}3"))]);
    }
}

/// As many values as numbers, of which some stand for a value itself.
async fn what_does_not_suit_one_value_is_anothers(world: World) {
    let (method, keys) = (world.format("tiny", digits(1, 1, 4, 4)), world.keys());
    let values: Vec<Value> = (1..10)
        .flat_map(|first| (0..100).map(move |n| Value::text(format!("{first}{n:02}3"))))
        .collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert_eq!(texts(&tokens).into_iter().collect::<HashSet<_>>().len(), 900);
    assert!(values.iter().zip(&tokens).all(|(value, token)| value != token));
}

/// More values than a counter has numbers left: refused, again and again and over a
/// restart, and all that are left are there for a batch that is smaller by one.
async fn a_refused_batch_costs_nothing(world: World) {
    let mut world = world;
    let texts = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|n| Value::text(format!("{n:04}"))).collect()
    };
    let random = |world: &World, name: &str| {
        world.method(name, digits(0, 0, 4, 4), true, Canonical::Exact, Scope::Global)
    };
    let keys = world.keys();
    // Numbers may be taken ahead for the first, and end with the process: so a restart is
    // between batches only where nothing was taken yet.
    for (name, before, restarts) in [("account", 1000, false), ("card", 0, true)] {
        protect(&random(&world, name), &texts(0, before), &context(&keys)).await;
        let wanted = [texts(0, 1), texts(before, 10_000)].concat();
        for _ in 0..4 {
            let refused = try_protect(&random(&world, name), &wanted, &context(&keys)).await;
            // Whose number is missing depends on which suit whom.
            let Err(VaultedFault::Fault(Fault { index, rule })) = refused else {
                panic!("one is too many")
            };
            assert_eq!((rule, index < wanted.len()), (FaultRule::Exhausted, true));
            if restarts {
                world = world.reopened();
            }
        }
        let tokens = protect(&random(&world, name), &wanted[1..], &context(&keys)).await;
        assert!(tokens.iter().zip(&wanted[1..]).all(|(token, value)| token != value));
        assert_eq!(world.count(name).await, 10_000);
        let refused = try_protect(&random(&world, name), &texts(0, 1), &context(&keys)).await;
        assert!(refused == fault(0, FaultRule::Exhausted));
    }
}

/// Every number of a counter, where a tenth of the tokens suits texts only.
async fn the_last_numbers_go_to_whom_they_suit(world: World) {
    let (method, keys) = (world.format("account", digits(0, 0, 4, 4)), world.keys());
    let values: Vec<Value> =
        (0..10_000)
            .map(|n| {
                if n < 1000 {
                    Value::text(format!("{n:04}"))
                } else {
                    Value::number(format!("{n}"))
                }
            })
            .collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert_eq!(texts(&tokens).into_iter().collect::<HashSet<_>>().len(), 10_000);
    assert!(values.iter().zip(&tokens).all(|(value, token)| value != token));
}

/// Many at once, over two nodes, with a restart in between.
async fn numbers_are_not_used_twice(world: World) {
    let mut world = world;
    let mut all: HashMap<String, String> = HashMap::new();
    for round in 0..3 {
        let neighbour = world.neighbour();
        let mut tasks = Vec::new();
        for task in 0..16 {
            let node = if task % 2 == 0 { &world } else { &neighbour };
            let (method, keys) = (node.format("account", digits(0, 3, 9, 9)), node.keys());
            tasks.push(tokio::spawn(async move {
                let mut pairs = Vec::new();
                for part in 0..4 {
                    // Half of the values are those of all tasks.
                    let values: Vec<Value> = (0..40)
                        .map(|n| if n % 2 == 0 { n } else { 40 + task * 1000 + part * 100 + n })
                        .map(|n| Value::text(format!("{:06}777", n + round * 100_000)))
                        .collect();
                    let tokens = protect(&method, &values, &context(&keys)).await;
                    pairs.extend(values.into_iter().zip(tokens));
                }
                pairs
            }));
        }
        for task in tasks {
            for (value, token) in task.await.unwrap() {
                let (value, token) = (value.as_str().unwrap(), token.as_str().unwrap());
                let known = all.insert(token.to_owned(), value.to_owned());
                assert!(known.is_none_or(|known| known == value), "{token}");
            }
        }
        drop(neighbour);
        world = world.reopened();
    }
    let values: HashSet<&String> = all.values().collect();
    assert_eq!((values.len(), all.len()), (3 * (20 + 16 * 4 * 20), all.len()));
    assert_eq!(world.count("account").await, all.len() as u64);
}

async fn a_token_from_elsewhere_is_passed_over(world: World) {
    let (method, keys) = (world.format("tiny", digits(1, 1, 4, 4)), world.keys());
    let elsewhere = world.format("same", digits(1, 1, 4, 4));
    let domain = world.domain("tiny");
    // Half of the tokens there are.
    let entries = (0..100).filter(|n| n % 2 == 0).map(|n| {
        let value = Value::text(format!("7{:02}3", (n + 1) % 100));
        elsewhere.entry(&value, &format!("7{n:02}3"), "").unwrap()
    });
    let insert = Issue { insert: true, ..Issue::default() };
    let put = world.vault.tokens_for(&domain, &keys, entries.collect(), insert).await.unwrap();
    assert!(put.iter().all(|put| matches!(put, Issued::Token(_))));
    let values: Vec<Value> = (0..100)
        .filter(|n| n % 2 == 0)
        .take(48)
        .map(|n| Value::text(format!("7{n:02}3")))
        .collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert_eq!(texts(&tokens).into_iter().collect::<HashSet<_>>().len(), 48);
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
}

async fn searching_takes_no_number(world: World) {
    let (method, keys) = (world.format("account", digits(0, 0, 6, 9)), world.keys());
    let values = [Value::text("123456"), Value::text("654321")];
    let tokens = protect(&method, &values[..1], &context(&keys)).await;
    let forms = method.stored_forms(&[&values[1], &values[0]], &context(&keys)).await.unwrap();
    assert!(forms[1] == tokens[0] && forms[0] != values[1]);
    assert_eq!(method.mark(&forms[0]), Mark::Unmarked);
    assert_eq!(method.is_stored(&[&forms[0]], &context(&keys)).await, Ok(vec![false]));
    assert_eq!(world.count("account").await, 1);
}

/// Any value inside a format: a token of the format, and the value again.
async fn formats_hold_for_any_value(world: World) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || hold_for_any_value(&world, &runtime)).await.unwrap();
}

fn hold_for_any_value(world: &World, runtime: &tokio::runtime::Handle) {
    let formats = [
        ("marked", pan(Luhn::Fails)),
        ("unmarked", pan(Luhn::Valid)),
        ("digits", digits(2, 1, 6, 20)),
        (
            "letters",
            TokenTemplate::Alphanumeric { keep: Keep { first: 1, last: 2 }, min: 6, max: 40 },
        ),
    ]
    .map(|(name, template)| (name, world.format(name, template)));
    let keys = world.keys();
    let check = |values: Vec<(usize, String, bool)>| {
        for (name, method) in &formats {
            let values: Vec<Value> = values.iter().map(|of| value(name, of)).collect();
            let both = runtime.block_on(async {
                let tokens = try_protect(method, &values, &context(&keys)).await?;
                let revealed = reveal(method, &tokens, &context(&keys)).await?;
                Ok::<_, VaultedFault>((tokens, revealed))
            });
            let failed = |fault| TestCaseError::fail(format!("{name}: {fault}"));
            let (tokens, revealed) = both.map_err(failed)?;
            prop_assert!(revealed == values, "{}", name);
            for (value, token) in values.iter().zip(&tokens) {
                prop_assert!(token != value && token.kind() == value.kind());
                let (value, token) = (value.as_str().unwrap(), token.as_str().unwrap());
                prop_assert_eq!(value.len(), token.len());
                let (first, last) = match *name {
                    "digits" => (2, value.len() - 1..value.len()),
                    "letters" => (1, value.len() - 2..value.len()),
                    _ => (6, value.len() - 4..value.len() - 1),
                };
                prop_assert_eq!(&value[..first], &token[..first]);
                prop_assert_eq!(&value[last.clone()], &token[last]);
                match *name {
                    "marked" => prop_assert!(!is_valid(token)),
                    "unmarked" => prop_assert!(is_valid(token)),
                    "digits" => prop_assert!(token.bytes().all(|byte| byte.is_ascii_digit())),
                    _ => prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric())),
                }
            }
        }
        Ok(())
    };
    let one = (6_usize..=20, "[1-9A-Za-z][0-9A-Za-z]{39}", any::<bool>());
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner.run(&proptest::collection::vec(one, 1..12), check).unwrap();
}

/// A value of a format, out of anything.
fn value(format: &str, (length, characters, number): &(usize, String, bool)) -> Value {
    let digits: String = characters.bytes().map(|byte| char::from(b'1' + (byte % 9))).collect();
    let text = match format {
        "digits" => digits[..*length].to_owned(),
        "letters" => return Value::text(characters[..*length * 2].replace(['X', 'x'], "y")),
        _ => card(&digits[..12], length.to_owned() as u64 % 10, 14 + length % 6),
    };
    if *number { Value::number(text) } else { Value::text(text) }
}
