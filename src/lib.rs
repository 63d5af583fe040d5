//! IAM users that can list and download one folder of a shared S3 bucket, and
//! nothing else.
//!
//! The library behind `create_s3_user` and `delete_s3_user`. Each workflow is a
//! `plan`, which only reads, and an `apply`, which carries the plan out: see
//! [`create`], [`delete`], [`rotate`], [`suspend`] and [`update`]. Who has
//! access to a bucket is in its [`inventory`].
//!
//! # Creating a user
//!
//! The key goes to `alex_accessKeys.csv` in the directory that [`create::CreateOptions`]
//! names. Either everything is made, or what was made is undone.
//!
//! ```no_run
//! use s3_user::{Aws, CancellationToken, Run, Target, create};
//!
//! # async fn example(config: aws_config::SdkConfig) -> anyhow::Result<()> {
//! let aws = Aws::from_sdk_config(&config).await?;
//! let target = Target::new("shared-files".parse()?, "alex".parse()?);
//! let cancel = CancellationToken::new();
//! let run = Run::new(aws, target, cancel, |step| eprintln!("{step}"));
//! let plan = create::plan(&run, &create::CreateOptions::new("keys")).await?;
//! let created = create::apply(&plan).await?;
//! assert_eq!(created.target.prefix().as_str(), "alex/");
//! # Ok(())
//! # }
//! ```
//!
//! # Deleting a user
//!
//! The user goes last, so whatever stops the run, running it again finishes.
//!
//! ```no_run
//! use s3_user::{Aws, CancellationToken, Run, Target, delete};
//!
//! # async fn example(config: aws_config::SdkConfig) -> anyhow::Result<()> {
//! let aws = Aws::from_sdk_config(&config).await?;
//! let target = Target::new("shared-files".parse()?, "alex".parse()?);
//! let run = Run::new(aws, target, CancellationToken::new(), |_| {});
//! let plan = delete::plan(&run, &delete::DeleteOptions::default()).await?;
//! for step in &plan.preview.steps {
//!     eprintln!("will {step}");
//! }
//! match delete::apply(&plan).await {
//!     Ok(deleted) => eprintln!("deleted {}", deleted.folder),
//!     Err(failed) => eprintln!("{failed}, {:?}", failed.state),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Aws::load`] makes the clients from what the programs go by: options, the environment
//! and the shared config files. Without the default feature `cli`, the two programs and
//! what they need are not compiled.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "the programs alone use some of it")
)]
#![cfg_attr(
    not(test),
    warn(
        clippy::dbg_macro,
        clippy::exit,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used
    )
)]

mod access;
mod aws;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod commands;
mod errors;
mod handover;
mod iam;
mod os;
mod removal;
mod s3;
mod step;
mod workflows;

pub use access::{
    Access, BucketName, Expiry, GivenFolder, Grant, GrantChange, KmsKey, NewUser, PolicyDocument,
    PolicyKind, Prefix, PrefixError, Setting, Target, UserName, UserTag, ValueError,
};
pub use aws::{Aws, AwsError, Connection, LoadError, Run};
pub use commands::Command;
pub use errors::{Hint, Hinted, Interrupted};
pub use handover::{Destination, HandedOver, HandoverOptions, KitForm};
pub use removal::{Blocker, Leftover, ManagedPolicy, Removal};
pub use s3::empty::{Counts, FailedKey, Progress};
pub use step::Step;
pub use tokio_util::sync::CancellationToken;
pub use workflows::deleted::Deleted;
pub use workflows::error::Error;
pub use workflows::outcome::{
    Created, Failed, PolicyRef, Rotated, Skipped, State, Suspended, Updated,
};
pub use workflows::plan::{Plan, Planned, PlannedPolicy, Preview};
pub use workflows::{create, delete, inventory, rotate, suspend, update};

/// What fuzzing drives; see the directory `fuzz`.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// A key as listed, if it lies in the user's folder.
    pub fn listed_key(user: &str, key: &str, encoded: bool) -> Option<String> {
        let prefix = crate::access::Prefix::from(
            &user.parse::<crate::access::UserName>().expect("a user name"),
        );
        let encoding = encoded.then_some(&aws_sdk_s3::types::EncodingType::Url);
        let own = crate::s3::listing::OwnKey::from_listing(&prefix, Some(key), encoding);
        own.ok().map(|key| key.as_str().to_owned())
    }

    /// The names in a users file, or what is wrong with them.
    pub fn users(text: &str) -> Result<Vec<String>, Vec<String>> {
        crate::cli::names_in(text)
    }
}
