//! Cancelling a statement, ending a session: one backend and no other, verified.
//!
//! A process id is reused, so the backend's start is part of its name and is checked in the statement that signals, to the
//! microsecond. Client sessions only: never a walsender, a vacuum, or a session of a console. What was signalled is looked at
//! again until the statement or the session is gone. Where it is not, the failure says how far the signal came.

use super::{
    ActionError, Request,
    ask::{bounded, code, lease, unreachable},
};
use crate::{
    collect::{
        literals::redact,
        postgres::activity::{BACKEND_START_US, OWN, QUERY_START_US, STATEMENT_CHARS},
    },
    console::Console,
    sql::quote_identifier,
    store::NewAudit,
    target::Target,
};
use headroom_model::{
    TargetId,
    action::ActionOutcome,
    activity::{SessionAct, SessionKey, SessionPreview},
    event::{EventKind, NewEvent},
    format,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long a session may take to end, or a statement to stop, before that counts as not verified.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks whether it is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which session, and what must still be true of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ending {
    /// Which session.
    pub key: SessionKey,
    /// What to do.
    pub act: SessionAct,
    /// Only while it is at this statement: a cancel would otherwise hit the one that came after it.
    pub statement_start_us: Option<i64>,
    /// Only while it is still in a state for at least so long, by the server's clock: what a policy acts on.
    pub only_while: Option<Standing>,
}

/// A state that must still last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Idle in a transaction, rather than running a statement.
    pub idle_in_transaction: bool,
    /// For at least so long, in milliseconds.
    pub for_ms: f64,
}

/// How far the signal came, where the end was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// It was not sent.
    NotSent,
    /// It may have been sent; nobody saw what came of it.
    MayBeSent,
    /// It was sent, and what it was for was still there when the grace period had passed.
    Outlived,
}

/// Why a session or its statement was not ended.
#[derive(Debug)]
pub(crate) struct Unended {
    /// What the caller is told.
    pub error: ActionError,
    /// How far the signal came.
    pub signal: Signal,
    /// It has its row in the audit, this one or one in the same words.
    pub is_recorded: bool,
}

impl Unended {
    pub(super) fn new(error: ActionError, signal: Signal) -> Self {
        Unended { error, signal, is_recorded: false }
    }

    /// Whether rows in these words stand for it too: none does for a signal that may have been sent.
    fn has_row(&self, recorded: &[String]) -> bool {
        self.signal == Signal::NotSent && recorded.contains(&self.error.to_string())
    }
}

/// What the server says of a process.
#[derive(Clone, Debug)]
struct Found {
    backend_start_us: Option<i64>,
    backend_type: Option<String>,
    own: bool,
    superuser: bool,
    user: String,
    application: String,
    database: String,
    state: String,
    statement_start_us: Option<i64>,
    statement: String,
    state_ms: f64,
    transaction_ms: Option<f64>,
    wait: Option<String>,
}

impl Found {
    fn read(row: &PgRow) -> sqlx::Result<Found> {
        let text = |column: &str| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
        Ok(Found {
            backend_start_us: row.try_get("backend_start")?,
            backend_type: row.try_get("backend_type")?,
            own: row.try_get::<Option<bool>, _>("own")?.unwrap_or(false),
            superuser: row.try_get("superuser")?,
            user: text("usename")?,
            application: text("application_name")?,
            database: text("datname")?,
            state: text("state")?,
            statement_start_us: row.try_get("query_start")?,
            statement: redact(&text("query")?, STATEMENT_CHARS),
            state_ms: row.try_get::<Option<f64>, _>("state_ms")?.unwrap_or(0.0).max(0.0),
            transaction_ms: row.try_get::<Option<f64>, _>("transaction_ms")?.map(|age| age.max(0.0)),
            wait: row.try_get("wait")?,
        })
    }

    fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "active" | "fastpath function call")
    }

    /// `"psql" of role "ada"`.
    fn who(&self) -> String {
        match self.application.as_str() {
            "" => format!("of role {}", self.user),
            application => format!("of {application}, role {}", self.user),
        }
    }
}

