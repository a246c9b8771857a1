//! The upstream and the three proxies in front of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::http::capture::Capture;
use crate::process::{Running, accepts, free_address};
use crate::{Outcome, document, machine};

const GATEWAY: &str = include_str!("../../peers/gateway.yaml");
const NGINX: &str = include_str!("../../peers/nginx-proxy.conf");
const UPSTREAM: &str = include_str!("../../peers/nginx-upstream.conf");
/// The core of whatever proxy is under load, and the core of everything else.
const UNDER_TEST: usize = 0;
const BESIDE: usize = 1;

/// What stands in the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    Gateway,
    Bare,
    Nginx,
}

impl Proxy {
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Bare, Self::Nginx];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "allonym",
            Self::Bare => "bare Pingora",
            Self::Nginx => "nginx",
        }
    }
}

/// What is sent: the record, by the route that says how much of it is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Customer,
    Contact,
}

/// Who sends it: the shop writes, billing reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Shop,
    Billing,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Customer, Self::Contact];

    pub(crate) const fn path(self, caller: Caller) -> &'static str {
        match (self, caller) {
            (Self::Customer, Caller::Shop) => "/v1/customers",
            (Self::Customer, Caller::Billing) => "/v1/customers/cus_000001",
            (Self::Contact, Caller::Shop) => "/v1/contacts",
            (Self::Contact, Caller::Billing) => "/v1/contacts/cus_000001",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Contact => "contact",
        }
    }
}

/// Everything that runs; dropping it ends it.
pub(crate) struct Stand {
    pub(crate) folder: PathBuf,
    gateway: (Running, SocketAddr),
    bare: (Running, SocketAddr),
    nginx: (Running, SocketAddr),
    _upstream: Running,
    shop: String,
    billing: String,
}

impl Stand {
    /// Starts everything in a fresh folder, and finds out what the upstream shall hold:
    /// the first requests go to an upstream that keeps what it is sent.
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        let upstream_at = free_address()?;
        fs::write(folder.join("body"), document::customer())?;
        let setup = Setup { folder, upstream_at };
        let (gateway, shop, billing) = setup.gateway()?;
        setup.capture(gateway.1, &shop)?;
        let upstream = setup.upstream()?;
        let (bare, nginx) = (setup.bare()?, setup.nginx()?);
        let stand = Self {
            folder: folder.to_owned(),
            gateway,
            bare,
            nginx,
            _upstream: upstream,
            shop,
            billing,
        };
        for kind in Kind::ALL {
            stand.check_answers(kind)?;
        }
        Ok(stand)
    }

    pub(crate) const fn address(&self, proxy: Proxy) -> SocketAddr {
        self.of(proxy).1
    }

    pub(crate) fn cpu_seconds(&self, proxy: Proxy) -> Outcome<f64> {
        self.of(proxy).0.cpu_seconds()
    }

    pub(crate) fn token(&self, caller: Caller) -> String {
        match caller {
            Caller::Shop => self.shop.clone(),
            Caller::Billing => self.billing.clone(),
        }
    }

    pub(crate) fn body(&self) -> PathBuf {
        self.folder.join("body")
    }

    /// The file that holds what a proxy must answer: the peers pass on what is stored.
    pub(crate) fn expected(&self, proxy: Proxy, kind: Kind, caller: Caller) -> Outcome<PathBuf> {
        let seen = match (proxy, caller) {
            (Proxy::Bare | Proxy::Nginx, _) => "stored",
            (Proxy::Gateway, Caller::Shop) => "shop",
            (Proxy::Gateway, Caller::Billing) => "billing",
        };
        let path = self.folder.join(format!("{}.{seen}", kind.name()));
        if path.exists() { Ok(path) } else { Err("an expected answer was not made".into()) }
    }

    const fn of(&self, proxy: Proxy) -> &(Running, SocketAddr) {
        match proxy {
            Proxy::Gateway => &self.gateway,
            Proxy::Bare => &self.bare,
            Proxy::Nginx => &self.nginx,
        }
    }

    /// What each caller must see follows from the record and from what is stored, not
    /// from what the gateway answers; its answer is kept only when it says the same.
    fn check_answers(&self, kind: Kind) -> Outcome<()> {
        let stored = fs::read_to_string(self.folder.join(format!("{}.stored", kind.name())))?;
        let sent = document::customer();
        check_stored(kind, &sent, &stored)?;
        let masked = |text: &str| text.replace(document::BIRTH_DATE, "1984-**-**");
        // Of a customer the e-mail address is no protected field.
        let seen = [(Caller::Shop, masked(&stored)), (Caller::Billing, masked(&sent))];
        for (caller, expected) in seen {
            let body = (caller == Caller::Shop).then_some(sent.as_str());
            let answer = send(self.gateway.1, kind.path(caller), &self.token(caller), body)?;
            let parsed: Value = serde_json::from_str(&answer)?;
            if parsed != serde_json::from_str::<Value>(&expected)? {
                return Err(format!("the gateway answered {answer}, not {expected}").into());
            }
            let name = if caller == Caller::Shop { "shop" } else { "billing" };
            fs::write(self.folder.join(format!("{}.{name}", kind.name())), answer)?;
        }
        Ok(())
    }
}

