//! The kit: settings files for the person's client, and a README that explains
//! them, made of the pieces in `templates`.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Serialize;
use tempfile::{Builder, TempDir};
use url::Url;
use zeroize::Zeroizing;

use super::{key_file, private_file};
use crate::access::{Access, AccessKey, Grant, Target, UserName, partition_of_region, s3_host};

/// Where the kit of a user is written in a directory: `USER_kit`, and from the
/// second on `USER_kit.N`.
pub(super) fn path(dir: &Path, user: &UserName, number: u32) -> PathBuf {
    let name = match number {
        1 => format!("{user}_kit"),
        number => format!("{user}_kit.{number}"),
    };
    key_file::in_directory(dir, name)
}

/// Whether nothing is at `path`, or an empty directory.
pub(super) fn is_free(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
        }
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Fails if something but an empty directory is at `path`.
pub(super) fn check_free(path: &Path) -> Result<()> {
    ensure!(
        is_free(path),
        "{} is there already, and is never overwritten",
        path.display()
    );
    Ok(())
}

/// A kit that is written, in a directory of mode 0700 beside its own, under a
/// name of its own; gone when dropped.
#[derive(Debug)]
pub(super) struct Written {
    path: PathBuf,
    dir: TempDir,
    /// The directory itself, whoever may put another one at its path.
    handle: File,
}

impl Written {
    /// Writes the files with mode 0600, and returns once they are on disk.
    pub fn beside(path: &Path, settings: &Settings<'_>) -> Result<Self> {
        let kit = Self::make(path).with_context(|| format!("can't create {}", path.display()))?;
        for (name, content) in settings.files()? {
            let failed = || format!("can't write {}", path.join(&name).display());
            let file = private_file::create_in(&kit.handle, Path::new(&name));
            let mut file = file.with_context(failed)?;
            file.write_all(content.as_bytes()).with_context(failed)?;
            file.sync_all().with_context(failed)?;
        }
        let synced = private_file::sync(&kit.handle);
        synced.with_context(|| format!("can't write {}", path.display()))?;
        Ok(kit)
    }

    fn make(path: &Path) -> io::Result<Self> {
        let dir = Builder::new()
            .prefix(&private_file::temporary_prefix(path))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(private_file::directory_of(path))?;
        let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = File::from(openat(CWD, dir.path(), directory, Mode::empty())?);
        check_own(&handle)?;
        Ok(Self {
            path: path.to_owned(),
            dir,
            handle,
        })
    }

    /// Gives the directory its name, and returns once that is on disk. Fails
    /// where something is there.
    pub fn keep(self) -> Result<()> {
        check_free(&self.path)?;
        let failed = || format!("can't write {}", self.path.display());
        fs::rename(self.dir.path(), &self.path).with_context(failed)?;
        ensure!(
            private_file::is_at(&self.handle, &self.path),
            "can't write {}: somebody else put another directory there",
            self.path.display()
        );
        let _ = self.dir.keep();
        // The key file is the copy that must not get lost.
        let _ = File::open(private_file::directory_of(&self.path)).map(|dir| dir.sync_all());
        Ok(())
    }
}

/// Fails unless the directory is ours, and closed to others.
fn check_own(dir: &File) -> io::Result<()> {
    let found = dir.metadata()?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if is_ours && found.is_dir() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::other(
        "somebody else put another directory there",
    ))
}

/// All that the files of a kit are made of.
pub(crate) struct Settings<'a> {
    pub key: &'a AccessKey,
    pub target: &'a Target,
    pub grant: &'a Grant,
    /// The bucket's region.
    pub region: &'a str,
    /// The S3 endpoint, where it is not AWS's own.
    pub endpoint: Option<&'a str>,
}

type NamedFile = (String, Zeroizing<String>);

