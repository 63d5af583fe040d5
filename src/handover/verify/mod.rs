//! Testing a new key with real requests: what it can do, and what it can't.

use anyhow::{Context, Result};
use aws_sdk_s3::types::ObjectCannedAcl;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::{AccessKey, Grant, SharedPrefix};
use crate::aws::{AwsError, Made, Patience, Run};
use crate::commands;
use crate::errors::{Hint, Hinted};
use crate::removal::{Leftover, Removal};
use crate::s3::object::{delete_object, put_empty};
use crate::s3::{bucket, listing};
use crate::step::Step;

use checks::{Check, Extra, Objects, Request, checks, probe};

mod checks;

/// What came of testing a key that is as it should be.
pub(crate) struct Verified {
    /// What could not be tried, and why.
    pub untested: Vec<String>,
    /// What a store other than AWS allows besides, a line each.
    pub notes: Vec<String>,
}

/// Tries what the grant allows and what it must not, each by a request with the
/// key itself, waiting in all as long as the patience lasts until AWS knows the
/// key and its policy.
///
/// Fails on the first thing that is not as it should be: something allowed
/// that the policy refuses is a store that doesn't enforce policies. Objects
/// that this puts are deleted again with the admin's own key; what could not
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
    let objects = objects(run, grant, &mut untested).await?;
    let mut verifying = Verifying {
        run,
        with_key: run.with_aws(run.aws.with_key(key)),
        grant,
        patience,
        suspended: versioning.is_suspended,
        notes: Vec::new(),
        left,
    };
    for check in checks(&run.target, grant, objects) {
        if is_locked && check.should_be_allowed && check.request.puts() {
            let why = "the bucket would keep it locked";
            untested.push(format!("{} ({why})", check.what));
            continue;
        }
        let can = if verifying.is_allowed(&check).await? { "can" } else { "can't" };
        run.done(&Step::Check(format!("{can} {}", check.what)));
    }
    let notes = verifying.notes;
    Ok(Verified { untested, notes })
}

/// Looks for an object of each kind to try, and adds to `untested` what can't be
/// tried without.
async fn objects(run: &Run, grant: &Grant, untested: &mut Vec<String>) -> Result<Objects> {
    let own_folder = run.target.prefix();
    let shared_folders = grant.also_read.iter().map(SharedPrefix::as_str);
    let folders: Vec<_> = shared_folders.chain([own_folder.as_str()]).collect();
    let foreign = bucket::first_key_outside(run, &folders).await?;
    let own = listing::first_object(run).await?;
    let own = own.map(|key| key.as_str().to_owned());
    let mut nothing = |folder: &str| {
        untested.push(format!("downloads from {folder} (nothing there yet)"));
    };
    if foreign.is_none() {
        nothing("other folders");
    }
    if own.is_none() && grant.access.reads() {
        nothing(&run.target.folder_url());
    }
    let mut shared = Vec::new();
    for folder in &grant.also_read {
        let first = bucket::first_key_in(run, folder.as_str()).await?;
        if first.is_none() {
            nothing(&run.target.url_of(folder));
        }
        shared.extend(first);
    }
    Ok(Objects { own, foreign, shared })
}

