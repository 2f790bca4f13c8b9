//! `GITHUB_OUTPUT`: one record per value, between delimiters that no value can contain (runner:
//! `FileCommandManager`).

use rustls::crypto::ring::default_provider;

pub(crate) fn output_file(values: &[(&'static str, String)]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (name, value) in values {
        let delimiter = delimiter(value)?;
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    Ok(text)
}

/// 128 random bits, which the author of the value cannot know. The value is searched for them all
/// the same.
fn delimiter(value: &str) -> anyhow::Result<String> {
    loop {
        let mut random = [0_u8; 16];
        default_provider()
            .secure_random
            .fill(&mut random)
            .map_err(|_| anyhow::anyhow!("the system provides no random bytes"))?;
        let delimiter = format!(
            "ghadelimiter_{}",
            random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        );
        if !value.contains(&delimiter) {
            return Ok(delimiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_between_their_delimiters() {
        let text = output_file(&[("a", "x\ny=z\nEOF".into()), ("b", String::new())]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("a<<").unwrap();
        assert_eq!(lines[1..5], ["x", "y=z", "EOF", delimiter]);
        assert_eq!(delimiter.len(), "ghadelimiter_".len() + 32);
        assert_ne!(lines[5].strip_prefix("b<<").unwrap(), delimiter);
    }
}
