use crate::wire::replies::TransactionStatus;
use crate::wire::{Reader, WireError, begin, put_text, without_zero};

/// Reads the text of a Query message (`Q`).
///
/// # Errors
/// A body without its zero byte, or with more behind it.
pub fn parse_query(body: &[u8]) -> Result<&[u8], WireError> {
    let mut reader = Reader::new("Query", body);
    let text = reader.text()?;
    reader.end()?;
    Ok(text)
}

/// Appends a Query message.
///
/// # Errors
/// A zero byte in the text, more text than a message can hold.
pub fn write_query(out: &mut Vec<u8>, text: &[u8]) -> Result<(), WireError> {
    write_one(out, "Query", b'Q', text)
}

/// Appends a CopyFail message with the reason that the server's error will name.
///
/// # Errors
/// A zero byte in the reason.
pub fn write_copy_fail(out: &mut Vec<u8>, reason: &str) -> Result<(), WireError> {
    write_one(out, "CopyFail", b'f', reason.as_bytes())
}

fn write_one(out: &mut Vec<u8>, name: &'static str, tag: u8, text: &[u8]) -> Result<(), WireError> {
    without_zero(name, text)?;
    begin(out, name, Some(tag), text.len().saturating_add(1))?;
    put_text(out, text);
    Ok(())
}

/// Appends a Terminate message.
pub fn write_terminate(out: &mut Vec<u8>) {
    out.extend_from_slice(b"X\0\0\0\x04");
}

/// Appends a ReadyForQuery message.
pub fn write_ready(out: &mut Vec<u8>, status: TransactionStatus) {
    out.extend_from_slice(b"Z\0\0\0\x05");
    out.push(status.letter());
}

/// A Parse message (`P`): a statement to prepare.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParseMessage<'a> {
    /// Its name, empty for the unnamed one.
    pub name: &'a [u8],
    /// Its text.
    pub text: &'a [u8],
    types: &'a [u8],
}

impl<'a> ParseMessage<'a> {
    const NAME: &'static str = "Parse";

    /// Reads the body of the message.
    ///
    /// # Errors
    /// A body that ends early or late.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Self::NAME, body);
        let (name, text) = (reader.text()?, reader.text()?);
        let count = reader.u16()?;
        let types = reader.bytes(usize::from(count) * 4)?;
        reader.end()?;
        Ok(Self { name, text, types })
    }

    /// The types of its parameters as far as they are given, as object ids; 0: not given.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.types.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// Appends a Parse message.
///
/// # Errors
/// A zero byte in name or text, more than 65,535 types, more than a message can hold.
pub fn write_parse(
    out: &mut Vec<u8>,
    name: &[u8],
    text: &[u8],
    types: &[u32],
) -> Result<(), WireError> {
    without_zero(ParseMessage::NAME, name)?;
    without_zero(ParseMessage::NAME, text)?;
    let count = u16::try_from(types.len()).map_err(|_| WireError::Malformed {
        message: ParseMessage::NAME,
        rule: "it has more than 65535 parameters",
    })?;
    let texts = name.len().saturating_add(text.len()).saturating_add(4);
    begin(out, ParseMessage::NAME, Some(b'P'), texts.saturating_add(usize::from(count) * 4))?;
    put_text(out, name);
    put_text(out, text);
    out.extend_from_slice(&count.to_be_bytes());
    for oid in types {
        out.extend_from_slice(&oid.to_be_bytes());
    }
    Ok(())
}

/// A ParameterStatus message (`S`): a setting the server reports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> ParameterStatus<'a> {
    const NAME: &'static str = "ParameterStatus";

    /// Reads the body of the message.
    ///
    /// # Errors
    /// A body that ends early or late.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Self::NAME, body);
        let (name, value) = (reader.text()?, reader.text()?);
        reader.end()?;
        Ok(Self { name, value })
    }
}

/// Appends a ParameterStatus message.
///
/// # Errors
/// A zero byte in name or value.
pub fn write_parameter_status(
    out: &mut Vec<u8>,
    name: &[u8],
    value: &[u8],
) -> Result<(), WireError> {
    without_zero(ParameterStatus::NAME, name)?;
    without_zero(ParameterStatus::NAME, value)?;
    let body = name.len().saturating_add(value.len()).saturating_add(2);
    begin(out, ParameterStatus::NAME, Some(b'S'), body)?;
    put_text(out, name);
    put_text(out, value);
    Ok(())
}
