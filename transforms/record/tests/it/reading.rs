//! Reads documents in given chunks and writes down all that can be seen.

use std::ops::Range;
use std::sync::Arc;

use allonym_record::codec::json::{Json, Limits, Program};
use allonym_record::codec::{Codec, CodecError};
use allonym_record::{Path, Piece, Record, Value};

/// One selected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) rule: usize,
    pub(crate) value: Value,
    /// In the document, not in the piece.
    pub(crate) span: Range<usize>,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Vec<Seen>,
}

pub(crate) fn program(rules: &[(usize, &str)]) -> Arc<Program> {
    let paths: Vec<_> =
        rules.iter().map(|(rule, text)| (*rule, Path::parse(text).unwrap())).collect();
    let rules: Vec<_> = paths.iter().map(|(rule, path)| (*rule, path)).collect();
    Arc::new(Program::compile(&rules))
}

/// Reads a document given in chunks.
pub(crate) fn read(
    program: &Arc<Program>,
    limits: Limits,
    chunks: &[&[u8]],
) -> Result<Outcome, CodecError> {
    rewrite(program, limits, chunks, |_| {})
}

/// Reads a document given in chunks; `change` may edit each piece.
pub(crate) fn rewrite(
    program: &Arc<Program>,
    limits: Limits,
    chunks: &[&[u8]],
    mut change: impl FnMut(&mut Piece),
) -> Result<Outcome, CodecError> {
    let mut json = Json::new(program.clone(), limits);
    let mut outcome = Outcome { bytes: Vec::new(), fields: Vec::new() };
    let mut before = 0;
    for chunk in chunks.iter().map(Some).chain([None]) {
        let mut piece = match chunk {
            Some(chunk) => json.push(chunk)?,
            None => json.finish()?,
        };
        outcome.fields.extend(piece.fields().iter().map(|field| Seen {
            rule: field.rule,
            value: field.value().clone(),
            span: field.span().start + before..field.span().end + before,
        }));
        before += piece.len();
        change(&mut piece);
        outcome.bytes.extend(piece.into_bytes().unwrap());
    }
    Ok(outcome)
}

/// Reads a document in one chunk under the default limits.
pub(crate) fn whole(rules: &[(usize, &str)], document: &[u8]) -> Result<Outcome, CodecError> {
    read(&program(rules), Limits::default(), &[document])
}

/// The values that a document yields under one path, as text with a mark of their kind.
pub(crate) fn values(path: &str, document: &str) -> Vec<String> {
    let fields = whole(&[(0, path)], document.as_bytes()).unwrap().fields;
    let show = |value: &Value| match value {
        Value::Null => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(written) => format!("#{}", written.as_str()),
        Value::Text(text) => text.to_string(),
    };
    fields.iter().map(|field| show(&field.value)).collect()
}
