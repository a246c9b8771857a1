//! Requests, from `wrk`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

const SCRIPT: &str = include_str!("../../peers/load.lua");
const CONNECTIONS: &str = "64";

/// The same request again and again, for a time.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) token: String,
    pub(crate) body: Option<PathBuf>,
    /// What every answer must be.
    pub(crate) expected: PathBuf,
    /// What the e-mail addresses begin with, or `-`.
    pub(crate) fresh: String,
    pub(crate) seconds: u64,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
}

impl Load {
    /// The load; every answer has the status 200.
    pub(crate) fn run(&self, folder: &Path) -> Outcome<Done> {
        self.wrk(folder, "-".as_ref())
    }

    /// The load, with every answer compared byte for byte.
    pub(crate) fn verify(&self, folder: &Path) -> Outcome<()> {
        self.wrk(folder, &self.expected).map(drop)
    }

    fn wrk(&self, folder: &Path, expected: &Path) -> Outcome<Done> {
        let script = folder.join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        let output = Command::new("taskset")
            .args(["-c", "1", "wrk", "-t", "1", "-c", CONNECTIONS, "-d"])
            .arg(format!("{}s", self.seconds))
            .arg("-s")
            .arg(&script)
            .arg(format!("http://{}", self.address))
            .args(["--", self.method, self.path, &self.token])
            .arg(self.body.as_deref().unwrap_or("-".as_ref()))
            .arg(expected)
            .arg(&self.fresh)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr)).into());
        }
        figures(&said).ok_or_else(|| format!("wrk said something else: {said}").into()).and_then(|[requests, micros, wrong, status, socket]| {
            if wrong + status + socket > 0 || requests == 0 {
                let what = format!("{} {} at {}", self.method, self.path, self.address);
                return Err(format!(
                    "{what}: of {requests} answers {wrong} were wrong, {status} had another status; {socket} socket errors"
                )
                .into());
            }
            Ok(Done { requests: requests as f64, seconds: micros as f64 / 1e6 })
        })
    }
}

/// The line of the script: requests, microseconds, wrong answers, other statuses, socket
/// errors.
fn figures(said: &str) -> Option<[u64; 5]> {
    let line = said.lines().find_map(|line| line.strip_prefix("figures "))?;
    let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    figures.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_line_is_found() {
        let check = |said: &str, expected| assert_eq!(figures(said), expected);
        check("Running\nfigures 10 20 0 1 2\n", Some([10, 20, 0, 1, 2]));
        check("figures 10 20 0 1\n", None);
        check("figures 10 20 0 1 -2\n", None);
        check("", None);
    }
}
