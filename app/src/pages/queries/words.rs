//! What the pages of statements say.

use crate::{
    components::{icon::Glyph, icon::Icon, sql::SqlLine},
    layout::use_frame,
    url,
};
use headroom_model::{
    Band, Timestamp,
    format::{self, MISSING},
    metric::Unit,
    statements::{Regression, RowByRow, StatementDetail, StatementList, Sureness, Tag},
};
use leptos::prelude::*;

/// "4 statements took 1 min 2 s in 08:32 – 14:32; figures by 10 min".
pub fn head(list: &StatementList, now: Timestamp) -> String {
    let time = format::duration_ms(list.total_ms);
    let range = format::range(list.range.from, list.range.to, now);
    let step = format::duration_ms(list.step_ms as f64);
    let measured = match list.range.millis() {
        all if list.measured_ms * 10 >= all.min(now.0 - list.range.from.0) * 9 => String::new(),
        _ => format!(", of which {} were measured", format::duration_ms(list.measured_ms as f64)),
    };
    format!(
        "{} took {time} of execution in {} calls, {range}{measured}; pg_stat_statements, by {step}",
        format::counted(list.known, "statement"),
        format::count(list.calls),
    )
}

/// The day something was.
pub fn day(at: Option<Timestamp>) -> String {
    at.map_or_else(|| MISSING.to_owned(), format::date)
}

/// "action:show, controller:orders".
pub fn tags(tags: &[Tag]) -> String {
    tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How bad a slowdown is.
pub fn band(regression: &Regression) -> Option<Band> {
    (regression.sureness == Sureness::Sure).then_some(Band::Degraded)
}

/// "3.1 times".
pub fn factor(regression: &Regression) -> String {
    format!("{} ×", format::number(regression.factor()))
}

/// "612 ms a call since 13:08; 24 ms is usual (the same hour of 4 earlier weeks). This is sure."
pub fn slower(regression: &Regression, now: Timestamp) -> String {
    let since = regression.since.map(|at| format!(" since {} UTC", format::moment(at, now))).unwrap_or_default();
    let sure = match regression.sureness {
        Sureness::Sure => "That is no chance",
        Sureness::Likely => "That is probably no chance",
    };
    format!(
        "{} a call{since}; {} is usual ({}). {sure}.",
        format::value(regression.mean_ms, Unit::Milliseconds),
        format::value(regression.usual_ms, Unit::Milliseconds),
        regression.basis,
    )
}

/// How it compares with what is usual, also where it does not differ or nothing is known.
pub fn against_usual(detail: &StatementDetail, now: Timestamp) -> String {
    match (&detail.statement.regression, detail.basis) {
        (Some(regression), _) => slower(regression, now),
        (None, Some(basis)) => format!("No slower than usual in the last hour of the range; compared with {basis}."),
        (None, None) => {
            "Too little is known to say what is usual: it takes six hours of it, or the same hour of three weeks."
                .to_owned()
        }
    }
}

/// Rows that are fetched one by one, with what helps.
#[component]
pub fn Patterns(#[prop(into)] shown: Signal<Vec<RowByRow>>) -> impl IntoView {
    let frame = use_frame();
    let link = move |id: String| {
        move || frame.query.with(|query| url::href(&super::statement::path(&id), &url::carried(query), &[]))
    };
    let item = move |one: RowByRow| {
        let (list, lookup) = (link(one.list_id.clone()), link(one.lookup_id.clone()));
        let said = format!(
            "In {} of the last {} minutes the second was called once for each row of the first: {} times a list, {} calls, {} of execution and as many round trips.",
            one.minutes,
            one.of,
            format::number(one.per_call),
            format::count(one.calls),
            format::duration_ms(one.total_ms),
        );
        view! {
            <li class="cell">
                <p>{said}</p>
                <p>
                    <a href=list>
                        <SqlLine text=one.list_text/>
                    </a>
                </p>
                <p>
                    <a href=lookup>
                        <SqlLine text=one.lookup_text/>
                    </a>
                </p>
                <p class="note">{RowByRow::REMEDY}</p>
            </li>
        }
    };
    let items = move || shown.get().into_iter().map(item).collect_view();
    view! {
        <Show when=move || shown.with(|shown| !shown.is_empty())>
            <section class="sheet" aria-labelledby="h-n1">
                <div class="cell-head pad-head">
                    <h2 id="h-n1">"Rows fetched one by one"</h2>
                    <small>"N+1 pattern, now"</small>
                </div>
                <ul class="plain-list">{items}</ul>
            </section>
        </Show>
    }
    .into_any()
}

/// A link to the minutes in which a statement took most time.
#[component]
pub fn Minutes(minutes: Vec<Timestamp>) -> impl IntoView {
    let frame = use_frame();
    if minutes.is_empty() {
        return ().into_any();
    }
    let now = frame.now.get_untracked();
    let link = move |at: Timestamp| {
        let written = at.0.to_string();
        let href = move || {
            frame.query.with(|query| url::href("/trends", &url::carried(query), &[("at", Some(written.as_str()))]))
        };
        view! {
            <a class="btn s" href=href>
                <Glyph icon=Icon::Clock small=true/>
                {format::moment(at, now)}
            </a>
        }
    };
    view! {
        <div class="flow">
            <span class="sub">"What else ran in the minutes it took most time:"</span>
            {minutes.into_iter().map(link).collect_view()}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::statements::Basis;

    #[test]
    fn a_slowdown_is_said_with_what_it_rests_on() {
        let now = Timestamp(1_795_098_728_250);
        let regression = Regression {
            mean_ms: 612.0,
            usual_ms: 24.0,
            basis: Basis::Weeks(4),
            sureness: Sureness::Likely,
            since: Some(now.plus_millis(-5_040_000)),
        };
        assert_eq!(
            slower(&regression, now),
            "612 ms a call since 13:08 UTC; 24 ms is usual (the same hour of 4 earlier weeks). That is probably no chance."
        );
        assert_eq!((factor(&regression), band(&regression)), ("25.5 ×".to_owned(), None));
    }
}
