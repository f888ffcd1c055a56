//! placeholder
pub mod aws;
