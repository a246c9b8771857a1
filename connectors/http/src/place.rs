//! Which place a request is at.

use std::collections::HashMap;
use std::sync::Arc;

use allonym_contract::config::ConfigFault;
use allonym_contract::{Guard, Use};
use allonym_record::codec::json::{Limits, Program};
use allonym_record::{Path, Selector};
use http::{HeaderName, Method};
use tokio_rustls::TlsAcceptor;

use crate::config::{HttpConfig, ParsedRoute, Segment, Template, Unlisted};
use crate::target::Target;
use crate::tls;
use crate::upstream::Upstream;

/// Everything a request needs, pinned when its head is read.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) connector: Arc<str>,
    pub(crate) config: HttpConfig,
    pub(crate) guard: Arc<dyn Guard>,
    /// How clients are met, pinned when their connection comes.
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) jwt_header: Option<HeaderName>,
    pub(crate) purpose_header: Option<HeaderName>,
    /// More literal templates come first.
    routes: HashMap<(Method, usize), Vec<Arc<Place>>>,
}

/// One listed route.
pub(crate) struct Place {
    /// As the plan names it.
    pub(crate) name: Arc<str>,
    /// As metrics label it.
    pub(crate) route: Arc<str>,
    template: Template,
    /// The rules as they are written, for errors.
    pub(crate) rules: Arc<[String]>,
    /// What is selected in a body; `None` where bodies are not read.
    pub(crate) body: Option<Arc<Program>>,
    pub(crate) headers: Vec<(usize, HeaderName)>,
    pub(crate) query: Vec<Operand<String>>,
    pub(crate) params: Vec<Operand<usize>>,
    /// The segment that says whom the values are about.
    pub(crate) subject: Option<usize>,
}

/// A value in the target of a request.
pub(crate) struct Operand<T> {
    pub(crate) rule: usize,
    pub(crate) at: T,
    pub(crate) usage: Use,
}

/// Where a request goes.
pub(crate) enum Routed {
    /// To a listed place.
    Listed(Arc<Place>),
    /// Anywhere, unread.
    Unlisted,
    /// Nowhere.
    Refused,
    /// Nowhere: it nearly matches a listed route, and the upstream may not see the
    /// difference.
    Ambiguous,
    /// Nowhere: it holds a `;`, and some upstreams would read a part of it only.
    Parameters,
}

impl Site {
    /// Compiles a configuration, and reads the certificates it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, or cannot be read.
    pub(crate) fn new(
        connector: &Arc<str>,
        config: HttpConfig,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = config.faults();
        let parsed = config.parsed_routes(connector, &mut faults);
        let tls = tls::acceptor(&config).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let upstream = Upstream::new(&config).map_err(|fault| vec![fault])?;
        let mut routes: HashMap<_, Vec<_>> = HashMap::new();
        for route in parsed {
            let key = (route.method.clone(), route.template.segments.len());
            routes.entry(key).or_default().push(Arc::new(Place::new(route)));
        }
        for places in routes.values_mut() {
            places.sort_by_key(|place| place.template.rank());
        }
        // Both names have been checked above.
        let name = |text: &String| HeaderName::from_bytes(text.as_bytes()).ok();
        Ok(Self {
            connector: Arc::clone(connector),
            jwt_header: config
                .callers
                .jwt
                .as_ref()
                .and_then(|jwt| jwt.header.as_ref())
                .and_then(name),
            purpose_header: config.callers.purpose_header.as_ref().and_then(name),
            config,
            guard,
            tls,
            upstream: Arc::new(upstream),
            routes,
        })
    }

    /// The place of a method and a path. HEAD is at the place of GET.
    pub(crate) fn route(&self, method: &Method, target: &Target) -> Routed {
        let Some(place) = self.chosen(method, target) else {
            if self.config.unlisted == Unlisted::Refuse {
                return Routed::Refused;
            }
            // A path of another method may pass as it is listed, and not otherwise.
            let mut nearly = self.nearly(target, self.any(target).is_some().then_some(method));
            return if nearly.next().is_some() { Routed::Ambiguous } else { Routed::Unlisted };
        };
        let parameters = target.segments().any(|segment| segment.contains(';'));
        if parameters
            && (place.is_protected() || self.nearly(target, Some(method)).next().is_some())
        {
            return Routed::Parameters;
        }
        let mut rivals = self.nearly(target, Some(method));
        if rivals.any(|rival| !rival.template.matches(target)) {
            return Routed::Ambiguous;
        }
        Routed::Listed(place)
    }

    /// Whether anything is protected here.
    pub(crate) fn has_rules(&self) -> bool {
        self.routes.values().flatten().any(|place| place.is_protected())
    }

    /// What a JSON document may be like here.
    pub(crate) fn json_limits(&self) -> Limits {
        let limits = &self.config.limits;
        Limits {
            depth: limits.depth,
            value_bytes: limits.value_bytes.0,
            fields: limits.fields,
            ..Limits::default()
        }
    }

