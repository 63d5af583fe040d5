//! What a person may do (`grant`, `rights`), and the names, key and policy that
//! express it. Pure: nothing here talks to AWS, reads a file or prints.

mod access_key;
mod any_policy;
mod expiry;
mod folder_record;
mod grant;
mod grant_change;
mod kms_key;
mod names;
mod new_user;
mod partition;
mod policy;
mod prefix;
mod python_scripts;
mod rights;
mod similar_names;

pub(crate) use access_key::{AccessKey, is_plausible_id};
pub(crate) use any_policy::{allows_only_in, names_bucket, only_reads};
pub use expiry::Expiry;
pub(crate) use folder_record::{
    folder_of_path, folder_of_text, folder_path, folder_tag, folder_text, path_of_users,
};
pub use grant::Grant;
pub use grant_change::{GrantChange, Setting};
pub use kms_key::KmsKey;
pub use names::{BucketName, Target, UserName, ValueError};
pub use new_user::{NewUser, UserTag};
pub(crate) use partition::{is_host_of_aws, partition_of_region, s3_host};
pub(crate) use policy::{
    INLINE_POLICY_NAME, boundary_name, managed_policy_name, names_made_for, user_in_policy_name,
};
pub use policy::{PolicyDocument, PolicyKind};
pub use prefix::{GivenFolder, Prefix, PrefixError};
pub(crate) use python_scripts::{folder_of_scripts, grant_of_scripts, read_policy};
pub use rights::Access;
pub(crate) use rights::Rights;
pub(crate) use similar_names::similar_name;
