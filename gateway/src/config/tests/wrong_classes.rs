//! What is wrong with data classes is told apart, with its place.

use super::SEAL;
use super::classes::KEYS;
use crate::config::Config;

/// Everything that is wrong with a class of these words, which stand from column 8 on.
fn check(class: &str, expected: &str) {
    let text = format!("{SEAL}{KEYS}data:\n  a: {{ {class} }}");
    let errors = Config::parse(&text, "a.yaml").unwrap_err();
    assert_eq!(errors.to_string(), expected, "{text}");
}

#[test]
fn wrong_alphabets() {
    let string =
        |rest: &str| format!("method: fpe, template: string, version: pinned, key: k{rest}");
    for (rest, expected) in [
        (
            ", lengths: 9",
            "a.yaml:4:16: template `string` needs an `alphabet`
  hint: a character class, for instance `alphabet: \"[0-9A-Za-z]\"`",
        ),
        (
            ", alphabet: abc",
            r"a.yaml:4:74: `alphabet` is not a character class
  hint: for instance `'[0-9A-Za-z]'`, `'[\p{Greek}&&\p{Ll}]'` or `'[\u{370}-\u{3FF}]'`",
        ),
        (
            ", alphabet: '[a]'",
            "a.yaml:4:74: `alphabet` has fewer than 2 characters
  hint: nothing could change",
        ),
        (
            ", alphabet: '[^a]'",
            "a.yaml:4:74: `alphabet` has more than 65536 characters
  hint: name the characters that occur; for any text use `method: siv`",
        ),
        (
            r", alphabet: '[a-z\u{301}]'",
            "a.yaml:4:74: `alphabet` has U+0301
  hint: combining marks, unassigned characters, those that change under normalisation form C, `*` and `•` can be in no alphabet and cannot pass; of ranges and named classes they are left out",
        ),
        (
            ", alphabet: '[a-z]', pass: \"-\\u212B\", lengths: 9",
            "a.yaml:4:89: `pass` has U+212B
  hint: combining marks, unassigned characters, those that change under normalisation form C, `*` and `•` can be in no alphabet and cannot pass; of ranges and named classes they are left out",
        ),
        (
            ", alphabet: '[a-z]'",
            "a.yaml:4:16: this template needs `lengths`
  hint: `lengths: 6..12` (both included) or `lengths: 9`",
        ),
        (
            ", alphabet: '[a-z-]', pass: '- ', lengths: 9",
            "a.yaml:4:90: `pass` has a character of the `alphabet`
  hint: a character either changes or stays where it stands: take it out of one",
        ),
    ] {
        check(&string(rest), expected);
    }
}

