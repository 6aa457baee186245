//! What could not be read, as suggestions: figures stay unknown until someone grants or installs something.

use super::MAX_OF_A_SORT;
use crate::collect::Observation;
use headroom_model::{
    observation::{Issue, IssueKind, Remedy},
    target::Limitation,
};

/// One suggestion a limitation.
pub(super) fn draw(observation: &Observation) -> Vec<Issue> {
    observation.limitations.iter().take(MAX_OF_A_SORT).map(issue).collect()
}

fn issue(limitation: &Limitation) -> Issue {
    let Limitation { what, remedy } = limitation;
    let verb = remedy.split_whitespace().next().unwrap_or_default();
    let label = match verb {
        "GRANT" => Some("Grant"),
        "CREATE" => Some("Install"),
        "ALTER" => Some("Change"),
        _ => None,
    };
    let remedy = match label {
        Some(label) => Remedy::Sql { label: label.to_owned(), sql: remedy.clone() },
        None => Remedy::Text { text: remedy.clone() },
    };
    Issue {
        id: format!("limitation:{}", slug(what)),
        kind: IssueKind::Suggested,
        band: None,
        title: what.trim_end_matches('.').to_owned(),
        detail: "Until then these figures are unknown".to_owned(),
        remedy: Some(remedy),
        gain: None,
    }
}

/// The sentence in lower case with dashes: the same as long as the sentence is.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}
