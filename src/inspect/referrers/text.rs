//! Referrers for people: below what they refer to, each with its kind first.

use super::Referrer;
use crate::oci::media_type;
use crate::oci::referrer::Signer;
use crate::text::escape::visible;
use crate::text::style::{Look, Style, wrapped};
use crate::text::{count, exact};

/// The block that `inspect` ends with.
pub(crate) fn text(referrers: &[Referrer], style: Style) -> String {
    if referrers.is_empty() {
        return "\nno referrers\n".to_owned();
    }
    let mut out = format!("\n{}\n", count(referrers.len(), "referrer"));
    let mut before = None;
    for referrer in referrers {
        if referrer.depth == 1 && before != Some(&referrer.subject) {
            let title = style.paint(Look::Title, &format!("of {}", visible(&referrer.of)));
            out.push_str(&format!("\n{title}\n"));
            before = Some(&referrer.subject);
        }
        referrer.write(&mut out, style);
    }
    out
}

impl Referrer {
    fn write(&self, out: &mut String, style: Style) {
        let indent = 2 * self.depth;
        let start = " ".repeat(indent);
        out.push_str(&wrapped(&start, indent, &self.what(), style.columns));
        for name in self.tag.iter().map(String::as_str).chain(self.digest()) {
            out.push_str(&format!("{start}  {name}\n"));
        }
        if let Some(signers) = told(&self.signers) {
            let label = style.paint(Look::Label, "signed with");
            let text = format!("{signers} (unverified)");
            let width = indent + 2 + "signed with ".len();
            out.push_str(&wrapped(&format!("{start}  {label} "), width, &text, style.columns));
        }
        let mut certificates: Vec<&Signer> = self.signers.iter().collect();
        certificates.dedup();
        for signer in certificates {
            if let Signer::Certificate(Some(hex)) = signer {
                out.push_str(&format!("{start}    sha256:{hex}\n"));
            }
        }
    }

    fn digest(&self) -> Option<&str> {
        self.entry.as_ref().map(|entry| entry.digest.as_str())
    }

    /// Kind, type and size.
    fn what(&self) -> String {
        let stated = self.statements.iter().filter(|stated| self.kind.as_ref() != Some(stated));
        let mut parts: Vec<String> = self.kind.iter().chain(stated).cloned().collect();
        let Some(entry) = &self.entry else {
            parts.extend(self.problem.iter().map(|why| format!("not read: {why}")));
            return parts.join(", ");
        };
        match entry.artifact_type.as_str() {
            "" if parts.is_empty() => {
                parts.push(format!("{} of no stated kind", media_type::name(&entry.media_type)));
            }
            "" => {}
            artifact_type => parts.push(artifact_type.to_owned()),
        }
        parts.push(exact(entry.size));
        parts.join(", ")
    }
}

/// With how many certificates and keys.
fn told(signers: &[Signer]) -> Option<String> {
    let keys = signers.iter().filter(|signer| **signer == Signer::Key).count();
    let kinds = [("certificate", signers.len() - keys), ("key", keys)];
    let told: Vec<String> = kinds
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(kind, number)| match number {
            1 => format!("a {kind}"),
            _ => count(number, kind),
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::examples;
    use insta::assert_snapshot;

    #[test]
    fn referrers() {
        assert_snapshot!(text(&examples::referrers(), Style::PLAIN), @"

        4 referrers

        of the index
          provenance, application/vnd.dev.sigstore.bundle.v0.3+json, 1234 bytes
            sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc
            signature, application/vnd.cncf.notary.signature, 700 bytes
              sha256:a0800997eb2fed3f3b33d86de629f548449450ecf40530106224132d616061be
              signed with a certificate (unverified)
                sha256:abababababababababababababababababababababababababababababababab

        of linux/amd64
          cosign signature, 900 bytes
            sha256-baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942.sig
            sha256:5d55da39858da0af660e60d0ced267a9a870c95bb928e2979ec677baefe88f96
            signed with a certificate, a key (unverified)
          cosign attestation, not read: not in the registry
            sha256-baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942.att
        ");
        assert_eq!(text(&[], Style::PLAIN), "\nno referrers\n");
    }

    #[test]
    fn signers_are_counted() {
        let certificate = || Signer::Certificate(None);
        let named = || Signer::Certificate(Some("ab".to_owned()));
        for (signers, expected) in [
            (vec![], None),
            (vec![Signer::Key], Some("a key")),
            (vec![certificate(), Signer::Key, certificate()], Some("2 certificates, a key")),
            (vec![named()], Some("a certificate")),
            (vec![Signer::Key, Signer::Key], Some("2 keys")),
        ] {
            assert_eq!(told(&signers).as_deref(), expected);
        }
    }
}
