//! Servers and clients that no real one is like, with a relay between them: what they
//! send is bounded, and never completed by words of ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use allonym_contract::{
    Caller, Connector, Credential, Crossing, Fault, Guard, Principal, PrincipalKind, Refusal, Rules,
};
use allonym_postgres::wire::startup::{write_negotiation, write_startup};
use allonym_postgres::{Logins, PostgresConfig, PostgresConnector, Users, Verifier};
use allonym_record::{Record, Value};
use tokio::sync::watch;

/// A guard that knows every database user, and lets nothing be protected.
struct Everyone;

#[async_trait::async_trait]
impl Guard for Everyone {
    fn revision(&self) -> u64 {
        1
    }

    fn rules(&self, _place: &str) -> Option<Arc<Rules>> {
        None
    }

    fn knows_purpose(&self, _: &str) -> bool {
        false
    }

    async fn identify(&self, caller: &Caller<'_>) -> Result<Arc<Principal>, Refusal> {
        let Some(Credential::DatabaseUser(name)) = caller.credentials.first() else {
            return Err(refused());
        };
        Ok(Arc::new(Principal {
            name: format!("db:{name}"),
            kind: PrincipalKind::DatabaseUser,
            roles: Vec::new(),
            purpose: None,
            claims: Default::default(),
            expires: None,
            budget_key: name.clone(),
        }))
    }

    async fn admit(&self, _: &mut Crossing) -> Result<(), Refusal> {
        Err(refused())
    }

    async fn transform(&self, _: &mut Crossing, _: &mut [&mut dyn Record]) -> Result<(), Refusal> {
        Err(refused())
    }

    async fn stored_forms(
        &self,
        _: &mut Crossing,
        _: usize,
        _: &Value,
    ) -> Result<Vec<Value>, Refusal> {
        Err(refused())
    }

    async fn close(&self, _: Crossing, _: Result<(), &Refusal>) {}
}

impl Logins for Everyone {
    fn verifier(&self, user: &str, _: &Users) -> Arc<Verifier> {
        Arc::new(Verifier::mock(user.as_bytes(), &[7; 32], 4096))
    }
}

fn refused() -> Refusal {
    Refusal::new(Fault::Malformed, "test", "nothing of this kind is asked here")
}

/// A relay, and the socket behind it.
struct Stand {
    upstream: TcpListener,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

fn config(upstream: SocketAddr, limits: &str) -> PostgresConfig {
    let yaml = format!(
        "listen: 127.0.0.1:0\nupstream: postgres://{upstream}\nupstream_tls: off\nworkers: 1\n\
         callers: {{ login: relay, users: {{ app: {{ role: clerk }} }} }}\nlimits: {{ {limits} }}\n"
    );
    serde_saphyr::from_str(&yaml).unwrap()
}

impl Stand {
    fn new(limits: &str) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = config(upstream.local_addr().unwrap(), limits);
        let connector =
            PostgresConnector::new("ledger", config, Arc::new(Everyone), Arc::new(Everyone));
        let connector = Arc::new(connector.unwrap());
        let (stop, stopped) = watch::channel(false);
        let (told, address) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let run = connector.run(stopped);
                let tell = async { told.send(connector.listening().await).unwrap() };
                tokio::join!(run, tell).0.unwrap();
            });
        });
        Self { upstream, address: address.recv().unwrap(), stop, thread: Some(thread) }
    }

    /// A client that has said who it is, and the server that has let it in.
    fn logged_in(&self) -> (TcpStream, TcpStream) {
        let (mut client, mut server) = self.begun();
        server.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").unwrap();
        let mut told = [0; 15];
        client.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        (client, server)
    }

    /// The same, with the login not answered yet.
    fn begun(&self) -> (TcpStream, TcpStream) {
        let (mut client, mut server) = self.asked(0, &[]);
        // The server judges the client: it asks for something, and is given it.
        server.write_all(ASKS_FOR_MD5).unwrap();
        let mut asked = [0; ASKS_FOR_MD5.len()];
        client.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, ASKS_FOR_MD5);
        let answer = b"p\0\0\0\x08md5\0";
        client.write_all(answer).unwrap();
        let mut read = [0; 9];
        server.read_exact(&mut read).unwrap();
        assert_eq!(&read, answer);
        (client, server)
    }

    /// A client that has asked for a session, with this minor version and these options of
    /// the protocol, and the server that was asked: for no more than is known here.
    fn asked(&self, minor: u16, options: &[(&[u8], &[u8])]) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(self.address).unwrap();
        let own = [(&b"user"[..], &b"app"[..]), (b"database", b"shop")];
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        write_startup(&mut sent, minor, own.iter().chain(options).copied()).unwrap();
        write_startup(&mut expected, minor.min(2), own).unwrap();
        client.write_all(&sent).unwrap();
        let mut server = self.upstream.accept().unwrap().0;
        for socket in [&client, &server] {
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.set_nodelay(true).unwrap();
        }
        let mut read = vec![0; expected.len()];
        server.read_exact(&mut read).unwrap();
        assert_eq!(read, expected);
        (client, server)
    }
}

