//! Notes on many users: what holds for several of them is said once, with their
//! names.

use crate::access::UserName;

/// A note, and whom it is about.
pub(super) type Note = (UserName, String);

/// How many users a note names.
const NAMED: usize = 20;

/// The notes, sorted by user. One that holds for several users is said once, with
/// their names.
pub(super) fn grouped(mut notes: Vec<Note>) -> Vec<(Option<UserName>, String)> {
    notes.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let mut groups: Vec<(String, Vec<UserName>)> = Vec::new();
    for (user, note) in notes {
        match groups.iter_mut().find(|(group, _)| *group == note) {
            Some((_, users)) => users.push(user),
            None => groups.push((note, vec![user])),
        }
    }
    let as_one = |(note, users): (String, Vec<UserName>)| match users.as_slice() {
        [user] => (Some(user.clone()), note),
        _ => (None, format!("{}: {note}", names(&users))),
    };
    groups.into_iter().map(as_one).collect()
}

/// The names of users, as many as a note names.
pub(super) fn names(users: &[UserName]) -> String {
    let named = users.iter().take(NAMED).map(UserName::as_str);
    let names = named.collect::<Vec<_>>().join(", ");
    match users.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(user: &str, text: &str) -> Note {
        (user.parse().unwrap(), text.to_owned())
    }

    #[test]
    fn what_holds_for_several_users_is_said_once() {
        let notes = vec![
            note("alex", "there are no files yet"),
            note("jaime", "access ended"),
            note("kim", "there are no files yet"),
            note("is", "there are no files yet"),
        ];
        let expected =
            [(None, "alex, is, kim: there are no files yet"), (Some("jaime"), "access ended")];
        let expected = expected.map(|(user, text)| {
            let user = user.map(|user: &str| user.parse().unwrap());
            (user, text.to_owned())
        });
        assert_eq!(grouped(notes), expected);
    }

    #[test]
    fn no_more_than_twenty_users_are_named() {
        let notes: Vec<_> =
            (10..=31).map(|number| note(&format!("user{number}"), "no end")).collect();
        let (_, text) = grouped(notes).pop().unwrap();
        assert!(text.starts_with("user10, user11, "), "{text}");
        assert!(text.ends_with(", user29 and 2 more: no end"), "{text}");
    }
}
