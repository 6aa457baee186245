//! Clear cache: a dialog that counts what a clear concerns before it does it. Without JavaScript its buttons lead to the
//! confirm page.

use super::{
    icon::{Glyph, Icon},
    notices::NotRead,
    steps::{DoneText, FailedText, ReasonField, Step, Steps},
};
use crate::{
    error::AppError,
    functions::{cache_report, cache_tags, clear_cache, preview_clear, start_warmup},
    layout::use_frame,
    url,
};
use headroom_model::{
    cache::{ClearFields, ClearPreview, ClearScope, TagReport},
    format,
    warmup::WarmupStrategy,
};
use leptos::{ev, prelude::*};
use std::time::Duration;

/// The dialog's id.
const ID: &str = "clear";
/// Counting begins when typing has stopped for so long.
const PAUSE: Duration = Duration::from_millis(300);

/// What can be chosen from.
#[derive(Clone, Debug, Default, PartialEq)]
struct Choices {
    keys: u64,
    datasets: Vec<String>,
    tags: Vec<String>,
}

/// A clear on its way, and the dialog that asks about it. One a page.
#[derive(Clone, Copy)]
pub struct Clearing {
    target: StoredValue<String>,
    fields: RwSignal<ClearFields>,
    steps: Steps<ClearFields, ClearPreview>,
    choices: RwSignal<Option<Choices>>,
    /// Why there is nothing to choose from.
    not_listed: RwSignal<Option<AppError>>,
    /// Whether the hottest keys are loaded again afterwards.
    again: RwSignal<bool>,
    /// How that began.
    warming: RwSignal<Option<String>>,
    /// Counts changes of the fields, so that only the last one of a burst is counted for.
    changes: StoredValue<u32>,
    cleared: Callback<()>,
}

/// "Clear 38,412 keys".
#[must_use]
pub fn verb(preview: &ClearPreview) -> String {
    format!("Clear {}", format::counted(preview.keys(), "key"))
}

/// Whether a scope is about a dataset that is chosen from a list.
fn wants_dataset(scope: &str) -> bool {
    matches!(scope, "dataset" | "pattern")
}

/// "412 in memory (1.2 MiB), 3,410 in Redis".
fn where_they_are(preview: &ClearPreview) -> String {
    let memory =
        format!("{} in memory ({})", format::count(preview.memory_keys), format::bytes(preview.memory_bytes as f64));
    match (preview.redis_keys, &preview.scope) {
        (Some(keys), ClearScope::Pattern { .. }) => format!("{memory}, {} in both tiers together", format::count(keys)),
        (Some(keys), _) => format!("{memory}, {} in Redis", format::count(keys)),
        (None, ClearScope::Tag { .. }) => format!("{memory}, and whatever carries the tag in Redis"),
        (None, _) => format!("{memory}; not counted in Redis"),
    }
}

impl Clearing {
    /// Nothing asked yet; `cleared` is called after each clear.
    #[must_use]
    pub fn new(target: StoredValue<String>, cleared: Callback<()>) -> Self {
        Clearing {
            target,
            fields: RwSignal::new(ClearScope::All.into()),
            steps: Steps::new(),
            choices: RwSignal::new(None),
            not_listed: RwSignal::new(None),
            again: RwSignal::new(false),
            warming: RwSignal::new(None),
            changes: StoredValue::new(0),
            cleared,
        }
    }

    /// Opens the dialog on a scope.
    fn open(self, scope: ClearScope) {
        self.steps.rest();
        self.warming.set(None);
        self.again.set(false);
        self.fields.set(scope.into());
        self.count();
        self.load_choices();
        #[cfg(feature = "hydrate")]
        crate::browser::page::showDialog(ID);
    }

    fn close(self) {
        #[cfg(feature = "hydrate")]
        crate::browser::page::closeDialog(ID);
        self.steps.rest();
    }

    fn load_choices(self) {
        let target = self.target.try_get_value();
        leptos::task::spawn_local(async move {
            let read = async { Ok::<_, AppError>((cache_report(target.clone()).await?, cache_tags(target).await?)) };
            let (present, tags) = match read.await {
                Ok(read) => read,
                Err(error) => {
                    self.not_listed.try_set(Some(error));
                    return;
                }
            };
            self.not_listed.try_set(None);
            let known = self.choices.try_set(Some(Choices {
                keys: present.report.classes.iter().map(|class| class.memory_keys).sum(),
                datasets: present.report.classes.into_iter().map(|class| class.class).collect(),
                tags: tags.into_iter().map(|tag| tag.tag).collect(),
            }));
            // Someone chose before there was a choice: the first one is what the field shows.
            let wants =
                self.fields.try_with_untracked(|fields| wants_dataset(&fields.scope) && fields.dataset.is_empty());
            if known.is_none() && wants == Some(true) {
                self.change(|fields| fields.dataset = self.first_dataset());
            }
        });
    }

