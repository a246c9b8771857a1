//! Who may log in, and as whom it is at the server.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::sessions::{Session, said, wait_for};
use super::*;
use crate::server::PASSWORD;

#[test]
fn a_login_is_judged_here_and_made_there() {
    let relay = Relay::new();
    assert_eq!(relay.sql("SELECT current_user, session_user"), "shop|shop");
    // The two passwords have nothing to do with each other.
    for (user, password) in
        [("shop", PASSWORD), ("shop", "wrong"), ("nobody", OWN), ("postgres", OWN)]
    {
        let refused =
            relay.psql(&[("PGUSER", user), ("PGPASSWORD", password)], &["-c", "SELECT 1"]);
        let said = text(&refused);
        assert!(said.contains("the login failed: wrong user, or wrong password"), "{user}: {said}");
        assert!(said.contains("rule: credential-invalid"), "{said}");
    }
    assert_eq!(relay.metric("allonym_postgres_refusals_total", &["credential-invalid"]), 4.0);
    relay.logged("\"principal\":\"db:shop\"");
    relay.logged("\"end\":\"left\"");
    let log = relay.stand.log();
    assert!(!log.contains(OWN) && !log.contains(PASSWORD), "{log}");

    // A password is replaced only when that is asked for, and ends at once.
    let again = relay.stand.allonym_with(&["db-users", "add", "shop"], "other");
    assert!(text(&again).contains("--replace"), "{}", text(&again));
    let replaced = relay.stand.allonym_with(&["db-users", "add", "shop", "--replace"], "other");
    assert!(replaced.status.success(), "{}", text(&replaced));
    assert!(!relay.psql(&[], &["-c", "SELECT 1"]).status.success());
    assert!(relay.psql(&[("PGPASSWORD", "other")], &["-c", "SELECT 1"]).status.success());
    let unknown = relay.stand.allonym_with(&["db-users", "add", "nobody"], "x");
    assert!(text(&unknown).contains("no connector has a user `nobody`"), "{}", text(&unknown));
    assert!(relay.stand.allonym(&["db-users", "remove", "shop"]).status.success());
    assert!(!relay.psql(&[("PGPASSWORD", "other")], &["-c", "SELECT 1"]).status.success());
    // What PostgreSQL verifies a password by can be taken over as it is.
    let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = 'shop'";
    let verifier = relay.server.sql("postgres", sql);
    let taken = relay.stand.allonym_with(&["db-users", "add", "shop", "--verifier"], &verifier);
    assert!(taken.status.success(), "{}", text(&taken));
    assert!(relay.psql(&[("PGPASSWORD", PASSWORD)], &["-c", "SELECT 1"]).status.success());
    let audit = relay.stand.audit();
    assert!(audit.contains("db-users.add") && audit.contains("db-users.remove"), "{audit}");
    assert!(!audit.contains("SCRAM-SHA-256"), "{audit}");
}

#[test]
fn a_purpose_and_settings_come_with_the_connection() {
    let relay = Relay::new();
    let options = "-c allonym.purpose=chargeback -c statement_timeout=12345 -c search_path=a,\\ b";
    let settings = "SELECT current_setting('statement_timeout'), current_setting('search_path'), \
                    current_setting('application_name'), current_database()";
    let variables = [("PGOPTIONS", options), ("PGAPPNAME", "till 7")];
    let shown = relay.psql(&variables, &["-c", settings]);
    assert_eq!(text(&shown).trim_end(), "12345ms|a, b|till 7|shop");
    relay.logged("\"purpose\":\"chargeback\"");
    // As the server reads options, and names in any case.
    let options = [("PGOPTIONS", "-ec Allonym.Purpose=chargeback"), ("PGDATABASE", "postgres")];
    let shown = relay.psql(&options, &["-c", "SHOW allonym.purpose"]);
    assert_eq!(text(&shown).trim_end(), "chargeback");
    relay.logged("\"purpose\":\"chargeback\",\"database\":\"postgres\"");
    // One that is not in `purposes:` counts for nothing, and is not repeated.
    let options = [("PGOPTIONS", "--allonym.purpose=canary-of-a-purpose")];
    let shown = relay.psql(&options, &["-c", "SHOW allonym.purpose"]);
    assert_eq!(text(&shown).trim_end(), "canary-of-a-purpose");
    relay.logged("\"purpose\":\"(unknown)\"");
    assert!(!relay.stand.log().contains("canary-of-a-purpose"));
    let twice = "-c allonym.purpose=chargeback -c allonym.purpose=audit";
    let refused = text(&relay.psql(&[("PGOPTIONS", twice)], &["-c", "SELECT 1"]));
    assert!(refused.contains("rule: purpose-ambiguous"), "{refused}");
    // Any database is routed, and what is not there is said by the server.
    relay.server.sql("postgres", "CREATE DATABASE \"Other one\"");
    let other = relay.psql(&[("PGDATABASE", "Other one")], &["-c", "SELECT current_database()"]);
    assert_eq!(text(&other).trim_end(), "Other one");
    let missing = text(&relay.psql(&[("PGDATABASE", "missing")], &["-c", "SELECT 1"]));
    assert!(missing.contains("database \"missing\" does not exist"), "{missing}");
}

