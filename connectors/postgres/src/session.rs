//! The life of one connection: what it wants, who it is, the login at the server, and
//! then bytes in both directions until one side leaves.

mod certificate;
mod exchange;
mod login;
mod onward;
mod opening;
mod portals;
mod purpose;
mod relay;

pub use certificate::names as certificate_names;
pub use portals::Portals;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use allonym_contract::{Fault, Refusal, Stream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cancel::{Cancellable, Cancels};
use crate::log::{SessionLog, SessionRecord};
use crate::refusal::write_fatal;
use crate::session::login::{Denied, Onward};
use crate::session::onward::Onwards;
use crate::session::opening::{Begun, Purpose};
use crate::session::relay::{Ended, Leg, Relay, wanted_of_client, wanted_of_server};
use crate::site::{Logins, Site};
use crate::tls::Server;
use crate::upstream::prepare;
use crate::wire::Side;
use crate::wire::frame::Scanner;
use crate::wire::message::write_terminate;
use crate::worker::{Desk, End, Vitals};

/// The rule under which refusals of the server are counted.
const UPSTREAM_REFUSED: &str = "upstream-refused";
/// How long a last word may take to be sent.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A connection that was accepted, and what it needs.
pub(crate) struct Arrival {
    pub(crate) site: Arc<Site>,
    pub(crate) tls: Option<Arc<Server>>,
    pub(crate) logins: Arc<dyn Logins>,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) log: Option<SessionLog>,
    pub(crate) address: SocketAddr,
}

/// A session that may begin.
struct Admitted {
    client: Stream,
    server: Stream,
    cancellable: Option<Cancellable>,
}

/// Serves a connection to its end.
pub(crate) async fn converse(arrival: Arrival, desk: Rc<Desk>, socket: TcpStream) {
    let limits = &arrival.site.config.limits;
    if prepare(&socket, limits.keepalive.0).is_err() {
        return;
    }
    let mut record = Record::new(&arrival);
    let opened =
        Box::pin(timeout(limits.startup_timeout.0, admit(&arrival, &desk, socket, &mut record)));
    let admitted = match opened.await {
        Ok(Some(admitted)) => admitted,
        Ok(None) => return record.write(),
        Err(_) => {
            let says = "the login takes longer than startup_timeout allows";
            let refusal = Refusal::new(Fault::Malformed, "startup-timeout", says);
            desk.tally.counts().refused(refusal.rule);
            record.refused(&refusal);
            return record.write();
        }
    };
    desk.tally.counts().logged_in();
    let ended = relay(&arrival, &desk, admitted).await;
    record.ended(&ended);
    record.write();
}

/// Until it is known who it is, and the server has said that it is ready.
async fn admit(
    arrival: &Arrival,
    desk: &Rc<Desk>,
    socket: TcpStream,
    record: &mut Record<'_>,
) -> Option<Admitted> {
    let (mut client, begun) = match opening::open(socket, arrival.tls.as_ref()).await {
        Purpose::Session(client, begun) => (client, begun),
        Purpose::Cancel { process, key } => {
            cancel(arrival, desk, process, &key).await;
            record.silent = true;
            return None;
        }
        Purpose::Nothing => {
            record.silent = true;
            return None;
        }
        Purpose::Refused(client, refusal) => {
            refuse(desk, client, &refusal, record).await;
            return None;
        }
        Purpose::Failed(refusal) => {
            record.refused(&refusal);
            desk.tally.counts().refused(refusal.rule);
            return None;
        }
    };
    record.began(&client, &begun);
    match log_in(arrival, &mut client, &begun, record).await {
        Ok((server, cancellable)) => Some(Admitted { client, server, cancellable }),
        Err(Denied::Refused(refusal)) => {
            refuse(desk, client, &refusal, record).await;
            None
        }
        Err(Denied::Hidden(rule)) => {
            refuse(desk, client, &login::not_valid(), record).await;
            record.record.rule = Some(rule);
            None
        }
        Err(Denied::Told) => {
            record.told();
            desk.tally.counts().refused(UPSTREAM_REFUSED);
            None
        }
        Err(Denied::Gone) => None,
    }
}

async fn log_in(
    arrival: &Arrival,
    client: &mut Stream,
    begun: &Begun,
    record: &mut Record<'_>,
) -> Result<(Stream, Option<Cancellable>), Denied> {
    let purpose = purpose::declared(begun)?;
    let onward = login::prove(arrival, client, begun).await?;
    let proven = matches!(onward, Onward::Ours { .. });
    if proven {
        record.identified(
            &*login::identify(arrival, begun, purpose.as_deref()).await?,
            purpose.as_deref(),
        );
    }
    let mut server = arrival.site.upstream.open().await?;
    let mut onwards = Onwards::new(&arrival.site, begun, &onward, (client, &mut server));
    onwards.authenticate().await?;
    if !proven {
        record.identified(
            &*login::identify(arrival, begun, purpose.as_deref()).await?,
            purpose.as_deref(),
        );
    }
    let cancellable = onwards.settle(&arrival.cancels).await?;
    let told = std::mem::take(&mut onwards.told);
    exchange::send(client, &told).await.map_err(|_| Denied::Gone)?;
    Ok((server, cancellable))
}

