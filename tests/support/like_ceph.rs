//! Answers in the form that Ceph 20.2 gives them, seen there with the AWS CLI's
//! `--debug`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::faults::body_of;

/// The calls of IAM and STS that Ceph has.
const OFFERED: [&str; 16] = [
    "AttachUserPolicy",
    "CreateAccessKey",
    "CreateUser",
    "DeleteAccessKey",
    "DeleteUser",
    "DeleteUserPolicy",
    "DetachUserPolicy",
    "GetUser",
    "GetUserPolicy",
    "ListAccessKeys",
    "ListAttachedUserPolicies",
    "ListGroupsForUser",
    "ListUserPolicies",
    "ListUsers",
    "PutUserPolicy",
    "UpdateAccessKey",
];

/// What it answers to a call that it doesn't have: an error without its envelope.
pub fn refusal(operation: &str) -> Option<Response> {
    let error = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>MethodNotAllowed</Code>\
                 <Message></Message><RequestId>tx0-default</RequestId></Error>";
    let refusal = (StatusCode::METHOD_NOT_ALLOWED, error);
    (!OFFERED.contains(&operation)).then(|| refusal.into_response())
}

/// Its answer to a call of IAM: no tags, policies as they are, and some with the
/// metadata first.
pub async fn answer(operation: &str, answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let body = body_of(Response::from_parts(parts.clone(), body)).await;
    let body = without(&String::from_utf8_lossy(&body), "Tags").0;
    let mut body = with_plain_policy(&body);
    let begins_with_metadata =
        ["GetUserPolicy", "ListUserPolicies", "ListAttachedUserPolicies", "PutUserPolicy"];
    if begins_with_metadata.contains(&operation) {
        let (rest, metadata) = without(&body, "ResponseMetadata");
        let first = rest.find("Response").and_then(|root| Some(root + rest[root..].find('>')? + 1));
        let (root, children) = rest.split_at(first.unwrap_or(rest.len()));
        body = [root, &metadata, children].concat();
    }
    (parts.status, body).into_response()
}

/// An answer with its policy as it was put, where AWS encodes it.
fn with_plain_policy(answer: &str) -> String {
    let (rest, policy) = without(answer, "PolicyDocument");
    let Some((before, after)) = answer.split_once(&policy).filter(|_| rest != answer) else {
        return answer.to_owned();
    };
    let plain = percent_decode_str(&policy).decode_utf8_lossy();
    [before, &plain, after].concat()
}

/// An answer without the tags in it.
pub async fn without_tags(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let body = body_of(Response::from_parts(parts.clone(), body)).await;
    let rest = without(&String::from_utf8_lossy(&body), "Tags").0;
    (parts.status, rest).into_response()
}

/// A text without an element, and the element.
fn without(text: &str, element: &str) -> (String, String) {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let (Some(from), Some(to)) = (text.find(&start), text.find(&end)) else {
        return (text.to_owned(), String::new());
    };
    let to = to + end.len();
    let rest = [&text[..from], &text[to..]].concat();
    (rest, text[from..to].to_owned())
}