#[test]
fn tls_on_both_sides_and_certificates() {
    let folder = crate::stand::folder();
    let certificates = Certificates::new(&folder, "till.shop.example");
    let server =
        Server::with_tls(&certificates.path("server.pem"), &certificates.path("server.key"));
    let tls = format!(
        "    tls: {{ cert: {}, key: {{ file: {} }} }}
    client_ca: {}
    upstream_tls: {{ ca: {} }}
    callers:
      users:
        shop: {{ role: clerk, upstream_password: {{ env: SHOP_PASSWORD }} }}
        till: {{ role: clerk, certificate: till.shop.example, upstream_user: shop, upstream_password: {{ env: SHOP_PASSWORD }} }}
",
        certificates.path("server.pem"),
        certificates.path("server.key"),
        certificates.path("ca.pem"),
        certificates.path("ca.pem"),
    );
    let relay = Relay::with(server, &tls);
    let ca = certificates.path("ca.pem");
    let verified = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*ca)];
    let ssl = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let shown = relay.psql(&verified, &["-c", ssl]);
    assert_eq!(text(&shown).trim_end(), "t|TLSv1.3", "the way to the server is encrypted");
    // Bound to the channel, and refused without TLS.
    let bound = [&verified[..], &[("PGCHANNELBINDING", "require")]].concat();
    assert!(relay.psql(&bound, &["-c", "SELECT 1"]).status.success());
    let plain = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(plain.contains("rule: tls-required"), "{plain}");
    let stranger = certificates.path("stranger.pem");
    let untrusted = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*stranger)];
    assert!(
        text(&relay.psql(&untrusted, &["-c", "SELECT 1"])).contains("certificate verify failed")
    );
    relay.logged("\"rule\":\"tls-handshake\"");
    assert_eq!(relay.metric("allonym_postgres_refusals_total", &["tls-handshake"]), 1.0);

    // By a certificate, without a password, as another role.
    let (cert, key) = (certificates.path("client.pem"), certificates.path("client.key"));
    let by_certificate = [
        &verified[..],
        &[("PGSSLCERT", &*cert), ("PGSSLKEY", &*key), ("PGUSER", "till"), ("PGPASSWORD", "")],
    ]
    .concat();
    let shown = relay.psql(&by_certificate, &["-c", "SELECT current_user"]);
    assert_eq!(text(&shown).trim_end(), "shop");
    relay.logged("\"principal\":\"db:till\"");
    let without = [&verified[..], &[("PGUSER", "till"), ("PGPASSWORD", "x")]].concat();
    assert!(text(&relay.psql(&without, &["-c", "SELECT 1"])).contains("rule: credential-invalid"));
    relay.logged("\"rule\":\"certificate-missing\"");
    let (cert, key) = (certificates.path("server.pem"), certificates.path("server.key"));
    let another = [
        &verified[..],
        &[("PGSSLCERT", &*cert), ("PGSSLKEY", &*key), ("PGUSER", "till"), ("PGPASSWORD", "x")],
    ]
    .concat();
    assert!(text(&relay.psql(&another, &["-c", "SELECT 1"])).contains("rule: credential-invalid"));
    relay.logged("\"rule\":\"certificate-invalid\"");
    // Who gives up when it is asked for a password is seen, too.
    let before = relay.metric("allonym_postgres_refusals_total", &["credential-invalid"]);
    let silent = [&verified[..], &[("PGUSER", "till"), ("PGPASSWORD", "")]].concat();
    assert!(text(&relay.psql(&silent, &["-c", "SELECT 1"])).contains("no password supplied"));
    let after = || relay.metric("allonym_postgres_refusals_total", &["credential-invalid"]);
    wait_for("it is not seen", || after() > before);
    // Roles that several users have at the server are told of.
    let checked = text(&relay.stand.allonym(&["check"]));
    assert!(checked.contains("several users are `shop` at the server"), "{checked}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_server_that_is_not_trusted_is_not_used() {
    let folder = crate::stand::folder();
    let certificates = Certificates::new(&folder, "nobody");
    let server =
        Server::with_tls(&certificates.path("server.pem"), &certificates.path("server.key"));
    let users = "    callers: { users: { shop: { role: clerk, upstream_password: { env: SHOP_PASSWORD } } } }\n";
    let stranger =
        format!("    upstream_tls: {{ ca: {} }}\n{users}", certificates.path("stranger.pem"));
    let relay = Relay::with(server, &stranger);
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("rule: upstream-connect"), "{refused}");
    // Under another name than the certificate's.
    let ca = certificates.path("ca.pem");
    relay.configure(&format!("    upstream_tls: {{ ca: {ca}, name: elsewhere.example }}\n{users}"));
    assert!(relay.stand.reload().contains("is in force"));
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("not trusted"), "{refused}");
    relay.configure(&format!("    upstream_tls: {{ ca: {ca} }}\n{users}"));
    assert!(relay.stand.reload().contains("is in force"));
    assert_eq!(relay.sql("SELECT 1"), "1");
    // A server that speaks no TLS is not spoken to in plain text.
    drop(relay);
    let relay = Relay::with(Server::new(), &format!("    upstream_tls: {{ ca: {ca} }}\n{users}"));
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("speaks no TLS"), "{refused}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_password_of_the_client_can_be_the_servers() {
    let folder = crate::stand::folder();
    let certificates = Certificates::new(&folder, "nobody");
    let tls = format!(
        "    tls: {{ cert: {}, key: {{ file: {} }} }}\n",
        certificates.path("server.pem"),
        certificates.path("server.key")
    );
    let users = "    upstream_tls: off\n    callers: { login: password, users: { shop: { role: clerk } } }\n";
    let any = "    upstream_login: any\n";
    let mut relay = Relay::stopped(Server::new(), &format!("{tls}{users}"));
    relay.stand.start();
    let ca = certificates.path("ca.pem");
    let with = |password: &str, user: &str| {
        let variables = [
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &*ca),
            ("PGPASSWORD", password),
            ("PGUSER", user),
        ];
        text(&relay.psql(&variables, &["-c", "SELECT current_user"]))
    };
    assert_eq!(with(PASSWORD, "shop").trim_end(), "shop");
    assert!(with("wrong", "shop").contains("password authentication failed for user \"shop\""));
    relay.logged("\"rule\":\"upstream-refused\"");
    assert_eq!(relay.metric("allonym_postgres_refusals_total", &["upstream-refused"]), 1.0);
    // The server would take it, the configuration does not know it.
    relay.server.sql("postgres", "CREATE ROLE stranger LOGIN PASSWORD 'x'");
    relay.server.rule("host all stranger all scram-sha-256");
    assert!(with("x", "stranger").contains("rule: credential-invalid"));
    // An older hash.
    relay
        .server
        .sql("postgres", "SET password_encryption = 'md5'; ALTER ROLE shop PASSWORD 'of-old'");
    relay.server.rule("host all shop all md5");
    let refused = with("of-old", "shop");
    assert!(refused.contains("does not prove that it knows the password"), "{refused}");
    assert!(refused.contains("rule: upstream-login"), "{refused}");
    relay.configure(&format!("{any}{tls}{users}"));
    assert!(relay.stand.reload().contains("is in force"));
    assert_eq!(with("of-old", "shop").trim_end(), "shop");
    // A server that trusts the gateway judges nobody.
    relay.server.rule("host all shop all trust");
    let refused = with("of-old", "shop");
    assert!(refused.contains("nobody has judged the user"), "{refused}");
    // Without TLS nobody is asked for one.
    relay.configure(users);
    let refused = text(&relay.stand.allonym(&["check"]));
    assert!(refused.contains("a password is taken over TLS only"), "{refused}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_servers_own_login_is_relayed() {
    let users =
        "    upstream_tls: off\n    callers: { login: relay, users: { shop: { role: clerk } } }\n";
    let mut relay = Relay::stopped(Server::new(), users);
    relay.stand.start();
    let with = |password: &str, user: &str| {
        let variables = [("PGPASSWORD", password), ("PGUSER", user)];
        text(&relay.psql(&variables, &["-c", "SELECT current_user"]))
    };
    assert_eq!(with(PASSWORD, "shop").trim_end(), "shop");
    assert!(with("wrong", "shop").contains("password authentication failed for user \"shop\""));
    relay.server.sql("postgres", "CREATE ROLE stranger LOGIN PASSWORD 'x'");
    relay.server.rule("host all stranger all scram-sha-256");
    assert!(with("x", "stranger").contains("rule: credential-invalid"));
    relay.logged("\"principal\":\"db:shop\"");
    // No password in plain text where somebody could listen, and nobody unjudged.
    relay.server.rule("host all shop all password");
    let refused = with(PASSWORD, "shop");
    assert!(refused.contains("in plain text"), "{refused}");
    relay.server.rule("host all shop all trust");
    let refused = with(PASSWORD, "shop");
    assert!(refused.contains("nobody has judged the user"), "{refused}");
}

