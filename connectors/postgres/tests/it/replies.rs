//! Which reply belongs to which request: conversations with a server, and a model of one.

use std::collections::VecDeque;

use allonym_postgres::wire::WireError;
use allonym_postgres::wire::replies::{Kind, LEAST_DEPTH, Outcome, Replies, TransactionStatus};
use proptest::prelude::*;

/// `Query+` or, with two entries that were skipped, `Execute-2`.
fn word(outcome: Outcome) -> String {
    match (outcome.ok, outcome.dropped) {
        (true, 0) => format!("{:?}+", outcome.kind),
        (false, 0) => format!("{:?}-", outcome.kind),
        (_, dropped) => format!("{:?}-{dropped}", outcome.kind),
    }
}

/// Plays `>` messages of the client and `<` messages of the server, each a list of types;
/// after `Z` comes its status.
fn play(replies: &mut Replies, script: &str) -> Result<Vec<String>, WireError> {
    let mut outcomes = Vec::new();
    for part in script.split_whitespace() {
        let (direction, tags) = part.split_at(1);
        let mut tags = tags.bytes();
        while let Some(tag) = tags.next() {
            if direction == ">" {
                replies.frontend(tag, tag)?;
                continue;
            }
            let body = if tag == b'Z' { vec![tags.next().unwrap()] } else { Vec::new() };
            outcomes.extend(replies.backend(tag, &body)?.map(word));
        }
    }
    Ok(outcomes)
}

#[test]
fn conversations() {
    let check = |script: &str, expected: &str| {
        let mut replies = Replies::new(0);
        let outcomes =
            play(&mut replies, script).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(outcomes.join(" "), expected, "{script}");
        assert!(replies.is_idle() && replies.in_flight() == 0, "{script}");
        assert_eq!(replies.current(), None);
    };
    // Simple queries: one, many results, nothing, an error, two at once.
    check(">Q <TDDCZI", "Query+");
    check(">Q <CTDCICZT", "Query+");
    check(">Q <IZI", "Query+");
    check(">Q <TDEZE", "Query-");
    check(">Q <CEZI", "Query-");
    check(">QQ <CZIEZI", "Query+ Query-");
    check(">H >Q <NSACNSANZIN", "Query+");
    // Extended: all at once, described by statement and by portal, suspended, empty.
    check(">PBDES <12TDCZI", "Parse+ Bind+ Describe+ Execute+ Sync+");
    check(">PDS <1tTZI >BES <2DDCZI", "Parse+ Describe+ Sync+ Bind+ Execute+ Sync+");
    check(">PDS <1tnZI", "Parse+ Describe+ Sync+");
    check(">BDES <2nIZI", "Bind+ Describe+ Execute+ Sync+");
    check(">BEH <2Ds >EH <Ds >ES <CZT", "Bind+ Execute+ Execute+ Execute+ Sync+");
    check(">CCS <33ZI", "Close+ Close+ Sync+");
    check(">SSS <ZIZIZI", "Sync+ Sync+ Sync+");
    check(">PBE >Q <12CCZI", "Parse+ Bind+ Execute+ Query+");
    // Errors skip to the Sync, whether it was sent or not, and whatever stands between.
    check(">PBDES <EZI", "Parse-3 Sync+");
    check(">PBDESPBES <12EZE12CZI", "Parse+ Bind+ Describe-1 Sync+ Parse+ Bind+ Execute+ Sync+");
    check(">PBQFS <1EZI", "Parse+ Bind-2 Sync+");
    check(">PB <1E >DEQH >S <ZI", "Parse+ Bind- Sync+");
    check(">PBES <12DDEZI >Q <IZI", "Parse+ Bind+ Execute- Sync+ Query+");
    check(">BES <2CEZI", "Bind+ Execute+ Sync-");
    check(">C <E >S <ZI", "Close- Sync+");
    check(">D <E >PBS <ZI", "Describe- Sync+");
    // Function calls.
    check(">F <VZI", "FunctionCall+");
    check(">F <EZI", "FunctionCall-");
    check(">FQ <EZECZE", "FunctionCall- Query+");
    // An error that answers nothing, as before the server closes.
    check("<E", "");
    check(">Q <EEZI", "Query-");
}

