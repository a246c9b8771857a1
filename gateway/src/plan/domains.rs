//! What the domains of the configuration are worth: how many values there are to tell
//! apart, what a reader of protected values learns, and what keeps a caller from asking
//! for all of them.

use allonym_protect::{
    EmailPart, Keep, Method, MethodSpec, ShiftPer, Size, SizeClass, TemplateSpec, TokenTemplate,
    VersionMode, sizes,
};
use serde::Serialize;

use super::{ClassPlan, Protected, Warning};
use crate::config::is_deterministic;

/// What is to be known of one transformation.
#[derive(Clone, Debug, Serialize)]
pub struct DomainReport {
    /// Its domain.
    pub domain: String,
    /// The classes that have it.
    pub classes: Vec<String>,
    /// Method, template and version mode.
    pub method: String,
    /// How many values are enciphered among themselves: one for each length or other kind
    /// of value; empty where any text is taken.
    pub sizes: Vec<SizeReport>,
    /// Why the sizes cannot be told, if they cannot.
    pub refused: Option<String>,
    /// How many different values were declared.
    pub distinct: Option<u64>,
    /// What who sees protected values only learns.
    pub leaks: Vec<String>,
    /// Where the key version is; `None` for methods without a key.
    pub version: Option<&'static str>,
    /// How many key versions can live at once; `None`: any number.
    pub live_versions: Option<u32>,
}

/// Values that are enciphered among themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeReport {
    /// What they have in common: `length 9`.
    pub what: String,
    /// How many there are, in decimal digits; `None`: 2^128 or more.
    pub values: Option<String>,
    /// The logarithm of that to the base 2.
    pub bits: f64,
    /// `table`, `short` or `full`; `None` where no cipher of this size is behind it.
    pub class: Option<&'static str>,
    /// What keeps a caller from making a code book; `None` where equal values do not have
    /// equal protected forms.
    pub quota: Option<Quota>,
}

/// How many values a principal may have protected, searched or revealed, so that one per
/// cent of all there are takes at least a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// Values an hour, at least 1.
    pub per_hour: u64,
    /// The same as a `budget:` counts, values a minute; 0: less than one.
    pub per_minute: u64,
    /// Whether such a budget can be written: budgets count whole values a minute, and
    /// below 10^6 values the code book is known from elsewhere.
    pub helps: bool,
}

/// Below this many values FF1 is not used, and counting gives values away.
const SMALL: u128 = 1_000_000;

/// How many key versions a domain's values can tell apart; `None` if that is no question
/// of room.
pub(super) fn slots(method: &Method) -> Option<u32> {
    match method {
        Method::Pure(transform) => transform.slots().filter(|slots| *slots > 0),
        Method::Stored(_) => None,
    }
}

/// How many key versions of a domain can live at once: what its values can tell apart, and
/// whose tables have room; `None` for any number.
pub(super) fn room(method: &Method) -> Option<u32> {
    let tables = match method {
        Method::Pure(transform) => transform.most_versions(),
        Method::Stored(_) => None,
    };
    slots(method).into_iter().chain(tables).min()
}

/// A report for each domain, in the order in which classes name them.
pub(super) fn reports(classes: &[ClassPlan]) -> Vec<DomainReport> {
    let mut reports: Vec<DomainReport> = Vec::new();
    for class in classes {
        let Some(protected) = class.method_of() else { continue };
        match reports.iter_mut().find(|report| report.domain == protected.domain_name) {
            Some(report) => report.classes.push(class.name.to_string()),
            None => reports.push(report(class, protected)),
        }
    }
    reports
}

