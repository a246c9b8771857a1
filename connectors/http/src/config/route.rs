//! `METHOD /path/{param}` with its fields and options, as they are meant.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use allonym_contract::config::{ConfigFault, location};
use allonym_contract::{FieldSpec, OnUnprotected, PlaceSpec, Tokens, Use};
use allonym_record::Selector;
use http::Method;
use serde_saphyr::Spanned;

use super::{HttpConfig, RouteEntry};

/// A route that makes sense.
pub(crate) struct ParsedRoute {
    pub(crate) method: Method,
    pub(crate) template: Template,
    pub(crate) spec: PlaceSpec,
    /// The segment that says whom the values are about.
    pub(crate) subject: Option<usize>,
}

/// The path of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// These characters.
    Literal(String),
    /// Anything, under this name.
    Param(String),
}

impl Template {
    fn parse(path: &str) -> Result<Self, &'static str> {
        let rest = path.strip_prefix('/').ok_or("a path begins with `/`")?;
        if rest.is_empty() {
            return Ok(Self { segments: Vec::new() });
        }
        let segments = rest.split('/').map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<_> = segments.iter().filter_map(Segment::param).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("two parameters have the same name");
        }
        Ok(Self { segments })
    }

    /// The same for templates that match the same paths.
    fn shape(&self) -> Vec<Option<&str>> {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => Some(text.as_str()),
                Segment::Param(_) => None,
            })
            .collect()
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let fits = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            return if fits {
                Ok(Self::Param(name.to_owned()))
            } else {
                Err("a parameter is written {name}: letters, digits, `_` and `-`")
            };
        }
        if text.is_empty() {
            return Err("a path has no empty segment and does not end with `/`");
        }
        if text == "." || text == ".." || text.contains(['%', '?', '#', '{', '}', ';', '\\']) {
            return Err("a path segment is written as it reads, without % ? # ; or braces");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("a path has no spaces");
        }
        Ok(Self::Literal(text.to_owned()))
    }

    fn param(&self) -> Option<&str> {
        match self {
            Self::Param(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

impl HttpConfig {
    /// The routes that make sense; what is wrong with the others goes into `faults`.
    pub(crate) fn parsed_routes(
        &self,
        connector: &str,
        faults: &mut Vec<ConfigFault>,
    ) -> Vec<ParsedRoute> {
        let mut routes = Vec::new();
        for entry in &self.routes.0 {
            match parse(connector, entry) {
                Ok(route) => routes.push(route),
                Err(found) => faults.extend(found),
            }
        }
        let mut seen = HashMap::new();
        for route in &routes {
            let shape = (route.method.clone(), route.template.shape());
            if let Some(first) = seen.insert(shape, Arc::clone(&route.spec.name)) {
                let message = format!("this route matches the same paths as `{first}`");
                faults.push(ConfigFault::new(route.spec.location, message));
            }
        }
        routes
    }
}

fn parse(connector: &str, entry: &RouteEntry) -> Result<ParsedRoute, Vec<ConfigFault>> {
    let place = location(&entry.route);
    let (method, template) = method_and_path(&entry.route).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut spec = PlaceSpec {
        name: format!("{connector} {}", entry.route.value).into(),
        location: place,
        fields: Vec::new(),
        tokens: Tokens::default(),
        on_unprotected: OnUnprotected::default(),
        holds_protected_only: false,
    };
    let mut about = None;
    for (key, value) in &entry.entries {
        let result = match key.value.as_str() {
            "tokens" => tokens(value).map(|tokens| spec.tokens = tokens),
            "on_unprotected" => unprotected(value).map(|how| spec.on_unprotected = how),
            "subject" => subject(&template, value).map(|at| about = Some(at)),
            "holds" => holds(value).map(|()| spec.holds_protected_only = true),
            _ => field(&method, &template, key, value).map(|field| spec.fields.push(field)),
        };
        faults.extend(result.err());
    }
    faults.extend(same_selector(&spec));
    let subject = about;
    if faults.is_empty() {
        Ok(ParsedRoute { method, template, spec, subject })
    } else {
        Err(faults)
    }
}

/// A value that two rules select would be protected twice.
fn same_selector(spec: &PlaceSpec) -> Option<ConfigFault> {
    let mut seen = HashSet::new();
    let twice = spec.fields.iter().find(|field| !seen.insert(&field.selector))?;
    let message = format!("`{}` is selected twice", twice.selector);
    Some(ConfigFault::new(twice.location, message))
}

fn method_and_path(route: &Spanned<String>) -> Result<(Method, Template), ConfigFault> {
    let fault = |message: &str| {
        ConfigFault::new(location(route), format!("route `{}`: {message}", route.value))
            .hint("write it like `POST /v1/charges/{id}`")
    };
    let (method, path) = route.value.split_once(' ').ok_or_else(|| fault("no method"))?;
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(fault("a method is written in capital letters"));
    }
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(fault("CONNECT and TRACE are never passed on"));
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| fault("not a method"))?;
    Ok((method, Template::parse(path).map_err(fault)?))
}

fn field(
    method: &Method,
    template: &Template,
    key: &Spanned<String>,
    class: &Spanned<String>,
) -> Result<FieldSpec, ConfigFault> {
    let known = ["$", "header:", "query:", "path:"];
    if !known.iter().any(|start| key.value.starts_with(start)) {
        let message = format!("`{}` is neither a selector nor an option", key.value);
        return Err(ConfigFault::new(location(key), message).hint(
            "selectors begin with $, header:, query: or path:; \
             options are tokens, on_unprotected, holds, subject",
        ));
    }
    let selector = Selector::parse(&key.value).map_err(|error| {
        ConfigFault::new(location(key), format!("selector `{}`: {error}", key.value))
    })?;
    if class.value.is_empty() {
        return Err(ConfigFault::new(location(class), "a selector names a data class"));
    }
    let usage = usage(method, template, key, &selector)?;
    Ok(FieldSpec { selector, class: class.value.clone(), location: location(key), usage })
}

/// What the upstream does with the value: operands of GET and HEAD are looked up only.
fn usage(
    method: &Method,
    template: &Template,
    key: &Spanned<String>,
    selector: &Selector,
) -> Result<Use, ConfigFault> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    match selector {
        Selector::PathParam(name) => {
            if !template.segments.iter().any(|segment| segment.param() == Some(name)) {
                let message = format!("the route has no parameter {{{name}}}");
                return Err(ConfigFault::new(location(key), message));
            }
        }
        Selector::Header(name) => {
            if let Some(reason) = unprotectable(name) {
                let message = format!("the header `{name}` cannot be protected: {reason}");
                return Err(ConfigFault::new(location(key), message));
            }
            return Ok(Use::Content);
        }
        Selector::Query(_) => {}
        Selector::Body(_) => return Ok(Use::Content),
    }
    Ok(if reads { Use::Search } else { Use::Content })
}

