//! Each way to log in, with each driver that knows it.
//!
//! `PGREQUIREAUTH` and `PGCHANNELBINDING` make a driver insist on a way: it fails where the
//! gateway, or the server behind it, asks for another.

use super::*;
use crate::server::PASSWORD;

/// A driver, and what it can insist on.
struct Driver {
    /// As `drivers/run.sh` takes it.
    suite: &'static str,
    part: Option<&'static str>,
    /// Which way the server asks, or why not.
    way: Result<(), &'static str>,
    /// That the login is bound to the TLS connection (SCRAM-SHA-256-PLUS), or why not.
    binding: Result<(), &'static str>,
    /// That TLS begins at once, or why not.
    direct: Result<(), &'static str>,
}

const NO_SWITCH: Result<(), &str> = Err("it answers whatever it is asked");
const NO_PLUS: Result<(), &str> = Err("it speaks SCRAM-SHA-256 alone");
const ASKS: Result<(), &str> = Err("it asks for TLS first");
const YES: Result<(), &str> = Ok(());

/// All of them speak SCRAM-SHA-256, MD5 and plain passwords, and show a client certificate.
const DRIVERS: [Driver; 11] = [
    //                                 way        binding  direct
    driver("psql", None, NO_SWITCH, YES, ASKS),
    driver("psql-18", None, YES, YES, YES),
    driver("python", Some("psycopg"), YES, YES, YES),
    driver("python", Some("asyncpg"), NO_SWITCH, NO_PLUS, YES),
    // Over psycopg first, and over asyncpg then.
    driver("python", Some("sqlalchemy"), YES, YES, ASKS),
    driver("python", Some("django"), YES, YES, YES),
    driver("go", None, YES, YES, YES),
    driver("node", None, YES, YES, YES),
    driver("java", None, YES, YES, YES),
    driver("rust", Some("tokio-postgres"), NO_SWITCH, YES, YES),
    driver("rust", Some("sqlx"), NO_SWITCH, NO_PLUS, ASKS),
];

const fn driver(
    suite: &'static str,
    part: Option<&'static str>,
    way: Result<(), &'static str>,
    binding: Result<(), &'static str>,
    direct: Result<(), &'static str>,
) -> Driver {
    Driver { suite, part, way, binding, direct }
}

impl Driver {
    fn login(&self, relay: &Relay, variables: &[(&str, &str)]) -> Output {
        let arguments: Vec<&str> = [self.suite, "login"].into_iter().chain(self.part).collect();
        relay.try_suite(&arguments, variables)
    }

    /// It has to log in.
    fn logs_in(&self, way: &str, relay: &Relay, variables: &[(&str, &str)]) {
        let done = self.login(relay, variables);
        let said = text(&done);
        assert!(done.status.success(), "{way}, {self}: {said}");
        assert!(said.contains("logged in") && said.contains("\nok "), "{way}, {self}: {said}");
    }

    /// It fails if it knows what it is to insist on; else it logs in all the same.
    fn insists(
        &self,
        way: &str,
        relay: &Relay,
        variables: &[(&str, &str)],
        knows: Result<(), &str>,
    ) {
        let done = self.login(relay, variables);
        let said = text(&done);
        match knows {
            Ok(()) => assert!(!done.status.success(), "{way}, {self} does not insist: {said}"),
            Err(why) => assert!(done.status.success(), "{way}, {self}: {why}: {said}"),
        }
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.part.unwrap_or(self.suite))
    }
}

