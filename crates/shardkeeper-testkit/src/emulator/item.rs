//! What the item operations share: reading their members, one conditional change, one page of a read, what it costs.

pub(crate) mod capacity;
pub(crate) mod client_tokens;
pub(crate) mod members;
pub(crate) mod mutation;
pub(crate) mod page;
pub(crate) mod read;

#[cfg(test)]
mod tests;
