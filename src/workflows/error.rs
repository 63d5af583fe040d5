//! Why a workflow failed, as an enum for callers of the library to match.

use std::fmt;

use super::create::UserExists;
use crate::aws::{AwsError, LoadError};
use crate::errors::{ErrorKind, Hint, Hinted, Interrupted, Stays};
use crate::s3::bucket::BucketError;

/// Why something could not be planned or carried out.
///
/// Displayed in one line with all causes. None of the words name an option of the
/// programs; a [hint](Self::hints) may.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The user, its policy or its key file exists already.
    AlreadyExists(anyhow::Error),
    /// There is no such user.
    NoSuchUser(anyhow::Error),
    /// The user was not made by this crate for the bucket, as far as it shows.
    NotOurs(anyhow::Error),
    /// There is no such bucket.
    NoSuchBucket(anyhow::Error),
    /// A call of IAM or S3 failed, such as one that needs another permission.
    Call(anyhow::Error),
    /// The run was cancelled.
    Interrupted(anyhow::Error),
    /// Something else.
    Other(anyhow::Error),
}

impl Error {
    /// Returns what can be done about it.
    pub fn hints(&self) -> Vec<Hint> {
        hints(self.inner())
    }

    /// Returns the failed call, if that is why.
    pub fn call(&self) -> Option<&AwsError> {
        self.inner().downcast_ref()
    }

    /// True if the work on any other user would fail likewise: the credentials are refused, or
    /// nobody answers.
    pub fn is_about_all(&self) -> bool {
        let call = match self.inner().downcast_ref() {
            Some(BucketError::Other(call)) => Some(call),
            _ => self.call(),
        };
        call.is_some_and(|call| call.is_about_credentials() || call.has_no_answer())
    }

    /// Adds what it led to.
    pub(crate) fn context(self, words: String) -> Self {
        match self {
            Self::AlreadyExists(error) => Self::AlreadyExists(error.context(words)),
            Self::NoSuchUser(error) => Self::NoSuchUser(error.context(words)),
            Self::NotOurs(error) => Self::NotOurs(error.context(words)),
            Self::NoSuchBucket(error) => Self::NoSuchBucket(error.context(words)),
            Self::Call(error) => Self::Call(error.context(words)),
            Self::Interrupted(error) => Self::Interrupted(error.context(words)),
            Self::Other(error) => Self::Other(error.context(words)),
        }
    }

    /// Returns the error with its causes.
    pub fn inner(&self) -> &anyhow::Error {
        match self {
            Self::AlreadyExists(error)
            | Self::NoSuchUser(error)
            | Self::NotOurs(error)
            | Self::NoSuchBucket(error)
            | Self::Call(error)
            | Self::Interrupted(error)
            | Self::Other(error) => error,
        }
    }
}

/// The hints that an error carries.
pub(crate) fn hints(error: &anyhow::Error) -> Vec<Hint> {
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        return hinted.hints.clone();
    }
    if let Some(exists) = error.downcast_ref::<UserExists>() {
        return exists.hints.clone();
    }
    if let Some(stays) = error.downcast_ref::<Stays>() {
        return Vec::from_iter(stays.hint.clone());
    }
    let hint = if let Some(LoadError::Credentials(error)) = error.downcast_ref() {
        error.hint()
    } else if let Some(error) = error.downcast_ref::<BucketError>() {
        error.hint()
    } else {
        error.downcast_ref().and_then(AwsError::hint)
    };
    Vec::from_iter(hint)
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast() {
            Ok(told_apart) => return told_apart,
            Err(error) => error,
        };
        if error.is::<Interrupted>() {
            return Self::Interrupted(error);
        }
        if error.is::<UserExists>() {
            return Self::AlreadyExists(error);
        }
        if let Some(Hinted { kind, .. }) = error.downcast_ref() {
            return match kind {
                ErrorKind::AlreadyExists | ErrorKind::FileExists => Self::AlreadyExists(error),
                ErrorKind::NoSuchBucket => Self::NoSuchBucket(error),
                ErrorKind::NoSuchUser => Self::NoSuchUser(error),
                ErrorKind::NotOurs => Self::NotOurs(error),
                ErrorKind::Other => Self::Other(error),
            };
        }
        match error.downcast_ref() {
            Some(BucketError::Missing { .. }) => Self::NoSuchBucket(error),
            Some(_) => Self::Call(error),
            None if error.is::<AwsError>() => Self::Call(error),
            None => Self::Other(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.inner())
    }
}

impl std::error::Error for Error {}
