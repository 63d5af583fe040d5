//! Testing a new key with real requests: some must be allowed, the others refused.

use anyhow::{Context, Result};
use aws_sdk_s3::types::ObjectCannedAcl;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::{AccessKey, Grant, Prefix};
use crate::aws::{Aws, AwsError, Made, Patience, Run};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::removal::{Leftover, Removal};
use crate::s3::object::{delete_object, put_empty};
use crate::s3::{bucket, listing};
use crate::step::Step;

use checks::{Check, ExistingKeys, Extra, TestRequest, checks, probe};

mod checks;

/// The result of testing a key that is as it should be.
pub(crate) struct Verified {
    /// The requests that could not be tried, and why.
    pub untested: Vec<String>,
    /// Notes on more that a store other than AWS allows, a line each.
    pub notes: Vec<String>,
}

/// Tries what the grant allows and what it must not, each by a request with the
/// key itself, waiting in all as long as the patience lasts until AWS knows the
/// key and its policy.
///
/// Fails on the first thing that is not as it should be: something allowed
/// that the policy refuses is a store that doesn't enforce policies. Objects
/// that this puts are deleted afterwards with the admin's own key; what could not
/// be deleted is added to `left`.
pub(crate) async fn verify(
    run: &Run,
    grant: &Grant,
    key: &AccessKey,
    patience: Patience,
    left: &mut Vec<Leftover>,
) -> Result<Verified> {
    let versioning = bucket::versioning(run).await;
    let is_locked = bucket::locks_objects(run).await;
    let mut untested = Vec::new();
    let existing = existing_keys(run, grant, &mut untested).await?;
    let mut verifying = Verifying {
        run,
        aws: run.aws.with_key(key),
        grant,
        patience,
        suspended: versioning.is_suspended,
        notes: Vec::new(),
        left,
    };
    for check in checks(&run.target, grant, existing) {
        if is_locked && check.should_be_allowed && check.request.puts() {
            untested.push(format!("{} (the bucket would keep it locked)", check.words));
            continue;
        }
        let can = if verifying.is_allowed(&check).await? { "can" } else { "can't" };
        run.done(&Step::Check(format!("{can} {}", check.words)));
    }
    Ok(Verified { untested, notes: verifying.notes })
}

/// Looks for an object of each kind to try, and adds to `untested` what can't be
/// tried without one.
async fn existing_keys(
    run: &Run,
    grant: &Grant,
    untested: &mut Vec<String>,
) -> Result<ExistingKeys> {
    let own_prefix = run.target.prefix();
    let mut readable: Vec<_> = grant.also_read.iter().map(Prefix::as_str).collect();
    readable.push(own_prefix.as_str());
    let foreign = bucket::first_key_outside(run, &readable).await?;
    let own = listing::first_object(run).await?.map(|key| key.as_str().to_owned());
    if foreign.is_none() {
        untested.push(nothing_in("other folders"));
    }
    if own.is_none() && grant.access.rights().get {
        untested.push(nothing_in(&run.target.folder_url()));
    }
    let mut shared = Vec::new();
    for folder in &grant.also_read {
        match bucket::first_key_in(run, folder.as_str()).await? {
            Some(key) => shared.push(key),
            None => untested.push(nothing_in(&run.target.url_of(folder))),
        }
    }
    Ok(ExistingKeys { own, foreign, shared })
}

fn nothing_in(folder: &str) -> String {
    format!("downloads from {folder} (nothing there yet)")
}

/// The reply to a request with the new key.
type Reply = Result<(), AwsError>;

struct Verifying<'a> {
    run: &'a Run,
    /// The clients with the new key.
    aws: Aws,
    grant: &'a Grant,
    /// The time to wait, for all checks together.
    patience: Patience,
    /// Versioning is suspended: a deletion leaves a marker of version `null`.
    suspended: bool,
    /// Notes on more that a store other than AWS allows.
    notes: Vec<String>,
    left: &'a mut Vec<Leftover>,
}

