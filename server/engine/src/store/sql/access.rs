//! Users, tokens and sessions.

use super::{Database, Query, StoreError, StoredSession, Token, User, is_taken, named};
use crate::store::database::Row;
use headroom_model::{Role, Timestamp};

/// Sessions a user has at most.
const SESSIONS: i64 = 50;

fn role(name: String) -> Result<Role, StoreError> {
    named("role", name, |name| name.parse().ok())
}

fn unless_taken(outcome: Result<u64, StoreError>, what: &'static str, name: &str) -> Result<(), StoreError> {
    match outcome {
        Err(error) if is_taken(&error) => Err(StoreError::Exists { what, name: name.to_owned() }),
        other => other.map(drop),
    }
}

pub async fn add_user(database: &Database, user: &User) -> Result<(), StoreError> {
    let query = Query::new("INSERT INTO users (name, role, password_hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(user.name.as_str())
        .bind(user.role.as_str())
        .bind(user.password_hash.as_str())
        .bind(user.created_at);
    unless_taken(database.write(query).await, "user", &user.name)
}

pub async fn remove_user(database: &Database, name: &str) -> Result<bool, StoreError> {
    // Its sessions go with it: foreign key.
    Ok(database.write(Query::new("DELETE FROM users WHERE name = $1").bind(name)).await? > 0)
}

pub async fn users(database: &Database) -> Result<Vec<User>, StoreError> {
    let query = Query::new("SELECT name, role, password_hash, created_at FROM users ORDER BY name LIMIT 1000");
    database.read(query).await?.into_iter().map(read_user).collect()
}

pub async fn user(database: &Database, name: &str) -> Result<Option<User>, StoreError> {
    let query = Query::new("SELECT name, role, password_hash, created_at FROM users WHERE name = $1").bind(name);
    database.read(query).await?.into_iter().next().map(read_user).transpose()
}

fn read_user(mut row: Row) -> Result<User, StoreError> {
    Ok(User { name: row.text()?, role: role(row.text()?)?, password_hash: row.text()?, created_at: row.timestamp()? })
}

pub async fn add_token(database: &Database, token: &Token) -> Result<(), StoreError> {
    let query = Query::new("INSERT INTO tokens (name, role, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(token.name.as_str())
        .bind(token.role.as_str())
        .bind(token.hash.as_slice())
        .bind(token.created_at)
        .bind(token.expires_at);
    unless_taken(database.write(query).await, "token", &token.name)
}

pub async fn remove_token(database: &Database, name: &str) -> Result<bool, StoreError> {
    Ok(database.write(Query::new("DELETE FROM tokens WHERE name = $1").bind(name)).await? > 0)
}

pub async fn tokens(database: &Database) -> Result<Vec<Token>, StoreError> {
    let query = Query::new("SELECT name, role, hash, created_at, expires_at FROM tokens ORDER BY name LIMIT 1000");
    database.read(query).await?.into_iter().map(read_token).collect()
}

pub async fn token(database: &Database, hash: &[u8]) -> Result<Option<Token>, StoreError> {
    let query = Query::new("SELECT name, role, hash, created_at, expires_at FROM tokens WHERE hash = $1").bind(hash);
    database.read(query).await?.into_iter().next().map(read_token).transpose()
}

fn read_token(mut row: Row) -> Result<Token, StoreError> {
    Ok(Token {
        name: row.text()?,
        role: role(row.text()?)?,
        hash: row.bytes()?,
        created_at: row.timestamp()?,
        expires_at: row.maybe_int()?.map(Timestamp),
    })
}

pub async fn is_defined(database: &Database) -> Result<bool, StoreError> {
    let query = Query::new("SELECT EXISTS (SELECT name FROM users) OR EXISTS (SELECT name FROM tokens)");
    let mut rows = database.read(query).await?;
    Ok(rows.first_mut().ok_or(sqlx::Error::RowNotFound)?.flag()?)
}

pub async fn add_session(database: &Database, session: &StoredSession) -> Result<bool, StoreError> {
    // Selected from the user's row: a user removed in the meantime gets no session.
    let insert = Query::new(
        "INSERT INTO sessions (hash, user_name, created_at, expires_at) \
         SELECT $1, name, CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM users WHERE name = $2",
    )
    .bind(session.hash.as_slice())
    .bind(session.user.as_str())
    .bind(session.created_at)
    .bind(session.expires_at);
    let trim = Query::new(
        "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user_name = $1 \
         ORDER BY created_at DESC, hash LIMIT $2 OFFSET $3)",
    )
    .bind(session.user.as_str())
    .bind(SESSIONS)
    .bind(SESSIONS);
    let affected = database.transaction(vec![insert, trim]).await?;
    Ok(affected[0] > 0)
}

pub async fn session(
    database: &Database,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<(StoredSession, Role)>, StoreError> {
    let query = Query::new(
        "SELECT s.hash, s.user_name, s.created_at, s.expires_at, u.role FROM sessions s \
         JOIN users u ON u.name = s.user_name WHERE s.hash = $1 AND s.expires_at > $2",
    )
    .bind(hash)
    .bind(now);
    let Some(mut row) = database.read(query).await?.into_iter().next() else { return Ok(None) };
    let session = StoredSession {
        hash: row.bytes()?,
        user: row.text()?,
        created_at: row.timestamp()?,
        expires_at: row.timestamp()?,
    };
    Ok(Some((session, role(row.text()?)?)))
}

pub async fn remove_session(database: &Database, hash: &[u8]) -> Result<(), StoreError> {
    database.write(Query::new("DELETE FROM sessions WHERE hash = $1").bind(hash)).await.map(drop)
}
