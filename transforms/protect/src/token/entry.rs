use allonym_record::Value;
use zeroize::Zeroizing;

/// What is sealed and looked up: the kind, the tenant's length in four bytes and the
/// tenant, the characters. Each value of each tenant has bytes of its own.
pub(super) fn pack(value: &Value, tenant: &str) -> Zeroizing<Vec<u8>> {
    match value {
        Value::Null => pack_as(b'0', "", tenant),
        Value::Bool(true) => pack_as(b'b', "true", tenant),
        Value::Bool(false) => pack_as(b'b', "false", tenant),
        Value::Number(written) => pack_as(b'n', written, tenant),
        Value::Text(text) => pack_as(b't', text, tenant),
    }
}

/// The characters of a value as those of a text, so that a number and the text of the
/// same digits are one value.
pub(super) fn pack_text(text: &str, tenant: &str) -> Zeroizing<Vec<u8>> {
    pack_as(b't', text, tenant)
}

fn pack_as(kind: u8, content: &str, tenant: &str) -> Zeroizing<Vec<u8>> {
    let mut packed = Zeroizing::new(Vec::with_capacity(5 + tenant.len() + content.len()));
    packed.push(kind);
    packed.extend_from_slice(&u32::try_from(tenant.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend_from_slice(tenant.as_bytes());
    packed.extend_from_slice(content.as_bytes());
    packed
}

/// The value and tenant of packed bytes.
pub(super) fn unpack(packed: &[u8]) -> Option<(Value, &str)> {
    let (kind, rest) = packed.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (tenant, content) = rest.split_at_checked(length)?;
    let content = std::str::from_utf8(content).ok()?;
    let value = match kind {
        b't' => Value::text(content),
        b'n' => Value::number(content),
        b'b' => Value::Bool(content.parse().ok()?),
        _ => return None,
    };
    Some((value, std::str::from_utf8(tenant).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_kind_and_tenant_are_packed_apart() {
        for value in [Value::text("12"), Value::number("12"), Value::Bool(true), Value::Bool(false)]
        {
            assert_eq!(unpack(&pack(&value, "t")), Some((value, "t")));
        }
        assert_ne!(pack(&Value::text("bc"), "a"), pack(&Value::text("c"), "ab"));
        assert_eq!(pack_text("12", "t"), pack(&Value::text("12"), "t"));
        for broken in
            [&b""[..], b"t", b"t\0\0\0\x02a", b"x\0\0\0\0a", b"t\0\0\0\0\xff", b"b\0\0\0\0yes"]
        {
            assert!(unpack(broken).is_none(), "{broken:?}");
        }
    }
}
