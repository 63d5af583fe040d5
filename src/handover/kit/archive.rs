//! The kit as one file to send.

use std::io::{Cursor, Write};

use anyhow::Result;
use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::settings::NamedFile;

/// A zip archive that holds the files in a directory of this name.
pub(super) fn zipped(directory: &str, files: &[NamedFile]) -> Result<Zeroizing<Vec<u8>>> {
    // Room for everything, so that no copy of the secret stays behind where it grew.
    let size: usize = files.iter().map(|(_, content)| content.len() + 1024).sum();
    let mut archive = Zeroizing::new(Vec::with_capacity(size + 1024));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o600);
    let mut zip = ZipWriter::new(Cursor::new(&mut *archive));
    for (name, content) in files {
        zip.start_file(format!("{directory}/{name}"), options)?;
        zip.write_all(content.as_bytes())?;
    }
    zip.finish()?;
    Ok(archive)
}
