//! What is wrong is told apart, with its place.

use super::SEAL;
use crate::config::Config;

/// Everything that is wrong with this text, which gets a seal as its first line unless it
/// has one.
fn check(text: &str, expected: &str) {
    let seal = if text.contains("seal:") { "" } else { SEAL };
    let text = format!("{seal}{text}");
    let errors = Config::parse(&text, "a.yaml").unwrap_err();
    assert_eq!(errors.to_string(), expected, "{text}");
}

#[test]
fn wrong_seals_and_keys() {
    check(
        r"store: x.db
seal: { flie: x }",
        r"a.yaml:2:9: unknown key `flie`
  hint: did you mean `file`?",
    );
    check(
        r"keys: { pan: { rotat: never } }",
        r"a.yaml:2:16: unknown key `rotat`
  hint: did you mean `rotate`?",
    );
    check(
        r"keys: { pan: { rotate: 180x } }
keyz: {}",
        r"a.yaml:3:1: unknown key `keyz`
  hint: did you mean `keys`?",
    );
    check(
        r"keys: { pan: { rotate: 180x } }",
        r"a.yaml:2:24: `rotate` is neither `never`, `on_rewrap` nor a duration
  hint: a duration is a whole number and s, m, h or d: `180d`",
    );
    check(
        r"keys: { pan: , b: {}, c: {rotate: on_rewarp} }",
        r"a.yaml:2:35: `rotate` is neither `never`, `on_rewrap` nor a duration
  hint: did you mean `on_rewrap`?",
    );
    check(
        r"keys:
  pan: {}
  pan: {}",
        r"a.yaml:4:3: `pan` is there twice
  hint: one of the two would be ignored: keep one",
    );
    check(
        r"seal: { file: /var/lib/allonym/seal.key }",
        r"a.yaml:1:7: the seal's key file lies in the folder of the store: whoever copies the folder has both
  hint: keep it elsewhere, for instance `/etc/allonym/seal.key`",
    );
    check(
        r"seal: { passphrase: hunter2-secret }",
        r"a.yaml:1:21: a secret must not stand in the configuration
  hint: write `{ env: NAME }` or `{ file: PATH }`",
    );
    check(
        r"seal: { passphrase: { secret: x } }",
        r"a.yaml:1:21: `secret:` is not built yet
  hint: write `{ env: NAME }` or `{ file: PATH }`",
    );
    check(
        r"seal: [ { file: /a/k }, { passphrase: { env: X } }, { } ]",
        r"a.yaml:1:53: a seal needs a `file` or a `passphrase`
  hint: `{ file: /etc/allonym/seal.key }` or `{ passphrase: { env: NAME } }`",
    );
    check(
        r"seal: { passphrase: { envv: hunter2 } }",
        r"a.yaml:1:23: `envv` is not known here
  hint: did you mean `env`?",
    );
}

#[test]
fn wrong_stores() {
    let password = "the URL of the store holds a password
  hint: leave it out, and write `store: { postgres: URL, password: { env: NAME } }` or `{ file: PATH }`";
    for url in [
        "postgres://a:hunter2@db.example/x",
        "postgresql://a@db.example/x?password=hunter2",
        "postgres://a:hun/ter2@db.example/x",
        "postgres://a:hun?ter2@db.example/x",
    ] {
        check(&format!("store: {url}"), &format!("a.yaml:2:8: {password}"));
        check(&format!("store: {{ postgres: \"{url}\" }}"), &format!("a.yaml:2:20: {password}"));
    }
    let form = "  hint: write `postgres://user@host:5432/database`";
    for (url, what) in [
        ("postgres://db/x", "the URL of the store names no user"),
        ("postgres://a@/x", "the URL of the store names no host"),
        ("postgres://a@db", "the URL of the store names no database"),
    ] {
        check(&format!("store: {url}"), &format!("a.yaml:2:8: {what}\n{form}"));
    }
    check(
        "store: postgres://a@db/x?sslmode=require",
        r"a.yaml:2:8: `sslmode` is neither `verify-full` nor `disable`
  hint: `verify-full` is the default; anything less would let another server answer",
    );
    check(
        "store: { postgres: /var/lib/x.db, connections: 0 }",
        r"a.yaml:2:20: `postgres` is not a URL of PostgreSQL
  hint: write `postgres://user@host:5432/database`
a.yaml:2:48: `connections` is not 1 to 200
  hint: 8 are usual",
    );
    check(
        "store: { postgres: postgres://a@db/x, password: hunter2 }",
        r"a.yaml:2:49: a secret must not stand in the configuration
  hint: write `{ env: NAME }` or `{ file: PATH }`",
    );
    check(
        "store: mysql://a@db/x",
        r"a.yaml:2:8: unknown kind of store
  hint: a store is a file (`store: /var/lib/allonym/store.db`) or `postgres://user@host:5432/database`",
    );
}

