use crate::wire::{Reader, WireError, begin, put_text, without_zero};

/// What the server asks of a client that logs in, or answers it (`R`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// The client is who it says.
    Ok,
    /// Asks for the password as it is.
    CleartextPassword,
    /// Asks for the password hashed with MD5 and this salt.
    Md5Password([u8; 4]),
    /// Asks to choose one of these mechanisms.
    Sasl(Mechanisms<'a>),
    /// A challenge of the mechanism.
    SaslContinue(&'a [u8]),
    /// The mechanism's last word; `Ok` follows.
    SaslFinal(&'a [u8]),
    /// Another method, by its number: Kerberos, GSSAPI, SSPI.
    Other(u32),
}

/// Names of SASL mechanisms, in the server's order of preference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(&'a [u8]);

const AUTHENTICATION: &str = "Authentication";

impl<'a> Authentication<'a> {
    /// Reads the body of an Authentication message (`R`).
    ///
    /// # Errors
    /// A body that ends early or late, a list of mechanisms that is not ended.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(AUTHENTICATION, body);
        let parsed = match reader.u32()? {
            0 => Self::Ok,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password(reader.array()?),
            10 => {
                let names = reader.rest;
                while !reader.text()?.is_empty() {}
                Self::Sasl(Mechanisms(names))
            }
            11 => return Ok(Self::SaslContinue(reader.rest)),
            12 => return Ok(Self::SaslFinal(reader.rest)),
            other => return Ok(Self::Other(other)),
        };
        reader.end()?;
        Ok(parsed)
    }

    const fn code(&self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::CleartextPassword => 3,
            Self::Md5Password(_) => 5,
            Self::Sasl(_) => 10,
            Self::SaslContinue(_) => 11,
            Self::SaslFinal(_) => 12,
            Self::Other(code) => *code,
        }
    }

    const fn data(&self) -> &[u8] {
        match self {
            Self::Ok | Self::CleartextPassword | Self::Other(_) => &[],
            Self::Md5Password(salt) => salt,
            Self::Sasl(Mechanisms(data)) | Self::SaslContinue(data) | Self::SaslFinal(data) => data,
        }
    }
}

impl<'a> Mechanisms<'a> {
    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.split(|byte| *byte == 0).take_while(|name| !name.is_empty())
    }

    /// Whether the server offers this one.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|other| other == name.as_bytes())
    }
}

/// Appends an Authentication message.
///
/// # Errors
/// More data than a message can hold.
pub fn write_authentication(
    out: &mut Vec<u8>,
    authentication: &Authentication<'_>,
) -> Result<(), WireError> {
    let data = authentication.data();
    begin(out, AUTHENTICATION, Some(b'R'), data.len().saturating_add(4))?;
    out.extend_from_slice(&authentication.code().to_be_bytes());
    out.extend_from_slice(data);
    Ok(())
}

/// Appends the Authentication message that offers these mechanisms.
///
/// # Errors
/// An empty name, or one with a zero byte in it.
pub fn write_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) -> Result<(), WireError> {
    let mut body = 5_usize;
    for name in mechanisms {
        without_zero(AUTHENTICATION, name.as_bytes())?;
        if name.is_empty() {
            let rule = "a mechanism has no name";
            return Err(WireError::Malformed { message: AUTHENTICATION, rule });
        }
        body = body.saturating_add(name.len()).saturating_add(1);
    }
    begin(out, AUTHENTICATION, Some(b'R'), body)?;
    out.extend_from_slice(&10_u32.to_be_bytes());
    for name in mechanisms {
        put_text(out, name.as_bytes());
    }
    out.push(0);
    Ok(())
}

const PASSWORD: &str = "PasswordMessage";

/// Reads the password of a PasswordMessage (`p`), which the caller wipes.
///
/// # Errors
/// A body without its zero byte, or with more behind it.
pub fn parse_password(body: &[u8]) -> Result<&[u8], WireError> {
    let mut reader = Reader::new(PASSWORD, body);
    let password = reader.text()?;
    reader.end()?;
    Ok(password)
}

/// Appends a PasswordMessage.
///
/// # Errors
/// A password with a zero byte in it, which no server could read.
pub fn write_password(out: &mut Vec<u8>, password: &[u8]) -> Result<(), WireError> {
    without_zero(PASSWORD, password)?;
    begin(out, PASSWORD, Some(b'p'), password.len().saturating_add(1))?;
    put_text(out, password);
    Ok(())
}

/// SASLInitialResponse (`p`): the chosen mechanism and its first message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism's name.
    pub mechanism: &'a [u8],
    /// The first message, if the client has sent one.
    pub response: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    const NAME: &'static str = "SASLInitialResponse";

    /// Reads the body of the message.
    ///
    /// # Errors
    /// A body that ends early or late.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Self::NAME, body);
        let mechanism = reader.text()?;
        let response = match reader.u32()? {
            u32::MAX => None,
            length => Some(reader.bytes(length as usize)?),
        };
        reader.end()?;
        Ok(Self { mechanism, response })
    }
}

/// Appends a SASLInitialResponse.
///
/// # Errors
/// A name with a zero byte in it, more data than a message can hold.
pub fn write_sasl_initial(
    out: &mut Vec<u8>,
    mechanism: &str,
    response: Option<&[u8]>,
) -> Result<(), WireError> {
    without_zero(SaslInitial::NAME, mechanism.as_bytes())?;
    let data = response.unwrap_or_default();
    let body = mechanism.len().saturating_add(5).saturating_add(data.len());
    begin(out, SaslInitial::NAME, Some(b'p'), body)?;
    put_text(out, mechanism.as_bytes());
    // The whole body fits into an i32 by now.
    let length = response.map_or(u32::MAX, |data| u32::try_from(data.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(data);
    Ok(())
}

/// Appends a SASLResponse (`p`), whose body is the mechanism's message and nothing else.
///
/// # Errors
/// More data than a message can hold.
pub fn write_sasl_response(out: &mut Vec<u8>, response: &[u8]) -> Result<(), WireError> {
    begin(out, "SASLResponse", Some(b'p'), response.len())?;
    out.extend_from_slice(response);
    Ok(())
}
