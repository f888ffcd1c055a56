//! Scenes for the contract suites: a fresh table for every check, on whatever the SDK talks to.

#![allow(dead_code, reason = "every test program uses its own part")]

pub(crate) mod emulated;
pub(crate) mod in_memory;
pub(crate) mod table;