#[test]
fn wrong_audit_admin_and_store() {
    check(
        r"audit: { path: /x, durability: { reads: sometimes } }",
        r"a.yaml:2:41: `sometimes` is not known here
  hint: known: power, process",
    );
    check(
        r"audit: 5",
        r"a.yaml:2:1: expected a folder, or `{ path: FOLDER, durability: { reads: process } }`, found integer",
    );
    check(
        r"admin: { listen: 0.0.0.0:9464, operators: { ops: [keyz] } }",
        r"a.yaml:2:51: `keyz` is not known here
  hint: did you mean `keys`?",
    );
    check(
        r"admin: { listen: 0.0.0.0:9464, operators: { ops: [keys, tokens, audit] } }",
        r"a.yaml:2:18: the admin listener is not on loopback and has no TLS
  hint: listen on 127.0.0.1, or add `tls: off` if that network may see the metrics",
    );
    check(r"seal: { file: !foo /a/k }", r"a.yaml:1:20: unsupported tag `!foo`");
    check(
        r#"store: """#,
        r"a.yaml:2:8: `store` is empty
  hint: leave it out, or name a file",
    );
    check(
        r"admin: { listen: 0.0.0.0:9464, tls: off, users: { anna: { role: suport } } }
data: { email: { stored: plain } }
access: [ { role: support, reveal: [email] } ]",
        r"a.yaml:2:65: no entry of `access:` speaks of the role `suport`
  hint: did you mean `support`?",
    );
}

#[test]
fn wrong_keys_of_a_class() {
    check(
        r"keys: { pan: }
data:
  card: { method: fpe, template: pan, key: pna }",
        r"a.yaml:4:44: `keys:` has no `pna`
  hint: did you mean `pan`?",
    );
}

