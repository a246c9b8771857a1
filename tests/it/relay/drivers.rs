//! Real drivers through the relay, each with its own suite (`tests/postgres/drivers`).

use super::bytes::suites;
use super::*;

/// A relay with TLS on the client's side, and what a driver needs to trust it.
fn encrypted(server: Server) -> (Relay, Certificates) {
    let certificates = Certificates::new(&crate::stand::folder(), "nobody");
    let tls = format!(
        "    tls: {{ cert: {}, key: {{ file: {} }} }}\n{USERS}",
        certificates.path("server.pem"),
        certificates.path("server.key")
    );
    (Relay::with(server, &tls), certificates)
}

impl Relay {
    /// Runs a suite, and says how many checks it made.
    pub(super) fn suite(&self, arguments: &[&str], variables: &[(&str, &str)]) -> usize {
        let done = self.try_suite(arguments, variables);
        let said = text(&done);
        assert!(done.status.success(), "{arguments:?}: {said}");
        let ok = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("ok ")?.strip_suffix(" checks")?.parse().ok());
        ok.unwrap_or_else(|| panic!("{arguments:?}: {said}"))
    }

    /// The same, of a suite that may fail.
    pub(super) fn try_suite(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut run = Command::new(suites().join("drivers/run.sh"));
        run.args(arguments).stdin(Stdio::null());
        let schema = arguments[0].replace('-', "_");
        for (name, value) in [
            ("PGHOST", "localhost"),
            ("PGPORT", self.port()),
            ("PGUSER", "shop"),
            ("PGPASSWORD", OWN),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "disable"),
            ("ALLONYM_SCHEMA", &*schema),
        ] {
            run.env(name, value);
        }
        run.env("ALLONYM_RUST_DRIVERS", crate::stand::program("rust-drivers"));
        run.envs(variables.iter().copied()).output().unwrap()
    }
}

/// Each suite, and the least it checks.
const SUITES: [(&str, usize); 6] =
    [("psql", 50), ("python", 350), ("go", 250), ("node", 100), ("java", 150), ("rust", 400)];

#[test]
fn drivers_do_not_notice() {
    let relay = Relay::new();
    for (suite, least) in SUITES {
        let before = relay.metric("allonym_postgres_received_bytes_total", &["client"]);
        let checks = relay.suite(&[suite], &[]);
        assert!(checks >= least, "{suite}: {checks} checks");
        // Every byte of it crossed the relay.
        let after = relay.metric("allonym_postgres_received_bytes_total", &["client"]);
        assert!(after > before + 10_000.0, "{suite}: {before} {after}");
    }
    assert_eq!(relay.metric("allonym_postgres_sessions_total", &["panicked"]), 0.0);
}

#[test]
fn drivers_do_not_notice_over_tls() {
    let (relay, certificates) = encrypted(Server::new());
    let ca = certificates.path("ca.pem");
    let tls = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*ca)];
    for (suite, least) in SUITES {
        let checks = relay.suite(&[suite], &tls);
        assert!(checks >= least, "{suite}: {checks} checks");
    }
    // Those who can bind their login to the channel insist on it.
    let bound = [&tls[..], &[("PGCHANNELBINDING", "require")]].concat();
    for suite in [&["python", "psycopg"][..], &["go"], &["rust", "tokio-postgres"]] {
        relay.suite(suite, &bound);
    }
    let _ = fs::remove_dir_all(&certificates.0);
}

/// PostgreSQL 18, its libpq, longer cancel keys, and TLS without asking first.
#[test]
fn the_newest_protocol_meets_a_server_that_speaks_it() {
    let (relay, certificates) = encrypted(Server::eighteen());
    let ca = certificates.path("ca.pem");
    let newest = [
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", &*ca),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGMINPROTOCOLVERSION", "3.2"),
        ("PGMAXPROTOCOLVERSION", "3.2"),
    ];
    for suite in [&["psql-18"][..], &["python", "psycopg"], &["go"]] {
        relay.suite(suite, &newest);
    }
    // The same client over an older server is told what that speaks.
    let (older, certificates) = encrypted(Server::new());
    let ca = certificates.path("ca.pem");
    let latest =
        [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*ca), ("PGMAXPROTOCOLVERSION", "latest")];
    older.suite(&["python", "psycopg"], &latest);
}
