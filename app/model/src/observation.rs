//! What a collector saw beyond plain figures: sessions, statements, tables; and the issues drawn from them.

use crate::{Band, health::Link};
use serde::{Deserialize, Serialize};

/// What to do about an issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Remedy {
    /// Look there.
    Open(Link),
    /// Run this on the target. The exact statement, ready to copy.
    Sql {
        /// What running it does: "Create index".
        label: String,
        /// The statement.
        sql: String,
    },
    /// Do this: what no statement on the target does.
    Text {
        /// What to do.
        text: String,
    },
}

/// Whether something is wrong now, or could be better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum IssueKind {
    /// Wrong now.
    Active,
    /// Could be better.
    Suggested,
}

/// Something that needs someone, with the one remedy that helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// Stable while the issue lasts (`blocking:48213`).
    pub id: String,
    /// Active or suggested.
    pub kind: IssueKind,
    /// How bad; suggestions carry none.
    pub band: Option<Band>,
    /// One line with the object and the figures.
    pub title: String,
    /// A second line: the cause, as far as known.
    pub detail: String,
    /// What helps.
    pub remedy: Option<Remedy>,
    /// What the remedy will achieve; "estimate:" or "measured:" in front where it is a figure.
    pub gain: Option<String>,
}