fn report(class: &ClassPlan, protected: &Protected) -> DomainReport {
    let spec = &protected.spec;
    let (sizes, refused) = match sizes(spec) {
        Ok(sizes) => (sizes, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let deterministic = is_deterministic(&spec.method);
    let mut sizes: Vec<SizeReport> =
        sizes.iter().map(|size| SizeReport::of(size, class.distinct, deterministic)).collect();
    let enciphered = sizes.iter().any(|size| size.class != Some("tokens"));
    if let (false, Some(declared)) = (enciphered, class.distinct) {
        sizes.push(SizeReport {
            what: "as declared".to_owned(),
            values: Some(declared.to_string()),
            bits: (declared as f64).log2(),
            class: None,
            quota: deterministic.then(|| Quota::of(Some(declared.into()))),
        });
    }
    let mut leaks: Vec<String> = leaks(&spec.method).into_iter().map(str::to_owned).collect();
    leaks.extend(kinds(&spec.method, &sizes));
    let (version, live_versions) = versions(&spec.method, room(&protected.method));
    DomainReport {
        domain: protected.domain_name.clone(),
        classes: vec![class.name.to_string()],
        method: protected.method_name(),
        sizes,
        refused,
        distinct: class.distinct,
        leaks,
        version,
        live_versions,
    }
}

impl SizeReport {
    fn of(size: &Size, distinct: Option<u64>, deterministic: bool) -> Self {
        let declared = distinct.map(u128::from);
        let fewest = size.values.into_iter().chain(declared).min();
        Self {
            what: size.what.clone(),
            values: size.values.map(|values| values.to_string()),
            bits: size.bits,
            class: Some(match size.cipher {
                SizeClass::Table => "table",
                SizeClass::Short => "short",
                SizeClass::Full => "full",
                SizeClass::Counter => "tokens",
            }),
            // Tokens say nothing of their values: what they hide is as large as the class.
            quota: (deterministic && size.cipher != SizeClass::Counter).then(|| Quota::of(fewest)),
        }
    }
}

impl Quota {
    /// Hours in a year of 365.25 days.
    const YEAR: u128 = 8_766;

    /// The quota for so many values; `None`: 2^128 or more.
    fn of(values: Option<u128>) -> Self {
        let values = values.unwrap_or(u128::MAX);
        let per_hour = u64::try_from(values / 100 / Self::YEAR).unwrap_or(u64::MAX).max(1);
        let per_minute = per_hour / 60;
        Self { per_hour, per_minute, helps: values >= SMALL && per_minute > 0 }
    }
}

/// Where the key version is, and how many can live at once.
fn versions(method: &MethodSpec, room: Option<u32>) -> (Option<&'static str>, Option<u32>) {
    match method {
        MethodSpec::Fpe { version, .. } => {
            let live = match version {
                VersionMode::Slack
                | VersionMode::Reserved
                | VersionMode::Header
                | VersionMode::Sidecar => room,
                // The old one and the new one, while a rewrap runs.
                VersionMode::Epoch => Some(2),
                VersionMode::Pinned => Some(1),
            };
            (Some(version.name()), live)
        }
        MethodSpec::Siv | MethodSpec::Encrypt | MethodSpec::Hash | MethodSpec::Vaultless => {
            (Some("header"), None)
        }
        MethodSpec::Token { .. } => (Some("store"), None),
        MethodSpec::DateShift { .. } => (Some("pinned"), Some(1)),
        MethodSpec::Mask(_)
        | MethodSpec::Redact
        | MethodSpec::Replace { .. }
        | MethodSpec::Truncate { .. }
        | MethodSpec::Generalize { .. } => (None, None),
    }
}

/// What who sees protected values only learns of the plain ones.
fn leaks(method: &MethodSpec) -> Vec<&'static str> {
    let mut leaks = Vec::new();
    if is_deterministic(method) {
        leaks.extend(["equality", "frequency"]);
    }
    match method {
        MethodSpec::Fpe { template, version } => {
            leaks.extend(leaks_of_template(template));
            match version {
                VersionMode::Slack | VersionMode::Header | VersionMode::Reserved => {
                    leaks.push("key version");
                }
                VersionMode::Sidecar => leaks.push("key version (beside the value)"),
                VersionMode::Epoch | VersionMode::Pinned => {}
            }
        }
        MethodSpec::Siv | MethodSpec::Encrypt | MethodSpec::Vaultless => {
            leaks.extend(["length", "key version"]);
        }
        MethodSpec::Hash => leaks.push("key version"),
        MethodSpec::Token { template, .. } => leaks.extend(match template {
            TokenTemplate::Plain | TokenTemplate::Email { .. } => Vec::new(),
            TokenTemplate::Pan { keep, min, max, .. }
            | TokenTemplate::Digits { keep, min, max }
            | TokenTemplate::Alphanumeric { keep, min, max } => ends(*keep, *min, *max),
        }),
        MethodSpec::Mask(mask) if mask.keep.is_some() => {
            leaks.extend(["length", "preserved parts"]);
        }
        MethodSpec::Truncate { .. } => leaks.push("preserved parts"),
        MethodSpec::DateShift { per: ShiftPer::Domain, .. } => {
            leaks.extend(["equality", "frequency", "days between values", "about when it was"]);
        }
        MethodSpec::DateShift { per: ShiftPer::Value, .. } => {
            leaks.extend(["equality", "frequency", "about when it was"]);
        }
        MethodSpec::Generalize { .. } => leaks.push("bucket"),
        MethodSpec::Mask(_) | MethodSpec::Redact | MethodSpec::Replace { .. } => {}
    }
    leaks.push("whether there was a value");
    leaks
}

fn leaks_of_template(template: &TemplateSpec) -> Vec<&'static str> {
    match template {
        TemplateSpec::Pan { keep, min, max }
        | TemplateSpec::Digits { keep, min, max }
        | TemplateSpec::Alphanumeric { keep, min, max } => ends(*keep, *min, *max),
        TemplateSpec::String { pass, keep, min, max, .. } => {
            let mut leaks = ends(*keep, *min, *max);
            if !pass.is_empty() {
                leaks.push("where passed characters stand");
            }
            leaks
        }
        TemplateSpec::Phone => vec!["length", "country code"],
        TemplateSpec::Iban => vec![
            "country",
            "positions of letters only",
            "digit runs below 10^6",
            "equality of either string",
        ],
        TemplateSpec::Email { part } => {
            let kept = match part {
                EmailPart::Local => "domain",
                EmailPart::Domain => "local part and last label",
                EmailPart::Both => "last label",
            };
            vec!["length", "where other characters stand", kept]
        }
        TemplateSpec::Uuid => vec!["version and variant of the UUID"],
        TemplateSpec::Ipv4 { keep } | TemplateSpec::Ipv6 { keep } if *keep > 0 => {
            vec!["leading bits"]
        }
        TemplateSpec::Regex { .. } => vec!["length"],
        TemplateSpec::National { .. } => vec!["how it is written"],
        TemplateSpec::Integer { .. }
        | TemplateSpec::Decimal { .. }
        | TemplateSpec::Date { .. }
        | TemplateSpec::Timestamp { .. }
        | TemplateSpec::Ipv4 { .. }
        | TemplateSpec::Ipv6 { .. } => Vec::new(),
    }
}