struct Verifying<'a> {
    run: &'a Run,
    /// The same with the new key.
    with_key: Run,
    grant: &'a Grant,
    /// How long to wait, for all checks together.
    patience: Patience,
    /// Versioning is suspended: a deletion leaves a marker of version `null`.
    suspended: bool,
    /// What a store other than AWS allows besides.
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
            let refusal = match self.refusal(&check.request).await? {
                None if check.should_be_allowed => return Ok(true),
                None => {
                    self.note_what_stores_allow(check)?;
                    return Ok(true);
                }
                Some(error) if error.is_refusal() && !check.should_be_allowed => return Ok(false),
                Some(error) => error,
            };
            if !self.patience.wait(&self.run.cancel).await {
                self.run.go_on()?;
                return Err(self.too_little(check, &refusal));
            }
        }
    }

    /// Notes that the store asks for no permission of its own where AWS does. Fails
    /// where it allows what no store should.
    fn note_what_stores_allow(&mut self, check: &Check) -> Result<()> {
        match check.request {
            _ if self.run.aws.store.has_s3_of_aws() => Err(too_much(&check.what)),
            Request::PutWith(Extra::Tags, _) => {
                self.notes.push(TAGS_COME_ALONG.to_owned());
                Ok(())
            }
            Request::PutWith(Extra::Acl, _) => {
                let words = "this store lets whoever can upload make the uploads public; first block public ACLs";
                let block = commands::block_public_acls(&self.run.target.bucket);
                Err(Hinted::new(allows_too_much(&check.what), Hint::run(words, block)).into())
            }
            _ => Err(too_much(&check.what)),
        }
    }

    fn too_little(&self, check: &Check, refusal: &AwsError) -> anyhow::Error {
        let message = format!("verify: the new key can't {}: {}", check.what, refusal.answer());
        let hint = if self.grant.source_ips.is_empty() {
            "a bucket policy, a permissions boundary or your organization may refuse it; \
             if the store is slow to know new keys, give --verify-timeout"
        } else {
            "with --source-ip, --verify works only from one of these addresses"
        };
        Hinted::new(message, Hint::new(hint)).into()
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
            Request::GetVersion(key) => {
                let get = aws.s3.get_object().bucket(bucket).key(key);
                let get = get.version_id("null").range("bytes=0-0").send();
                aws.call("GetObject", get).await.map(drop)
            }
            Request::Copy { from, to, as_part } => self.copy(from, to, *as_part).await?,
            Request::PutWith(extra, key) => self.put_with(*extra, key).await?,
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
            self.note_that_uploads_are_read().await?;
        }
        Ok(put.answer)
    }

    /// Notes that the key can read what it uploaded, as its owner on some stores. Fails
    /// where that is no matter of who uploaded it.
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
    async fn put_with(&mut self, extra: Extra, key: &str) -> Result<Result<(), AwsError>> {
        let aws = &self.with_key.aws;
        let put = aws.s3.put_object().bucket(self.run.bucket()).key(key);
        let put = match extra {
            Extra::Tags => put.tagging("s3-user=verify"),
            Extra::Acl => put.acl(ObjectCannedAcl::PublicRead),
        };
        let answer = aws.call("PutObject", put.send()).await;
        self.delete_copy(key, answer.map(|put| put.version_id)).await
    }

    /// Copies an object into the folder, and deletes the copy again.
    async fn copy(&mut self, from: &str, to: &str, as_part: bool) -> Result<Result<(), AwsError>> {
        let (aws, bucket) = (&self.with_key.aws, self.run.bucket());
        let source = utf8_percent_encode(from, NON_ALPHANUMERIC);
        let source = format!("{bucket}/{source}");
        if !as_part {
            let copy = aws.s3.copy_object().bucket(bucket).key(to);
            let copy = copy.copy_source(source).send();
            let answer = aws.call("CopyObject", copy).await;
            return self.delete_copy(to, answer.map(|copy| copy.version_id)).await;
        }
        let start = aws.s3.create_multipart_upload().bucket(bucket).key(to);
        let started = aws.call("CreateMultipartUpload", start.send()).await;
        let id = match started {
            Ok(started) => started.upload_id.unwrap_or_default(),
            Err(error) => {
                if error.is_unclear() {
                    let key = to.to_owned();
                    self.left.push(Leftover::Upload { key, id: None });
                }
                return Ok(Err(error));
            }
        };
        let copy = aws.s3.upload_part_copy().bucket(bucket).key(to);
        let copy = copy.upload_id(&id).part_number(1).copy_source(source);
        // Ceph wants a length also where there is no body, which the SDK leaves out.
        let with_length = copy.customize().mutate_request(|request| {
            request.headers_mut().insert("content-length", "0");
        });
        let answer = aws.call("UploadPartCopy", with_length.send()).await;
        let abort = aws.s3.abort_multipart_upload().bucket(bucket).key(to);
        let aborted = aws.call("AbortMultipartUpload", abort.upload_id(&id).send());
        match aborted.await {
            Err(error) if error.status() != Some(404) => {
                let (key, id) = (to.to_owned(), Some(id));
                self.left.push(Leftover::Upload { key, id });
                return Err(error).context("verify");
            }
            _ => {}
        }
        Ok(answer.map(drop))
    }

    /// Deletes what a request made that should have been refused, or may have
    /// made, where its answer got lost.
    async fn delete_copy(
        &mut self,
        key: &str,
        version: Result<Option<String>, AwsError>,
    ) -> Result<Result<(), AwsError>> {
        match &version {
            Ok(version) => self.delete_again(key, version.clone()).await?,
            Err(error) if error.is_unclear() => self.delete_again(key, None).await?,
            Err(_) => {}
        }
        Ok(version.map(drop))
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
        let marker = answer.as_ref().map(|answer| answer.version_id.clone());
        if let Ok(marker) = marker
            && (marker.is_some() || self.suspended)
        {
            self.delete_again(key, marker).await?;
        }
        Ok(answer.map(drop))
    }

    /// Deletes with the admin's key what a check made.
    async fn delete_again(&mut self, key: &str, version: Option<String>) -> Result<()> {
        let version = version.or(self.suspended.then(|| "null".to_owned()));
        let deleted = delete_object(self.run, key, version.clone()).await;
        if deleted.is_err() {
            let url = format!("s3://{}/{key}", self.run.target.bucket);
            let object = Removal::Object { url, version };
            self.left.push(Leftover::Removable(object));
        }
        deleted.context("verify")
    }
}

const TAGS_COME_ALONG: &str =
    "the person can also set tags on uploads: this store asks no extra permission for that";

const UPLOADS_ARE_READ: &str =
    "the person can also download their own uploads, which this store counts as theirs";

fn allows_too_much(what: &str) -> String {
    format!("verify: the new key can {what}, which its policy does not allow")
}

fn too_much(what: &str) -> anyhow::Error {
    let hint = "a bucket policy or an ACL may allow it to everybody, \
                or this store doesn't enforce policies";
    Hinted::new(allows_too_much(what), Hint::new(hint)).into()
}
