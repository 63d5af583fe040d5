//! The partitions of AWS: which one a region belongs to, and the host names in
//! each.

/// A [partition][partitions], and the domains that its services have host names
/// in, as the SDKs have them in their `partitions.json`.
///
/// [partitions]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
struct Partition {
    /// The beginning of its regions' codes.
    regions: &'static str,
    name: &'static str,
    domain: &'static str,
    /// For hosts that have an IPv6 address too.
    dual_stack_domain: &'static str,
}

const fn partition(
    regions: &'static str,
    name: &'static str,
    domain: &'static str,
    dual_stack_domain: &'static str,
) -> Partition {
    Partition { regions, name, domain, dual_stack_domain }
}

/// The partition of all regions that belong to no other one.
const AWS: Partition = partition("", "aws", "amazonaws.com", "api.aws");

const OTHERS: [Partition; 7] = [
    partition("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    partition("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    partition("eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
];

fn find_partition(region: &str) -> &'static Partition {
    OTHERS.iter().find(|partition| region.starts_with(partition.regions)).unwrap_or(&AWS)
}

/// The name of the partition a region belongs to, `aws` for the unknown.
pub(crate) fn partition_of_region(region: &str) -> &'static str {
    find_partition(region).name
}

/// The host name of S3 in a region.
pub(crate) fn s3_host(region: &str) -> String {
    format!("s3.{region}.{}", find_partition(region).domain)
}

/// True if a host, in lower case, is that of AWS's own IAM, STS or S3, VPC and FIPS
/// endpoints included.
///
/// Not a customer's own machine or service, which AWS gives a name too.
pub(crate) fn is_host_of_aws(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    OTHERS.iter().chain([&AWS]).flat_map(|it| [it.domain, it.dual_stack_domain]).any(|domain| {
        name.strip_suffix(domain).is_some_and(|it| it.ends_with('.') && names_service(it))
    })
}

/// True if one of the labels is a service's, as in `BUCKET.s3.REGION.`; the region may
/// also be in the label, as in `s3-eu-west-1.`
fn names_service(labels: &str) -> bool {
    const SERVICES: [&str; 7] =
        ["iam", "iam-fips", "sts", "sts-fips", "s3", "s3-fips", "s3-accelerate"];
    let mut from_last = labels.trim_end_matches('.').rsplit('.').peekable();
    let has_region = from_last.peek().is_some_and(|last| last.starts_with("s3-"));
    has_region || from_last.any(|label| SERVICES.contains(&label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_the_region() {
        assert_eq!(partition_of_region("eu-central-1"), "aws");
        assert_eq!(partition_of_region("cn-north-1"), "aws-cn");
        assert_eq!(partition_of_region("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition_of_region("us-isob-east-1"), "aws-iso-b");
        assert_eq!(s3_host("eusc-de-east-1"), "s3.eusc-de-east-1.amazonaws.eu");
    }

    #[test]
    fn boundary_of_a_delegates_users_knows_every_host_of_s3() {
        let boundary = include_str!("../../permissions/boundary.json");
        let boundary: serde_json::Value = serde_json::from_str(boundary).unwrap();
        let kms = &boundary["Statement"][2]["Condition"]["StringLike"]["kms:ViaService"];
        let known = kms.as_array().unwrap().iter();
        let mut known: Vec<_> = known.map(|host| host.as_str().unwrap()).collect();
        let partitions = OTHERS.iter().chain([&AWS]);
        let mut hosts: Vec<_> = partitions.map(|it| format!("s3.*.{}", it.domain)).collect();
        known.sort();
        hosts.sort();
        hosts.dedup();
        assert_eq!(known, hosts);
        assert!(s3_host("cn-north-1").ends_with(".amazonaws.com.cn"));
    }

    #[test]
    fn hosts_of_aws_are_told_from_others() {
        for host in [
            "iam.amazonaws.com",
            "iam.amazonaws.com.",
            "iam-fips.amazonaws.com",
            "iam.us-gov.amazonaws.com",
            "iam.cn-north-1.amazonaws.com.cn",
            "iam.global.api.aws",
            "s3.dualstack.eu-west-1.amazonaws.com",
            "s3-fips.us-east-1.amazonaws.com",
            "sts.eusc-de-east-1.amazonaws.eu",
            "bucket.vpce-0a1b-2c3d.s3.us-east-1.vpce.amazonaws.com",
            "vpce-0a1b-2c3d.iam.us-east-1.vpce.amazonaws.com",
            "s3.us-iso-east-1.c2s.ic.gov",
            "s3-eu-west-1.amazonaws.com",
            "bucket.s3-eu-west-1.amazonaws.com",
            "bucket.s3-accelerate.dualstack.amazonaws.com",
        ] {
            assert!(is_host_of_aws(host), "{host}");
        }
        for host in [
            "127.0.0.1",
            "localhost",
            "s3.example.com",
            "amazonaws.com.example.com",
            "notamazonaws.com",
            "iam-amazonaws.com",
            "amazonaws.org",
            "s3.wasabisys.com",
            "ec2-203-0-113-25.compute-1.amazonaws.com",
            "ec2-203-0-113-25.eu-west-1.compute.amazonaws.com",
            "ceph-123.eu-west-1.elb.amazonaws.com",
            "s3-1234567890.eu-west-1.elb.amazonaws.com",
            "a1b2.execute-api.eu-west-1.amazonaws.com",
            "A1B2.gr7.eu-west-1.eks.amazonaws.com",
            "search-files.eu-west-1.es.amazonaws.com",
            "amazonaws.com",
            "vpce-0a1b-2c3d.vpce-svc-0123.us-east-1.vpce.amazonaws.com",
        ] {
            assert!(!is_host_of_aws(host), "{host}");
        }
    }
}
