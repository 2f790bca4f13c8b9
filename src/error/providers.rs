//! Registries that are recognised by their host, and the section of docs/registries.md on each.

/// The page on registries, as published for this major version.
const PAGE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/v1/docs/registries.md");

/// Sections by hosts: a host itself, or with a leading dot whatever is below it.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("ghcr", &["ghcr.io"]),
    ("docker-hub", &["docker.io", "index.docker.io", "registry-1.docker.io"]),
    ("gitlab", &["registry.gitlab.com"]),
    (PRIVATE_ECR, &[]),
    (PUBLIC_ECR, &["public.ecr.aws"]),
    ("google-artifact-registry", &[".pkg.dev", "gcr.io", ".gcr.io"]),
    ("azure-container-registry", &[".azurecr.io", ".azurecr.cn", ".azurecr.us"]),
    ("quay", &["quay.io"]),
    ("artifactory", &[".jfrog.io"]),
    ("gitea-and-forgejo", &["codeberg.org", "gitea.com"]),
];

const PRIVATE_ECR: &str = "amazon-ecr";
const PUBLIC_ECR: &str = "amazon-ecr-public";

/// The address of what the documentation says about this host's registry; none for a host that may
/// run anything.
pub(super) fn documentation(host: &str) -> Option<String> {
    section(host).map(|section| format!("{PAGE}#{section}"))
}

/// The name of Amazon's service, as its permissions and `aws` have it, if the host is one of its
/// registries.
pub(super) fn ecr_service(host: &str) -> Option<&'static str> {
    match section(host) {
        Some(PRIVATE_ECR) => Some("ecr"),
        Some(PUBLIC_ECR) => Some("ecr-public"),
        _ => None,
    }
}

fn section(host: &str) -> Option<&'static str> {
    if is_private_ecr(host) {
        return Some(PRIVATE_ECR);
    }
    let fits = |pattern: &&str| match pattern.strip_prefix('.') {
        // The rest ends with the dot, so that the name ends where a label does.
        Some(parent) => {
            host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        None => host == *pattern,
    };
    PROVIDERS.iter().find(|(_, hosts)| hosts.iter().any(fits)).map(|(section, _)| *section)
}

/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, with `-fips`, in China below `.cn`, or the dual-stack
/// `ACCOUNT.dkr-ecr.REGION.on.aws`: account and region stand in the middle, so no suffix tells.
fn is_private_ecr(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let region = match labels[..] {
        [account, "dkr", "ecr" | "ecr-fips", region, "amazonaws", "com"]
        | [account, "dkr", "ecr" | "ecr-fips", region, "amazonaws", "com", "cn"]
        | [account, "dkr-ecr" | "dkr-ecr-fips", region, "on", "aws"]
            if !account.is_empty() =>
        {
            region
        }
        _ => return false,
    };
    !region.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every provider's hosts, each with its section; nothing for hosts that only look alike.
    const HOSTS: &[(&str, &str)] = &[
        ("ghcr.io", "ghcr"),
        ("docker.io", "docker-hub"),
        ("index.docker.io", "docker-hub"),
        ("registry-1.docker.io", "docker-hub"),
        ("registry.gitlab.com", "gitlab"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "amazon-ecr"),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "amazon-ecr"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "amazon-ecr"),
        ("123456789012.dkr-ecr.us-west-2.on.aws", "amazon-ecr"),
        ("public.ecr.aws", "amazon-ecr-public"),
        ("europe-west1-docker.pkg.dev", "google-artifact-registry"),
        ("gcr.io", "google-artifact-registry"),
        ("eu.gcr.io", "google-artifact-registry"),
        ("acme.azurecr.io", "azure-container-registry"),
        ("acme.azurecr.cn", "azure-container-registry"),
        ("acme.azurecr.us", "azure-container-registry"),
        ("quay.io", "quay"),
        ("acme.jfrog.io", "artifactory"),
        ("codeberg.org", "gitea-and-forgejo"),
        ("gitea.com", "gitea-and-forgejo"),
    ];

    /// Sections on what people run themselves, under hosts that tell nothing.
    const SELF_HOSTED: &[&str] = &["harbor", "nexus", "self-hosted-with-a-private-ca"];

    #[test]
    fn a_host_that_is_one_providers_has_its_section() {
        for (host, section) in HOSTS {
            let address = format!("{PAGE}#{section}");
            assert_eq!(documentation(host).as_deref(), Some(&*address), "{host}");
        }
    }

    #[test]
    fn hosts_that_resemble_one_or_are_unknown_have_none() {
        for host in [
            "ghcr.io.evil.test",
            "evilghcr.io",
            "evil.ghcr.io",
            "ghcr.io:444",
            "docker.io.evil.test",
            "registry.gitlab.com.evil.test",
            "registry.gitlab.example.com",
            "evilpkg.dev",
            "pkg.dev",
            ".pkg.dev",
            "europe-west1-docker.pkg.dev.evil.test",
            "evilgcr.io",
            "acme.azurecr.io.evil.test",
            "azurecr.io",
            "evilazurecr.io",
            "notquay.io",
            "public.ecr.aws.evil.test",
            "amazonaws.com",
            "bucket.s3.amazonaws.com",
            "123456789012.dkr.ecr.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            ".dkr.ecr.eu-central-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.test",
            "123456789012.dkr.ecr.eu-central-1.evilamazonaws.com",
            "evil.123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            "codeberg.org.evil.test",
            "localhost:5000",
            "127.0.0.1:5000",
            "registry.example",
        ] {
            assert_eq!(documentation(host), None, "{host}");
            assert_eq!(ecr_service(host), None, "{host}");
        }
    }

    #[test]
    fn both_of_amazons_services() {
        assert_eq!(ecr_service("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"), Some("ecr"));
        assert_eq!(ecr_service("public.ecr.aws"), Some("ecr-public"));
    }

    /// GitHub's anchor of a heading: lower case, spaces to hyphens, other punctuation left out.
    fn anchor(heading: &str) -> String {
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    }

    #[test]
    fn sections_of_the_page_and_of_hosts_are_the_same() {
        let page = include_str!("../../docs/registries.md");
        let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
        // What is said of all registries, and where it is from.
        let of_all = ["Logins", "Sources"];
        let found: BTreeSet<String> =
            headings.filter(|heading| !of_all.contains(heading)).map(anchor).collect();
        let hosts = HOSTS.iter().map(|(_, section)| *section);
        let expected: BTreeSet<String> =
            hosts.chain(SELF_HOSTED.iter().copied()).map(str::to_owned).collect();
        assert_eq!(found, expected);
        let listed: BTreeSet<&str> = PROVIDERS.iter().map(|(section, _)| *section).collect();
        let of_hosts: BTreeSet<&str> = HOSTS.iter().map(|(_, section)| *section).collect();
        assert_eq!(listed, of_hosts, "a provider without a host in the table above");
    }
}
