//! Windows. What each function is for is said in `unix.rs`; here, what is peculiar.

use std::ffi::{OsString, c_void};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle};
use std::path::{Component, Path, PathBuf, Prefix};
use std::ptr::{null, null_mut};
use std::{thread, time};

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use winapi_util::file::information;
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem as nt;
use windows_sys::Win32::Foundation::{
    HANDLE, LocalFree, OBJ_CASE_INSENSITIVE, RtlNtStatusToDosError, UNICODE_STRING,
};
use windows_sys::Win32::Security::{
    Authorization as text, GetTokenInformation, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::Console::{FlushConsoleInputBuffer, WriteConsoleW};
use windows_sys::Win32::System::Diagnostics::Debug::{SEM_NOGPFAULTERRORBOX, SetErrorMode};
use windows_sys::Win32::System::ErrorReporting::{self as reports, WerSetFlags};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

/// Only the user, the system and administrators can open it, whatever the directory allows.
pub fn create_file(path: &Path) -> io::Result<File> {
    create(None, nt_path(path)?, nt::FILE_NON_DIRECTORY_FILE)
}

pub fn create_file_in(dir: &File, name: &str) -> io::Result<File> {
    create(Some(dir), name.encode_utf16().collect(), nt::FILE_NON_DIRECTORY_FILE)
}

pub fn create_directory(path: &Path) -> io::Result<File> {
    create(None, nt_path(path)?, nt::FILE_DIRECTORY_FILE)
}

/// Creates and opens at once, in an open directory too, which Win32's own calls can't.
#[expect(unsafe_code, reason = "std sets no access lists")]
fn create(dir: Option<&File>, mut name: Vec<u16>, kind: u32) -> io::Result<File> {
    let length = u16::try_from(2 * name.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
    let name = UNICODE_STRING { Length: length, MaximumLength: length, Buffer: name.as_mut_ptr() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: dir.map_or(null_mut(), AsRawHandle::as_raw_handle),
        ObjectName: &name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: closed_to_others()?.cast(),
        SecurityQualityOfService: null(),
    };
    let mut handle = null_mut();
    // SAFETY: all pointers are to what lives until the calls return; the handle is ours alone.
    unsafe {
        let status = nt::NtCreateFile(
            &mut handle,
            fs::FILE_GENERIC_READ | fs::FILE_GENERIC_WRITE,
            &attributes,
            &mut IO_STATUS_BLOCK::default(),
            null(),
            fs::FILE_ATTRIBUTE_NORMAL,
            fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE,
            nt::FILE_CREATE,
            kind | nt::FILE_SYNCHRONOUS_IO_NONALERT,
            null(),
            0,
        );
        LocalFree(attributes.SecurityDescriptor as _);
        if status < 0 {
            return Err(io::Error::from_raw_os_error(RtlNtStatusToDosError(status) as i32));
        }
        Ok(File::from_raw_handle(handle))
    }
}

/// An access list that lets in the user, the system and administrators alone. To be freed.
#[expect(unsafe_code, reason = "std knows no access lists")]
fn closed_to_others() -> io::Result<*mut c_void> {
    let list = format!("D:P(A;;FA;;;{})(A;;FA;;;SY)(A;;FA;;;BA)\0", user_sid()?);
    let (mut descriptor, list) = (null_mut(), Vec::from_iter(list.encode_utf16()));
    let convert = text::ConvertStringSecurityDescriptorToSecurityDescriptorW;
    // SAFETY: the text ends with a zero.
    succeeded(unsafe { convert(list.as_ptr(), 1, &mut descriptor, null_mut()) })?;
    Ok(descriptor)
}

/// The user that the process runs as, such as `S-1-5-21-1-2-3-1001`.
#[expect(unsafe_code, reason = "std knows no users")]
fn user_sid() -> io::Result<String> {
    // What a pseudo handle stands for is in the headers alone.
    let own_token = -4_isize as HANDLE;
    let mut user = [TOKEN_USER::default(); 8];
    let (buffer, room) = (user.as_mut_ptr().cast(), size_of_val(&user) as u32);
    let mut sid = null_mut();
    // SAFETY: there is room for the longest SID, of 68 bytes, and its text ends with a zero.
    unsafe {
        succeeded(GetTokenInformation(own_token, TokenUser, buffer, room, &mut 0))?;
        succeeded(text::ConvertSidToStringSidW(user[0].User.Sid, &mut sid))?;
        let length = (0..).take_while(|at| *sid.add(*at) != 0).count();
        let owned = String::from_utf16_lossy(std::slice::from_raw_parts(sid, length));
        LocalFree(sid.cast());
        Ok(owned)
    }
}

fn succeeded(result: i32) -> io::Result<()> {
    if result != 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub fn is_at(file: &File, path: &Path) -> bool {
    let is_link = path.symlink_metadata().is_ok_and(|it| it.is_symlink());
    let Ok(at_path) = winapi_util::Handle::from_path_any(path) else { return false };
    let (Ok(named), Ok(open)) = (information(&at_path), information(file)) else { return false };
    // Wine forgets the volume of a file that was moved.
    let volumes = [named.volume_serial_number(), 0];
    !is_link
        && named.file_index() == open.file_index()
        && volumes.contains(&open.volume_serial_number())
}

/// Windows syncs no directories.
pub fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Windows takes even `nul.csv` for a device, and leaves out a period at the end.
pub fn is_device(path: &Path) -> bool {
    std::path::absolute(path).is_ok_and(|full| full.file_name() != path.file_name())
}

/// Without such a start, a path has at most 260 characters.
pub fn long_path(path: &Path) -> io::Result<PathBuf> {
    let full = std::path::absolute(path)?;
    let text = Vec::from_iter(full.as_os_str().encode_wide());
    let Some(Component::Prefix(prefix)) = full.components().next() else { return Ok(full) };
    let (start, rest) = match prefix.kind() {
        Prefix::Disk(_) => (r"\\?\", &text[..]),
        Prefix::UNC(..) => (r"\\?\UNC", &text[1..]),
        _ => return Ok(full),
    };
    Ok(OsString::from_wide(&[&Vec::from_iter(start.encode_utf16()), rest].concat()).into())
}

/// The path as `NtCreateFile` takes it, which begins with `\??\`.
fn nt_path(path: &Path) -> io::Result<Vec<u16>> {
    let mut path = Vec::from_iter(long_path(path)?.as_os_str().encode_wide());
    path[1] = b'?'.into();
    Ok(path)
}

pub fn stdout() -> io::Result<File> {
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

#[expect(unsafe_code, reason = "std doesn't tell devices from files")]
pub fn is_null_device(file: &File) -> bool {
    // SAFETY: any handle may be asked about.
    let kind = unsafe { fs::GetFileType(file.as_raw_handle()) };
    kind == fs::FILE_TYPE_UNKNOWN || kind == fs::FILE_TYPE_CHAR && !file.is_terminal()
}

/// The console that the program was started at: what is typed there, and what it shows.
#[derive(Debug)]
pub struct Console(File, File);

impl Console {
    pub fn open() -> Option<Self> {
        let open = |name| File::options().read(true).write(true).open(name).ok();
        Some(Self(open("CONIN$")?, open("CONOUT$")?))
    }

    #[expect(unsafe_code, reason = "std writes bytes to it, of which only ASCII is sure")]
    pub fn ask(&self, text: &str) -> io::Result<String> {
        // SAFETY: the handle is open.
        succeeded(unsafe { FlushConsoleInputBuffer(self.0.as_raw_handle()) })?;
        // At once, it may refuse a long text.
        for part in Vec::from_iter(text.encode_utf16()).chunks(8192) {
            let (console, length) = (self.1.as_raw_handle(), part.len() as u32);
            // SAFETY: the handle is open, and the text as long as is said.
            succeeded(unsafe { WriteConsoleW(console, part.as_ptr(), length, &mut 0, null()) })?;
        }
        let mut line = String::new();
        BufReader::new(&self.0).read_line(&mut line)?;
        if line.is_empty() {
            // Ctrl-C ends the input before it stops the run.
            thread::sleep(time::Duration::from_secs(1));
        }
        Ok(line)
    }
}

/// A signal that stops a run, by the exit code that shells have for its like on Unix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    pub const INTERRUPT: Self = Self(130);

    pub fn is_typed(self) -> bool {
        self == Self::INTERRUPT
    }

    pub fn end_process(self) -> ! {
        std::process::exit(self.0)
    }
}

pub fn on_signals(act: impl Fn(Signal) + Clone + Send + 'static) {
    let signals = || -> io::Result<_> {
        Ok((ctrl_c()?, ctrl_break()?, ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?))
    };
    let (mut typed, mut breaks, mut closes, mut logs_off, mut shuts_down) =
        signals().expect("a process can listen to its console");
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = typed.recv() => Signal::INTERRUPT,
                _ = breaks.recv() => Signal::INTERRUPT,
                _ = closes.recv() => Signal(129),
                _ = logs_off.recv() => Signal(129),
                _ = shuts_down.recv() => Signal(143),
            };
            act(signal);
        }
    });
}

