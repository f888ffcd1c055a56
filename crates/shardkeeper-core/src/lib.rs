//! The pure heart of shardkeeper: values in, values out.
//!
//! Here live the names of things ([`ids`]), what is read ([`record`], [`page`]), how far it was read
//! ([`checkpoint`]), who may read it ([`lease`], [`membership`], written down as [`row`]s), and every
//! decision about them: [`lineage`], [`succession`], [`balance`], [`custody`], [`consumer`], [`hand`],
//! [`acks`], [`pacing`]. [`kcl`] takes over what KCL left, and gives it back. [`event`] is the vocabulary in
//! which the runtime tells what happened.
//!
//! What may never live here: a clock, dice, a runtime, an SDK, a log line. Now and dice are arguments.
//! The only `async` is the signatures of the two [`ports`].

pub mod acks;
pub mod balance;
pub mod checkpoint;
pub mod consumer;
pub mod crowd;
pub mod custody;
pub mod event;
pub mod hand;
pub mod headroom;
pub mod ids;
pub mod kcl;
pub mod lease;
pub mod lineage;
pub mod membership;
pub mod pacing;
pub mod page;
#[doc(hidden)]
pub mod planted;
pub mod ports;
pub mod reached;
pub mod record;
pub mod row;
pub mod succession;
