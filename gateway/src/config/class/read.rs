use allonym_contract::Location;
use allonym_protect::{Keep, TemplateSpec, TokenTemplate, VersionMode};

use super::{ClassMethod, ClassTyped, MethodName, Protection, Stored, TemplateName, VersionName};
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
            MethodName::Token => self.token(),
            MethodName::Siv => {
                self.only("siv", &["version"], true);
                self.header_only("siv");
                ClassMethod::Siv
            }
            MethodName::Hash => {
                self.only("hash", &["version", "irreversible"], true);
                self.header_only("hash");
                ClassMethod::Hash
            }
            MethodName::Mask => {
                self.only("mask", &["keep", "irreversible"], false);
                ClassMethod::Mask(
                    self.typed.keep.as_ref().map(|keep| keep.value).unwrap_or_default(),
                )
            }
            MethodName::Redact => {
                self.only("redact", &["irreversible"], false);
                ClassMethod::Redact
            }
            MethodName::Replace => {
                self.only("replace", &["with", "irreversible"], false);
                self.replace()?
            }
            MethodName::Encrypt
            | MethodName::Truncate
            | MethodName::DateShift
            | MethodName::Generalize => {
                let hint = "built: fpe, hash, mask, redact, replace, siv, token";
                self.problems.add(self.at, "this method is not built yet", hint);
                return None;
            }
        };
        self.check_irreversible(&method);
        self.finish(method)
    }

    fn finish(self, method: ClassMethod) -> Option<Protection> {
        let keyed = !matches!(
            method,
            ClassMethod::Mask(_) | ClassMethod::Redact | ClassMethod::Replace { .. }
        );
        if keyed && self.typed.key.is_none() {
            let message = format!("`{}` has no `key`", self.name.value);
            self.problems.add(self.at, message, "name one of `keys:`");
            return None;
        }
        if let Some(domain) = &self.typed.domain {
            check_name("domain", domain, self.problems);
        }
        Some(Protection {
            method,
            at: self.at,
            key: self.typed.key,
            domain: self.typed.domain.unwrap_or_else(|| self.name.clone()),
            scope: self.typed.scope.map(|scope| scope.value.0).unwrap_or_default(),
            replaces: self.typed.replaces,
        })
    }

    /// Every key the method does not know is wrong, and says why.
    fn only(&mut self, method: &str, own: &[&str], keyed: bool) {
        for (key, at) in self.typed.method_keys() {
            if own.contains(&key) || (keyed && KEYED.contains(&key)) {
                continue;
            }
            let hint = match (key, method) {
                ("template", "siv" | "hash") => format!("`{method}` gives text, whatever the format; for a format use `method: fpe`"),
                ("random", "siv") => "`siv` is deterministic; for a new token each time use `method: token`".to_owned(),
                ("random", "fpe") => "`fpe` is deterministic; for a new token each time use `method: token`".to_owned(),
                ("random" | "canonical" | "token_domain", _) => "that is a key of `method: token`".to_owned(),
                ("keep" | "lengths", _) => "that is a key of `method: fpe`; what a masked value shows is `mask: { keep: … }`".to_owned(),
                ("version", "token") => "the token store knows the version: leave it out".to_owned(),
                ("key", _) => "it uses no key".to_owned(),
                ("irreversible", _) => "it has a way back".to_owned(),
                ("with", _) => "that is a key of `method: replace`".to_owned(),
                _ => "leave it out".to_owned(),
            };
            self.problems.add(at, format!("`{key}` has no meaning for method `{method}`"), hint);
        }
    }

    fn header_only(&mut self, method: &str) {
        if let Some(version) = &self.typed.version
            && version.value != VersionName::Header
        {
            let message = format!("method `{method}` carries its version in a header");
            self.problems.add(version.at, message, "write `version: header`, or leave it out");
        }
    }

    fn fpe(&mut self) -> Option<ClassMethod> {
        self.only("fpe", &["template", "keep", "lengths", "version"], true);
        let Some(template) = self.typed.template.clone() else {
            let hint = "pan, digits, alphanumeric, phone or iban; for other text use `method: siv`";
            self.problems.add(self.at, "method `fpe` needs a `template`", hint);
            return None;
        };
        let spec = match template.value {
            TemplateName::Pan => {
                let (keep, (min, max)) = (self.keep(), self.lengths(Some((13, 19)))?);
                TemplateSpec::Pan { keep, min, max }
            }
            TemplateName::Digits => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TemplateSpec::Digits { keep, min, max }
            }
            TemplateName::Alphanumeric => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TemplateSpec::Alphanumeric { keep, min, max }
            }
            TemplateName::Phone => {
                self.fixed_format("phone", "`+` and the country code");
                TemplateSpec::Phone
            }
            TemplateName::Iban => {
                self.fixed_format("iban", "the country");
                TemplateSpec::Iban
            }
            TemplateName::Email => {
                let hint = "use `method: token` with `template: email`";
                self.problems.add(
                    template.at,
                    "template `email` is not for `fpe`: addresses are too irregular to encipher",
                    hint,
                );
                return None;
            }
            TemplateName::Plain => {
                let hint = "pan, digits, alphanumeric, phone or iban";
                self.problems.add(template.at, "template `plain` is for `method: token`", hint);
                return None;
            }
        };
        let version = self.fpe_version(&template)?;
        Some(ClassMethod::Fpe { template: spec, version })
    }

    fn fpe_version(&mut self, template: &Located<TemplateName>) -> Option<VersionMode> {
        let has_slack = matches!(template.value, TemplateName::Pan | TemplateName::Iban);
        match (&self.typed.version, has_slack) {
            (None, true) => Some(VersionMode::Slack),
            (None, false) => {
                let hint = "write `version: pinned`: one key version, changed by a rewrap only; its values carry no mark";
                self.problems.add(
                    template.at,
                    "this template has no check digits to carry the key version",
                    hint,
                );
                None
            }
            (Some(version), _) => match version.value {
                VersionName::Pinned => Some(VersionMode::Pinned),
                VersionName::Slack if has_slack => Some(VersionMode::Slack),
                VersionName::Slack => {
                    let hint = "use `version: pinned`";
                    self.problems.add(
                        version.at,
                        "this template has no check digits to carry the key version",
                        hint,
                    );
                    None
                }
                VersionName::Header => {
                    let hint = "use `version: slack` (pan, iban) or `version: pinned`; a header needs text that may grow: `method: siv`";
                    self.problems.add(
                        version.at,
                        "a value of fixed format has no room for a header",
                        hint,
                    );
                    None
                }
                VersionName::Reserved | VersionName::Sidecar | VersionName::Epoch => {
                    self.problems.add(
                        version.at,
                        "this version mode is not built yet",
                        "built: slack, pinned",
                    );
                    None
                }
            },
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

    fn fixed_format(&mut self, template: &str, kept: &str) {
        for (key, at) in [
            ("keep", self.typed.keep.as_ref().map(|k| k.at)),
            ("lengths", self.typed.lengths.as_ref().map(|l| l.at)),
        ] {
            if let Some(at) = at {
                let hint = format!("it keeps {kept}, and takes the lengths of the format");
                self.problems.add(
                    at,
                    format!("`{key}` has no meaning for template `{template}`"),
                    hint,
                );
            }
        }
    }

    fn token(&mut self) -> ClassMethod {
        self.only("token", &["template", "random", "canonical", "token_domain"], true);
        let random = self.typed.random.as_ref().is_some_and(|random| random.value);
        let canonical = self.typed.canonical.clone();
        if let (true, Some(canonical)) = (random, &canonical) {
            let hint = "leave it out: a random token is never looked up by its value";
            self.problems.add(canonical.at, "`canonical` has no meaning for random tokens", hint);
        }
        let email = match &self.typed.template {
            Some(template) if template.value == TemplateName::Email => true,
            Some(template) if template.value != TemplateName::Plain => {
                let hint = "`email` or `plain`; to keep a format use `method: fpe`";
                self.problems.add(template.at, "tokens do not have this template", hint);
                false
            }
            _ => false,
        };
        let token_domain = self.token_domain(email);
        let template =
            if email { TokenTemplate::Email { token_domain } } else { TokenTemplate::Plain };
        let canonical = canonical.map(|c| c.value).unwrap_or_default();
        ClassMethod::Token { template, random, canonical }
    }

    fn token_domain(&mut self, email: bool) -> String {
        let Some(domain) = &self.typed.token_domain else {
            return "allonym.invalid".to_owned();
        };
        if !email {
            let hint = "it is the domain of e-mail shaped tokens: add `template: email`";
            self.problems.add(domain.at, "`token_domain` has no meaning here", hint);
        }
        let label = |label: &str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(fits)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if domain.value.len() > 190
            || !domain.value.contains('.')
            || !domain.value.split('.').all(label)
        {
            let hint = "lower case, for instance `tokens.example.com`; a domain that takes no mail";
            self.problems.add(domain.at, "`token_domain` is not a domain name", hint);
        }
        domain.value.clone()
    }

    fn replace(&mut self) -> Option<ClassMethod> {
        match self.typed.with.take() {
            Some(with) => Some(ClassMethod::Replace { with: with.value }),
            None => {
                self.problems.add(
                    self.at,
                    "method `replace` needs `with`",
                    "`with: \"(removed)\"`",
                );
                None
            }
        }
    }

    fn check_irreversible(&mut self, method: &ClassMethod) {
        let said = self.typed.irreversible.as_ref().is_some_and(|said| said.value);
        if !method.is_reversible() && self.typed.stored == Stored::Protected && !said {
            let message =
                format!("method `{}` destroys the value: nobody can ever reveal it", method.name());
            let hint = "add `irreversible: true` if that is meant, or use `siv` or `token`";
            self.problems.add(self.at, message, hint);
        }
    }
}
