//! Issues and recommendations, each with its one remedy. The filter is in the URL.

use super::{store::use_store, words::issues_note};
use crate::{
    components::{
        icon::{Glyph, Icon},
        remedy::RemedyView,
        status::MarkOnly,
    },
    layout::use_frame,
};
use headroom_model::{
    Band,
    observation::{Issue, IssueKind},
};
use leptos::prelude::*;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The query key of the filter.
const KEY: &str = "show";

/// Which issues are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Filter {
    #[default]
    All,
    Active,
    Suggested,
}

impl Filter {
    const ALL: [Filter; 3] = [Filter::All, Filter::Active, Filter::Suggested];

    fn name(self) -> &'static str {
        match self {
            Filter::All => "All",
            Filter::Active => "Active",
            Filter::Suggested => "Suggested",
        }
    }

    fn lists(self, issue: &Issue) -> bool {
        match self {
            Filter::All => true,
            Filter::Active => issue.kind == IssueKind::Active,
            Filter::Suggested => issue.kind == IssueKind::Suggested,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Filter::All => "all",
            Filter::Active => "active",
            Filter::Suggested => "suggested",
        })
    }
}

impl FromStr for Filter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Filter::ALL.into_iter().find(|filter| filter.to_string() == text).ok_or(())
    }
}

/// Issues about a server that does not answer.
const SPOKEN_BY_BANNER: [&str; 2] = ["postgres-down", "redis-down"];

/// What became critical since the page was opened: ids of the critical issues, and the sentence about the newest.
#[derive(Clone, Debug, Default, PartialEq)]
struct Alarm {
    critical: BTreeSet<String>,
    sentence: String,
}

impl Alarm {
    /// The alarm after `before`. What the page opened with is no news.
    fn next(before: Option<&Alarm>, issues: &[Issue]) -> Alarm {
        let is_critical = |issue: &&Issue| {
            let spoken_by_banner = SPOKEN_BY_BANNER.contains(&issue.id.as_str());
            issue.kind == IssueKind::Active && issue.band == Some(Band::Critical) && !spoken_by_banner
        };
        let critical = issues.iter().filter(is_critical).map(|issue| issue.id.clone()).collect();
        let Some(before) = before else { return Alarm { critical, sentence: String::new() } };
        let new = issues.iter().filter(is_critical).find(|issue| !before.critical.contains(&issue.id));
        let sentence =
            new.map_or_else(|| before.sentence.clone(), |issue| format!("New critical issue: {}.", issue.title));
        Alarm { critical, sentence }
    }
}

/// The sheet.
#[component]
pub fn Issues() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let issues = Memo::new(move |_| store.present.live.with(|live| live.issues.clone()));
    let alarm = Memo::new(move |before: Option<&Alarm>| issues.with(|issues| Alarm::next(before, issues)));
    let spoken = Memo::new(move |_| alarm.with(|alarm| alarm.sentence.clone()));
    let filter: Memo<Filter> = Memo::new(move |_| {
        frame.query.with(|query| query.get_str(KEY).and_then(|text| text.parse().ok()).unwrap_or_default())
    });
    let listed = Memo::new(move |_| {
        issues.with(|issues| issues.iter().filter(|issue| filter.get().lists(issue)).cloned().collect::<Vec<_>>())
    });
    let choice = move |choice: Filter| {
        let name = choice.to_string();
        let href = move || frame.link("/", &[(KEY, (choice != Filter::All).then_some(name.as_str()))]);
        let current = move || (filter.get() == choice).then_some("true");
        view! {
            <a href=href aria-current=current data-noscroll="">
                {choice.name()}
            </a>
        }
    };
    let empty = move || {
        listed.with(Vec::is_empty).then(|| {
            let (head, text) = match filter.get() {
                Filter::All | Filter::Active => (
                    "Nothing needs you",
                    "What goes wrong appears here within one sample, worst first, with the one step that helps.",
                ),
                Filter::Suggested => {
                    ("No suggestions", "What could be better appears here once there are figures to show it.")
                }
            };
            view! {
                <div class="empty">
                    <h3>{head}</h3>
                    <p>{text}</p>
                </div>
            }
        })
    };
    view! {
        <section class="sheet" aria-labelledby="h-iss">
            <p class="vh" role="alert">
                {spoken}
            </p>
            <div class="cell-head pad-head">
                <h2 id="h-iss">"Issues and recommendations"</h2>
                <small>{move || issues.with(|issues| issues_note(issues))}</small>
                <nav class="push seg s" aria-label="Show">
                    {Filter::ALL.into_iter().map(choice).collect_view()}
                </nav>
            </div>
            <div>
                <ul class="issues">
                    <For
                        each=move || listed.get().into_iter().map(|issue| issue.id)
                        key=Clone::clone
                        children=move |id| {
                            let found = Memo::new(move |before: Option<&Option<Issue>>| {
                                listed
                                    .with(|listed| listed.iter().find(|issue| issue.id == id).cloned())
                                    .or_else(|| before.cloned().flatten())
                            });
                            view! { <IssueRow issue=found/> }
                        }
                    />
                </ul>
                {empty}
            </div>
        </section>
    }
    .into_any()
}

