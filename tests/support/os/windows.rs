//! Ctrl-Break and access lists.

use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr::null_mut;

use tokio::process::{Child, Command};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, TerminateProcess};

/// The variable that names the home directory.
pub const HOME: &str = "USERPROFILE";

/// The system's words for them are in the language of whoever uses it.
pub const NO_SUCH_FILE: &str = "";
pub const IS_A_DIRECTORY: &str = "";

/// No signal ends a program.
pub fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

/// Ends the process for `KILL`, and presses Ctrl-Break for all others.
#[expect(unsafe_code, reason = "nothing safe sends Ctrl-Break")]
pub async fn send(name: &str, child: &Child) {
    // SAFETY: the process is a child, in a group that goes by its number.
    let sent = unsafe {
        match name {
            "KILL" => TerminateProcess(child.raw_handle().unwrap() as HANDLE, 137),
            _ => GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id().unwrap()),
        }
    };
    assert_ne!(sent, 0, "{}", std::io::Error::last_os_error());
}

/// Has a program run in a process group of its own.
pub fn set_apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    // Without them, a program finds no library of Windows.
    for name in ["SystemRoot", "PATH", "TEMP"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
}

/// Nobody else can open the file or directory: its access list inherits nothing, and lets in
/// no groups but SYSTEM and Administrators.
#[track_caller]
pub fn assert_private(path: &Path) {
    let list = access_list(path);
    let (_, entries) = list.split_once('(').unwrap();
    let entries: Vec<_> = entries.trim_end_matches(')').split(")(").collect();
    for entry in &entries {
        let is_inherited = entry.split(';').nth(1).unwrap().contains("ID");
        let who = entry.rsplit(';').next().unwrap();
        let is_known = ["SY", "BA"].contains(&who) || who.starts_with("S-1-5-21-");
        assert!(!is_inherited && is_known, "{list}");
    }
    assert!((2..=3).contains(&entries.len()), "{list}");
}

/// The access list of a file or directory, as `D:P(A;;FA;;;SY)`.
#[expect(unsafe_code, reason = "std knows no access lists")]
pub fn access_list(path: &Path) -> String {
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let (mut descriptor, mut text, mut length) = (null_mut(), null_mut(), 0);
    // SAFETY: all pointers are to what lives until the calls return; what they give is never
    // freed.
    unsafe {
        let failed = GetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor,
        );
        assert_eq!(failed, 0);
        let worded = ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor,
            SDDL_REVISION_1,
            DACL_SECURITY_INFORMATION,
            &mut text,
            &mut length,
        );
        assert_ne!(worded, 0);
        let text = std::slice::from_raw_parts(text, length as usize);
        String::from_utf16_lossy(text).trim_end_matches('\0').to_owned()
    }
}
