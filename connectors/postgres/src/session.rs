//! The life of one connection: what it wants, who it is, the login at the server, and
//! then bytes in both directions until one side leaves.

mod certificate;
mod exchange;
mod farewell;
mod login;
mod onward;
mod opening;
mod patience;
mod portals;
mod purpose;
mod relay;

pub use certificate::names as certificate_names;
pub use portals::Portals;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use allonym_contract::{Refusal, Stream};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::cancel::{Cancellable, Cancels};
use crate::log::{SessionLog, SessionRecord};
use crate::room::Room;
use crate::session::login::{Denied, Onward};
use crate::session::onward::Onwards;
use crate::session::opening::{Begun, Purpose};
use crate::session::patience::Patience;
use crate::session::relay::{Ended, Leg, Relay, wanted_of_client, wanted_of_server};
use crate::site::{Logins, Site};
use crate::tls::Server;
use crate::upstream::prepare;
use crate::wire::Side;
use crate::wire::frame::Scanner;
use crate::worker::{Desk, End, Stage, Vitals};

/// The rule under which refusals of the server are counted.
const UPSTREAM_REFUSED: &str = "upstream-refused";
/// The rule under which connections are counted that the system has no room for.
pub(crate) const UNSERVED: &str = "unserved";

/// A connection that was accepted, and what it needs.
pub(crate) struct Arrival {
    pub(crate) site: Arc<Site>,
    pub(crate) tls: Option<Arc<Server>>,
    pub(crate) logins: Arc<dyn Logins>,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) log: Option<SessionLog>,
    pub(crate) room: Arc<Room>,
    pub(crate) stage: watch::Receiver<Stage>,
    pub(crate) address: SocketAddr,
}

/// A session that may begin.
struct Admitted {
    client: Stream,
    server: Stream,
    cancellable: Option<Cancellable>,
    _place: OwnedSemaphorePermit,
    _lasts: watch::Receiver<()>,
}

