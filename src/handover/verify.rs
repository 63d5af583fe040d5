//! Testing a new key with real requests: what it can do, and what it can't.

use anyhow::{Context, Result, anyhow};

use crate::access::{Access, AccessKey, Grant, Target};
use crate::aws::{AwsError, Made, Patience, Run};
use crate::errors::{Hint, Hinted};
use crate::s3::object::{delete_object, put_empty};
use crate::s3::{bucket, listing};
use crate::step::Step;

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

/// Tries what the grant allows and what it must not, each by a request with the
/// key itself, waiting up to 60 s in all until AWS knows the key and its policy.
///
/// Fails on the first thing that is not as it should be: something allowed
/// that the policy refuses is a store that doesn't enforce policies. Objects
/// that this puts are deleted again with the admin's own key; what could not
/// be deleted is added to `left`.
pub(crate) async fn verify(
    run: &Run,
    grant: &Grant,
    key: &AccessKey,
    left: &mut Vec<Step>,
) -> Result<()> {
    let foreign = bucket::first_key_outside(run).await?;
    let own = listing::first_object(run).await?;
    let own = own.map(|key| key.as_str().to_owned());
    let nothing = |where_| Step::Verify(format!("there is no object {where_} to try"));
    if foreign.is_none() {
        run.done(&nothing("of another folder"));
    }
    if own.is_none() && grant.access.reads() {
        run.done(&nothing("of its own"));
    }
    let mut verifying = Verifying {
        run,
        with_key: run.with_aws(run.aws.with_key(key)),
        grant,
        patience: Patience::VERIFY,
        left,
    };
    for check in checks(&run.target, grant, own, foreign) {
        verifying.settle(&check).await?;
        let can = if check.should_be_allowed {
            "can"
        } else {
            "can't"
        };
        run.done(&Step::Verify(format!("{can} {}", check.what)));
    }
    Ok(())
}

fn checks(
    target: &Target,
    grant: &Grant,
    own: Option<String>,
    foreign: Option<String>,
) -> Vec<Check> {
    let (folder, prefix) = (target.folder_url(), target.prefix().to_string());
    // A name that begins alike is what a careless policy opens too.
    let neighbour = format!("{}-s3-user-verify/", target.user);
    let probe = |to: &str| format!("{to}s3-user-verify-{:016x}", fastrand::u64(..));
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
    run: &'a Run,
    /// The same with the new key.
    with_key: Run,
    grant: &'a Grant,
    /// How long to wait, for all checks together.
    patience: Patience,
    left: &'a mut Vec<Step>,
}

impl Verifying<'_> {
    /// Repeats a request until its outcome is as it should be, or stays wrong.
    async fn settle(&mut self, check: &Check) -> Result<()> {
        loop {
            self.run.go_on()?;
            let refusal = match self.refusal(&check.request).await? {
                None if check.should_be_allowed => return Ok(()),
                None => return Err(too_much(&check.what)),
                Some(error) if error.is_refusal() && !check.should_be_allowed => return Ok(()),
                Some(error) => error,
            };
            if !self.patience.wait(&self.run.cancel).await {
                self.run.go_on()?;
                return Err(self.too_little(check, &refusal));
            }
        }
    }

    fn too_little(&self, check: &Check, refusal: &AwsError) -> anyhow::Error {
        let message = format!(
            "verify: the new key can't {}: {}",
            check.what,
            refusal.answer()
        );
        if self.grant.source_ips.is_empty() {
            return anyhow!(message);
        }
        let hint = Hint::VerifyFromAllowedAddress;
        Hinted { message, hint }.into()
    }

    /// Sends a request with the new key. None if it was allowed; the error if
    /// it was refused, or the key isn't known yet.
    async fn refusal(&mut self, request: &Request) -> Result<Option<AwsError>> {
        let (aws, bucket) = (&self.with_key.aws, self.run.bucket());
        let answer = match request {
            Request::List { prefix, delimiter } => {
                let list = aws.s3.list_objects_v2().bucket(bucket).max_keys(1);
                let list = list.set_prefix(prefix.clone());
                let list = list.set_delimiter(delimiter.map(str::to_owned));
                aws.call("ListObjectsV2", list.send()).await.map(drop)
            }
            Request::Get(key) => {
                let get = aws.s3.get_object().bucket(bucket).key(key);
                let get = get.range("bytes=0-0").send();
                aws.call("GetObject", get).await.map(drop)
            }
            Request::Put(key) => self.put(key).await?,
            Request::Delete(key) => self.delete(key).await?,
        };
        match answer {
            Ok(()) => Ok(None),
            Err(error) if error.is_allowed_download() => Ok(None),
            Err(error) if error.is_refusal() || error.is_unknown_key() => Ok(Some(error)),
            Err(error) => Err(error).context("verify"),
        }
    }

    /// Puts an object with the new key, and deletes it again with the admin's.
    async fn put(&mut self, key: &str) -> Result<Result<(), AwsError>> {
        let put = put_empty(&self.with_key, key).await;
        let is_read = put.answer.is_ok() && !self.grant.access.reads() && self.reads(key).await;
        if put.made != Made::No {
            self.delete_again(key, put.version).await?;
        }
        if is_read {
            return Err(too_much("download what it uploaded"));
        }
        Ok(put.answer)
    }

    async fn reads(&self, key: &str) -> bool {
        let get = self.with_key.aws.s3.get_object();
        let get = get.bucket(self.run.bucket()).key(key);
        let answer = self.with_key.aws.call("GetObject", get.send()).await;
        answer.is_ok()
    }

    /// Deletes an object that isn't there, and the marker that this may leave.
    async fn delete(&mut self, key: &str) -> Result<Result<(), AwsError>> {
        let aws = &self.with_key.aws;
        let delete = aws.s3.delete_object();
        let delete = delete.bucket(self.run.bucket()).key(key);
        let answer = aws.call("DeleteObject", delete.send()).await;
        if let Ok(Some(marker)) = answer.as_ref().map(|answer| answer.version_id.clone()) {
            self.delete_again(key, Some(marker)).await?;
        }
        Ok(answer.map(drop))
    }

    /// Deletes with the admin's key what a check made.
    async fn delete_again(&mut self, key: &str, version: Option<String>) -> Result<()> {
        let deleted = delete_object(self.run, key, version.clone()).await;
        if deleted.is_err() {
            let url = format!("s3://{}/{key}", self.run.target.bucket);
            self.left.push(Step::DeleteObject { url, version });
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
