//! Where a field is, as the config writes it.

mod parse;
mod path;

use std::fmt;

pub use path::{Path, Segment, Step};

use parse::Parser;

/// Where a field is. Two selectors are equal when they mean the same place, however
/// they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// In a structured body: `$.customer.email`.
    Body(Path),
    /// A header field, lower-cased: `header:x-ssn`.
    Header(String),
    /// A parameter of the query string: `query:email`.
    Query(String),
    /// A named segment of the route's path: `path:id`.
    PathParam(String),
}

/// Why a selector cannot be used, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (character {position})")]
pub struct SelectorError {
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Which character of the text, counted from 1.
    pub position: usize,
}

impl Selector {
    /// Reads `$...` (a [`Path`]), `header:NAME`, `query:NAME` or `path:NAME`.
    ///
    /// # Errors
    /// When the text is none of these, or a part of RFC 9535 that a stream cannot serve.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.starts_with('$') {
            return Path::parse(text).map(Self::Body);
        }
        let mut parser = Parser::new(text);
        if parser.take("header:") {
            return parser.header().map(Self::Header);
        }
        if parser.take("query:") {
            return parser.final_name(|c| !c.is_control()).map(Self::Query);
        }
        if parser.take("path:") {
            return parser
                .final_name(|c| !c.is_control() && !"/{}".contains(c))
                .map(Self::PathParam);
        }
        Err(parser.wrong("a selector begins with $, header:, query: or path:"))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(path) => write!(f, "{path}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::PathParam(name) => write!(f, "path:{name}"),
        }
    }
}
