//! Who may see what: rules compiled to Cedar.
