//! What a person may do (`grant`, `rights`), and the names, key and policy that
//! express it. Pure: nothing here talks to AWS, reads a file or prints.

mod access_key;
mod any_policy;
mod expiry;
mod grant;
mod grant_change;
mod kms_key;
mod names;
mod new_user;
mod partition;
mod policy;
mod python_scripts;
mod rights;
mod shared_prefix;
mod similar_names;

pub(crate) use access_key::{AccessKey, is_plausible_id};
pub(crate) use any_policy::{allows_only_in, names_bucket, only_reads};
pub use expiry::Expiry;
pub use grant::Grant;
pub use grant_change::{GrantChange, Setting};
pub use kms_key::KmsKey;
pub use names::{BucketName, Prefix, Target, UserName, ValueError};
pub use new_user::{NewUser, UserTag};
pub(crate) use partition::{is_host_of_aws, partition_of_region, s3_host};
pub(crate) use policy::{INLINE_POLICY_NAME, boundary_name, managed_policy_name, names_made_for};
pub use policy::{PolicyDocument, PolicyKind};
pub(crate) use python_scripts::{grant_of_policy, grant_of_scripts, is_of_scripts};
pub use rights::Access;
pub(crate) use rights::Rights;
pub use shared_prefix::SharedPrefix;
pub(crate) use similar_names::similar_name;