/// AuthenticationMD5Password, with a salt.
const ASKS_FOR_MD5: &[u8; 13] = b"R\0\0\0\x0c\0\0\0\x05salt";
/// AuthenticationSASL, SCRAM-SHA-256.
const ASKS_FOR_SCRAM: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

/// All that comes until the other side is gone.
fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A connection that is reset has an end, too; one that stays open has none.
    if let Err(error) = socket.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    rest
}

#[test]
fn a_server_that_is_never_ready_is_not_listened_to_for_ever() {
    for endless in [&b"S"[..], b"N"] {
        let stand = Stand::new("startup_timeout: 60s");
        let (mut client, mut server) = stand.begun();
        server.write_all(b"R\0\0\0\x08\0\0\0\0").unwrap();
        let message = [endless, b"\0\0\x10\x04", &[b'a'; 4096]].concat();
        let mut sent = 0;
        while server.write_all(&message).is_ok() {
            sent += message.len();
            assert!(sent < 64 << 20, "all of it is kept");
        }
        let told = rest(&mut client);
        assert_eq!(told.first(), Some(&b'E'), "{} bytes", told.len());
        assert!(told.windows(8).any(|part| part == b"too much"));
    }
}

#[test]
fn what_is_not_known_is_not_asked_for() {
    let stand = Stand::new("");
    let options = [(&b"_pq_.a"[..], &b"on"[..]), (b"_pq_.b", b"")];
    let told = |minor: u16, names: &[&[u8]]| {
        let mut told = Vec::new();
        write_negotiation(&mut told, minor, names.iter().copied()).unwrap();
        told
    };
    let both: &[&[u8]] = &[b"_pq_.a", b"_pq_.b"];
    for (asked, options, spoken, expected) in [
        // A server that says nothing speaks what it was asked for.
        (0, &[][..], None, Vec::new()),
        (2, &[], None, Vec::new()),
        (3, &[], None, told(2, &[])),
        (9999, &options[..], None, told(2, both)),
        (0, &options[..1], None, told(0, &both[..1])),
        // An older one.
        (2, &[], Some(0), told(0, &[])),
        (9999, &options[..], Some(0), told(0, both)),
        // What it was not asked for is not believed.
        (2, &[], Some(7), Vec::new()),
        (9999, &[], Some(7), told(2, &[])),
    ] {
        let (mut client, mut server) = stand.asked(asked, options);
        if let Some(spoken) = spoken {
            server.write_all(&told(spoken, &[b"_pq_.c"])).unwrap();
        }
        // Before the login, of which the client is a part, and once.
        server.write_all(ASKS_FOR_MD5).unwrap();
        let expected = [&expected[..], ASKS_FOR_MD5].concat();
        let mut read = vec![0; expected.len()];
        client.read_exact(&mut read).unwrap();
        assert_eq!(read, expected, "{asked}, {spoken:?}");
        server.write_all(&told(0, &[])).unwrap();
        client.write_all(b"p\0\0\0\x08md5\0").unwrap();
        assert!(says(&mut client, "not expected here"), "{asked}, {spoken:?}");
    }
}