async fn cancel(arrival: &Arrival, desk: &Desk, process: u32, key: &[u8]) {
    let target = arrival.cancels.find(process, key);
    desk.tally.counts().cancel(target.is_some());
    if let Some(target) = target {
        let _ = arrival.site.upstream.cancel(target.process, &target.key).await;
    }
}

async fn relay(arrival: &Arrival, desk: &Rc<Desk>, admitted: Admitted) -> Ended {
    let limits = &arrival.site.config.limits;
    let most = u32::try_from(limits.message_bytes.0).unwrap_or(u32::MAX);
    let scanner = |side, wanted| Scanner::new(side, most, Arc::new(wanted));
    let vitals = Vitals::default();
    vitals.idle_after.set(limits.idle_timeout.map(|time| Desk::ticks(time.0)));
    vitals.stalled_after.set(Desk::ticks(limits.write_timeout.0));
    let mut relay = Relay::new(
        Leg::new(admitted.client, scanner(Side::Frontend, wanted_of_client())),
        Leg::new(admitted.server, scanner(Side::Backend, wanted_of_server())),
        limits.pipeline,
        admitted.cancellable,
        (Rc::clone(desk), Rc::new(vitals)),
    );
    let ended = relay.run().await;
    let _ = timeout(LAST_WORD, farewell(&mut relay, &ended)).await;
    ended
}

/// Tells both sides, where they can be told.
async fn farewell(relay: &mut Relay, ended: &Ended) {
    let refusal = match ended {
        Ended::By(End::Shutdown) => Refusal::new(
            Fault::Unavailable,
            "shutdown",
            "terminating connection: the gateway stops",
        ),
        Ended::By(End::Idle) => Refusal::new(
            Fault::Unavailable,
            "idle-timeout",
            "terminating connection: it was idle for too long",
        ),
        Ended::Wire(error) => Refusal::new(Fault::Malformed, "malformed", error.to_string()),
        Ended::By(End::Stalled) | Ended::Client | Ended::Server | Ended::Broken => return,
    };
    let mut last = Vec::new();
    // In the middle of a message nothing can be said.
    if relay.can_tell_client() {
        write_fatal(&mut last, &refusal);
        let _ = relay.client.stream.write_all(&last).await;
        let _ = relay.client.stream.shutdown().await;
    }
    if relay.can_tell_server() {
        last.clear();
        write_terminate(&mut last);
        let _ = relay.server.stream.write_all(&last).await;
        let _ = relay.server.stream.shutdown().await;
    }
}

async fn refuse(desk: &Desk, mut client: Stream, refusal: &Refusal, record: &mut Record<'_>) {
    record.refused(refusal);
    desk.tally.counts().refused(refusal.rule);
    let mut last = Vec::new();
    write_fatal(&mut last, refusal);
    let _ = timeout(LAST_WORD, async {
        let _ = client.write_all(&last).await;
        let _ = client.shutdown().await;
    })
    .await;
}

/// What the access log will say.
struct Record<'a> {
    arrival: &'a Arrival,
    since: Instant,
    record: SessionRecord,
    /// Whether there is nothing to say.
    silent: bool,
}

impl<'a> Record<'a> {
    fn new(arrival: &'a Arrival) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = SessionRecord {
            time: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            connector: arrival.site.connector.to_string(),
            client: arrival.address.ip().to_canonical().to_string(),
            principal: None,
            purpose: None,
            database: None,
            tls: false,
            seconds: 0.0,
            end: "left",
            rule: None,
        };
        Self { arrival, since: Instant::now(), record, silent: false }
    }

    fn began(&mut self, client: &Stream, begun: &Begun) {
        self.record.tls = client.is_tls();
        self.record.database = begun.text("database").map(str::to_owned);
    }

    fn identified(&mut self, principal: &allonym_contract::Principal, declared: Option<&str>) {
        self.record.principal = Some(principal.name.clone());
        self.record.purpose = purpose::logged(&*self.arrival.site.guard, principal, declared);
    }

    fn refused(&mut self, refusal: &Refusal) {
        (self.record.end, self.record.rule) = ("refused", Some(refusal.rule));
    }

    /// The server has refused, in its own words.
    fn told(&mut self) {
        (self.record.end, self.record.rule) = ("refused", Some(UPSTREAM_REFUSED));
    }

    fn ended(&mut self, ended: &Ended) {
        self.record.end = match ended {
            Ended::Client => "left",
            Ended::Server => "server-left",
            Ended::Broken => "broken",
            Ended::Wire(_) => "malformed",
            Ended::By(End::Idle) => "idle",
            Ended::By(End::Stalled) => "stalled",
            Ended::By(End::Shutdown) => "shutdown",
        };
    }

    fn write(mut self) {
        let Some(log) = self.arrival.log.as_ref().filter(|_| !self.silent) else { return };
        self.record.seconds = self.since.elapsed().as_secs_f64();
        log(&self.record);
    }
}
