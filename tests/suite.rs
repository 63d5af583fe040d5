//! The real binaries against a local AWS that checks signatures and enforces
//! policies.

mod bad_input;
mod create;
mod delete;
mod folder;
mod isolation;
mod permissions;
mod prompt;
mod support;
mod undo;
