//! What is counted. Labels come from the configuration and from closed sets, never from
//! a request.

use std::sync::Arc;

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The metrics of all HTTP connectors of a process, with OpenTelemetry's HTTP names.
#[derive(Clone, Default)]
pub struct Metrics {
    durations: Durations,
    active: Family<OfConnector, Gauge>,
    refusals: Family<Refused, Counter>,
    aborts: Family<OfConnector, Counter>,
    received: Family<OfConnector, Counter>,
    sent: Family<OfConnector, Counter>,
    connections: Family<OfConnector, Gauge>,
    panics: Family<OfConnector, Counter>,
}

#[derive(Clone)]
struct Durations(Family<Request, Histogram, fn() -> Histogram>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    connector: String,
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfConnector {
    connector: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    connector: String,
    rule: &'static str,
}

/// A finished request.
pub(crate) struct Finished<'a> {
    pub(crate) connector: &'a str,
    pub(crate) method: &'static str,
    pub(crate) route: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) seconds: f64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) refusal: Option<&'static str>,
    pub(crate) aborted: bool,
}

/// Counts something while it lasts.
pub(crate) struct Lasting(Gauge);

/// Those that OpenTelemetry recommends for `http.server.request.duration`, in seconds.
const BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

impl Metrics {
    /// Makes them known to a registry, once in a process.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "http_server_request_duration",
            "Duration of requests, from the head to the end of the answer",
            Unit::Seconds,
            self.durations.0.clone(),
        );
        registry.register("http_server_active_requests", "Requests under way", self.active.clone());
        registry.register("allonym_refusals", "Requests refused, by rule", self.refusals.clone());
        registry.register(
            "allonym_midstream_aborts",
            "Answers and requests cut after their head had been sent",
            self.aborts.clone(),
        );
        registry.register(
            "allonym_http_received_bytes",
            "Bytes of request bodies",
            self.received.clone(),
        );
        registry.register("allonym_http_sent_bytes", "Bytes of answer bodies", self.sent.clone());
        registry.register(
            "allonym_http_connections",
            "Open client connections",
            self.connections.clone(),
        );
        registry.register(
            "allonym_http_panics",
            "Connections that ended by a defect of ours",
            self.panics.clone(),
        );
    }

    pub(crate) fn finished(&self, done: &Finished<'_>) {
        let of = OfConnector { connector: done.connector.to_owned() };
        let labels = Request {
            connector: done.connector.to_owned(),
            http_request_method: done.method,
            http_route: done.route.unwrap_or_default().to_owned(),
            http_response_status_code: done.status,
        };
        self.durations.0.get_or_create(&labels).observe(done.seconds);
        self.received.get_or_create(&of).inc_by(done.received);
        self.sent.get_or_create(&of).inc_by(done.sent);
        if done.aborted {
            self.aborts.get_or_create(&of).inc();
        }
        if let Some(rule) = done.refusal {
            let labels = Refused { connector: done.connector.to_owned(), rule };
            self.refusals.get_or_create(&labels).inc();
        }
    }

    pub(crate) fn active(&self, connector: &Arc<str>) -> Lasting {
        Lasting::new(&self.active, connector)
    }

    pub(crate) fn connection(&self, connector: &Arc<str>) -> Lasting {
        Lasting::new(&self.connections, connector)
    }

    pub(crate) fn panicked(&self, connector: &Arc<str>) {
        self.panics.get_or_create(&OfConnector { connector: connector.to_string() }).inc();
    }
}

/// The method as a label: anything unknown is `_OTHER`.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

impl Lasting {
    fn new(family: &Family<OfConnector, Gauge>, connector: &Arc<str>) -> Self {
        let gauge = family.get_or_create_owned(&OfConnector { connector: connector.to_string() });
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS)))
    }
}