#[test]
fn wrong_templates() {
    let fpe = |rest: &str| format!("method: fpe, version: pinned, key: k, template: {rest}");
    for (rest, expected) in [
        (
            "integer",
            "a.yaml:4:16: this template needs a `range`
  hint: `range: 0..999999999` (both included)",
        ),
        (
            "integer, range: 9..0",
            "a.yaml:4:72: `range` is not a range of integers
  hint: `0..999999999` (both included, the lowest first)",
        ),
        (
            "decimal, range: 0.0..9.99",
            "a.yaml:4:72: `range` is not a range of decimals
  hint: `0.00..99999.99`: the lowest first, both ends with the same number of digits after the point",
        ),
        (
            "date, range: 1900-01-01..2023-02-29",
            "a.yaml:4:69: `range` is not a range of days
  hint: `1900-01-01..2099-12-31` (both included, the first day first)",
        ),
        (
            "date, format: YYYY-MM-DDD",
            "a.yaml:4:70: this `format` is not known
  hint: did you mean `YYYY-MM-DD`?",
        ),
        (
            "timestamp, format: iso",
            "a.yaml:4:75: this `format` is not known
  hint: known: epoch, epoch_millis, micros, millis, seconds, sql",
        ),
        (
            "national",
            "a.yaml:4:16: template `national` needs an `id`
  hint: which identifier it is, for instance `id: us_ssn`",
        ),
        (
            "regex",
            "a.yaml:4:16: template `regex` needs a `pattern`
  hint: what the whole value matches, for instance `pattern: \"[A-Z]{2}[0-9]{6}\"`",
        ),
        (
            "regex, pattern: '[a-z]+', lengths: 5..20",
            "a.yaml:4:91: `lengths` of template `regex` begin with 1
  hint: the pattern says how short a value may be: `lengths: 1..20`",
        ),
        (
            "uuid, keep: { first: 2 }, range: 0..9, keep_bits: 8, alphabet: '[ab]'",
            "a.yaml:4:68: `keep` has no meaning for template `uuid`
  hint: that is a key of templates `pan`, `digits`, `alphanumeric` and `string`
a.yaml:4:89: `range` has no meaning for template `uuid`
  hint: that is a key of templates `integer`, `decimal`, `date` and `timestamp`
a.yaml:4:106: `keep_bits` has no meaning for template `uuid`
  hint: that is a key of templates `ipv4` and `ipv6`
a.yaml:4:119: `alphabet` has no meaning for template `uuid`
  hint: that is a key of template `string`",
        ),
        (
            "ipv4, keep: { first: 2 }",
            "a.yaml:4:68: `keep` has no meaning for template `ipv4`
  hint: what stays of an address is `keep_bits`",
        ),
        (
            "integer, range: 0..9, lengths: 9, part: local, id: us_ssn, pattern: x, format: epoch",
            "a.yaml:4:87: `lengths` has no meaning for template `integer`
  hint: text of a fixed length is `width`
a.yaml:4:96: `part` has no meaning for template `integer`
  hint: that is a key of `method: fpe` with `template: email`
a.yaml:4:107: `id` has no meaning for template `integer`
  hint: that is a key of template `national`
a.yaml:4:124: `pattern` has no meaning for template `integer`
  hint: that is a key of template `regex`
a.yaml:4:135: `format` has no meaning for template `integer`
  hint: that is a key of templates `date` and `timestamp` and of methods `date_shift` and `generalize`",
        ),
        (
            "ssn, width: 9, luhn: fails, ttl: 5d, vaultless: true, days: 3, to: year",
            "a.yaml:4:68: `width` has no meaning for template `ssn`
  hint: that is a key of template `integer` and of `method: generalize`
a.yaml:4:77: `luhn` has no meaning for method `fpe`
  hint: that is a key of `method: token` with `template: pan`
a.yaml:4:89: `ttl` has no meaning for method `fpe`
  hint: that is a key of `method: token`
a.yaml:4:104: `vaultless` has no meaning for method `fpe`
  hint: that is a key of `method: token`
a.yaml:4:116: `days` has no meaning for method `fpe`
  hint: that is a key of `method: date_shift`
a.yaml:4:123: `to` has no meaning for method `fpe`
  hint: that is a key of `method: generalize`",
        ),
    ] {
        check(&fpe(rest), expected);
    }
}

#[test]
fn wrong_version_modes() {
    let integer = "method: fpe, template: integer, key: k, range: 0..99";
    let fpe = |rest: &str| format!("method: fpe, template: {rest}");
    for (class, expected) in [
        (
            integer.to_owned(),
            "a.yaml:4:31: this template has no check digits to carry the key version
  hint: write `version: pinned`: one key version, changed by a rewrap only; its values carry no mark",
        ),
        (
            format!("{integer}, version: reserved"),
            "a.yaml:4:71: `version: reserved` needs `reserved`
  hint: where protected values of each slot begin: `reserved: [1000000000, 2000000000]`",
        ),
        (
            format!("{integer}, version: pinned, reserved: [100]"),
            "a.yaml:4:89: `reserved` has no meaning without `version: reserved`
  hint: add `version: reserved`, or leave it out",
        ),
        (
            format!("{integer}, version: reserved, reserved: [100, 150]"),
            "a.yaml:4:91: `reserved` is empty, or a range of it meets another or the plain one
  hint: each begins where no other range lies, and is as large as the plain one",
        ),
        (
            format!("{integer}, version: reserved, reserved: []"),
            "a.yaml:4:91: `reserved` is empty, or a range of it meets another or the plain one
  hint: each begins where no other range lies, and is as large as the plain one",
        ),
        (
            format!("{integer}, version: slak"),
            "a.yaml:4:71: `slak` is not known here
  hint: did you mean `slack`?",
        ),
        (
            fpe("uuid, version: epoch, key: still"),
            "a.yaml:4:58: key `still` is not `rotate: on_rewrap`, but `a` is `version: epoch`
  hint: rows change their key version in a rewrap only: use a key of its own with `rotate: on_rewrap`",
        ),
        (
            fpe("ssn, key: clock"),
            "a.yaml:4:41: key `clock` rotates by the clock, but `a` is `version: pinned`
  hint: a pinned value does not say which version made it: use a key of its own with `rotate: on_rewrap` or `never`",
        ),
        (
            "method: date_shift, days: 9, irreversible: true, key: still".to_owned(),
            "a.yaml:4:62: key `still` is not `rotate: on_rewrap`, but `a` has `method: date_shift`
  hint: under another key version equal dates would move by other days: use a key of its own with `rotate: on_rewrap`",
        ),
    ] {
        check(&class, expected);
    }
}

