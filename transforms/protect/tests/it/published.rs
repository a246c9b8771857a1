//! The vectors in `docs/vectors`: frozen, and for other implementations too.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use allonym_protect::vectors;
use serde_json::Value as Json;

fn lines() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            lines.push((format!("{name}:{number}"), line.to_owned()));
        }
    }
    lines
}

#[test]
fn every_line_holds() {
    let mut wrong = Vec::new();
    for (place, line) in lines() {
        if let Err(error) = vectors::check(&line) {
            wrong.push(format!("{place}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever can be computed from value and key alone has a vector.
#[test]
fn every_method_template_and_mode_has_one() {
    let mut seen = BTreeSet::new();
    for (_, line) in lines() {
        let line: Json = serde_json::from_str(&line).unwrap();
        let text = |value: &Json| value.as_str().map(str::to_owned);
        seen.extend(text(&line["alg"]));
        let method = &line["spec"]["method"];
        seen.extend(text(&method["method"]));
        seen.extend(text(&method["template"]["template"]).map(|name| format!("template {name}")));
        seen.extend(text(&method["version"]).map(|name| format!("version {name}")));
    }
    let methods = "FF1 AES-SIV allonym fpe siv encrypt hash vaultless mask redact replace truncate date_shift generalize";
    let templates = "pan digits alphanumeric phone iban string email integer decimal date timestamp uuid ipv4 ipv6 national regex";
    let modes = "slack header reserved sidecar epoch pinned";
    let wanted = (methods.split(' ').map(str::to_owned))
        .chain(templates.split(' ').map(|name| format!("template {name}")))
        .chain(modes.split(' ').map(|name| format!("version {name}")));
    let missing: Vec<String> = wanted.filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no vector of {}", missing.join(", "));
}
