//! What `append` asks for: new entries onto what the first tag points to.

use super::check::Checked;
use super::compose::{self, Composed};
use super::edit::{Change, Moved};
use super::lots::Single;
use super::targets::Base;
use super::transfer::Origins;
use super::write::Stock;
use crate::entries::{change, diff};
use crate::error::Error;
use crate::plan::Plan;
use tracing::info;

/// Checked entries, and where they come from.
pub(super) struct Append<'a> {
    pub(super) plan: &'a Plan,
    pub(super) checked: &'a Checked,
    pub(super) stock: Stock<'a>,
}

impl Change for Append<'_> {
    fn when_moved(&self) -> Moved {
        Moved::Merge
    }

    fn onto(&self, base: &Base) -> Result<Composed, Error> {
        let entries = change::append(&base.entries, &self.checked.entries);
        compose::onto(self.plan, base, entries)
    }

    fn origins(&self, base: &Base) -> Origins {
        match self.plan.targets.first() {
            Some(first) => self.stock.origins.clone().and_base(first, base),
            None => self.stock.origins.clone(),
        }
    }

    fn singles(&self) -> &[Single] {
        self.stock.singles
    }

    fn tell(&self, base: &Base, composed: &Composed) {
        if let (None, Some(first)) = (&base.manifest, self.plan.targets.first()) {
            info!("append   {first} does not exist yet; creating it");
        } else if !self.plan.dry_run {
            // A dry run tells it of each tag.
            diff::tell(&base.entries, &composed.entries);
        }
        compose::tell(composed);
    }
}
