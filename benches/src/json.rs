//! The JSON span codec: read, replace what is selected, write.

use std::hint::black_box;
use std::sync::Arc;

use allonym_record::codec::Codec as _;
use allonym_record::codec::json::{Json, Limits, Program};
use allonym_record::{Path, Record as _, Value};

use crate::measure::{Arm, Pace, Sample, Series, interleave, repeat};
use crate::report::{Figure, Goal, Row, Section};
use crate::{Outcome, document};

/// As bytes come from a socket.
const CHUNK: usize = 64 * 1024;
const LARGE: usize = 1 << 20;
/// Of the same length as what it replaces.
const CARD: &str = "4929121234567893";

pub(crate) fn compare(pace: Pace) -> Outcome<Section> {
    let large = large();
    let mut rows = rows(
        pace,
        &Case::new("1mb", "1 MB, 1 % selected", large, &["$.records[*].card.number"], 1)?,
    )?;
    let small = document::customer();
    rows.extend(self::rows(
        pace,
        &Case::new("1kb", "1 KB, 4 fields", small, &document::FIELDS, 64)?,
    )?);
    Ok(Section { title: "JSON span codec", rows, how: HOW, details: String::new() })
}

const HOW: &str = "One thread. The codec validates the whole document, lifts the selected values out, and gets a new value \
of the same length for each (a constant: no cipher is timed); the result is written with all other bytes as they came. The \
1 MB document comes in pieces of 64 KiB, about 1 % of its bytes are selected; the 1 KB document in one piece. Memory copy: the \
same bytes, once. serde_json: parsing into `serde_json::Value` (no change, no writing). Before timing, the result must be \
byte for byte the document with the values replaced.";

/// A document, what is selected in it, and what must come out.
struct Case {
    name: &'static str,
    what: &'static str,
    text: String,
    program: Arc<Program>,
    /// How many documents are read between two looks at the clock.
    repeats: usize,
}

impl Case {
    fn new(
        name: &'static str,
        what: &'static str,
        text: String,
        selectors: &[&str],
        repeats: usize,
    ) -> Outcome<Self> {
        let paths =
            selectors.iter().map(|text| Path::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let numbered: Vec<_> = paths.iter().enumerate().collect();
        let case =
            Self { name, what, text, program: Arc::new(Program::compile(&numbered)), repeats };
        case.verify()?;
        Ok(case)
    }

    /// One document through the codec, to a place for its bytes; says how many values
    /// were replaced.
    fn rewrite(&self, out: &mut impl FnMut(&[u8])) -> Outcome<usize> {
        let mut json = Json::new(Arc::clone(&self.program), Limits::default());
        let mut replaced = 0;
        for chunk in self.text.as_bytes().chunks(CHUNK) {
            let mut piece = json.push(chunk)?;
            replaced += piece.fields().len();
            for field in piece.fields() {
                let value = replacement(field.value());
                field.replace(value);
            }
            out(&piece.into_bytes()?);
        }
        out(&json.finish()?.into_bytes()?);
        Ok(replaced)
    }

    fn verify(&self) -> Outcome<()> {
        let mut out = Vec::new();
        let replaced = self.rewrite(&mut |bytes| out.extend_from_slice(bytes))?;
        let mut expected = self.text.replace(document::CARD, CARD);
        for value in [document::IBAN, document::NAME, document::BIRTH_DATE] {
            expected = expected.replace(value, &"x".repeat(value.len()));
        }
        let whole: serde_json::Value = serde_json::from_slice(&out)?;
        let cards = expected.matches(CARD).count();
        let others = if cards == 1 { 3 } else { 0 };
        if out == expected.as_bytes() && whole.is_object() && replaced == cards + others {
            Ok(())
        } else {
            Err(format!("JSON {}: the result is not what was to come out", self.name).into())
        }
    }
}

/// A constant of the same length in bytes.
fn replacement(value: &Value) -> Value {
    let old = value.as_str().unwrap_or_default();
    if old == document::CARD { Value::text(CARD) } else { Value::text("x".repeat(old.len())) }
}

fn rows(pace: Pace, case: &Case) -> Outcome<Vec<Row>> {
    let bytes = case.text.as_bytes();
    let mut copy = vec![0; bytes.len()];
    let arms = [
        Arm::new("span codec", |length| {
            repeat(length, || {
                for _ in 0..case.repeats {
                    case.rewrite(&mut |bytes| {
                        black_box(bytes);
                    })?;
                }
                Ok(bytes.len() * case.repeats)
            })
        }),
        Arm::new("memory copy", |length| {
            repeat(length, || {
                for _ in 0..case.repeats {
                    copy.copy_from_slice(black_box(bytes));
                    black_box(&mut copy);
                }
                Ok(bytes.len() * case.repeats)
            })
        }),
        Arm::new("serde_json, parse", |length| {
            repeat(length, || {
                for _ in 0..case.repeats {
                    black_box(serde_json::from_slice::<serde_json::Value>(black_box(bytes))?);
                }
                Ok(bytes.len() * case.repeats)
            })
        }),
    ];
    let [codec, copy, serde] = interleave(arms, pace.rounds, pace.round)?;
    let row = |peer: &str, series: &Series| {
        let figure = Figure { of: Sample::per_second, scale: 1e-9, unit: "GB/s/core" };
        Row::new(format!("json.{}.{peer}", case.name), case.what, figure, &codec, series)
    };
    let goal = (case.name == "1mb").then_some(Goal::ValueAtLeast(0.6));
    let to_serde = row("serde_json", &serde);
    let to_serde = match goal {
        Some(goal) => to_serde.goal(goal),
        None => to_serde,
    };
    Ok(vec![to_serde, row("copy", &copy)])
}

/// Records with all kinds of values, one selected in each.
fn large() -> String {
    let mut text = String::from("{\"records\":[");
    for number in 0.. {
        let item = |index: u32| {
            format!(
                concat!(
                    r#"{{"sku":"A-{:06}","title":"Garden chair, \"classic\", gr\u00fcn – Nr. {}","quantity":{},"#,
                    r#""price":{}.{:02},"gift":{},"tags":["outdoor","sale",null]}}"#
                ),
                number * 31 + index,
                index,
                index % 5 + 1,
                index * 7 + 3,
                (index * 13) % 100,
                index.is_multiple_of(2)
            )
        };
        let items: Vec<_> = (0..9).map(item).collect();
        let record = format!(
            concat!(
                r#"{{"id":{},"status":"shipped","card":{{"brand":"visa","number":"{}"}},"#,
                r#""address":{{"street":"Kungsgatan {}","city":"Malmö","country":"SE"}},"items":[{}]}}"#
            ),
            number,
            document::CARD,
            number % 90 + 1,
            items.join(",")
        );
        if text.len() + record.len() + 3 > LARGE {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&record);
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_document_is_one_and_one_per_cent_of_it_is_selected() {
        let text = large();
        assert!(text.len() > LARGE - 4096 && text.len() <= LARGE);
        let share = (text.matches(document::CARD).count() * (document::CARD.len() + 2)) as f64
            / text.len() as f64;
        assert!((0.009..0.016).contains(&share), "{share}");
    }
}