/// The classes of an identifier, where they differ by more than separators: which of them
/// a value is in shows.
fn kinds(method: &MethodSpec, sizes: &[SizeReport]) -> Option<String> {
    let MethodSpec::Fpe { template: TemplateSpec::National { .. }, .. } = method else {
        return None;
    };
    let bare = |what: &str| what.replace([' ', '-', '.', '/'], "");
    let mut kinds: Vec<&str> = Vec::new();
    for size in sizes {
        if !kinds.iter().any(|kind| bare(kind) == bare(&size.what)) {
            kinds.push(&size.what);
        }
    }
    (kinds.len() > 1).then(|| format!("which of: {}", kinds.join("; ")))
}

fn ends(keep: Keep, min: usize, max: usize) -> Vec<&'static str> {
    let length = (min != max).then_some("length");
    let parts = (keep != Keep::default()).then_some("preserved parts");
    length.into_iter().chain(parts).collect()
}

/// A class of so few values that equality and frequency give them away.
pub(super) fn low_entropy(class: &ClassPlan) -> Option<Warning> {
    let protected = class.method_of().filter(|_| !class.retired)?;
    if !is_deterministic(&protected.spec.method) {
        return None;
    }
    let smallest = sizes(&protected.spec).unwrap_or_default().into_iter();
    let smallest = smallest.filter(|size| size.cipher != SizeClass::Counter);
    let smallest = smallest.filter_map(|size| size.values).min();
    let values = few(smallest, class.distinct)?;
    Some(Warning {
        serious: values < 1_000,
        text: format!(
            "class `{}` has no more than {values} different values and a deterministic method (`{}`): equality and frequency give values away; use `token` with `random: true`, or `encrypt`",
            class.name,
            protected.method_name()
        ),
    })
}