#[test]
fn copies() {
    let check = |script: &str, expected: &str| {
        let mut replies = Replies::new(0);
        let outcomes =
            play(&mut replies, script).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(outcomes.join(" "), expected, "{script}");
        assert!(replies.is_idle() && replies.in_flight() == 0, "{script}");
    };
    // Simple, with the data sent after the answer, and before it.
    check(">Q <G >dddc <CZI", "Query+");
    check(">Qddc <GCZI", "Query+");
    check(">Q <G >df <EZI", "Query-");
    check(">Qdf <GEZI", "Query-");
    check(">Q <G >d <EZI >ddc >Q <CZI", "Query- Query+");
    check(">Q <EZI >dddc >Q <CZI", "Query- Query+");
    check(">Qddc <EZI", "Query-");
    check(">QddcQ <EZICZI", "Query- Query+");
    // Two in one text, pipelined or not, and a result behind them.
    check(">Q <G >dc <CG >dc <CTDCZI", "Query+");
    check(">Qdcdc <GCGCZI", "Query+");
    check(">Q <G >dcdc <CGCZI", "Query+");
    check(">QdcdcQ <GEZICZI", "Query- Query+");
    // Extended: the Sync sent behind the Execute is swallowed; another follows the data.
    check(">PBDES <12nG >ddcS <CZI", "Parse+ Bind+ Describe+ Execute+ Sync+");
    check(">PBEH <12G >dHdcS <CZI", "Parse+ Bind+ Execute+ Sync+");
    check(">BE <2G >dSdSdcS <CZI", "Bind+ Execute+ Sync+");
    check(">BEddcS <2GCZI", "Bind+ Execute+ Sync+");
    check(">BESddcS <2GCZI", "Bind+ Execute+ Sync+");
    check(">BES <2G >dfS <EZI", "Bind+ Execute- Sync+");
    check(">BES <2G >d <E >dcS <ZI", "Bind+ Execute- Sync+");
    check(">BES <2G >ddcS <EZI >Q <TDCZI", "Bind+ Execute- Sync+ Query+");
    check(">BEdcPBES <2GC12CZI", "Bind+ Execute+ Parse+ Bind+ Execute+ Sync+");
    // Not a COPY after all: the Sync is answered, the data are not.
    check(">BESdcS <2EZIZI", "Bind+ Execute- Sync+ Sync+");
    check(">BESdcS <2CZIZI", "Bind+ Execute+ Sync+ Sync+");
    // It fails before it reads anything: the first Sync is answered after all.
    check(">BES <2GEZI >dcS <ZI", "Bind+ Execute- Sync+");
    check(">BES <2G >dcS <EZIZI", "Bind+ Execute- Sync+");
    check(">BES <2G >dcS <EZI >Q <ZICZI", "Bind+ Execute- Sync+ Query+");
    check(">Q <G >S <EZIZI", "Query-");
    check(">BES <2GEZI", "Bind+ Execute-");
    // What does not belong into a COPY is sent behind one that has failed.
    check(">Q <G >QS <EZICZIZI", "Query- Query+ Sync+");
    // Out, whole and broken off, both protocols.
    check(">Q <HdddcCZI", "Query+");
    check(">Q <HddEZI", "Query-");
    check(">PBES <12HddcCZI", "Parse+ Bind+ Execute+ Sync+");
    check(">BES <2HdEZI", "Bind+ Execute- Sync+");
    check(">Q <HdcCG >dc <CZI", "Query+");
    // Replication: both at once, ended by either side.
    check(">Q <W >d <dd >dc <dcTDCCZI", "Query+");
    check(">Q <Wddc >dc <CZI", "Query+");
    check(">Q <WdE <ZI", "Query-");
}

