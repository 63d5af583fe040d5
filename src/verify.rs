//! Trying a new key: what it opens, and what it doesn't.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::aws::{Aws, AwsError};
use crate::bucket;
use crate::grant::Grant;
use crate::handover::Granted;
use crate::key_file::AccessKey;
use crate::made::random_id;
use crate::names::Target;
use crate::report::{Hinted, Interrupted, Leftover, Step, folder_url};

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
    Put(String),
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
    let mut verifying = Verifying {
        aws,
        with_key: aws.with_key(key),
        target,
        has_addresses: !grant.source_ips.is_empty(),
        deadline: Instant::now() + PATIENCE,
        cancel,
        left,
    };
    for check in checks(target, grant, foreign) {
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

fn checks(target: &Target, grant: &Grant, foreign: Option<String>) -> Vec<Check> {
    let folder = folder_url(target);
    let prefix = target.prefix();
    // A name that begins alike is what a careless policy opens too.
    let neighbour = format!("{}-s3-user-verify/", target.user);
    let foreign = foreign.unwrap_or_else(|| format!("{neighbour}object"));
    let list = |what: &str, prefix: Option<&str>, delimiter, should_be_allowed| Check {
        what: format!("list {what}"),
        request: Request::List {
            prefix: prefix.map(str::to_owned),
            delimiter,
        },
        should_be_allowed,
    };
    let put = |to: &str, should_be_allowed| Check {
        what: format!("upload to s3://{}/{to}", target.bucket),
        request: Request::Put(format!("{to}s3-user-verify-{}", random_id())),
        should_be_allowed,
    };
    let (reads, writes) = (grant.access.reads(), grant.access.writes());
    let own = list(&folder, Some(prefix.as_str()), None, reads);
    let top = list(
        "the bucket's top level",
        Some(""),
        Some("/"),
        grant.browse_root,
    );
    let mut checks = vec![
        own,
        top,
        list("the whole bucket", Some(""), None, false),
        list("the bucket without a prefix", None, None, false),
        list("another folder", Some(&neighbour), None, false),
        Check {
            what: "download an object of another folder".to_owned(),
            request: Request::Get(foreign),
            should_be_allowed: false,
        },
    ];
    if writes {
        checks.push(put(prefix.as_str(), true));
        checks.push(put(&neighbour, false));
    }
    // What must work shows that the key is known, so that a refusal means something.
    checks.sort_by_key(|check| !check.should_be_allowed);
    checks
}

struct Verifying<'a> {
    aws: &'a Aws,
    /// The clients with the new key.
    with_key: Aws,
    target: &'a Target,
    /// Whether the key works from certain addresses only.
    has_addresses: bool,
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
                None => return Err(self.too_much(check)),
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

    fn too_much(&self, check: &Check) -> anyhow::Error {
        anyhow!(
            "verify: the new key can {}, which its policy does not allow: either this store does not \
             enforce policies, or something else allows it",
            check.what
        )
    }

    fn too_little(&self, check: &Check, refusal: &AwsError) -> anyhow::Error {
        let message = format!("verify: the new key can't {}: {refusal}", check.what);
        match self.has_addresses {
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
        };
        match answer {
            Ok(()) => Ok(None),
            // It was looked for, so it would have been handed out.
            Err(error) if error.is("NoSuchKey") || error.is("InvalidRange") => Ok(None),
            Err(error) if is_refusal(&error) || error.is("InvalidAccessKeyId") => Ok(Some(error)),
            Err(error) => Err(error).context("verify"),
        }
    }

    /// Puts an object with the new key, and deletes it again with the admin's.
    async fn put(&mut self, key: &str) -> Result<Result<(), AwsError>> {
        let bucket = &self.target.bucket;
        let put = bucket::put_empty(&self.with_key, bucket, key).await;
        let version = match &put {
            Err(error) if !error.is_unclear() => return Ok(put.map(drop)),
            Err(_) => None,
            Ok(version) => version.clone(),
        };
        let deleted = bucket::delete_object(self.aws, bucket, key, version).await;
        if deleted.is_err() {
            self.left.push(Leftover {
                what: format!("object s3://{bucket}/{key}"),
                remove_with: format!("aws s3 rm s3://{bucket}/{key}{}", self.aws.options),
            });
        }
        deleted.context("verify")?;
        Ok(put.map(drop))
    }
}

fn is_refusal(error: &AwsError) -> bool {
    error
        .code()
        .is_some_and(|code| code.starts_with("AccessDenied"))
}
