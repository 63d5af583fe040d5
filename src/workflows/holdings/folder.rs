//! Which folder a user has, by what the user carries: its tag, its IAM path and its
//! policies.

use anyhow::{Result, bail};

use super::{Holdings, Owner};
use crate::access::{
    Grant, Prefix, UserName, folder_of_path, folder_of_text, read_policy, user_in_policy_name,
};
use crate::aws::Run;
use crate::errors::one_line;
use crate::iam::Policy;

/// What a part of a user says of its folder.
struct Claim {
    /// The part in words, such as `its tag`.
    by: String,
    /// The folder, or a text that stands for none.
    folder: Result<Prefix, String>,
}

impl Holdings {
    /// The folder that tag, path and policies name, as far as they were read; none if nothing
    /// does. Fails if they don't agree.
    pub(crate) fn folder(&self) -> Result<Option<Prefix>> {
        let claims = self.claims();
        let Some(first) = claims.first() else { return Ok(None) };
        if let Ok(folder) = &first.folder
            && claims.iter().all(|claim| claim.folder == first.folder)
        {
            return Ok(Some(folder.clone()));
        }
        let said = claims.iter().map(Claim::in_words).collect::<Vec<_>>().join(", ");
        bail!("it is not clear which folder user {} has: {said}", self.target.user)
    }

    /// Every folder that tag, path or a policy names, as far as they were read.
    pub(crate) fn folders(&self) -> Vec<Prefix> {
        self.claims().into_iter().filter_map(|claim| claim.folder.ok()).collect()
    }

    /// The folder that a user has to be shown with: where its parts don't agree, the one that
    /// its policy gives access to.
    pub(super) fn shown_folder(&self) -> Option<Prefix> {
        self.claims().into_iter().rev().find_map(|claim| claim.folder.ok())
    }

    /// Reads the policies if neither tag nor path names the folder, and names it as far as it
    /// is known then: nobody's access depends on that.
    pub(crate) async fn folder_to_show(&mut self, run: &Run) -> Option<Prefix> {
        if self.shown_folder().is_none() && self.read_our_policies(run).await.is_err() {
            return None;
        }
        self.shown_folder()
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        let of_tag = |folder| Claim { by: "its tag".to_owned(), folder };
        claims.extend(self.folder_by_tag().map(of_tag));
        let of_path = |folder| Claim { by: "its IAM path".to_owned(), folder };
        claims.extend(self.folder_by_path().map(of_path));
        for policy in self.our_policies() {
            let by = format!("its policy {}", policy.name);
            claims
                .extend(self.access_by(policy).map(|(folder, _)| Claim { by, folder: Ok(folder) }));
        }
        claims
    }

    /// The folder that the tag names, or the text in its place; none if there is no such tag,
    /// or the user is tagged for another bucket.
    fn folder_by_tag(&self) -> Option<Result<Prefix, String>> {
        if let Some(Owner::OtherBucket(..)) = Owner::by_tag(&self.user, &self.target.bucket) {
            return None;
        }
        let text = self.user.tags.folder.as_ref()?;
        Some(folder_of_text(text).ok_or_else(|| text.clone()))
    }

    /// The folder that the IAM path names, or the text in its place; none if the path is not
    /// one that `create` gives.
    pub(crate) fn folder_by_path(&self) -> Option<Result<Prefix, String>> {
        let by_path = folder_of_path(&self.user.path, &self.target.bucket)?;
        Some(by_path.map_err(ToOwned::to_owned))
    }

    /// True if whoever looks at the folder finds the user there, by its name or by its path.
    pub(crate) fn is_found_at(&self, folder: &Prefix) -> bool {
        *folder == Prefix::from(&self.target.user)
            || self.folder_by_path().is_some_and(|named| named.as_ref() == Ok(folder))
    }

    /// The folder and the grant that a policy of ours stands for, if it is still as `create`,
    /// `update` or the Python scripts wrote it.
    pub(crate) fn access_by(&self, policy: &Policy) -> Option<(Prefix, Grant)> {
        read_policy(&policy.name, policy.text.as_deref()?, &self.target.bucket, &self.region)
    }

    /// The name by which the user's policies were made, another one than its own if it was
    /// renamed in IAM since: by its policies, or where those are gone by its folder.
    ///
    /// Only of a user that is marked as ours: anybody may have been given another user's
    /// policy.
    pub(super) fn find_former_name(&self) -> UserName {
        let own = &self.target.user;
        let is_marked = Owner::by_tag(&self.user, &self.target.bucket) == Some(Owner::ThisBucket)
            || self.folder_by_path().is_some();
        if !is_marked || self.policies.iter().any(|policy| policy.is_named_as_made_for(own)) {
            return own.clone();
        }
        let read_back = self.policies.iter().filter(|policy| self.access_by(policy).is_some());
        let mut names: Vec<_> =
            read_back.filter_map(|policy| user_in_policy_name(&policy.name)).collect();
        names.dedup();
        match &names[..] {
            [] => self.shown_folder().and_then(|folder| self.name_by_folder(&folder)),
            [former] => Some(former.clone()),
            _ => None,
        }
        .unwrap_or_else(|| own.clone())
    }

    /// The name that the user must have had when it was created with this folder, if that is
    /// another one than its own.
    pub(super) fn name_by_folder(&self, folder: &Prefix) -> Option<UserName> {
        let has_own = self.policies.iter().any(|it| it.is_named_as_made_for(&self.target.user));
        folder.namesake().filter(|_| !has_own && !self.is_found_at(folder))
    }

    /// The note that the user had another name when it was created, as far as that shows.
    pub(crate) fn renamed_note(&self) -> Option<String> {
        let user = &self.target.user;
        let folder = self.target.folder_url();
        if self.made_as != *user {
            return Some(format!(
                "user {user} was renamed in IAM: its policy is named after {}, and its folder is {folder}",
                self.made_as
            ));
        }
        let recorded = self.folder().ok()??;
        let is_elsewhere = !self.is_found_at(&recorded);
        is_elsewhere.then(|| format!("user {user} was renamed in IAM: its folder is {folder}"))
    }
}

impl Claim {
    fn in_words(&self) -> String {
        match &self.folder {
            Ok(folder) => format!("{} says {folder}", self.by),
            Err(text) => format!("{} says \"{}\", which is no folder", self.by, one_line(text)),
        }
    }
}
