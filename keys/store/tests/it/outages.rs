//! PostgreSQL that is away, slow, or says no.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use allonym_store::PutOutcome;
use rcgen::{CertificateParams, KeyPair};
use zeroize::Zeroizing;

use super::server::Server;
use super::*;

fn error(config: &PostgresConfig, home: &Home) -> StoreError {
    Store::open_postgres(config, &home.seals(), now()).err().unwrap()
}

fn is_refused(error: &StoreError, why: &str) {
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains(why), "{error}");
}

const INVALID: &str = "invalid peer certificate";

/// Kills the server three times while four write.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_dies_loses_nothing_acknowledged() {
    let server = Server::new("killed");
    server.start();
    let home = Home::new();
    let config = server.config("postgres", "public");
    let store = Store::open_postgres(&config, &home.seals(), now()).unwrap();
    let key = store.ensure_key("contact", None, now()).unwrap();
    let domain = store.put_domain("email", SPEC, key).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u32)
        .map(|writer| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut acknowledged, mut refused) = (Vec::new(), 0);
                for batch in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let first = (batch * 4 + writer) * 10;
                    let rows: Vec<_> = (first..first + 10).map(token_row).collect();
                    let start = Instant::now();
                    match store.token_put(domain, rows, now()).await {
                        Ok(_) => acknowledged.push(first),
                        Err(StoreError::Unavailable(_)) => {
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                    assert!(start.elapsed() < Duration::from_secs(16), "in bounded time");
                }
                (acknowledged, refused)
            })
        })
        .collect();
    let server = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            server.kill();
            server.start();
        }
        server
    })
    .await
    .unwrap();
    // It is back: so is the store, by itself.
    let put = store.token_put(domain, vec![token_row(4_000_000)], now()).await;
    assert_eq!(put, Ok(vec![PutOutcome::Inserted]));
    done.store(true, Ordering::Relaxed);
    let (mut rows, mut refused) = (Vec::new(), 0);
    for writer in writers {
        let (acknowledged, refusals) = writer.await.unwrap();
        refused += refusals;
        let numbers = acknowledged.into_iter().flat_map(|first| first..first + 10);
        rows.extend(numbers.map(token_row));
    }
    assert!(!rows.is_empty() && refused > 0, "{} rows, {refused} refusals", rows.len());
    for rows in rows.chunks(20_000) {
        let tokens = rows.iter().map(|row| row.token.clone()).collect();
        let found = store.token_by_token(domain, tokens).await.unwrap();
        assert!(found.iter().flatten().eq(rows), "what was acknowledged is there");
    }
    assert_eq!(store.keys().unwrap()[0].id, key);
    drop(server);
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let home = Home::new();
    let check = |port: u16, why: &str| {
        let url = format!("postgresql://a@127.0.0.1:{port}/store");
        let config =
            PostgresConfig { connect_timeout: Duration::from_secs(1), ..PostgresConfig::new(url) };
        let start = Instant::now();
        let error = error(&config, &home);
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    check(port, "in time");
    drop(silent);
    check(port, "connection refused");
}

