//! The user's folder, before anything is made.

use anyhow::Result;

use crate::aws::Run;
use crate::s3::{bucket, listing};

/// What is in the user's folder, and beside it.
pub(crate) struct Folder {
    /// Whether it is known that there is nothing in it.
    pub is_empty: bool,
    /// Whether the object that some clients need to see the folder is there.
    pub has_folder_object: bool,
    /// The folders at the bucket's top level, where this one is empty.
    pub others: Vec<String>,
}

impl Folder {
    /// Looks at no more than is needed. Fails where the folder can't be listed,
    /// if that `matters`.
    pub async fn look_into(run: &Run, matters: bool) -> Result<Self> {
        let first = match listing::first_object(run).await {
            Err(error) if matters => return Err(error),
            listed => listed.ok(),
        };
        let is_empty = first == Some(None);
        let others =
            if is_empty { bucket::folders(run).await.unwrap_or_default() } else { Vec::new() };
        let prefix = run.target.prefix();
        let is_folder_object = |first: &listing::OwnKey| first.as_str() == prefix.as_str();
        Ok(Self {
            is_empty,
            has_folder_object: first.flatten().as_ref().is_some_and(is_folder_object),
            others,
        })
    }
}
