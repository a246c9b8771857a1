//! Certificates that are replaced while the gateway runs, at both kinds of connectors.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use super::*;
use crate::stand::folder;

/// A gateway with TLS in front of a database, and in front of an API.
struct Renewal {
    relay: Relay,
    certificates: Certificates,
}

/// Below `TLS` are the files that are replaced.
const BOTH: &str = "    tls: { cert: TLS/ledger.pem, key: { file: TLS/ledger.key } }
    client_ca: TLS/clients.pem
    upstream_tls: off
    callers:
      users:
        shop: { role: clerk, upstream_password: { env: SHOP_PASSWORD } }
        till: { role: clerk, certificate: till.shop.example, upstream_user: shop, upstream_password: { env: SHOP_PASSWORD } }
  api:
    type: http
    listen: GATEWAY
    tls: { cert: TLS/api.pem, key: { file: TLS/api.key } }
    upstream: http://UPSTREAM
    routes: { \"GET /v1/customers/{id}\": {} }
";

const OF_THIS_MACHINE: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";

impl Renewal {
    fn new() -> Self {
        let certificates = Certificates::new(&folder(), "till.shop.example");
        certificates.issue_by("stranger", "renewed", OF_THIS_MACHINE);
        let relay = Relay::stopped(Server::new(), &of(&certificates));
        let mut renewal = Self { relay, certificates };
        renewal.install("ledger", "server");
        renewal.install("api", "server");
        renewal.copy("ca.pem", "clients.pem");
        renewal.relay.start();
        renewal
    }

    /// Gives a connector a certificate with its key.
    fn install(&self, connector: &str, certificate: &str) {
        self.copy(&format!("{certificate}.pem"), &format!("{connector}.pem"));
        self.copy(&format!("{certificate}.key"), &format!("{connector}.key"));
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.certificates.path(from), self.certificates.path(to)).unwrap();
    }

    /// By which authority the certificate is that `psql` is shown, and the one that `curl`
    /// is shown.
    fn shown(&self) -> [String; 2] {
        let who = |sees: &dyn Fn(&str) -> bool| {
            let all = ["ca", "stranger"].into_iter();
            all.filter(|authority| sees(authority)).collect::<Vec<_>>().join(" and ")
        };
        [who(&|authority| self.psql(authority)), who(&|authority| self.curl(authority))]
    }

    fn psql(&self, authority: &str) -> bool {
        let root = self.certificates.path(&format!("{authority}.pem"));
        let variables = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*root)];
        let done = self.relay.psql(&variables, &["-c", "SELECT 1"]);
        let said = text(&done);
        assert!(done.status.success() || said.contains("certificate verify failed"), "{said}");
        done.status.success()
    }

    fn curl(&self, authority: &str) -> bool {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-S", "--max-time", "20", "--cacert"]);
        curl.arg(self.certificates.path(&format!("{authority}.pem")));
        curl.arg(format!("https://{}/v1/customers/nobody", self.relay.stand.gateway));
        let done = curl.output().unwrap();
        let said = text(&done);
        let refused = said.contains("certificate");
        assert!(said.contains("credential-missing") || refused, "{said}");
        !refused
    }

    /// Whether the user with a certificate gets in by this one.
    fn till(&self, certificate: &str) -> bool {
        let path = |name: &str| self.certificates.path(name);
        let (root, cert) = (path("ca.pem"), path(&format!("{certificate}.pem")));
        let key = path(&format!("{certificate}.key"));
        let variables = [
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &*root),
            ("PGSSLCERT", &*cert),
            ("PGSSLKEY", &*key),
            ("PGUSER", "till"),
            ("PGPASSWORD", ""),
        ];
        self.relay.psql(&variables, &["-c", "SELECT 1"]).status.success()
    }

    fn reload(&self) {
        let said = self.relay.stand.reload();
        assert!(said.contains("is in force"), "{said}");
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(self.certificates.0.parent().unwrap());
        }
    }
}

fn of(certificates: &Certificates) -> String {
    BOTH.replace("TLS", certificates.0.to_str().unwrap())
}

