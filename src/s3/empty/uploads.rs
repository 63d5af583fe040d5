//! Aborting the unfinished multipart uploads of a folder.

use anyhow::{Result, bail};
use futures_util::{TryStreamExt, stream};

use super::Emptying;
use super::headway::Seen;
use crate::aws::{Aws, AwsError, Patience};
use crate::errors::one_line;
use crate::s3::listing::{self, Upload};

impl Emptying {
    /// Aborts the folder's unfinished multipart uploads, until none is listed; for some
    /// seconds more where the listings don't get shorter, since they may be out of date.
    pub(super) async fn abort_uploads(&self) -> Result<()> {
        let mut patience = Patience::FOLDER;
        let mut aborted = Seen::default();
        let mut fewest = usize::MAX;
        loop {
            let (uploads, more) = listing::uploads(&self.run).await?;
            if uploads.is_empty() && !more {
                return Ok(());
            }
            let new = uploads.iter().filter(|upload| aborted.add(upload)).count();
            self.progress.uncount_uploads((uploads.len() - new) as u64);
            let advances = more && new > 0 || uploads.len() < fewest;
            if !advances && !patience.wait(&self.run.cancel).await {
                self.run.go_on()?;
                bail!(still_listed(&uploads));
            }
            fewest = fewest.min(uploads.len());
            stream::iter(uploads.into_iter().map(Ok))
                .try_for_each_concurrent(self.concurrency, |upload| self.abort(upload))
                .await?;
        }
    }

    /// Aborts one upload, again while it has parts: one that was being
    /// uploaded meanwhile [may have come after][abort].
    ///
    /// [abort]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
    async fn abort(&self, upload: Upload) -> Result<()> {
        self.run.go_on()?;
        let mut patience = Patience::DELETE;
        patience
            .retry(
                &self.run.cancel,
                |aborted| matches!(aborted, Ok(false)),
                async || self.abort_once(&upload).await,
            )
            .await?;
        self.progress.count_upload();
        Ok(())
    }

    /// Aborts an upload; true if it is gone then, with all its parts.
    async fn abort_once(&self, upload: &Upload) -> Result<bool, AwsError> {
        let Aws { s3, store, .. } = &self.run.aws;
        let abort = s3
            .abort_multipart_upload()
            .bucket(self.run.bucket())
            .key(upload.key.as_str())
            .upload_id(&upload.id);
        match self.run.aws.call("AbortMultipartUpload", abort.send()).await {
            Err(error) if is_gone(&error) => return Ok(true),
            aborted => aborted?,
        };
        let parts = s3
            .list_parts()
            .bucket(self.run.bucket())
            .key(upload.key.as_str())
            .upload_id(&upload.id);
        match self.run.aws.call("ListParts", parts.send()).await {
            Err(error) if is_gone(&error) || store.lacks(&error) => Ok(true),
            answer => Ok(answer?.parts().is_empty()),
        }
    }
}

fn still_listed(uploads: &[Upload]) -> String {
    match uploads.first() {
        None => {
            "ListMultipartUploads: the store says that there are uploads, and lists none".to_owned()
        }
        Some(first) => {
            let object = one_line(first.key.as_str());
            format!("the multipart upload of {object} is still listed after aborting it")
        }
    }
}

/// True if there is no such upload any more: AWS answers with a code for the
/// upload then, and Ceph with one for the key.
fn is_gone(error: &AwsError) -> bool {
    error.status() == Some(404)
}
