//! The bucket and its objects: single requests, pages of listings, and the
//! emptying of a folder. Knows nothing of IAM, and never leaves the user's
//! prefix when it deletes.

pub(crate) mod bucket;
pub(crate) mod empty;
pub(crate) mod listing;
pub(crate) mod object;
