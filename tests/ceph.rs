//! What newcomers do on Ceph, and what they have then, as other programs than ours
//! tell: on the Ceph of `.ci/ceph`, whose endpoint is in `S3_USER_TEST_CEPH`.
//!
//! The programs get that endpoint and a key, and no option that only Ceph needs.

mod access;
mod delete;
mod faults;
mod folders;
mod limits;
mod manage;
mod restart;
