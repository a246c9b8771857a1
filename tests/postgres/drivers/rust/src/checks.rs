//! Where the server is, and how checks are counted.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::io::Write;

/// What did not hold.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;
/// The end of a check, or of many.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// The length of a large value, in bytes.
pub(crate) const LARGE: usize = 20 << 20;

/// Counts what held.
pub(crate) struct Checks {
    driver: String,
    count: usize,
}

impl Checks {
    pub(crate) fn of(driver: &str) -> Self {
        Self { driver: driver.to_owned(), count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// What was found has to be what is expected.
    pub(crate) fn same<T: PartialEq<U> + Debug, U: Debug>(
        &mut self,
        name: impl Display,
        found: T,
        expected: U,
    ) -> Done {
        if found != expected {
            let (mut found, mut expected) = (format!("{found:?}"), format!("{expected:?}"));
            shorten(&mut found);
            shorten(&mut expected);
            let driver = &self.driver;
            return Err(format!("{driver}: {name}: found {found}, expected {expected}").into());
        }
        self.passed(name)
    }

    pub(crate) fn passed(&mut self, name: impl Display) -> Done {
        self.count += 1;
        writeln!(std::io::stdout(), "{}: {name}", self.driver)?;
        Ok(())
    }
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(500) {
        text.truncate(end);
    }
}

/// A variable of the environment that is not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

/// The schema of a driver's tables.
pub(crate) fn schema(driver: &str) -> String {
    let all = variable("ALLONYM_SCHEMA").unwrap_or_else(|| "drivers_rust".to_owned());
    format!("{all}_{driver}")
}

/// The role that a login has to be at the server.
pub(crate) fn role() -> Option<String> {
    variable("ALLONYM_ROLE").or_else(|| variable("PGUSER"))
}

/// Whether TLS is asked for.
pub(crate) fn encrypted() -> bool {
    let mode = variable("PGSSLMODE");
    matches!(mode.as_deref(), Some("require" | "verify-ca" | "verify-full"))
}
