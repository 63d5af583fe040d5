//! The credentials that calls are made with.

use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

use aws_config::profile::Profile;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use rustix::process::{Pid, Signal, kill_process};

use super::config::{Remedy, variable};
use super::proxy::proxy_of;

/// A provider whose first credentials were asked for already: the first call
/// gets these, since asking again may take on a role or bother a person once
/// more. Later calls get what the provider has then.
#[derive(Debug)]
pub(super) struct Preloaded {
    first: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
}

impl Preloaded {
    pub fn new(first: Credentials, provider: SharedCredentialsProvider) -> Self {
        Self { first: Mutex::new(Some(first)), provider }
    }
}

impl ProvideCredentials for Preloaded {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.take().map_or_else(
            || self.provider.provide_credentials(),
            |first| future::ProvideCredentials::ready(Ok(first)),
        )
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}

/// The programs that are started for credentials, as `credential_process` names one:
/// the SDK leaves them running when nobody waits for them any more.
pub(super) struct Helpers {
    /// What ran below this process before, which is nobody's to end here.
    others: Vec<u32>,
    are_done: bool,
}

impl Helpers {
    /// Waits for what they give, and ends them when the waiting is given up.
    pub async fn end_with<T>(given: impl Future<Output = T>) -> T {
        let mut helpers = Self { others: descendants(), are_done: false };
        let given = given.await;
        helpers.are_done = true;
        given
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        if self.are_done {
            return;
        }
        let now = descendants().into_iter();
        let helpers = now.filter(|pid| !self.others.contains(pid));
        for pid in helpers.filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
            // One that has ended by now needs no signal.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// The processes that this one started, and those that they did, where `/proc` tells
/// of them.
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
    let stat = fs::read_to_string(process.path().join("stat")).ok()?;
    // After the name, which may hold anything, come the state and the parent.
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    Some((pid, parent.parse().ok()?))
}

/// Why there are no credentials, in a line, and what helps.
pub(super) fn why_none(error: &CredentialsError) -> (String, Option<Remedy>) {
    let of_sessions = ["SSO", "/sso/", "Login token", "/login/cache/"];
    let is_about_sign_in = |cause: &String| of_sessions.iter().any(|it| cause.contains(it));
    let of_sign_in = super::error::chain(error).map(ToString::to_string).find(is_about_sign_in);
    let cause = super::error::innermost(error);
    let (cause, remedy) = match (of_sign_in, error) {
        (Some(cause), _) => (cause, Some(Remedy::SignIn)),
        // What is not about one profile lists all the places where there are none.
        (None, CredentialsError::CredentialsNotLoaded(_)) if !cause.starts_with("profile `") => {
            return ("no AWS credentials found".to_owned(), Some(Remedy::Configure));
        }
        _ => match proxy_of(error) {
            Some(proxy) => {
                (format!("can't connect through proxy {proxy}: {cause}"), Some(Remedy::CheckProxy))
            }
            None => (cause, None),
        },
    };
    (format!("can't load the AWS credentials: {cause}"), remedy)
}

/// The file with a token that credentials are given for, and why it can't be read,
/// if that is why there are none: the SDK doesn't say which file it is.
pub(super) fn unreadable_token_file(
    error: &CredentialsError,
    profile: Option<&Profile>,
) -> Option<String> {
    let cause = super::error::chain(error).last()?;
    cause.downcast_ref::<io::Error>()?;
    let of_profile = profile.and_then(|profile| profile.get("web_identity_token_file"));
    let files = [
        of_profile.map(str::to_owned),
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ];
    files.into_iter().flatten().find_map(|file| {
        let error = fs::read(&file).err()?;
        Some(format!("can't load the AWS credentials: can't read token file {file}: {error}"))
    })
}