/// What the server needs to know is in a file, which others write.
#[test]
fn a_password_in_a_file_is_read_at_each_login() {
    let users = "    upstream_tls: off
    workers: 1
    callers: { users: { shop: { role: clerk, upstream_password: { file: FOLDER/shop.pw } } } }
";
    let mut relay = Relay::stopped(Server::new(), users);
    let file = relay.stand.folder.join("shop.pw");
    fs::write(&file, PASSWORD).unwrap();
    relay.start();
    let mut session = Session::begin(&relay);
    relay.server.sql("postgres", "ALTER ROLE shop PASSWORD 'canary-of-another'");
    assert!(text(&relay.psql(&[], &["-c", "SELECT 1"])).contains("rule: upstream-login"));
    fs::write(&file, "canary-of-another\n").unwrap();
    assert_eq!(relay.sql("SELECT 1"), "1");
    // One that is not there is not replaced by an older one.
    fs::remove_file(&file).unwrap();
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("upstream_password cannot be read"), "{refused}");
    relay.logged("\"rule\":\"upstream-password\"");
    // Others on the same thread do not wait until it is read.
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let login = relay.meanwhile("SELECT 7");
    let mut pipe = None;
    wait_for("the file is not read", || {
        // There is somebody to write to as soon as it is open for reading.
        const O_NONBLOCK: i32 = 0o4000;
        pipe = fs::OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&file).ok();
        pipe.is_some()
    });
    assert_eq!(session.ask("SELECT 2"), "2");
    pipe.unwrap().write_all(b"canary-of-another").unwrap();
    assert_eq!(said(login).trim_end(), "7");
    assert!(!relay.stand.log().contains("canary-of-another"));
}

