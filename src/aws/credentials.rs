//! The credentials that calls are made with: asked for once when the clients are made,
//! and why there are none.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::profile::Profile;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::presigning::PresigningConfig;
use url::Url;

use super::config::variable;
use super::error::{AwsError, causes, innermost};
use super::hint::{CHECK_PROXY, SIGN_IN};
use super::proxy::proxy_of;
use crate::commands;
use crate::errors::Hint;
use crate::os;

/// The call that an error names where there are no credentials for any.
const ANY_CALL: &str = "GetCallerIdentity";

/// The access key that calls are made with at first.
#[derive(Debug, Clone)]
pub(super) struct AdminKey {
    pub id: String,
    /// True if it is one of a session, which ends.
    pub is_session: bool,
}

impl AdminKey {
    /// Has the SDK ask for credentials and keep them for the calls to come: asking again
    /// may take on a role, or bother a person, once more.
    ///
    /// The SDK does so to sign a request. This one is never sent.
    pub async fn load(config: &SdkConfig) -> Result<Self, AwsError> {
        let mut s3 = aws_sdk_s3::config::Builder::from(config);
        // Whoever gives up waiting says so in words of its own, which this client hasn't.
        if let Some(timeouts) = config.timeout_config()
            && let Some(attempt) = timeouts.operation_attempt_timeout()
        {
            let longer = timeouts.clone().into_builder().operation_attempt_timeout(2 * attempt);
            s3.set_timeout_config(Some(longer.build()));
        }
        let client = aws_sdk_s3::Client::from_conf(s3.build());
        let get = client.get_object().bucket("none").key("none");
        let minute = PresigningConfig::expires_in(Duration::from_secs(60));
        let signed = get
            .presigned(minute.expect("it is less than a week"))
            .await
            .map_err(|error| AwsError::new(ANY_CALL, &Arc::default(), &error, 0))?;
        let mut key = Self { id: String::new(), is_session: false };
        for (name, value) in Url::parse(signed.uri()).iter().flat_map(Url::query_pairs) {
            match name.as_ref() {
                "X-Amz-Credential" => key.id = value.split('/').next().unwrap_or("").to_owned(),
                "X-Amz-Security-Token" => key.is_session = true,
                _ => {}
            }
        }
        Ok(key)
    }
}

const CONFIGURE: &str = "name a profile with --profile or AWS_PROFILE, or set AWS_ACCESS_KEY_ID and \
                         AWS_SECRET_ACCESS_KEY";

/// Returns why there are no credentials, in a line, and what helps.
pub(super) fn no_credentials(error: &CredentialsError) -> (String, Option<&'static str>) {
    const ABOUT_SIGN_IN: [&str; 4] = ["SSO", "/sso/", "Login token", "/login/cache/"];
    let sign_in = causes(error)
        .map(ToString::to_string)
        .find(|cause| ABOUT_SIGN_IN.iter().any(|words| cause.replace('\\', "/").contains(words)));
    let last = innermost(error);
    let (why, hint) = if let Some(cause) = sign_in {
        (cause, Some(SIGN_IN))
    } else if matches!(error, CredentialsError::CredentialsNotLoaded(_))
        && !last.starts_with("profile `")
    {
        // What is not about one profile lists all the places where there are none.
        return ("no AWS credentials found".to_owned(), Some(CONFIGURE));
    } else if let Some(proxy) = proxy_of(error) {
        (format!("can't connect through proxy {proxy}: {last}"), Some(CHECK_PROXY))
    } else {
        (last, None)
    };
    (format!("can't load the AWS credentials: {why}"), hint)
}

/// The error that none came in time.
pub(super) fn none_in_time() -> AwsError {
    let message = "can't load the AWS credentials: none in time";
    let hint = Hint::new("to wait longer for them, use --timeout");
    AwsError::no_credentials(ANY_CALL, message).or_hint(Some(hint))
}

/// The hint for a profile that asks for an MFA code, which the SDK doesn't.
pub(super) fn export_credentials() -> Hint {
    let words = "the profile asks for an MFA code, for which the AWS CLI can ask you; then run the same \
                 command without --profile";
    Hint::run(words, commands::export_credentials())
}

/// Names the file with a token that credentials are given for, if that can't be read
/// and so there are none: the SDK doesn't say which file it is.
pub(super) fn name_token_file(error: AwsError, profile: Option<&Profile>) -> AwsError {
    let files = [
        profile.and_then(|profile| profile.get("web_identity_token_file")).map(str::to_owned),
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ];
    for file in files.into_iter().flatten() {
        if let Err(why) = fs::read(&file)
            && error.message().ends_with(&why.to_string())
        {
            let message =
                format!("can't load the AWS credentials: can't read token file {file}: {why}");
            return error.with_message(message);
        }
    }
    error
}

/// The programs that are started for credentials, as `credential_process` names one:
/// the SDK leaves them running when nobody waits for them any more.
pub(super) struct Helpers {
    /// The processes that ran below this one before, which are not ours to end.
    others: Vec<u32>,
    are_done: bool,
}

impl Helpers {
    /// Waits for credentials, and ends what was started for them if the waiting is given
    /// up.
    pub async fn end_with<T>(loading: impl Future<Output = T>) -> T {
        let mut helpers = Self { others: descendants(), are_done: false };
        let loaded = loading.await;
        helpers.are_done = true;
        loaded
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        if self.are_done {
            return;
        }
        for pid in descendants() {
            if !self.others.contains(&pid) {
                os::end(pid);
            }
        }
    }
}

/// Returns the processes that this one started, and those that they did, where `/proc`
/// shows them.
fn descendants() -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<_> = processes.filter_map(pid_and_parent).collect();
    let mut family = vec![std::process::id()];
    let mut next = 0;
    while next < family.len() {
        let parent = family[next];
        let children = parents.iter().filter(|(_, its)| *its == parent);
        family.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    family.split_off(1)
}

fn pid_and_parent(process: fs::DirEntry) -> Option<(u32, u32)> {
    let pid = process.file_name().to_str()?.parse().ok()?;
    let status = fs::read_to_string(process.path().join("stat")).ok()?;
    // After the name, which may hold anything, come the state and the parent.
    let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    Some((pid, parent.parse().ok()?))
}