    fn first_dataset(self) -> String {
        self.choices.with_untracked(|choices| choices.as_ref()?.datasets.first().cloned()).unwrap_or_default()
    }

    fn change(self, change: impl FnOnce(&mut ClearFields)) {
        self.fields.update(change);
        // What was counted is about something else now.
        self.steps.step.set(Step::Idle);
        let Some(change) = self.changes.try_update_value(|count| {
            *count = count.wrapping_add(1);
            *count
        }) else {
            return;
        };
        set_timeout(
            move || {
                if self.changes.try_get_value() == Some(change) {
                    self.count();
                }
            },
            PAUSE,
        );
    }

    /// Counts what the fields name, once they name something.
    fn count(self) {
        let Some(fields) = self.fields.try_get_untracked() else { return };
        if ClearScope::try_from(fields.clone()).is_ok() {
            self.steps.ask(fields.clone(), preview_clear(self.target.try_get_value(), fields));
        }
    }

    fn run(self) {
        let Some(reason) = self.steps.reason.try_get_untracked() else { return };
        let target = self.target.try_get_value();
        let act = clear_cache(target.clone(), self.fields.get_untracked(), Some(reason));
        let again = self.again.get_untracked();
        self.steps.run(act, move |_| {
            // The page may have been left meanwhile; what was asked for is done all the same.
            self.cleared.try_run(());
            if again {
                leptos::task::spawn_local(async move {
                    let said = match start_warmup(target, WarmupStrategy::HighFrequency, None).await {
                        Ok(started) => format!("{} has begun.", started.title),
                        Err(error) => format!("The warmup did not begin: {}", error.message),
                    };
                    self.warming.try_set(Some(said));
                    self.cleared.try_run(());
                });
            }
        });
    }
}

