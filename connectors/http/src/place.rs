//! Which place a request is at.

use std::collections::HashMap;
use std::sync::Arc;

use allonym_contract::{Guard, Use};
use allonym_record::codec::json::{Limits, Program};
use allonym_record::{Path, Selector};
use http::{HeaderName, Method};

use crate::config::{ConfigFault, HttpConfig, ParsedRoute, Segment, Template, Unlisted};
use crate::target::Target;
use crate::upstream::Upstream;

/// Everything a request needs, pinned when its head is read.
pub(crate) struct Site {
    pub(crate) connector: Arc<str>,
    pub(crate) config: HttpConfig,
    pub(crate) guard: Arc<dyn Guard>,
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
    pub(crate) rules: Vec<String>,
    /// What is selected in a body; `None` where bodies are not read.
    pub(crate) body: Option<Arc<Program>>,
    pub(crate) headers: Vec<(usize, HeaderName)>,
    pub(crate) query: Vec<Operand<String>>,
    pub(crate) params: Vec<Operand<usize>>,
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
}

impl Site {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn new(
        connector: &Arc<str>,
        config: HttpConfig,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = config.faults();
        let parsed = config.parsed_routes(connector, &mut faults);
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
            upstream: Arc::new(upstream),
            routes,
        })
    }

    /// The place of a method and a path. HEAD is at the place of GET.
    pub(crate) fn route(&self, method: &Method, target: &Target) -> Routed {
        if let Some(place) = self.find(method, target) {
            return Routed::Listed(place);
        }
        if *method == Method::HEAD
            && let Some(place) = self.find(&Method::GET, target)
        {
            return Routed::Listed(place);
        }
        if *method == Method::OPTIONS
            && let Some(place) = self.any(target)
        {
            return Routed::Listed(place);
        }
        if self.config.unlisted == Unlisted::Refuse {
            return Routed::Refused;
        }
        if self.any(target).is_none() && self.nearly(target) {
            return Routed::Ambiguous;
        }
        Routed::Unlisted
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

    /// Whether a lenient upstream could take the path for a listed one: in another
    /// case, with a slash at its end, with parameters after a `;`.
    fn nearly(&self, target: &Target) -> bool {
        let mut path: Vec<String> = target
            .segments()
            .map(|segment| segment.split(';').next().unwrap_or_default().to_lowercase())
            .collect();
        while path.last().is_some_and(String::is_empty) {
            path.pop();
        }
        let mut places = self.routes.values().flatten().filter(|place| place.is_protected());
        places.any(|place| place.template.matches_loosely(&path))
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

    fn matches_loosely(&self, path: &[String]) -> bool {
        self.segments.len() == path.len()
            && self.segments.iter().zip(path).all(|(segment, text)| match segment {
                Segment::Literal(literal) => literal.to_lowercase() == *text,
                Segment::Param(_) => true,
            })
    }

    /// Literal segments come before parameters, from left to right.
    fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Param(_))).collect()
    }
}
