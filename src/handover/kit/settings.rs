//! Every file of the kit, made from templates: to add one, such as a text to send along or
//! the settings of another client, add it to `files`.

use anyhow::{Context, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use crate::access::{AccessKey, Grant, Target, s3_host};

/// The settings that the files of a kit give to the person's client.
#[derive(Clone, Copy)]
pub(crate) struct ClientSettings<'a> {
    pub key: &'a AccessKey,
    pub target: &'a Target,
    pub grant: &'a Grant,
    /// The bucket's region.
    pub region: &'a str,
    /// The S3 endpoint, where it is not AWS's own.
    pub endpoint: Option<&'a str>,
}

pub(super) type NamedFile = (String, Zeroizing<String>);

impl ClientSettings<'_> {
    /// Every file of the kit, by its name. `contact` is somebody the person can ask.
    pub(super) fn files(&self, contact: Option<&str>) -> Result<Vec<NamedFile>> {
        let mut files = vec![
            ("README.txt".to_owned(), self.readme(contact).into()),
            ("aws-config".to_owned(), self.aws_config().into()),
            ("aws-credentials".to_owned(), self.aws_credentials()),
            ("rclone.conf".to_owned(), self.rclone_conf()),
        ];
        // Cyberduck and WinSCP list the folder, whatever one wants to do there.
        if self.grant.access.rights().list {
            files.push((self.bookmark_name(), self.cyberduck_bookmark()?.into()));
            files.push(("cyberduck-secret.txt".to_owned(), self.filled_in("{secret}\r\n", "")));
            files.push(("winscp-url.txt".to_owned(), self.winscp_url()?));
        }
        Ok(files)
    }

    pub(super) fn bookmark_name(&self) -> String {
        format!("{}.duck", file_stem(self.target.user.as_str()))
    }

    /// The user's name as that of a remote: before version 1.62, rclone took no others
    /// than these characters, and not `-` at the end.
    pub(super) fn remote(&self) -> String {
        let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        self.profile().replace(|c| !is_taken(c), "_")
    }

    /// The user's name as a profile: the AWS SDKs take no `=` and `,` there, and `default`
    /// would take the place of the person's own.
    pub(super) fn profile(&self) -> String {
        let name = self.target.user.as_str().replace(['=', ','], "_");
        if name.eq_ignore_ascii_case("default") || name.ends_with('-') { name + "_" } else { name }
    }

    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.target.bucket, self.target.prefix())
    }

    fn aws_config(&self) -> String {
        let mut config = format!("[profile {}]\nregion = {}\n", self.profile(), self.region);
        if let Some(url) = self.endpoint {
            config += &format!("endpoint_url = {url}\n");
            // Not every store knows the checksums that newer clients add.
            config += "request_checksum_calculation = when_required\n";
            config += "response_checksum_validation = when_required\n";
            config += "s3 =\n    addressing_style = path\n";
        }
        config
    }

    fn aws_credentials(&self) -> Zeroizing<String> {
        self.filled_in(include_str!("templates/aws-credentials"), "")
    }

    fn rclone_conf(&self) -> Zeroizing<String> {
        let store = match self.endpoint {
            None => "provider = AWS".to_owned(),
            Some(url) => format!("provider = Other\nendpoint = {url}\nforce_path_style = true"),
        };
        let mut conf = self.filled_in(include_str!("templates/rclone.conf"), &store);
        // Without the right to download, rclone can't look at what it uploaded, and at what
        // may be there already. Where it can, it must: it takes a file that it wasn't to look
        // at for a folder, and downloads nothing.
        if !self.grant.access.rights().get {
            conf.push_str("no_head = true\nno_head_object = true\n");
        }
        conf
    }

    /// A template with the key's settings. The secret is put in last, into room
    /// that is enough, so that no copy of it stays behind.
    fn filled_in(&self, template: &str, store: &str) -> Zeroizing<String> {
        let text = template
            .replace("{profile}", &self.profile())
            .replace("{remote}", &self.remote())
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

    /// Notes for the admin on clients that can't be given this endpoint, a line each.
    pub fn notes(&self) -> Result<Vec<String>> {
        let Some(url) = self.endpoint else { return Ok(Vec::new()) };
        let parsed = parsed(url)?;
        let mut notes = Vec::new();
        if parsed.path() != "/" {
            notes.push(format!(
                "Cyberduck and WinSCP can't be used with this kit: they take no endpoint with a \
                 path, such as {}",
                parsed.path()
            ));
        } else if parsed.scheme() == "http" {
            notes.push(
                "Cyberduck needs its connection profile \"S3 (HTTP)\" to open the kit's bookmark, \
                 since the endpoint is not https"
                    .to_owned(),
            );
        }
        Ok(notes)
    }

    /// Host and port of the store. An address of AWS names the region, since the one without
    /// refuses keys in the regions that an account has to opt in to.
    fn host(&self) -> Result<(String, u16)> {
        let Some(url) = self.endpoint else { return Ok((s3_host(self.region), 443)) };
        let parsed = parsed(url)?;
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
            custom: self
                .endpoint
                .map(|_| HiddenSettings { no_bucket_in_host: "true", checksums: "false" }),
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
        let password = Zeroizing::new(percent_encoded(self.key.secret()));
        let parts: Vec<_> = self.target.prefix().as_str().split('/').map(percent_encoded).collect();
        let is_plain = self.endpoint.is_some_and(|url| url.starts_with("http:"));
        let scheme = if is_plain { "s3plain" } else { "s3" };
        let url = format!(
            "{scheme}://{}:{}{style}@{host}{port}/{}/{}\r\n",
            self.key.id(),
            *password,
            self.target.bucket,
            parts.join("/")
        );
        Ok(url.into())
    }
}

fn parsed(endpoint: &str) -> Result<Url> {
    Url::parse(endpoint).with_context(|| format!("can't read the endpoint {endpoint}"))
}

/// The name of a user as that of a file: Windows has [no files][reserved] of the
/// names of devices, whatever comes after a period.
///
/// [reserved]: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
pub(super) fn file_stem(name: &str) -> String {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_device = ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit());
    if is_device { format!("_{name}") } else { name.to_owned() }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<HiddenSettings>,
}

/// Cyberduck's [hidden settings][hidden] for a store that isn't AWS: no bucket
/// in the host name, and no checksums of newer SDKs.
///
/// [hidden]: https://docs.cyberduck.io/cyberduck/preferences/
#[derive(Serialize)]
struct HiddenSettings {
    #[serde(rename = "s3.bucket.virtualhost.disable")]
    no_bucket_in_host: &'static str,
    #[serde(rename = "s3.upload.checksum.header")]
    checksums: &'static str,
}

fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_send_fewer_checksums_to_other_stores_alone() {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE".to_owned(), "secret".to_owned());
        let target = Target::new("shared".parse().unwrap(), "alex".parse().unwrap());
        for endpoint in [None, Some("https://s3.example.com")] {
            let settings = ClientSettings {
                key: &key,
                target: &target,
                grant: &Grant::default(),
                region: "eu-central-1",
                endpoint,
            };
            let config = settings.aws_config();
            let required = config.matches(" = when_required\n").count();
            assert_eq!(required, endpoint.map_or(0, |_| 2), "{config}");
            let bookmark = settings.cyberduck_bookmark().unwrap();
            let for_other_stores = "<key>s3.bucket.virtualhost.disable</key>";
            assert_eq!(bookmark.contains(for_other_stores), endpoint.is_some());
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
}
