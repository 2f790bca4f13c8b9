//! The names that a `spec` gives to its lists, and the variables of a dotenv report made of them.

/// The key of a list in a `spec`.
pub(super) const KEY: &str = "name";
/// With this the variables of a report would be inputs of a later job.
const OURS: &str = "MANIFEST_ACTION_";

/// Whether a list can be called so.
pub(super) fn check(name: &str) -> Result<(), String> {
    let is_inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name = name.starts_with(is_inside)
        && name.ends_with(is_inside)
        && name.chars().all(|c| is_inside(c) || matches!(c, '-' | '_' | '.'));
    if !is_name {
        return Err(format!(
            "{KEY} must consist of a-z and 0-9, with - _ . only in between, not {name:?}"
        ));
    }
    if format!("{}_", variable(name)).starts_with(OURS) {
        return Err(format!(
            "{KEY}: a dotenv report would have variables {OURS}…, which a later job reads as inputs; use another name than {name:?}"
        ));
    }
    Ok(())
}

/// What the variables of this list begin with.
pub(crate) fn variable(name: &str) -> String {
    format!("MANIFEST_{}", name.to_ascii_uppercase().replace(['-', '.'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn what_a_list_can_be_called() {
        for (name, is_right) in [
            ("app", true),
            ("1", true),
            ("app-1.2_x", true),
            ("actions", true),
            ("my-action", true),
            ("", false),
            ("App", false),
            ("-app", false),
            ("app.", false),
            ("a b", false),
            ("é", false),
            ("action", false),
            ("action-x", false),
            ("action.x", false),
            ("action_x", false),
        ] {
            assert_eq!(check(name).is_ok(), is_right, "{name:?}");
        }
        assert_eq!(variable("app-1.2_x"), "MANIFEST_APP_1_2_X");
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = ["a", "1", "-", "_", ".", "A", "é", "\n", "=", "$", " ", "action"];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..3_000 {
            let name = mixed(&mut random, &pieces, 6);
            let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(check(&name).is_err() || variable(&name).chars().all(is_word), "{name:?}");
        }
    }
}
