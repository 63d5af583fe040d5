//! The existing name that a name was probably meant to be, for "did you mean".

use strsim::osa_distance;

/// Returns the candidate that a name is most likely a slip of the hand for.
///
/// Names that differ in digits, such as `customer-12` and `customer-98`, are two of
/// a series and never taken for one another.
pub(crate) fn similar_name<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a String>,
) -> Option<&'a String> {
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| Some((slip_distance(name, candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts the letters that are wrong, missing, added or swapped, whatever their case.
/// Returns `None` if the names are too far apart for a slip.
fn slip_distance(name: &str, other: &str) -> Option<usize> {
    let (name, other) = (&name.to_lowercase(), &other.to_lowercase());
    let most = match (name.len().min(other.len()), name.len().max(other.len())) {
        (8.., _) => 2,
        (_, 4..) => 1,
        // Many names of up to three letters are one letter apart.
        _ => 0,
    };
    let distance = osa_distance(name, other);
    (distance <= most && !are_of_a_series(name, other)).then_some(distance)
}

/// True if the names have different numbers, and not just a digit for a letter, as
/// in `a1ex`.
fn are_of_a_series(name: &str, other: &str) -> bool {
    let (digits, letters) = split_digits(name);
    let (other_digits, other_letters) = split_digits(other);
    let are_both_numbered = !digits.is_empty() && !other_digits.is_empty();
    digits != other_digits && (are_both_numbered || letters == other_letters)
}

fn split_digits(name: &str) -> (String, String) {
    name.chars().partition(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("acme-2026", "acm-2027", false),
            ("acme-2026", "acm-2026", true),
            ("customer-12", "customer-98", false),
            ("customer-0099", "customer-0100", false),
            ("kim", "tim", false),
            ("alex", "jaime", false),
            ("alex", "alex", false),
            ("alex", "", false),
            ("", "alex", false),
        ] {
            let candidates = [there.to_owned()];
            let found = similar_name(given, &candidates);
            assert_eq!(found.is_some(), is_slip, "{given} {there}");
        }
    }

    #[test]
    fn nearest_of_several_slips_is_meant() {
        let names = ["alexandre", "alexander", "Alexandr"].map(str::to_owned);
        assert_eq!(similar_name("alexandr", &names).unwrap(), "Alexandr");
        assert_eq!(similar_name("alexandrr", &names[..2]).unwrap(), "alexandre");
    }
}
