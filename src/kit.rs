//! Settings files for the person's client, beside the key file.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use crate::grant::{Access, Grant};
use crate::key_file::{self, AccessKey};
use crate::names::{Target, UserName};
use crate::policy;

/// Where the kit of a user is written in a directory: `USER_kit`, and from the
/// second on `USER_kit.N`.
pub(crate) fn kit_path(dir: &Path, user: &UserName, number: u32) -> PathBuf {
    let name = match number {
        1 => format!("{user}_kit"),
        number => format!("{user}_kit.{number}"),
    };
    key_file::in_directory(dir, name)
}

/// Fails if something other than an empty directory, as a killed run leaves
/// it, is at `path`.
pub(crate) fn check_free(path: &Path) -> Result<()> {
    let is_free = match fs::read_dir(path) {
        Ok(entries) => entries.count() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    ensure!(
        is_free && !path.is_symlink(),
        "{} is there already, and is never overwritten",
        path.display()
    );
    Ok(())
}

/// A kit's directory, made before the key exists; removed again with all that
/// was written into it when dropped, unless kept.
#[derive(Debug)]
pub(crate) struct ReservedKit {
    path: PathBuf,
    files: Vec<PathBuf>,
    kept: bool,
}

impl ReservedKit {
    /// Makes the directory with mode 0700, in place of an empty one.
    pub fn reserve(path: &Path) -> Result<Self> {
        check_free(path)?;
        // If it's there, it's empty and may be somebody else's.
        let _ = fs::remove_dir(path);
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
            .with_context(|| format!("can't create {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            files: Vec::new(),
            kept: false,
        })
    }

    /// Writes the files with mode 0600, and returns once they are on disk.
    pub fn write(&mut self, settings: &Settings<'_>) -> Result<()> {
        for (name, content) in settings.files()? {
            let path = self.path.join(name);
            let failed = || format!("can't write {}", path.display());
            let file = create_private(&path).with_context(failed)?;
            self.files.push(path.clone());
            write_all(file, content.as_bytes()).with_context(failed)?;
        }
        File::open(&self.path)
            .and_then(|dir| dir.sync_all())
            .with_context(|| format!("can't write {}", self.path.display()))
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for ReservedKit {
    fn drop(&mut self) {
        if !self.kept {
            for file in &self.files {
                let _ = fs::remove_file(file);
            }
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn write_all(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
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
            let bookmark = format!("{}.duck", self.target.user);
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
        match name == "default" || name.ends_with('-') {
            true => name + "_",
            false => name,
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
        format!(
            "[{}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            self.profile(),
            self.key.id(),
            self.key.secret(),
        )
        .into()
    }

    fn rclone_conf(&self) -> Zeroizing<String> {
        let store = match self.endpoint {
            None => "provider = AWS\n".to_owned(),
            Some(url) => format!("provider = Other\nendpoint = {url}\nforce_path_style = true\n"),
        };
        // Without the permission to read there is nothing to look at after an upload.
        let no_head = match self.grant.access.reads() {
            true => "",
            false => "no_head = true\n",
        };
        format!(
            "[{}]\ntype = s3\n{store}access_key_id = {}\nsecret_access_key = {}\nregion = {}\n\
             no_check_bucket = true\nno_head_object = true\n{no_head}",
            self.profile(),
            self.key.id(),
            self.key.secret(),
            self.region,
        )
        .into()
    }

    /// Host and port of the store.
    fn host(&self) -> Result<(String, u16)> {
        let Some(url) = self.endpoint else {
            let host = match policy::partition_of_region(self.region) {
                "aws" => "s3.amazonaws.com".to_owned(),
                _ => policy::s3_host(self.region),
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
        let (folder, profile) = (self.folder(), self.profile());
        let until = match self.grant.expires.map(|expiry| (expiry, expiry.last_day())) {
            Some((_, Some(day))) => format!("It works to the end of {day} (UTC)."),
            Some((expiry, None)) => format!("It works until {expiry} (UTC)."),
            None => "It works until it is taken back.".to_owned(),
        };
        let start = match self.grant.browse_root {
            true => {
                "\
It opens this folder and nothing else. You may start in the folder itself, or at the bucket, where
you see the names of other folders, which do not open. A program that lists all buckets first is
refused (\"Access Denied\")."
            }
            false => {
                "\
It opens this folder and nothing else. Always start in the folder itself: a program that starts
higher up, or lists all buckets first, is refused (\"Access Denied\")."
            }
        };
        let from = match self.grant.source_ips.is_empty() {
            true => "",
            false => "\nIt works only from the network that was agreed on.",
        };
        let clients = match self.grant.access {
            Access::Write => uploading(&folder, &profile),
            Access::Read => browsing(&folder, &profile),
            Access::ReadWrite => browsing(&folder, &profile) + &sending(&folder, &profile),
        };
        format!(
            "\
Your folder in the Amazon S3 bucket {bucket}

The key in these files lets you {verbs} your folder:

    s3://{folder}

{until}{from}
{start}

{clients}
Keep these files to yourself: whoever has them can do what you can. If they get lost or into wrong
hands, or if something here does not work, tell the person who sent them to you, who can replace
them.
",
            bucket = self.target.bucket,
            verbs = self.grant.access.verbs(),
        )
    }
}

fn browsing(folder: &str, profile: &str) -> String {
    format!(
        "\
You need a program that opens it. If you have none, take WinSCP on Windows (winscp.net) or Cyberduck
on a Mac (cyberduck.io). The other two are for people who use a command line.

With WinSCP (Windows, 5.14.2 or later):
    open winscp-url.txt in an editor and copy its one line,
    start WinSCP, paste the line into the field \"Host name\", and press Login.

With Cyberduck (Windows, macOS):
    double-click the file that ends in .duck. When asked for the Secret Access Key, paste the
    text after \"aws_secret_access_key = \" in the file aws-credentials.

With rclone, in this directory:
    rclone --config rclone.conf ls {profile}:{folder}
    rclone --config rclone.conf copy {profile}:{folder} my-files

With the AWS CLI, in this directory (in PowerShell: $env:NAME = 'value' in place of export):
    export AWS_CONFIG_FILE=aws-config AWS_SHARED_CREDENTIALS_FILE=aws-credentials
    aws --profile {profile} s3 sync s3://{folder} my-files
"
    )
}

fn sending(folder: &str, profile: &str) -> String {
    format!(
        "
To upload, drag files into the folder in WinSCP or Cyberduck, or:
    rclone --config rclone.conf copy report.pdf {profile}:{folder}
    aws --profile {profile} s3 cp report.pdf s3://{folder}
"
    )
}

fn uploading(folder: &str, profile: &str) -> String {
    format!(
        "\
You can't see what is in the folder. WinSCP and Cyberduck want to, so they can't be used here.

With rclone, in this directory:
    rclone --config rclone.conf copyto --no-check-dest report.pdf {profile}:{folder}report.pdf

With the AWS CLI, in this directory (in PowerShell: $env:NAME = 'value' in place of export):
    export AWS_CONFIG_FILE=aws-config AWS_SHARED_CREDENTIALS_FILE=aws-credentials
    aws --profile {profile} s3 cp report.pdf s3://{folder}
"
    )
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
