use crate::error::AppError;
use headroom_model::{
    event::Event,
    statements::{StatementDetail, StatementFilter, StatementList},
};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Statements of a target over a range as people write it, most time first; at most 300 that pass the filter.
#[server(name = ReadStatements, prefix = "/api/fn", endpoint = "statements", input = GetUrl)]
pub async fn statements(
    target: Option<String>,
    from: String,
    to: String,
    filter: StatementFilter,
) -> Result<StatementList, AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_model::{
        Role, range,
        statements::{MAX_ROWS, StatementAsk},
    };

    /// Longest filter, in bytes.
    const FILTER_MAX: usize = 200;

    let context = PageContext::require(Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    if [&filter.text, &filter.tag, &filter.role].iter().any(|text| text.len() > FILTER_MAX) {
        let message = format!("A filter has at most {FILTER_MAX} bytes.");
        return Err(AppError::new(ErrorCode::Invalid, message).answered());
    }
    let range = range::resolve(&from, &to, context.console.clock.now())
        .map_err(|error| AppError::new(ErrorCode::Invalid, format!("{}: {}.", error.field, error.reason)).answered())?;
    let ask = StatementAsk { filter, page: 1, limit: MAX_ROWS, ..StatementAsk::default() };
    context.console.statements(&target, range, &ask).await.map_err(|error| unavailable(&error))
}

/// One statement over a range as people write it, and the events of that range, newest first.
#[server(name = ReadStatement, prefix = "/api/fn", endpoint = "statement", input = GetUrl)]
pub async fn statement(
    target: Option<String>,
    query_id: String,
    from: String,
    to: String,
) -> Result<(StatementDetail, Vec<Event>), AppError> {
    use crate::{context::PageContext, error::ErrorCode};
    use headroom_engine::store::EventQuery;
    use headroom_model::{Role, range};

    /// Events that charts mark.
    const EVENTS: u32 = 40;

    let context = PageContext::require(Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let shown: String = query_id.chars().take(40).collect();
    let unknown = || {
        let message = format!("The console has not seen a statement with the query id “{shown}” on {target}.");
        AppError::new(ErrorCode::NotFound, message).answered()
    };
    let id: i64 = query_id.parse().map_err(|_| unknown())?;
    let range = range::resolve(&from, &to, context.console.clock.now())
        .map_err(|error| AppError::new(ErrorCode::Invalid, format!("{}: {}.", error.field, error.reason)).answered())?;
    let found = context.console.statement(&target, id, range).await.map_err(|error| unavailable(&error))?;
    let detail = found.ok_or_else(unknown)?;
    let query = EventQuery {
        target: Some(target.clone()),
        from: Some(range.from),
        to: Some(range.to),
        limit: EVENTS,
        ..EventQuery::default()
    };
    let events = context.console.store.events(&query).await.map_err(|error| unavailable(&error))?;
    Ok((detail, events))
}

#[cfg(feature = "ssr")]
fn unavailable(error: &headroom_engine::store::StoreError) -> AppError {
    tracing::error!(%error, "the state store did not answer a page of statements");
    let message = "The state store does not answer, so there is no history of statements to show.";
    AppError::new(crate::error::ErrorCode::Unavailable, message).answered()
}
