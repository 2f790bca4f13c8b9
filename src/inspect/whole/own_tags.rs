//! Platforms under tags of their own: each points to the image that the index has for its platform,
//! or to an index with it, as its builder pushed it.

use super::{Check, Found, Outcome};
use crate::error::Error;
use crate::oci::{Digest, Platform, Reference};
use futures_util::future::join_all;

impl Check<'_> {
    /// Checks the tags that platforms of an index have, as far as is known which it has.
    pub(super) async fn own_tags(&self, outcomes: &[Outcome]) -> Vec<Outcome> {
        let index = outcomes.iter().find_map(|outcome| outcome.found.as_ref().ok());
        let platforms = match (self.platforms, index) {
            ([], Some(index)) => index.platforms.as_slice(),
            (asked, _) => asked,
        };
        let checks = platforms.iter().map(|platform| async {
            let image = index.and_then(|index| index.image_for(platform));
            match self.platform_tags.of(platform, self.platforms) {
                Ok(tags) => {
                    join_all(
                        tags.into_iter().map(|tag| self.own_tag(tag, platform, image.as_ref())),
                    )
                    .await
                }
                Err(why) => {
                    let references = outcomes.first().map(|first| first.references.clone());
                    let found = Err(Error::refused(why));
                    vec![Outcome { references: references.unwrap_or_default(), found }]
                }
            }
        });
        join_all(checks).await.into_iter().flatten().collect()
    }

    async fn own_tag(
        &self,
        tag: Reference,
        platform: &Platform,
        image: Option<&Digest>,
    ) -> Outcome {
        let alone = Check { platforms: &[], ..*self };
        let mut found = alone.reference(&tag).await;
        if let (Ok(own), Some(image)) = (&mut found, image)
            && own.digest != *image
            && own.images.iter().all(|(_, digest)| digest != image)
        {
            own.points_elsewhere(&format!("without the image of {platform}, {image}"));
        }
        Outcome { references: vec![tag], found }
    }
}

impl Found {
    fn image_for(&self, platform: &Platform) -> Option<Digest> {
        let is_for = |(own, _): &&(Platform, Digest)| own.answers(platform);
        self.images.iter().find(is_for).map(|(_, digest)| digest.clone())
    }
}
