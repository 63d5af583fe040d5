//! A server that speaks TLS, in front of the local AWS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::LocalAws;

/// The certificate of the authority that vouches for the server.
pub const AUTHORITY: &str = include_str!("tls/ca.pem");

const SIGNED: &[u8] = include_bytes!("tls/server.pem");

/// What `openssl req -x509` makes: a certificate authority's own.
pub const SELF_SIGNED: &[u8] = include_bytes!("tls/self_signed.pem");

/// Starts the server, and returns its URL.
pub async fn start_tls(aws: &LocalAws) -> String {
    start_tls_with(aws, SIGNED).await
}

/// The same with another certificate of its key.
pub async fn start_tls_with(aws: &LocalAws, certificate: &[u8]) -> String {
    let certificate = CertificateDer::from_pem_slice(certificate);
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server_key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let behind = aws.url.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // A client that doesn't trust the certificate hangs up.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    url
}
