//! The shared config files. They are read and checked before the SDK sees them,
//! since it treats a file that it can't read, decode or parse as one that isn't
//! there: another identity would act then.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use super::config::LoadError;

/// Both shared config files, and the profiles in them.
pub(super) struct ConfigFiles {
    files: [ConfigFile; 2],
    profiles: ProfileSet,
}

impl ConfigFiles {
    /// Reads both files; one that isn't there counts as empty.
    ///
    /// Fails on a file that is not UTF-8 text or can't be parsed, whoever acts, as
    /// the AWS CLI does. Fails on one that can't be read unless the files are
    /// `dispensable`: with keys in the environment and no profile named, the AWS
    /// CLI does without them. No error holds anything from a file, which may be a
    /// secret.
    pub async fn read(dispensable: bool) -> Result<Self, LoadError> {
        let config = ConfigFile::read(EnvConfigFileKind::Config, dispensable)?;
        let credentials = ConfigFile::read(EnvConfigFileKind::Credentials, dispensable)?;
        let files = [config, credentials];
        for file in &files {
            let alone = parsed(&as_the_sdk_takes_them([file])).await;
            alone.map_err(|wrong| file.wrong(wrong))?;
        }
        let both = parsed(&as_the_sdk_takes_them(&files)).await;
        let profiles = both.map_err(LoadError::Setting)?;
        Ok(Self { files, profiles })
    }

    /// The profiles that the SDK finds in them.
    pub fn profiles(&self) -> &ProfileSet {
        &self.profiles
    }

    /// Returns the files for the SDK, with the content that was checked.
    pub fn for_sdk(&self) -> EnvConfigFiles {
        as_the_sdk_takes_them(&self.files)
    }

    /// Fails if a file has a profile of this name, or one that it takes its keys
    /// from, in a form that the AWS CLI reads and the SDK passes over.
    pub fn check_name(&self, name: &str) -> Result<(), LoadError> {
        let in_files = |name| {
            let files = self.files.iter();
            files.filter_map(move |file| file.passed_over(name))
        };
        let mut passed_over = self.sources(name).flat_map(in_files);
        passed_over.next().map_or(Ok(()), Err)
    }

    /// True if the profile of this name, or one that it takes its keys from, asks
    /// for an MFA code, which the SDK doesn't.
    pub fn asks_for_mfa(&self, name: &str) -> bool {
        let mut profiles = self.sources(name).filter_map(|name| self.profiles.get_profile(name));
        profiles.any(|profile| profile.get("mfa_serial").is_some())
    }

    /// The name of a profile, and of those that it takes its keys from.
    fn sources<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let source = |name: &&str| self.profiles.get_profile(name)?.get("source_profile");
        // Whether they go round in circles is for the SDK to say.
        std::iter::successors(Some(name), source).take(10)
    }
}

fn as_the_sdk_takes_them<'a>(files: impl IntoIterator<Item = &'a ConfigFile>) -> EnvConfigFiles {
    let builder = files.into_iter().fold(EnvConfigFiles::builder(), |builder, file| {
        builder.with_contents(file.kind, &file.text)
    });
    builder.build()
}

/// The profiles in files, or what is wrong with the first line that is wrong.
async fn parsed(files: &EnvConfigFiles) -> Result<ProfileSet, String> {
    let loaded = profile::load(&Fs::real(), &Env::real(), files, None).await;
    loaded.map_err(|error| {
        let wrong = super::error::innermost(&error);
        // What comes before is where the file is, which the SDK wasn't told.
        match wrong.split_once(" on line ") {
            Some((_, line_and_cause)) => format!("line {line_and_cause}"),
            None => wrong,
        }
    })
}

/// One of the files.
struct ConfigFile {
    kind: EnvConfigFileKind,
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    fn read(kind: EnvConfigFileKind, dispensable: bool) -> Result<Self, LoadError> {
        let file = Self { kind, path: path(kind), text: String::new() };
        let content = match fs::read(&file.path) {
            Ok(content) => content,
            Err(error) if dispensable || is_absence(error.kind()) => return Ok(file),
            Err(error) => return Err(file.wrong(error.to_string())),
        };
        let not_text = std::str::from_utf8(&content).map_err(|error| error.valid_up_to());
        // No text has it, but UTF-16 has it in every second place.
        let nul = content.iter().position(|byte| *byte == 0);
        if let Some(wrong) = nul.or(not_text.err()) {
            let lines = content[..wrong].iter().filter(|byte| **byte == b'\n');
            let line = lines.count() + 1;
            return Err(file.wrong(format!("line {line} is not UTF-8 text")));
        }
        let text = String::from_utf8_lossy(&content);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        Ok(Self { text, ..file })
    }

    fn wrong(&self, wrong: String) -> LoadError {
        LoadError::setting(format!("can't read {}", self.path.display()), wrong)
    }

    /// Returns the error that the file has a profile of this name, with characters around or in
    /// it for which the SDK passes over it.
    fn passed_over(&self, name: &str) -> Option<LoadError> {
        let is_meant = |line: &str| {
            let written = self.written_name(line);
            written.is_some_and(|written| {
                written.trim_matches(['"', '\'']) == name && !written.chars().all(is_plain)
            })
        };
        let line = self.text.lines().position(is_meant)? + 1;
        Some(self.wrong(format!(
            "line {line}: profile {name} is not supported; a profile's name has only A-Z, a-z, 0-9 and \
             _-/.%@:+, without quotes"
        )))
    }

    /// The name of the profile that begins in a line, as it is written there.
    fn written_name<'a>(&self, line: &'a str) -> Option<&'a str> {
        let section = line.strip_prefix('[')?.split(']').next()?.trim();
        match self.kind {
            EnvConfigFileKind::Config => section.strip_prefix("profile").map(str::trim),
            EnvConfigFileKind::Credentials => Some(section),
        }
    }
}

/// Returns the path of a file: as its variable says, or else in the home directory.
fn path(kind: EnvConfigFileKind) -> PathBuf {
    let named = match kind {
        EnvConfigFileKind::Config => std::env::var("AWS_CONFIG_FILE"),
        EnvConfigFileKind::Credentials => std::env::var("AWS_SHARED_CREDENTIALS_FILE"),
    };
    let usual = match kind {
        EnvConfigFileKind::Config => "~/.aws/config",
        EnvConfigFileKind::Credentials => "~/.aws/credentials",
    };
    let given = named.unwrap_or(usual.to_owned());
    let in_home = Path::new(&given).strip_prefix("~").ok();
    match in_home.zip(std::env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(given),
    }
}

/// True if there is no such file, or no directory for it, as with the home
/// directory `/dev/null` of a service.
fn is_absence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// True if the SDK takes it in a profile's name.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c)
}
