use allonym_seal::Seal;
use allonym_store::{PutOutcome, StoreError};

use super::*;

conformance_async! {
    a_value_gets_one_token,
    domains_do_not_see_each_other,
    lengths_are_limited,
    many_tasks_with_the_same_values_get_the_same_tokens,
    a_reseal_finds_every_old_row_once,
    a_scan_comes_back_to_what_was_not_resealed,
    a_scan_goes_from_version_to_version,
}

async fn a_value_gets_one_token(home: Home) {
    let (store, domain) = with_domain(&home);
    let same_value = TokenRow { token: "another".to_owned(), ..token_row(1) };
    let same_token = TokenRow { token: token_row(1).token, ..token_row(2) };
    let random = TokenRow { lookup: None, token: "random".to_owned(), ..token_row(3) };
    let rows = vec![token_row(1), same_value, same_token, random.clone(), random.clone()];
    let outcomes = store.token_put(domain, rows, now()).await.unwrap();
    let expected = [
        PutOutcome::Inserted,
        PutOutcome::Existing(token_row(1)),
        PutOutcome::TokenTaken,
        PutOutcome::Inserted,
        PutOutcome::TokenTaken,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(store.token_count(domain).await, Ok(2));

    let lookups = vec![token_row(2).lookup.unwrap(), token_row(1).lookup.unwrap()];
    let found = store.token_by_lookup(domain, lookups).await.unwrap();
    assert_eq!(found, [None, Some(token_row(1))]);
    let tokens = vec!["random".to_owned(), "another".to_owned(), token_row(1).token];
    let found = store.token_by_token(domain, tokens).await.unwrap();
    assert_eq!(found, [Some(random), None, Some(token_row(1))]);
    assert_eq!(store.token_put(domain, Vec::new(), now()).await, Ok(Vec::new()));
}

async fn domains_do_not_see_each_other(home: Home) {
    let (store, email) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let phone = store.put_domain("phone", "{}", key).unwrap();
    store.token_put(email, vec![token_row(1)], now()).await.unwrap();
    let found = store.token_by_token(phone, vec![token_row(1).token]).await;
    assert_eq!(found, Ok(vec![None]));
    let same = TokenRow { sealed: b"other".to_vec(), ..token_row(1) };
    assert_eq!(store.token_put(phone, vec![same], now()).await, Ok(vec![PutOutcome::Inserted]));
    let nothing = DomainId::from_bytes([1; 16]);
    let unknown = store.token_put(nothing, vec![token_row(1)], now()).await;
    assert_eq!(unknown, Err(StoreError::UnknownDomain(nothing)));
}

async fn lengths_are_limited(home: Home) {
    let (store, domain) = with_domain(&home);
    let check = async |rows: Vec<TokenRow>| {
        let refused = store.token_put(domain, rows, now()).await;
        assert!(matches!(refused, Err(StoreError::Length { .. })));
    };
    check(vec![TokenRow { token: String::new(), ..token_row(1) }]).await;
    check(vec![token_row(1), TokenRow { token: "t".repeat(4097), ..token_row(2) }]).await;
    check(vec![TokenRow { sealed: Vec::new(), ..token_row(1) }]).await;
    check(vec![TokenRow { sealed: vec![0; 1024 * 1024 + 1], ..token_row(1) }]).await;
    check(vec![token_row(1); 65_537]).await;
    assert_eq!(store.token_count(domain).await, Ok(0));
}

async fn many_tasks_with_the_same_values_get_the_same_tokens(home: Home) {
    let (store, domain) = with_domain(&home);
    let tasks: Vec<_> = (0..16_u32)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut tokens = Vec::new();
                for batch in 0..10_u32 {
                    let rows: Vec<_> = (0..50)
                        .map(|value| TokenRow {
                            token: format!("{task}-{batch}-{value}"),
                            ..token_row(batch * 50 + value)
                        })
                        .collect();
                    let outcomes = store.token_put(domain, rows.clone(), now()).await.unwrap();
                    for (outcome, row) in outcomes.into_iter().zip(rows) {
                        tokens.push(match outcome {
                            PutOutcome::Inserted => row.token,
                            PutOutcome::Existing(existing) => existing.token,
                            PutOutcome::TokenTaken => panic!("tokens differ by task"),
                        });
                    }
                }
                tokens
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(store.token_count(domain).await, Ok(500));
}

async fn a_reseal_finds_every_old_row_once(home: Home) {
    let (store, domain) = with_domain(&home);
    store.rotate(store.keys().unwrap()[0].id, now()).unwrap();
    store.token_put(domain, (0..250).map(token_row).collect(), now()).await.unwrap();
    let newer = (250..300).map(|number| TokenRow { version: 2, ..token_row(number) });
    store.token_put(domain, newer.collect(), now()).await.unwrap();
    let mut found = 0;
    loop {
        let rows = store.token_scan_below(domain, 2, 40).await.unwrap();
        if rows.is_empty() {
            break;
        }
        found += rows.len();
        let resealed = rows
            .into_iter()
            .map(|row| (row.version, TokenRow { version: 2, sealed: b"again".to_vec(), ..row }));
        let resealed: Vec<_> = resealed.collect();
        let count = resealed.len();
        assert_eq!(store.token_reseal(domain, resealed.clone()).await, Ok(count));
        assert_eq!(store.token_reseal(domain, resealed).await, Ok(0), "compared and set");
    }
    assert_eq!(found, 250);
    let row = store.token_by_lookup(domain, vec![token_row(7).lookup.unwrap()]).await.unwrap();
    let expected = TokenRow { version: 2, sealed: b"again".to_vec(), ..token_row(7) };
    assert_eq!(row, [Some(expected)]);
}

async fn a_scan_comes_back_to_what_was_not_resealed(home: Home) {
    let (store, domain) = with_domain(&home);
    store.token_put(domain, (0..10).map(token_row).collect(), now()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let store = store.clone();
        let scan = tokio::spawn(async move { store.token_scan_below(domain, 2, 5).await });
        seen.push(scan.await.unwrap().unwrap());
    }
    assert_eq!(seen[0], (0..5).map(token_row).collect::<Vec<_>>());
    assert_eq!(seen[1], (5..10).map(token_row).collect::<Vec<_>>());
    assert_eq!((&seen[2], &seen[3]), (&seen[0], &seen[1]));
    assert_eq!(store.token_scan_below(domain, 1, 5).await, Ok(Vec::new()));
}

async fn a_scan_goes_from_version_to_version(home: Home) {
    let (store, domain) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let phone = store.put_domain("phone", "{}", key).unwrap();
    for _ in 0..3 {
        store.rotate(key, now()).unwrap();
    }
    // Versions 1, 2 and 4 in turn; none has 3.
    let rows = (0..30)
        .map(|number| TokenRow { version: [1, 2, 4][number as usize % 3], ..token_row(number) });
    let rows: Vec<_> = rows.collect();
    store.token_put(domain, rows.clone(), now()).await.unwrap();
    store.token_put(phone, rows.clone(), now()).await.unwrap();
    let of = |version| rows.iter().filter(move |row| row.version == version).cloned();
    let all: Vec<_> = of(1).chain(of(2)).collect();
    let scan = async |version, limit| store.token_scan_below(domain, version, limit).await.unwrap();
    assert_eq!(scan(4, 7).await, all[..7]);
    assert_eq!(scan(4, 7).await, all[7..14], "over the end of a version");
    assert_eq!(scan(4, 7).await, all[14..]);
    assert_eq!(scan(4, 100).await, all, "from the start again");
    assert_eq!(scan(2, 100).await, of(1).collect::<Vec<_>>());
    assert_eq!(scan(5, 100).await.len(), 20, "it goes on with the next version");
    assert_eq!(scan(u32::MAX, 100).await.len(), 30);
    assert_eq!(scan(1, 100).await, []);
    assert_eq!(scan(0, 100).await, []);
}

/// What a power cut leaves: the files as they are while the store is open.
#[tokio::test]
async fn what_was_acknowledged_is_there_without_a_clean_end() {
    let home = Home::new();
    let (store, domain) = with_domain(&home);
    for batch in 0..20_u32 {
        let rows = (batch * 50..batch * 50 + 50).map(token_row).collect();
        store.token_put(domain, rows, now()).await.unwrap();
    }
    let key = store.keys().unwrap()[0].id;
    let version = store.rotate(key, now()).unwrap();
    store.api_token_put(&api_token("a", "alpha")).unwrap();
    store.api_token_revoke("alpha", now()).unwrap();

    let crashed = home.at("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(home.at("data").join(name), crashed.join(name)).unwrap();
    }
    assert!(std::fs::metadata(crashed.join("store.db-wal")).unwrap().len() > 0);
    let store = Store::open(&crashed.join("store.db"), &home.seals(), now()).unwrap();
    let lookups = (0..1000).map(|number| token_row(number).lookup.unwrap()).collect();
    let found = store.token_by_lookup(domain, lookups).await.unwrap();
    assert_eq!(found, (0..1000).map(|number| Some(token_row(number))).collect::<Vec<_>>());
    assert_eq!(store.keys().unwrap()[0].versions.last().unwrap().version, version);
    assert_eq!(store.api_tokens().unwrap()[0].revoked, Some(now()));
}

#[tokio::test]
async fn nothing_secret_is_on_disk() {
    let home = Home::new();
    let (store, domain) = with_domain(&home);
    let canary = b"canary-4929120000006466";
    store.put_setting("anchor", canary).unwrap();
    let mut token = api_token("a", "alpha");
    token.claims = serde_json::json!({ "x": "canary-4929120000006466" });
    token.hash = *b"canary-4929120000006466-hash-123";
    store.api_token_put(&token).unwrap();
    let key = store.keys().unwrap()[0].id;
    store.rotate(key, now()).unwrap();
    store.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    store.backup(&home.at("data/backup"), now()).unwrap();

    let mut secrets: Vec<Vec<u8>> = vec![canary.to_vec()];
    let set = store.key_set().unwrap();
    for (_, entry) in set.iter() {
        for (_, secret) in entry.versions.values() {
            secrets.push(secret.as_ref().unwrap().expose().to_vec());
        }
    }
    assert_eq!(secrets.len(), 3);
    secrets.push(store.domain_secret(domain).unwrap().expose().to_vec());
    secrets.push(store.subkey(allonym_keyring::Purpose::ApiToken).expose().to_vec());
    let root = {
        let sealed: String = rusqlite::Connection::open(home.path())
            .unwrap()
            .query_row("SELECT wrap FROM seals", [], |row| row.get(0))
            .unwrap();
        let seal = FileSeal::open(home.at("seal.key")).unwrap();
        seal.unwrap(&serde_json::from_str(&sealed).unwrap()).unwrap()
    };
    secrets.push(root.expose().to_vec());
    let check = |bytes: &[u8]| {
        assert!(holds(bytes, b"t000001@allonym.invalid"), "the search finds what is there");
        assert!(!secrets.iter().any(|secret| holds(bytes, secret)));
    };
    check(&bytes_under(&home.at("data")));
    drop(store);
    check(&bytes_under(&home.at("data")));
}
