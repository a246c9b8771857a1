//! What only a store in PostgreSQL does: many have it open.

use std::collections::{BTreeMap, BTreeSet};

use allonym_keyring::{KeyVersion, Keyring};
use allonym_store::PutOutcome;

use super::*;

fn version(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

#[test]
fn many_open_and_migrate_at_once() {
    let home = Home::in_postgres();
    let opened: Vec<Store> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| home.open())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let key = opened[0].ensure_key("contact", None, now()).unwrap();
    let keys: BTreeSet<_> = std::thread::scope(|scope| {
        let ensure = |store: &Store| store.ensure_key("pan", None, now()).unwrap();
        let threads: Vec<_> =
            opened.iter().map(|store| scope.spawn(move || ensure(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().to_string()).collect()
    });
    assert_eq!(keys.len(), 1, "made once");
    for store in &opened {
        assert_eq!(store.seals().unwrap().len(), 1);
        assert_eq!(store.keys(), opened[0].keys());
    }
    let rotated: BTreeSet<_> = std::thread::scope(|scope| {
        let rotate = |store: &Store| store.rotate(key, now()).unwrap().number();
        let threads: Vec<_> =
            opened.iter().map(|store| scope.spawn(move || rotate(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(rotated, (2..10).collect(), "each rotation has a number of its own");
}

#[tokio::test]
async fn a_node_sees_what_another_makes() {
    let home = Home::in_postgres();
    let (one, other) = (home.open(), home.open());
    let key = one.ensure_key("contact", None, now()).unwrap();
    let domain = one.put_domain("email", SPEC, key).unwrap();
    assert_eq!(other.token_count(domain).await, Ok(0));
    other.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    let found = one.token_by_token(domain, vec![token_row(1).token]).await;
    assert_eq!(found, Ok(vec![Some(token_row(1))]));
    other.rotate(key, now()).unwrap();
    assert_eq!(one.key_set().unwrap().live(key).len(), 2);
    let nothing = DomainId::from_bytes([1; 16]);
    assert_eq!(other.token_count(nothing).await, Err(StoreError::UnknownDomain(nothing)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_writers_on_two_nodes_give_a_value_one_token() {
    let home = Home::in_postgres();
    let (one, domain) = with_domain(&home);
    let other = home.open();
    let writer = |number: u32| {
        let store = if number < 8 { one.clone() } else { other.clone() };
        // Each meets the values in an order of its own, and draws tokens that collide.
        let draw = move |value: u32, try_: u32| {
            let token = format!("token {}", (value * 7 + number * 13 + try_ * 31) % 700);
            TokenRow { token, ..token_row(value) }
        };
        tokio::spawn(async move {
            let mut tokens = BTreeMap::new();
            let mut left: Vec<u32> = (0..300).collect();
            if number.is_multiple_of(3) {
                left.reverse();
            }
            for try_ in 0.. {
                let mut again = Vec::new();
                for batch in left.chunks(60) {
                    let rows: Vec<_> = batch.iter().map(|value| draw(*value, try_)).collect();
                    let outcomes = store.token_put(domain, rows.clone(), now()).await.unwrap();
                    for ((outcome, row), value) in outcomes.into_iter().zip(rows).zip(batch) {
                        match outcome {
                            PutOutcome::Inserted => drop(tokens.insert(*value, row.token)),
                            PutOutcome::Existing(row) => drop(tokens.insert(*value, row.token)),
                            PutOutcome::TokenTaken => again.push(*value),
                        }
                    }
                }
                if again.is_empty() {
                    return tokens;
                }
                left = again;
            }
            tokens
        })
    };
    let writers: Vec<_> = (0..16).map(writer).collect();
    let mut answers = Vec::new();
    for writer in writers {
        answers.push(writer.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one token for a value");
    let tokens: BTreeSet<_> = answers[0].values().collect();
    assert_eq!((answers[0].len(), tokens.len()), (300, 300), "one value for a token");
    assert_eq!(one.token_count(domain).await, Ok(300));
}

/// Two that take the same tokens the other way round wait for each other: PostgreSQL
/// undoes one, which is then done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadlock_is_nobodys_error() {
    let home = Home::in_postgres();
    let (store, domain) = with_domain(&home);
    for round in 0..20_u32 {
        let names: Vec<_> = (0..200).map(|number| format!("{round} {number}")).collect();
        let row = |lookup, token: &String| TokenRow { token: token.clone(), ..token_row(lookup) };
        let base = round * 1000;
        let there: Vec<_> = names.iter().zip(base..).map(|(name, at)| row(at, name)).collect();
        let back = names.iter().rev().zip(base + 500..).map(|(name, at)| row(at, name)).collect();
        let (there, back) = tokio::join!(
            store.token_put(domain, there, now()),
            store.token_put(domain, back, now())
        );
        let inserted = |outcomes: Vec<PutOutcome>| {
            outcomes.iter().filter(|outcome| **outcome == PutOutcome::Inserted).count()
        };
        assert_eq!(inserted(there.unwrap()) + inserted(back.unwrap()), 200);
    }
}

/// What a version seals is there when somebody asks whether it seals anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_token_outlives_its_version() {
    let home = Home::in_postgres();
    let (store, domain) = with_domain(&home);
    let key = store.keys().unwrap()[0].id;
    let mut destroyed = 0;
    for round in 1..30_u32 {
        store.rotate(key, now()).unwrap();
        let row = TokenRow { version: round, ..token_row(round) };
        let put = store.token_put(domain, vec![row.clone()], now());
        let destroy = tokio::task::spawn_blocking({
            let store = store.clone();
            move || store.destroy(key, version(round), now())
        });
        let (put, destroy) = tokio::join!(put, destroy);
        match (put, destroy.unwrap()) {
            (Ok(_), Err(StoreError::VersionInUse(..))) => {}
            (Err(StoreError::VersionGone { .. }), Ok(())) => destroyed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.token_count(domain).await, Ok(29 - destroyed));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let home = Home::in_postgres();
    let (store, domain) = with_domain(&home);
    for number in 0..50 {
        let pair = vec![token_row(2 * number), token_row(2 * number + 1)];
        let put = store.token_put(domain, pair, now());
        // Polled once, so that it has begun.
        let _ = tokio::time::timeout(Duration::ZERO, put).await;
    }
    store.token_put(domain, vec![token_row(1000)], now()).await.unwrap();
    assert_eq!(store.token_count(domain).await.unwrap() % 2, 1, "both of a pair or none");
}

#[tokio::test]
async fn a_store_is_looked_at() {
    let home = Home::in_postgres();
    assert_eq!(home.open_read_only().err(), Some(StoreError::NoStore));
    let (store, domain) = with_domain(&home);
    store.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    let reading = home.open_read_only().unwrap();
    assert_eq!(reading.keys(), store.keys());
    let found = reading.token_by_token(domain, vec![token_row(1).token]).await;
    assert_eq!(found, Ok(vec![Some(token_row(1))]));
    let key = store.keys().unwrap()[0].id;
    let check = |what: &str, refused: Result<(), StoreError>| {
        let expected = StoreError::Unavailable("opened for reading only".to_owned());
        assert_eq!(refused, Err(expected), "{what}");
    };
    check("rotate", reading.rotate(key, now()).map(drop));
    check("put_setting", reading.put_setting("a", b"b"));
    check("backup", reading.backup(&home.at("backup"), now()).map(drop));
    check("token_put", reading.token_put(domain, vec![token_row(2)], now()).await.map(drop));
    check("token_delete", reading.token_delete(domain, Vec::new()).await.map(drop));
    check("token_reseal", reading.token_reseal(domain, Vec::new()).await.map(drop));
    check("token_tidy", reading.token_tidy(domain, now(), 1).await.map(drop));
    check("counter_take", reading.counter_take(domain, [1; 16], 1, 0, 9).await.map(drop));
    home.edit("UPDATE schema_version SET version = 3");
    assert_eq!(home.open_read_only().err(), Some(StoreError::Older { found: 3, known: 4 }));
    let wrong = Store::open_postgres_read_only(&home.config(), &home.other_seals());
    home.edit("UPDATE schema_version SET version = 4");
    assert!(wrong.is_err());
    let wrong = Store::open_postgres_read_only(&home.config(), &home.other_seals());
    assert_eq!(wrong.err(), Some(StoreError::WrongSeal));
}

#[test]
fn what_is_no_store_is_left_alone() {
    let home = Home::in_postgres();
    home.edit("CREATE TABLE keys (x int); INSERT INTO keys VALUES (7)");
    let refused = home.open_with(&home.seals(), now()).err();
    assert!(matches!(refused, Some(StoreError::Refused(_))), "{refused:?}");
    let schema = home.schema.as_ref().unwrap();
    assert_eq!(server::shared().sql(&format!("SELECT x FROM {schema}.keys")), ["7"]);
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(server::shared().sql(&tables), ["1"]);
}

#[tokio::test]
async fn a_backup_goes_into_another_schema() {
    for (home, name) in [(Home::new(), "a file"), (Home::in_postgres(), "a schema")] {
        let (store, domain) = with_domain(&home);
        let rows: Vec<_> = (0..1200).map(token_row).collect();
        store.token_put(domain, rows.clone(), now()).await.unwrap();
        let subject = TokenRow {
            subject: Some([3; 16]),
            meta: Some(b"note".to_vec()),
            expires: Some(5),
            disabled: true,
            lookup: None,
            ..token_row(9999)
        };
        store.token_import(domain, vec![subject.clone()]).await.unwrap();
        store.counter_take(domain, [1; 16], 10, 0, 99).await.unwrap();
        let lease = |store: &Store| {
            let hour = Duration::from_secs(3600);
            store.lease_acquire("job", "one", hour, now()).unwrap().unwrap().fence
        };
        assert_eq!(lease(&store), 1);
        let report = store.backup(&home.at("backup"), later(1)).unwrap();
        let to = Home::in_postgres();
        let restore = |seals: &[Box<dyn Seal>]| {
            Store::restore_postgres(&home.at("backup"), &to.config(), seals, later(2))
        };
        assert_eq!(restore(&home.other_seals()), Err(StoreError::WrongSeal));
        assert_eq!(restore(&home.seals()), Ok(report), "{name}");
        assert_eq!(restore(&home.seals()), Err(StoreError::SchemaInUse));
        assert!(!home.at("backup.restored").exists());
        let restored = Store::open_postgres(&to.config(), &home.seals(), later(3)).unwrap();
        assert_eq!(restored.keys(), store.keys());
        assert_eq!(restored.domains(), store.domains());
        assert_eq!(restored.restored_since().unwrap().unwrap().at, later(2));
        let page = restored.token_page(domain, None, 5000).await.unwrap();
        assert_eq!(page, store.token_page(domain, None, 5000).await.unwrap());
        assert!(page.contains(&subject) && page.len() == 1201);
        // What is numbered goes on after what was restored.
        let new = restored.token_put(domain, vec![token_row(5000)], now()).await;
        assert_eq!(new, Ok(vec![PutOutcome::Inserted]));
        let key = store.keys().unwrap()[0].id;
        restored.put_domain("phone", "{}", key).unwrap();
        let other = restored.lease_acquire("job", "two", Duration::ZERO, now()).unwrap();
        assert!(other.is_some(), "nobody holds what was held then");
        let waits = restored.counter_take(domain, [1; 16], 5, 0, 99).await;
        assert_eq!(waits, Err(StoreError::CountersUnknown(domain)));
        assert_eq!(restored.counters_resume(domain, 3).await, Ok(true));
        assert_eq!(restored.counter_take(domain, [1; 16], 5, 0, 99).await, Ok(13..18));
        assert!(lease(&restored) > 1000, "above all that were given out since the backup");
        restored.backup(&to.at("second"), later(4)).unwrap();
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_on_disk() {
    let home = Home::in_postgres();
    let server = server::shared();
    server.sql(
        "CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET synchronous_commit = off;
         ALTER ROLE hasty SET default_transaction_isolation = 'serializable'",
    );
    let schema = home.schema.as_ref().unwrap();
    server.sql(&format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO hasty"));
    let config = server.config("hasty", schema);
    let store = Store::open_postgres(&config, &home.seals(), now()).unwrap();
    let key = store.ensure_key("contact", None, now()).unwrap();
    let domain = store.put_domain("email", SPEC, key).unwrap();
    home.edit(
        "CREATE FUNCTION check_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF current_setting('synchronous_commit') <> 'on' THEN RAISE 'hasty'; END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER check_commit BEFORE INSERT ON tokens FOR EACH ROW
             EXECUTE FUNCTION check_commit()",
    );
    let put = store.token_put(domain, vec![token_row(1)], now()).await;
    assert_eq!(put, Ok(vec![PutOutcome::Inserted]));
}

#[test]
fn nothing_secret_is_in_the_tables() {
    let home = Home::in_postgres();
    let (store, domain) = with_domain(&home);
    let canary = "canary-4929120000006466";
    store.put_setting("anchor", canary.as_bytes()).unwrap();
    let mut token = api_token("a", "alpha");
    token.claims = serde_json::json!({ "x": canary });
    store.api_token_put(&token).unwrap();
    let schema = home.schema.as_ref().unwrap();
    let tables = format!("SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'");
    let mut text = String::new();
    for table in server::shared().sql(&tables) {
        let rows = format!(
            "SELECT row_to_json(r)::text || encode(convert_to(r::text, 'UTF8'), 'escape')
             FROM {schema}.{table} r"
        );
        text.extend(server::shared().sql(&rows));
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(text.contains("alpha"), "the search finds what is there");
    assert!(text.contains(&hex(domain.as_bytes())), "also as bytes");
    let set = store.key_set().unwrap();
    let mut secrets = vec![hex(store.domain_secret(domain).unwrap().expose())];
    for (_, entry) in set.iter() {
        secrets.extend(entry.versions.values().map(|(_, key)| hex(key.as_ref().unwrap().expose())));
    }
    assert_eq!(secrets.len(), 2);
    for secret in secrets.into_iter().chain([canary.to_owned(), hex(canary.as_bytes())]) {
        assert!(!text.contains(&secret));
    }
}
