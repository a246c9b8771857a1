//! Processes: started, waited for, measured, ended.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// The kernel counts CPU time for programs in hundredths of a second.
const TICKS: f64 = 100.0;

/// A child that ends with this.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    /// Starts a program on one core; what it says goes to a file of its name in `folder`.
    pub(crate) fn start(
        name: &'static str,
        core: usize,
        folder: &Path,
        program: &Path,
        arguments: &[&str],
    ) -> Outcome<Self> {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let child = Command::new("taskset")
            .arg("-c")
            .arg(core.to_string())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name, child })
    }

    /// Waits until `ready`, or says why the program ended.
    pub(crate) fn wait(&mut self, mut ready: impl FnMut() -> bool) -> Outcome<()> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended ({status}): see its log", self.name).into());
            }
            if start.elapsed() > Duration::from_secs(30) {
                return Err(format!("{} is not ready after 30 s", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Its number; a program that another one was replaced by keeps it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far of all its threads, by the clock of the scheduler: it is finer than
    /// [`Running::cpu_seconds`], and leaves out threads that have ended.
    pub(crate) fn scheduled_seconds(&self) -> Outcome<f64> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += stat.split(' ').next().unwrap_or_default().parse::<f64>()?;
        }
        Ok(nanoseconds / 1e9)
    }

    /// A line of `/proc/PID/status` that is a size, in bytes.
    pub(crate) fn memory(&self, line: &str) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let size = status.lines().find_map(|text| text.strip_prefix(line)?.strip_suffix(" kB"));
        Ok(size.ok_or("/proc/PID/status is not as expected")?.trim().parse::<f64>()? * 1024.0)
    }

    /// Lets the peak of its memory begin anew.
    pub(crate) fn forget_peak(&self) -> Outcome<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// CPU time so far, of the process and its living children.
    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        let own = cpu_seconds(self.child.id())?;
        let children = stats()?.into_iter().filter(|stat| stat.parent == self.child.id());
        Ok(own + children.map(|stat| stat.cpu_seconds).sum::<f64>())
    }
}

impl Drop for Running {
    /// Asks it to end, so that it can end its own children, and kills it if it does not.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time so far of one process, all its threads, from `/proc/PID/stat`.
pub(crate) fn cpu_seconds(process: u32) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let stat = Stat::parse(&text).ok_or("/proc/PID/stat is not as expected")?;
    Ok(stat.cpu_seconds)
}

/// A free address on this machine.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Whether something accepts connections there.
pub(crate) fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    cpu_seconds: f64,
}

impl Stat {
    /// `PID (name) state ppid ... utime stime ...`; the name may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS,
        })
    }
}

fn stats() -> Outcome<Vec<Stat>> {
    let processes = fs::read_dir("/proc")?.filter_map(Result::ok);
    let texts = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    Ok(texts.filter_map(|text| Stat::parse(&text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_process_is_read_behind_its_name() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 9 9 20 0 3 0 100 1 1";
        let expected = Stat { parent: 7, cpu_seconds: 2.0 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse(""), None);
        assert_eq!(Stat::parse("1 (x) S"), None);
    }
}
