//! The vectors in `docs/vectors`: frozen, and for other implementations too.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use allonym_protect::vectors;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Each file with the number of its lines and its SHA-256. A line is never changed or
/// deleted: stored values would be unreadable.
#[rustfmt::skip]
const FROZEN: &[(&str, usize, &str)] = &[
    ("date_shift.jsonl", 30, "f2db37b8676dc3b0726f04a45c763359393c4a49a7a5c2224a89b8200e576fdf"),
    ("encrypt.jsonl", 21, "b2a5025862f81e8fa7f78e9628cd68b9c5d8a7dee98fdf7dc15038874eaec028"),
    ("ff1.jsonl", 87, "fe11002ad4c84212ef258d4695852706410a1d26a41f783f688e86c2f7f8b3a9"),
    ("fpe_alphanumeric.jsonl", 15, "e5584a728362e511beb5545660c55e6a52987ba4d26a18a820c0a89bae846bd1"),
    ("fpe_date.jsonl", 16, "4b2a905bc770f42ce257ce34b952b0abd3471f37a5213bb85b817e7c344f57f8"),
    ("fpe_decimal.jsonl", 10, "bd3836f8becd20256b91bb98a4cd91d0d50a5c3a2abb3d4993f1d6deb86377ce"),
    ("fpe_digits.jsonl", 23, "c0963f28359ff1ad05af2d54de47f9b40247a4a5f1c171c622b1f389cf48e336"),
    ("fpe_email.jsonl", 21, "79bff0c1eec16cef6cc6c3d7e602c5785739a036d9c78f5ca203baa99b91cd5d"),
    ("fpe_iban.jsonl", 36, "d15ac7ac2131395cf2ae5c93e5c4bbbb02e40abc2e62a32fe10663c13cf286ab"),
    ("fpe_integer.jsonl", 32, "515babfbfb17aec2cab2f41b8b78133323a6561a95658471b776c37065938dbc"),
    ("fpe_ipv4.jsonl", 6, "0105ed89b483a5ff17df747778075cb7bc06cc599c9adbcc7f451f6a2484e33f"),
    ("fpe_ipv6.jsonl", 15, "d5032f876a3148d80c31720f85b636013c0bf5ad78fa1c17d21c15568eb58b09"),
    ("fpe_national.jsonl", 196, "4be7b129220f83a14622d170cbb5805ab4232e196a6ee20c763fde17bb218eaa"),
    ("fpe_pan.jsonl", 28, "1933ac4b5d22242809b5178db95cf126b79d86ae90a1cb091e39a764ca975e40"),
    ("fpe_phone.jsonl", 16, "df14e4b9a592b1b4588bbca50a5460d2f074ec6f0586319a8cecd4909db32e9f"),
    ("fpe_regex.jsonl", 29, "8a595edf9b78ef7513a84f111aca4453188f0bd01c8daa12e71310a8981fc2bb"),
    ("fpe_string.jsonl", 17, "27eb44e80bc3ddeadc78ec15c6e10f3a4eda6974530806931e06ad6059e4a65b"),
    ("fpe_timestamp.jsonl", 22, "fc701eab9ac51f578380d0327f738d99962c194f3ce94ecc3c2502d41d995579"),
    ("fpe_uuid.jsonl", 6, "37721e00eb8f2262730e5ab284ab8b53600c6c872601c7d350b73c8ee3a9d211"),
    ("generalize.jsonl", 40, "3f447aa3050776e4b81ebc9eb8b66a4c34da553e98c13bb39700e82ed7ce143c"),
    ("hash.jsonl", 21, "4f2a8857a5de9569da298d6086a34fce435eb754dce1affe3d186ea9d91a2a2a"),
    ("mask.jsonl", 12, "5d7638105c6979efae50ef55b446582c89418ae1ebec08ea6bc6debc00983ba6"),
    ("redact.jsonl", 5, "6238fc1dcd4659d4080454514788eb92e6594def91496e0722e3df9e42e0f520"),
    ("replace.jsonl", 6, "9c09c37cdee680496d455a81541f9e2cf3548a47dc261ed83b632358e8599704"),
    ("siv.jsonl", 45, "fe59f92ae6ca74eff49d740e75cb9503b6650179327457705872e88f2d4739d2"),
    ("token.jsonl", 69, "b49d1162eb6b28f91273f7d508394aaab99201e2138dcff69051ea75a3529f0a"),
    ("truncate.jsonl", 7, "0e3f3537738ab61b707bf45107e4e2b4b94f85966af002920087a9cb210e8ddf"),
    ("vaultless.jsonl", 21, "50e084deb2f332d06b0f28c064ace6af3a6260d60cfd6a0403a0c774b5c879ca"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors")
}

fn lines() -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
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
fn no_line_was_changed_or_deleted() {
    let there = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> = there
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    let known = FROZEN.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    assert_eq!(there, known);
    for (name, count, digest) in FROZEN {
        let bytes = fs::read(folder().join(name)).unwrap();
        let hex: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((lines, hex.as_str()), (*count, *digest), "{name}");
    }
}

/// Those of vaulted tokens are held to by `transforms/tokens/tests/it/published.rs`.
#[test]
fn every_line_holds() {
    let mut wrong = Vec::new();
    for (place, line) in lines().into_iter().filter(|(place, _)| !place.starts_with("token.")) {
        if let Err(error) = vectors::check(&line) {
            wrong.push(format!("{place}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever a stored value is made by has a vector.
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
    let methods = "FF1 AES-SIV allonym allonym-token allonym-token-subject fpe token siv encrypt hash vaultless mask redact replace truncate date_shift generalize";
    let templates = "plain pan digits alphanumeric phone iban string email integer decimal date timestamp uuid ipv4 ipv6 national regex";
    let modes = "slack header reserved sidecar epoch pinned";
    let wanted = (methods.split(' ').map(str::to_owned))
        .chain(templates.split(' ').map(|name| format!("template {name}")))
        .chain(modes.split(' ').map(|name| format!("version {name}")));
    let missing: Vec<String> = wanted.filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no vector of {}", missing.join(", "));
}
