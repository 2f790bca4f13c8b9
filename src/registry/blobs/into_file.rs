//! A blob into a file that images are written to, checked on its way as any.

use super::stream::{BlobReader, Streamed, stream};
use super::{BlobOutcome, CopyError, FirstTime, most_uploads};
use crate::layout::{self, Receiving};
use crate::oci::{Descriptor, Repository};
use crate::registry::Registry;
use crate::registry::error::Error;
use tracing::debug;

impl Registry {
    /// Copies a blob into a file. `streamed` is called with the number of bytes that went through,
    /// each byte once.
    pub(super) async fn copy_blob_into_file(
        &self,
        from: &Repository,
        file: &Repository,
        blob: &Descriptor,
        streamed: &dyn Fn(u64),
    ) -> Result<BlobOutcome, CopyError> {
        let of_file = |error| CopyError::Target(Error::of_file(file, error));
        if !self.outgoing.lacks(file, blob).await.map_err(of_file)? {
            return Ok(BlobOutcome::There);
        }
        let _held = self.attempts.permits_for_copy(from, file).await;
        let first_time = FirstTime::new(streamed);
        let mut tries = 0;
        loop {
            tries += 1;
            first_time.begins();
            let mut reader = BlobReader::new(self, from, blob);
            let error = match self.pour(&mut reader, file, &first_time).await {
                Ok(()) => return Ok(BlobOutcome::Uploaded),
                Err(error) => error,
            };
            if tries >= most_uploads(&error) {
                return Err(error);
            }
            debug!("{file}: {} is written again: {error:?}", blob.digest);
        }
    }

    async fn pour(
        &self,
        reader: &mut BlobReader<'_>,
        file: &Repository,
        first_time: &FirstTime<'_>,
    ) -> Result<(), CopyError> {
        let of_file = |error| CopyError::Target(Error::of_file(file, error));
        let receiving = self.outgoing.receive(file, reader.blob).await;
        let Receiving { pipe, received } = receiving.map_err(of_file)?;
        let streamed = stream(reader, pipe, &|bytes| first_time.count(bytes)).await;
        match streamed {
            Streamed::Failed(error) => return Err(CopyError::Source(*error)),
            Streamed::Stalled => {
                let what = "the disk takes no more bytes".to_owned();
                return Err(of_file(layout::Error::Unwritten(what)));
            }
            Streamed::All | Streamed::Unwanted => {}
        }
        let lost = |_| layout::Error::Unwritten("it was not written to its end".to_owned());
        let received = received.await.map_err(lost).flatten().map_err(of_file)?;
        reader.check().map_err(CopyError::Source)?;
        self.outgoing.keep(file, received).await.map_err(of_file)
    }
}