/// One issue. Its parts change one by one, so that an open remedy stays open.
#[component]
fn IssueRow(issue: Memo<Option<Issue>>) -> impl IntoView {
    let part = move |read: fn(&Issue) -> String| {
        Memo::new(move |_| issue.with(|issue| issue.as_ref().map(read).unwrap_or_default()))
    };
    let suggested = Memo::new(move |_| {
        issue.with(|issue| {
            issue.as_ref().is_some_and(|issue| issue.kind == IssueKind::Suggested && issue.band.is_none())
        })
    });
    let band = Memo::new(move |_| issue.with(|issue| issue.as_ref().and_then(|issue| issue.band)));
    let remedy = Memo::new(move |_| issue.with(|issue| issue.as_ref().and_then(|issue| issue.remedy.clone())));
    let (title, detail) = (part(|issue| issue.title.clone()), part(|issue| issue.detail.clone()));
    let gain = part(|issue| issue.gain.clone().unwrap_or_default());
    view! {
        <li>
            {move || {
                if suggested.get() {
                    view! {
                        <span class="st" style="color:var(--accent)">
                            <span class="wrench">
                                <Glyph icon=Icon::Wrench small=true/>
                            </span>
                            <span class="vh">"Recommendation"</span>
                        </span>
                    }
                        .into_any()
                } else {
                    view! { <MarkOnly status=band/> }.into_any()
                }
            }}
            <div>
                <h3>{title}</h3>
                <p>{detail}</p>
            </div>
            <div class="act">
                {move || remedy.get().map(|remedy| view! { <RemedyView remedy/> })}
                <small>{gain}</small>
            </div>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_critical_issue_is_spoken_once() {
        let issue = |id: &str, band| Issue {
            id: id.to_owned(),
            kind: IssueKind::Active,
            band: Some(band),
            title: format!("{id} waits"),
            detail: String::new(),
            remedy: None,
            gain: None,
        };
        let hear = |before: &Alarm, issues: &[Issue]| Alarm::next(Some(before), issues);
        let (known, new) = (issue("known", Band::Critical), issue("new", Band::Critical));
        let opened = Alarm::next(None, std::slice::from_ref(&known));
        assert_eq!(opened.sentence, "");
        let mild = hear(&opened, &[known.clone(), issue("mild", Band::Degraded)]);
        assert_eq!(mild.sentence, "");
        let spoken = hear(&mild, &[known.clone(), new.clone()]);
        assert_eq!(spoken.sentence, "New critical issue: new waits.");
        assert_eq!(hear(&spoken, &[known, new]), spoken);
        assert_eq!(hear(&opened, &[issue("redis-down", Band::Critical)]).sentence, "");
    }

    #[test]
    fn filters_are_written_as_they_are_read() {
        for filter in Filter::ALL {
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
        assert_eq!("worst".parse::<Filter>(), Err(()));
    }
}
