//! A stand: an upstream and a gateway in a folder of their own, and `curl` to reach them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Everything one test has started. Dropping it stops that, and nothing else.
pub(crate) struct Stand {
    pub(crate) folder: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) gateway: String,
    pub(crate) upstream: String,
    pub(crate) admin: String,
    /// Variables of every command of the gateway's.
    pub(crate) environment: Vec<(String, String)>,
    process: Option<Child>,
    _upstream: Child,
}

/// What `curl` got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Stand {
    /// Starts an upstream and a gateway with this configuration. In it `GATEWAY`,
    /// `UPSTREAM`, `ADMIN`, `FOLDER` and `USER` stand for what they are here.
    pub(crate) fn new(config: &str) -> Self {
        let mut stand = Self::without_gateway(config);
        stand.start();
        stand
    }

    /// The same, with the gateway not started yet.
    pub(crate) fn without_gateway(config: &str) -> Self {
        let folder = folder();
        let (child, upstream) = start_upstream(&folder);
        let stand = Self {
            config: folder.join("allonym.yaml"),
            gateway: free_address(),
            upstream,
            admin: free_address(),
            folder,
            environment: Vec::new(),
            process: None,
            _upstream: child,
        };
        stand.configure(config);
        let seal = stand.folder.join("seal.key");
        let made = stand.allonym(&["seal", "create", seal.to_str().unwrap()]);
        assert!(made.status.success(), "{}", text(&made));
        stand
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, config: &str) {
        let user = Command::new("id").arg("-un").output().unwrap();
        let text = config
            .replace("GATEWAY", &self.gateway)
            .replace("UPSTREAM", &self.upstream)
            .replace("ADMIN", &self.admin)
            .replace("FOLDER", self.folder.to_str().unwrap())
            .replace("USER", String::from_utf8(user.stdout).unwrap().trim());
        fs::write(&self.config, text).unwrap();
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) fn start(&mut self) {
        self.start_with(|command| command);
    }

    /// The same, with the command changed on the way.
    pub(crate) fn start_with(&mut self, change: impl FnOnce(Command) -> Command) {
        self.spawn(change);
        let start = Instant::now();
        while !self.is_ready() {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the gateway ended:\n{}", self.log());
            assert!(start.elapsed() < Duration::from_secs(30), "not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the gateway, which is expected not to come up, and gives back what it says.
    pub(crate) fn start_fails(&mut self) -> String {
        self.spawn(|command| command);
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                break status;
            }
            assert!(!self.is_ready(), "the gateway came up");
            assert!(start.elapsed() < Duration::from_secs(30), "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.process = None;
        assert!(!status.success(), "the gateway came up");
        self.log()
    }

    fn spawn(&mut self, change: impl FnOnce(Command) -> Command) {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.join("gateway.log"));
        let log = log.unwrap();
        let mut command = self.command();
        command.arg("run").stdin(Stdio::null());
        let mut command = change(command);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.process = Some(child);
    }

    pub(crate) fn is_ready(&self) -> bool {
        let answer = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg(format!("http://{}/readyz", self.admin))
            .output()
            .unwrap();
        answer.stdout == b"200"
    }

    /// What the gateway has said so far, access log included.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("gateway.log")).unwrap_or_default()
    }

    /// Everything the upstream has received, as it came.
    pub(crate) fn received(&self) -> String {
        let bytes = fs::read(self.folder.join("upstream.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Sends SIGHUP and waits for what the gateway says to it.
    pub(crate) fn reload(&self) -> String {
        let before = self.log().len();
        self.signal("HUP");
        let start = Instant::now();
        loop {
            let said = self.log().split_off(before);
            if let Some(line) = said.lines().find(|line| line.contains("reloaded")) {
                return line.to_owned();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no answer to SIGHUP");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the gateway without any warning.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks the gateway to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.process.take().unwrap().wait().unwrap()
    }

    /// Waits until the gateway has stopped.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.process.take().unwrap().wait().unwrap()
    }

    /// One command of the gateway's own.
    pub(crate) fn allonym(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program("allonym"));
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.envs(environment).arg("--config").arg(&self.config);
        command
    }

    /// The same, with something on standard input.
    pub(crate) fn allonym_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// An API token for a role.
    pub(crate) fn token(&self, role: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{role}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = self.allonym(&["api-tokens", "create", "--name", &name, "--role", role]);
        assert!(made.status.success(), "{}", text(&made));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// `curl` to the gateway: a method, a path, headers, a body.
    pub(crate) fn curl(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: Option<&str>,
    ) -> Answer {
        curl(&format!("http://{}{path}", self.gateway), method, headers, body)
    }

    /// `curl` as the holder of a token.
    pub(crate) fn as_token(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Answer {
        let credential = format!("Allonym-Token: {token}");
        self.curl(method, path, &[&credential], body)
    }

    /// What the upstream holds.
    pub(crate) fn stored(&self, id: &str) -> serde_json::Value {
        let answer = curl(&format!("http://{}/debug/stored/{id}", self.upstream), "GET", &[], None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub(crate) fn audit(&self) -> String {
        fs::read_to_string(self.folder.join("data/audit/audit.jsonl")).unwrap_or_default()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = self._upstream.kill();
        let _ = self._upstream.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Real `curl`.
pub(crate) fn curl(url: &str, method: &str, headers: &[&str], body: Option<&str>) -> Answer {
    let mut command = Command::new("curl");
    command.args(["-s", "-S", "--path-as-is", "--max-time", "20", "-i"]);
    if method == "HEAD" {
        command.arg("--head");
    } else {
        command.args(["-X", method]);
    }
    for header in headers {
        command.args(["-H", header]);
    }
    if body.is_some() {
        if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("content-type")) {
            command.args(["-H", "Content-Type: application/json"]);
        }
        command.args(["--data-binary", "@-"]);
    }
    let mut child = command
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // `curl` may stop reading when it is answered early.
    let _ = child.stdin.take().unwrap().write_all(body.unwrap_or_default().as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // An interim answer (100 Continue) stands before the final one.
    let text = text
        .split_once("\r\n\r\n")
        .filter(|(head, _)| head.starts_with("HTTP/1.1 1"))
        .map_or(&*text, |(_, rest)| rest);
    let (headers, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, headers: headers.to_owned(), body: body.to_owned() }
}

/// What a command printed, both ways.
pub(crate) fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// A program of this workspace, built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is not built: run `make test`", path.display());
    path
}

fn start_upstream(folder: &Path) -> (Child, String) {
    let mut child = Command::new(program("customers-api"))
        .args(["--listen", "127.0.0.1:0", "--record"])
        .arg(folder.join("upstream.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().trim_start_matches("http://").to_owned();
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    (child, address)
}

/// An address to listen on that nobody else will have: no other test, and no connection,
/// since the kernel gives those ports from 32768 on.
pub(crate) fn free_address() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (std::process::id().wrapping_mul(97).wrapping_add(number)) % 20_000;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// A folder under `target/`, which no other test has.
pub(crate) fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let folder = target.join("it").join(format!("{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("data")).unwrap();
    folder
}
