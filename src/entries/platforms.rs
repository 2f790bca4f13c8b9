//! Whether entries are exactly those for the platforms that were asked for. Pure.

use crate::oci::Platform;

/// Holds the platforms of entries against those asked for: every platform asked for is answered by
/// one entry, and every entry answers one. Gives the platforms without an entry, and the places of
/// the entries that nobody asked for.
pub(crate) fn unanswered<'a>(
    asked: &'a [Platform],
    have: &[Option<&Platform>],
) -> (Vec<&'a Platform>, Vec<usize>) {
    let mut missing: Vec<&Platform> = asked.iter().collect();
    let mut unexpected: Vec<usize> = (0..have.len()).collect();
    // Equal ones first, so that `windows/amd64` does not take the entry of a
    // `windows(10.0.…)/amd64` asked for beside it.
    let rules: [fn(&Platform, &Platform) -> bool; 2] = [Platform::same, Platform::answers];
    for rule in rules {
        unexpected.retain(|at| {
            let have = have.get(*at).copied().flatten();
            let at = have.and_then(|have| missing.iter().position(|want| rule(have, want)));
            at.map(|at| missing.remove(at)).is_none()
        });
    }
    (missing, unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_answers_one_and_every_platform_is_answered_by_one() {
        let platforms = |names: &[&str]| -> Vec<Platform> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        let windows = "windows(10.0.17763.1)/amd64";
        for (asked, have, missing, unexpected) in [
            (&["linux/amd64"][..], &["linux/amd64"][..], &[] as &[&str], &[] as &[usize]),
            (&["linux/arm64/v8"], &["linux/arm64"], &[], &[]),
            (&["linux/amd64", "linux/arm64"], &["linux/arm64"], &["linux/amd64"], &[]),
            (&["linux/amd64"], &["linux/386", "linux/amd64"], &[], &[0]),
            (&["linux/amd64"], &["linux/amd64", "linux/amd64"], &[], &[1]),
            (&["windows/amd64", windows], &[windows, "windows(10.0.20348.1)/amd64"], &[], &[]),
        ] {
            let (asked, have) = (platforms(asked), platforms(have));
            let have: Vec<Option<&Platform>> = have.iter().map(Some).collect();
            let (lacking, odd) = unanswered(&asked, &have);
            let lacking: Vec<String> = lacking.iter().map(ToString::to_string).collect();
            assert_eq!(
                (lacking, odd),
                (missing.iter().map(ToString::to_string).collect(), unexpected.to_vec())
            );
        }
        assert_eq!(unanswered(&[], &[None]), (Vec::new(), vec![0]));
    }
}