#[test]
fn wrong_combinations_of_a_class() {
    check(
        r#"keys: { pan: }
data:
  card: { method: fpe, template: plain, version: pinned, key: pan }
  a: { method: siv, template: pan, key: pan }
  b: { method: siv, random: true, key: pan }
  c: { method: fpe, template: digits, version: reserved, lengths: 9, key: pan }
  d: { method: fpe, template: digits, lengths: 9, key: pan }
  e: { method: fpe, template: digits, version: pinned, key: pan }
  f: { method: fpe, key: pan }
  g: { method: siv }
  h: { method: hash, key: pan }
  i: { keep: {first: 4} }
  j: { stored: plain, keep: {first: 4} }
  k: { method: token, version: slack, token_domain: x.com, key: pan }
  l: { method: encrypt, version: slack, key: pan }
  m: { method: fpe, template: phone, version: slack, lengths: 3, key: pan }
  n: { method: replace, irreversible: true }
  o: { method: mask, key: pan, irreversible: true, mask: { keep: { last: 4 } } }
  "9 p": { stored: plain, mask: { keep: {} } }"#,
        r#"a.yaml:4:34: template `plain` is for `method: token`
  hint: pan, iban, national, ssn, phone, digits, alphanumeric, string, email, integer, decimal, date, timestamp, uuid, ipv4, ipv6 or regex
a.yaml:5:31: `template` has no meaning for method `siv`
  hint: `siv` gives text, whatever the format; for a format use `method: fpe`
a.yaml:6:29: `random` has no meaning for method `siv`
  hint: `siv` is deterministic; for a new token each time use `method: token`
a.yaml:7:48: only template `integer` has ranges to reserve
  hint: use `version: pinned`, or template `integer` with a declared `range`
a.yaml:8:31: this template has no check digits to carry the key version
  hint: write `version: pinned`: one key version, changed by a rewrap only; its values carry no mark
a.yaml:9:16: this template needs `lengths`
  hint: `lengths: 6..12` (both included) or `lengths: 9`
a.yaml:10:16: method `fpe` needs a `template`
  hint: pan, iban, national, ssn, phone, digits, alphanumeric, string, email, integer, decimal, date, timestamp, uuid, ipv4, ipv6 or regex; for other text use `method: siv`
a.yaml:11:16: `g` has no `key`
  hint: name one of `keys:`
a.yaml:12:16: method `hash` destroys the value: nobody can ever reveal it
  hint: add `irreversible: true` if that is meant, or use `siv` or `token`
a.yaml:13:3: `i` has no `method`
  hint: for instance `method: siv` with a `key`, or `stored: plain` if the upstream may keep it
a.yaml:14:29: `keep` means nothing without a `method`
  hint: add the `method`, or leave the key out
a.yaml:15:32: `version` has no meaning for method `token`
  hint: the token knows its version, or the store does: leave it out
a.yaml:15:53: `token_domain` has no meaning for template `plain`
  hint: that is a key of `method: token` with `template: email`
a.yaml:16:34: method `encrypt` carries its version in a header
  hint: write `version: header`, or leave it out
a.yaml:17:47: this template has no check digits to carry the key version
  hint: use `version: pinned`
a.yaml:17:63: `lengths` has no meaning for template `phone`
  hint: it keeps `+` and the country code, and takes the lengths of the format
a.yaml:18:16: method `replace` needs `with`
  hint: `with: "(removed)"`
a.yaml:19:27: `key` has no meaning for method `mask`
  hint: it uses no key
a.yaml:19:58: method `mask` has no way back: there is nothing to mask
  hint: leave `mask` out
a.yaml:20:3: not a name for a data class
  hint: a name begins with a letter and holds at most 64 letters, digits, `_`, `-` and `.`
a.yaml:20:33: this mask keeps nothing
  hint: leave `mask` out: then nothing is shown (`***`)"#,
    );
}