    /// The places that an OPTIONS request stands for, unless it is listed itself: those
    /// of all methods on its path.
    pub(crate) fn beside(&self, method: &Method, target: &Target) -> Vec<Arc<Place>> {
        if *method != Method::OPTIONS || self.find(method, target).is_some() {
            return Vec::new();
        }
        let methods = self.routes.iter().filter(|((_, length), _)| *length == target.len());
        let found = methods
            .filter_map(|(_, places)| places.iter().find(|place| place.template.matches(target)));
        found.map(Arc::clone).collect()
    }

    fn chosen(&self, method: &Method, target: &Target) -> Option<Arc<Place>> {
        let found = self.find(method, target);
        match *method {
            Method::HEAD => found.or_else(|| self.find(&Method::GET, target)),
            Method::OPTIONS => found.or_else(|| self.any(target)),
            _ => found,
        }
    }

    fn find(&self, method: &Method, target: &Target) -> Option<Arc<Place>> {
        let places = self.routes.get(&(method.clone(), target.len()))?;
        places.iter().find(|place| place.template.matches(target)).map(Arc::clone)
    }

    /// A place on the same path, whatever its method; a protected one if there is one.
    fn any(&self, target: &Target) -> Option<Arc<Place>> {
        let mut found: Vec<_> = self
            .routes
            .iter()
            .filter(|((_, length), _)| *length == target.len())
            .flat_map(|(_, places)| places)
            .filter(|place| place.template.matches(target))
            .collect();
        found.sort_by_key(|place| (!place.is_protected(), Arc::clone(&place.name)));
        found.first().map(|place| Arc::clone(place))
    }

    /// The protected places of a method, or of all, that a lenient upstream could take
    /// the path for: in another case, with parameters after a `;`, with blanks around a
    /// segment, with a dot or a slash at its end.
    fn nearly<'a>(
        &'a self,
        target: &'a Target,
        method: Option<&'a Method>,
    ) -> impl Iterator<Item = &'a Arc<Place>> {
        let path: Vec<&str> =
            target.segments().map(loosely).filter(|text| !text.is_empty()).collect();
        self.routes
            .iter()
            .filter(move |((listed, _), _)| {
                method.is_none_or(|method| {
                    listed == method || (*method == Method::HEAD && *listed == Method::GET)
                })
            })
            .flat_map(|(_, places)| places)
            .filter(move |place| place.is_protected() && place.template.matches_loosely(&path))
    }
}

impl Place {
    fn new(route: ParsedRoute) -> Self {
        let fields = &route.spec.fields;
        let mut bodies: Vec<(usize, &Path)> = Vec::new();
        let (mut headers, mut query, mut params) = (Vec::new(), Vec::new(), Vec::new());
        for (rule, field) in fields.iter().enumerate() {
            let usage = field.usage;
            match &field.selector {
                Selector::Body(path) => bodies.push((rule, path)),
                Selector::Header(name) => {
                    headers
                        .extend(HeaderName::from_bytes(name.as_bytes()).map(|name| (rule, name)));
                }
                Selector::Query(name) => query.push(Operand { rule, at: name.clone(), usage }),
                Selector::PathParam(name) => {
                    let at = route.template.segments.iter().position(
                        |segment| matches!(segment, Segment::Param(param) if param == name),
                    );
                    params.extend(at.map(|at| Operand { rule, at, usage }));
                }
            }
        }
        let path = route.spec.name.rsplit(' ').next().unwrap_or_default();
        Self {
            route: path.into(),
            rules: fields.iter().map(|field| field.selector.to_string()).collect(),
            body: (!bodies.is_empty()).then(|| Arc::new(Program::compile(&bodies))),
            headers,
            query,
            params,
            subject: route.subject,
            name: Arc::clone(&route.spec.name),
            template: route.template,
        }
    }

    /// Whether it has any rule.
    pub(crate) fn is_protected(&self) -> bool {
        !self.rules.is_empty()
    }

    /// A rule as it is written.
    pub(crate) fn rule(&self, rule: usize) -> &str {
        self.rules.get(rule).map_or("", String::as_str)
    }
}

impl Template {
    fn matches(&self, target: &Target) -> bool {
        self.segments.len() == target.len()
            && self.segments.iter().zip(target.segments()).all(|(segment, text)| match segment {
                Segment::Literal(literal) => literal == text,
                Segment::Param(_) => !text.is_empty(),
            })
    }

    fn matches_loosely(&self, path: &[&str]) -> bool {
        self.segments.len() == path.len()
            && self.segments.iter().zip(path).all(|(segment, text)| match segment {
                Segment::Literal(literal) => lower(loosely(literal)).eq(lower(text)),
                Segment::Param(_) => true,
            })
    }

    /// Literal segments come before parameters, from left to right.
    fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Param(_))).collect()
    }
}

/// What a lenient upstream may make of a segment.
fn loosely(segment: &str) -> &str {
    let text = segment.split(';').next().unwrap_or_default();
    text.trim_start().trim_end_matches(|c: char| c.is_whitespace() || c == '.')
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
