//! The real binaries against a local AWS that checks signatures and enforces
//! policies.

mod access;
mod bad_input;
mod clients;
mod connection;
mod create;
mod delete;
mod engine;
mod faults;
mod folder;
mod handover;
mod isolation;
mod many;
mod pairs;
mod permissions;
mod prompt;
mod propagation;
mod properties;
mod readme;
mod rotate;
mod secrets;
mod suggestions;
mod support;
mod undo;
mod update;
mod verify;
