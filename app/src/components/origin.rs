//! The words under a chart whose points were not all measured here.

use headroom_model::{Timestamp, format, origin::Origin};
use leptos::prelude::*;

/// What to say of the stretches that a range touches; nothing where there are none.
fn words(origins: &[Origin], now: Timestamp) -> Option<String> {
    let newest = origins.iter().map(|origin| origin.to).max()?;
    let until = format::moment(newest, now);
    if origins.iter().all(|origin| origin.generated) {
        return Some(format!("Points before {until} are generated."));
    }
    let mut sources: Vec<&str> =
        origins.iter().filter(|origin| !origin.generated).map(|origin| origin.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let named = match sources.as_slice() {
        [one] => (*one).to_owned(),
        [one, another] => format!("{one} and {another}"),
        [one, rest @ ..] => format!("{one} and {} other sources", rest.len()),
        [] => String::new(),
    };
    let generated = if origins.iter().any(|origin| origin.generated) { " or generated" } else { "" };
    Some(format!("Points before {until} are partly imported from {named}{generated}."))
}

/// "Points before 29 Nov 02:10 are generated." Give it the stretches that the shown range touches.
#[component]
pub fn OriginNote(#[prop(into)] origins: Signal<Vec<Origin>>, #[prop(into)] now: Signal<Timestamp>) -> impl IntoView {
    let said = Memo::new(move |_| {
        // Each minute at most: the words name a minute.
        let now = now.get().floor_to(60_000);
        origins.with(|origins| words(origins, now))
    });
    view! { {move || said.get().map(|said| view! { <p class="note origin-note">{said}</p> })} }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::TargetId;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn origin(source: &str, generated: bool) -> Origin {
        Origin {
            id: 1,
            target: TargetId("orders".into()),
            from: Timestamp(0),
            to: Timestamp(1_795_089_600_000),
            source: source.into(),
            generated,
            metrics: 1,
            points: 1,
            at: NOW,
            actor: "ada".into(),
        }
    }

    #[test]
    fn says_what_is_not_measured() {
        let said = |origins: &[Origin]| words(origins, NOW);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[origin("the demo", true)]).as_deref(), Some("Points before 12:00 are generated."));
        let imported = [origin("old.csv", false), origin("old.csv", false)];
        assert_eq!(said(&imported).as_deref(), Some("Points before 12:00 are partly imported from old.csv."));
        let both = [origin("old.csv", false), origin("the demo", true)];
        assert!(said(&both).unwrap().ends_with("imported from old.csv or generated."));
    }
}
