//! Tokens move in and out.

use std::collections::HashSet;

use allonym_tokens::{Exporter, ImportError, Imported, Importer, Metadata, Summary};

use super::*;

conformance!(
    what_is_exported_is_imported_as_it_was,
    claims_move_with_their_tokens,
    a_line_has_what_its_kind_has,
    what_a_file_says_is_about_others_too_is_shared,
    another_end_or_state_is_a_conflict,
    lines_are_reported_one_by_one,
    an_import_goes_on_where_it_ended,
    random_tokens_are_there_already,
    a_tenant_moves_only_its_own,
    what_was_imported_is_never_issued_again,
    a_line_that_conflicts_takes_no_token_away,
    a_file_that_is_cut_is_noticed,
    what_is_no_such_file_is_refused,
);

async fn export(world: &World, method: &Vaulted) -> String {
    let keys = world.keys();
    let mut exporter = Exporter::new(&world.vault, method, &keys);
    let mut all = String::new();
    while let Some(page) = exporter.page().await.unwrap() {
        all.push_str(std::str::from_utf8(&page).unwrap());
    }
    all
}

/// Whatever the pieces: the outcome of each line.
async fn import(
    world: &World,
    method: &Vaulted,
    text: &str,
    piece: usize,
) -> (Result<Summary, ImportError>, Vec<(u64, Imported)>) {
    let keys = world.keys();
    let mut told = Vec::new();
    let mut report = |line, outcome| told.push((line, outcome));
    let mut importer = Importer::new(&world.vault, method, &keys);
    for piece in text.as_bytes().chunks(piece) {
        if let Err(error) = importer.push(piece, &mut report).await {
            return (Err(error), told);
        }
    }
    let end = importer.finish(&mut report).await;
    told.sort_by_key(|(line, _)| *line);
    (end, told)
}

async fn what_is_exported_is_imported_as_it_was(world: World) {
    let keys = world.keys();
    let tenants = || Scope::Tenant("tenant".into());
    let method = world.method("note", TokenTemplate::Plain, false, Canonical::Exact, tenants());
    let method = method.with_ttl(Some(Duration::from_secs(3600)));
    let of = |tenant| Context { tenant: Some(tenant), ..about(&keys, "customer-17") };
    let mut values = emails(1200);
    values.extend([Value::number("-0.10"), Value::Bool(true), Value::text("\u{1}\"\n\\ ü")]);
    let tokens = protect(&method, &values, &of("a")).await;
    protect(&method, &values[..10], &of("b")).await;
    let domain = world.domain("note");
    let meta = Metadata::from([("owner".to_owned(), "billing".to_owned())]);
    let (names, vault) = (texts(&tokens), &world.vault);
    vault.set_metadata(&domain, &keys, &[(names[1], meta.clone())]).await.unwrap();
    vault.set_disabled(&domain, &names[2..3], true).await.unwrap();
    vault.set_expiry(&domain, &names[3..4], None).await.unwrap();
    let states = vault.states(&domain, &names).await.unwrap();
    let text = export(&world, &method).await;
    assert!(text.ends_with("{\"end\":true,\"lines\":1213}\n"));
    let header = format!(
        "{{\"format\":\"allonym-tokens\",\"version\":1,\"domain\":\"{}\",\"created\":",
        domain.domain.id
    );
    assert!(text.starts_with(&header), "{}", &text[..150]);
    let (again, _) = import(&world, &method, &text, 1 << 20).await;
    assert_eq!(again, Ok(Summary { already: 1213, ..Summary::default() }));
    // Everything is deleted and comes back.
    let all: Vec<String> = world
        .store
        .token_page(domain.domain.id, None, 5000)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.token)
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    vault.delete(&domain, &all).await.unwrap();
    let (back, told) = import(&world, &method, &text, 7919).await;
    assert_eq!(back, Ok(Summary { imported: 1213, ..Summary::default() }));
    assert_eq!((told.len(), told[0].0, told[1212].0), (1213, 2, 1214));
    assert_eq!(vault.states(&domain, &names).await.unwrap(), states);
    assert_eq!(vault.metadata(&domain, &keys, &names[1..2]).await, Ok(vec![Some(meta)]));
    assert!(reveal(&method, &tokens[3..], &of("a")).await.unwrap() == values[3..]);
    assert!(protect(&method, &values[3..], &of("a")).await == tokens[3..]);
    let owner = Owner { tenant: "b", subject: "customer-17" };
    assert_eq!(vault.erase(&domain, owner).await.unwrap().receipt.deleted, 10);
    assert_eq!(text.lines().count(), export(&world, &method).await.lines().count() + 10);
}