impl Verifying<'_> {
    /// Repeats a request until its outcome is as it should be, and tells whether it
    /// was allowed. Fails where the outcome stays wrong.
    async fn is_allowed(&mut self, check: &Check) -> Result<bool> {
        self.patience.restart();
        loop {
            self.run.go_on()?;
            let Some(error) = self.refusal(&check.request).await? else {
                if !check.should_be_allowed {
                    self.note_what_stores_allow(check)?;
                }
                return Ok(true);
            };
            if error.is_forbidden() && !check.should_be_allowed {
                return Ok(false);
            }
            if !self.patience.wait(&self.run.cancel).await {
                self.run.go_on()?;
                return Err(self.too_little(check, &error));
            }
        }
    }

    /// Notes that the store asks for no permission of its own where AWS does. Fails
    /// where it allows what no store should.
    fn note_what_stores_allow(&mut self, check: &Check) -> Result<()> {
        match check.request {
            _ if self.run.aws.store.has_s3_of_aws() => Err(too_much(&check.words)),
            TestRequest::PutWith(Extra::Tags, _) => {
                self.notes.push(TAGS_COME_ALONG.to_owned());
                Ok(())
            }
            TestRequest::PutWith(Extra::Acl, _) => {
                let words = "this store lets whoever can upload make the uploads public; \
                             first block public ACLs";
                let block = commands::block_public_acls(&self.run.target.bucket);
                Err(Hinted::new(allows_too_much(&check.words), Hint::run(words, block)).into())
            }
            _ => Err(too_much(&check.words)),
        }
    }

    fn too_little(&self, check: &Check, refusal: &AwsError) -> anyhow::Error {
        let message = format!("verify: the new key can't {}: {}", check.words, refusal.answer());
        let hint = if self.grant.source_ips.is_empty() {
            "a bucket policy, a permissions boundary or your organization may refuse it; \
             if the store is slow to know new keys, give --verify-timeout"
        } else {
            "--verify works only from the addresses that access is limited to; run the command \
             from one of them, or leave out --verify"
        };
        Hinted::new(message, Hint::new(hint)).into()
    }

    /// Sends a request with the new key. None if it was allowed; the error if
    /// it was refused, or the key isn't known yet.
    async fn refusal(&mut self, request: &TestRequest) -> Result<Option<AwsError>> {
        let answer = match request {
            TestRequest::List { prefix, delimiter } => self.list(prefix.clone(), *delimiter).await,
            TestRequest::Get(key) => self.get_first_byte(key, None).await,
            TestRequest::GetVersion(key) => self.get_first_byte(key, Some("null")).await,
            TestRequest::Copy { from, to } => self.copy(from, to).await?,
            TestRequest::CopyAsPart { from, to } => self.copy_as_part(from, to).await?,
            TestRequest::PutWith(extra, key) => self.put_with(*extra, key).await?,
            TestRequest::Put(key) => self.put(key).await?,
            TestRequest::Delete(key) => self.delete(key).await?,
        };
        match answer {
            Ok(()) => Ok(None),
            Err(error) if error.is_allowed_download() => Ok(None),
            Err(error) if error.is_forbidden() || error.is_unknown_key() => Ok(Some(error)),
            Err(error) => Err(error).context("verify"),
        }
    }

    async fn list(&self, prefix: Option<String>, delimiter: Option<&str>) -> Reply {
        let list = self.aws.s3.list_objects_v2().bucket(self.run.bucket()).max_keys(1);
        let in_folder = list.set_prefix(prefix).set_delimiter(delimiter.map(str::to_owned));
        self.aws.call("ListObjectsV2", in_folder.send()).await.map(drop)
    }

    async fn get_first_byte(&self, key: &str, version: Option<&str>) -> Reply {
        let get = self.aws.s3.get_object().bucket(self.run.bucket()).key(key).range("bytes=0-0");
        let of_version = get.set_version_id(version.map(str::to_owned));
        self.aws.call("GetObject", of_version.send()).await.map(drop)
    }

    async fn reads(&self, key: &str) -> bool {
        let get = self.aws.s3.get_object().bucket(self.run.bucket()).key(key);
        self.aws.call("GetObject", get.send()).await.is_ok()
    }

    /// Puts an object with the new key, and deletes it again with the admin's.
    async fn put(&mut self, key: &str) -> Result<Reply> {
        let put = put_empty(&self.run.with_aws(self.aws.clone()), key).await;
        let may_read = self.grant.access.rights().get;
        let is_read = put.answer.is_ok() && !may_read && self.reads(key).await;
        if put.made != Made::No {
            self.delete_again(key, put.version).await?;
        }
        if is_read {
            self.note_that_uploads_are_read().await?;
        }
        Ok(put.answer)
    }

    /// Notes that the key can read what it uploaded, as its owner on some stores. Fails
    /// if it can also read what the admin uploaded.
    async fn note_that_uploads_are_read(&mut self) -> Result<()> {
        let key = probe(self.run.target.prefix().as_str());
        let put = put_empty(self.run, &key).await;
        let reads_all = put.answer.is_ok() && self.reads(&key).await;
        if put.made != Made::No {
            self.delete_again(&key, put.version).await?;
        }
        put.answer.context("verify")?;
        if reads_all || self.run.aws.store.has_s3_of_aws() {
            return Err(too_much("download what it uploaded"));
        }
        self.notes.push(UPLOADS_ARE_READ.to_owned());
        Ok(())
    }

    /// Puts an object with tags or an ACL, and deletes it again.
    async fn put_with(&mut self, extra: Extra, key: &str) -> Result<Reply> {
        let put = self.aws.s3.put_object().bucket(self.run.bucket()).key(key);
        let with_extra = match extra {
            Extra::Tags => put.tagging("s3-user=verify"),
            Extra::Acl => put.acl(ObjectCannedAcl::PublicRead),
        };
        let answer = self.aws.call("PutObject", with_extra.send()).await;
        self.delete_made(key, answer.map(|put| put.version_id)).await
    }

    /// Copies an object into the folder, and deletes the copy again.
    async fn copy(&mut self, from: &str, to: &str) -> Result<Reply> {
        let copy = self.aws.s3.copy_object().bucket(self.run.bucket()).key(to);
        let from_source = copy.copy_source(self.copy_source(from));
        let answer = self.aws.call("CopyObject", from_source.send()).await;
        self.delete_made(to, answer.map(|copy| copy.version_id)).await
    }

    /// Copies an object as the part of an upload, and aborts that again.
    async fn copy_as_part(&mut self, from: &str, to: &str) -> Result<Reply> {
        let Self { aws, run, .. } = &*self;
        let bucket = run.bucket();
        let start = aws.s3.create_multipart_upload().bucket(bucket).key(to);
        let id = match aws.call("CreateMultipartUpload", start.send()).await {
            Ok(started) => started.upload_id.unwrap_or_default(),
            Err(error) => {
                if error.is_unclear() {
                    self.left.push(Leftover::Upload { key: to.to_owned(), id: None });
                }
                return Ok(Err(error));
            }
        };
        let copy = aws.s3.upload_part_copy().bucket(bucket).key(to).upload_id(&id).part_number(1);
        let source = self.copy_source(from);
        // Ceph wants a length also where there is no body, which the SDK leaves out.
        let with_length = copy.copy_source(source).customize().mutate_request(|request| {
            request.headers_mut().insert("content-length", "0");
        });
        let answer = aws.call("UploadPartCopy", with_length.send()).await;
        let abort = aws.s3.abort_multipart_upload().bucket(bucket).key(to).upload_id(&id);
        match aws.call("AbortMultipartUpload", abort.send()).await {
            Err(error) if error.status() != Some(404) => {
                self.left.push(Leftover::Upload { key: to.to_owned(), id: Some(id) });
                Err(error).context("verify")
            }
            _ => Ok(answer.map(drop)),
        }
    }

    fn copy_source(&self, key: &str) -> String {
        format!("{}/{}", self.run.bucket(), utf8_percent_encode(key, NON_ALPHANUMERIC))
    }

    /// Deletes an object that isn't there, and the marker that this may leave.
    async fn delete(&mut self, key: &str) -> Result<Reply> {
        let delete = self.aws.s3.delete_object().bucket(self.run.bucket()).key(key);
        let answer = self.aws.call("DeleteObject", delete.send()).await;
        if let Ok(deleted) = &answer
            && (deleted.version_id.is_some() || self.suspended)
        {
            self.delete_again(key, deleted.version_id.clone()).await?;
        }
        Ok(answer.map(drop))
    }

    /// Deletes the object of this version that a request made although it should have
    /// been refused, or may have made, where its answer got lost.
    async fn delete_made(
        &mut self,
        key: &str,
        version: Result<Option<String>, AwsError>,
    ) -> Result<Reply> {
        match &version {
            Ok(version) => self.delete_again(key, version.clone()).await?,
            Err(error) if error.is_unclear() => self.delete_again(key, None).await?,
            Err(_) => {}
        }
        Ok(version.map(drop))
    }

    /// Deletes with the admin's key what a check made.
    async fn delete_again(&mut self, key: &str, version: Option<String>) -> Result<()> {
        let made = version.or(self.suspended.then(|| "null".to_owned()));
        let deleted = delete_object(self.run, key, made.clone()).await;
        if deleted.is_err() {
            let url = format!("s3://{}/{key}", self.run.target.bucket);
            let object = Removal::Object { url, version: made };
            self.left.push(Leftover::Removable(object));
        }
        deleted.context("verify")
    }
}

const TAGS_COME_ALONG: &str =
    "the person can also set tags on uploads: this store asks no extra permission for that";

const UPLOADS_ARE_READ: &str =
    "the person can also download their own uploads, which this store counts as theirs";

fn allows_too_much(words: &str) -> String {
    format!("verify: the new key can {words}, which its policy does not allow")
}

fn too_much(words: &str) -> anyhow::Error {
    let hint = "a bucket policy or an ACL may allow it to everybody, \
                or this store doesn't enforce policies";
    Hinted::new(allows_too_much(words), Hint::new(hint)).into()
}
