//! What only a store in PostgreSQL does.

use super::*;
