//! The shared config files. They are read and checked before the SDK sees them,
//! since it treats a file that it can't read, decode or parse as one that isn't
//! there: another identity would act then.

use std::fs;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use super::config::LoadError;

/// Both shared config files.
pub(super) struct ConfigFiles {
    files: [ConfigFile; 2],
    /// The profiles that the SDK finds in them.
    pub profiles: ProfileSet,
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
        let files = [
            ConfigFile::read(EnvConfigFileKind::Config, dispensable)?,
            ConfigFile::read(EnvConfigFileKind::Credentials, dispensable)?,
        ];
        for file in &files {
            parsed(&for_sdk([file])).await.map_err(|wrong| file.wrong(wrong))?;
        }
        let profiles = parsed(&for_sdk(&files)).await.map_err(LoadError::Setting)?;
        Ok(Self { files, profiles })
    }

    /// Returns the files for the SDK, with the content that was checked.
    pub fn for_sdk(&self) -> EnvConfigFiles {
        for_sdk(&self.files)
    }

    /// Fails if a file has a profile of this name, or one that it takes its keys
    /// from, in a form that the AWS CLI reads and the SDK passes over.
    pub fn check_name(&self, name: &str) -> Result<(), LoadError> {
        for source in self.sources(name) {
            if let Some(error) = self.files.iter().find_map(|file| file.passed_over(source)) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// True if the profile of this name, or one that it takes its keys from, asks
    /// for an MFA code, which the SDK doesn't.
    pub fn asks_for_mfa(&self, name: &str) -> bool {
        self.sources(name)
            .filter_map(|source| self.profiles.get_profile(source))
            .any(|profile| profile.get("mfa_serial").is_some())
    }

    /// The name of a profile, and of those that it takes its keys from.
    fn sources<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        // Whether they go round in circles is for the SDK to say.
        std::iter::successors(Some(name), |name| {
            self.profiles.get_profile(name)?.get("source_profile")
        })
        .take(10)
    }
}

fn for_sdk<'a>(files: impl IntoIterator<Item = &'a ConfigFile>) -> EnvConfigFiles {
    files
        .into_iter()
        .fold(EnvConfigFiles::builder(), |all, file| all.with_contents(file.kind, &file.text))
        .build()
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
        let bytes = match fs::read(&file.path) {
            Ok(bytes) => bytes,
            // No directory: the home directory of a service may be `/dev/null`.
            Err(error) if dispensable || matches!(error.kind(), NotFound | NotADirectory) => {
                return Ok(file);
            }
            Err(error) => return Err(file.wrong(error.to_string())),
        };
        let not_text = std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to());
        // No text has it, but UTF-16 has it in every second place.
        let nul = bytes.iter().position(|byte| *byte == 0);
        if let Some(wrong) = nul.or(not_text.err()) {
            let line = bytes[..wrong].iter().filter(|byte| **byte == b'\n').count() + 1;
            return Err(file.wrong(format!("line {line} is not UTF-8 text")));
        }
        let content = String::from_utf8_lossy(&bytes);
        Ok(Self { text: content.strip_prefix('\u{feff}').unwrap_or(&content).to_owned(), ..file })
    }

    fn wrong(&self, wrong: String) -> LoadError {
        LoadError::setting(format!("can't read {}", self.path.display()), wrong)
    }

    /// Returns the error that the file has a profile of this name, with characters around or in
    /// it for which the SDK passes over it.
    fn passed_over(&self, name: &str) -> Option<LoadError> {
        let index = self.text.lines().position(|line| {
            self.written_name(line).is_some_and(|written| {
                written.trim_matches(['"', '\'']) == name && !written.chars().all(is_plain)
            })
        })?;
        Some(self.wrong(format!(
            "line {}: profile {name} is not supported; a profile's name has only A-Z, a-z, 0-9 and \
             _-/.%@:+, without quotes",
            index + 1
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
    let (variable, usual) = match kind {
        EnvConfigFileKind::Config => ("AWS_CONFIG_FILE", "~/.aws/config"),
        EnvConfigFileKind::Credentials => ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    };
    let given = std::env::var(variable).unwrap_or(usual.to_owned());
    let in_home = Path::new(&given).strip_prefix("~").ok();
    match in_home.zip(std::env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(given),
    }
}

/// True if the SDK takes it in a profile's name.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c)
}