/// Headers that the exchange itself needs, or makes.
fn unprotectable(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "host" | "connection" | "transfer-encoding" | "content-length" | "content-type"
        | "content-encoding" | "te" | "trailer" | "upgrade" | "expect" | "keep-alive"
        | "proxy-connection" | "accept-encoding" | "range" | "if-range" | "date" => {
            Some("it steers the exchange")
        }
        "authorization" | "proxy-authorization" => Some("it is a credential"),
        _ if name.starts_with("allonym-") => Some("it is the gateway's own"),
        _ if http::HeaderName::from_bytes(name.as_bytes()).is_err() => Some("it is not a name"),
        _ => None,
    }
}

fn tokens(value: &Spanned<String>) -> Result<Tokens, ConfigFault> {
    match value.value.as_str() {
        "refuse" => Ok(Tokens::Refuse),
        "accept" => Ok(Tokens::Accept),
        "only" => Ok(Tokens::Only),
        _ => Err(ConfigFault::new(location(value), "tokens: is refuse, accept or only")),
    }
}

fn unprotected(value: &Spanned<String>) -> Result<OnUnprotected, ConfigFault> {
    match value.value.as_str() {
        "by_access" => Ok(OnUnprotected::ByAccess),
        "refuse" => Ok(OnUnprotected::Refuse),
        _ => Err(ConfigFault::new(location(value), "on_unprotected: is by_access or refuse")),
    }
}

/// The segment of the path that says whom the values are about.
fn subject(template: &Template, value: &Spanned<String>) -> Result<usize, ConfigFault> {
    let name = value.value.strip_prefix("path:");
    let at = template.segments.iter().position(|s| s.param().is_some() && s.param() == name);
    at.ok_or_else(|| {
        let message = "subject: is path: and a parameter of this route";
        ConfigFault::new(location(value), message).hint("for instance `subject: path:id`")
    })
}

fn holds(value: &Spanned<String>) -> Result<(), ConfigFault> {
    match value.value.as_str() {
        "protected" => Ok(()),
        _ => Err(ConfigFault::new(location(value), "holds: is protected, or absent")),
    }
}
