//! Aborting the unfinished multipart uploads of a folder.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::{ATTEMPTS, Emptying, joined};
use crate::error::one_line;
use crate::listing::{self, Upload};
use crate::report::Interrupted;

impl Emptying {
    /// Aborts the folder's unfinished multipart uploads.
    pub(super) async fn abort_uploads(self: &Arc<Self>) -> Result<()> {
        let mut last_seen = None;
        loop {
            let uploads = listing::uploads(&self.aws, &self.target).await?;
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
                Interrupted::check(&self.cancel)?;
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
        let (bucket, key) = (self.target.bucket.as_str(), upload.key.as_str());
        for _ in 0..ATTEMPTS {
            let abort = self
                .aws
                .s3
                .abort_multipart_upload()
                .bucket(bucket)
                .key(key)
                .upload_id(&upload.id);
            match self.aws.call("AbortMultipartUpload", abort.send()).await {
                Err(error) if error.is("NoSuchUpload") => break,
                aborted => aborted?,
            };
            let parts = self
                .aws
                .s3
                .list_parts()
                .bucket(bucket)
                .key(key)
                .upload_id(&upload.id);
            match self.aws.call("ListParts", parts.send()).await {
                Ok(answer) if !answer.parts().is_empty() => {}
                Err(error) if !error.is("NoSuchUpload") && !error.is_unsupported() => {
                    return Err(error.into());
                }
                _ => break,
            }
        }
        self.progress.count_upload();
        Ok(())
    }
}