/// The upstream was sent the record with every protected field changed and all else as it
/// was.
fn check_stored(kind: Kind, sent: &str, stored: &str) -> Outcome<()> {
    let mut restored: Value = serde_json::from_str(stored)?;
    let original: Value = serde_json::from_str(sent)?;
    let mut pointers = vec!["/card/number", "/iban", "/full_name"];
    if kind == Kind::Contact {
        pointers.push("/email");
    }
    for pointer in pointers {
        let (now, before) = (restored.pointer_mut(pointer), original.pointer(pointer));
        let (Some(now), Some(before)) = (now, before) else {
            return Err(format!("{pointer} is missing upstream").into());
        };
        if now == before {
            return Err(format!("{pointer} reached the upstream in plain").into());
        }
        now.clone_from(before);
    }
    if restored == original {
        Ok(())
    } else {
        Err("more than the protected fields was changed".into())
    }
}

/// What it takes to start.
struct Setup<'a> {
    folder: &'a Path,
    upstream_at: SocketAddr,
}

impl Setup<'_> {
    /// The gateway, and a token for the shop and for billing.
    fn gateway(&self) -> Outcome<((Running, SocketAddr), String, String)> {
        let (listen, admin) = (free_address()?, free_address()?);
        let user = Command::new("id").arg("-un").output()?.stdout;
        let (user, at) = (String::from_utf8(user)?, admin.to_string());
        let more = [("ADMIN", at.as_str()), ("USER", user.trim())];
        let config = self.config("allonym.yaml", GATEWAY, listen, &more)?;
        fs::create_dir_all(self.folder.join("data"))?;
        let program = machine::program("allonym")?;
        let allonym = |arguments: &[&str]| -> Outcome<String> {
            let output =
                Command::new(&program).arg("--config").arg(&config).args(arguments).output()?;
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() {
                return Ok(said);
            }
            Err(format!(
                "allonym {}: {said}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )
            .into())
        };
        allonym(&["seal", "create", &self.folder.join("seal.key").display().to_string()])?;
        let shop = allonym(&["api-tokens", "create", "--name", "shop", "--role", "shop"])?;
        let billing = ["--name", "billing", "--role", "billing", "--purpose", "chargeback"];
        let billing = allonym(&[&["api-tokens", "create"], billing.as_slice()].concat())?;
        let path = config.display().to_string();
        let arguments = ["--config", &path, "run", "--threads", "1"];
        let mut running = Running::start("gateway", UNDER_TEST, self.folder, &program, &arguments)?;
        running.wait(|| is_ready(admin))?;
        Ok(((running, listen), shop, billing))
    }

    /// Sends the record once by each route, and writes down what came out.
    fn capture(&self, gateway: SocketAddr, shop: &str) -> Outcome<()> {
        let capture = Capture::start(self.upstream_at, Kind::ALL.len())?;
        let sent = document::customer();
        for kind in Kind::ALL {
            send(gateway, kind.path(Caller::Shop), shop, Some(&sent))?;
        }
        for (kind, body) in Kind::ALL.into_iter().zip(capture.bodies()?) {
            fs::write(self.folder.join(format!("{}.stored", kind.name())), body)?;
        }
        Ok(())
    }

    fn upstream(&self) -> Outcome<Running> {
        let stored =
            |kind: Kind| fs::read_to_string(self.folder.join(format!("{}.stored", kind.name())));
        let (customer, contact) = (stored(Kind::Customer)?, stored(Kind::Contact)?);
        if [&customer, &contact].iter().any(|body| body.contains(['\'', '$', '\\'])) {
            return Err("the record cannot stand in a configuration of nginx".into());
        }
        let bodies = [("CUSTOMER", customer.as_str()), ("CONTACT", contact.as_str())];
        let config = self.config("nginx-upstream.conf", UPSTREAM, self.upstream_at, &bodies)?;
        self.start_nginx("nginx-upstream", BESIDE, &config, self.upstream_at)
    }

    fn nginx(&self) -> Outcome<(Running, SocketAddr)> {
        let listen = free_address()?;
        let config = self.config("nginx-proxy.conf", NGINX, listen, &[])?;
        Ok((self.start_nginx("nginx-proxy", UNDER_TEST, &config, listen)?, listen))
    }

    fn start_nginx(
        &self,
        name: &'static str,
        core: usize,
        config: &Path,
        listen: SocketAddr,
    ) -> Outcome<Running> {
        let (prefix, config) = (self.folder.display().to_string(), config.display().to_string());
        let arguments = ["-e", "stderr", "-p", &prefix, "-c", &config];
        let program = machine::installed("nginx")?;
        let mut running = Running::start(name, core, self.folder, &program, &arguments)?;
        running.wait(|| accepts(listen))?;
        Ok(running)
    }

    fn bare(&self) -> Outcome<(Running, SocketAddr)> {
        let listen = free_address()?;
        let (at, upstream) = (listen.to_string(), self.upstream_at.to_string());
        let program = std::env::current_exe()?;
        let arguments = ["--bare-proxy", &at, &upstream];
        let mut running = Running::start("bare", UNDER_TEST, self.folder, &program, &arguments)?;
        running.wait(|| accepts(listen))?;
        Ok((running, listen))
    }

    /// Writes a configuration with its placeholders filled in.
    fn config(
        &self,
        name: &str,
        text: &str,
        listen: SocketAddr,
        more: &[(&str, &str)],
    ) -> Outcome<PathBuf> {
        let mut text = text
            .replace("LISTEN", &listen.to_string())
            .replace("UPSTREAM", &self.upstream_at.to_string())
            .replace("FOLDER", &self.folder.display().to_string());
        for (placeholder, content) in more {
            text = text.replace(placeholder, content);
        }
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let address = format!("http://{admin}/readyz");
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &address])
        .output();
    output.is_ok_and(|output| output.stdout == b"200")
}

/// One request by `curl`; the body of its answer, which has the status 200.
fn send(address: SocketAddr, path: &str, token: &str, body: Option<&str>) -> Outcome<String> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}", "-H"]);
    command.arg(format!("Allonym-Token: {token}"));
    if let Some(body) = body {
        command.args(["-H", "Content-Type: application/json", "--data-binary", body]);
    }
    let output = command.arg(format!("http://{address}{path}")).output()?;
    let said = String::from_utf8(output.stdout)?;
    match said.rsplit_once('\n') {
        Some((answer, "200")) => Ok(answer.to_owned()),
        _ => Err(format!("{path}: {said}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
