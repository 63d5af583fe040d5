//! The real binaries against a local AWS that checks signatures and enforces
//! policies.

mod access;
mod bad_input;
mod clients;
mod create;
mod delete;
mod folder;
mod handover;
mod isolation;
mod many;
mod permissions;
mod prompt;
mod rotate;
mod support;
mod undo;
mod update;
mod verify;
