//! tokio-postgres: always extended and binary but for its simple queries, always pipelined.

mod copies;
mod statements;
mod values;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{AsyncMessage, Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::checks::{Checks, Done, encrypted, role, schema, variable};

/// How many notices and notifications may wait to be looked at.
const ASIDES: usize = 100;

/// A connection, and what the server said aside.
pub(crate) struct Connected {
    pub(crate) client: Client,
    asides: mpsc::Receiver<AsyncMessage>,
    /// What the server reports as `application_name`.
    reported: watch::Receiver<String>,
}

/// Every check.
pub(crate) async fn everything(checks: &mut Checks) -> Done {
    let mut connected = connect().await?;
    let schema = schema("tokio_postgres");
    let client = &connected.client;
    client
        .batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))
        .await?;
    connection_phase(checks, &connected).await?;
    statements::simple(checks, client).await?;
    statements::prepared(checks, client).await?;
    statements::pipelined(checks, client).await?;
    statements::failing(checks, client).await?;
    values::of_each_type(checks, client).await?;
    values::of_rust(checks, client).await?;
    values::of_own_types(checks, client).await?;
    values::large(checks, client).await?;
    statements::transactions(checks, &mut connected.client).await?;
    statements::portals(checks, &mut connected.client).await?;
    copies::text(checks, &connected.client).await?;
    copies::binary(checks, &connected.client).await?;
    copies::failing(checks, &connected.client).await?;
    asides(checks, &mut connected).await?;
    cancels(checks, &connected.client).await?;
    connected.client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await?;
    Ok(())
}

/// A login alone.
pub(crate) async fn login(checks: &mut Checks) -> Done {
    // `SslMode::Require` and `ChannelBinding::Require` fail where they are not met.
    let connected = connect().await?;
    let role = role();
    let found: Option<String> = one(&connected.client, "SELECT current_user::text").await?;
    checks.same("logged in", found, role)?;
    let sum: i32 = connected.client.query_one_scalar("SELECT $1::int4 + 1", &[&41]).await?;
    checks.same("and on", sum, 42)
}

/// A connection as the PG* variables say, with start-up parameters of our own.
pub(crate) async fn connect() -> Done<Connected> {
    let (client, mut connection) = config()?.connect(tls()?).await?;
    let (sender, asides) = mpsc::channel(ASIDES);
    let (report, reported) = watch::channel(String::new());
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| {
            let polled = connection.poll_message(cx);
            let name = connection.parameter("application_name").unwrap_or_default();
            report.send_if_modified(|reported| {
                let changed = reported != name;
                name.clone_into(reported);
                changed
            });
            polled
        })
        .await
        {
            let _ = sender.try_send(message);
        }
    });
    Ok(Connected { client, asides, reported })
}

fn config() -> Done<Config> {
    let mut config = Config::new();
    config.host(variable("PGHOST").unwrap_or_else(|| "localhost".to_owned()));
    config.port(variable("PGPORT").map_or(Ok(5432), |port| port.parse())?);
    config.user(variable("PGUSER").unwrap_or_else(|| "postgres".to_owned()));
    variable("PGPASSWORD").map(|password| config.password(password));
    variable("PGDATABASE").map(|database| config.dbname(database));
    config.application_name("tokio-postgres suite");
    let schema = schema("tokio_postgres");
    config.options(format!("-c search_path={schema} -c work_mem=3MB -c timezone=UTC"));
    config.ssl_mode(if encrypted() { SslMode::Require } else { SslMode::Disable });
    config.channel_binding(match variable("PGCHANNELBINDING").as_deref() {
        Some("require") => ChannelBinding::Require,
        Some("disable") => ChannelBinding::Disable,
        _ => ChannelBinding::Prefer,
    });
    if direct() {
        config.ssl_negotiation(SslNegotiation::Direct);
    }
    config.connect_timeout(Duration::from_secs(30));
    Ok(config)
}

fn direct() -> bool {
    variable("PGSSLNEGOTIATION").as_deref() == Some("direct")
}

