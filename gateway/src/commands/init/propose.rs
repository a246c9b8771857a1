use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::judge;
use super::walk::Fields;

/// One body to learn from.
pub struct Sample {
    /// The route it belongs to, like `POST /v1/customers`; `None`: not said.
    pub route: Option<String>,
    /// How messages name it.
    pub name: String,
    /// JSON, or JSON lines.
    pub body: Vec<u8>,
}

/// A configuration to review, and what is known about it. Holds keys and paths of the
/// samples, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The configuration.
    pub yaml: String,
    /// Fields that are protected, and why.
    pub sure: Vec<Finding>,
    /// What somebody should look at.
    pub unsure: Vec<Finding>,
}

/// What was found out about a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The route.
    pub route: String,
    /// The field; `$` for the body as a whole.
    pub path: String,
    /// The class it gets in the configuration, if it gets one.
    pub class: Option<String>,
    /// Why.
    pub reason: String,
}

/// A sample that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: not JSON at line {line}, column {column}")]
pub struct NotJson {
    /// The sample.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// The route of samples that came without one.
const SOME_ROUTE: &str = "POST /";
/// How many documents of a sample are looked at.
const MOST_DOCUMENTS: usize = 1_000;

/// Proposes a configuration for an API from samples of its bodies.
///
/// # Errors
/// When a sample is not JSON.
pub fn propose(upstream: &str, operator: &str, samples: &[Sample]) -> Result<Proposal, NotJson> {
    let mut routes: BTreeMap<&str, Fields> = BTreeMap::new();
    let mut unsure = Vec::new();
    for sample in samples {
        let route = sample.route.as_deref().unwrap_or(SOME_ROUTE);
        read(sample, routes.entry(route).or_default())?;
    }
    if samples.iter().any(|sample| sample.route.is_none()) {
        let reason = "the samples do not say their route: put the real one here";
        unsure.push(Finding {
            route: SOME_ROUTE.to_owned(),
            path: "$".to_owned(),
            class: None,
            reason: reason.to_owned(),
        });
    }
    let mut sure = Vec::new();
    for (route, fields) in &routes {
        for path in &fields.keyed_by_values {
            let reason = "its keys look like values: keys are not protected";
            unsure.push(finding(route, path, None, reason));
        }
        for (path, seen) in &fields.by_path {
            if let Some(verdict) = judge::judge(seen) {
                let list = if verdict.sure { &mut sure } else { &mut unsure };
                list.push(finding(route, path, verdict.class, verdict.reason));
            }
        }
    }
    let yaml = write(upstream, operator, routes.keys().copied(), &sure, &unsure);
    Ok(Proposal { yaml, sure, unsure })
}

fn finding(route: &str, path: &str, class: Option<&str>, reason: &str) -> Finding {
    Finding {
        route: route.to_owned(),
        path: path.to_owned(),
        class: class.map(str::to_owned),
        reason: reason.to_owned(),
    }
}

fn read(sample: &Sample, fields: &mut Fields) -> Result<(), NotJson> {
    let documents = serde_json::Deserializer::from_slice(&sample.body).into_iter();
    for document in documents.take(MOST_DOCUMENTS) {
        let document: serde_json::Value = document.map_err(|error| NotJson {
            name: sample.name.clone(),
            line: error.line(),
            column: error.column(),
        })?;
        fields.add(&document);
    }
    Ok(())
}

/// A class that may be proposed.
struct ClassText {
    name: &'static str,
    key: &'static str,
    text: &'static str,
    /// What `reader` gets of it.
    masked: bool,
}

const CLASSES: [ClassText; 11] = [
    class(
        "card_number",
        "pan",
        "method: fpe, template: pan, keep: { first: 6 }, version: slack, key: pan, mask: { keep: { last: 4 } }",
        true,
    ),
    class("card_text", "person", "method: siv, key: person, mask: { keep: { last: 4 } }", true),
    class(
        "iban",
        "bank",
        "method: fpe, template: iban, version: slack, key: bank, mask: { keep: { last: 4 } }",
        true,
    ),
    class("iban_text", "person", "method: siv, key: person, mask: { keep: { last: 4 } }", true),
    class(
        "account_number",
        "person",
        "method: siv, key: person, mask: { keep: { last: 3 } }",
        true,
    ),
    class("email", "contact", "method: token, template: email, key: contact", false),
    class("phone", "person", "method: siv, key: person, mask: { keep: { last: 3 } }", false),
    class("full_name", "person", "method: siv, key: person", false),
    class("birth_date", "person", "method: siv, key: person, mask: { keep: { first: 4 } }", true),
    class("national_id", "person", "method: siv, key: person", true),
    class("street", "person", "method: siv, key: person", false),
];

const fn class(
    name: &'static str,
    key: &'static str,
    text: &'static str,
    masked: bool,
) -> ClassText {
    ClassText { name, key, text, masked }
}

const KEYS: [(&str, &str); 4] = [
    (
        "pan",
        "on_rewrap }     # its values keep their format: a new version takes effect by a rewrap job",
    ),
    ("bank", "on_rewrap }"),
    ("contact", "180d }      # tokens stay, the values behind them are sealed again"),
    ("person", "180d }       # text carries its key version"),
];

fn write<'r>(
    upstream: &str,
    operator: &str,
    routes: impl Iterator<Item = &'r str>,
    sure: &[Finding],
    unsure: &[Finding],
) -> String {
    let findings = || sure.iter().chain(unsure).filter(|finding| finding.class.is_some());
    let used: BTreeSet<&str> = findings().filter_map(|finding| finding.class.as_deref()).collect();
    let classes = || CLASSES.iter().filter(|class| used.contains(class.name));

    let mut yaml = String::from(
        "# Proposed by `allonym init`: read it, change it, then run `allonym check`.\n\
         seal: { file: ./allonym-data/seal.key }      # made by `allonym seal create`; keep a copy elsewhere\n\
         store: ./allonym-data/store/store.db\n\
         audit: ./allonym-data/audit\n\
",
    );
    let operator = quoted(operator);
    let _ = writeln!(
        yaml,
        "admin: {{ listen: 127.0.0.1:9464, operators: {{ {operator}: [keys, tokens, audit] }} }}"
    );
    let keys: BTreeSet<&str> = classes().map(|class| class.key).collect();
    section(
        &mut yaml,
        "keys",
        "{}",
        KEYS.iter()
            .filter(|(name, _)| keys.contains(name))
            .map(|(name, rotate)| format!("{name}: {{ rotate: {rotate}")),
    );
    section(
        &mut yaml,
        "data",
        "{}",
        classes().map(|class| format!("{}: {{ {} }}", class.name, class.text)),
    );
    section(&mut yaml, "access", "[]", access(&classes().collect::<Vec<_>>()).into_iter());
    let _ = write!(
        yaml,
        "connectors:\n  api:\n    type: http\n    listen: 127.0.0.1:8080      # loopback: for other machines give it `tls:`\n    upstream: {}\n    callers: {{ anonymous: refuse }}\n    unlisted: refuse\n",
        quoted(upstream)
    );
    let routes = routes.flat_map(|route| route_lines(route, &findings().collect::<Vec<_>>()));
    section_at(&mut yaml, "    ", "routes", "{}", routes);
    if !unsure.is_empty() {
        yaml.push_str("# Not sure:\n");
        for Finding { route, path, reason, .. } in unsure {
            let _ = writeln!(yaml, "#   {} {}: {reason}", quoted(route), quoted(path));
        }
    }
    yaml
}

