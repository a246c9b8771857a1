mod alphabet;
mod fpe;
mod one_way;
mod token;

use allonym_contract::Location;
use allonym_protect::{Keep, Mask, MethodSpec, VersionMode};

use super::typed::{ClassTyped, MethodName, TemplateName};
use super::{Protection, Stored, is_reversible, method_name};
use crate::config::Located;
use crate::config::error::Problems;
use crate::config::keys::check_name;
use crate::config::units;

/// Reads what a class with a method says.
pub(super) struct Reader<'a> {
    name: &'a Located<String>,
    typed: ClassTyped,
    method: MethodName,
    at: Location,
    problems: &'a mut Problems,
}

/// What every method with a key may say besides its own keys.
const KEYED: [&str; 4] = ["key", "domain", "replaces", "scope"];

impl<'a> Reader<'a> {
    pub(super) const fn new(
        name: &'a Located<String>,
        typed: ClassTyped,
        method: MethodName,
        at: Location,
        problems: &'a mut Problems,
    ) -> Self {
        Self { name, typed, method, at, problems }
    }

    /// How the class is protected; `None` if it is too wrong to be looked at further.
    pub(super) fn protection(mut self) -> Option<Protection> {
        let method = match self.method {
            MethodName::Fpe => self.fpe()?,
            MethodName::Token => self.token()?,
            MethodName::Siv => {
                self.only("siv", &["version"], true);
                self.header_only("siv");
                MethodSpec::Siv
            }
            MethodName::Encrypt => {
                self.only("encrypt", &["version"], true);
                self.header_only("encrypt");
                MethodSpec::Encrypt
            }
            MethodName::Hash => {
                self.only("hash", &["version", "irreversible"], true);
                self.header_only("hash");
                MethodSpec::Hash
            }
            MethodName::Mask => {
                self.only("mask", &["keep", "irreversible"], false);
                MethodSpec::Mask(match self.keep() {
                    keep if keep == Keep::default() => Mask::default(),
                    keep => Mask::keeping(keep),
                })
            }
            MethodName::Redact => {
                self.only("redact", &["irreversible"], false);
                MethodSpec::Redact
            }
            MethodName::Replace => {
                self.only("replace", &["with", "irreversible"], false);
                self.replace()?
            }
            MethodName::Truncate => self.truncate()?,
            MethodName::DateShift => self.date_shift()?,
            MethodName::Generalize => self.generalize()?,
        };
        self.check_irreversible(&method);
        self.finish(method)
    }

    fn finish(mut self, method: MethodSpec) -> Option<Protection> {
        let keyed = !matches!(
            method,
            MethodSpec::Mask(_)
                | MethodSpec::Redact
                | MethodSpec::Replace { .. }
                | MethodSpec::Truncate { .. }
                | MethodSpec::Generalize { .. }
        );
        if keyed && self.typed.key.is_none() {
            let message = format!("`{}` has no `key`", self.name.value);
            self.problems.add(self.at, message, "name one of `keys:`");
            return None;
        }
        if let Some(domain) = &self.typed.domain {
            check_name("domain", domain, self.problems);
        }
        let (ttl, distinct) = (self.ttl(), self.distinct());
        let scope = self.typed.scope.take().map(|scope| scope.value).unwrap_or_default();
        Some(Protection {
            method,
            at: self.at,
            template_at: self.typed.template.as_ref().map(|template| template.at),
            version_at: self.typed.version.as_ref().map(|version| version.at),
            key: self.typed.key,
            domain: self.typed.domain.unwrap_or_else(|| self.name.clone()),
            scope: scope.scope,
            tenants: scope.tenants,
            ttl,
            distinct,
            replaces: self.typed.replaces,
        })
    }

    /// Every key the method does not know is wrong, and says why.
    fn only(&mut self, method: &str, own: &[&str], keyed: bool) {
        for (key, at) in self.typed.method_keys() {
            if key == "distinct" || own.contains(&key) || (keyed && KEYED.contains(&key)) {
                continue;
            }
            let hint = no_meaning_for_method(key, method);
            self.problems.add(at, format!("`{key}` has no meaning for method `{method}`"), hint);
        }
    }

    /// The same for the keys of the method that belong to a template.
    fn only_of_template(&mut self, template: TemplateName, method: &[&str], own: &[&str]) {
        for (key, at) in self.typed.template_keys() {
            if own.contains(&key) || !method.contains(&key) {
                continue;
            }
            let hint = no_meaning_for_template(key, template);
            let message = format!("`{key}` has no meaning for template `{}`", template.word());
            self.problems.add(at, message, hint);
        }
    }

    fn header_only(&mut self, method: &str) {
        if let Some(version) = &self.typed.version
            && version.value != VersionMode::Header
        {
            let message = format!("method `{method}` carries its version in a header");
            self.problems.add(version.at, message, "write `version: header`, or leave it out");
        }
    }

