//! Whatever a store lists, a key that comes out lies in the folder.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|listed: (&str, bool)| {
    let (key, encoded) = listed;
    if let Some(key) = s3_user::fuzzing::listed_key("alex", key, encoded) {
        assert!(key.starts_with("alex/"));
    }
});
