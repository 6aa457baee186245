//! Which metrics are drawn: a chip for each chart, a list to add from; which events are marked.

use super::{
    board::{Navigate, use_board},
    presets,
};
use crate::{
    components::icon::{Glyph, Icon},
    layout::use_frame,
};
use headroom_model::{
    Component, MetricId,
    metric::CATALOGUE,
    trends::{EventGroup, MAX_CHARTS, MAX_METRICS, TrendsView},
};
use leptos::{ev, prelude::*};

/// The id of the list.
pub const ID: &str = "add-metric";
/// Components in the order of the list.
const COMPONENTS: [Component; 5] =
    [Component::Database, Component::Locks, Component::Cache, Component::Application, Component::Queue];

/// Whether a name, id or description has every word that was typed.
fn matches(typed: &str, texts: &[&str]) -> bool {
    let known = texts.join(" ").to_lowercase();
    typed.to_lowercase().split_whitespace().all(|word| known.contains(word))
}

/// The first row of the board.
#[component]
pub fn Picker() -> impl IntoView {
    let board = use_board();
    let charts = Memo::new(move |_| board.charts());
    let chip = move |metrics: Vec<MetricId>| {
        let name = presets::look(&metrics).name;
        let first = metrics.first().copied();
        // The last chart stays: a page without charts would show the first ones again.
        let removable = !board.fixed && charts.with(|charts| charts.len() > 1);
        let without =
            move || board.href_with_charts(|view| view.charts.retain(|chart| chart.first().copied() != first));
        view! {
            <span class="chip" class:plain=!removable>
                {name}
                {removable
                    .then(|| {
                        view! {
                            <a href=without data-noscroll="" aria-label=format!("Remove {name}") title=format!("Remove {name}")>
                                <Glyph icon=Icon::Close small=true/>
                            </a>
                        }
                    })}
            </span>
        }
    };
    view! {
        <div class="cell flow metrics">
            <span class="sub small">"Metrics"</span>
            {move || charts.get().into_iter().map(chip).collect_view()}
            {(!board.fixed).then(|| view! { <Add charts/> })}
            <span class="flow evk" role="group" aria-label="Events marked">
                {EventGroup::ALL.into_iter().map(|group| view! { <Switch group/> }).collect_view()}
            </span>
        </div>
    }
    .into_any()
}

/// Switches a kind of events on and off.
#[component]
fn Switch(group: EventGroup) -> impl IntoView {
    let board = use_board();
    let on = Memo::new(move |_| board.view.with(|view| !view.without.contains(&group)));
    let change = move |view: &mut TrendsView| {
        if !view.without.remove(&group) {
            view.without.insert(group);
        }
    };
    view! { <Toggle on name=group.name() change/> }.into_any()
}

/// A switch that is a link: it works without JavaScript, and with it like a switch.
#[component]
pub fn Toggle(
    /// Whether it is on.
    on: Memo<bool>,
    /// What it switches.
    name: &'static str,
    /// What that does to the view.
    change: impl Fn(&mut TrendsView) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let board = use_board();
    let href = move || board.href(change);
    let navigate = Navigate::here();
    let switch = move || navigate.go(&untrack(href), true);
    // A link is followed by Enter; a switch answers to the space bar as well.
    let space = move |event: ev::KeyboardEvent| {
        if event.key() == " " {
            event.prevent_default();
            switch();
        }
    };
    let click = move |event: ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            switch();
        }
    };
    view! {
        <a
            class="toggle"
            role="switch"
            aria-checked=move || if on.get() { "true" } else { "false" }
            href=href
            data-noscroll=""
            on:keydown=space
            on:click=click
        >
            <span class="box" aria-hidden="true"></span>
            {name}
        </a>
    }
    .into_any()
}