/// Has Windows make no report of a crash, or for an abort one without the heap.
#[expect(unsafe_code, reason = "std knows no reports")]
pub fn forbid_core_dumps() {
    // SAFETY: both only set flags of this process.
    unsafe {
        SetErrorMode(SEM_NOGPFAULTERRORBOX);
        WerSetFlags(reports::WER_FAULT_REPORTING_FLAG_NOHEAP);
    }
}

/// Does nothing: what the console started, it tells of Ctrl-C itself.
pub fn end(_: u32) {}

/// As PowerShell takes them: a quotation ends at one of these marks, unless there are two.
pub fn quoted(words: &[&str]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || r"-_.:/\".contains(c);
    let doubled = |c: char| if "'‘’‚‛".contains(c) { format!("{c}{c}") } else { c.into() };
    let quoted = |word: &&str| {
        let is_plain = word.chars().all(is_plain) && !word.is_empty();
        let doubled = || word.chars().map(doubled).collect::<String>();
        if is_plain { (*word).to_owned() } else { format!("'{}'", doubled()) }
    };
    Vec::from_iter(words.iter().map(quoted)).join(" ")
}

/// As `&&`, which came with PowerShell 7.
pub fn one_after_another(first: &str, second: &str) -> String {
    format!("{first}; if ($?) {{ {second} }}")
}

pub const MOVE: &[&str] = &["Move-Item", "-LiteralPath"];
pub const MAKE_DIRECTORY: &[&str] = &["mkdir"];
pub const VARIABLES: (&str, (&str, &str)) = ("powershell", ("", " | Invoke-Expression"));
