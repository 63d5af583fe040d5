//! Whatever a users file holds, it gives each name once, or says what is wrong.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match s3_user::fuzzing::users(text) {
        Ok(users) => {
            let distinct: HashSet<_> = users.iter().map(|user| user.to_lowercase()).collect();
            assert_eq!(distinct.len(), users.len());
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});
