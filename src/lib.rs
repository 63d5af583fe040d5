//! IAM users that can list and download one folder of a shared S3 bucket, and
//! nothing else.
//!
//! The library behind `create_s3_user` and `delete_s3_user`. Each workflow is a
//! `plan`, which only reads, and an `apply`, which carries the plan out: see
//! [`create`], [`delete`], [`rotate`] and [`update`].
//!
//! # Creating a user
//!
//! The key goes to `alex_accessKeys.csv` in the directory that [`create::Options`]
//! names. Either everything is made, or what was made is undone.
//!
//! ```no_run
//! use s3_user::{Aws, CancellationToken, Connection, Target, create};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let aws = Aws::load(&Connection::default(), None).await?;
//! let target = Target {
//!     bucket: "shared-files".parse()?,
//!     user: "alex".parse()?,
//! };
//! let plan = create::plan(&aws, &target, &create::Options::new("keys")).await?;
//! let cancel = CancellationToken::new();
//! match create::apply(&plan, &cancel, &|step| eprintln!("{step}")).await {
//!     Ok(created) => assert_eq!(created.prefix, "alex/"),
//!     Err(failed) => eprintln!("{:#}, left: {:?}", failed.error, failed.left),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Deleting a user
//!
//! The user goes last, so whatever stops the run, running it again finishes.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use s3_user::{Aws, CancellationToken, Connection, Progress, Target, delete};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let aws = Aws::load(&Connection::default(), None).await?;
//! let target = Target {
//!     bucket: "shared-files".parse()?,
//!     user: "alex".parse()?,
//! };
//! let plan = delete::plan(&aws, &target, delete::Options::default()).await?;
//! for step in plan.steps() {
//!     eprintln!("will {step}");
//! }
//! let progress = Arc::new(Progress::default());
//! match delete::apply(&plan, &CancellationToken::new(), &|_| {}, &progress).await {
//!     Ok(deleted) => eprintln!("deleted {}", deleted.in_words()),
//!     Err(stopped) => eprintln!("{:#}, deleted: {:?}", stopped.error, stopped.deleted),
//! }
//! # Ok(())
//! # }
//! ```

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

mod aws;
mod bucket;
#[doc(hidden)]
pub mod cli;
mod commands;
mod connection;
pub mod create;
mod credentials;
pub mod delete;
mod error;
mod folder;
mod grant;
pub mod handover;
mod iam;
mod key_file;
mod kit;
mod listing;
mod made;
mod names;
mod nearest;
mod new_user;
mod owner;
mod policy;
mod report;
pub mod rotate;
mod settings;
mod settle;
pub mod update;
mod verify;

pub use aws::{Aws, Call, Observer};
pub use connection::Connection;
pub use error::AwsError;
pub use folder::{FailedKey, Progress};
pub use grant::{Access, Expiry, Grant, KmsKey};
pub use key_file::key_file_path;
pub use names::{BucketName, Prefix, Target, UserName, ValueError};
pub use new_user::{NewUser, UserTag};
pub use policy::{INLINE_POLICY_NAME, PolicyDocument, PolicyTooLong, managed_policy_name};
pub use report::{
    Created, Deleted, Failed, HandedOver, Hinted, Incomplete, Interrupted, Leftover, PlanReport,
    PolicyRef, Rotated, Step, Updated, folder_url,
};
pub use settings::SettingError;
pub use tokio_util::sync::CancellationToken;

/// What fuzzing drives; see the directory `fuzz`.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// A key as listed, if it lies in the user's folder.
    pub fn listed_key(user: &str, key: &str, encoded: bool) -> Option<String> {
        let prefix = crate::Prefix::from(&user.parse().expect("a user name"));
        let key = crate::listing::OwnKey::from_listing(&prefix, Some(key), encoded);
        key.ok().map(|key| key.as_str().to_owned())
    }

    /// The names in a users file, or what is wrong with them.
    pub fn users(text: &str) -> Result<Vec<String>, Vec<String>> {
        crate::cli::names_in(text)
    }
}
