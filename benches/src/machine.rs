//! What the figures were taken on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Outcome;

/// The folder all profiles are built in: this program stands in one of its folders.
pub(crate) fn target_folder() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).ok_or("this program stands in no target folder")?;
    Ok(folder.to_owned())
}

/// A program of this workspace, built beside this one.
pub(crate) fn program(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not built: run `make bench`", path.display()).into())
    }
}

/// Where a program is; `nginx` is not on every user's path.
pub(crate) fn installed(program: &str) -> Outcome<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found =
        places.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists());
    found.ok_or_else(|| format!("{program} is not installed").into())
}

/// Name and content of each fact.
pub(crate) fn facts() -> Outcome<Vec<(&'static str, String)>> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, content)| content.trim().to_owned()).unwrap_or_default()
    };
    let cpu = read("/proc/cpuinfo");
    let flags = field(&cpu, "flags");
    let units: Vec<_> = ["aes", "vaes", "avx2", "avx512f"]
        .into_iter()
        .filter(|unit| flags.split(' ').any(|flag| flag == *unit))
        .collect();
    let cores = std::thread::available_parallelism()?;
    let profile = std::env::current_exe()?;
    let profile = profile.parent().and_then(Path::file_name).unwrap_or_default();
    let profile = profile.to_string_lossy();
    Ok(vec![
        ("date", today()),
        ("processor", format!("{} ({})", field(&cpu, "model name"), units.join(" "))),
        (
            "cores",
            format!(
                "{cores}{}",
                if flags.contains("hypervisor") { ", of a virtual machine" } else { "" }
            ),
        ),
        ("memory", field(&read("/proc/meminfo"), "MemTotal")),
        ("system", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        (
            "peers",
            format!(
                "{}; {}; {}; {}; pingora-proxy 0.9.1",
                version("nginx", "-v"),
                version("wrk", "-v"),
                version("pgbouncer", "-V"),
                version("pgbench", "-V")
            ),
        ),
        ("build", format!("allonym {}, profile {}", env!("CARGO_PKG_VERSION"), profile)),
        ("command", format!("`{}`", command(&profile))),
    ])
}

/// What of the memory nobody needs now, in bytes.
pub(crate) fn memory_available() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix(" kB"));
    Ok(line.ok_or("/proc/meminfo is not as expected")?.trim().parse::<u64>()? * 1024)
}

/// The first line a program says of itself.
fn version(program: &str, flag: &str) -> String {
    let output = installed(program).and_then(|path| Ok(Command::new(path).arg(flag).output()?));
    let Ok(output) = output else {
        return format!("{program} (not installed)");
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("nginx version: ");
    line.split(" [").next().unwrap_or_default().to_owned()
}

/// How to get the same figures; `make bench` if that does it.
fn command(profile: &str) -> String {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.is_empty() && profile == "release" {
        "make bench".to_owned()
    } else {
        format!("cargo run --profile {profile} -p allonym-benches -- {}", arguments.join(" "))
    }
}

/// The date of today in UTC.
fn today() -> String {
    let days =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    date(days)
}

/// The date of a day counted from 1970-01-01.
fn date(mut day: u64) -> String {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= if leap(year) { 366 } else { 365 } {
        day -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let check = |day, expected| assert_eq!(date(day), expected);
        check(0, "1970-01-01");
        check(58, "1970-02-28");
        check(59, "1970-03-01");
        check(11_016, "2000-02-29");
        check(20_780, "2026-11-23");
        check(20_818, "2026-12-31");
    }
}
