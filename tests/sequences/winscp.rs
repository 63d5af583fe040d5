//! What WinSCP requests, as `docs/clients.md` has it.

use super::step::{Step, either, finds, needs};
use super::{
    ALL_PARTS, CONTENT, IN_SUB, NEVER, NEW, NEW_FOLDER, OLD, Operation, READS, SUB, WRITES,
};

pub fn operations(f: &str) -> Vec<Operation> {
    let is = Operation::new;
    vec![
        is("log in", READS, connect(f), &[]),
        is("enter `sub`", READS, enter_sub(f), &[]),
        is("go up to the bucket", NEVER, go_up(), &[]),
        is("go up to `/`", NEVER, list_buckets(), &[]),
        is("download", READS, download(f), &[]),
        is(UPLOAD, WRITES, upload(f, NEW), &[NEW]),
        is(UPLOAD, WRITES, upload(f, OLD), &[OLD]),
        is("upload over 5 MiB", WRITES, upload_parts(f), &[NEW]),
        is("rename or move a file", WRITES, rename(f), &[OLD, NEW]),
        is("delete a file", WRITES, delete(f), &[OLD]),
        is("delete a folder", WRITES, delete_sub(f), &[IN_SUB]),
        is("make a folder", WRITES, make_folder(f), &[NEW_FOLDER]),
        is("properties", NEVER, properties(f), &[]),
    ]
}

const UPLOAD: &str = "upload up to 5 MiB, new or overwriting";

fn probe(prefix: &str) -> String {
    format!("GET /?prefix={prefix}&delimiter=/&max-keys=1")
}

fn list(prefix: &str) -> String {
    format!("GET /?prefix={prefix}&delimiter=/")
}

pub fn connect(folder: &str) -> Vec<Step> {
    vec![either(probe(folder)), finds(probe(folder)), finds(probe(folder)), needs(list(folder))]
}

fn enter_sub(folder: &str) -> Vec<Step> {
    let sub = format!("{folder}{SUB}");
    vec![finds(probe(&sub)), needs(list(&sub))]
}

pub fn go_up() -> Vec<Step> {
    vec![needs(list(""))]
}

fn list_buckets() -> Vec<Step> {
    vec![needs("GET https://s3.amazonaws.com/?max-keys=1")]
}

fn download(folder: &str) -> Vec<Step> {
    vec![needs(format!("GET /{folder}{OLD}"))]
}

pub fn upload(folder: &str, file: &str) -> Vec<Step> {
    let key = format!("{folder}{file}");
    vec![
        either(probe(&key)),
        needs(format!("PUT /{key}"))
            .header("content-type", "text/plain")
            .body(CONTENT)
            .unsigned_payload(),
    ]
}

/// One part, which may be short, since it is the last.
fn upload_parts(folder: &str) -> Vec<Step> {
    let key = format!("{folder}{NEW}");
    vec![
        either(probe(&key)),
        needs(format!("POST /{key}?uploads"))
            .header("content-type", "text/plain")
            .unsigned_payload(),
        needs(format!("PUT /{key}?partNumber=1&uploadId=UPLOAD_ID"))
            .body(CONTENT)
            .unsigned_payload(),
        needs(format!("POST /{key}?uploadId=UPLOAD_ID")).body(ALL_PARTS).unsigned_payload(),
    ]
}

fn rename(folder: &str) -> Vec<Step> {
    let source = format!("{folder}{OLD}").replace('/', "%2F");
    vec![
        either(probe(&format!("{folder}{NEW}"))),
        needs(format!("PUT /{folder}{NEW}"))
            .header("x-amz-copy-source", format!("/shared/{source}")),
        needs(format!("DELETE /{folder}{OLD}")),
    ]
}

fn delete(folder: &str) -> Vec<Step> {
    vec![needs(format!("DELETE /{folder}{OLD}"))]
}

fn delete_sub(folder: &str) -> Vec<Step> {
    vec![
        needs(list(&format!("{folder}{SUB}"))),
        needs(format!("DELETE /{folder}{IN_SUB}")),
        needs(format!("DELETE /{folder}{SUB}")),
    ]
}

fn make_folder(folder: &str) -> Vec<Step> {
    vec![needs(format!("PUT /{folder}{NEW_FOLDER}")).unsigned_payload()]
}

fn properties(folder: &str) -> Vec<Step> {
    vec![needs(format!("GET /{folder}{OLD}?acl"))]
}
