//! HTTP: the gateway, a bare Pingora proxy and nginx in front of the same upstream.

pub(crate) mod bare;
mod capture;
mod load;
mod stand;

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave};
use crate::report::{Figure, Goal, Row, Section, shown};
use load::Load;
use stand::{Caller, Kind, Proxy, Stand};

const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-3, unit: "k requests/s" };
const CPU: Figure = Figure { of: Sample::cpu_microseconds, scale: 1.0, unit: "us CPU a request" };

/// What is sent, to all three.
struct Scenario {
    name: &'static str,
    what: &'static str,
    kind: Kind,
    caller: Caller,
    /// Every request brings an e-mail address that was never seen before.
    fresh: bool,
    goals: bool,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "http.post",
        what: "POST, 4 fields protected",
        kind: Kind::Customer,
        caller: Caller::Shop,
        fresh: false,
        goals: true,
    },
    Scenario {
        name: "http.get",
        what: "GET, 3 fields revealed, 1 masked",
        kind: Kind::Customer,
        caller: Caller::Billing,
        fresh: false,
        goals: false,
    },
    Scenario {
        name: "http.post.token.known",
        what: "POST, 4 fields and a known e-mail",
        kind: Kind::Contact,
        caller: Caller::Shop,
        fresh: false,
        goals: false,
    },
    Scenario {
        name: "http.post.token.new",
        what: "POST, 4 fields and a new e-mail",
        kind: Kind::Contact,
        caller: Caller::Shop,
        fresh: true,
        goals: false,
    },
    Scenario {
        name: "http.get.token",
        what: "GET, 4 fields and the e-mail revealed",
        kind: Kind::Contact,
        caller: Caller::Billing,
        fresh: false,
        goals: false,
    },
];

pub(crate) fn compare(pace: Pace, folder: &Path) -> Outcome<Section> {
    let folder = folder.join("http");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let stand = Stand::new(&folder)?;
    let mut section = Section { title: "HTTP", rows: Vec::new(), how: HOW, details: String::new() };
    section.details.push_str("| request | proxy | k requests/s | us CPU a request | of core 0 |\n|---|---|---|---|---|\n");
    for scenario in &SCENARIOS {
        let series = measure(pace, &stand, scenario)?;
        section.rows.extend(rows(scenario, &series));
        for one in &series {
            let _ = writeln!(
                section.details,
                "| {} | {} | {} | {} | {} |",
                scenario.what,
                one.name,
                shown(one.spread(RATE.of).scaled(RATE.scale)),
                shown(one.spread(CPU.of)),
                shown(one.spread(Sample::cores)),
            );
        }
    }
    drop(stand);
    std::fs::remove_dir_all(&folder)?;
    Ok(section)
}

fn measure(pace: Pace, stand: &Stand, scenario: &Scenario) -> Outcome<[Series; 3]> {
    let load = |proxy, fresh: &str, seconds| -> Outcome<Load> {
        Ok(Load {
            address: stand.address(proxy),
            method: if scenario.caller == Caller::Shop { "POST" } else { "GET" },
            path: scenario.kind.path(scenario.caller),
            token: stand.token(scenario.caller),
            body: (scenario.caller == Caller::Shop).then(|| stand.body()),
            expected: stand.expected(proxy, scenario.kind, scenario.caller)?,
            fresh: fresh.to_owned(),
            seconds,
        })
    };
    let part = Cell::new(0);
    // Each part of a run has addresses of its own, as long as the one they replace.
    let fresh = || {
        part.set(part.get() + 1);
        if scenario.fresh { format!("zoe.ang{:05}.", part.get()) } else { "-".to_owned() }
    };
    for proxy in Proxy::ALL {
        load(proxy, &fresh(), 1)?.verify(&stand.folder)?;
    }
    let arm = |proxy: Proxy| {
        Arm::new(proxy.name(), {
            let (load, fresh) = (&load, &fresh);
            move |length| {
                let load = load(proxy, &fresh(), length.as_secs().max(1))?;
                let cpu = stand.cpu_seconds(proxy)?;
                let done = load.run(&stand.folder)?;
                let cpu_seconds = stand.cpu_seconds(proxy)? - cpu;
                Ok(Sample { operations: done.requests, seconds: done.seconds, cpu_seconds })
            }
        })
    };
    interleave(Proxy::ALL.map(arm), pace.rounds, pace.load)
}

fn rows(scenario: &Scenario, [ours, bare, nginx]: &[Series; 3]) -> Vec<Row> {
    let row = |suffix: &str, figure, peer| {
        Row::new(format!("{}.{suffix}", scenario.name), scenario.what, figure, ours, peer)
    };
    let added = ours.paired(bare, |ours, bare| ours.cpu_microseconds() - bare.cpu_microseconds());
    let mut to_bare = row("pingora", RATE, bare);
    let mut added = Row::new(
        format!("{}.added", scenario.name),
        format!("{}: ours less the bare proxy", scenario.what),
        CPU,
        ours,
        bare,
    )
    .with_value(added);
    if scenario.goals {
        to_bare = to_bare.goal(Goal::RatioAtLeast(0.75));
        added = added.goal(Goal::ValueAtMost(9.8));
    }
    vec![
        to_bare,
        row("pingora.cpu", CPU, bare),
        added,
        row("nginx", RATE, nginx),
        row("nginx.cpu", CPU, nginx),
    ]
}

const HOW: &str = "HTTP/1.1 on loopback, 64 connections, a JSON record of 1,024 bytes (two fields `fpe`, one `siv`, one \
`mask`; as rows of their own, the same with the e-mail address as a vaulted token besides). Each proxy has one worker and is \
pinned to core 0; the upstream (nginx, a constant answer) and `wrk` share core 1. The upstream answers the very bytes that \
the gateway sent it for this record, so a GET reveals real protected values; on a POST the answer passes back through the \
same rules. The gateway runs as it comes: policy, budgets, access log to a file, an audit record accepted before each \
revealed or masked value. The bare proxy is `pingora-proxy` 0.9.1 with nothing but an upstream, the same allocator and build \
profile; configurations are in `benches/peers/`. Before timing, each proxy answers for one second and every answer is \
compared byte for byte with what it must be; while timing, any status but 200 or any socket error ends the run. CPU time is \
that of the proxy's processes (`/proc/PID/stat`, ticks of 10 ms). Where the last table shows core 0 well below 1, load and \
upstream were the limit, and the CPU rows say more than the rates. wrk is closed-loop: no latency is read from it.";