/// Looks at a process; none where there is no such one.
async fn find(connection: &mut PgConnection, pid: i32) -> Result<Option<Found>, ActionError> {
    let sql = format!(
        "SELECT /* headroom */ {BACKEND_START_US} AS backend_start, backend_type, {OWN} AS own,
            coalesce(r.rolsuper, false) AS superuser, a.usename::text AS usename, application_name,
            datname::text AS datname, state, {QUERY_START_US} AS query_start, left(query, 8192) AS query,
            (extract(epoch FROM clock_timestamp() - state_change) * 1000)::float8 AS state_ms,
            (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::float8 AS transaction_ms,
            wait_event_type || ': ' || wait_event AS wait
         FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.pid = $1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(pid).fetch_optional(connection).await;
    let row = row.map_err(|error| unreachable(&error))?;
    row.map(|row| Found::read(&row)).transpose().map_err(|error| unreachable(&error))
}

/// Why a process is not the one that is meant, or must not be touched.
async fn refusal(
    connection: &mut PgConnection,
    found: Option<&Found>,
    ending: &Ending,
) -> Result<Option<ActionError>, ActionError> {
    let pid = ending.key.pid;
    let refuse = |reason: String| Ok(Some(ActionError::Refused(reason)));
    let Some(found) = found else {
        return refuse(format!("session {pid} is gone: it ended by itself; nothing was done"));
    };
    if found.backend_start_us.is_none() && found.backend_type.is_none() {
        let role = role(connection).await?;
        return Ok(Some(ActionError::NotAllowed {
            what: format!("The server hides session {pid} from the role {role}."),
            remedy: format!("GRANT pg_monitor, pg_signal_backend TO {role};"),
        }));
    }
    match found.backend_type.as_deref() {
        Some("client backend") => {}
        other => {
            let kind = other.unwrap_or("of unknown kind");
            return refuse(format!("process {pid} is no client session ({kind}); nothing was done"));
        }
    }
    if found.backend_start_us != Some(ending.key.backend_start_us) {
        return refuse(format!(
            "process {pid} is another session now, {}: the one that was meant has ended, and the server used its number \
             again; nothing was done",
            found.who()
        ));
    }
    if found.own {
        return refuse(format!("session {pid} is a console's own; nothing was done"));
    }
    if ending.act == SessionAct::Cancel && !found.is_active() {
        return refuse(format!(
            "session {pid} runs no statement, it is {}: there is nothing to cancel; terminate it to end its transaction",
            found.state
        ));
    }
    let named = ending.statement_start_us.filter(|_| ending.act == SessionAct::Cancel);
    if named.is_some_and(|start| found.statement_start_us != Some(start)) {
        return refuse(format!(
            "session {pid} has ended the statement that was meant and runs another one; nothing was done"
        ));
    }
    Ok(None)
}

pub(super) async fn preview(target: &Target, ending: Ending) -> Result<SessionPreview, ActionError> {
    bounded(async {
        let mut lease = lease(target).await?;
        let found = find(&mut lease, ending.key.pid).await?;
        if let Some(refusal) = refusal(&mut lease, found.as_ref(), &ending).await? {
            return Err(refusal);
        }
        let Some(found) = found else { return Err(ActionError::Refused("the session is gone".to_owned())) };
        // Blockers are asked for of waiting sessions only, a hundred at most.
        let waiting = "SELECT /* headroom */ count(*)::int8 FROM (SELECT pid FROM pg_catalog.pg_stat_activity \
             WHERE wait_event_type = 'Lock' LIMIT 100) a WHERE $1 = ANY(pg_catalog.pg_blocking_pids(a.pid))";
        let blocks: i64 = sqlx::query_scalar(waiting)
            .bind(ending.key.pid)
            .fetch_one(&mut *lease)
            .await
            .map_err(|error| unreachable(&error))?;
        let blocks = u64::try_from(blocks).unwrap_or(0);
        Ok(SessionPreview {
            key: ending.key,
            act: ending.act,
            effect: effect(&found, ending.act, blocks),
            user: found.user,
            application: found.application,
            database: found.database,
            state: found.state,
            statement_start_us: found.statement_start_us,
            statement: found.statement,
            transaction_ms: found.transaction_ms,
            blocks,
        })
    })
    .await
}

fn effect(found: &Found, act: SessionAct, blocks: u64) -> String {
    let frees = match blocks {
        0 => String::new(),
        blocks => format!(" {} that wait for it can go on.", format::counted(blocks, "session")),
    };
    match act {
        SessionAct::Cancel => format!(
            "Stops the statement, which has run for {}; the client gets an error and stays connected.{frees}",
            format::duration_ms(found.state_ms)
        ),
        SessionAct::Terminate => {
            let transaction = found.transaction_ms.map_or_else(
                || "No transaction is open.".to_owned(),
                |age| format!("Its transaction, open for {}, is rolled back.", format::duration_ms(age)),
            );
            format!("Disconnects the client. {transaction}{frees}")
        }
    }
}

/// Signals and looks until it had its effect. Answers what was found, and who it was.
async fn act(target: &Target, ending: &Ending) -> Result<(Found, String), Unended> {
    let pid = ending.key.pid;
    let mut sent = Signal::NotSent;
    let begun = bounded(async {
        let mut lease = lease(target).await?;
        let before = signal(&mut lease, ending, &mut sent).await?;
        Ok((lease, before))
    });
    let (mut lease, before) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return Err(unsignalled(error, sent, pid)),
    };
    // The grace period begins with the signal, however long the way there was.
    let signalled = Instant::now();
    loop {
        let now = bounded(find(&mut lease, pid)).await.map_err(|error| {
            let error = ActionError::NotVerified(format!("session {pid} was signalled, then: {error}"));
            Unended::new(error, Signal::MayBeSent)
        })?;
        let Some(now) = now.filter(|now| now.backend_start_us == Some(ending.key.backend_start_us)) else {
            let what = match ending.act {
                SessionAct::Terminate => format!("session {pid} {} has ended", before.who()),
                SessionAct::Cancel => format!("session {pid} {} has ended, and its statement with it", before.who()),
            };
            return Ok((before, format!("{what}, after {}", spent(signalled))));
        };
        let stopped = !now.is_active() || now.statement_start_us != before.statement_start_us;
        if ending.act == SessionAct::Cancel && stopped {
            let effect = format!(
                "the statement of session {pid} {} was stopped after {}; the session is {}",
                before.who(),
                spent(signalled),
                now.state
            );
            return Ok((before, effect));
        }
        if signalled.elapsed() > GRACE {
            let waits = now.wait.map_or_else(String::new, |wait| format!(", waiting for {wait}"));
            let what = match ending.act {
                SessionAct::Cancel => "still runs its statement",
                SessionAct::Terminate => "is still there",
            };
            let error = ActionError::NotVerified(format!(
                "session {pid} {what} {} after the signal{waits}; it ends as soon as it looks for signals",
                spent(signalled)
            ));
            return Err(Unended::new(error, Signal::Outlived));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn spent(began: Instant) -> String {
    format::duration_ms(began.elapsed().as_secs_f64() * 1000.0)
}

/// What went wrong on the way to the signal or while it was sent.
fn unsignalled(error: ActionError, sent: Signal, pid: i32) -> Unended {
    let error = match sent {
        Signal::NotSent => error,
        Signal::MayBeSent | Signal::Outlived => {
            ActionError::NotVerified(format!("the signal to session {pid} may have been sent, then: {error}"))
        }
    };
    Unended::new(error, sent)
}

/// Sends the signal in the statement that checks who gets it. `sent` is right also when this is abandoned half way.
async fn signal(connection: &mut PgConnection, ending: &Ending, sent: &mut Signal) -> Result<Found, ActionError> {
    let before = find(connection, ending.key.pid).await?;
    if let Some(refusal) = refusal(connection, before.as_ref(), ending).await? {
        return Err(refusal);
    }
    let Some(before) = before else { return Err(ActionError::Refused("the session is gone".to_owned())) };
    deliver(connection, ending, &before, sent).await?;
    Ok(before)
}

/// Signals who was found.
async fn deliver(
    connection: &mut PgConnection,
    ending: &Ending,
    before: &Found,
    sent: &mut Signal,
) -> Result<(), ActionError> {
    let pid = ending.key.pid;
    *sent = Signal::MayBeSent;
    let error = match send(connection, ending, ending.statement_start_us.or(before.statement_start_us)).await {
        Ok(Some(true)) => return Ok(()),
        Ok(_) => {
            *sent = Signal::NotSent;
            // It changed between the two looks, or was gone when the signal came.
            let now = find(connection, pid).await?;
            let changed = || ActionError::Refused(format!("session {pid} went on meanwhile; nothing was done"));
            return Err(refusal(connection, now.as_ref(), ending).await?.unwrap_or_else(changed));
        }
        Err(error) => error,
    };
    let Some((code, said)) = refused(&error) else {
        let what = error.as_database_error().map_or("the connection to PostgreSQL broke", |error| error.message());
        return Err(ActionError::Unreachable(what.to_owned()));
    };
    *sent = Signal::NotSent;
    if code != "42501" {
        let why = format!("PostgreSQL refused to signal session {pid}: {said} (SQLSTATE {code}); nothing was done");
        return Err(ActionError::Refused(why));
    }
    let role = role(connection).await?;
    Err(if before.superuser {
        ActionError::Refused(format!(
            "session {pid} belongs to a superuser: only a superuser may end it, and no grant lets {role} do so; nothing was \
             done"
        ))
    } else {
        ActionError::NotAllowed {
            what: format!("The role {role} may not signal sessions of other roles."),
            remedy: format!("GRANT pg_signal_backend TO {role};"),
        }
    })
}

/// SQLSTATE and words of a server that refused to run the statement. None for what may as well have come after the signal:
/// a connection that broke, here or behind a pooler, a statement that was stopped, a server that ran out of something.
fn refused(error: &sqlx::Error) -> Option<(String, &str)> {
    let code =
        code(error).filter(|code| !["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class)))?;
    Some((code, error.as_database_error()?.message()))
}

/// Signals the backend that is the session, is in the state and, for a cancel, at the statement that is meant. None: there is
/// no such one; nothing was sent.
async fn send(connection: &mut PgConnection, ending: &Ending, statement: Option<i64>) -> sqlx::Result<Option<bool>> {
    let function = match ending.act {
        SessionAct::Cancel => "pg_cancel_backend",
        SessionAct::Terminate => "pg_terminate_backend",
    };
    // MATERIALIZED: the signal is sent for what was read, not for what a second look would find.
    let sql = format!(
        "WITH meant AS MATERIALIZED (
            SELECT /* headroom */ pid FROM pg_catalog.pg_stat_activity
            WHERE pid = $1 AND {BACKEND_START_US} = $2 AND backend_type = 'client backend'
                AND pid <> pg_catalog.pg_backend_pid() AND NOT coalesce({OWN}, false)
                AND ($3::bool IS FALSE OR state IN ('active', 'fastpath function call'))
                AND ($4::int8 IS NULL OR {QUERY_START_US} = $4)
                AND ($5::float8 IS NULL OR extract(epoch FROM clock_timestamp() - state_change) * 1000 >= $5)
                AND ($6::bool IS NULL OR CASE WHEN $6 THEN state LIKE 'idle in transaction%' ELSE state = 'active' END))
         SELECT /* headroom */ pg_catalog.{function}(pid) FROM meant"
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(ending.key.pid)
        .bind(ending.key.backend_start_us)
        .bind(ending.act == SessionAct::Cancel)
        // Only the statement that was looked at is cancelled, never the one that follows it.
        .bind(statement.filter(|_| ending.act == SessionAct::Cancel))
        .bind(ending.only_while.map(|standing| standing.for_ms))
        .bind(ending.only_while.map(|standing| standing.idle_in_transaction))
        .fetch_optional(connection)
        .await
}

/// Ends a session or its statement, with audit row and event. A failure in words that are `recorded` has its row, unless a
/// signal may have been sent: each of these gets its own.
pub(super) async fn run(
    console: &Arc<Console>,
    target: &TargetId,
    ending: Ending,
    request: Request,
    recorded: &[String],
) -> Result<ActionOutcome, Unended> {
    let Some(found) = console.target(target) else {
        return Err(Unended::new(ActionError::UnknownTarget(target.clone()), Signal::NotSent));
    };
    let done = match act(&found, &ending).await {
        Err(unended) if unended.has_row(recorded) => return Err(Unended { is_recorded: true, ..unended }),
        done => done,
    };
    let (verb, key) = (ending.act.as_str(), ending.key);
    let at = console.clock.now();
    let mut parameters = json!({ "pid": key.pid, "backendStartUs": key.backend_start_us });
    if let Ok((before, _)) = &done {
        parameters["user"] = before.user.clone().into();
        parameters["application"] = before.application.clone().into();
        parameters["database"] = before.database.clone().into();
        parameters["state"] = before.state.clone().into();
        parameters["statement"] = before.statement.clone().into();
    }
    let audit = NewAudit {
        at,
        actor: request.actor.name.clone(),
        role: request.actor.role,
        origin: request.origin,
        action: format!("session.{verb}"),
        target: Some(target.clone()),
        parameters,
        reason: request.reason,
        outcome: done.as_ref().map_or_else(|unended| unended.error.to_string(), |(_, effect)| effect.clone()),
        succeeded: done.is_ok(),
    };
    let audit_id = console.store.add_audit(&audit).await;
    let effect = match done {
        Ok((_, effect)) => effect,
        Err(unended) => return Err(Unended { is_recorded: audit_id.is_ok(), ..unended }),
    };
    console.feed().mark_soon(NewEvent {
        at,
        target: Some(target.clone()),
        kind: EventKind::Action,
        band: None,
        title: match ending.act {
            SessionAct::Cancel => format!("A statement was cancelled: session {}", key.pid),
            SessionAct::Terminate => format!("Session {} was terminated", key.pid),
        },
        detail: Some(effect.clone()),
        actor: Some(request.actor.name),
    });
    let audit_id = audit_id.map_err(|error| Unended::new(error.into(), Signal::MayBeSent))?;
    Ok(ActionOutcome { audit_id, at, effect })
}

/// The console's role, quoted.
async fn role(connection: &mut PgConnection) -> Result<String, ActionError> {
    let role: String = sqlx::query_scalar("SELECT /* headroom */ current_user::text")
        .fetch_one(connection)
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(quote_identifier(&role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_sandbox::test::{self, TestDatabase};
    use sqlx::Connection;
    use std::pin::pin;
    use tokio::time::timeout;

    /// What changed after the look at a session is seen by the statement that signals, without a second look.
    #[tokio::test]
    async fn the_statement_that_signals_checks_by_itself_who_is_meant() {
        test::on_each_postgres(|database| async move {
            let mut admin = database.connect().await.unwrap();
            let mut idle = database.connect().await.unwrap();
            let own: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut admin).await.unwrap();
            let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut idle).await.unwrap();
            let found = find(&mut admin, pid).await.unwrap().unwrap();
            let key = SessionKey { pid, backend_start_us: found.backend_start_us.unwrap() };
            let end = Ending { key, act: SessionAct::Terminate, statement_start_us: None, only_while: None };
            let standing = |idle_in_transaction, for_ms| Some(Standing { idle_in_transaction, for_ms });
            let start = key.backend_start_us;
            let another = SessionKey { backend_start_us: start + 1, ..key };
            let itself = find(&mut admin, own).await.unwrap().unwrap();
            let itself = SessionKey { pid: own, backend_start_us: itself.backend_start_us.unwrap() };
            for (who, wrong) in [
                ("a process id that was used again", Ending { key: another, ..end }),
                ("the session that asks", Ending { key: itself, ..end }),
                ("no statement to cancel", Ending { act: SessionAct::Cancel, ..end }),
                ("not in a transaction", Ending { only_while: standing(true, 0.0), ..end }),
                ("not active", Ending { only_while: standing(false, 0.0), ..end }),
            ] {
                assert_eq!(send(&mut admin, &wrong, None).await.unwrap(), None, "{who}");
            }
            sqlx::raw_sql("BEGIN").execute(&mut idle).await.unwrap();
            let not_so_long = Ending { only_while: standing(true, 3_600_000.0), ..end };
            assert_eq!(send(&mut admin, &not_so_long, None).await.unwrap(), None, "not for so long");
            idle.ping().await.unwrap();
            let exact = Ending { only_while: standing(true, 0.0), ..end };
            assert_eq!(send(&mut admin, &exact, None).await.unwrap(), Some(true));
            assert!(idle.ping().await.is_err());

            let mut busy = database.connect().await.unwrap();
            let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut busy).await.unwrap();
            let sleeping = tokio::spawn(async move { sqlx::query("SELECT pg_sleep(60)").execute(&mut busy).await });
            let begun = Instant::now();
            let found = loop {
                let found = find(&mut admin, pid).await.unwrap().unwrap();
                if found.wait.as_deref() == Some("Timeout: PgSleep") {
                    break found;
                }
                assert!(begun.elapsed() < GRACE * 4, "it never slept: {found:?}");
                sleep(LOOK_EVERY).await;
            };
            let key = SessionKey { pid, backend_start_us: found.backend_start_us.unwrap() };
            let cancel = Ending { key, act: SessionAct::Cancel, ..end };
            let statement = found.statement_start_us.unwrap();
            assert_eq!(send(&mut admin, &cancel, Some(statement - 1)).await.unwrap(), None, "another statement");
            assert_eq!(send(&mut admin, &cancel, Some(statement)).await.unwrap(), Some(true));
            let stopped = sleeping.await.unwrap().unwrap_err();
            assert_eq!(code(&stopped).as_deref(), Some("57014"));
        })
        .await;
    }

    /// A session that is idle in a transaction, and its key.
    async fn victim(database: &TestDatabase, admin: &mut PgConnection) -> (PgConnection, Ending) {
        let mut session = database.connect().await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut session).await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await.unwrap();
        let found = find(admin, pid).await.unwrap().unwrap();
        let key = SessionKey { pid, backend_start_us: found.backend_start_us.unwrap() };
        let ending = Ending { key, act: SessionAct::Terminate, statement_start_us: None, only_while: None };
        (session, ending)
    }

    #[test]
    fn a_refusal_has_one_row_and_every_signal_its_own() {
        let unended = |words: &str, signal| Unended::new(ActionError::Refused(words.into()), signal);
        let recorded = ["no (SQLSTATE 42501)".to_owned()];
        assert!(unended("no (SQLSTATE 42501)", Signal::NotSent).has_row(&recorded));
        assert!(!unended("no (SQLSTATE 25P02)", Signal::NotSent).has_row(&recorded));
        for signal in [Signal::MayBeSent, Signal::Outlived] {
            assert!(!unended("no (SQLSTATE 42501)", signal).has_row(&recorded), "{signal:?}");
        }
    }

    /// What follows a cancel that did not help must not follow one of which nobody knows.
    #[tokio::test]
    async fn a_signal_whose_answer_was_lost_may_have_been_sent_and_a_refused_one_was_not() {
        test::on_each_postgres(|database| async move {
            let mut admin = database.connect().await.unwrap();
            let (mut session, ending) = victim(&database, &mut admin).await;
            let before = find(&mut admin, ending.key.pid).await.unwrap().unwrap();

            // The connection is gone between the look and the signal.
            let mut reset = database.connect().await.unwrap();
            let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut reset).await.unwrap();
            sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut admin).await.unwrap();
            let gone = async { while find(&mut admin, pid).await.unwrap().is_some() {} };
            timeout(GRACE * 4, gone).await.unwrap();
            let mut sent = Signal::NotSent;
            let error = deliver(&mut reset, &ending, &before, &mut sent).await.unwrap_err();
            assert_eq!(sent, Signal::MayBeSent, "{error}");
            let unended = unsignalled(error, sent, ending.key.pid);
            assert!(matches!(&unended.error, ActionError::NotVerified(why) if why.contains("may have been sent")));
            session.ping().await.unwrap();

            // Nobody waited for the answer.
            let mut slow = database.connect().await.unwrap();
            let mut sent = Signal::NotSent;
            {
                let elsewhere = SessionKey { backend_start_us: ending.key.backend_start_us + 1, ..ending.key };
                let elsewhere = Ending { key: elsewhere, ..ending };
                let deliver = pin!(deliver(&mut slow, &elsewhere, &before, &mut sent));
                assert!(futures::poll!(deliver).is_pending());
            }
            assert_eq!(sent, Signal::MayBeSent);

            // The server refused: for want of a right, and for another reason.
            sqlx::raw_sql("BEGIN; SET LOCAL ROLE pg_monitor").execute(&mut admin).await.unwrap();
            let mut sent = Signal::NotSent;
            let error = deliver(&mut admin, &ending, &before, &mut sent).await.unwrap_err();
            assert_eq!(sent, Signal::NotSent, "{error}");
            let mut sent = Signal::NotSent;
            let error = deliver(&mut admin, &ending, &before, &mut sent).await.unwrap_err();
            assert!(sent == Signal::NotSent && error.to_string().contains("25P02"), "{error}");
            sqlx::raw_sql("ROLLBACK").execute(&mut admin).await.unwrap();
            session.ping().await.unwrap();

            let mut sent = Signal::NotSent;
            signal(&mut admin, &ending, &mut sent).await.unwrap();
            assert!(session.ping().await.is_err());
        })
        .await;
    }
}
