//! What refers to a manifest: the referrers API, and what a push says of it (distribution spec,
//! "Listing Referrers" and "Pushing Manifests with Subject").

use super::Registry;
use super::call::Call;
use super::error::{Error, Kind};
use super::http::Answer;
use crate::oci::{Content, Descriptor, Digest, Manifest, Reference, media_type, referrer};
use reqwest::Method;
use tokio::time::Instant;

/// Referrers of one manifest that are read of: more than anybody signs with.
pub(crate) const MOST_REFERRERS: usize = 256;
/// Pages of a list, some of which may be empty where a registry filters.
const MOST_PAGES: usize = 32;

/// What the list of referrers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Asked beside copies, which come first. Type, digest and size are kept.
    Copy,
    /// For people, who wait for nothing else: what each is and says of who signed is kept, too.
    Show,
}

/// How a registry stored a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Whether it lists the manifest under its subject by itself (`OCI-Subject`).
    pub lists_it: bool,
}

impl Stored {
    pub(super) fn by(answer: &Answer) -> Self {
        Self { lists_it: !answer.header("oci-subject").is_empty() }
    }
}

impl Registry {
    /// Lists what refers to a digest as [`Registry::list_referrers`] does; beside copies, where it is
    /// for them.
    pub(crate) async fn referrers(
        &self,
        subject: &Reference,
        purpose: Purpose,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        // Never closed, so a permit always comes.
        let _permit = match purpose {
            Purpose::Copy => self.beside.acquire().await.ok(),
            Purpose::Show => None,
        };
        self.list_referrers(subject, purpose, None).await
    }

    /// Lists what refers to a digest; `None` where the registry has no API for it. No filter is asked
    /// for: `OCI-Filters-Applied` cannot be about us.
    pub(crate) async fn list_referrers(
        &self,
        subject: &Reference,
        purpose: Purpose,
        deadline: Option<Instant>,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        if subject.repository.file().is_some() {
            return self.referrers_of_file(subject).await.map(Some);
        }
        let mut listed = Vec::new();
        let mut query = String::new();
        for page in 0..MOST_PAGES {
            let mut rest = format!("referrers/{}", subject.selector());
            if !query.is_empty() {
                rest = format!("{rest}?{query}");
            }
            let mut call = Call::new(Method::GET, &subject.repository, &rest);
            call.terms.deadline = deadline;
            let (answer, request) = match self.call(call).await {
                Err(error) if page == 0 && has_no_api(&error) => return Ok(None),
                settled => settled?,
            };
            let content_type = media_type::without_parameters(answer.header("content-type"));
            if content_type != media_type::OCI_INDEX {
                // What knows no such path may answer it with a page of its own.
                if page == 0 {
                    return Ok(None);
                }
                let what = "a page of the list of referrers is no image index".to_owned();
                return Err(request.error_of(Kind::Malformed(what), &answer));
            }
            let invalid = |invalid| request.error_of(Kind::from(invalid), &answer);
            let digest = Digest::of(&answer.body);
            let mut manifest =
                Manifest::parse(answer.body.clone(), &content_type, digest).map_err(invalid)?;
            manifest.share.count_in(&self.held).map_err(invalid)?;
            listed.extend(entries(&manifest, purpose).take(MOST_REFERRERS + 1));
            let base =
                self.root(&request)?.join(&format!("v2/{}/{rest}", subject.repository.path()));
            let next = base.ok().and_then(|base| answer.next_page(&base));
            if listed.len() > MOST_REFERRERS {
                let what = format!("more than {MOST_REFERRERS} referrers are listed");
                return Err(request.error_of(Kind::TooLarge(what), &answer));
            }
            match next {
                None => return Ok(Some(listed)),
                Some(_) if page + 1 == MOST_PAGES => {
                    let what = format!("the list of referrers has more than {MOST_PAGES} pages");
                    return Err(request.error_of(Kind::TooLarge(what), &answer));
                }
                Some(next) => query = next,
            }
        }
        Ok(Some(listed))
    }
}

/// Whether the registry knows no such path. Denials are the caller's to judge.
fn has_no_api(error: &Error) -> bool {
    match error.kind {
        Kind::NotFound | Kind::Rejected | Kind::Foreign(_) => true,
        _ => error.status == Some(501),
    }
}

/// The entries without what others may have made large.
pub(crate) fn entries(index: &Manifest, purpose: Purpose) -> impl Iterator<Item = Descriptor> {
    let entries = match &index.content {
        Content::Index(index) => index.manifests.as_slice(),
        Content::Image(_) => &[],
    };
    entries.iter().map(move |entry| {
        let mut told = referrer::told(entry);
        if purpose == Purpose::Copy {
            told.annotations.clear();
        }
        told
    })
}