async fn claims_move_with_their_tokens(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let tokens = protect(&method, &emails(1), &about(&keys, "a")).await;
    protect(&method, &emails(1), &about(&keys, "b")).await;
    let text = export(&world, &method).await;
    assert!(!text.contains('\u{1}') && text.lines().count() == 5);
    // Whom it is about is a hash under the domain's own key.
    let other = world.plain("other");
    let (_, told) = import(&world, &other, &text, 100).await;
    assert!(told.iter().all(|(_, told)| matches!(told, Imported::Invalid(_))));
    let rows = world.store.token_page(domain.domain.id, None, 100).await.unwrap();
    let names = rows.into_iter().map(|row| row.token).collect();
    world.store.token_delete(domain.domain.id, names).await.unwrap();
    let (back, _) = import(&world, &method, &text, 100).await;
    assert_eq!(back, Ok(Summary { imported: 3, ..Summary::default() }));
    for subject in ["a", "b"] {
        let erased = world.vault.erase(&domain, Owner { tenant: "", subject }).await.unwrap();
        assert_eq!(erased.shared, texts(&tokens));
    }
}

/// A claim is one to a token of this class, and no line has what another kind of line has.
async fn a_line_has_what_its_kind_has(world: World) {
    let scope = Scope::Tenant("tenant".into());
    let tenants = world.method("tenants", TokenTemplate::Plain, false, Canonical::Exact, scope);
    let cards =
        world.format("cards", TokenTemplate::Digits { keep: Keep::default(), min: 4, max: 9 });
    let plain = world.plain("note");
    let good = format!("tok_{}", token(1));
    let subject = "00112233445566778899aabbccddeeff";
    let claim = |token: &str, more: &str| {
        format!("{{\"claim\":\"{subject}\",\"token\":\"{token}\"{more}}}")
    };
    let row = |more: &str| format!("{{\"token\":\"{good}\",\"value\":\"v\"{more}}}");
    let long = "7".repeat(5000);
    for (method, line, expected) in [
        (&plain, claim(&long, ""), "its token is none"),
        (&plain, claim("a\\u0000b", ""), "its token is none"),
        (&plain, claim("", ""), "its token is none"),
        (&plain, claim("1234", ""), "its token is none"),
        (&plain, claim(&good.to_uppercase(), ""), "its token is none"),
        (&cards, claim(&long, ""), "its token is none"),
        (&cards, claim("12a4", ""), "its token is none"),
        (&plain, claim(&good, ",\"tenant\":\"a\""), "tenant"),
        (&tenants, claim(&good, ""), "tenant"),
        (&plain, claim(&good, ",\"value\":\"v\""), "nothing of a token"),
        (&plain, claim(&good, ",\"kind\":\"text\""), "nothing of a token"),
        (&plain, claim(&good, ",\"created\":1"), "nothing of a token"),
        (&plain, claim(&good, ",\"expires\":1"), "nothing of a token"),
        (&plain, claim(&good, ",\"disabled\":true"), "nothing of a token"),
        (&plain, claim(&good, ",\"subject\":\"a\""), "nothing of a token"),
        (&plain, claim(&good, ",\"shared\":true"), "nothing of a token"),
        (&plain, claim(&good, ",\"meta\":{\"a\":\"b\"}"), "nothing of a token"),
        (&plain, claim(&good, "").replace(subject, &"f".repeat(32)), "no claim"),
        (&plain, claim(&good, "").replace(subject, "0011"), "no claim"),
        (&plain, claim(&good, ",\"end\":false"), "`end` and `lines`"),
        (&plain, row(",\"end\":false"), "`end` and `lines`"),
        (&plain, row(",\"end\":true,\"lines\":1"), "`end` and `lines`"),
        (&plain, row(",\"lines\":1"), "`end` and `lines`"),
        (&plain, row(&format!(",\"subject_hash\":\"{}\"", "f".repeat(32))), "no hash"),
        (&plain, row(""), ""),
        (&plain, claim(&good, ""), ""),
        (&tenants, claim(&good, ",\"tenant\":\"a\""), ""),
        (&cards, claim("1234", ""), ""),
    ] {
        let header = format!(
            "{{\"format\":\"allonym-tokens\",\"version\":1,\"domain\":\"{}\"}}",
            method.domain().domain.id
        );
        let text = format!("{header}\n{line}\n{{\"end\":true,\"lines\":1}}\n");
        let (end, told) = import(&world, method, &text, 1 << 20).await;
        let end = end.unwrap();
        match &told[..] {
            [(2, Imported::Invalid(rule))] => {
                assert!(!expected.is_empty() && rule.contains(expected), "{line:.99}: {rule}");
            }
            told => assert!(expected.is_empty() && end.imported == 1, "{line:.99}: {told:?}"),
        }
    }
}