#[test]
fn unexpected() {
    let check = |script: &str, tag: u8| {
        let mut replies = Replies::new(0);
        assert_eq!(play(&mut replies, script), Err(WireError::Unexpected { tag }), "{script}");
    };
    for reply in b"RKTDC123ntsIGHWdcVv" {
        check(&format!("<{}", char::from(*reply)), *reply);
    }
    for reply in b"RK123ntsdcVv" {
        check(&format!(">Q <{}", char::from(*reply)), *reply);
    }
    for reply in b"RKT123ntWdcVv" {
        check(&format!(">E <{}", char::from(*reply)), *reply);
    }
    check("<ZI", b'Z');
    check(">Q <ZI", b'Z');
    check(">Q <G >dc <ZI", b'Z');
    check(">Q <TDZI", b'Z');
    check(">Q <DDd", b'd');
    check(">Q <HddD", b'D');
    check(">Q <TDCZIZI", b'Z');
    check(">P <ZI", b'Z');
    check(">P <2", b'2');
    check(">S <C", b'C');
    check(">D <tt", b't');
    check(">F <VV", b'V');
    check(">F <ZI", b'Z');
    check(">Q <ED", b'D');
    check(">Q <HG", b'G');
    check(">Q <HD", b'D');
    check(">PB <1E >S <2", b'2');
    check(">BES <2G >dcS <CZIZI", b'Z');
    // Syncs in a COPY that went well are none of the next one's.
    check(">BES <2G >ScS <CZI >Q <G >f <EZIZI", b'Z');
    // The tolerance for Syncs in a COPY that failed ends with the next reply.
    check(">BES <2G >dcS <EZI >Q <CZIZI", b'Z');
    check(">p", b'p');
    let mut replies = Replies::new(0);
    assert!(matches!(replies.frontend(b'?', 0), Err(WireError::UnknownTag { .. })));
    assert!(matches!(replies.backend(b'Q', b""), Err(WireError::UnknownTag { .. })));
    for body in [&b""[..], b"X", b"II"] {
        assert!(matches!(replies.backend(b'Z', body), Err(WireError::Malformed { .. })));
    }
}

#[test]
fn states() {
    let mut replies = Replies::new(0);
    let play = |replies: &mut Replies, script| play(replies, script).unwrap();
    assert_eq!((replies.status(), replies.is_idle()), (TransactionStatus::Idle, true));
    replies.frontend(b'P', 7).unwrap();
    replies.frontend(b'E', 8).unwrap();
    assert_eq!((replies.in_flight(), replies.current()), (2, Some((Kind::Parse, 7))));
    replies.backend(b'1', b"").unwrap();
    assert_eq!(replies.current(), Some((Kind::Execute, 8)));
    let expected = Outcome { kind: Kind::Execute, label: 8, ok: true, dropped: 0 };
    assert_eq!(replies.backend(b'C', b"").unwrap(), Some(expected));
    // All is answered, but the batch is open.
    assert_eq!((replies.in_flight(), replies.is_idle()), (0, false));
    play(&mut replies, ">S <ZT");
    assert_eq!((replies.status(), replies.is_idle()), (TransactionStatus::Open, true));
    play(&mut replies, ">P <E");
    assert_eq!((replies.in_flight(), replies.is_idle()), (0, false));
    play(&mut replies, ">S <ZE");
    assert_eq!((replies.status(), replies.is_idle()), (TransactionStatus::Failed, true));
    play(&mut replies, ">BES <2G");
    assert!(replies.wants_copy_data() && !replies.is_idle());
    play(&mut replies, ">c");
    assert!(!replies.wants_copy_data());
    play(&mut replies, "<C");
    assert!(!replies.is_idle());
    play(&mut replies, ">S <ZI");
    assert!(replies.is_idle());
}

#[test]
fn depth() {
    let mut replies = Replies::new(1);
    for _ in 0..LEAST_DEPTH {
        assert!(!replies.is_full());
        replies.frontend(b'S', 0).unwrap();
    }
    assert!(replies.is_full());
    let most = LEAST_DEPTH;
    assert_eq!(replies.frontend(b'Q', 0), Err(WireError::TooManyInFlight { most }));
    // What is owed nothing is not counted.
    replies.frontend(b'd', 0).unwrap();
    replies.frontend(b'H', 0).unwrap();
    replies.backend(b'Z', b"I").unwrap();
    assert!(!replies.is_full());
    // While the server skips, nothing is remembered.
    let mut replies = Replies::new(0);
    play(&mut replies, ">P <E").unwrap();
    for _ in 0..=LEAST_DEPTH {
        replies.frontend(b'B', 0).unwrap();
    }
    assert_eq!(replies.in_flight(), 0);
    assert!(size_of::<Replies>() <= 80);
}