/// Variables of a client that verifies who is there.
fn verified(ca: &str) -> [(&str, &str); 2] {
    [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", ca)]
}

const SCRAM: (&str, &str) = ("PGREQUIREAUTH", "scram-sha-256");
const BOUND: (&str, &str) = ("PGCHANNELBINDING", "require");

#[test]
fn scram_without_tls() {
    let relay = Relay::new();
    for driver in &DRIVERS {
        driver.logs_in("SCRAM-SHA-256", &relay, &[SCRAM]);
        // What the matrix asks for below is really asked for.
        driver.insists("bound to nothing", &relay, &[SCRAM, BOUND], driver.binding);
        let another = [("PGREQUIREAUTH", "password")];
        driver.insists("another way", &relay, &another, driver.way);
    }
}

#[test]
fn scram_and_certificates_over_tls() {
    let certificates = Certificates::new(&crate::stand::folder(), "till.shop.example");
    let pk8 = "pkcs8 -topk8 -nocrypt -in client.key -outform DER -out client.pk8";
    certificates.openssl(&pk8.split(' ').collect::<Vec<_>>());
    let [certificate, key, ca, client, client_key, client_pk8] =
        ["server.pem", "server.key", "ca.pem", "client.pem", "client.key", "client.pk8"]
            .map(|name| certificates.path(name));
    let password = "upstream_password: { env: SHOP_PASSWORD }";
    let tls = format!(
        "    tls: {{ cert: {certificate}, key: {{ file: {key} }} }}
    client_ca: {ca}
    upstream_tls: {{ ca: {ca} }}
    callers:
      users:
        shop: {{ role: clerk, {password} }}
        till: {{ role: clerk, certificate: till.shop.example, upstream_user: shop, {password} }}
"
    );
    let relay = Relay::with(Server::with_tls(&certificate, &key), &tls);
    let verified = verified(&ca);
    for driver in &DRIVERS {
        driver.logs_in("SCRAM-SHA-256 over TLS", &relay, &[&verified[..], &[SCRAM]].concat());
        if driver.binding.is_ok() {
            let bound = [&verified[..], &[SCRAM, BOUND]].concat();
            driver.logs_in("SCRAM-SHA-256-PLUS", &relay, &bound);
        }
        if driver.direct.is_ok() {
            let direct = [&verified[..], &[SCRAM, ("PGSSLNEGOTIATION", "direct")]].concat();
            driver.logs_in("SCRAM-SHA-256 over TLS at once", &relay, &direct);
        }
        // pgjdbc takes keys in DER.
        let key = if driver.suite == "java" { &client_pk8 } else { &client_key };
        let till = [("PGUSER", "till"), ("PGPASSWORD", ""), ("ALLONYM_ROLE", "shop")];
        let shown = [("PGSSLCERT", &*client), ("PGSSLKEY", key), ("PGREQUIREAUTH", "none")];
        let way = [&verified[..], &till, &shown].concat();
        driver.logs_in("a client certificate", &relay, &way);
    }
    let _ = fs::remove_dir_all(&certificates.0);
}

/// Its own password goes to the server, which judges it.
#[test]
fn passwords_over_tls() {
    let certificates = Certificates::new(&crate::stand::folder(), "nobody");
    let [certificate, key, ca] =
        ["server.pem", "server.key", "ca.pem"].map(|name| certificates.path(name));
    let tls = format!(
        "    tls: {{ cert: {certificate}, key: {{ file: {key} }} }}
    upstream_tls: {{ ca: {ca} }}
    callers: {{ login: password, users: {{ shop: {{ role: clerk }} }} }}
"
    );
    let mut relay = Relay::stopped(Server::with_tls(&certificate, &key), &tls);
    relay.stand.start();
    let verified = verified(&ca);
    for driver in &DRIVERS {
        let way = [("PGPASSWORD", PASSWORD), ("PGREQUIREAUTH", "password")];
        driver.logs_in("a password", &relay, &[&verified[..], &way].concat());
    }
    let _ = fs::remove_dir_all(&certificates.0);
}

/// The server's own login, whichever it is. One side has TLS: the client's, or the server's,
/// which then offers to bind what the client cannot bind.
#[test]
fn logins_of_the_server() {
    let callers = "    callers: { login: relay, users: { shop: { role: clerk } } }\n";
    let certificates = Certificates::new(&crate::stand::folder(), "nobody");
    let [certificate, key, ca] =
        ["server.pem", "server.key", "ca.pem"].map(|name| certificates.path(name));
    let tls = format!(
        "    tls: {{ cert: {certificate}, key: {{ file: {key} }} }}\n    upstream_tls: off\n{callers}"
    );
    let password = ("PGPASSWORD", PASSWORD);
    let mut encrypted = Relay::stopped(Server::new(), &tls);
    encrypted.stand.start();
    let over_tls = [&verified(&ca)[..], &[password, SCRAM]].concat();
    for driver in &DRIVERS {
        driver.logs_in("the server's SCRAM-SHA-256 over TLS", &encrypted, &over_tls);
    }
    let tls = format!("    upstream_tls: {{ ca: {ca} }}\n{callers}");
    let mut relay = Relay::stopped(Server::with_tls(&certificate, &key), &tls);
    relay.stand.start();
    for driver in &DRIVERS {
        driver.logs_in("the server's SCRAM-SHA-256", &relay, &[password, SCRAM]);
    }
    // Which protocol is spoken is told before the client is asked for anything.
    let newest = [password, SCRAM, ("PGMAXPROTOCOLVERSION", "latest")];
    for driver in DRIVERS.iter().filter(|driver| driver.suite == "psql-18") {
        driver.logs_in("a newer protocol than the server's", &relay, &newest);
    }
    let older = format!("SET password_encryption = 'md5'; ALTER ROLE shop PASSWORD '{PASSWORD}'");
    relay.server.sql("postgres", &older);
    relay.server.rule("host all shop all md5");
    for driver in &DRIVERS {
        driver.logs_in("the server's MD5", &relay, &[password, ("PGREQUIREAUTH", "md5")]);
    }
    // A password in plain text is not relayed over a connection without TLS.
    relay.server.rule("host all shop all password");
    for driver in &DRIVERS {
        let done = driver.login(&relay, &[password, ("PGREQUIREAUTH", "password")]);
        assert!(!done.status.success(), "{driver}: {}", text(&done));
    }
    let refusals = relay.metric("allonym_postgres_refusals_total", &["upstream-login"]);
    assert!(refusals >= DRIVERS.len() as f64, "{refusals}");
    let _ = fs::remove_dir_all(&certificates.0);
}