#[test]
fn wrong_words_of_a_class() {
    check(
        r"data: { card: { method: fpee } }",
        r"a.yaml:2:25: `fpee` is not known here
  hint: did you mean `fpe`?",
    );
    check(
        r"data: { card: { metod: fpe } }",
        r"a.yaml:2:17: unknown key `metod`
  hint: did you mean `method`?",
    );
    check(
        r"data: { card: { method: siv, scope: { tennant: x } } }",
        r"a.yaml:2:39: unknown key `tennant`
  hint: did you mean `tenant`?",
    );
    check(
        r"data: { card: { method: siv, scope: galaxy } }",
        r"a.yaml:2:37: this scope is not known
  hint: `global` or `{ tenant: CLAIM }`",
    );
    check(
        r"data: { card: { stored: plain, retired: maybe } }",
        r"a.yaml:2:41: expected true or false",
    );
    check(
        r"keys: { a: { rotate: 180d, was: b }, b: {} }
data:
  phone: { method: fpe, template: phone, version: pinned, key: a, was: mail }
  mail: { method: token, template: email, key: b, random: true, token_domain: Tokens, domain: post }
  mail2: { method: token, key: b, domain: post, replaces: mail }
  gone: { method: redact, irreversible: true }
access:
  - { role: r, search: [mail], reveal: [gone], write_token: [gone] }",
        r"a.yaml:2:33: key `b` is still there: `was` is the name a key had before
  hint: remove the old entry, or the `was`
a.yaml:4:64: key `a` rotates by the clock, but `phone` is `version: pinned`
  hint: a pinned value does not say which version made it: use a key of its own with `rotate: on_rewrap` or `never`
a.yaml:4:72: data class `mail` is still there: `was` is the name a class had before
  hint: remove the old entry, or the `was`
a.yaml:5:79: `token_domain` is not a domain name
  hint: lower case, for instance `tokens.example.com`; a domain that takes no mail
a.yaml:6:43: `mail` and `mail2` share the domain `post`, but are not protected alike
  hint: method, template, version, scope, ttl and key belong to the domain: give both the same, or each its own
a.yaml:6:59: `replaces` names `mail`, which is not a retired data class
  hint: keep the old class with `retired: true` until the rewrap is done
a.yaml:9:25: `mail` cannot be searched: equal values do not have equal protected forms
  hint: leave it out of `search`, or use a deterministic method: `siv`, `hash`, `token` without `random: true`
a.yaml:9:41: `gone` cannot be read in plain: method `redact` has no way back
  hint: leave it out of `reveal`
a.yaml:9:62: `gone` has no tokens: method `redact` has no way back
  hint: leave it out of `write_token`",
    );
}

#[test]
fn wrong_access_and_tests() {
    check(
        r"data: { email: { stored: plain } }
access:
  - { role: a, reveal: [emial], until: tomorrow }
  - { role: a, mask: email }",
        r"a.yaml:5:22: expected a list
  hint: write it in brackets: `[a, b]`",
    );
    check(
        r"data: { email: { stored: plain } }
access:
  - { role: a, reveal: [emial], until: tomorrow, purpose: suport }
  - { role: b }
  - { role: b, purpose: required, reveal: [email], budget: { write: 5, reveal: 0 }, places: [x, api GET /y] }
  - { role: b, forbid: true, purpose: [x, y], reveal: [email] }",
        r"a.yaml:4:25: unknown data class `emial`
  hint: did you mean `email`?
a.yaml:4:40: `until` is neither a date nor a date-time
  hint: for instance `2027-03-31` (until its end, UTC) or `2027-03-31T12:00:00Z`
a.yaml:4:59: unknown purpose `suport`
  hint: there is none yet
a.yaml:5:5: this entry gives no right
  hint: list classes under `reveal`, `mask`, `search`, `write` or `write_token`
a.yaml:6:5: a budget for `write`, but no class to write
  hint: a budget counts against the entry it stands in
a.yaml:6:5: a purpose is required, but `purposes:` is empty
  hint: for instance `purposes: [support-call]`
a.yaml:6:60: a budget of 0 lets nothing through
  hint: leave the right out instead
a.yaml:6:94: unknown connector `x`
  hint: there is none yet
a.yaml:6:97: unknown connector `api`
  hint: there is none yet
a.yaml:7:5: `forbid` with a `budget` or a `purpose` has no meaning
  hint: what is forbidden is forbidden for every purpose and from the first value on
a.yaml:7:40: unknown purpose `x`
  hint: there is none yet
a.yaml:7:43: unknown purpose `y`
  hint: there is none yet",
    );
    check(
        r"access: [ { rol: a } ]",
        r"a.yaml:2:13: unknown key `rol`
  hint: did you mean `role`?",
    );
    check(r"access: [ { reveal: [x] } ]", r"a.yaml:2:13: `role` is missing");
}