/// Whether the last thing said is an error with this in it.
fn says(client: &mut TcpStream, expected: &str) -> bool {
    let told = rest(client);
    told.first() == Some(&b'E') && String::from_utf8_lossy(&told).contains(expected)
}

/// What a server says instead of judging the client is not believed.
#[test]
fn who_is_not_judged_is_not_let_in() {
    let stand = Stand::new("");
    let ok = b"R\0\0\0\x08\0\0\0\0";
    for (first, expected) in [
        (&ok[..], "nobody has judged"),
        (b"R\0\0\0\x08\0\0\0\x03", "in plain text"),
        (b"R\0\0\0\x08\0\0\0\x07", "cannot be relayed"),
        (b"R\0\0\0\x08\0\0\0\x0c", "not expected here"),
        (b"R\0\0\0\x08\0\0\0\x0b", "not expected here"),
    ] {
        let (mut client, mut server) = stand.asked(0, &[]);
        server.write_all(first).unwrap();
        assert!(says(&mut client, expected), "{expected}");
        assert_eq!(rest(&mut server), b"");
    }
    // In the middle of SCRAM.
    for (second, expected) in
        [(&ok[..], "nobody has judged"), (&ASKS_FOR_MD5[..], "not expected here")]
    {
        let (mut client, mut server) = stand.asked(0, &[]);
        server.write_all(ASKS_FOR_SCRAM).unwrap();
        let mut read = vec![0; ASKS_FOR_SCRAM.len()];
        client.read_exact(&mut read).unwrap();
        assert_eq!(read, ASKS_FOR_SCRAM);
        client.write_all(b"p\0\0\0\x06x\0").unwrap();
        server.read_exact(&mut [0; 7]).unwrap();
        server.write_all(second).unwrap();
        assert!(says(&mut client, expected), "{expected}");
    }
}

#[test]
fn who_asks_without_end_is_heard_as_far_as_the_pipeline_goes() {
    const ALL: usize = 300_000;
    let message = b"P\0\0\0\x08\0\0\0\0";
    let stand = Stand::new("pipeline: 4096");
    let (client, mut server) = stand.logged_in();
    let mut asking = client.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        (0..ALL / 1000).for_each(|_| asking.write_all(&message.repeat(1000)).unwrap());
        asking.write_all(b"S\0\0\0\x04").unwrap();
    });
    // Until nothing more comes, since nothing is answered.
    server.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (mut read, mut buffer) = (0, vec![0; 64 << 10]);
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        read += count;
    }
    // One read more than the pipeline: 128 KiB and what was begun before.
    let most = 4096 * message.len() + (128 << 10) + message.len();
    assert!((1..=most).contains(&read), "{read} bytes were forwarded");
    // Once it is answered it goes on.
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let total = ALL * message.len() + 5;
    let mut answers = client;
    let answered = std::thread::spawn(move || {
        let mut told = vec![0; ALL * 5 + 6];
        answers.read_exact(&mut told).unwrap();
        assert!(told.ends_with(b"1\0\0\0\x04Z\0\0\0\x05I"));
    });
    let mut settled = 0;
    loop {
        let whole = (read / message.len()).min(ALL);
        server.write_all(&b"1\0\0\0\x04".repeat(whole - settled)).unwrap();
        settled = whole;
        if read == total {
            break;
        }
        read += server.read(&mut buffer).unwrap();
    }
    server.write_all(b"Z\0\0\0\x05I").unwrap();
    asking.join().unwrap();
    answered.join().unwrap();
}

#[test]
fn half_a_message_is_not_completed_for_the_server() {
    let stand = Stand::new("");
    let (mut client, mut server) = stand.logged_in();
    let half = b"Q\0\0\0\x11DROP TABLE a";
    client.write_all(half).unwrap();
    let mut read = vec![0; half.len()];
    server.read_exact(&mut read).unwrap();
    stand.stop.send_replace(true);
    assert_eq!(rest(&mut server), b"", "it takes this for the end of the statement");
    // The client stands between two messages of the server, and can be told.
    assert_eq!(rest(&mut client).first(), Some(&b'E'));
}