/// What can be added: charts of several lines first, then every metric by component.
#[component]
fn Add(charts: Memo<Vec<Vec<MetricId>>>) -> impl IntoView {
    let (board, frame) = (use_board(), use_frame());
    let typed = RwSignal::new(String::new());
    let full = Memo::new(move |_| {
        charts.with(|charts| charts.len() >= MAX_CHARTS || charts.iter().flatten().count() >= MAX_METRICS)
    });
    let shown = move |metrics: &[MetricId]| {
        charts.with(|charts| metrics.iter().all(|metric| charts.iter().flatten().any(|known| known == metric)))
    };
    let entry = move |name: &'static str, note: String, texts: Vec<&'static str>, metrics: Vec<MetricId>| {
        let found = {
            let texts = texts.clone();
            Memo::new(move |_| typed.with(|typed| matches(typed, &texts)))
        };
        let is_shown = {
            let metrics = metrics.clone();
            Memo::new(move |_| shown(&metrics))
        };
        let href = move || {
            let metrics = metrics.clone();
            board.href_with_charts(move |view| view.add(&metrics))
        };
        view! {
            <li hidden=move || !found.get()>
                {move || {
                    if is_shown.get() {
                        return view! {
                            <span class="entry is-shown">
                                <span>{name}</span>
                                <span class="dim">"shown"</span>
                            </span>
                        }
                            .into_any();
                    }
                    view! {
                        <a class="entry" href=href.clone() data-noscroll="">
                            <span>{name}</span>
                            <span class="dim">{note.clone()}</span>
                        </a>
                    }
                        .into_any()
                }}
            </li>
        }
        .into_any()
    };
    let together = move || {
        presets::PRESETS
            .iter()
            .filter(|preset| preset.lines.len() > 1)
            .map(|preset| {
                let metrics: Vec<MetricId> = preset.lines.iter().map(|line| line.metric).collect();
                let mut texts = vec![preset.name, preset.note];
                texts.extend(preset.lines.iter().map(|line| line.metric.metric().name));
                entry(preset.name, format!("{} lines", preset.lines.len()), texts, metrics)
            })
            .collect_view()
    };
    let single = move |component: Component| {
        CATALOGUE
            .iter()
            .filter(|metric| metric.component == component)
            .map(|metric| {
                let texts = vec![metric.name, metric.id.as_str(), metric.help];
                entry(metric.name, super::plots::unit_head(metric.unit).to_owned(), texts, vec![metric.id])
            })
            .collect_view()
    };
    let any = Memo::new(move |_| {
        typed.with(|typed| {
            let metric = |m: &headroom_model::metric::Metric| matches(typed, &[m.name, m.id.as_str(), m.help]);
            let preset = |p: &presets::Preset| {
                p.lines.len() > 1
                    && (matches(typed, &[p.name, p.note])
                        || p.lines.iter().any(|line| matches(typed, &[line.metric.metric().name])))
            };
            CATALOGUE.iter().any(metric) || presets::PRESETS.iter().any(preset)
        })
    });
    let keys = move |event: ev::KeyboardEvent| {
        #[cfg(feature = "hydrate")]
        {
            let step = match event.key().as_str() {
                "ArrowDown" => 1,
                "ArrowUp" => -1,
                "Enter" if crate::browser::keys::in_field(&event) => 0,
                _ => return,
            };
            event.prevent_default();
            crate::browser::page::walk(ID, step);
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = event;
    };
    view! {
        <details class="pop start" id=ID on:keydown=keys>
            <summary class="btn s ghost">
                <Glyph icon=Icon::Plus small=true/>
                "Add metric"
            </summary>
            <div class="panel picker">
                <Show
                    when=move || !full.get()
                    fallback=|| {
                        view! {
                            <p class="note">
                                {format!(
                                    "At most {MAX_CHARTS} charts and {MAX_METRICS} metrics are drawn at once. Remove one first.",
                                )}
                            </p>
                        }
                    }
                >
                    <Show when=move || frame.alive.get()>
                        <div class="field">
                            <label for="find-metric" class="vh">
                                "Search metrics"
                            </label>
                            <input
                                class="in"
                                id="find-metric"
                                type="search"
                                autocomplete="off"
                                placeholder="Search metrics"
                                maxlength="60"
                                on:input=move |event| typed.set(event_target_value(&event))
                            />
                        </div>
                    </Show>
                    <div class="list" tabindex="-1">
                        <section aria-label="Together">
                            <h2>"Together"</h2>
                            <ul>{together()}</ul>
                        </section>
                        {COMPONENTS
                            .into_iter()
                            .filter(|component| CATALOGUE.iter().any(|metric| metric.component == *component))
                            .map(|component| {
                                view! {
                                    <section aria-label=component.name()>
                                        <h2>{component.name()}</h2>
                                        <ul>{single(component)}</ul>
                                    </section>
                                }
                            })
                            .collect_view()}
                        <Show when=move || !any.get()>
                            <p class="note">"No metric has these words in its name or description."</p>
                        </Show>
                    </div>
                </Show>
            </div>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn every_word_must_be_there() {
        let texts = ["Query latency p95", "database.query_latency_p95", "Estimate"];
        assert!(matches("LATENCY 95", &texts) && matches("", &texts) && matches("database.query", &texts));
        assert!(!matches("latency redis", &texts));
    }
}