#[tokio::test]
async fn a_statement_takes_no_longer_than_it_may() {
    let home = Home::in_postgres();
    drop(home.open());
    let config = PostgresConfig { statement_timeout: Duration::from_millis(300), ..home.config() };
    let store = Store::open_postgres(&config, &home.seals(), now()).unwrap();
    let key = store.ensure_key("contact", None, now()).unwrap();
    let domain = store.put_domain("email", SPEC, key).unwrap();
    let schema = home.schema.clone().unwrap();
    let hold = format!("BEGIN; LOCK TABLE {schema}.tokens; SELECT pg_sleep(4)");
    let holder = std::thread::spawn(move || server::shared().sql(&hold));
    let held = format!(
        "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'
         AND relation = '{schema}.tokens'::regclass"
    );
    while server::shared().sql(&held) != ["1"] {
        std::thread::yield_now();
    }
    let start = Instant::now();
    let put = store.token_put(domain, vec![token_row(1)], now()).await;
    assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
    let found = store.token_by_token(domain, vec![token_row(1).token]).await;
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    let page = store.token_page(domain, None, 1).await;
    assert!(matches!(page, Err(StoreError::Unavailable(_))), "{page:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(store.keys().unwrap().len(), 1, "the rest goes on");
    holder.join().unwrap();
    let put = store.token_put(domain, vec![token_row(1)], now()).await;
    assert_eq!(put, Ok(vec![PutOutcome::Inserted]));
}

#[test]
fn the_server_is_verified() {
    let home = Home::in_postgres();
    let server = server::shared();
    let schema = home.schema.as_ref().unwrap();
    let at = |host: &str, more: &str| {
        let options = format!("options=-csearch_path%3D{schema}&application_name={schema}{more}");
        PostgresConfig::new(format!(
            "postgresql://postgres@{host}:{}/postgres?{options}",
            server.port()
        ))
    };
    let trusting = |host: &str, authority: PathBuf| PostgresConfig {
        root_certificates: Some(authority),
        ..at(host, "&sslmode=verify-full")
    };
    let encrypted = || {
        server.sql(&format!(
            "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
             WHERE a.application_name = '{schema}'"
        ))
    };
    let store =
        Store::open_postgres(&trusting("localhost", server.authority()), &home.seals(), now())
            .unwrap();
    store.ensure_key("contact", None, now()).unwrap();
    assert_eq!(encrypted(), ["t"]);
    drop(store);
    let in_url = format!("&sslrootcert={}", server.authority().display());
    let store = Store::open_postgres(&at("localhost", &in_url), &home.seals(), now()).unwrap();
    assert_eq!(encrypted(), ["t"]);
    assert_eq!(store.keys().unwrap().len(), 1);

    let stranger = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let stranger = stranger.self_signed(&KeyPair::generate().unwrap()).unwrap();
    std::fs::write(home.at("stranger.pem"), stranger.pem()).unwrap();
    is_refused(&error(&trusting("localhost", home.at("stranger.pem")), &home), INVALID);
    is_refused(&error(&trusting("127.0.0.1", server.authority()), &home), "not valid for name");
    is_refused(&error(&at("localhost", "&sslmode=verify-full"), &home), INVALID);
    let missing = error(&trusting("localhost", home.at("missing.pem")), &home);
    assert_eq!(missing, StoreError::RootCertificates(home.at("missing.pem")));
    drop(Store::open_postgres(&at("127.0.0.1", "&sslmode=disable"), &home.seals(), now()).unwrap());
}

#[tokio::test]
async fn a_role_needs_few_rights() {
    let home = Home::new();
    let server = server::shared();
    server.sql(
        "CREATE ROLE owner_only LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE stranger LOGIN;
         CREATE ROLE locked LOGIN PASSWORD 'correct horse'",
    );
    server.sql("CREATE DATABASE rights");
    server.sql("REVOKE ALL ON DATABASE rights FROM PUBLIC");
    server.sql("GRANT CONNECT ON DATABASE rights TO owner_only, worker, locked");
    let config = |role: &str, schema: &str| {
        let mut config = server.config(role, schema);
        config.url = config.url.replace("/postgres?", "/rights?");
        config
    };
    let in_rights = |sql: &str| server.sql_in("rights", sql);
    in_rights(
        "CREATE SCHEMA ours; GRANT USAGE, CREATE ON SCHEMA ours TO owner_only;
         GRANT USAGE ON SCHEMA ours TO worker, locked; REVOKE ALL ON SCHEMA public FROM PUBLIC",
    );
    is_refused(&error(&config("stranger", "ours"), &home), "CONNECT");
    is_refused(&error(&config("worker", "ours"), &home), "CREATE");
    is_refused(&error(&config("worker", "public"), &home), "USAGE");
    is_refused(&error(&config("worker", "nothing"), &home), "search_path");
    let mut nowhere = config("worker", "ours");
    nowhere.url = nowhere.url.replace("/rights?", "/nowhere?");
    is_refused(&error(&nowhere, &home), "no such database");
    is_refused(&error(&config("nobody", "ours"), &home), "does not accept");

    // CONNECT, USAGE and CREATE make a store and all that is in it.
    let owned = config("owner_only", "ours");
    let store = Store::open_postgres(&owned, &home.seals(), now()).unwrap();
    let key = store.ensure_key("contact", None, now()).unwrap();
    let domain = store.put_domain("email", SPEC, key).unwrap();
    store.token_put(domain, vec![token_row(1)], now()).await.unwrap();
    store.rotate(key, now()).unwrap();
    store.destroy(key, allonym_keyring::KeyVersion::FIRST, now()).unwrap_err();
    store.lease_acquire("job", "one", Duration::ZERO, now()).unwrap().unwrap();
    store.backup(&home.at("backup"), now()).unwrap();

    // The tables alone are enough to work with it.
    is_refused(&error(&config("worker", "ours"), &home), "its tables");
    in_rights(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ours TO worker, locked",
    );
    let worker = Store::open_postgres(&config("worker", "ours"), &home.seals(), now()).unwrap();
    worker.token_put(domain, vec![token_row(2)], now()).await.unwrap();
    worker.put_domain("phone", "{}", key).unwrap();
    worker.counter_take(domain, [1; 16], 1, 0, 9).await.unwrap();
    assert_eq!(store.token_count(domain).await, Ok(2));

    let locked = |password: Option<&str>| {
        let password = password.map(|password| Zeroizing::new(password.to_owned()));
        PostgresConfig { password, ..config("locked", "ours") }
    };
    is_refused(&error(&locked(None), &home), "password");
    let wrong = error(&locked(Some("hunter2")), &home);
    is_refused(&wrong, "does not accept");
    assert!(!format!("{wrong} {wrong:?}").contains("hunter2"));
    let unlocked = Store::open_postgres(&locked(Some("correct horse")), &home.seals(), now());
    assert_eq!(unlocked.unwrap().keys(), store.keys());
}
