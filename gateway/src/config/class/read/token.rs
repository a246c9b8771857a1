use allonym_protect::{Luhn, MethodSpec, TokenTemplate};

use super::Reader;
use crate::config::Located;
use crate::config::class::typed::TemplateName;

/// The keys of method `token`.
const OWN: [&str; 9] = [
    "template",
    "random",
    "vaultless",
    "canonical",
    "ttl",
    "token_domain",
    "keep",
    "lengths",
    "luhn",
];

impl Reader<'_> {
    pub(super) fn token(&mut self) -> Option<MethodSpec> {
        self.only("token", &OWN, true);
        if self.typed.vaultless.as_ref().is_some_and(|vaultless| vaultless.value) {
            self.check_vaultless();
            return Some(MethodSpec::Vaultless);
        }
        let random = self.typed.random.as_ref().is_some_and(|random| random.value);
        let canonical = self.typed.canonical.clone();
        if let (true, Some(canonical)) = (random, &canonical) {
            let hint = "leave it out: a random token is never looked up by its value";
            self.problems.add(canonical.at, "`canonical` has no meaning for random tokens", hint);
        }
        let template = self.token_template()?;
        let canonical = canonical.map(|c| c.value).unwrap_or_default();
        Some(MethodSpec::Token { template, random, canonical })
    }

    /// A computed token has nothing that a store would decide.
    fn check_vaultless(&mut self) {
        if let Some(template) = &self.typed.template
            && template.value != TemplateName::Plain
        {
            let hint =
                "leave it out; for tokens of a format leave `vaultless` out, or use `method: fpe`";
            self.problems.add(template.at, "vaultless tokens do not have this template", hint);
        }
        let typed = &self.typed;
        let random = typed.random.as_ref().filter(|random| random.value).map(|random| random.at);
        let wrong = [
            (
                "random",
                random,
                "a computed token is always the same; for another text each time use `method: encrypt`",
            ),
            ("canonical", typed.canonical.as_ref().map(|c| c.at), "nothing is looked up"),
            ("ttl", typed.ttl.as_ref().map(|ttl| ttl.at), "nothing is stored that could end"),
        ];
        for (key, at, why) in wrong {
            if let Some(at) = at {
                let message = format!("`{key}` has no meaning for vaultless tokens");
                self.problems.add(at, message, format!("leave it out: {why}"));
            }
        }
        self.only_of_template(TemplateName::Plain, &OWN, &[]);
    }

    fn token_template(&mut self) -> Option<TokenTemplate> {
        let typed = self.typed.template.clone();
        let name = typed.as_ref().map_or(TemplateName::Plain, |template| template.value);
        let own: &[&str] = match name {
            TemplateName::Plain => &[],
            TemplateName::Email => &["token_domain"],
            TemplateName::Pan => &["keep", "lengths", "luhn"],
            TemplateName::Digits | TemplateName::Alphanumeric => &["keep", "lengths"],
            _ => {
                let hint = "`plain`, `email`, `pan`, `digits` or `alphanumeric`; to keep another format use `method: fpe`";
                if let Some(typed) = &typed {
                    self.problems.add(typed.at, "tokens do not have this template", hint);
                }
                return None;
            }
        };
        self.only_of_template(name, &OWN, own);
        Some(match name {
            TemplateName::Email => TokenTemplate::Email { token_domain: self.token_domain() },
            TemplateName::Pan => {
                let (keep, (min, max)) = (self.keep(), self.lengths(Some((13, 19)))?);
                let luhn = self.typed.luhn.as_ref().map_or(Luhn::Fails, |luhn| luhn.value);
                TokenTemplate::Pan { keep, min, max, luhn }
            }
            TemplateName::Digits => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TokenTemplate::Digits { keep, min, max }
            }
            TemplateName::Alphanumeric => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TokenTemplate::Alphanumeric { keep, min, max }
            }
            _ => TokenTemplate::Plain,
        })
    }

    fn token_domain(&mut self) -> String {
        let Some(Located { value: domain, at }) = &self.typed.token_domain else {
            return "allonym.invalid".to_owned();
        };
        let label = |label: &str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(fits)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if domain.len() > 190 || !domain.contains('.') || !domain.split('.').all(label) {
            let hint = "lower case, for instance `tokens.example.com`; a domain that takes no mail";
            self.problems.add(*at, "`token_domain` is not a domain name", hint);
        }
        domain.clone()
    }
}
