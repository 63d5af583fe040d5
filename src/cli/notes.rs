//! Notes on many users: what holds for several of them is said once, with their
//! names.

use crate::access::UserName;

/// A note, and whom it is about.
pub(super) type Note = (UserName, String);

/// How many users a note names.
const NAMED: usize = 20;

/// The notes, sorted by user. One that holds for several users
/// has their names, and `USER` in place of each; any other keeps its user.
pub(super) fn grouped(mut notes: Vec<Note>) -> Vec<(Option<UserName>, String)> {
    notes.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let mut groups: Vec<(String, Vec<&Note>)> = Vec::new();
    for note in &notes {
        let (user, text) = note;
        let text = of_any_user(text, user);
        match groups.iter_mut().find(|(group, _)| *group == text) {
            Some((_, alike)) => alike.push(note),
            None => groups.push((text, vec![note])),
        }
    }
    let as_one = |(text, alike): (String, Vec<&Note>)| match alike.as_slice() {
        [(user, own)] => (Some(user.clone()), own.clone()),
        _ => (None, format!("{text} ({})", names(&alike))),
    };
    groups.into_iter().map(as_one).collect()
}

/// A note as it would be about any user.
fn of_any_user(text: &str, user: &UserName) -> String {
    text.replace(&format!("/{user}/"), "/USER/")
        .replace(&format!("user {user} "), "user USER ")
        .replace(&format!("-u {user} "), "-u USER ")
}

fn names(notes: &[&Note]) -> String {
    let named = notes.iter().take(NAMED).map(|(user, _)| user.as_str());
    let names = named.collect::<Vec<_>>().join(", ");
    match notes.len().saturating_sub(NAMED) {
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
            note("alex", "s3://shared/alex/ is still empty"),
            note("jaime", "user jaime is suspended"),
            note("kim", "s3://shared/kim/ is still empty"),
            note("is", "s3://shared/is/ is still empty"),
        ];
        let expected = [
            (None, "s3://shared/USER/ is still empty (alex, is, kim)"),
            (Some("jaime"), "user jaime is suspended"),
        ];
        let expected = expected.map(|(user, text)| {
            let user = user.map(|user: &str| user.parse().unwrap());
            (user, text.to_owned())
        });
        assert_eq!(grouped(notes), expected);
    }

    #[test]
    fn no_more_than_twenty_users_are_named() {
        let notes: Vec<_> = (10..=31)
            .map(|number| note(&format!("user{number}"), "no end"))
            .collect();
        let (_, text) = grouped(notes).pop().unwrap();
        assert!(text.starts_with("no end (user10, user11, "), "{text}");
        assert!(text.ends_with(", user29 and 2 more)"), "{text}");
    }
}
