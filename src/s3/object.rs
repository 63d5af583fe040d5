//! Single objects: putting one of no bytes, and deleting one.

use crate::aws::{AwsError, Made, Patience, Run};

/// The result of putting an object.
pub(crate) struct Put {
    pub answer: Result<(), AwsError>,
    pub made: Made,
    /// The object's version; none without versions, and where the answer is lost.
    pub version: Option<String>,
}

/// Puts an object of no bytes unless there is one of that key, which counts as success.
/// Tries again while the store is in trouble or another request changes the same object.
///
/// Where the store knows `If-None-Match`, at most one object is made, however
/// many answers get lost.
pub(crate) async fn put_empty(run: &Run, key: &str) -> Put {
    let once = run.aws.without_retries();
    let mut condition = Some("*".to_owned());
    let mut made = Made::No;
    let mut patience = Patience::REQUEST;
    let attempts = patience.retry_errors(&run.cancel, AwsError::is_passing, async || {
        loop {
            let put = once.s3.put_object().bucket(run.bucket()).key(key);
            let new_only = put.set_if_none_match(condition.clone());
            let answer = once.call("PutObject", new_only.send()).await;
            let Err(error) = &answer else { return answer };
            if error.is_unclear() {
                made = Made::Maybe;
            }
            // Where the store doesn't know the condition, at once without it.
            if !once.store.lacks(error) || condition.take().is_none() {
                return answer;
            }
        }
    });
    match attempts.await {
        Ok(answer) => Put { answer: Ok(()), made: Made::Yes, version: answer.version_id },
        Err(error) if error.is_object_existing() => Put { answer: Ok(()), made, version: None },
        Err(error) => Put { answer: Err(error), made, version: None },
    }
}

/// Deletes an object, or one version of it without leaving a marker.
pub(crate) async fn delete_object(
    run: &Run,
    key: &str,
    version: Option<String>,
) -> Result<(), AwsError> {
    let delete = run.aws.s3.delete_object().bucket(run.bucket()).key(key).set_version_id(version);
    run.aws.call("DeleteObject", delete.send()).await.map(drop)
}
