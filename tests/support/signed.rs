//! Requests put together header by header, as clients without the AWS SDK
//! send them.

use std::time::SystemTime;

use aws_sdk_s3::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How requests are signed.
pub struct Signed<'a> {
    pub key: &'a (String, String),
    pub service: &'static str,
    /// Whether the signature leaves out the body.
    pub unsigned_payload: bool,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// AWS's code for what went wrong; empty where there is none, as for HEAD.
    pub fn code(&self) -> &str {
        let code = self.text.split("<Code>").nth(1);
        code.and_then(|rest| rest.split("</Code>").next()).unwrap_or_default()
    }
}

impl Signed<'_> {
    pub async fn send(&self, mut request: Request<Full<Bytes>>, body: &Bytes) -> Answer {
        self.sign(&mut request, body);
        let http = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    fn sign(&self, request: &mut Request<Full<Bytes>>, body: &Bytes) {
        let (id, secret) = self.key;
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = Credentials::new(id, secret, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings);
        let body = if self.unsigned_payload {
            SignableBody::UnsignedPayload
        } else {
            SignableBody::Bytes(body)
        };
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let (method, uri) = (request.method().as_str(), request.uri().to_string());
        let signable = SignableRequest::new(method, uri, headers, body).unwrap();
        let signed = sign(signable, &params.build().unwrap().into()).unwrap();
        signed.into_parts().0.apply_to_request_http1x(request);
    }
}
