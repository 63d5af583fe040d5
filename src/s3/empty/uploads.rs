//! Aborting the unfinished multipart uploads of a folder.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::{Emptying, joined};
use crate::aws::{AwsError, Patience};
use crate::errors::one_line;
use crate::s3::listing::{self, Upload};

impl Emptying {
    /// Aborts the folder's unfinished multipart uploads.
    pub(super) async fn abort_uploads(self: &Arc<Self>) -> Result<()> {
        let mut last_seen = None;
        loop {
            let uploads = listing::uploads(&self.run).await?;
            let Some(first) = uploads.first().cloned() else {
                return Ok(());
            };
            ensure!(
                last_seen.as_ref() != Some(&first),
                "the multipart upload of {} is still listed after aborting it",
                one_line(first.key.as_str())
            );
            last_seen = Some(first);
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

/// Whether there is no such upload any more: AWS answers with a code for the
/// upload then, and Ceph with one for the key.
fn is_gone(error: &AwsError) -> bool {
    error.status() == Some(404)
}
