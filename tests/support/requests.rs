//! Requests with a person's own key, and whether they are allowed.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;

use super::LocalAws;

/// Whether a request was allowed; anything but a refusal is a broken test.
#[track_caller]
pub fn allowed<T, E: std::fmt::Debug>(answer: Result<T, SdkError<E>>) -> bool {
    let Err(error) = answer else { return true };
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    assert_eq!(status, Some(403), "{error:?}");
    false
}

pub async fn lists(s3: &Client, prefix: Option<&str>, delimiter: Option<&str>) -> bool {
    let list = s3.list_objects_v2().bucket("shared");
    let list = list.set_prefix(prefix.map(str::to_owned));
    let v2 = allowed(list.set_delimiter(delimiter.map(str::to_owned)).send().await);
    let list = s3.list_objects().bucket("shared");
    let list = list.set_prefix(prefix.map(str::to_owned));
    let v1 = allowed(list.set_delimiter(delimiter.map(str::to_owned)).send().await);
    assert_eq!(v1, v2, "{prefix:?} {delimiter:?}");
    v2
}

pub async fn gets(s3: &Client, key: &str) -> bool {
    let get = allowed(s3.get_object().bucket("shared").key(key).send().await);
    let head = allowed(s3.head_object().bucket("shared").key(key).send().await);
    assert_eq!(get, head, "{key}");
    get
}

pub async fn puts(s3: &Client, key: &str) -> bool {
    let put = s3.put_object().bucket("shared").key(key);
    allowed(put.body(b"new".to_vec().into()).send().await)
}

pub async fn deletes(s3: &Client, key: &str) -> bool {
    allowed(s3.delete_object().bucket("shared").key(key).send().await)
}

/// Whether the access key opens alex's folder.
pub async fn opens_folder(aws: &LocalAws, key: &(String, String)) -> bool {
    gets(&aws.s3_client_of(key), "alex/report.txt").await
}
