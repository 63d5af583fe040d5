//! The right thing for a name that is nearly right.

/// How alike two names are at least, of 0 to 1, to be taken for one another.
const ALIKE: f64 = 0.8;

/// The candidate that a name most likely stands for, if any is like it.
pub(super) fn nearest(name: &str, candidates: &[String]) -> Option<String> {
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
}