#[test]
fn half_a_row_is_not_completed_for_the_client() {
    let stand = Stand::new("message_bytes: 64KiB");
    let (mut client, mut server) = stand.logged_in();
    client.write_all(b"Q\0\0\0\x0dtable t\0\0").unwrap();
    let mut read = [0; 14];
    server.read_exact(&mut read).unwrap();
    let half = b"D\0\0\0\x40\0\x01\0\0\0\x36the beginning";
    server.write_all(half).unwrap();
    let mut read = vec![0; half.len()];
    client.read_exact(&mut read).unwrap();
    client.write_all(b"Q\0\x10\0\0").unwrap();
    assert_eq!(rest(&mut client), b"", "it takes this for the rest of the row");
    // The server has got whole messages only, and is told.
    assert_eq!(rest(&mut server), b"X\0\0\0\x04");
}

#[test]
fn a_header_that_is_none_is_forwarded_alone_however_it_arrives() {
    let stand = Stand::new("");
    let bytes = b"?\0\0\0\x20what follows is nobody's";
    for cut in 1..bytes.len() {
        let (mut client, mut server) = stand.logged_in();
        client.write_all(&bytes[..cut]).unwrap();
        let mut read = vec![0; cut.min(5)];
        server.read_exact(&mut read).unwrap();
        client.write_all(&bytes[cut..]).unwrap();
        let mut more = vec![0; 5 - read.len()];
        server.read_exact(&mut more).unwrap();
        assert_eq!([read, more].concat(), bytes[..5]);
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(rest(&mut server), b"", "cut at {cut}");
    }
}

#[test]
fn a_pipeline_is_longer_than_what_a_server_keeps_back() {
    let upstream = SocketAddr::from(([127, 0, 0, 1], 5432));
    assert!(config(upstream, "pipeline: 4096").places("ledger").unwrap().is_empty());
    let faults = config(upstream, "pipeline: 4095").places("ledger").unwrap_err();
    assert!(faults.iter().any(|fault| fault.to_string().contains("pipeline")), "{faults:?}");
}

#[test]
fn who_is_cut_off_at_the_end_of_a_drain_is_told() {
    let stand = Stand::new("drain_timeout: 1s");
    let (mut client, mut server) = stand.logged_in();
    client.write_all(b"Q\0\0\0\x0dtable t\0\0").unwrap();
    let mut read = [0; 14];
    server.read_exact(&mut read).unwrap();
    stand.stop.send_replace(true);
    let told = rest(&mut client);
    assert!(told.windows(11).any(|part| part == b"terminating"), "{} bytes", told.len());
}

#[test]
fn a_storm_of_requests_to_cancel_is_one_connection_at_a_time() {
    let stand = Stand::new("");
    let (mut client, mut server) = stand.begun();
    let ready = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x2a\x01\x02\x03\x04Z\0\0\0\x05I";
    server.write_all(ready).unwrap();
    let mut told = [0; 28];
    client.read_exact(&mut told).unwrap();
    client.write_all(b"Q\0\0\0\x0dtable t\0\0").unwrap();
    server.read_exact(&mut [0; 14]).unwrap();
    let request = [&b"\0\0\0\x10\x04\xd2\x16\x2e"[..], &told[14..22]].concat();
    let storm: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut socket = TcpStream::connect(stand.address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.write_all(&request).unwrap();
            socket
        })
        .collect();
    let request = || {
        let mut socket = stand.upstream.accept().unwrap().0;
        let mut read = [0; 16];
        socket.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x2a\x01\x02\x03\x04");
        socket
    };
    let nobody_else = |time: Duration| {
        stand.upstream.set_nonblocking(true).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < time {
            assert!(stand.upstream.accept().is_err(), "another comes meanwhile");
            std::thread::sleep(Duration::from_millis(5));
        }
        stand.upstream.set_nonblocking(false).unwrap();
    };
    let first = request();
    nobody_else(Duration::from_millis(500));
    drop(first);
    // It is still under way, so the server is told again, once for all that have come.
    let second = request();
    server.write_all(b"C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I").unwrap();
    client.read_exact(&mut [0; 20]).unwrap();
    drop(second);
    for mut socket in storm {
        assert_eq!(rest(&mut socket), b"", "it ends when nothing more comes of it");
    }
    nobody_else(Duration::from_millis(500));
}
