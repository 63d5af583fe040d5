//! What Cyberduck requests, as `docs/clients.md` has it.

use fakecloud_s3::checksum::{ChecksumAlgorithm, checksum};

use super::step::{Step, either, needs, refused};
use super::{
    ALL_PARTS, CONTENT, IN_SUB, NEVER, NEW, NEW_FOLDER, OLD, Operation, READS, SUB, WRITES,
};

pub fn operations(f: &str) -> Vec<Operation> {
    let is = Operation::new;
    vec![
        is("connect", READS, connect(f), &[]),
        is("enter `sub`", READS, list(&format!("{f}{SUB}")), &[]),
        is("go up to the bucket", NEVER, go_up(), &[]),
        is("download", READS, download(f), &[]),
        is(UPLOAD, WRITES, upload(f), &[NEW]),
        is("upload of 100 MB or more", WRITES, upload_parts(f), &[NEW]),
        is("overwrite", WRITES, overwrite(f), &[OLD]),
        is("rename or move a file", WRITES, rename(f), &[OLD, NEW]),
        is("delete a file", WRITES, delete(f), &[OLD]),
        is(DELETE_SUB, WRITES, delete_sub(f), &[IN_SUB]),
        is("make a folder", WRITES, make_folder(f), &[NEW_FOLDER]),
    ]
}

const UPLOAD: &str = "upload a new file under 100 MB";
const DELETE_SUB: &str = "delete several, or a folder";

/// Adds the headers that every request of a method has.
fn sent(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let with_headers = |step: Step| match step.method() {
        "GET" | "POST" => step.header("x-amz-request-payer", "requester"),
        "PUT" => step.header("expect", "100-continue"),
        _ => step,
    };
    steps.into_iter().map(with_headers).collect()
}

pub fn connect(folder: &str) -> Vec<Step> {
    let who_am_i = needs("POST https://sts.amazonaws.com/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Action=GetCallerIdentity&Version=2011-06-15");
    let location = sent([either("GET /?location=")]);
    let buckets = sent([needs("GET https://s3.amazonaws.com/").if_empty()]);
    [vec![who_am_i], location, list(folder), buckets].concat()
}

fn list(prefix: &str) -> Vec<Step> {
    sent([
        refused("GET /?versioning"),
        needs(format!("GET /?encoding-type=url&prefix={prefix}&delimiter=%2F&max-keys=1000")),
        refused(format!("GET /?uploads=&prefix={prefix}&delimiter=%2F")),
    ])
}

pub fn go_up() -> Vec<Step> {
    list("")
}

fn download(folder: &str) -> Vec<Step> {
    sent([
        refused("GET /?accelerate="),
        needs(format!("HEAD /{folder}{OLD}")),
        needs(format!("GET /{folder}{OLD}")),
    ])
}

/// The headers of a file that is made. The ACL is left out once the bucket has
/// said that it takes none.
fn making(step: Step) -> Step {
    step.header("content-type", "text/plain")
        .header("x-amz-storage-class", "STANDARD")
        .header("x-amz-acl", "private")
}

fn put(key: &str) -> Vec<Step> {
    let checksum = checksum(ChecksumAlgorithm::Sha256, CONTENT.as_bytes());
    let put = making(needs(format!("PUT /{key}")));
    sent([
        either("GET /?ownershipControls="),
        put.header("x-amz-checksum-sha256", checksum).body(CONTENT),
    ])
}

pub fn upload(folder: &str) -> Vec<Step> {
    let accelerate = sent([refused("GET /?accelerate=")]);
    [accelerate, list(folder), put(&format!("{folder}{NEW}"))].concat()
}

/// One part, which may be short, since it is the last.
pub fn upload_parts(folder: &str) -> Vec<Step> {
    let key = format!("{folder}{NEW}");
    let start = sent([refused("GET /?accelerate=")]);
    let parts = sent([
        either("GET /?ownershipControls="),
        refused(format!("GET /?uploads=&prefix={key}")),
        making(needs(format!("POST /{key}?uploads="))),
        needs(format!("PUT /{key}?uploadId=UPLOAD_ID&partNumber=1")).body(CONTENT),
        needs(format!("POST /{key}?uploadId=UPLOAD_ID")).body(ALL_PARTS),
    ]);
    [start, list(folder), parts].concat()
}

pub fn overwrite(folder: &str) -> Vec<Step> {
    let key = format!("{folder}{OLD}");
    let look = sent([
        refused("GET /?accelerate="),
        needs(format!("HEAD /{key}")),
        refused(format!("GET /{key}?acl=")),
    ]);
    [look, list(folder), put(&key)].concat()
}

fn rename(folder: &str) -> Vec<Step> {
    sent([
        needs(format!("HEAD /{folder}{OLD}")),
        refused("GET /?acl="),
        either("GET /?ownershipControls="),
        needs(format!("PUT /{folder}{NEW}"))
            .header("x-amz-copy-source", format!("/shared/{folder}{OLD}"))
            .header("x-amz-metadata-directive", "COPY")
            .header("x-amz-storage-class", "STANDARD"),
        refused("GET /?versioning"),
        needs(format!("DELETE /{folder}{OLD}")),
    ])
}

fn delete(folder: &str) -> Vec<Step> {
    sent([refused("GET /?versioning"), needs(format!("DELETE /{folder}{OLD}"))])
}

fn delete_sub(folder: &str) -> Vec<Step> {
    let objects = [IN_SUB, SUB].map(|name| format!("<Object><Key>{folder}{name}</Key></Object>"));
    let body = format!("<Delete><Quiet>true</Quiet>{}</Delete>", objects.concat());
    let md5 = checksum(ChecksumAlgorithm::Md5, body.as_bytes());
    let delete = needs("POST /?delete=").header("content-md5", md5);
    let delete = sent([delete.body(body)]);
    [list(&format!("{folder}{SUB}")), delete].concat()
}

fn make_folder(folder: &str) -> Vec<Step> {
    let put = needs(format!("PUT /{folder}{NEW_FOLDER}"));
    sent([put.header("content-type", "application/x-directory")])
}
