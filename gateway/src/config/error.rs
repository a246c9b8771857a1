use std::fmt;

use allonym_contract::Location;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, DuplicateKeyPolicy, MessageFormatter, Options};

use super::located::location;

/// Something wrong in a configuration file. Names keys and rules, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: u32,
    /// The column in characters, from 1; 0 where it is about the whole file.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn whole_file(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, message, hint: None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Everything that was found wrong, in file order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What has been found wrong so far.
pub(super) struct Problems {
    file: String,
    found: Vec<ConfigError>,
}

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        at: Location,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let hint = hint.into();
        self.found.push(ConfigError {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
            hint: (!hint.is_empty()).then_some(hint),
        });
    }

    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|error| (error.line, error.column));
        Err(ConfigErrors(self.found))
    }
}

/// How the file is read: nothing twice, nothing huge, YAML 1.2 booleans.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 32,
            max_nodes: 200_000,
            max_aliases: 2_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Separates message and hint where serde carries only one text.
const HINT: &str = "\n  hint: ";

/// An error of a visitor, with a hint.
pub(super) fn custom<E: serde::de::Error>(message: &str, hint: &str) -> E {
    E::custom(format_args!("{message}{HINT}{hint}"))
}

/// The parser's error in our words.
pub(super) fn translate(error: &serde_saphyr::Error, file: &str, text: &str) -> ConfigError {
    let at = error.location().map(location).unwrap_or_default();
    let (message, hint) = match unquoted_selector(text, at.line) {
        Some(selector) => (
            format!("YAML reads the brackets of `{selector}` as a list"),
            Some(format!("a path with brackets must be quoted: `\"{selector}\"`")),
        ),
        None => words(error),
    };
    ConfigError { file: file.to_owned(), line: at.line, column: at.column, message, hint }
}

fn words(error: &serde_saphyr::Error) -> (String, Option<String>) {
    use serde_saphyr::Error;
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => words(error),
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), Some(suggest(field, expected.iter().copied())))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let hint = suggest(variant, expected.iter().copied());
            (format!("`{variant}` is not known here"), Some(hint))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("`{field}` is missing"), (*field == "seal").then(|| NO_SEAL.to_owned()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("expected {expected}, found {}", kind(unexpected)), None)
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_ref().map_or("a key".to_owned(), |key| format!("`{key}`"));
            let hint = "one of the two would be ignored: keep one";
            (format!("{key} is there twice"), Some(hint.to_owned()))
        }
        Error::Message { msg, .. } => match msg.split_once(HINT) {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (msg.clone(), None),
        },
        other => of_the_parser(other),
    }
}

const NO_SEAL: &str = "there is no default: `seal: { file: /etc/allonym/seal.key }`, or `seal: { passphrase: { env: NAME } }`";

/// Errors that are about YAML more than about a configuration.
fn of_the_parser(error: &serde_saphyr::Error) -> (String, Option<String>) {
    use serde_saphyr::Error;
    let told = |message: &str, hint: &str| {
        (message.to_owned(), (!hint.is_empty()).then(|| hint.to_owned()))
    };
    match error {
        Error::Unexpected { expected: "sequence start", .. } => {
            told("expected a list", "write it in brackets: `[a, b]`")
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            told("expected a map", "write it in braces: `{ key: value }`")
        }
        Error::InvalidBooleanStrict { .. } => told("expected true or false", ""),
        Error::MultipleDocuments { .. }
        | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            let hint = "a configuration is one document: remove the line `---`";
            told("a second document begins here", hint)
        }
        Error::Budget { .. } => {
            told("more, or more deeply nested, than a configuration may be", "")
        }
        other => (DefaultMessageFormatter.format_message(other).escape_debug().to_string(), None),
    }
}

/// The kind of what serde did not expect, without the content it quotes.
fn kind(unexpected: &str) -> &str {
    unexpected.split(['"', '`']).next().unwrap_or_default().trim()
}

/// A selector with brackets that stands unquoted inside `{ }` on this line.
fn unquoted_selector(text: &str, line: u32) -> Option<&str> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    for (start, _) in line.match_indices('$') {
        let (before, rest) = line.split_at_checked(start)?;
        let selector: &str = rest.split([' ', ',', '}', '"', '\'']).next()?;
        let selector = selector.trim_end_matches(':');
        if before.contains('{') && before.ends_with(['{', ' ', ',']) && selector.contains('[') {
            return Some(selector);
        }
    }
    None
}

/// "did you mean", or what there is to choose from.
pub(super) fn suggest<'a>(typed: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(typed, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    if known.is_empty() {
        return "there is none yet".to_owned();
    }
    format!("known: {}", known.join(", "))
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + typed.chars().count() / 4;
    known
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edit distance with transpositions (optimal string alignment), cut off for long words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(80).collect(), b.chars().take(80).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, j) + usize::from(x != y))
                .min(at(&above, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("emial", "email", 1),
            ("reveal", "reveals", 1),
            ("card", "date", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