/// A button that opens the dialog on a scope.
#[component]
pub fn ClearButton(
    clearing: Clearing,
    scope: ClearScope,
    /// What it says.
    label: &'static str,
    /// Classes beside `btn`.
    #[prop(default = "danger")]
    class: &'static str,
    /// Whether it carries the eraser.
    #[prop(optional)]
    icon: bool,
    /// Said instead of the label to those who do not see what it stands beside.
    #[prop(optional, into)]
    name: Option<String>,
) -> impl IntoView {
    let frame = use_frame();
    let fields = ClearFields::from(scope.clone());
    let href = move || {
        let target = clearing.target.read_value();
        let changes: Vec<(&'static str, Option<&str>)> = std::iter::once(("target", Some(target.as_str())))
            .chain(fields.pairs().map(|(k, v)| (k, Some(v))))
            .collect();
        frame.query.with(|query| url::href("/confirm/clear", &url::carried(query), &changes))
    };
    let pressed = move |event: ev::MouseEvent| {
        event.prevent_default();
        clearing.open(scope.clone());
    };
    view! {
        <a class=format!("btn {class}") href=href aria-label=name on:click=pressed>
            {icon.then(|| view! { <Glyph icon=Icon::Eraser/> })}
            {label}
        </a>
    }
    .into_any()
}

/// The dialog; once on a page that has buttons for it. Only they open it, and they are for operators.
#[component]
pub fn ClearDialog(clearing: Clearing) -> impl IntoView {
    let frame = use_frame();
    let Clearing { fields, steps, choices, not_listed, again, warming, .. } = clearing;
    let scope = Memo::new(move |_| fields.with(|fields| fields.scope.clone()));
    let count = move |of: fn(&Choices) -> String| choices.with(|choices| choices.as_ref().map(of).unwrap_or_default());
    let choice = move |name: &'static str, label: &'static str, counted: Signal<String>| {
        view! {
            <label>
                <input
                    type="radio"
                    name="clear-scope"
                    prop:checked=move || scope.get() == name
                    on:change=move |_| {
                        clearing
                            .change(|fields| {
                                fields.scope = name.to_owned();
                                if wants_dataset(name) && fields.dataset.is_empty() {
                                    fields.dataset = clearing.first_dataset();
                                }
                            })
                    }
                />
                <span>{label}</span>
                <span class="num sub">{counted}</span>
            </label>
        }
    };
    let one_of = move |what: &'static str| move || scope.get() == what;
    let dataset = move || {
        let options = move || {
            choices
                .get()
                .unwrap_or_default()
                .datasets
                .into_iter()
                .map(|name| {
                    let selected = fields.with_untracked(|fields| fields.dataset == name);
                    view! { <option selected=selected value=name.clone()>{name.clone()}</option> }
                })
                .collect_view()
        };
        view! {
            <div class="field">
                <label for="clear-dataset">"Dataset"</label>
                <select
                    class="in"
                    id="clear-dataset"
                    on:change=move |event| clearing.change(|fields| fields.dataset = event_target_value(&event))
                >
                    {options}
                </select>
            </div>
        }
    };
    let lacks_dataset =
        Memo::new(move |_| fields.with(|fields| wants_dataset(&fields.scope) && fields.dataset.is_empty()));
    let impact = move || match steps.step.get() {
        Step::Idle if scope.get() == "tag" => view! { <p class="sub">"Name a tag to count its keys."</p> }.into_any(),
        Step::Idle if scope.get() == "pattern" => {
            view! { <p class="sub">"Write a pattern to count its keys."</p> }.into_any()
        }
        // What hinders is said beside the choices.
        Step::Idle if lacks_dataset.get() && not_listed.with(Option::is_some) => ().into_any(),
        Step::Idle if lacks_dataset.get() && choices.with(Option::is_some) => {
            view! { <p class="sub">"This target has no datasets."</p> }.into_any()
        }
        Step::Idle | Step::Asking(_) => view! {
            <div class="impact" aria-busy="true">
                <span class="spin"></span>
                <div>
                    <span>"Counting keys…"</span>
                </div>
            </div>
        }
        .into_any(),
        Step::Confirm(_, preview) | Step::Running(_, preview) => {
            let status = if preview.keys() == 0 { "" } else { "st-d" };
            view! {
                <div class=format!("impact {status}")>
                    <b>{format::count(preview.keys())}</b>
                    <div>
                        <span style="font-weight:500">"keys will be cleared, on all instances"</span>
                        <p>
                            {where_they_are(&preview)} ". Each is loaded from PostgreSQL again when it is next asked for."
                        </p>
                    </div>
                </div>
            }
            .into_any()
        }
        Step::Done(_, outcome) => view! { <DoneText said="Cleared".to_owned() outcome/> }.into_any(),
        Step::Failed(_, error) => view! { <FailedText said="Not cleared".to_owned() error/> }.into_any(),
    };
    let is_over = Memo::new(move |_| steps.step.with(|step| matches!(step, Step::Done(..))));
    let is_busy = Memo::new(move |_| steps.step.with(|step| matches!(step, Step::Running(..))));
    let confirm = Memo::new(move |_| {
        steps.step.with(|step| match step {
            Step::Confirm(_, preview) => Some(verb(preview)),
            _ => None,
        })
    });
    let failed = Memo::new(move |_| steps.step.with(|step| matches!(step, Step::Failed(..))));
    let all = Signal::derive(move || count(|choices| format!("{} in memory", format::count(choices.keys))));
    let tags = Signal::derive(move || count(|choices| TagReport::counted(choices.tags.len())));
    let datasets = Signal::derive(move || count(|choices| format::counted(choices.datasets.len() as u64, "dataset")));
    view! {
        <dialog class="dialog" id=ID aria-labelledby="clear-title" on:close=move |_| steps.rest()>
            <header>
                <h2 id="clear-title">{move || format!("Clear cache on {}", clearing.target.read_value())}</h2>
                <button
                    type="button"
                    class="btn ghost icon s"
                    aria-label="Close"
                    on:click=move |_| clearing.close()
                >
                    <Glyph icon=Icon::Close/>
                </button>
            </header>
            <form on:submit=move |event: ev::SubmitEvent| {
                event.prevent_default();
                clearing.run();
            }>
                <div class="body">
                    <NotRead
                        error=not_listed
                        what="Tags and datasets could not be listed."
                        retry=Callback::new(move |()| clearing.load_choices())
                    />
                    <Show when=move || !is_over.get()>
                        <div class="radio-list" role="radiogroup" aria-label="Scope">
                            {choice("all", "All", all)}
                            {choice("tag", "Tag", tags)}
                            {choice("dataset", "Dataset", datasets)}
                            {choice("pattern", "Pattern", Signal::stored(String::new()))}
                            <Show when=one_of("key")>{choice("key", "Key", Signal::stored(String::new()))}</Show>
                        </div>
                        <Show when=one_of("tag")>
                            <div class="field">
                                <label for="clear-tag">"Tag"</label>
                                <input
                                    class="in mono"
                                    id="clear-tag"
                                    list="clear-tags"
                                    maxlength="1024"
                                    autocomplete="off"
                                    prop:value=move || fields.with(|fields| fields.tag.clone())
                                    on:input=move |event| {
                                        clearing.change(|fields| fields.tag = event_target_value(&event));
                                    }
                                />
                                <datalist id="clear-tags">
                                    {move || {
                                        let known = choices.get().unwrap_or_default().tags;
                                        known.into_iter().map(|tag| view! { <option value=tag></option> }).collect_view()
                                    }}
                                </datalist>
                            </div>
                        </Show>
                        <Show when=move || wants_dataset(&scope.read())>{dataset}</Show>
                        <Show when=one_of("pattern")>
                            <div class="field">
                                <label for="clear-pattern">"Pattern"</label>
                                <input
                                    class="in mono"
                                    id="clear-pattern"
                                    maxlength="1024"
                                    autocomplete="off"
                                    prop:value=move || fields.with(|fields| fields.pattern.clone())
                                    on:input=move |event| {
                                        clearing.change(|fields| fields.pattern = event_target_value(&event));
                                    }
                                />
                                <span class="help">
                                    "* matches any characters, ? one character. Counted in memory and in the index in Redis, never by a scan."
                                </span>
                            </div>
                        </Show>
                        <Show when=one_of("key")>
                            <dl class="kv">
                                <dt>{move || fields.with(|fields| fields.dataset.clone())}</dt>
                                <dd class="mono clip">{move || fields.with(|fields| fields.key.clone())}</dd>
                            </dl>
                        </Show>
                    </Show>
                    <div role="status">{impact}</div>
                    {move || warming.get().map(|said| view! { <p class="sub" role="status">{said}</p> })}
                    <Show when=move || !is_over.get()>
                        <ReasonField id="clear-reason" reason=steps.reason/>
                        <label class="check">
                            <input
                                type="checkbox"
                                prop:checked=again
                                on:change=move |event| again.set(event_target_checked(&event))
                            />
                            "Warm the hottest keys again after clearing"
                        </label>
                    </Show>
                </div>
                <footer>
                    <span class="note push">
                        {move || frame.shell.with(|shell| format!("Recorded in the audit as {}", shell.actor.name))}
                    </span>
                    <button type="button" class="btn" on:click=move |_| clearing.close()>
                        {move || if is_over.get() { "Close" } else { "Cancel" }}
                    </button>
                    <Show when=move || failed.get()>
                        <button type="button" class="btn" on:click=move |_| clearing.count()>
                            "Try again"
                        </button>
                    </Show>
                    <Show when=move || !is_over.get() && !failed.get()>
                        <button
                            class="btn danger solid"
                            disabled=move || confirm.get().is_none()
                            aria-busy=move || is_busy.get().then_some("true")
                        >
                            {move || is_busy.get().then(|| view! { <span class="spin"></span> })}
                            {move || {
                                let busy = if is_busy.get() { "Clearing…" } else { "Clear" };
                                confirm.get().unwrap_or_else(|| busy.to_owned())
                            }}
                        </button>
                    </Show>
                </footer>
            </form>
        </dialog>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_says_the_number_and_where_it_lies() {
        let mut preview = ClearPreview {
            scope: ClearScope::All,
            memory_keys: 412,
            memory_bytes: 1_258_291,
            redis_keys: Some(38_412),
            effect: String::new(),
        };
        assert_eq!(verb(&preview), "Clear 38,412 keys");
        assert_eq!(where_they_are(&preview), "412 in memory (1.2 MiB), 38,412 in Redis");
        preview.scope = ClearScope::Tag { tag: "price:eu".into() };
        preview.redis_keys = None;
        assert_eq!(verb(&preview), "Clear 412 keys");
        assert_eq!(where_they_are(&preview), "412 in memory (1.2 MiB), and whatever carries the tag in Redis");
        preview.memory_keys = 1;
        assert_eq!(verb(&preview), "Clear 1 key");
    }
}
