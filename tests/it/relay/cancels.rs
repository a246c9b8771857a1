//! Requests to cancel, all of them with valid keys and many at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::sessions::{Session, wait_for};
use super::*;

/// How many requests come for each session.
const STORM: usize = 50;

/// The statement was cancelled, and the session goes on.
fn is_cancelled(session: &mut Session) {
    let (mut tag, mut body) = session.message();
    while tag != b'E' {
        (tag, body) = session.message();
    }
    let said = String::from_utf8_lossy(&body).into_owned();
    assert!(said.contains("C57014"), "{said}");
    session.until(b'Z');
}

#[test]
fn each_of_a_storm_hits_its_own_statement_only() {
    let relay = Relay::new();
    let sessions = || (0..4).map(|_| Session::begin(&relay)).collect::<Vec<_>>();
    let (mut hit, mut spared) = (sessions(), sessions());
    let long = b"SELECT 'long' FROM pg_sleep(600)\0";
    hit.iter_mut().chain(&mut spared).for_each(|session| session.send(b'Q', long));
    let running = || relay.running("SELECT ''long''%");
    wait_for("they do not run", || running() == 8);

    let connect = || {
        let socket = TcpStream::connect(&relay.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    };
    let mut storm: Vec<TcpStream> = (0..STORM * hit.len()).map(|_| connect()).collect();
    for (socket, session) in storm.iter_mut().zip(hit.iter().cycle()) {
        socket.write_all(&session.cancel()).unwrap();
    }
    hit.iter_mut().for_each(is_cancelled);
    // A request is closed when nothing more will come of it.
    for mut socket in storm {
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    }
    hit.iter_mut().for_each(|session| session.send(b'Q', b"SELECT 'next' FROM pg_sleep(1)\0"));
    for session in &mut hit {
        assert_eq!(&session.until(b'D')[6..], b"next");
        session.until(b'Z');
    }
    assert_eq!(running(), spared.len());
    for session in &mut spared {
        connect().write_all(&session.cancel()).unwrap();
        is_cancelled(session);
    }
    let count = |result| relay.metric("allonym_postgres_cancels_total", &[result]);
    wait_for("they are not counted", || {
        let passed_on = count("passed_on");
        passed_on >= 8.0 && passed_on + count("nothing_to_cancel") == (STORM * 4 + 4) as f64
    });
}
