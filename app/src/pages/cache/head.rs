//! The head of the page: what the tiers are, what can be done; and the banner about a second tier that does not answer.

use super::store::use_store;
use crate::{
    components::{banner::Banner, clear::ClearButton, warm::WarmMenu},
    layout::use_frame,
};
use headroom_model::{
    Band, Role,
    cache::{CacheReport, ClearScope, RedisTier as Tier},
    format,
    target::TargetInfo,
};
use leptos::prelude::*;

/// "L1 in this process, L2 Redis 7.0.15, fallback PostgreSQL 15.18".
fn tiers(report: &CacheReport, target: &TargetInfo) -> String {
    let named = |name: &str, version: &Option<String>| match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    };
    let second = match &report.redis {
        Some(_) => format!("L2 {}", named("Redis", &target.redis_version)),
        None => "no L2: this target has no Redis".to_owned(),
    };
    format!("L1 in this process, {second}, fallback {}", named("PostgreSQL", &target.postgres_version))
}

/// What a second tier that does not answer means.
fn trouble(tier: &Tier) -> Option<String> {
    let since =
        tier.problem_for_ms.map(|millis| format!(" for {}", format::duration_ms((millis / 1000.0).floor() * 1000.0)));
    let since = since.unwrap_or_default();
    let waiting = match tier.waiting {
        0 => String::new(),
        1 => " 1 invalidation waits for it.".to_owned(),
        waiting => format!(" {} invalidations wait for it.", format::count(waiting)),
    };
    if !tier.answers {
        let why = tier.problem.as_deref().map(|why| format!(": {}", why.trim_end_matches('.'))).unwrap_or_default();
        return Some(format!(
            "Redis does not answer as second tier{since}{why}. Memory goes on alone; what is not there is loaded from \
             PostgreSQL.{waiting}"
        ));
    }
    if !tier.listens {
        return Some(
            "Messages of other instances are not heard. Values are verified with Redis when they are next read from it."
                .to_owned(),
        );
    }
    (tier.waiting > 0).then(|| format!("Redis answers again.{waiting}"))
}

/// The head.
#[component]
pub fn Head() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let tiers =
        Memo::new(move |_| store.report.with(|report| store.present.live.with(|live| tiers(report, &live.target))));
    let actions = move || {
        if !frame.may(Role::Operator) {
            return view! { <span class="note">"Warming and clearing need the role operator"</span> }.into_any();
        }
        view! {
            <WarmMenu target=store.target started=store.warming()/>
            <ClearButton clearing=store.clearing scope=ClearScope::All label="Clear cache…" icon=true/>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <div>
                <h1>"Cache"</h1>
                <p>{tiers}</p>
            </div>
            <div class="push flow">{actions}</div>
        </div>
        {move || {
            store
                .refused
                .get()
                .map(|error| {
                    view! {
                        <Banner status=Some(Band::Critical) alert=true>
                            {format!("The warmup was not started. {}", error.message)}
                        </Banner>
                    }
                })
        }}
    }
    .into_any()
}

/// A banner while the second tier does not answer.
#[component]
pub fn RedisTier() -> impl IntoView {
    let store = use_store();
    let said = Memo::new(move |_| store.report.with(|report| report.redis.as_ref().and_then(trouble)));
    view! {
        {move || {
            said.get()
                .map(|text| {
                    view! { <Banner status=Some(Band::Degraded)>{text}</Banner> }
                })
        }}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tier_in_trouble_says_what_goes_on() {
        let fine = Tier {
            answers: true,
            listens: true,
            problem: None,
            problem_for_ms: None,
            breaker_opened: 0,
            resynchronised: 0,
            waiting: 0,
        };
        assert_eq!(trouble(&fine), None);
        let down = Tier {
            answers: false,
            problem: Some("no answer in 100 ms.".into()),
            problem_for_ms: Some(42_300.0),
            waiting: 2,
            ..fine.clone()
        };
        assert_eq!(
            trouble(&down).unwrap(),
            "Redis does not answer as second tier for 42 s: no answer in 100 ms. Memory goes on alone; what is not there \
             is loaded from PostgreSQL. 2 invalidations wait for it."
        );
        assert!(trouble(&Tier { listens: false, ..fine }).unwrap().contains("not heard"));
    }
}
