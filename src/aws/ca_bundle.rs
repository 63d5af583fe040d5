//! The certificate authorities that are trusted: the system's, or those in a
//! file of one's own, as behind a proxy that inspects TLS.

use std::fs;

use aws_config::profile::Profile;
use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::config::{LoadError, variable};

/// The lines around each certificate in a PEM file.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The authorities in the file that a setting names: as with the AWS CLI, these alone.
/// Without such a setting, those of the system.
pub(super) fn trust_store(profile: Option<&Profile>) -> Result<TrustStore, LoadError> {
    let Some((setting, file)) = setting_and_file(profile) else {
        return Ok(TrustStore::default());
    };
    let pem = fs::read(&file)
        .map_err(|error| LoadError::setting(&setting, format!("can't read {file}: {error}")))?;
    authorities(&String::from_utf8_lossy(&pem))
        .ok_or_else(|| LoadError::setting(setting, format!("{file} holds no certificate as PEM")))
}

/// Returns `AWS_CA_BUNDLE`, or else `ca_bundle` of the profile, and the file it names.
fn setting_and_file(profile: Option<&Profile>) -> Option<(String, String)> {
    if let Some(file) = variable("AWS_CA_BUNDLE") {
        return Some(("AWS_CA_BUNDLE".to_owned(), file));
    }
    let file = profile?.get("ca_bundle").filter(|path| !path.is_empty())?;
    Some((format!("ca_bundle of profile {}", profile?.name()), file.to_owned()))
}

/// The authorities in a file, if it has any. What the HTTP client could not use
/// is left out: it would panic.
fn authorities(pem: &str) -> Option<TrustStore> {
    let mut usable = RootCertStore::empty();
    let mut store = TrustStore::empty();
    for part in pem.split(BEGIN).skip(1) {
        let body = part.split(END).next().unwrap_or_default();
        let one = format!("{BEGIN}{body}{END}\n");
        let read = CertificateDer::from_pem_slice(one.as_bytes());
        if read.is_ok_and(|certificate| usable.add(certificate).is_ok()) {
            store.add_pem_certificate(one);
        }
    }
    (!usable.is_empty()).then_some(store)
}
