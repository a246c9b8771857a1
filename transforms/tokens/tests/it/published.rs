//! The vectors of vaulted tokens in `docs/vectors`. That no line changes is in
//! `transforms/protect/tests/it/published.rs`.

use std::collections::BTreeSet;
use std::fs;

use allonym_tokens::vectors;
use serde_json::Value as Json;

fn lines() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/token.jsonl");
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_line_holds() {
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(lines()) {
        if let Err(error) = vectors::check(&line) {
            wrong.push(format!("line {number}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_template_scope_and_member_has_one() {
    let mut seen = BTreeSet::new();
    for line in lines() {
        let line: Json = serde_json::from_str(&line).unwrap();
        let method = &line["spec"]["method"];
        let template = &method["template"];
        let scope = if line["spec"]["scope"] == "global" { "global" } else { "tenant" };
        let alg = line["alg"].as_str().unwrap();
        for said in [&template["template"], &template["luhn"], &method["canonical"]] {
            seen.extend(said.as_str().map(|said| format!("{alg} {said}")));
        }
        seen.insert(format!("{alg} {scope}"));
        seen.insert(format!("{alg} random {}", method["random"]));
        seen.extend(line.as_object().unwrap().keys().map(|member| format!("{alg} {member}")));
    }
    let row = "plain email pan digits alphanumeric fails valid exact lower global tenant number counter lookup meta sealed_meta spent";
    let subject = "global tenant claim hash";
    let wanted = (row.split(' ').map(|what| format!("allonym-token {what}")))
        .chain(subject.split(' ').map(|what| format!("allonym-token-subject {what}")))
        .chain(["allonym-token random true".to_owned()]);
    let missing: Vec<String> = wanted.filter(|what| !seen.contains(what)).collect();
    assert!(missing.is_empty(), "no vector of {}", missing.join(", "));
}