impl Settings<'_> {
    fn files(&self) -> Result<Vec<NamedFile>> {
        let mut files = vec![
            ("README.txt".to_owned(), self.readme().into()),
            ("aws-config".to_owned(), self.aws_config().into()),
            ("aws-credentials".to_owned(), self.aws_credentials()),
            ("rclone.conf".to_owned(), self.rclone_conf()),
        ];
        // These two list what they open, whatever one wants to do there.
        if self.grant.access.reads() {
            let bookmark = format!("{}.duck", file_stem(self.target.user.as_str()));
            files.push((bookmark, self.cyberduck_bookmark()?.into()));
            files.push(("winscp-url.txt".to_owned(), self.winscp_url()?));
        }
        Ok(files)
    }

    /// The user's name as profile and remote: neither the AWS SDKs nor rclone
    /// take `=` and `,` there, rclone no `-` at the end, and `default` would take
    /// the place of the person's own.
    fn profile(&self) -> String {
        let name = self.target.user.as_str().replace(['=', ','], "_");
        if name.eq_ignore_ascii_case("default") || name.ends_with('-') {
            name + "_"
        } else {
            name
        }
    }

    fn folder(&self) -> String {
        format!("{}/{}", self.target.bucket, self.target.prefix())
    }

    fn aws_config(&self) -> String {
        let mut config = format!("[profile {}]\nregion = {}\n", self.profile(), self.region);
        if let Some(url) = self.endpoint {
            config += &format!("endpoint_url = {url}\ns3 =\n    addressing_style = path\n");
        }
        config
    }

    fn aws_credentials(&self) -> Zeroizing<String> {
        self.fill(include_str!("templates/aws-credentials"), "")
    }

    fn rclone_conf(&self) -> Zeroizing<String> {
        let store = match self.endpoint {
            None => "provider = AWS".to_owned(),
            Some(url) => format!("provider = Other\nendpoint = {url}\nforce_path_style = true"),
        };
        let mut conf = self.fill(include_str!("templates/rclone.conf"), &store);
        // Without the permission to read there is nothing to look at after an upload.
        if !self.grant.access.reads() {
            conf.push_str("no_head = true\n");
        }
        conf
    }

    /// The key's settings in a template. The secret is put in last, into room
    /// that is enough, so that no copy of it stays behind.
    fn fill(&self, template: &str, store: &str) -> Zeroizing<String> {
        let text = template
            .replace("{profile}", &self.profile())
            .replace("{region}", self.region)
            .replace("{store}", store)
            .replace("{id}", self.key.id());
        let (before, after) = text.split_once("{secret}").unwrap_or((&text, ""));
        let mut filled = Zeroizing::new(String::with_capacity(text.len() + 256));
        for part in [before, self.key.secret(), after] {
            filled.push_str(part);
        }
        filled
    }

    /// Host and port of the store.
    fn host(&self) -> Result<(String, u16)> {
        let Some(url) = self.endpoint else {
            let host = match partition_of_region(self.region) {
                "aws" => "s3.amazonaws.com".to_owned(),
                _ => s3_host(self.region),
            };
            return Ok((host, 443));
        };
        let parsed = Url::parse(url).with_context(|| format!("can't read the endpoint {url}"))?;
        let host = parsed.host_str().unwrap_or_default().to_owned();
        Ok((host, parsed.port_or_known_default().unwrap_or(443)))
    }

    fn cyberduck_bookmark(&self) -> Result<String> {
        let (hostname, port) = self.host()?;
        let bookmark = Bookmark {
            protocol: "s3",
            nickname: self.target.user.as_str(),
            hostname,
            port: port.to_string(),
            username: self.key.id(),
            path: format!("/{}", self.folder().trim_end_matches('/')),
        };
        let mut xml = Vec::new();
        plist::to_writer_xml(&mut xml, &bookmark).context("can't write a property list")?;
        Ok(String::from_utf8_lossy(&xml).into_owned() + "\n")
    }

    fn winscp_url(&self) -> Result<Zeroizing<String>> {
        let (host, port) = self.host()?;
        let (port, style) = match self.endpoint {
            None => (String::new(), ""),
            Some(_) => (format!(":{port}"), ";x-s3urlstyle=1"),
        };
        let secret = Zeroizing::new(encoded(self.key.secret()));
        let prefix = encoded(self.target.user.as_str());
        Ok(format!(
            "s3://{}:{}{style}@{host}{port}/{}/{prefix}/\n",
            self.key.id(),
            secret.as_str(),
            self.target.bucket,
        )
        .into())
    }

    fn readme(&self) -> String {
        let Grant { access, .. } = self.grant;
        let store = if self.endpoint.is_none() {
            "Amazon S3 bucket"
        } else {
            "bucket"
        };
        let until = self.grant.expires.map_or_else(
            || "until it is taken back".to_owned(),
            |expiry| expiry.for_people(),
        );
        let from = if self.grant.source_ips.is_empty() {
            ""
        } else {
            FROM
        };
        let start = if self.grant.browse_root {
            START_AT_BUCKET
        } else {
            START_IN_FOLDER
        };
        let mut clients = match access {
            Access::Write => UPLOAD.to_owned(),
            Access::Read => BROWSE.to_owned(),
            Access::ReadWrite => BROWSE.to_owned() + SEND,
        };
        let (mut also, mut folders) = (String::new(), "this folder");
        let shared = self.grant.also_read.iter().map(|it| self.target.url_of(it));
        let shared: Vec<_> = shared.collect();
        if let Some(first) = shared.first() {
            also = ALSO.replace("{shared}", &shared.join("\n    "));
            folders = "these folders";
            clients += &self.how_to_get(first);
        }
        let values = [
            ("{from}", from),
            ("{start}", start),
            ("{folders}", folders),
            ("{clients}", &clients),
            ("{until}", &until),
            ("{store}", store),
            ("{bucket}", self.target.bucket.as_str()),
            ("{verbs}", access.verbs()),
            ("{folder}", &self.folder()),
            ("{profile}", &self.profile()),
            ("{also}", &also),
        ];
        let fill = |text: String, (name, value): (&str, &str)| text.replace(name, value);
        values.into_iter().fold(README.to_owned(), fill)
    }

    /// How to download from another folder, by its URL.
    fn how_to_get(&self, url: &str) -> String {
        let path = url.trim_start_matches("s3://");
        let quoted = |text: String| shlex::try_quote(&text).unwrap_or_default().into_owned();
        let browse = if self.grant.access.reads() {
            BROWSE_SHARED.replace("{path}", path)
        } else {
            String::new()
        };
        GET_SHARED
            .replace("{url}", &quoted(url.to_owned()))
            .replace("{remote}", &quoted(format!("{}:{path}", self.profile())))
            + &browse
    }
}

