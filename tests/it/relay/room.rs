//! Who finds room, and who does not.

use std::io::Read;
use std::net::TcpStream;

use super::sessions::{Session, interrupt, said, wait_for};
use super::*;

fn with(limits: &str) -> Relay {
    Relay::with(Server::new(), &format!("    limits: {{ {limits} }}\n{USERS}"))
}

impl Relay {
    fn refused(&self, rule: &str) -> f64 {
        self.metric("allonym_postgres_refusals_total", &[&format!("rule=\"{rule}\"")])
    }
}

/// Who says nothing, and who says no more than a name.
fn strangers(relay: &Relay, count: usize) -> Vec<TcpStream> {
    let stranger = |number: usize| match number % 2 {
        0 => TcpStream::connect(&relay.address).unwrap(),
        _ => Session::begins(relay).0,
    };
    (0..count).map(stranger).collect()
}

/// psql waits for 20 s, and a stranger may stay for 30.
#[test]
fn strangers_keep_nobody_out() {
    // They take no place of a session,
    let relay = with("connections: 2");
    let none = strangers(&relay, 40);
    assert_eq!(relay.sql("SELECT 1"), "1");
    assert_eq!(relay.refused("openings"), 0.0, "there was room for all");
    drop(none);
    // and where they fill the room before it, they have to make some.
    let relay = with("openings: 4");
    let _none = strangers(&relay, 8);
    assert_eq!(relay.sql("SELECT 1"), "1");
    assert!(relay.refused("openings") >= 5.0);
    relay.logged("\"rule\":\"openings\"");
}

#[test]
fn at_the_limit_a_login_is_refused_and_a_statement_can_be_cancelled() {
    let relay = with("connections: 1, connections_wait: 1s");
    let running = relay.meanwhile("SELECT 'only' FROM pg_sleep(600)");
    wait_for("it does not run", || relay.running("SELECT ''only''%") == 1);
    let mut late = Session::begins(&relay);
    late.scram();
    assert_eq!(late.last_word(), ("53300".to_owned(), "connections".to_owned()));
    assert_eq!(relay.refused("connections"), 1.0);
    let at_the_server = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'";
    assert_eq!(relay.server.sql("postgres", at_the_server).trim(), "1");
    interrupt(&running);
    assert!(said(running).contains("canceling statement due to user request"));
    assert_eq!(relay.sql("SELECT 1"), "1", "there is a place again");
}

#[test]
fn while_sessions_end_a_statement_can_be_cancelled() {
    let mut relay = with("drain_timeout: 10m, startup_timeout: 10m");
    let running = relay.meanwhile("SELECT 'last' FROM pg_sleep(600)");
    wait_for("it does not run", || relay.running("SELECT ''last''%") == 1);
    // Who has not said who it is keeps the gateway from nothing.
    let mut silent = TcpStream::connect(&relay.address).unwrap();
    let start = Instant::now();
    relay.stand.signal("TERM");
    let refused = || text(&relay.psql(&[], &["-c", "SELECT 1"]));
    wait_for("it does not stop", || refused().contains("rule: draining"));
    assert_eq!(relay.running("SELECT ''last''%"), 1);
    interrupt(&running);
    assert!(said(running).contains("canceling statement due to user request"));
    assert!(relay.stand.wait().success());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
}
