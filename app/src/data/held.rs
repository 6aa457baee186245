//! What is shown while it is there.

use leptos::prelude::*;

/// The newest value; while there is none, the one before. What is drawn from it may ask once more after its source has
/// become empty, before it is taken off the page: it finds what it drew last.
pub fn held<T: Clone + PartialEq + Send + Sync + 'static>(
    first: T,
    newest: impl Fn() -> Option<T> + Send + Sync + 'static,
) -> Signal<T> {
    let held = move |before: Option<&T>| newest().or_else(|| before.cloned()).unwrap_or_else(|| first.clone());
    Memo::new(held).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_stays_when_its_source_becomes_empty() {
        Owner::new().with(|| {
            let source = RwSignal::new(None);
            let shown = held(1, move || source.get());
            assert_eq!(shown.get_untracked(), 1);
            source.set(Some(2));
            assert_eq!(shown.get_untracked(), 2);
            source.set(None);
            assert_eq!(shown.get_untracked(), 2);
        });
    }
}
