use crate::error::AppError;
use headroom_model::{
    capacity::{CapacityView, WhatIfFields},
    origin::Origin,
};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What runs out, the plan, and the answer to a question, as far ahead as asked; and which stretches of the past were
/// imported or generated.
#[server(name = ReadCapacity, prefix = "/api/fn", endpoint = "capacity", input = GetUrl)]
pub async fn capacity(
    target: Option<String>,
    days: u32,
    what_if: WhatIfFields,
) -> Result<(CapacityView, Vec<Origin>), AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_engine::capacity::{CapacityError, Detail, rank};
    use headroom_model::{forecast::MAX_HORIZON_DAYS, range};

    /// Longest field of a question, in bytes.
    const FIELD_MAX: usize = 64;

    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let invalid = |message: String| AppError::new(ErrorCode::Invalid, message).answered();
    if !(1..=MAX_HORIZON_DAYS).contains(&days) {
        return Err(invalid(format!("A forecast looks 1 to {MAX_HORIZON_DAYS} days ahead.")));
    }
    let fields = [&what_if.resource, &what_if.growth, &what_if.day, &what_if.adds, &what_if.limit];
    if fields.iter().any(|field| field.len() > FIELD_MAX) {
        return Err(invalid(format!("A field has at most {FIELD_MAX} bytes.")));
    }
    let engine = &context.console.capacity;
    let failed = |error: CapacityError| {
        if !matches!(error, CapacityError::Busy) {
            tracing::error!(%error, %target, "capacity did not answer a page");
        }
        let message = match error {
            CapacityError::Busy => "Capacity is being computed. Try again in a moment.",
            _ => "The state store does not answer, so there is no history to forecast from.",
        };
        AppError::new(ErrorCode::Unavailable, message).answered()
    };
    let dashboard = engine.dashboard(&target, days, Detail::Chart).await.map_err(failed)?;
    let plan = engine.plan(&target, days).await.map_err(failed)?;
    let bottlenecks = rank(&dashboard);
    let unit_of = |resource| {
        let found = dashboard.resources.iter().find(|report| report.resource == resource);
        found.map_or(headroom_model::metric::Unit::Count, |report| report.unit)
    };
    let what_if = if what_if.resource.is_empty() {
        None
    } else {
        Some(match what_if.read(context.console.clock.now(), unit_of) {
            Ok((resource, changes)) => {
                let answer = engine.what_if(&target, resource, days, changes, Detail::Chart).await;
                answer.map_err(|_| "The answer took too long. Try again in a moment.".to_owned())
            }
            Err(reason) => Err(reason),
        })
    };
    let to = context.console.clock.now();
    let past = range::Resolved { from: to.plus_millis(-range::MAX_RANGE_MS), to, live: true };
    let origins = context.console.history.origins(&target, past).await.map_err(|error| failed(error.into()))?;
    Ok((CapacityView { dashboard, bottlenecks, plan, what_if }, origins))
}
