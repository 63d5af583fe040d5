//! The right thing for a name that is nearly right.

use strsim::osa_distance;

/// How alike two names are at least, of 0 to 1, to be suggested for one another.
const ALIKE: f64 = 0.8;

/// The candidate that a name most likely stands for, if any is like it.
pub(crate) fn nearest(name: &str, candidates: &[String]) -> Option<String> {
    let likeness =
        |candidate: &str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    candidates
        .iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (candidate, likeness(candidate)))
        .filter(|(_, likeness)| *likeness >= ALIKE)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(candidate, _)| candidate.clone())
}

/// The candidate that a name is most likely a slip of the hand for, if any.
pub(crate) fn slip_of(name: &str, candidates: &[String]) -> Option<String> {
    let others = candidates.iter().filter(|candidate| *candidate != name);
    let slips = others.filter_map(|other| Some((slip_distance(name, other)?, other)));
    let nearest = slips.min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, other)| other.clone())
}

/// How many letters are wrong, missing, added or swapped, whatever their case;
/// none if the names are too far apart for a slip.
fn slip_distance(name: &str, other: &str) -> Option<usize> {
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    let without_digits = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
    let is_numbered = name != other && without_digits(&name) == without_digits(&other);
    let most = match (name.len().min(other.len()), name.len().max(other.len())) {
        (8.., _) => 2,
        (_, 4..) => 1,
        // Many names of up to three letters are one letter apart.
        _ => 0,
    };
    let distance = osa_distance(&name, &other);
    (distance <= most && !is_numbered).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_like_the_name() {
        let names = ["alex", "alexander", "kim"].map(str::to_owned);
        for (given, meant) in [
            ("alx", Some("alex")),
            ("Alex", Some("alex")),
            ("aelx", Some("alex")),
            ("alexandr", Some("alexander")),
            ("jaime", None),
            ("", None),
            ("kim", None),
        ] {
            assert_eq!(nearest(given, &names).as_deref(), meant, "{given}");
        }
    }

    #[test]
    fn slip_is_a_letter_or_two_and_no_number() {
        for (given, there, is_slip) in [
            ("alexandr", "alexander", true),
            ("Alex", "alex", true),
            ("KIM", "kim", true),
            ("alx", "alex", true),
            ("aelx", "alex", true),
            ("a1ex", "alex", true),
            ("kristofer", "christopher", false),
            ("kristofer", "christofer", true),
            ("alexandra", "alexander", true),
            ("alex", "alexa1", false),
            ("marta", "martyn", false),
            ("kim1", "kim2", false),
            ("kim", "kim2", false),
            ("acme-2026", "acme-2027", false),
            ("customer-0099", "customer-0100", false),
            ("kim", "tim", false),
            ("alex", "jaime", false),
            ("alex", "alex", false),
            ("alex", "", false),
        ] {
            let found = slip_of(given, &[there.to_owned()]);
            assert_eq!(found.is_some(), is_slip, "{given} {there}");
        }
    }

    #[test]
    fn nearest_of_several_slips_is_meant() {
        let names = ["alexandre", "alexander", "Alexandr"].map(str::to_owned);
        assert_eq!(slip_of("alexandr", &names).as_deref(), Some("Alexandr"));
        assert_eq!(slip_of("alexandrr", &names[..2]).as_deref(), Some("alexandre"));
    }
}