fn access(classes: &[&ClassText]) -> Vec<String> {
    let list = |masked: Option<bool>| {
        let names =
            classes.iter().filter(|class| masked.is_none_or(|masked| class.masked == masked));
        names.map(|class| class.name).collect::<Vec<_>>().join(", ")
    };
    if classes.is_empty() {
        return Vec::new();
    }
    let mut rights = Vec::new();
    for (right, names) in [("reveal", list(Some(false))), ("mask", list(Some(true)))] {
        if !names.is_empty() {
            rights.push(format!("{right}: [{names}]"));
        }
    }
    vec![
        format!("- {{ role: writer, write: [{}] }}", list(None)),
        format!("- {{ role: reader, {} }}", rights.join(", ")),
    ]
}

fn route_lines(route: &str, findings: &[&Finding]) -> Vec<String> {
    let fields: Vec<String> = findings
        .iter()
        .filter(|finding| finding.route == route)
        .filter_map(|finding| {
            Some(format!("  {}: {}", quoted(&finding.path), finding.class.as_deref()?))
        })
        .collect();
    if fields.is_empty() {
        return vec![format!("{}: {{}}", quoted(route))];
    }
    let mut lines = vec![format!("{}:", quoted(route))];
    lines.extend(fields);
    lines
}

fn section(yaml: &mut String, name: &str, empty: &str, lines: impl Iterator<Item = String>) {
    section_at(yaml, "", name, empty, lines);
}

fn section_at(
    yaml: &mut String,
    indent: &str,
    name: &str,
    empty: &str,
    lines: impl Iterator<Item = String>,
) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        let _ = writeln!(yaml, "{indent}{name}: {empty}");
        return;
    }
    let _ = writeln!(yaml, "{indent}{name}:");
    for line in lines {
        let _ = writeln!(yaml, "{indent}  {line}");
    }
}

/// A double-quoted YAML scalar: the escapes of JSON are among those of YAML, and what
/// could end a line is escaped too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