/// The row is about one, the file says another: erasing either of them leaves it.
async fn what_a_file_says_is_about_others_too_is_shared(world: World) {
    let keys = world.keys();
    for (random, name) in [(false, "convergent"), (true, "random")] {
        let scope = Scope::Global;
        let method = world.method(name, TokenTemplate::Plain, random, Canonical::Exact, scope);
        let domain = world.domain(name);
        let tokens = protect(&method, &emails(4), &about(&keys, "a")).await;
        let unnamed = protect(&method, &[Value::text("nobody's")], &context(&keys)).await;
        let text = export(&world, &method).await;
        let names = texts(&tokens);
        let line = |token: &str, more: &str| -> String {
            let line = text.lines().find(|line| line.contains(token)).unwrap();
            let (line, _) = line.split_once(",\"subject_hash\"").unwrap_or((line, ""));
            format!("{}{more}}}\n", line.trim_end_matches('}'))
        };
        let header = text.lines().next().unwrap();
        let lines = [
            line(names[0], ",\"subject\":\"b\""),
            line(names[1], ",\"shared\":true"),
            line(names[2], ",\"subject\":\"a\""),
            line(names[3], ""),
            line(unnamed[0].as_str().unwrap(), ",\"subject\":\"b\""),
        ];
        let file = format!("{header}\n{}{{\"end\":true,\"lines\":5}}\n", lines.concat());
        for _ in 0..2 {
            let (end, told) = import(&world, &method, &file, 1 << 20).await;
            assert_eq!(end, Ok(Summary { already: 5, ..Summary::default() }), "{name}: {told:?}");
        }
        let sorted = |tokens: &[&str]| {
            let mut tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
            tokens.sort_unstable();
            tokens
        };
        for (subject, deleted, left) in [
            ("b", 0, sorted(&[names[0], unnamed[0].as_str().unwrap()])),
            ("a", 2, sorted(&names[..2])),
        ] {
            let owner = Owner { tenant: "", subject };
            let erased = world.vault.erase(&domain, owner).await.unwrap();
            assert_eq!(
                (erased.receipt.deleted, erased.shared),
                (deleted, left),
                "{name} {subject}"
            );
        }
        assert!(reveal(&method, &tokens[..2], &context(&keys)).await.unwrap() == emails(2));
    }
}

async fn another_end_or_state_is_a_conflict(world: World) {
    let (method, keys, domain) = (world.plain("note"), world.keys(), world.domain("note"));
    let tokens = protect(&method, &emails(3), &about(&keys, "a")).await;
    let names = texts(&tokens);
    let before = export(&world, &method).await;
    world.vault.set_disabled(&domain, &names[..1], true).await.unwrap();
    let end = world.now() + Duration::from_secs(3600);
    world.vault.set_expiry(&domain, &names[1..2], Some(end)).await.unwrap();
    let states = world.vault.states(&domain, &names).await.unwrap();
    let (end, _) = import(&world, &method, &before, 1 << 20).await;
    assert_eq!(end, Ok(Summary { already: 1, conflict: 2, ..Summary::default() }));
    assert_eq!(world.vault.states(&domain, &names).await.unwrap(), states);
    let after = export(&world, &method).await;
    let (end, _) = import(&world, &method, &after, 1 << 20).await;
    assert_eq!(end, Ok(Summary { already: 3, ..Summary::default() }));
}

