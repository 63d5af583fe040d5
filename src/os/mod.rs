//! What Unix and Windows do differently, behind one interface: files that nobody else can
//! read, the terminal, the signals that stop a run, other processes, and the shell.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod this;

pub use this::*;