#[test]
fn wrong_tokens() {
    let token = |rest: &str| format!("method: token, key: k, {rest}");
    for (rest, expected) in [
        (
            "template: digits",
            "a.yaml:4:16: this template needs `lengths`
  hint: `lengths: 6..12` (both included) or `lengths: 9`",
        ),
        (
            "template: iban",
            "a.yaml:4:41: tokens do not have this template
  hint: `plain`, `email`, `pan`, `digits` or `alphanumeric`; to keep another format use `method: fpe`",
        ),
        (
            "template: digits, lengths: 9, luhn: valid, token_domain: a.b",
            "a.yaml:4:67: `luhn` has no meaning for template `digits`
  hint: that is a key of `method: token` with `template: pan`
a.yaml:4:88: `token_domain` has no meaning for template `digits`
  hint: that is a key of `method: token` with `template: email`",
        ),
        (
            "ttl: soon",
            "a.yaml:4:36: `ttl` is not a duration
  hint: a duration is a whole number and s, m, h or d: `90d`",
        ),
        (
            "keep: { first: 2 }, range: 0..9",
            "a.yaml:4:37: `keep` has no meaning for template `plain`
  hint: that is a key of templates `pan`, `digits`, `alphanumeric` and `string`
a.yaml:4:58: `range` has no meaning for method `token`
  hint: that is a key of templates `integer`, `decimal`, `date` and `timestamp`",
        ),
        (
            "vaultless: true, template: pan, random: true, canonical: lower, ttl: 9d, luhn: valid",
            "a.yaml:4:58: vaultless tokens do not have this template
  hint: leave it out; for tokens of a format leave `vaultless` out, or use `method: fpe`
a.yaml:4:71: `random` has no meaning for vaultless tokens
  hint: leave it out: a computed token is always the same; for another text each time use `method: encrypt`
a.yaml:4:88: `canonical` has no meaning for vaultless tokens
  hint: leave it out: nothing is looked up
a.yaml:4:100: `ttl` has no meaning for vaultless tokens
  hint: leave it out: nothing is stored that could end
a.yaml:4:110: `luhn` has no meaning for template `plain`
  hint: that is a key of `method: token` with `template: pan`",
        ),
    ] {
        check(&token(rest), expected);
    }
}

