//! With nothing protected, every byte is as it was: a corpus of SQL, and real drivers.

use super::*;

/// Where the suites are.
pub(super) fn suites() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("postgres")
}

#[test]
fn the_corpus_is_answered_alike_direct_and_through_the_relay() {
    let relay = Relay::new();
    relay.server.sql("postgres", "ALTER ROLE shop PASSWORD 'canary-at-the-gateway'");
    let mut relay = relay;
    relay.stand.environment = vec![("SHOP_PASSWORD".to_owned(), OWN.to_owned())];
    relay.stand.stop();
    relay.stand.start();
    let direct = relay.server.address();
    let direct = direct.rsplit(':').next().unwrap();
    let play = |port: &str, name: &str, pieces: &[&str]| {
        let transcript = relay.stand.folder.join(name);
        let mut replay = Command::new("python3");
        replay.arg(suites().join("corpus/replay.py")).arg("--transcript").arg(&transcript);
        replay.args(pieces);
        for (name, value) in [
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", port),
            ("PGUSER", "shop"),
            ("PGPASSWORD", OWN),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "disable"),
        ] {
            replay.env(name, value);
        }
        let done = replay.output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        fs::read(transcript).unwrap()
    };
    // The first run leaves its traces in sequences and the like, so it is not compared.
    play(direct, "first.txt", &[]);
    let expected = play(direct, "direct.txt", &[]);
    assert!(expected.len() > 500_000, "{} bytes", expected.len());
    for (name, pieces) in [("relayed.txt", &[][..]), ("pieces.txt", &["--pieces", "7"])] {
        let got = play(relay.port(), name, pieces);
        if got != expected {
            let (got, expected) =
                (String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
            let differing =
                got.lines().zip(expected.lines()).find(|(got, expected)| got != expected);
            panic!("{name} differs: {differing:?}");
        }
    }
    assert!(relay.metric("allonym_postgres_received_bytes_total", &["client"]) > 100_000.0);
}