/// How many values there are, if that is few.
fn few(smallest: Option<u128>, declared: Option<u64>) -> Option<u128> {
    let smallest = smallest.filter(|values| *values < SMALL);
    let declared = declared.filter(|values| *values < 10_000).map(u128::from);
    smallest.into_iter().chain(declared).min()
}

#[cfg(test)]
mod tests {
    use allonym_protect::{DateFormat, Luhn};

    use super::*;

    #[test]
    fn quotas_keep_one_per_cent_for_a_year() {
        for (values, per_hour, per_minute, helps) in [
            (Some(10), 1, 0, false),
            (Some(999_999), 1, 0, false),
            (Some(1_000_000), 1, 0, false),
            (Some(52_595_999), 59, 0, false),
            (Some(52_596_000), 60, 1, true),
            (Some(1_000_000_000), 1_140, 19, true),
            (Some(u128::MAX), u64::MAX, u64::MAX / 60, true),
            (None, u64::MAX, u64::MAX / 60, true),
        ] {
            assert_eq!(Quota::of(values), Quota { per_hour, per_minute, helps }, "{values:?}");
        }
    }

    #[test]
    fn few_values_are_few() {
        for (smallest, declared, expected) in [
            (None, None, None),
            (Some(1_000_000), None, None),
            (Some(999_999), None, Some(999_999)),
            (Some(1_000_000_000), Some(50), Some(50)),
            (Some(73_049), Some(10_000), Some(73_049)),
            (None, Some(9_999), Some(9_999)),
        ] {
            assert_eq!(few(smallest, declared), expected, "{smallest:?} {declared:?}");
        }
    }

    #[test]
    fn a_declared_number_of_values_bounds_the_quota() {
        let size = |cipher| Size {
            what: "length 9".to_owned(),
            values: Some(1_000_000_000),
            bits: 29.9,
            cipher,
        };
        let quota = |distinct, deterministic| {
            SizeReport::of(&size(SizeClass::Short), distinct, deterministic).quota
        };
        assert_eq!(quota(None, true), Some(Quota::of(Some(1_000_000_000))));
        assert_eq!(quota(Some(50), true), Some(Quota::of(Some(50))));
        assert_eq!(quota(Some(50), false), None);
        for (cipher, class) in
            [(SizeClass::Table, "table"), (SizeClass::Short, "short"), (SizeClass::Full, "full")]
        {
            assert_eq!(SizeReport::of(&size(cipher), None, true).class, Some(class));
        }
    }

    #[test]
    fn tokens_of_a_format_are_as_many_as_their_counter_has() {
        let keep = Keep { first: 6, last: 4 };
        let luhn = allonym_protect::Luhn::Fails;
        let template = TokenTemplate::Pan { keep, min: 16, max: 16, luhn };
        let canonical = allonym_protect::Canonical::Exact;
        let method = MethodSpec::Token { template, random: false, canonical };
        let scope = allonym_protect::Scope::Global;
        let sizes = sizes(&allonym_protect::Spec { revision: 1, method, scope }).unwrap();
        let report = SizeReport::of(&sizes[0], None, true);
        assert_eq!(report.values.as_deref(), Some("1000000"));
        assert_eq!((report.class, report.quota.is_none()), (Some("tokens"), true));
        assert_eq!(report.what, "length 16, of one kept part");
    }