const README: &str = include_str!("templates/readme/main.txt");
const START_IN_FOLDER: &str = include_str!("templates/readme/start-in-folder.txt");
const START_AT_BUCKET: &str = include_str!("templates/readme/start-at-bucket.txt");
const FROM: &str = include_str!("templates/readme/from.txt");
const BROWSE: &str = include_str!("templates/readme/browse.txt");
const SEND: &str = include_str!("templates/readme/send.txt");
const ALSO: &str = include_str!("templates/readme/also.txt");
const GET_SHARED: &str = include_str!("templates/readme/get-shared.txt");
const BROWSE_SHARED: &str = include_str!("templates/readme/browse-shared.txt");
const UPLOAD: &str = include_str!("templates/readme/upload.txt");

/// The user's name as that of a file: Windows has [no files][reserved] of the
/// names of devices, whatever comes after a period.
///
/// [reserved]: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
fn file_stem(name: &str) -> String {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_device = ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit());
    if is_device {
        format!("_{name}")
    } else {
        name.to_owned()
    }
}

/// A bookmark as Cyberduck exports it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Bookmark<'a> {
    protocol: &'static str,
    nickname: &'a str,
    hostname: String,
    port: String,
    username: &'a str,
    path: String,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_is_filled_in_whatever_the_grant() {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "secret".to_owned());
        let target = Target {
            bucket: "shared".parse().unwrap(),
            user: "alex".parse().unwrap(),
        };
        for access in [Access::Read, Access::ReadWrite, Access::Write] {
            for browse_root in [false, true] {
                let shared = ["prices/", "price list/"].map(|text| text.parse().unwrap());
                let grant = Grant {
                    access,
                    browse_root,
                    also_read: shared[..usize::from(browse_root)].to_vec(),
                    source_ips: vec!["203.0.113.0/24".parse().unwrap()],
                    ..Grant::default()
                };
                let settings = Settings {
                    key: &key,
                    target: &target,
                    grant: &grant,
                    region: "eu-central-1",
                    endpoint: None,
                };
                let readme = settings.readme();
                assert!(readme.starts_with("Your folder in the Amazon S3 bucket shared\n"));
                assert!(!readme.contains(['{', '}']), "{readme}");
                assert!(
                    !readme.contains("secret\n") && !readme.contains("\n\n\n"),
                    "{readme}"
                );
            }
        }
    }

    #[test]
    fn names_of_devices_are_no_names_of_files() {
        for name in ["con", "CON", "nul.x", "com1", "LPT9.alex"] {
            assert_eq!(file_stem(name), format!("_{name}"));
        }
        for name in ["alex", "console", "com", "comm", "x.con"] {
            assert_eq!(file_stem(name), name);
        }
    }

    #[test]
    fn directory_of_somebody_else_at_the_same_path_gets_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("alex_kit");
        let kit = Written::make(&path).unwrap();
        let ours = parent.path().join("ours");
        fs::rename(kit.dir.path(), &ours).unwrap();
        fs::create_dir(kit.dir.path()).unwrap();
        private_file::create_in(&kit.handle, Path::new("secret")).unwrap();
        assert!(ours.join("secret").exists());
        assert_eq!(fs::read_dir(kit.dir.path()).unwrap().count(), 0);
        let error = kit.keep().unwrap_err().to_string();
        assert!(error.contains("somebody else"), "{error}");
    }
}
