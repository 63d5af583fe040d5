//! The five things that are done for a user: create, update, rotate, suspend
//! (and resume), delete. Each is a `plan`, which only reads, and an `apply`, which
//! carries it out. And the inventory of all users of a bucket. Decides the order of
//! calls and what happens when one fails; never prints.

pub mod create;
pub mod delete;
pub(crate) mod deleted;
pub(crate) mod error;
pub(crate) mod holdings;
pub mod inventory;
mod neighbours;
mod new_key;
pub(crate) mod ours;
pub(crate) mod outcome;
pub(crate) mod plan;
mod remove;
pub mod rotate;
pub mod suspend;
mod undo;
pub mod update;