    #[test]
    fn identifiers_of_several_kinds_show_which() {
        let kinds_of = |id: &str| {
            let template = TemplateSpec::National { id: id.to_owned() };
            let method = MethodSpec::Fpe { template, version: VersionMode::Pinned };
            let scope = allonym_protect::Scope::Global;
            let spec = allonym_protect::Spec { revision: 1, method, scope };
            let sizes = sizes(&spec).unwrap();
            let sizes: Vec<SizeReport> =
                sizes.iter().map(|size| SizeReport::of(size, None, true)).collect();
            kinds(&spec.method, &sizes)
        };
        let belgium =
            "which of: form xxxxxxxxxkk, born before 2000; form xxxxxxxxxkk, born from 2000 on";
        assert_eq!(kinds_of("be_national_number").as_deref(), Some(belgium));
        assert_eq!(kinds_of("us_ssn"), None);
    }

    #[test]
    fn versions_that_can_live() {
        let fpe = |version| MethodSpec::Fpe { template: TemplateSpec::Uuid, version };
        for (method, slots, version, live) in [
            (fpe(VersionMode::Slack), Some(9), Some("slack"), Some(9)),
            (fpe(VersionMode::Reserved), Some(2), Some("reserved"), Some(2)),
            (fpe(VersionMode::Pinned), None, Some("pinned"), Some(1)),
            (fpe(VersionMode::Epoch), None, Some("epoch"), Some(2)),
            (fpe(VersionMode::Sidecar), None, Some("sidecar"), None),
            (fpe(VersionMode::Sidecar), Some(459), Some("sidecar"), Some(459)),
            (fpe(VersionMode::Header), None, Some("header"), None),
            (MethodSpec::Siv, None, Some("header"), None),
            (MethodSpec::Redact, None, None, None),
        ] {
            assert_eq!(versions(&method, slots), (version, live), "{method:?}");
        }
    }

    #[test]
    fn what_is_learned_without_a_key() {
        let keep = Keep { first: 6, last: 0 };
        let none = Keep::default();
        let shift = |per| MethodSpec::DateShift { format: DateFormat::Iso, days: 9, per };
        let token = |template, random| MethodSpec::Token {
            template,
            random,
            canonical: allonym_protect::Canonical::Exact,
        };
        let digits = |keep, min, max| TemplateSpec::Digits { keep, min, max };
        let pinned = |template| MethodSpec::Fpe { template, version: VersionMode::Pinned };
        let pan = TokenTemplate::Pan { keep, min: 16, max: 16, luhn: Luhn::Fails };
        for (method, expected) in [
            (
                MethodSpec::Fpe { template: digits(keep, 9, 12), version: VersionMode::Sidecar },
                "equality, frequency, length, preserved parts, key version (beside the value)",
            ),
            (pinned(digits(none, 9, 9)), "equality, frequency"),
            (pinned(TemplateSpec::Ipv4 { keep: 8 }), "equality, frequency, leading bits"),
            (pinned(TemplateSpec::Ipv4 { keep: 0 }), "equality, frequency"),
            (MethodSpec::Siv, "equality, frequency, length, key version"),
            (MethodSpec::Encrypt, "length, key version"),
            (token(TokenTemplate::Plain, true), ""),
            (token(pan, true), "preserved parts"),
            (token(TokenTemplate::Plain, false), "equality, frequency"),
            (
                shift(ShiftPer::Domain),
                "equality, frequency, days between values, about when it was",
            ),
            (shift(ShiftPer::Value), "equality, frequency, about when it was"),
            (MethodSpec::Redact, ""),
        ] {
            let always = "whether there was a value";
            let expected = match expected {
                "" => always.to_owned(),
                some => format!("{some}, {always}"),
            };
            assert_eq!(leaks(&method).join(", "), expected, "{method:?}");
        }
    }
}
