//! The stage: an example upstream, a gateway in front of it, a folder for both.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Failure, client::Client};

/// Everything that runs while the story is told. Dropping it stops what it started.
pub(crate) struct Stage {
    programs: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) gateway: String,
    pub(crate) upstream: String,
    pub(crate) admin: String,
    _children: Vec<Child>,
}

impl Stage {
    /// Makes a fresh folder, starts the upstream and the gateway, and waits until both answer.
    pub(crate) async fn set(programs: &Path, folder: &Path) -> Result<Self, Failure> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let (upstream_child, upstream) = start_upstream(programs).await?;
        let (gateway, admin) = (free_address()?, free_address()?);
        let config = folder.join("allonym.yaml");
        fs::write(&config, configuration(&gateway, &upstream, &admin)?)?;
        let mut stage = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            config,
            gateway,
            upstream,
            admin,
            _children: vec![upstream_child],
        };
        let seal = folder.join("seal.key");
        stage.allonym(&["seal", "create", &seal.display().to_string()]).await?;
        stage.allonym(&["check"]).await?;
        let gateway = stage.start_gateway()?;
        stage._children.push(gateway);
        stage.wait_until_ready().await?;
        Ok(stage)
    }

    fn start_gateway(&self) -> Result<Child, Failure> {
        let log = fs::File::create(self.folder.join("gateway.log"))?;
        Ok(Command::new(self.programs.join("allonym"))
            .arg("--config")
            .arg(&self.config)
            .arg("run")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .kill_on_drop(true)
            .spawn()?)
    }

    async fn wait_until_ready(&self) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            if let Ok(mut client) = Client::connect(&self.admin, None).await
                && client.get("/readyz").await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(20) {
                let log = fs::read_to_string(self.folder.join("gateway.log"))?;
                return Err(format!("the gateway does not answer:\n{log}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs one command of the gateway's own and gives back what it printed.
    pub(crate) async fn allonym(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new(self.programs.join("allonym"))
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("allonym {}: {text}{why}", arguments.join(" ")).into())
    }

    /// The fictional customers, one JSON object a line.
    pub(crate) async fn customers(&self, count: usize) -> Result<Vec<String>, Failure> {
        let output = Command::new(self.programs.join("make-customers"))
            .arg(count.to_string())
            .output()
            .await?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        fs::write(self.folder.join("customers.ndjson"), &output.stdout)?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

async fn start_upstream(programs: &Path) -> Result<(Child, String), Failure> {
    let mut child = Command::new(programs.join("customers-api"))
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("the upstream has no output")?;
    let mut lines = BufReader::new(output).lines();
    let line = lines.next_line().await?.ok_or("the upstream did not say where it listens")?;
    let address =
        line.rsplit(' ').next().unwrap_or_default().trim_start_matches("http://").to_owned();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, address))
}

/// The example configuration, with free ports and this user as the operator.
fn configuration(gateway: &str, upstream: &str, admin: &str) -> Result<String, Failure> {
    let user = std::process::Command::new("id").arg("-un").output()?;
    let user = String::from_utf8(user.stdout)?;
    let text = include_str!("../../demo.yaml")
        .replace("127.0.0.1:8080", gateway)
        .replace("127.0.0.1:9000", upstream)
        .replace(
            "admin: { listen: 127.0.0.1:9464 }",
            &format!(
                "admin: {{ listen: {admin}, operators: {{ \"{}\": [keys, tokens, audit] }} }}",
                user.trim()
            ),
        );
    Ok(text)
}

fn free_address() -> Result<String, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
