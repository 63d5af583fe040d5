//! Trying a new key: what it opens, and what it doesn't.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::aws::Aws;
use crate::bucket;
use crate::commands;
use crate::error::AwsError;
use crate::grant::{Access, Grant};
use crate::handover::Granted;
use crate::key_file::AccessKey;
use crate::listing::{self, Cursor, Depth};
use crate::made::random_id;
use crate::names::Target;
use crate::report::{Hinted, Interrupted, Leftover, Step, folder_url};

/// What is answered to those who may have an object that can't be had now.
const FOUND: [&str; 3] = ["NoSuchKey", "InvalidRange", "InvalidObjectState"];

/// How long AWS may take until it knows a key and its policy everywhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request with the new key.
struct Check {
    /// What it does, after "can" or "can't".
    what: String,
    request: Request,
    should_be_allowed: bool,
}

enum Request {
    List {
        prefix: Option<String>,
        delimiter: Option<&'static str>,
    },
    Get(String),
    /// Puts an object, which must not be readable with a key that only writes.
    Put(String),
    /// Deletes an object that isn't there.
    Delete(String),
}

/// Tries what the grant opens and what it must not, each by a request with the
/// key itself, waiting up to 60 s until AWS knows the key and its policy.
///
/// Fails on the first thing that is not as it should be: something allowed
/// that the policy refuses is a store that doesn't enforce policies. Objects
/// that this puts are deleted again with the admin's own key.
///
/// What could not be deleted again is added to `left`.
pub(crate) async fn verify(
    user: &Granted<'_>,
    grant: &Grant,
    key: &AccessKey,
    cancel: &CancellationToken,
    on_step: &dyn Fn(&Step),
    left: &mut Vec<Leftover>,
) -> Result<()> {
    let Granted { aws, target, .. } = *user;
    let foreign = bucket::first_key_outside(aws, &target.bucket, target.prefix().as_str()).await?;
    let own = listing::page(aws, target, Depth::Objects, &Cursor::start(), 1).await?;
    let own = own
        .entries
        .first()
        .map(|entry| entry.key.as_str().to_owned());
    let nothing = |where_| Step::Verify(format!("there is no object {where_} to try"));
    if foreign.is_none() {
        on_step(&nothing("of another folder"));
    }
    if own.is_none() && grant.access.reads() {
        on_step(&nothing("of its own"));
    }
    let mut verifying = Verifying {
        aws,
        with_key: aws.with_key(key),
        target,
        grant,
        deadline: Instant::now() + PATIENCE,
        cancel,
        left,
    };
    for check in checks(target, grant, own, foreign) {
        verifying.settle(&check).await?;
        let can = if check.should_be_allowed {
            "can"
        } else {
            "can't"
        };
        on_step(&Step::Verify(format!("{can} {}", check.what)));
    }
    Ok(())
}

fn checks(
    target: &Target,
    grant: &Grant,
    own: Option<String>,
    foreign: Option<String>,
) -> Vec<Check> {
    let (folder, prefix) = (folder_url(target), target.prefix().to_string());
    // A name that begins alike is what a careless policy opens too.
    let neighbour = format!("{}-s3-user-verify/", target.user);
    let probe = |to: &str| format!("{to}s3-user-verify-{}", random_id());
    let check = |what: &str, request, should_be_allowed| Check {
        what: what.to_owned(),
        request,
        should_be_allowed,
    };
    let list = |what: &str, prefix: Option<&str>, delimiter, should_be_allowed| {
        let prefix = prefix.map(str::to_owned);
        check(what, Request::List { prefix, delimiter }, should_be_allowed)
    };
    let (reads, writes) = (grant.access.reads(), grant.access.writes());
    let deletes = grant.access == Access::ReadWrite;
    let name = target.user.as_str();
    let put = |what: &str, to: &str, allowed| check(what, Request::Put(probe(to)), allowed);
    let delete = |what: &str, to: &str, allowed| check(what, Request::Delete(probe(to)), allowed);
    let mut checks = vec![
        list(&format!("list {folder}"), Some(&prefix), None, reads),
        list(
            "list the bucket's top level",
            Some(""),
            Some("/"),
            grant.browse_root,
        ),
        list("list the whole bucket", Some(""), None, false),
        list("list the bucket without a prefix", None, None, false),
        list(
            "list all that begins with the user's name",
            Some(name),
            None,
            false,
        ),
        list("list another folder", Some(&neighbour), None, false),
        put(&format!("upload to {folder}"), &prefix, writes),
        put("upload to another folder", &neighbour, false),
        delete(&format!("delete from {folder}"), &prefix, deletes),
        delete("delete from another folder", &neighbour, false),
    ];
    let download = own.map(|key| check("download an object of its own", Request::Get(key), reads));
    let other = "download an object of another folder";
    let foreign = foreign.map(|key| check(other, Request::Get(key), false));
    checks.extend(download.into_iter().chain(foreign));
    // What must work shows that the key is known, so that a refusal means something.
    checks.sort_by_key(|check| !check.should_be_allowed);
    checks
}