#[test]
fn what_cannot_be_meant_is_refused_when_it_is_read() {
    let relay = Relay::stopped(Server::new(), USERS);
    for (more, expected) in [
        ("    tables: { customers: { email: note } }\n", "columns are not protected yet"),
        ("    callers: { users: { shop: { role: nobody } } }\n", "no entry of `access:`"),
        ("    callers: { users: { shop: { role: clerk, purpose: fun } } }\n", "`purposes:`"),
        ("    callers: { users: { shop: { role: clerk, certificate: x } } }\n", "`client_ca`"),
        (
            "    callers: { login: relay, users: { shop: { role: clerk, upstream_user: x } } }\n",
            "only `role` and `purpose` belong here",
        ),
        (
            "    callers: { users: { shop: { role: clerk, upstream_password: literal } } }\n",
            "must not stand in the configuration",
        ),
        ("    limits: { message_bytes: 2GiB }\n", "message_bytes: 64KiB to 1GiB"),
        ("    limits: { pipeline: 100 }\n", "pipeline: 4096 to 16777216"),
        (
            "    callers: { users: { shop: { role: clerk, upstream_user: \"a\\0b\" } } }\n",
            "none of them zero",
        ),
        ("    workers: 0\n", "workers: 1 to 256"),
        ("    colour: red\n", "colour"),
        (
            "    upstream_login: any\n    callers: { login: relay, users: { shop: { role: clerk } } }\n",
            "the client answers what the server asks",
        ),
        ("    upstream_login: md5\n", "md5"),
    ] {
        relay.configure(&format!("    upstream_tls: off\n{more}"));
        let checked = relay.stand.allonym(&["check"]);
        let said = text(&checked);
        assert!(!checked.status.success() && said.contains(expected), "{more}: {said}");
        assert!(said.contains("allonym.yaml:"), "it says where: {said}");
    }
    let listen = config(&relay.server, "0.0.0.0:6432", USERS);
    relay.stand.configure(&listen);
    assert!(text(&relay.stand.allonym(&["check"])).contains("without tls"));
}