/// Why there is none.
enum Turned {
    /// It is refused, and told so.
    Away(Stream, Refusal),
    /// It is refused, and told no more than that; this is the rule.
    Hidden(Stream, &'static str),
    /// It is refused without a word.
    Silently(Refusal),
    /// The server has said why.
    Told,
    /// The client is gone.
    Gone,
    /// No session was asked for.
    Aside,
}

/// Serves a connection to its end. It has a place among those that have not logged in yet.
pub(crate) async fn converse(
    arrival: Arrival,
    desk: Rc<Desk>,
    socket: TcpStream,
    place: OwnedSemaphorePermit,
) {
    if prepare(&socket, arrival.site.config.limits.keepalive.0).is_err() {
        return desk.tally.counts().refused(UNSERVED);
    }
    let mut record = Record::new(&arrival);
    let opened = Box::pin(open(&arrival, &desk, socket, place, &mut record)).await;
    if let Some(admitted) = opened {
        desk.tally.counts().logged_in();
        let ended = relay(&arrival, &desk, admitted).await;
        record.ended(&ended);
    }
    record.write();
}

/// Has a client log in, within the time that it may take.
async fn open(
    arrival: &Arrival,
    desk: &Desk,
    socket: TcpStream,
    place: OwnedSemaphorePermit,
    record: &mut Record<'_>,
) -> Option<Admitted> {
    let limit = arrival.site.config.limits.startup_timeout.0;
    let patience = Patience::new(place, &arrival.room, &arrival.stage, limit);
    let admitted = tokio::select! {
        biased;
        admitted = admit(arrival, &patience, desk, socket, record) => admitted,
        refusal = patience.ends() => Err(Turned::Silently(refusal)),
    };
    let counts = desk.tally.counts();
    match admitted {
        Ok(admitted) => return Some(admitted),
        Err(Turned::Away(client, refusal)) => {
            record.refused(&refusal);
            counts.refused(refusal.rule);
            farewell::refuse(client, &refusal).await;
        }
        Err(Turned::Hidden(client, rule)) => {
            let refusal = login::not_valid();
            record.refused(&refusal);
            record.record.rule = Some(rule);
            counts.refused(refusal.rule);
            farewell::refuse(client, &refusal).await;
        }
        Err(Turned::Silently(refusal)) => {
            record.refused(&refusal);
            counts.refused(refusal.rule);
        }
        Err(Turned::Told) => {
            record.told();
            counts.refused(UPSTREAM_REFUSED);
        }
        Err(Turned::Gone) => {}
        Err(Turned::Aside) => record.silent = true,
    }
    None
}

/// Until it is known who it is, and the server has said that it is ready.
async fn admit(
    arrival: &Arrival,
    patience: &Patience,
    desk: &Desk,
    socket: TcpStream,
    record: &mut Record<'_>,
) -> Result<Admitted, Turned> {
    let (mut client, begun) = match opening::open(socket, arrival.tls.as_ref()).await {
        Purpose::Session(client, begun) => (client, begun),
        Purpose::Cancel { client, process, key } => {
            cancel(arrival, patience, desk, process, &key).await;
            farewell::close(client).await;
            return Err(Turned::Aside);
        }
        Purpose::Nothing => return Err(Turned::Aside),
        Purpose::Refused(client, refusal) => return Err(Turned::Away(client, refusal)),
        Purpose::Failed(refusal) => return Err(Turned::Silently(refusal)),
    };
    record.began(&client, &begun);
    let lasts = match patience.enter() {
        Ok(lasts) => lasts,
        Err(refusal) => return Err(Turned::Away(client, refusal)),
    };
    match log_in(arrival, patience, &mut client, &begun, record).await {
        Ok((server, cancellable, place)) => {
            Ok(Admitted { client, server, cancellable, _place: place, _lasts: lasts })
        }
        Err(Denied::Refused(refusal)) => Err(Turned::Away(client, refusal)),
        Err(Denied::Hidden(rule)) => Err(Turned::Hidden(client, rule)),
        Err(Denied::Told) => Err(Turned::Told),
        Err(Denied::Gone) => Err(Turned::Gone),
    }
}

async fn log_in(
    arrival: &Arrival,
    patience: &Patience,
    client: &mut Stream,
    begun: &Begun,
    record: &mut Record<'_>,
) -> Result<(Stream, Option<Cancellable>, OwnedSemaphorePermit), Denied> {
    let purpose = purpose::declared(begun)?;
    let onward = login::prove(arrival, client, begun).await?;
    let proven = matches!(onward, Onward::Ours { .. });
    if proven {
        record.identified(
            &*login::identify(arrival, begun, purpose.as_deref()).await?,
            purpose.as_deref(),
        );
        patience.know();
    }
    // Each place is a connection to the server, so it is had before that is made.
    let place = patience.session(arrival.site.config.limits.connections_wait.0).await?;
    let mut server = arrival.site.upstream.open().await?;
    let mut onwards = Onwards::new(&arrival.site, begun, &onward, (client, &mut server));
    onwards.authenticate().await?;
    if !proven {
        record.identified(
            &*login::identify(arrival, begun, purpose.as_deref()).await?,
            purpose.as_deref(),
        );
        patience.know();
    }
    let cancellable = onwards.settle(&arrival.cancels).await?;
    let told = std::mem::take(&mut onwards.told);
    exchange::send(client, &told).await.map_err(|_| Denied::Gone)?;
    Ok((server, cancellable, place))
}

async fn cancel(arrival: &Arrival, patience: &Patience, desk: &Desk, process: u32, key: &[u8]) {
    let passed_on = match arrival.cancels.find(process, key) {
        None => false,
        Some(request) => {
            patience.know();
            request.pass_on(&arrival.site.upstream).await
        }
    };
    desk.tally.counts().cancel(passed_on);
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
    farewell::part(&mut relay, &ended).await;
    ended
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
            Ended::By(End::Parted) => "server-stayed",
            Ended::By(End::Shutdown) => "shutdown",
        };
    }

    fn write(mut self) {
        let Some(log) = self.arrival.log.as_ref().filter(|_| !self.silent) else { return };
        self.record.seconds = self.since.elapsed().as_secs_f64();
        log(&self.record);
    }
}
