//! Queries, from pgbench.

use std::process::Command;
use std::time::Duration;

use super::stand::{PASSWORD, Stand, Way};
use crate::Outcome;

/// How pgbench sends its queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Simple,
    Extended,
    Prepared,
}

impl Mode {
    pub(super) const ALL: [Self; 3] = [Self::Simple, Self::Extended, Self::Prepared];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

/// What came of it.
pub(super) struct Done {
    pub(super) queries: f64,
    pub(super) seconds: f64,
}

/// Look-ups of one row each, for a time; each of them is answered.
pub(super) fn run(
    stand: &Stand,
    way: Way,
    mode: Mode,
    clients: usize,
    length: Duration,
) -> Outcome<Done> {
    let address = stand.address(way);
    // The time begins with the logins, one after the other.
    let seconds = length.as_secs() + if clients > 16 { 1 } else { 0 };
    let output = Command::new("taskset")
        .args(["-c", "1", "pgbench", "-h", "127.0.0.1", "-U", "bench"])
        .args(["-p", &address.port().to_string(), "-S", "-n", "-j", "1", "-M", mode.name()])
        .args(["-c", &clients.to_string(), "-T", &seconds.to_string(), "postgres"])
        .env("PGPASSWORD", PASSWORD)
        .env("PGSSLMODE", "disable")
        .env("PGGSSENCMODE", "disable")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("pgbench through {}: {said}{wrong}", way.name()).into());
    }
    figures(&said).ok_or_else(|| format!("pgbench said something else: {said}{wrong}").into())
}

/// How many were processed, none of which failed, and the rate without the logins.
fn figures(said: &str) -> Option<Done> {
    let after = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let queries: f64 = after("number of transactions actually processed: ")?.parse().ok()?;
    let failed = after("number of failed transactions: ")?;
    let rate: f64 = after("tps = ")?.split(' ').next()?.parse().ok()?;
    let sound = failed.starts_with("0 ") && rate > 0.0;
    sound.then_some(Done { queries, seconds: queries / rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_read() {
        let check = |failed: &str, rate: &str, expected: Option<f64>| {
            let said = format!(
                "scaling factor: 1\nnumber of transactions actually processed: 600\n\
                 number of failed transactions: {failed}\ntps = {rate} (without initial connection time)\n"
            );
            assert_eq!(figures(&said).map(|done| done.seconds), expected, "{said}");
        };
        check("0 (0.000%)", "300.0", Some(2.0));
        check("1 (0.167%)", "300.0", None);
        check("0 (0.000%)", "0.0", None);
        check("0 (0.000%)", "many", None);
    }
}
