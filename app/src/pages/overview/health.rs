//! The score, the scale with its deductions, and the ledger that explains them.

use super::{
    store::use_store,
    words::{active_of, extremes, ledger_note, scale_sentence, trend},
};
use crate::{
    components::{
        estimate::Estimate,
        spark::Spark,
        status::{Mark, class, token},
    },
    layout::use_frame,
    url,
};
use headroom_model::{
    Band, MetricId, Timestamp, format,
    health::{Deduction, Health},
};
use leptos::prelude::*;
use std::fmt::Write;

/// What colours a deduction: its band, or no status where it is mild.
fn cut_status(deduction: &Deduction) -> Option<Band> {
    (deduction.band <= Band::Degraded).then_some(deduction.band)
}

/// The inside of the scale: fill to the score, deductions hatched up to 100, the largest at the end.
fn paint_scale(health: &Health) -> String {
    let mut out = String::from(r#"<div class="track">"#);
    let mut numbers = String::new();
    if let Some(score) = health.score {
        let _ = write!(out, r#"<i class="fill" style="inline-size:{score}%"></i>"#);
        let mut at = 100_u8;
        for deduction in &health.deductions {
            at = at.saturating_sub(deduction.points);
            let points = deduction.points;
            let _ = write!(
                out,
                r#"<i class="cut" style="--cut:var(--{});inset-inline-start:{at}%;inline-size:{points}%"></i>"#,
                token(cut_status(deduction))
            );
            // Where segments are narrow the numbers would run into each other; the ledger has them all.
            if points >= 2 {
                let small = if points < 5 { " sm" } else { "" };
                let middle = f64::from(at) + f64::from(points) / 2.0;
                let _ = write!(
                    numbers,
                    r#"<span class="cut-n{small}" style="inset-inline-start:{middle}%">−{points}</span>"#
                );
            }
        }
    }
    out.push_str("</div>");
    out.push_str(&numbers);
    if let Some(score) = health.score {
        let _ = write!(
            out,
            r#"<span class="needle-n" style="inset-inline-start:{score}%;translate:{}">{score}</span><i class="needle" style="inset-inline-start:{score}%"></i>"#,
            if score < 8 { "15% 0" } else { "-115% 0" }
        );
    }
    for tick in (0..=100).step_by(5) {
        let major = if [0, 50, 70, 90, 100].contains(&tick) { " maj" } else { "" };
        let _ = write!(out, r#"<i class="tick{major}" style="inset-inline-start:{tick}%"></i>"#);
    }
    for (at, label) in [(0, "0 Critical"), (50, "50 Degraded"), (70, "70 Good")] {
        let _ = write!(out, r#"<span class="lab first" style="inset-inline-start:{at}%">{label}</span>"#);
    }
    out.push_str(
        r#"<span class="lab first" style="inset-inline-start:90%">90<span class="xl"> Excellent</span></span>"#,
    );
    out
}

/// Why there is no score.
fn unscored(health: &Health) -> String {
    health.components.iter().find_map(|component| component.unknown.clone()).unwrap_or_else(|| "Scoring…".to_owned())
}

/// The first row of the page.
#[component]
pub fn HealthRow() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let health = Memo::new(move |_| store.present.live.with(|live| live.health.clone()));
    let score = Memo::new(move |_| health.with(|health| health.score));
    let band = Memo::new(move |_| score.get().map(Band::of));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let scores = Memo::new(move |_| store.past.series(MetricId::HealthScore));
    let bounds = Memo::new(move |_| {
        let low = scores.with(|s| s.as_ref().and_then(|s| s.summary()).map_or(60.0, |s| s.min.min(60.0)));
        (low, 100.0)
    });
    let trend = Memo::new(move |_| {
        let events = store.past.timeline.with(|past| past.as_ref().map(|past| past.events.clone()).unwrap_or_default());
        scores.with(|scores| trend(score.get(), scores.as_ref(), &events, minute.get()))
    });
    let counts = Memo::new(move |_| {
        store
            .present
            .live
            .with(|live| [Band::Critical, Band::Degraded].map(|band| (band, active_of(&live.issues, band))))
    });
    let figure = move || score.get().map_or_else(|| "–".to_owned(), |score| score.to_string());
    let painted = Memo::new(move |_| health.with(paint_scale));
    view! {
        <div class="health row-cells">
            <div class="cell score">
                <h2 id="h-health">"Health"</h2>
                <div class="big">
                    {figure} <span class="of">{move || if score.get().is_some() { "of 100" } else { "" }}</span>
                </div>
                <Mark status=band/>
                <p class="delta">
                    {move || match (store.present.as_of(), score.get()) {
                        (Some(as_of), _) => as_of,
                        (None, Some(_)) => trend.get().unwrap_or_default(),
                        (None, None) => health.with(unscored),
                    }}
                </p>
                <p class="flow" style="gap:var(--p5);font-size:var(--t-small)">
                    {move || {
                        counts
                            .get()
                            .into_iter()
                            .filter(|(_, count)| *count > 0)
                            .map(|(band, count)| {
                                let text = format!("{count} {}", band.as_str());
                                view! {
                                    <a href="#h-iss">
                                        <Mark status=Some(band) text/>
                                    </a>
                                }
                            })
                            .collect_view()
                    }}
                </p>
                <figure style="margin-block-start:var(--p4)">
                    <Spark series=scores bounds color="ink-2" class="tall"/>
                    <figcaption class="note">
                        {move || scores.with(|scores| extremes(scores.as_ref())).unwrap_or_else(|| "no scores in this range".to_owned())}
                    </figcaption>
                </figure>
            </div>
            <div class="cell">
                <div class="cell-head" style="margin-block-end:var(--p4)">
                    <h2>{move || score.get().map_or_else(|| "No score".to_owned(), |score| format!("Why {score}"))}</h2>
                    <small>{move || health.with(ledger_note)}</small>
                </div>
                <div
                    class=move || format!("scale {}", class(band.get()))
                    role="img"
                    aria-label=move || health.with(scale_sentence)
                    inner_html=painted
                ></div>
                <Ledger health minute/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Ledger(health: Memo<Health>, minute: Memo<Timestamp>) -> impl IntoView {
    let frame = use_frame();
    let row = move |deduction: Deduction| {
        let color = cut_status(&deduction).map_or("ink-2", |band| band.as_str());
        let when = match deduction.met_since {
            Some(met) => format!("target met since {}", format::moment(met, minute.get())),
            None => format!("since {}", format::moment(deduction.since, minute.get())),
        };
        let href = frame.query.with(|query| url::inside(&deduction.evidence.href, query));
        view! {
            <tr>
                <td class="pts" style=format!("--st:var(--{color})")>{format!("−{}", deduction.points)}</td>
                <td class="what">{deduction.cause} " " <Estimate metric=deduction.metric/></td>
                <td class="who">{deduction.component.name()}</td>
                <td class="who num">{when}</td>
                <td class="num">
                    <a href=href>{deduction.evidence.label}</a>
                </td>
            </tr>
        }
    };
    let unknown = move || {
        health.with(|health| {
            health
                .components
                .iter()
                .filter_map(|component| {
                    let why = component.unknown.clone()?;
                    (component.weight > 0).then(|| {
                        view! {
                            <tr>
                                <td class="pts" style="--st:var(--ink-3)">
                                    "–"
                                </td>
                                <td class="what">{why}</td>
                                <td class="who">{component.component.name()}</td>
                                <td class="who num">"not scored"</td>
                                <td class="num"></td>
                            </tr>
                        }
                    })
                })
                .collect_view()
        })
    };
    view! {
        <div class="scroll-x">
            <table class="ledger">
                <caption class="vh">"Deductions from the health score"</caption>
                <thead class="vh">
                    <tr>
                        {["Points", "Cause", "Component", "Since", "Evidence"]
                            .into_iter()
                            .map(|head| view! { <th scope="col">{head}</th> })
                            .collect_view()}
                    </tr>
                </thead>
                <tbody>
                    {move || health.with(|health| health.deductions.iter().cloned().map(row).collect_view())} {unknown}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_score_paints_an_empty_scale() {
        let health = Health { at: Timestamp(0), score: None, components: vec![], deductions: vec![], hold_secs: 300 };
        let painted = paint_scale(&health);
        assert!(!painted.contains("needle") && !painted.contains("fill") && painted.contains("70 Good"));
    }
}