#[test]
fn wrong_one_way_methods() {
    let buckets = "method `generalize` needs exactly one of `width`, `ranges`, `to` and `groups`
  hint: for instance `width: 10`, `ranges: [\"..17\", \"18..64\", \"65..\"]`, `to: year` or `groups: { north: [oslo, turku] }`";
    for (class, expected) in [
        (
            "method: truncate, keep: { first: 2 }",
            "a.yaml:4:16: method `truncate` destroys the value: nobody can ever reveal it
  hint: add `irreversible: true` if that is meant, or use `siv` or `token`"
                .to_owned(),
        ),
        (
            "method: generalize, width: 10",
            "a.yaml:4:16: method `generalize` destroys the value: nobody can ever reveal it
  hint: add `irreversible: true` if that is meant, or use `siv` or `token`"
                .to_owned(),
        ),
        (
            "method: date_shift, days: 10, key: k",
            "a.yaml:4:16: method `date_shift` destroys the value: nobody can ever reveal it
  hint: add `irreversible: true` if that is meant, or use `siv` or `token`"
                .to_owned(),
        ),
        (
            "method: truncate, irreversible: true",
            "a.yaml:4:16: method `truncate` needs `keep`
  hint: for instance `keep: { first: 3 }`; to keep nothing use `method: redact`"
                .to_owned(),
        ),
        (
            "method: date_shift, days: 0, irreversible: true, key: k",
            "a.yaml:4:34: `days` is not from 1 to 3650
  hint: by how many days at most a date moves, for instance `days: 180`"
                .to_owned(),
        ),
        (
            "method: date_shift, irreversible: true, key: k",
            "a.yaml:4:16: method `date_shift` needs `days`
  hint: by how many days at most a date moves, for instance `days: 180`"
                .to_owned(),
        ),
        ("method: generalize, irreversible: true", format!("a.yaml:4:16: {buckets}")),
        (
            "method: generalize, irreversible: true, width: 10, to: year",
            format!("a.yaml:4:16: {buckets}"),
        ),
        (
            "method: generalize, irreversible: true, width: 10, format: YYYYMMDD, key: k, scope: global",
            "a.yaml:4:67: `format` has no meaning without `to`
  hint: that is how the date is written of which `to` leaves a part
a.yaml:4:82: `key` has no meaning for method `generalize`
  hint: it uses no key
a.yaml:4:92: `scope` has no meaning for method `generalize`
  hint: it has no key and so no domain"
                .to_owned(),
        ),
    ] {
        check(class, &expected);
    }
}

#[test]
fn wrong_scopes_and_numbers_of_values() {
    for (class, expected) in [
        (
            "method: siv, key: k, distinct: 0",
            "a.yaml:4:39: `distinct` is 0
  hint: how many different values the class can have, for instance `distinct: 50`",
        ),
        (
            "stored: plain, distinct: 5",
            "a.yaml:4:33: `distinct` means nothing without a `method`
  hint: add the `method`, or leave the key out",
        ),
        (
            "method: siv, key: k, scope: { tenant: org, of: [] }",
            "a.yaml:4:36: `of` names no tenant, or one twice
  hint: for instance `{ tenant: org, of: [north, south] }`",
        ),
        (
            "method: siv, key: k, scope: { tenant: org, of: [a, b, a] }",
            "a.yaml:4:36: `of` names no tenant, or one twice
  hint: for instance `{ tenant: org, of: [north, south] }`",
        ),
        (
            "method: siv, key: k, scope: { tenant: '' }",
            "a.yaml:4:36: a tenant, or the claim that names it, is empty
  hint: for instance `{ tenant: org, of: [north, south] }`",
        ),
    ] {
        check(class, expected);
    }
}

#[test]
fn rights_that_new_methods_cannot_give() {
    let text = format!(
        "{SEAL}{KEYS}data:
  enc: {{ method: encrypt, key: k }}
  cut: {{ method: truncate, keep: {{ first: 2 }}, irreversible: true }}
  side: {{ method: fpe, template: pan, version: sidecar, key: k }}
  old: {{ method: token, key: k, domain: one }}
  new: {{ method: token, key: k, domain: one, ttl: 9d }}
access:
  - {{ role: r, search: [enc, cut], reveal: [enc, cut], write_token: [enc, cut] }}
  - {{ role: l, write: [side, enc], places: [local] }}
"
    );
    let errors = Config::parse(&text, "a.yaml").unwrap_err();
    let expected = "a.yaml:8:41: `old` and `new` share the domain `one`, but are not protected alike
  hint: method, template, version, scope, ttl and key belong to the domain: give both the same, or each its own
a.yaml:10:25: `enc` cannot be searched: equal values do not have equal protected forms
  hint: leave it out of `search`, or use a deterministic method: `siv`, `hash`, `token` without `random: true`
a.yaml:10:30: `cut` cannot be searched: equal values do not have equal protected forms
  hint: leave it out of `search`, or use a deterministic method: `siv`, `hash`, `token` without `random: true`
a.yaml:10:50: `cut` cannot be read in plain: method `truncate` has no way back
  hint: leave it out of `reveal`
a.yaml:10:75: `cut` has no tokens: method `truncate` has no way back
  hint: leave it out of `write_token`
a.yaml:11:24: `side` cannot be used at `local`: with `version: sidecar` a value alone does not say its key version
  hint: leave it out of this entry, or use `slack`, `header`, `reserved` or `pinned`, whichever the template has room for";
    assert_eq!(errors.to_string(), expected);
}
