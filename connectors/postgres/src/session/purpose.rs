//! What a session is for, as its client declares it.

use allonym_contract::{Fault, Guard, Principal, Refusal};

use crate::session::opening::Begun;

/// The start-up parameter that declares a purpose; also as `-c allonym.purpose=…`. Like
/// the names of all settings it may be written in any case.
const PARAMETER: &[u8] = b"allonym.purpose";
/// How the log names a purpose that is none of the configuration's.
const UNKNOWN: &str = "(unknown)";

/// The purpose a client declares: as a parameter of its own, or in its options.
///
/// # Errors
/// When it declares two, or one that is empty or not text.
pub(crate) fn declared(begun: &Begun) -> Result<Option<String>, Refusal> {
    let own = begun.parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case(PARAMETER));
    let mut declared: Vec<Vec<u8>> = own.map(|(_, value)| value.clone()).collect();
    for setting in settings(words(begun.find("options").unwrap_or_default())) {
        let mut parts = setting.splitn(2, |byte| *byte == b'=');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && name.eq_ignore_ascii_case(PARAMETER)
        {
            declared.push(value.to_vec());
        }
    }
    let ambiguous = || {
        let says = "the purpose is declared twice, is empty or is not text";
        Refusal::new(Fault::Malformed, "purpose-ambiguous", says)
    };
    match declared.len() {
        0 => Ok(None),
        1 => {
            let text = declared.pop().and_then(|text| String::from_utf8(text).ok());
            text.filter(|text| !text.is_empty()).map(Some).ok_or_else(ambiguous)
        }
        _ => Err(ambiguous()),
    }
}

/// What the log says of the purpose of a session: the one that is bound to its user, or
/// else the declared one. What counts for nothing is not repeated: it could be anything.
pub(crate) fn logged(
    guard: &dyn Guard,
    principal: &Principal,
    declared: Option<&str>,
) -> Option<String> {
    let said = principal.purpose.as_deref().or(declared)?;
    Some(if guard.knows_purpose(said) { said } else { UNKNOWN }.to_owned())
}

/// The words of `options` as the server splits them: at white space, and a backslash
/// keeps what follows it.
fn words(options: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut kept) = (Vec::new(), Vec::new(), false);
    for byte in options {
        match byte {
            _ if kept => {
                word.push(*byte);
                kept = false;
            }
            b'\\' => kept = true,
            // `isspace` knows the vertical tab besides.
            b' ' | b'\t'..=b'\r' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            byte => word.push(*byte),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The settings among the options, each `name=value`, as the server's `getopt` finds them:
/// switches without a value may stand together before the one that has it, and the value
/// is what follows that, or else the next word. Where it would find an error the server
/// ends the session.
fn settings(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut settings, mut words) = (Vec::new(), words.into_iter());
    while let Some(word) = words.next() {
        if word == b"--" {
            break;
        }
        let Some(switches) = word.strip_prefix(b"-") else { continue };
        let Some(at) = switches.iter().position(|switch| VALUED.contains(switch)) else { continue };
        let (switch, value) = (switches.get(at), switches.get(at + 1..).unwrap_or_default());
        let value = if value.is_empty() { words.next() } else { Some(value.to_vec()) };
        if matches!(switch, Some(b'c' | b'-')) {
            settings.extend(value);
        }
    }
    settings
}

/// The switches of a server process that have a value; `-` is the one of `--name=value`.
const VALUED: &[u8] = b"BCDSNWcdfhkoprtv-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_declared_once() {
        let begun = |parameters: &[(&str, &str)]| Begun {
            minor: 0,
            parameters: parameters
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
        };
        let check = |parameters: &[(&str, &str)], expected: Result<Option<&str>, ()>| {
            let found = declared(&begun(parameters)).map_err(|_| ());
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                expected.as_ref().copied(),
                "{parameters:?}"
            );
        };
        check(&[], Ok(None));
        check(&[("allonym.purpose", "chargeback")], Ok(Some("chargeback")));
        check(&[("Allonym.PURPOSE", "Chargeback")], Ok(Some("Chargeback")));
        let options = |options: &str, expected| check(&[("options", options)], expected);
        options("-c allonym.purpose=audit", Ok(Some("audit")));
        options("-callonym.purpose=audit -c geqo=off", Ok(Some("audit")));
        options("--allonym.purpose=audit", Ok(Some("audit")));
        options("-c ALLONYM.Purpose=audit", Ok(Some("audit")));
        options("--Allonym.purpose=audit", Ok(Some("audit")));
        options("-Fc allonym.purpose=audit", Ok(Some("audit")));
        options("-eFcallonym.purpose=audit", Ok(Some("audit")));
        options("-F-allonym.purpose=audit", Ok(Some("audit")));
        options("-c allonym.purpose=two\\ words", Ok(Some("two words")));
        options("-c\u{b}allonym.purpose=audit", Ok(Some("audit")));
        options("-c allonym.purpose=a=b", Ok(Some("a=b")));
        // What belongs to another switch declares nothing.
        options("-c search_path=allonym.purpose=x", Ok(None));
        options("-S -callonym.purpose=x", Ok(None));
        options("-Scallonym.purpose=x", Ok(None));
        options("-c allonym.purposes=x", Ok(None));
        options("-c allonym.purpose", Ok(None));
        options("-c", Ok(None));
        options("-- -c allonym.purpose=x", Ok(None));
        options("-c allonym.purpose=", Err(()));
        options("-c allonym.purpose=a -Fc allonym.purpose=b", Err(()));
        options("-c allonym.purpose=a -c Allonym.Purpose=a", Err(()));
        check(&[("options", "-c allonym.purpose=a"), ("Allonym.purpose", "a")], Err(()));
    }
}
