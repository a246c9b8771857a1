//! Power cuts while tokens are issued.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

/// Set in the process that is killed: where the store is.
const CHILD: &str = "ALLONYM_TEST_TOKENS_CHILD";
const SCHEMA: &str = "ALLONYM_TEST_TOKENS_SCHEMA";

conformance!(what_was_told_survives_kills);

/// Not a test of its own: what the other one starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = Path::new(&folder);
    let seals: [Box<dyn Seal>; 1] = [Box::new(FileSeal::open(folder.join("seal.key")).unwrap())];
    let now = SystemTime::now();
    let store = match std::env::var_os(SCHEMA) {
        None => Store::open(&folder.join("data/store.db"), &seals, now),
        Some(url) => {
            let config = allonym_store::PostgresConfig::new(url.into_string().unwrap());
            Store::open_postgres(&config, &seals, now)
        }
    };
    let store = store.unwrap();
    let key = store.ensure_key("contact", None, now).unwrap();
    let vault = Arc::new(VaultStore::new(store.clone()));
    let ahead = Arc::default();
    let home = Home { folder: tempfile::tempdir().unwrap(), schema: None };
    let world = World { home, store, vault, key, ahead };
    let salt = u64::from(std::process::id());
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let methods = [world.plain("note"), world.format("account", account())];
            let keys = world.keys();
            tokio::spawn(async move {
                for round in 0.. {
                    for (method, kind) in methods.iter().zip(["note", "account"]) {
                        issue(method, kind, &keys, salt * 31 + task * 7 + round).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn account() -> TokenTemplate {
    TokenTemplate::Digits { keep: Keep { first: 1, last: 0 }, min: 9, max: 9 }
}

/// Says which tokens a batch got, in one write: after it, they are promised.
async fn issue(method: &Vaulted, kind: &str, keys: &KeySet, seed: u64) {
    let values: Vec<Value> = (0..20)
        // Values come again, in this process and in later ones.
        .map(|at| Value::text(format!("{}", 100_000_000 + (seed * 17 + at * at) % 5000)))
        .collect();
    let tokens = protect(method, &values, &context(keys)).await;
    let lines: String = values
        .iter()
        .zip(&tokens)
        .map(|(value, token)| {
            format!("told {kind} {} {}\n", value.as_str().unwrap(), token.as_str().unwrap())
        })
        .collect();
    std::io::stdout().lock().write_all(lines.as_bytes()).unwrap();
}

/// As often as `ALLONYM_SOAK` asks for: 100 times, else 10.
async fn what_was_told_survives_kills(world: World) {
    let rounds = if std::env::var_os("ALLONYM_SOAK").is_some() { 100 } else { 10 };
    let mut told: HashMap<(String, String), String> = HashMap::new();
    let mut world = world;
    for round in 0..rounds {
        let World { home, store, vault, .. } = world;
        drop((store, vault));
        let (home, lines) =
            tokio::task::spawn_blocking(move || kill_one(home, round)).await.unwrap();
        assert!(!lines.is_empty(), "the process was killed before it told anything");
        for (kind, value, token) in lines {
            let known = told.insert((kind, value.clone()), token.clone());
            assert!(known.is_none_or(|known| known == token), "{value} has two tokens");
        }
        world = World::open(home);
        check(&world, &told).await;
    }
    assert!(told.len() > 300, "{}", told.len());
}

/// Starts a process, kills it after it told something, and gives what it told.
fn kill_one(home: Home, round: u64) -> (Home, Vec<(String, String, String)>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crashes::the_process_that_is_killed", "--nocapture"]);
    command.env(CHILD, home.folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(schema) = &home.schema {
        command.env(SCHEMA, server::shared().config("postgres", schema).url);
    }
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut end = None;
    // Some time after the first promise, another each round.
    let patience = Duration::from_micros(500 + round * 7919 % 120_000);
    while output.read_line(&mut line).unwrap() > 0 {
        lines.push(std::mem::take(&mut line));
        if lines.last().is_some_and(|line| line.contains("told ")) {
            let end = *end.get_or_insert_with(|| Instant::now() + patience);
            if Instant::now() >= end {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    // The last line may be half of one.
    let whole = lines.iter().filter(|line| line.ends_with('\n'));
    let told = whole.filter_map(|line| {
        // The test harness writes in the same line.
        let (_, told) = line.trim_end().split_once("told ")?;
        let mut words = told.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    });
    (home, told.collect())
}

async fn check(world: &World, told: &HashMap<(String, String), String>) {
    let keys = world.keys();
    for (kind, method) in
        [("note", world.plain("note")), ("account", world.format("account", account()))]
    {
        let pairs = told.iter().filter(|((of, _), _)| of == kind);
        let (values, tokens): (Vec<Value>, Vec<Value>) =
            pairs.map(|((_, value), token)| (Value::text(&**value), Value::text(&**token))).unzip();
        assert!(reveal(&method, &tokens, &context(&keys)).await.unwrap() == values, "{kind}");
        // No value has two, whether anybody was told or not.
        let (mut names, mut after) = (Vec::<Value>::new(), None);
        loop {
            let rows = world.store.token_page(world.id(kind), after, 60_000).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some(last.token.clone());
            names.extend(rows.iter().map(|row| Value::text(&*row.token)));
        }
        let stored = reveal(&method, &names, &context(&keys)).await.unwrap();
        let distinct: HashSet<&str> = stored.iter().filter_map(Value::as_str).collect();
        assert_eq!(distinct.len(), names.len(), "{kind}");
        assert!(protect(&method, &values, &context(&keys)).await == tokens, "{kind}");
    }
}
