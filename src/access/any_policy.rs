//! What policy documents allow, whoever wrote them.

use serde_json::Value;

use super::BucketName;

/// True if a policy document names this bucket, or objects in it, as a resource.
pub(crate) fn names_bucket(document: &str, bucket: &BucketName) -> bool {
    statements(document).is_some_and(|statements| {
        statements
            .iter()
            .flat_map(|statement| one_or_many(&statement["Resource"]))
            .any(|resource| is_in(resource, bucket))
    })
}

/// True if a policy document allows something, and only in this bucket.
pub(crate) fn allows_only_in(document: &str, bucket: &BucketName) -> bool {
    statements(document).is_some_and(|mut statements| {
        statements.retain(is_allowing);
        !statements.is_empty()
            && statements.iter().all(|statement| {
                let resources = one_or_many(&statement["Resource"]);
                !resources.is_empty() && resources.iter().all(|it| is_in(it, bucket))
            })
    })
}

/// True if a policy document allows nothing but reading from S3 and decrypting with KMS.
pub(crate) fn only_reads(document: &str) -> bool {
    statements(document).is_some_and(|statements| {
        statements
            .iter()
            .filter(|statement| is_allowing(statement))
            .all(|statement| one_or_many(&statement["Action"]).iter().all(reads))
    })
}

/// The statements of a document; `None` if it isn't JSON.
fn statements(document: &str) -> Option<Vec<Value>> {
    let parsed: Value = serde_json::from_str(document).ok()?;
    Some(one_or_many(&parsed["Statement"]).to_vec())
}

fn is_allowing(statement: &Value) -> bool {
    statement["Effect"] != "Deny"
}

fn reads(action: &Value) -> bool {
    let name = action.as_str().unwrap_or_default().to_ascii_lowercase();
    ["s3:get", "s3:list", "kms:decrypt"].iter().any(|start| name.starts_with(start))
}

/// True if a resource is the bucket, or objects in it.
fn is_in(resource: &Value, bucket: &BucketName) -> bool {
    let arn = resource.as_str().unwrap_or_default();
    match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "s3", _, _, path] => path.split('/').next() == Some(bucket.as_str()),
        _ => false,
    }
}

/// Returns a value as a list: IAM's grammar allows a single value wherever it allows a list.
fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(many) => many,
        one => std::slice::from_ref(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Access, Grant, PolicyDocument, Target};

    #[test]
    fn only_reads_knows_what_allows_more() {
        let target = Target::new("shared".parse().unwrap(), "alex".parse().unwrap());
        for access in [Access::Read, Access::ReadWrite, Access::Write] {
            let grant = Grant { access, ..Grant::default() };
            let document = PolicyDocument::new(&grant, &target, "eu-central-1");
            assert_eq!(only_reads(&document.to_json()), access == Access::Read);
        }
        for (statement, reads) in [
            (r#"{"Effect":"Allow","Action":"s3:ListBucket"}"#, true),
            (r#"[{"Effect":"Allow","Action":["S3:getobject*"]}]"#, true),
            (r#"[{"Effect":"Deny","Action":"*"},{"Effect":"Allow","Action":"s3:Get*"}]"#, true),
            (r#"{"Effect":"Allow","Action":"s3:*"}"#, false),
            (r#"{"Effect":"Allow","Action":"*"}"#, false),
            (r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#, false),
            (r#"{"Effect":"Allow","NotAction":"s3:GetObject"}"#, false),
            (r#"[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"]}]"#, false),
            ("null", false),
        ] {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            assert_eq!(only_reads(&document), reads, "{statement}");
        }
        assert!(!only_reads("") && !only_reads("no json"));
    }

    #[test]
    fn allows_only_in_knows_what_is_elsewhere() {
        let bucket = "shared".parse().unwrap();
        let here = r#"{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::shared/*"]}"#;
        let there = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::other/*"}"#;
        let denied = there.replace("Allow", "Deny");
        for (statements, expected) in [
            (here.to_owned(), true),
            (format!("[{here}]"), true),
            (format!("[{here},{denied}]"), true),
            (format!("[{here},{there}]"), false),
            (here.replace("Allow", "Deny"), false),
            (here.replace("shared/*", "*"), false),
            (here.replace("shared/*", "shared*"), false),
            (here.replace("Resource", "NotResource"), false),
            (here.replace(r#"["arn"#, r#"["*","arn"#), false),
            (here.replace(r#"["arn:aws:s3:::shared/*"]"#, "[]"), false),
            ("[]".to_owned(), false),
            ("null".to_owned(), false),
        ] {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
            let allows = allows_only_in(&document, &bucket);
            assert_eq!(allows, expected, "{document}");
        }
        assert!(!allows_only_in("no json", &bucket));
    }

    #[test]
    fn names_bucket_reads_every_form_of_resource() {
        let bucket = "shared".parse().unwrap();
        for (document, names_it) in [
            (r#"{"Statement":[{"Resource":["arn:aws:s3:::shared"]}]}"#, true),
            (r#"{"Statement":{"Resource":"arn:aws:s3:::shared/alex/*"}}"#, true),
            (r#"{"Statement":[{"Resource":"arn:aws-cn:s3:::shared/*"}]}"#, true),
            (r#"{"Statement":[{"Resource":"arn:aws:s3:::shared-too"}]}"#, false),
            (r#"{"Statement":[{"Resource":"arn:aws:s3:::other/shared"}]}"#, false),
            (r#"{"Statement":[{"Resource":"arn:aws:sqs:eu-central-1:1:shared"}]}"#, false),
            (r#"{"Statement":[{"Resource":"*"}]}"#, false),
            ("no json", false),
        ] {
            assert_eq!(names_bucket(document, &bucket), names_it, "{document}");
        }
    }
}
