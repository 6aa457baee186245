//! Why there are no statements, and what makes their figures incomplete.

use crate::console::Console;
use headroom_model::{
    TargetId, Timestamp, format,
    range::Resolved,
    statements::StatementsAbsence,
    target::{Limitation, Reach},
};

/// What of a target's limitations is about statements.
fn is_about_statements(limitation: &Limitation) -> bool {
    ["pg_stat_statements", "tatements of other roles", "texts of statements", "statements are not measured"]
        .iter()
        .any(|words| limitation.what.contains(words))
}

fn told(limitation: &Limitation) -> StatementsAbsence {
    StatementsAbsence { reason: limitation.what.clone(), remedy: Some(limitation.remedy.clone()) }
}

impl Console {
    /// What makes the figures of statements incomplete now.
    pub(super) fn statement_notes(&self, target: &TargetId) -> Vec<StatementsAbsence> {
        let latest = self.latest(target);
        let limitations = latest.as_ref().map_or(&[][..], |update| &update.target.limitations);
        let mut about: Vec<&Limitation> = limitations.iter().filter(|one| is_about_statements(one)).collect();
        // Without the extension no grant helps.
        about.sort_by_key(|limitation| !limitation.remedy.contains("pg_stat_statements"));
        about.into_iter().map(told).collect()
    }

    /// Why a range holds nothing.
    pub(super) fn no_statements(
        &self,
        target: &TargetId,
        range: Resolved,
        starts_at: Option<Timestamp>,
    ) -> StatementsAbsence {
        let now = self.clock.now();
        let plain = |reason: String| StatementsAbsence { reason, remedy: None };
        if let Some(starts_at) = starts_at.filter(|starts_at| range.to <= *starts_at) {
            let starts_at = format::moment(starts_at, now);
            return plain(format!("The history of statements begins at {starts_at} UTC, after the end of this range."));
        }
        if let Some(cause) = self.statement_notes(target).into_iter().next() {
            return cause;
        }
        if let Some(Reach::Down { reason, .. }) = self.latest(target).map(|update| update.target.postgres.clone()) {
            return plain(reason);
        }
        if starts_at.is_none() {
            return plain(
                "Statements show with the second reading of their counters, at most a minute after the first."
                    .to_owned(),
            );
        }
        plain(format!("No statement of \"{target}\" ended in this range, or the console did not run."))
    }
}