#[test]
fn many_copies_are_answered_one_by_one() {
    // Were all that is owed looked at for each of them, this would take hours.
    let count = 1_000_000;
    let mut replies = Replies::new(count);
    (0..count).for_each(|_| replies.frontend(b'E', 0).unwrap());
    for _ in 0..count {
        replies.backend(b'G', b"").unwrap();
        assert!(replies.backend(b'C', b"").unwrap().is_some_and(|outcome| outcome.ok));
    }
    assert_eq!((replies.in_flight(), replies.is_idle()), (0, false));
    play(&mut replies, ">S <ZI").unwrap();
    assert!(replies.is_idle());
}

/// A server, as `PostgresMain` and `CopyGetData` are: what it reads, and what it answers.
#[derive(Default)]
struct Server {
    /// Types, each with the label of its message.
    inbox: VecDeque<(u8, u8)>,
    /// Types, each with the label of what it answers.
    outbox: VecDeque<(u8, u8)>,
    answering: u8,
    ignoring: bool,
    /// Reads the data of a COPY; whether by a simple query.
    copying: Option<bool>,
    closed: bool,
    /// A COPY failed while Syncs that were sent into it were unread: what they become is
    /// known to the server alone.
    torn: bool,
}

impl Server {
    fn step(&mut self, dice: &mut impl FnMut(u8) -> u8) {
        if self.closed {
            return;
        }
        if let Some(simple) = self.copying {
            // It may fail between two messages.
            if dice(8) == 0 {
                return self.copy_failed(simple);
            }
        }
        let Some((tag, label)) = self.inbox.pop_front() else { return };
        if self.copying.is_none() {
            self.answering = label;
        }
        match (self.copying, tag) {
            (Some(_), b'd' | b'H' | b'S') => {}
            (Some(simple), b'c') => {
                self.copying = None;
                self.say("C");
                if simple {
                    self.statements(dice);
                }
            }
            (Some(simple), b'f') => self.copy_failed(simple),
            (Some(_), _) => {
                self.say("EE");
                self.closed = true;
            }
            (None, b'S') => {
                self.ignoring = false;
                self.say(if dice(8) == 0 { "EZ" } else { "Z" });
            }
            (None, _) if self.ignoring => {}
            (None, b'P') => self.extended("1", dice),
            (None, b'B') => self.extended("2", dice),
            (None, b'C') => self.extended("3", dice),
            (None, b'D') => {
                let answer = ["tT", "tn", "T", "n"][usize::from(dice(4))];
                self.extended(answer, dice);
            }
            (None, b'E') if dice(3) == 0 => {
                self.copying = Some(false);
                self.say("G");
            }
            (None, b'E') => {
                let answer = ["C", "DDC", "Ds", "I", "HddcC", "NDSC"][usize::from(dice(6))];
                self.extended(answer, dice);
            }
            (None, b'Q') => self.statements(dice),
            (None, b'F') => self.say(if dice(2) == 0 { "VZ" } else { "EZ" }),
            (None, _) => {}
        }
    }

    /// The rest of a simple query, up to its end or a COPY.
    fn statements(&mut self, dice: &mut impl FnMut(u8) -> u8) {
        for _ in 0..=dice(3) {
            match dice(6) {
                0 => return self.say("EZ"),
                1 => {
                    self.copying = Some(true);
                    return self.say("G");
                }
                2 => self.say("TDDC"),
                3 => self.say("HdcC"),
                _ => self.say("C"),
            }
        }
        self.say("CZ");
    }