/// A client that stays.
struct Held {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Held {
    fn of(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What a statement answers.
    fn sql(&mut self, sql: &str) -> String {
        writeln!(self.input, "{sql};").unwrap();
        self.line()
    }

    /// The status of a request.
    fn http(&mut self) -> String {
        write!(self.input, "GET /v1/customers/nobody HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let status = self.line();
        let mut length = 0;
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(said) = line.strip_prefix("content-length: ") {
                length = said.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        status
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn renewed_certificates_are_for_those_who_come() {
    let renewal = Renewal::new();
    assert_eq!(renewal.shown(), ["ca", "ca"]);
    let root = renewal.certificates.path("ca.pem");
    let verified = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &*root)];
    let mut session = Held::of(&mut renewal.relay.client(&verified, &[]));
    let mut exchange = Held::of(
        Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-CAfile", &root, "-connect"])
            .arg(&renewal.relay.stand.gateway),
    );
    let backend = session.sql("SELECT pg_backend_pid()");
    assert_ne!(backend.parse::<u32>().unwrap(), 0, "{backend}");
    assert_eq!(exchange.http(), "HTTP/1.1 401 Unauthorized");

    renewal.install("ledger", "renewed");
    renewal.install("api", "renewed");
    assert_eq!(renewal.shown(), ["ca", "ca"], "nobody asked for a reload");
    let reloaded = renewal.relay.stand.allonym(&["reload"]);
    assert!(reloaded.status.success(), "{}", text(&reloaded));
    assert_eq!(text(&reloaded).trim_end(), "revision 2 is in force");
    assert_eq!(renewal.shown(), ["stranger", "stranger"]);
    assert_eq!(session.sql("SELECT pg_backend_pid()"), backend, "who is in stays");
    assert_eq!(exchange.http(), "HTTP/1.1 401 Unauthorized");

    // Other files.
    let other = of(&renewal.certificates).replace("/ledger.", "/server.");
    renewal.relay.configure(&other.replace("/api.", "/server."));
    renewal.reload();
    assert_eq!(renewal.shown(), ["ca", "ca"]);
    assert_eq!(session.sql("SELECT pg_backend_pid()"), backend);
    // What a login is bound to is the certificate that was shown.
    let bound = [&verified[..], &[("PGCHANNELBINDING", "require")]].concat();
    assert!(renewal.relay.psql(&bound, &["-c", "SELECT 1"]).status.success());
}

#[test]
fn a_bad_certificate_refuses_the_whole_reload() {
    let renewal = Renewal::new();
    let path = |name: &str| renewal.certificates.path(name);
    let stand = &renewal.relay.stand;
    // It would change the database's users as well, which come first.
    let other = of(&renewal.certificates).replace("shop: {", "clerk: {");
    renewal.relay.configure(&other);
    let faults: [(&str, &dyn Fn(), &str); 6] = [
        ("api.pem", &|| fs::write(path("api.pem"), "nonsense").unwrap(), "holds no certificate"),
        ("api.pem", &|| fs::remove_file(path("api.pem")).unwrap(), "No such file"),
        ("api.key", &|| renewal.copy("renewed.key", "api.key"), "not the key of the first"),
        ("api.key", &|| fs::remove_file(path("api.key")).unwrap(), "No such file"),
        ("ledger.pem", &|| fs::write(path("ledger.pem"), "").unwrap(), "holds no certificate"),
        ("clients.pem", &|| fs::write(path("clients.pem"), "x").unwrap(), "holds no authority"),
    ];
    for (file, spoil, why) in faults {
        spoil();
        let said = stand.reload();
        let key = match file.rsplit_once('.').unwrap() {
            ("clients", _) => "client_ca",
            (_, "key") => "tls.key.file",
            _ => "tls.cert",
        };
        let expected = format!("{key}: {}: ", path(file));
        assert!(said.contains("not reloaded, the old configuration stays"), "{said}");
        assert!(said.contains(&expected) && said.contains(why), "{said}");
        assert!(said.contains("allonym.yaml:"), "it says where: {said}");
        let asked = stand.allonym(&["reload"]);
        assert!(!asked.status.success() && text(&asked).contains(&expected), "{}", text(&asked));
        assert_eq!(renewal.shown(), ["ca", "ca"], "{file}");
        let checked = stand.allonym(&["check"]);
        assert!(checked.status.success(), "{}", text(&checked));
        let warning = format!("a reload would be refused: {}", stand.config.display());
        assert!(text(&checked).contains(&warning), "{}", text(&checked));
        // What reads no configuration goes on.
        let rotated = stand.allonym(&["keys", "rotate", "contact"]);
        assert!(rotated.status.success(), "{}", text(&rotated));
        assert_eq!(renewal.shown(), ["ca", "ca"], "{file}");
        renewal.install("ledger", "server");
        renewal.install("api", "server");
        renewal.copy("ca.pem", "clients.pem");
    }
    assert_eq!(renewal.relay.metric("allonym_reloads_total", &["refused"]), 12.0);
    let checked = text(&stand.allonym(&["check"]));
    assert!(!checked.contains("would be refused"), "{checked}");
    renewal.relay.configure(&of(&renewal.certificates));
    renewal.install("api", "renewed");
    renewal.reload();
    assert_eq!(renewal.shown(), ["ca", "stranger"]);
}

#[test]
fn another_authority_of_clients_is_for_those_who_come() {
    let renewal = Renewal::new();
    renewal.certificates.issue_by("stranger", "other", "subjectAltName=DNS:till.shop.example");
    assert!(renewal.till("client") && !renewal.till("other"));
    renewal.copy("stranger.pem", "clients.pem");
    assert!(renewal.till("client"), "nobody asked for a reload");
    renewal.reload();
    assert!(renewal.till("other") && !renewal.till("client"));
}