/// Certificate and name of the server are always verified.
fn tls() -> Done<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = variable("PGSSLROOTCERT") {
        for certificate in CertificateDer::pem_file_iter(path)? {
            roots.add(certificate?)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verified = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match (variable("PGSSLCERT"), variable("PGSSLKEY")) {
        (Some(certificate), Some(key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            verified.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
        _ => verified.with_no_client_auth(),
    };
    if direct() {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// The only value that a statement without parameters answers.
async fn one<T: FromSqlOwned>(client: &Client, sql: &str) -> Done<T> {
    Ok(client.query_one_scalar(sql, &[]).await?)
}

/// A statement has to fail with this state.
fn fails<T>(
    checks: &mut Checks,
    name: &str,
    result: Result<T, Error>,
    state: &SqlState,
) -> Done<DbError> {
    let Err(error) = result else { return Err(format!("{name}: it did not fail").into()) };
    checks.same(name, error.code(), Some(state))?;
    Ok(error.as_db_error().ok_or("no error of the server")?.clone())
}

async fn connection_phase(checks: &mut Checks, connected: &Connected) -> Done {
    let Connected { client, reported, .. } = connected;
    let version: i32 = one(client, "SELECT current_setting('server_version_num')::int4").await?;
    checks.same("server version", version >= 130_000, true)?;
    let schema = schema("tokio_postgres");
    for (name, sql, expected) in [
        ("application_name", "SHOW application_name", "tokio-postgres suite"),
        ("options", "SHOW work_mem", "3MB"),
        ("search_path", "SELECT current_schema()::text", &*schema),
    ] {
        checks.same(name, one::<String>(client, sql).await?, expected)?;
    }
    client.batch_execute("SET application_name = 'renamed'").await?;
    let mut reported = reported.clone();
    let renamed = reported.wait_for(|name| name == "renamed");
    let renamed = timeout(Duration::from_secs(20), renamed).await??.clone();
    checks.same("a status that changes", renamed, "renamed")?;
    checks.same("it is alive", client.check_connection().await.is_ok(), true)
}

async fn asides(checks: &mut Checks, connected: &mut Connected) -> Done {
    let raise = "DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$";
    connected.client.batch_execute(raise).await?;
    let mut notices = Vec::new();
    while let Ok(AsyncMessage::Notice(notice)) = connected.asides.try_recv() {
        notices.push(format!("{} {}", notice.severity(), notice.message()));
    }
    let expected = ["NOTICE hello", "WARNING careful"];
    checks.same("notices", &notices[notices.len().saturating_sub(2)..], expected)?;

    let channel = format!("{}_channel", schema("tokio_postgres"));
    connected.client.batch_execute(&format!("LISTEN {channel}")).await?;
    let other = connect().await?;
    let pid: i32 = one(&other.client, "SELECT pg_backend_pid()").await?;
    other.client.execute("SELECT pg_notify($1, 'payload ü')", &[&channel]).await?;
    let aside = timeout(Duration::from_secs(20), connected.asides.recv()).await?;
    let Some(AsyncMessage::Notification(notification)) = aside else {
        return Err("no notification".into());
    };
    checks.same("a notification while idle", notification.payload(), "payload ü")?;
    checks.same("its channel", notification.channel(), &*channel)?;
    checks.same("and who sent it", notification.process_id(), pid)
}

async fn cancels(checks: &mut Checks, client: &Client) -> Done {
    for turn in 1..=3 {
        let other = Arc::new(connect().await?.client);
        let pid: i32 = one(&other, "SELECT pg_backend_pid()").await?;
        let token = other.cancel_token();
        let sleeper = Arc::clone(&other);
        let asleep =
            tokio::spawn(async move { sleeper.batch_execute("SELECT pg_sleep(30)").await });
        // A cancel request before the server sleeps is for nothing.
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        while !asleep.is_finished() && client.query_one_scalar::<i64, _>(sql, &[&pid]).await? == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        token.cancel_query(tls()?).await?;
        let name = format!("cancel, turn {turn}");
        let ended = timeout(Duration::from_secs(20), asleep).await??;
        fails(checks, &name, ended, &SqlState::QUERY_CANCELED)?;
        let mut next = other.query_one_scalar::<i32, _>("SELECT 1", &[]).await;
        // The server signals a cancel twice, and the driver does not wait for that: the
        // second signal may meet the next statement.
        if next.as_ref().is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED)) {
            next = other.query_one_scalar("SELECT 1", &[]).await;
        }
        checks.same("the connection goes on", next?, 1)?;
    }
    Ok(())
}