const HEADER: &str = "{\"format\":\"allonym-tokens\",\"version\":1}";

async fn lines_are_reported_one_by_one(world: World) {
    let method = world.format("account", {
        TokenTemplate::Digits { keep: Keep { first: 1, last: 0 }, min: 6, max: 9 }
    });
    let keys = world.keys();
    let invalid = || Imported::Invalid(String::new());
    let lines = [
        (r#"{"token":"199991","value":"100001"}"#, Imported::Imported),
        (r#"{"token":"199991","value":"100001"}"#, Imported::Already),
        (r#"{"token":"199992","value":"100001"}"#, Imported::Conflict),
        (r#"{"token":"199991","value":"100002"}"#, Imported::Taken),
        // Tokens of others need not keep what ours do.
        (
            r#"{"token":"999999999","kind":"number","value":"100003","subject":"a"}"#,
            Imported::Imported,
        ),
        (r#"{"token":"12","value":"100004"}"#, invalid()),
        (r#"{"token":"100005","value":"100005"}"#, invalid()),
        (r#"{"token":"199996","value":"12"}"#, invalid()),
        (r#"{"token":"199997","value":"100007","kind":"nothing"}"#, invalid()),
        (r#"{"token":"199997","kind":"number","value":" 100007"}"#, invalid()),
        (r#"{"token":"199998"}"#, invalid()),
        (r#"{"token":"199998","value":"100008","more":1}"#, invalid()),
        (r#"{"token":"199998","value":"100008","tenant":"a"}"#, invalid()),
        (r#"{"token":"199998","value":"100008","subject":""}"#, invalid()),
        (
            r#"{"token":"199998","value":"100008","subject_hash":"00112233445566778899aabbccddeeff"}"#,
            invalid(),
        ),
        (r#"{"token":"199998","value":"100008","subject":"a","shared":true}"#, invalid()),
        (r#"{"claim":"00112233445566778899aabbccddeeff","token":"199998"}"#, invalid()),
        ("not JSON", invalid()),
        ("", invalid()),
        (
            r#"{"token":"199999","value":"100009","disabled":true,"meta":{"from":"elsewhere"}}"#,
            Imported::Imported,
        ),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let text = format!("{HEADER}\n{text}{{\"end\":true,\"lines\":{}}}", lines.len());
    for piece in [1, 13, 1 << 20] {
        let (end, told) = import(&world, &method, &text, piece).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(told.len(), lines.len());
        for ((at, told), (line, expected)) in told.into_iter().zip(&lines) {
            let right = match (&told, expected) {
                (Imported::Invalid(rule), Imported::Invalid(_)) => !rule.contains("1000"),
                (Imported::Already, Imported::Imported) if piece > 1 => true,
                (told, expected) => told == expected,
            };
            assert!(right, "line {at}: {line}: {told:?}");
        }
    }
    // With what is kept of the three tokens that no counter may issue.
    assert_eq!(world.count("account").await, 6);
    let tokens = [Value::text("199991"), Value::number("999999999")];
    let values = [Value::text("100001"), Value::number("100003")];
    assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values);
    assert!(protect(&method, &values, &context(&keys)).await == tokens);
    let off = [Value::text("199999")];
    assert!(reveal(&method, &off, &context(&keys)).await == fault(0, FaultRule::Disabled));
    let owner = Owner { tenant: "", subject: "a" };
    let erased = world.vault.erase(&world.domain("account"), owner).await.unwrap();
    assert_eq!(erased.receipt.deleted, 1);
}

fn file(lines: usize) -> String {
    let line = |n: usize| format!("{{\"token\":\"tok_{}\",\"value\":\"v{n}\"}}\n", token(n));
    let lines_text: String = (0..lines).map(line).collect();
    format!("{HEADER}\n{lines_text}{{\"end\":true,\"lines\":{lines}}}\n")
}

/// Digits of a well-formed token: published vectors are multiples of one another.
fn token(number: usize) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let times = |left: usize, right: usize| {
        let product =
            (0..5).filter(|bit| right >> bit & 1 == 1).fold(0, |sum, bit| sum ^ left << bit);
        (5..10).rev().fold(product, |sum: usize, bit| {
            if sum >> bit & 1 == 1 { sum ^ 0b10_0101 << (bit - 5) } else { sum }
        })
    };
    let symbols: Vec<usize> =
        (0..26).map(|at| if at < 4 { number >> (5 * at) & 31 } else { 0 }).collect();
    let check = symbols.iter().fold([0, 0], |[high, low], symbol| {
        let out = high ^ symbol;
        [low ^ times(out, 6), times(out, 8)]
    });
    symbols.iter().chain(&check).map(|symbol| char::from(DIGITS[*symbol])).collect()
}

async fn an_import_goes_on_where_it_ended(world: World) {
    let (method, keys) = (world.plain("note"), world.keys());
    let text = file(2500);
    let cut = &text[..text.len() / 2];
    let (end, told) = import(&world, &method, cut, 10_000).await;
    assert_eq!(end, Err(ImportError::Cut));
    // The last line of what there was is half a line.
    let invalid = told.iter().filter(|(_, told)| matches!(told, Imported::Invalid(_))).count();
    let stored = u64::try_from(told.len() - invalid).unwrap();
    assert!(invalid <= 1 && stored > 1000);
    assert_eq!(world.count("note").await, stored);
    let (end, _) = import(&world, &method, &text, 10_000).await;
    let expected = Summary { already: stored, imported: 2500 - stored, ..Summary::default() };
    assert_eq!(end, Ok(expected));
    let last = [Value::text(format!("tok_{}", token(2499)))];
    assert!(reveal(&method, &last, &context(&keys)).await.unwrap() == [Value::text("v2499")]);
}

async fn random_tokens_are_there_already(world: World) {
    let scope = Scope::Global;
    let method = world.method("note", TokenTemplate::Plain, true, Canonical::Exact, scope);
    for expected in [
        Summary { imported: 5, ..Summary::default() },
        Summary { already: 5, ..Summary::default() },
    ] {
        assert_eq!(import(&world, &method, &file(5), 100).await.0, Ok(expected));
    }
    let other = file(5).replace("v3", "other");
    let expected = Summary { already: 4, taken: 1, ..Summary::default() };
    assert_eq!(import(&world, &method, &other, 100).await.0, Ok(expected));
}

async fn a_file_that_is_cut_is_noticed(world: World) {
    let method = world.plain("note");
    let text = file(3);
    for (cut, expected) in [
        (text.trim_end().to_owned(), Ok(3)),
        (format!("{text}\n \n"), Ok(3)),
        (text.replace("\"lines\":3", "\"lines\":4"), Err(ImportError::Cut)),
        (text.replace("\"lines\":3", "\"lines\":2"), Err(ImportError::Cut)),
        (text[..text.rfind("{\"end").unwrap()].to_owned(), Err(ImportError::Cut)),
        (String::new(), Err(ImportError::Cut)),
        (HEADER.to_owned(), Err(ImportError::Cut)),
        (format!("{text}{text}"), Err(ImportError::AfterEnd(6))),
    ] {
        let (end, _) = import(&world, &method, &cut, 50).await;
        assert_eq!(end.map(|end| end.imported + end.already), expected, "{cut}");
    }
    // Every place at which a file can be cut.
    for at in 0..text.len() - 1 {
        let (end, _) = import(&world, &method, &text[..at], 4096).await;
        assert!(end.is_err(), "{at}: {end:?}");
    }
}

async fn what_is_no_such_file_is_refused(world: World) {
    let method = world.plain("note");
    for wrong in [
        "{\"format\":\"other\",\"version\":1}\n",
        "{\"format\":\"allonym-tokens\",\"version\":2}\n",
        "{\"format\":\"allonym-tokens\",\"version\":1,\"more\":2}\n",
        "\n",
        "tok_1,value\n",
    ] {
        let (end, told) = import(&world, &method, wrong, 100).await;
        assert_eq!((end, told), (Err(ImportError::Header), Vec::new()), "{wrong}");
    }
    let long = format!("{HEADER}\n{}", "x".repeat(3 << 20));
    assert_eq!(import(&world, &method, &long, 1 << 16).await.0, Err(ImportError::Long(2)));
    assert_eq!(world.count("note").await, 0);
}

async fn a_tenant_moves_only_its_own(world: World) {
    let keys = world.keys();
    let scope = Scope::Tenant("tenant".into());
    let method = world.method("note", TokenTemplate::Plain, false, Canonical::Exact, scope);
    for tenant in ["a", "b"] {
        for subject in ["17", "18"] {
            let context = Context { tenant: Some(tenant), ..about(&keys, subject) };
            protect(&method, &emails(3), &context).await;
        }
    }
    let mut exporter = Exporter::new(&world.vault, &method, &keys).of_tenant("a");
    let mut text = String::new();
    while let Some(page) = exporter.page().await.unwrap() {
        text.push_str(std::str::from_utf8(&page).unwrap());
    }
    // Three tokens, and a claim of each subject to each.
    assert!(text.ends_with("{\"end\":true,\"lines\":9}\n"));
    assert!(!text.contains("\"tenant\":\"b\""));
    for (tenant, already, invalid) in [("a", 9, 0), ("b", 0, 9)] {
        let mut importer = Importer::new(&world.vault, &method, &keys).of_tenant(tenant);
        importer.push(text.as_bytes(), &mut |_, _| {}).await.unwrap();
        let summary = importer.finish(&mut |_, _| {}).await;
        assert_eq!(summary, Ok(Summary { already, invalid, ..Summary::default() }));
    }
}

async fn what_was_imported_is_never_issued_again(world: World) {
    let method = world.format("tiny", {
        TokenTemplate::Digits { keep: Keep { first: 1, last: 1 }, min: 4, max: 4 }
    });
    let (keys, domain) = (world.keys(), world.domain("tiny"));
    let elsewhere: Vec<String> = (0..50).map(|n| format!("7{n:02}3")).collect();
    let lines: Vec<String> = (0..50)
        .map(|n| format!("{{\"token\":\"7{n:02}3\",\"value\":\"7{:02}3\"}}\n", n + 50))
        .collect();
    let text = format!("{HEADER}\n{}{{\"end\":true,\"lines\":50}}\n", lines.concat());
    let (end, _) = import(&world, &method, &text, 1000).await;
    assert_eq!(end, Ok(Summary { imported: 50, ..Summary::default() }));
    let gone: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    assert_eq!(world.vault.delete(&domain, &gone).await, Ok(vec![true; 50]));
    assert_eq!(export(&world, &method).await.lines().count(), 2);
    let values: Vec<Value> = (0..45).map(|n| Value::text(format!("7{n:02}3"))).collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    assert!(texts(&tokens).iter().all(|token| !gone.contains(token)));
}

/// Of a line that changes nothing nothing is kept: the last free token is not lost to it.
async fn a_line_that_conflicts_takes_no_token_away(world: World) {
    let method = world.format("tiny", {
        TokenTemplate::Digits { keep: Keep { first: 1, last: 1 }, min: 4, max: 4 }
    });
    let keys = world.keys();
    let values: Vec<Value> = (0..99).map(|n| Value::text(format!("7{n:02}3"))).collect();
    let tokens = protect(&method, &values, &context(&keys)).await;
    let taken: HashSet<&str> = texts(&tokens).into_iter().collect();
    let free = (0..100).map(|n| format!("7{n:02}3")).find(|token| !taken.contains(&**token));
    let free = free.unwrap();
    let rows = world.count("tiny").await;
    // Of a value that has another token; one that is the token itself would be invalid.
    let value = if free == "7003" { "7013" } else { "7003" };
    let line = format!("{{\"token\":\"{free}\",\"value\":\"{value}\"}}\n");
    let text = format!("{HEADER}\n{line}{{\"end\":true,\"lines\":1}}\n");
    let (end, _) = import(&world, &method, &text, 1000).await;
    assert_eq!(end, Ok(Summary { conflict: 1, ..Summary::default() }));
    assert_eq!(world.count("tiny").await, rows);
    // A value is never its own token.
    if free != "7993" {
        let last = protect(&method, &[Value::text("7993")], &context(&keys)).await;
        assert_eq!(texts(&last), [free]);
    }
}
