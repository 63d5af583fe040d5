//! The real binaries against a local AWS that checks signatures and enforces
//! policies.

#![cfg_attr(windows, allow(unused_imports, reason = "some tests are for Unix alone"))]

mod access;
mod bad_input;
mod ceph;
mod checksums;
mod clients;
mod config_files;
mod connection;
mod create;
mod credentials;
mod delegate;
mod delete;
mod engine;
mod expired;
mod faults;
mod folder;
mod handover;
mod isolation;
mod library;
mod list;
mod lists;
mod made_anew;
mod many;
mod neighbours;
mod other_folder;
mod ours;
#[cfg(unix)]
mod output;
mod pairs;
#[cfg(unix)]
mod partitions;
mod permissions;
#[cfg(unix)]
mod picture;
#[cfg(unix)]
mod prompt;
mod propagation;
mod properties;
mod proxy;
#[cfg(unix)]
mod readme;
mod rooms;
mod rotate;
mod secrets;
mod sequences;
mod stores;
mod suggestions;
mod support;
mod suspend;
mod sync;
#[cfg(unix)]
mod troubleshooting;
mod undo;
mod update;
mod verify;
mod who_lives_there;
#[cfg(windows)]
mod windows;
