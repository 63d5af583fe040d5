//! A local AWS inside the test process, and the real binaries run against it.

#![allow(dead_code, unused_imports, reason = "the tests and each example use a part of it")]

mod asserts;
mod by_hand;
mod ceph;
mod faults;
mod fixtures;
mod lag;
mod like_ceph;
mod local_aws;
mod os;
#[cfg(unix)]
mod picture;
mod policies;
mod programs;
mod requests;
mod scripted_s3;
#[cfg(unix)]
mod session;
mod signed;
mod tls;

pub use asserts::{
    active_keys_of, assert_complete, assert_nothing_left, assert_only_read, assert_usage, is_gone,
    keys_of, policy_text_of_alex, state_of, tag_of,
};
pub use by_hand::{
    add_every_blocker, add_role, add_user_of_the_scripts, attach_new_policy, attach_policy,
    begin_upload, delete_key, edit_policy, edit_policy_of_alex, enable_acls, encrypt_bucket,
    fill_to_eight_keys, policy_for, policy_of_alex, policy_of_the_scripts, put_inline_policy,
    rename_user, seconds_ago, set_end, set_end_by_policy, set_end_by_tag, set_folder_tag, set_path,
    set_status,
};
pub use ceph::{Ceph, Person, answer, is_refused, until};
pub use faults::{Fault, INVENTORY, WELCOME};
pub use fixtures::{
    FILES_OF_OTHERS, KMS_KEY, aws_of_the_examples, aws_with_alex, aws_with_files, client_of_alex,
    client_of_kit,
};
pub use local_aws::{ACCOUNT, ALLOW_ALL, LocalAws};
pub use os::{HOME, IS_A_DIRECTORY, NO_SUCH_FILE, assert_private};
#[cfg(unix)]
pub use picture::{PROMPT, Span, lines_at_terminal};
pub use programs::{DRY_RUN, HANGING, Run, Sandbox, Started, binary, build_binaries};
pub use requests::{allowed, deletes, gets, lists, opens_folder, puts};
pub use scripted_s3::{Endless, Script, ScriptedS3};
#[cfg(unix)]
pub use session::{COLUMNS, QUESTION, ROWS, Session};
pub use signed::{Answer, Signed};
pub use tls::{AUTHORITY, SELF_SIGNED, start_tls, start_tls_with};
