//! Aborting the unfinished multipart uploads of a folder.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use super::headway::Seen;
use super::{Emptying, joined};
use crate::aws::{AwsError, Patience};
use crate::errors::one_line;
use crate::s3::listing::{self, Upload, Uploads};

impl Emptying {
    /// Aborts the folder's unfinished multipart uploads, until none is listed; for some
    /// seconds more where the listings don't get shorter, since they may be out of date.
    pub(super) async fn abort_uploads(self: &Arc<Self>) -> Result<()> {
        let mut patience = Patience::FOLDER;
        let mut aborted = Seen::default();
        let mut fewest = usize::MAX;
        loop {
            let Uploads { uploads, more } = listing::uploads(&self.run).await?;
            if uploads.is_empty() && !more {
                return Ok(());
            }
            let is_new = |upload: &&Upload| aborted.add(*upload);
            let new = uploads.iter().filter(is_new).count();
            self.progress.uncount_uploads((uploads.len() - new) as u64);
            let gets_on = more && new > 0 || uploads.len() < fewest;
            if !gets_on && !patience.wait(&self.run.cancel).await {
                self.run.go_on()?;
                bail!(still_listed(&uploads));
            }
            fewest = fewest.min(uploads.len());
            let mut aborts = JoinSet::new();
            for upload in uploads {
                self.run.go_on()?;
                if aborts.len() == self.concurrency
                    && let Some(aborted) = aborts.join_next().await
                {
                    joined(aborted)?;
                }
                let emptying = self.clone();
                aborts.spawn(async move { emptying.abort(upload).await });
            }
            while let Some(aborted) = aborts.join_next().await {
                joined(aborted)?;
            }
        }
    }

    /// Aborts one upload, again while it has parts: one that was being
    /// uploaded meanwhile [may have come after][abort].
    ///
    /// [abort]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
    async fn abort(&self, upload: Upload) -> Result<()> {
        let mut patience = Patience::DELETE;
        while !self.abort_once(&upload).await? && patience.wait(&self.run.cancel).await {}
        self.progress.count_upload();
        Ok(())
    }

    /// Whether the upload is gone, with all its parts.
    async fn abort_once(&self, upload: &Upload) -> Result<bool, AwsError> {
        let (aws, bucket) = (&self.run.aws, self.run.bucket());
        let abort = aws.s3.abort_multipart_upload().bucket(bucket);
        let abort = abort.key(upload.key.as_str()).upload_id(&upload.id);
        match aws.call("AbortMultipartUpload", abort.send()).await {
            Err(error) if is_gone(&error) => return Ok(true),
            aborted => aborted?,
        };
        let parts = aws.s3.list_parts().bucket(bucket);
        let parts = parts.key(upload.key.as_str()).upload_id(&upload.id);
        match aws.call("ListParts", parts.send()).await {
            Err(error) if is_gone(&error) || aws.store.lacks(&error) => Ok(true),
            answer => Ok(answer?.parts().is_empty()),
        }
    }
}

fn still_listed(uploads: &[Upload]) -> String {
    let first = uploads.first();
    first.map_or(
        "ListMultipartUploads: the store says that there are uploads, and lists none".to_owned(),
        |first| {
            let key = one_line(first.key.as_str());
            format!("the multipart upload of {key} is still listed after aborting it")
        },
    )
}

/// Whether there is no such upload any more: AWS answers with a code for the
/// upload then, and Ceph with one for the key.
fn is_gone(error: &AwsError) -> bool {
    error.status() == Some(404)
}