struct Verifying<'a> {
    aws: &'a Aws,
    /// The clients with the new key.
    with_key: Aws,
    target: &'a Target,
    grant: &'a Grant,
    deadline: Instant,
    cancel: &'a CancellationToken,
    left: &'a mut Vec<Leftover>,
}

impl Verifying<'_> {
    /// Repeats a request until its outcome is as it should be, or stays wrong.
    async fn settle(&mut self, check: &Check) -> Result<()> {
        let mut pause = Duration::from_millis(500);
        loop {
            Interrupted::check(self.cancel)?;
            let refusal = match self.refusal(&check.request).await? {
                None if check.should_be_allowed => return Ok(()),
                None => return Err(too_much(&check.what)),
                Some(error) if is_refusal(&error) && !check.should_be_allowed => return Ok(()),
                Some(error) => error,
            };
            if Instant::now() + pause > self.deadline {
                return Err(self.too_little(check, &refusal));
            }
            self.cancel.run_until_cancelled(sleep(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn too_little(&self, check: &Check, refusal: &AwsError) -> anyhow::Error {
        let message = format!(
            "verify: the new key can't {}: {}",
            check.what,
            refusal.answer()
        );
        match !self.grant.source_ips.is_empty() {
            true => {
                let hint = "a key limited by --source-ip can be verified only from such an address";
                Hinted {
                    message,
                    hint: hint.to_owned(),
                }
                .into()
            }
            false => anyhow!(message),
        }
    }

    /// Sends a request with the new key. None if it was allowed; the error if
    /// it was refused, or the key isn't known yet.
    async fn refusal(&mut self, request: &Request) -> Result<Option<AwsError>> {
        let (aws, bucket) = (&self.with_key, &self.target.bucket);
        let answer = match request {
            Request::List { prefix, delimiter } => {
                let list = aws.s3.list_objects_v2().bucket(bucket.as_str()).max_keys(1);
                let list = list.set_prefix(prefix.clone());
                let list = list.set_delimiter(delimiter.map(str::to_owned));
                aws.call("ListObjectsV2", list.send()).await.map(drop)
            }
            Request::Get(key) => {
                let get = aws.s3.get_object().bucket(bucket.as_str()).key(key);
                let get = get.range("bytes=0-0").send();
                aws.call("GetObject", get).await.map(drop)
            }
            Request::Put(key) => self.put(key).await?,
            Request::Delete(key) => self.delete(key).await?,
        };
        match answer {
            Ok(()) => Ok(None),
            Err(error) if FOUND.iter().any(|code| error.is(code)) => Ok(None),
            Err(error) if is_refusal(&error) || error.is("InvalidAccessKeyId") => Ok(Some(error)),
            Err(error) => Err(error).context("verify"),
        }
    }

    /// Puts an object with the new key, and deletes it again with the admin's.
    async fn put(&mut self, key: &str) -> Result<Result<(), AwsError>> {
        let (with_key, bucket) = (&self.with_key, &self.target.bucket);
        let put = bucket::put_empty(with_key, bucket, key).await;
        let is_read = match put.answer.is_ok() && !self.grant.access.reads() {
            true => {
                let get = with_key.s3.get_object().bucket(bucket.as_str()).key(key);
                with_key.call("GetObject", get.send()).await.is_ok()
            }
            false => false,
        };
        let undone = put.undo(self.aws, bucket, key).await;
        self.note(key, undone)?;
        match is_read {
            true => Err(too_much("download what it uploaded")),
            false => Ok(put.answer),
        }
    }

    /// Deletes an object that isn't there, and the marker that this may leave.
    async fn delete(&mut self, key: &str) -> Result<Result<(), AwsError>> {
        let (with_key, bucket) = (&self.with_key, &self.target.bucket);
        let delete = with_key.s3.delete_object().bucket(bucket.as_str()).key(key);
        let answer = with_key.call("DeleteObject", delete.send()).await;
        if let Ok(Some(marker)) = answer.as_ref().map(|answer| answer.version_id.clone()) {
            let undone = bucket::delete_object(self.aws, bucket, key, Some(marker)).await;
            self.note(key, undone)?;
        }
        Ok(answer.map(drop))
    }

    /// Notes that an object could not be deleted.
    fn note(&mut self, key: &str, deleted: Result<(), AwsError>) -> Result<()> {
        let bucket = &self.target.bucket;
        if deleted.is_err() {
            self.left.push(Leftover {
                what: format!("object s3://{bucket}/{key}"),
                remove_with: commands::delete_object(
                    &format!("s3://{bucket}/{key}"),
                    &self.aws.options,
                ),
            });
        }
        deleted.context("verify")
    }
}

fn too_much(what: &str) -> anyhow::Error {
    anyhow!(
        "verify: the new key can {what}, which its policy does not allow: either this store does not \
         enforce policies, or something else allows it"
    )
}

/// Whether a request was refused for what it asks for, and not for who asks or
/// how: stores have codes of their own for that.
fn is_refusal(error: &AwsError) -> bool {
    let others = [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidObjectState",
    ];
    error.is_forbidden() && !others.iter().any(|code| error.is(code))
}