    fn copy_failed(&mut self, simple: bool) {
        self.copying = None;
        let mut into = self.inbox.iter().take_while(|(tag, _)| !b"cf".contains(tag));
        self.torn |= into.any(|(tag, _)| *tag == b'S');
        self.ignoring = !simple;
        self.say(if simple { "EZ" } else { "E" });
    }

    fn extended(&mut self, answer: &str, dice: &mut impl FnMut(u8) -> u8) {
        if dice(6) == 0 {
            self.ignoring = true;
            self.say("E");
        } else {
            self.say(answer);
        }
    }

    fn say(&mut self, tags: &str) {
        self.outbox.extend(tags.bytes().map(|tag| (tag, self.answering)));
    }
}

/// One run: the client sends what the dice say, and all three take turns.
fn run(seed: u64, turns: usize) -> Result<bool, WireError> {
    let mut state = seed | 1;
    let mut dice = move |sides: u8| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from((state >> 33) % u64::from(sides)).unwrap()
    };
    let (mut server, mut replies) = (Server::default(), Replies::new(0));
    let deliver = |server: &mut Server, replies: &mut Replies| {
        let Some((tag, label)) = server.outbox.pop_front() else { return Ok(()) };
        let outcome = replies.backend(tag, b"I")?;
        // What ended is what was answered.
        assert!(server.torn || outcome.is_none_or(|outcome| outcome.label == label));
        Ok(())
    };
    let mut labels = 0_u8;
    let mut send = |server: &mut Server, replies: &mut Replies, tag| {
        labels = labels.wrapping_add(1);
        server.inbox.push_back((tag, labels));
        replies.frontend(tag, labels)
    };
    for _ in 0..turns {
        match dice(4) {
            0 => {
                let mut tag = b"PBDECSSQFHcdf"[usize::from(dice(13))];
                if replies.wants_copy_data() && dice(16) != 0 {
                    tag = b"dddcfHS"[usize::from(dice(7))];
                }
                // A Sync into a COPY that has failed, unknown to the client.
                let fails =
                    server.outbox.iter().any(|(tag, _)| *tag == b'G') || replies.wants_copy_data();
                server.torn |= tag == b'S' && fails && server.copying.is_none();
                send(&mut server, &mut replies, tag)?;
            }
            1 | 2 => server.step(&mut dice),
            _ => {
                if let Err(error) = deliver(&mut server, &mut replies) {
                    return if server.torn { Ok(false) } else { Err(error) };
                }
            }
        }
    }
    // As many ends as there can be COPYs in one text, nearly always.
    for tag in b"cS".repeat(20) {
        send(&mut server, &mut replies, tag)?;
        while !server.inbox.is_empty() && !server.closed {
            server.step(&mut dice);
        }
        while !server.outbox.is_empty() {
            if let Err(error) = deliver(&mut server, &mut replies) {
                return if server.torn { Ok(false) } else { Err(error) };
            }
        }
    }
    if server.torn || server.closed {
        return Ok(false);
    }
    assert!(replies.is_idle() && replies.in_flight() == 0, "seed {seed}: something is left");
    Ok(true)
}

#[test]
fn against_a_model_of_the_server() {
    let mut whole = 0;
    for seed in 1..=20_000_u64 {
        let turns = 10 + usize::try_from(seed % 90).unwrap();
        let run = run(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), turns);
        whole += u32::from(run.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    assert!(whole > 10_000, "{whole} runs came to their end");
}

proptest! {
    #[test]
    fn any_messages(messages in prop::collection::vec((any::<bool>(), any::<u8>()), 0..200)) {
        let mut replies = Replies::new(0);
        for (client, byte) in messages {
            let tags = if client { &b"QPBDECSHFdcfpX"[..] } else { b"RKSZTDC123ntsIENAGHWdcVv" };
            let tag = if byte > 250 { byte } else { tags[usize::from(byte) % tags.len()] };
            let before = replies.in_flight();
            let ended = if client {
                replies.frontend(tag, 0).is_err()
            } else {
                replies.backend(tag, b"T").is_err()
            };
            prop_assert!(!ended || client || replies.in_flight() <= before);
            prop_assert!(!replies.is_idle() || replies.in_flight() == 0);
        }
    }
}