    fn keep(&self) -> Keep {
        self.typed.keep.as_ref().map(|keep| keep.value).unwrap_or_default()
    }

    fn lengths(&mut self, default: Option<(usize, usize)>) -> Option<(usize, usize)> {
        let Some(typed) = &self.typed.lengths else {
            if default.is_none() {
                let hint = "`lengths: 6..12` (both included) or `lengths: 9`";
                self.problems.add(self.at, "this template needs `lengths`", hint);
            }
            return default;
        };
        let lengths = units::lengths(&typed.value);
        if lengths.is_none() {
            let hint = "`15..19` (both included, at most 1000) or `16`";
            self.problems.add(typed.at, "`lengths` is not a range", hint);
        }
        lengths
    }

    fn ttl(&mut self) -> Option<std::time::Duration> {
        let typed = self.typed.ttl.as_ref()?;
        let ttl = units::duration(&typed.value);
        if ttl.is_none() {
            let hint = "a duration is a whole number and s, m, h or d: `90d`";
            self.problems.add(typed.at, "`ttl` is not a duration", hint);
        }
        ttl
    }

    fn distinct(&mut self) -> Option<u64> {
        let typed = self.typed.distinct.as_ref()?;
        if typed.value == 0 {
            let hint = "how many different values the class can have, for instance `distinct: 50`";
            self.problems.add(typed.at, "`distinct` is 0", hint);
        }
        Some(typed.value)
    }

    fn check_irreversible(&mut self, method: &MethodSpec) {
        let said = self.typed.irreversible.as_ref().is_some_and(|said| said.value);
        if !is_reversible(method) && self.typed.stored == Stored::Protected && !said {
            let message = format!(
                "method `{}` destroys the value: nobody can ever reveal it",
                method_name(method)
            );
            let hint = "add `irreversible: true` if that is meant, or use `siv` or `token`";
            self.problems.add(self.at, message, hint);
        }
    }
}

/// Why a key means nothing to a method.
fn no_meaning_for_method(key: &str, method: &str) -> String {
    match (key, method) {
        ("template", "siv" | "encrypt" | "hash") => {
            format!("`{method}` gives text, whatever the format; for a format use `method: fpe`")
        }
        ("random", "siv" | "fpe") => {
            format!("`{method}` is deterministic; for a new token each time use `method: token`")
        }
        ("random", "encrypt") => "`encrypt` gives another text each time anyway".to_owned(),
        ("version", "token") => {
            "the token knows its version, or the store does: leave it out".to_owned()
        }
        ("key", _) => "it uses no key".to_owned(),
        ("irreversible", _) => "it has a way back".to_owned(),
        ("keep" | "lengths", _) => {
            "that is a key of `method: fpe`; what a masked value shows is `mask: { keep: … }`"
                .to_owned()
        }
        ("domain" | "scope" | "replaces", _) => "it has no key and so no domain".to_owned(),
        _ => belongs_to(key),
    }
}

/// Why a key means nothing to a template.
fn no_meaning_for_template(key: &str, template: TemplateName) -> String {
    let keeps = match (key, template) {
        ("keep" | "lengths", TemplateName::Phone) => "`+` and the country code",
        ("keep" | "lengths", TemplateName::Iban) => "the country",
        ("lengths", TemplateName::Integer) => {
            return "text of a fixed length is `width`".to_owned();
        }
        ("keep", TemplateName::Ipv4 | TemplateName::Ipv6) => {
            return "what stays of an address is `keep_bits`".to_owned();
        }
        _ => return belongs_to(key),
    };
    format!("it keeps {keeps}, and takes the lengths of the format")
}

/// Which methods and templates know a key.
fn belongs_to(key: &str) -> String {
    match key {
        "keep" => "that is a key of templates `pan`, `digits`, `alphanumeric` and `string`",
        "lengths" => "that is a key of templates `pan`, `digits`, `alphanumeric`, `string` and `regex`",
        "alphabet" | "pass" => "that is a key of template `string`",
        "part" => "that is a key of `method: fpe` with `template: email`",
        "range" => "that is a key of templates `integer`, `decimal`, `date` and `timestamp`",
        "width" => "that is a key of template `integer` and of `method: generalize`",
        "reserved" => "that is a key of template `integer` with `version: reserved`",
        "format" => "that is a key of templates `date` and `timestamp` and of methods `date_shift` and `generalize`",
        "keep_bits" => "that is a key of templates `ipv4` and `ipv6`",
        "id" => "that is a key of template `national`",
        "pattern" => "that is a key of template `regex`",
        "luhn" => "that is a key of `method: token` with `template: pan`",
        "token_domain" => "that is a key of `method: token` with `template: email`",
        "random" | "canonical" | "vaultless" | "ttl" => "that is a key of `method: token`",
        "with" => "that is a key of `method: replace`",
        "days" | "per" => "that is a key of `method: date_shift`",
        "ranges" | "to" | "groups" => "that is a key of `method: generalize`",
        _ => "leave it out",
    }
    .to_owned()
}
