//! Eventual consistency, counted in references instead of seconds.

use std::collections::HashMap;

use super::faults::{Call, Fault};

const UNKNOWN: Fault = Fault::Refuse(404, "NoSuchEntity");
const IN_USE: Fault = Fault::Refuse(409, "DeleteConflict");
const UNKNOWN_KEY: Fault = Fault::Refuse(403, "InvalidAccessKeyId");

/// A service that knows of what is made, or taken away, only after so many
/// references to it.
pub struct Lag {
    references: usize,
    /// The ID of the one access key that is known.
    admin: String,
    /// How many references to each thing still come too early.
    left: HashMap<String, usize>,
}

impl Lag {
    pub fn new(references: usize, admin: &str) -> Self {
        Self { references, admin: admin.to_owned(), left: HashMap::new() }
    }

    /// The refusal of a call that comes too early.
    pub fn fault_for(&mut self, call: &Call) -> Option<Fault> {
        if call.fields.is_empty() {
            let key = &call.access_key;
            let known = *key == self.admin;
            self.left.entry(key.clone()).or_insert(self.references);
            return (!known && self.is_early(key)).then_some(UNKNOWN_KEY);
        }
        let name = |field| call.field(field).unwrap_or_default();
        let user = format!("user {}", name("UserName"));
        let policy = format!("policy {}", call.policy().unwrap_or(name("PolicyName")));
        let used = |thing: &str| format!("{thing} in use");
        match call.operation.as_str() {
            "CreateUser" => self.start(user),
            "CreatePolicy" => self.start(policy),
            "DetachUserPolicy" => {
                self.start(used(&policy));
                self.start(used(&user));
            }
            "DeleteAccessKey" => self.start(used(&user)),
            "DeletePolicy" if self.is_early(&used(&policy)) => return Some(IN_USE),
            "DeleteUser" if self.is_early(&used(&user)) => return Some(IN_USE),
            _ if self.is_early(&user) || self.is_early(&policy) => return Some(UNKNOWN),
            _ => {}
        }
        None
    }

    fn start(&mut self, thing: String) {
        self.left.insert(thing, self.references);
    }

    fn is_early(&mut self, thing: &str) -> bool {
        match self.left.get_mut(thing) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}
