//! Whether an image is the one that is waited for, as its labels say. Only with `expect-labels` this
//! asks for more than is read anyway: of an index, the config of every image that is picked.

use super::look::Look;
use super::state::{NotYet, Stop, WrongLabel};
use crate::entries::images;
use crate::error::Error;
use crate::error::words::input;
use crate::inputs::table::names;
use crate::join;
use crate::oci::{Content, Descriptor, ImageConfig, Origin, Reference, media_type};
use crate::plan::Labels;

/// The first label that is not as it must be.
fn wrong(expected: &Labels, config: &ImageConfig, platform: Option<String>) -> Option<WrongLabel> {
    let (key, value) = expected.iter().find(|(key, value)| config.label(key) != Some(value))?;
    let found = config.label(key).map(str::to_owned);
    Some(WrongLabel { platform, key: key.clone(), expected: value.clone(), found })
}

impl Look<'_> {
    /// Rejects for good, or for now, an image whose labels are wrong.
    pub(super) fn check_labels(
        &self,
        config: &ImageConfig,
        platform: Option<String>,
    ) -> Result<(), Stop> {
        let expected = &self.wait.work.plan.expect_labels;
        let Some(label) = wrong(expected, config, platform) else { return Ok(()) };
        let Reference { repository, digest, .. } = &self.source.reference;
        let (name, labels) = (&self.source.name, input(names::expect_labels));
        let what_to_do = match (repository.file(), digest) {
            (Some(_), _) => format!("save the image of this build, or correct {labels}"),
            (None, Some(_)) => format!(
                "What a digest names never changes: give the digest of the new image, or correct \
                 {labels}"
            ),
            (None, None) => return Err(Stop::NotYet(NotYet::Stale(label))),
        };
        let error = Error::refused(format!(
            "{name} is not the image that {labels} asks for: {}",
            label.text()
        ));
        let how = label.how_to_set().map(|how| format!("{how}. ")).unwrap_or_default();
        Err(error.with_fix(format!("{how}{what_to_do}")).into())
    }

    /// Reads the configs of an index's images and checks their labels; where they come from.
    pub(super) async fn origins_of(&self, entries: &[Descriptor]) -> Result<Vec<Origin>, Stop> {
        let read = images(entries).map(|entry| async move {
            let config = self.config_behind(entry).await?;
            // An artifact without a platform runs nowhere, so it is of no commit either.
            if config.is_none() && entry.known_platform().is_none() {
                return Ok::<Option<Origin>, Stop>(None);
            }
            let config = config.unwrap_or_default();
            self.check_labels(&config, Some(entry.title()))?;
            Ok(Some(config.origin()))
        });
        Ok(join::all(read).await?.into_iter().flatten().collect())
    }

    async fn config_behind(&self, entry: &Descriptor) -> Result<Option<ImageConfig>, Stop> {
        match &self.entry(entry).await?.content {
            Content::Image(image) if media_type::is_image_config(&image.config.media_type) => {
                self.config(&image.config).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_counts() {
        let expected: Labels =
            [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into();
        let config = |labels: &str| {
            ImageConfig::parse(
                format!(r#"{{"os":"linux","config":{{"Labels":{labels}}}}}"#).as_bytes(),
            )
            .unwrap()
        };
        for (labels, culprit) in [
            (r#"{"a":"1","b":"2","c":"3"}"#, None),
            (r#"{"a":"1","b":"3"}"#, Some(("b", Some("3")))),
            (r#"{"b":"2"}"#, Some(("a", None))),
            (r#"{"a":"1 ","b":"2"}"#, Some(("a", Some("1 ")))),
            ("null", Some(("a", None))),
        ] {
            let found = wrong(&expected, &config(labels), None);
            assert_eq!(
                found.as_ref().map(|found| (found.key.as_str(), found.found.as_deref())),
                culprit,
                "{labels}"
            );
        }
        assert_eq!(wrong(&Labels::new(), &ImageConfig::default(), None), None);
    }
}