#[test]
fn wrong_connectors() {
    check(
        r"connectors: { db: { type: mysql, listen: xyzw }, q: { type: htpp }, z: {} }",
        r"a.yaml:2:27: connectors of type `mysql` are not built yet
  hint: built: http, postgres
a.yaml:2:61: unknown connector type `htpp`
  hint: did you mean `http`?
a.yaml:2:69: connector `z` has no `type`
  hint: known: http, postgres",
    );
    check(
        r#"connectors:
  api: { type: http, listen: 127.0.0.1:1, upstream: "http://x", rutes: {} }"#,
        r"a.yaml:3:65: unknown key `rutes`
  hint: did you mean `routes`?",
    );
    check(
        r"connectors:
  api: { type: http, listen: 127.0.0.1:1, routes: {} }",
        r"a.yaml:3:43: `upstream` is missing",
    );
    check(
        r#"data: { email: { stored: plain } }
connectors:
  api:
    type: http
    listen: 0.0.0.0:1
    upstream: http://x
    routes:
      "POST /a":
        $.a[*].b: emial"#,
        r"a.yaml:6:13: listen: reachable from other machines without tls
  hint: give `tls: { cert: …, key: { file: … } }`, or write `tls: off` if that is meant",
    );
    check(
        r#"data: { email: { stored: plain } }
connectors:
  api:
    type: http
    listen: 127.0.0.1:1
    upstream: http://x
    routes:
      "POST /a": { $.a[*].b: email }"#,
        r#"a.yaml:9:24: YAML reads the brackets of `$.a[*].b` as a list
  hint: a path with brackets must be quoted: `"$.a[*].b"`"#,
    );
    check(
        r#"data: { email: { stored: plain } }
connectors:
  api:
    type: http
    listen: 127.0.0.1:1
    upstream: http://x
    routes:
      "POST /a": { $.a: email, b: email }
      "POST /c":
access: [ { role: r, write: [email], places: [api, api POST /a, api POST /b] } ]
tests:
  - given: { connector: api, route: "GET /a", value: { "$.x": 1, "$.y": "q", "$.z": 1.5 } }
    as: rr
    sees: { "$.x": 1 }"#,
        r"a.yaml:13:85: a number with a fraction cannot be compared exactly
  hint: quote it",
    );
}

#[test]
fn wrong_classes_and_routes() {
    check(
        r#"data: { email: { stored: plain } }
connectors:
  api:
    type: http
    listen: 127.0.0.1:1
    upstream: http://x
    routes:
      "POST /a": { $.a: email }
      "POST /c":
        "$.a[*].b": emial
access: [ { role: r, write: [email], places: [api, api POST /a, api POST /b] } ]
tests:
  - given: { connector: api, route: "GET /a", value: { "$.x": 1, "$.y": "q" } }
    as: rr
    sees: { "$.x": 1 }"#,
        r"a.yaml:11:9: unknown data class `emial`
  hint: did you mean `email`?
a.yaml:12:65: connector `api` lists no route `POST /b`
  hint: did you mean `POST /a`?
a.yaml:14:37: connector `api` lists no route `GET /a`
  hint: known: POST /a, POST /c
a.yaml:15:9: no entry of `access:` speaks of the role `rr`
  hint: did you mean `r`?",
    );
    check(
        r#"data: { email: { stored: plain } }
connectors:
  api:
    type: http
    listen: 127.0.0.1:1
    upstream: http://x
    routes:
      "POST /a": { $.a: email, b: email }"#,
        r"a.yaml:9:32: `b` is neither a selector nor an option
  hint: selectors begin with $, header:, query: or path:; options are tokens, on_unprotected, holds, subject",
    );
}

#[test]
fn wrong_yaml_itself() {
    check(
        r"purposes: [a, a, required]
---
b: 1",
        r"a.yaml:3:1: a second document begins here
  hint: a configuration is one document: remove the line `---`",
    );
    check(r"	x: 1", r"a.yaml:2:2: while parsing a block mapping, did not find expected key");
    check(r"- a", r"a.yaml:2:3: while parsing a block mapping, did not find expected key");
}
