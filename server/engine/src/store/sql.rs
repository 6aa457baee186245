//! [`StateStore`] over a sqlx pool. Both drivers take `$n` placeholders and this subset of SQL, so every statement is
//! written once; the macro at the end implements the trait for each pool.

/// Implements the store for one database driver.
macro_rules! implement_state_store {
    ($store:ident, $driver:ty, $pool:ty, $backend:literal, size: $size:literal) => {
        /// The state store over this driver's pool.
        #[derive(Debug)]
        pub struct $store {
            pool: $pool,
            metrics: HashMap<MetricId, i64>,
            targets: Mutex<HashMap<TargetId, i64>>,
        }

        impl $store {
            /// A store over a pool whose schema is up to date.
            pub async fn over(pool: $pool) -> Result<Arc<Self>, StoreError> {
                let known: Vec<String> =
                    sqlx::query_scalar("SELECT name FROM metric").fetch_all(&pool).await?;
                for metric in CATALOGUE.iter().filter(|metric| !known.iter().any(|name| name == metric.id.as_str())) {
                    sqlx::query("INSERT INTO metric (name) VALUES ($1) ON CONFLICT (name) DO NOTHING")
                        .bind(metric.id.as_str())
                        .execute(&pool)
                        .await?;
                }
                let rows: Vec<(i64, String)> =
                    sqlx::query_as("SELECT id, name FROM metric").fetch_all(&pool).await?;
                // A metric that an older version stored and this one no longer knows stays in the table, unread.
                let metrics = rows.iter().filter_map(|(id, name)| Some((MetricId::parse(name)?, *id))).collect();
                Ok(Arc::new(Self { pool, metrics, targets: Mutex::default() }))
            }

            /// The number of a target, given on first use.
            async fn target_number(&self, target: &TargetId) -> Result<i64, StoreError> {
                if let Some(number) = lock(&self.targets).get(target) {
                    return Ok(*number);
                }
                sqlx::query("INSERT INTO target (name) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM target WHERE name = $1)
                             ON CONFLICT (name) DO NOTHING")
                    .bind(target.as_str())
                    .execute(&self.pool)
                    .await?;
                let number: i64 = sqlx::query_scalar("SELECT id FROM target WHERE name = $1")
                    .bind(target.as_str())
                    .fetch_one(&self.pool)
                    .await?;
                lock(&self.targets).insert(target.clone(), number);
                Ok(number)
            }

            /// Slots of one metric, aggregated by the database.
            async fn slots(&self, source: Source, target: i64, metric: i64, grid: Grid) -> Result<Vec<Slot>, StoreError> {
                let rows = sqlx::query_as(source.slots())
                    .bind(target)
                    .bind(metric)
                    .bind(grid.from.0)
                    .bind(grid.end().0)
                    .bind(grid.step_ms)
                    .fetch_all(&self.pool)
                    .await?;
                Ok(rows)
            }

            /// First row of a table for a target: one probe an index for each metric.
            async fn first(&self, source: Source, target: i64) -> Result<Option<i64>, StoreError> {
                Ok(sqlx::query_scalar(source.first()).bind(target).fetch_one(&self.pool).await?)
            }

            /// Rolls one stale hour up; once it is complete and nothing changed meanwhile, it is no longer stale.
            async fn roll_up(&self, hour: StaleHour, complete: bool) -> Result<u64, StoreError> {
                let rolled = sqlx::query(ROLL_UP)
                    .bind(hour.target)
                    .bind(hour.at)
                    .bind(hour.at + HOUR_MS)
                    .execute(&self.pool)
                    .await?
                    .rows_affected();
                if complete {
                    sqlx::query("DELETE FROM stale_hour WHERE target = $1 AND at = $2 AND marks = $3")
                        .bind(hour.target)
                        .bind(hour.at)
                        .bind(hour.marks)
                        .execute(&self.pool)
                        .await?;
                }
                Ok(rolled)
            }

            /// Removes what is past its time, a bounded number of rows.
            async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
                let before = |days: u32| now.plus_millis(-i64::from(days) * 24 * HOUR_MS).0;
                let mut pruned = 0;
                let targets: Vec<i64> = sqlx::query_scalar("SELECT id FROM target").fetch_all(&self.pool).await?;
                for (statement, days) in [(PRUNE_MINUTES, retention.minutes_days), (PRUNE_HOURS, retention.hours_days)] {
                    for target in &targets {
                        for metric in self.metrics.values() {
                            pruned += sqlx::query(statement)
                                .bind(*target)
                                .bind(*metric)
                                .bind(before(days))
                                .execute(&self.pool)
                                .await?
                                .rows_affected();
                        }
                    }
                }
                for statement in PRUNE_RECORDS {
                    pruned += sqlx::query(statement)
                        .bind(before(retention.events_days))
                        .execute(&self.pool)
                        .await?
                        .rows_affected();
                }
                pruned += sqlx::query("DELETE FROM session WHERE expires_at <= $1")
                    .bind(now.0)
                    .execute(&self.pool)
                    .await?
                    .rows_affected();
                Ok(pruned)
            }
        }

        #[async_trait]
        impl StateStore for $store {
            fn backend(&self) -> &'static str {
                $backend
            }

            async fn ping(&self) -> Result<(), StoreError> {
                let _: i64 = sqlx::query_scalar("SELECT count(*) FROM target").fetch_one(&self.pool).await?;
                Ok(())
            }

            async fn size_bytes(&self) -> Result<u64, StoreError> {
                let bytes: i64 = sqlx::query_scalar($size).fetch_one(&self.pool).await?;
                Ok(u64::try_from(bytes).unwrap_or(0))
            }

            async fn merge_minutes(&self, target: &TargetId, rows: &[MinuteRow]) -> Result<(), StoreError> {
                if rows.is_empty() {
                    return Ok(());
                }
                let target = self.target_number(target).await?;
                let rows: Vec<(i64, MinuteRow)> =
                    rows.iter().filter_map(|row| Some((*self.metrics.get(&row.metric)?, *row))).collect();
                let hours: BTreeSet<i64> = rows.iter().map(|(_, row)| row.at.floor_to(HOUR_MS).0).collect();
                let pool = self.pool.clone();
                // In a task of its own: a transaction whose future is dropped half-way could go back to the pool open
                // (launchbadge/sqlx#4393).
                let merged = tokio::spawn(async move {
                    let mut transaction = pool.begin().await?;
                    for rows in rows.chunks(MERGE_CHUNK) {
                        let mut insert = QueryBuilder::<$driver>::new(MERGE_HEAD);
                        insert.push_values(rows, |mut values, (metric, row)| {
                            values
                                .push_bind(target)
                                .push_bind(*metric)
                                .push_bind(row.at.0)
                                .push_bind(row.sum)
                                .push_bind(row.min)
                                .push_bind(row.max)
                                .push_bind(row.last)
                                .push_bind(i64::from(row.count));
                        });
                        insert.push(MERGE_TAIL);
                        insert.build().execute(&mut *transaction).await?;
                    }
                    for hour in hours {
                        sqlx::query(MARK_STALE).bind(target).bind(hour).execute(&mut *transaction).await?;
                    }
                    transaction.commit().await
                });
                Ok(merged.await.map_err(task_failed)??)
            }

            async fn series(
                &self,
                target: &TargetId,
                metrics: &[MetricId],
                range: Resolved,
                max_points: usize,
            ) -> Result<Vec<Series>, StoreError> {
                let number = self.target_number(target).await?;
                let mut grid = Grid::over(range, MINUTE_MS, max_points);
                let mut source = Source::Minutes;
                if grid.step_ms >= HOUR_MS {
                    source = Source::Hours;
                } else {
                    // Minutes end earlier than hours: a stretch that lies before them is answered by hours.
                    let minutes = self.first(Source::Minutes, number).await?;
                    if minutes.is_none_or(|first| grid.from.0 < first) {
                        let hours = self.first(Source::Hours, number).await?;
                        let boundary = minutes.map_or(i64::MAX, |first| Timestamp(first).floor_to(HOUR_MS).0);
                        if hours.is_some_and(|first| first < boundary) {
                            source = Source::Hours;
                            grid = Grid::over(range, HOUR_MS, max_points);
                        }
                    }
                }
                let mut all = Vec::with_capacity(metrics.len());
                for metric in metrics {
                    let slots = match self.metrics.get(metric) {
                        Some(id) => self.slots(source, number, *id, grid).await?,
                        None => Vec::new(),
                    };
                    all.push(grid.series(*metric, &slots));
                }
                Ok(all)
            }

            async fn history_starts(&self, target: &TargetId) -> Result<Option<Timestamp>, StoreError> {
                let number = self.target_number(target).await?;
                let minutes = self.first(Source::Minutes, number).await?;
                let hours = self.first(Source::Hours, number).await?;
                Ok(minutes.into_iter().chain(hours).min().map(Timestamp))
            }

            async fn upkeep(&self, now: Timestamp, retention: Retention) -> Result<Upkeep, StoreError> {
                let stale: Vec<StaleHour> =
                    sqlx::query_as("SELECT target, at, marks FROM stale_hour ORDER BY at LIMIT $1")
                        .bind(UPKEEP_HOURS)
                        .fetch_all(&self.pool)
                        .await?;
                let mut hours_rolled_up = 0;
                for hour in stale {
                    let complete = hour.at + HOUR_MS + LATE_MS <= now.0;
                    hours_rolled_up += self.roll_up(hour, complete).await?;
                }
                Ok(Upkeep { hours_rolled_up, rows_pruned: self.prune(now, retention).await? })
            }

            async fn add_event(&self, event: &NewEvent) -> Result<Event, StoreError> {
                let id: i64 = sqlx::query_scalar(
                    "INSERT INTO event (at, target, kind, band, title, detail, actor)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
                )
                .bind(event.at.0)
                .bind(event.target.as_ref().map(TargetId::as_str))
                .bind(event.kind.as_str())
                .bind(event.band.map(Band::as_str))
                .bind(&event.title)
                .bind(&event.detail)
                .bind(&event.actor)
                .fetch_one(&self.pool)
                .await?;
                Ok(Event { id, event: event.clone() })
            }

            async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
                let mut select = QueryBuilder::<$driver>::new(
                    "SELECT id, at, target, kind, band, title, detail, actor FROM event WHERE 1 = 1",
                );
                if let Some(target) = &query.target {
                    select.push(" AND (target IS NULL OR target = ").push_bind(target.0.clone()).push(")");
                }
                if let Some(from) = query.from {
                    select.push(" AND at >= ").push_bind(from.0);
                }
                if let Some(to) = query.to {
                    select.push(" AND at < ").push_bind(to.0);
                }
                if let Some(before) = query.before {
                    select.push(" AND id < ").push_bind(before);
                }
                if !query.kinds.is_empty() {
                    select.push(" AND kind IN (");
                    let mut kinds = select.separated(", ");
                    for kind in &query.kinds {
                        kinds.push_bind(kind.as_str());
                    }
                    select.push(")");
                }
                select.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit.min(500)));
                let rows: Vec<EventRow> = select.build_query_as().fetch_all(&self.pool).await?;
                Ok(rows.into_iter().filter_map(EventRow::read).collect())
            }

            async fn add_audit(&self, audit: &NewAudit) -> Result<i64, StoreError> {
                let id = sqlx::query_scalar(
                    "INSERT INTO audit (at, actor, role, origin, action, target, parameters, reason, outcome, succeeded)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
                )
                .bind(audit.at.0)
                .bind(&audit.actor)
                .bind(audit.role.as_str())
                .bind(&audit.origin)
                .bind(&audit.action)
                .bind(audit.target.as_ref().map(TargetId::as_str))
                .bind(audit.parameters.to_string())
                .bind(&audit.reason)
                .bind(&audit.outcome)
                .bind(audit.succeeded)
                .fetch_one(&self.pool)
                .await?;
                Ok(id)
            }

            async fn audit(&self, offset: u64, limit: u32) -> Result<(Vec<AuditRow>, u64), StoreError> {
                let total: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&self.pool).await?;
                let rows: Vec<StoredAudit> = sqlx::query_as(
                    "SELECT id, at, actor, role, origin, action, target, parameters, reason, outcome, succeeded
                     FROM audit ORDER BY id DESC LIMIT $1 OFFSET $2",
                )
                .bind(i64::from(limit.min(500)))
                .bind(i64::try_from(offset).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await?;
                let rows = rows.into_iter().filter_map(StoredAudit::read).collect();
                Ok((rows, u64::try_from(total).unwrap_or(0)))
            }

            async fn add_user(&self, user: &User) -> Result<(), StoreError> {
                sqlx::query("INSERT INTO account (name, role, password_hash, created_at) VALUES ($1, $2, $3, $4)")
                    .bind(&user.name)
                    .bind(user.role.as_str())
                    .bind(&user.password_hash)
                    .bind(user.created_at.0)
                    .execute(&self.pool)
                    .await
                    .map_err(|error| taken(error, "user", &user.name))?;
                Ok(())
            }

            async fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
                let removed = sqlx::query("DELETE FROM account WHERE name = $1").bind(name).execute(&self.pool).await?;
                Ok(removed.rows_affected() > 0)
            }

            async fn users(&self) -> Result<Vec<User>, StoreError> {
                let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
                    "SELECT name, role, password_hash, created_at FROM account ORDER BY name LIMIT 1000",
                )
                .fetch_all(&self.pool)
                .await?;
                let read = |(name, role, password_hash, at): (String, String, String, i64)| {
                    Some(User { name, role: role.parse().ok()?, password_hash, created_at: Timestamp(at) })
                };
                Ok(rows.into_iter().filter_map(read).collect())
            }

            async fn add_token(&self, token: &Token) -> Result<(), StoreError> {
                sqlx::query("INSERT INTO token (name, role, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
                    .bind(&token.name)
                    .bind(token.role.as_str())
                    .bind(&token.hash)
                    .bind(token.created_at.0)
                    .bind(token.expires_at.map(|at| at.0))
                    .execute(&self.pool)
                    .await
                    .map_err(|error| taken(error, "token", &token.name))?;
                Ok(())
            }

            async fn remove_token(&self, name: &str) -> Result<bool, StoreError> {
                let removed = sqlx::query("DELETE FROM token WHERE name = $1").bind(name).execute(&self.pool).await?;
                Ok(removed.rows_affected() > 0)
            }

            async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
                let rows: Vec<(String, String, Vec<u8>, i64, Option<i64>)> = sqlx::query_as(
                    "SELECT name, role, hash, created_at, expires_at FROM token ORDER BY name LIMIT 1000",
                )
                .fetch_all(&self.pool)
                .await?;
                let read = |(name, role, hash, at, expires): (String, String, Vec<u8>, i64, Option<i64>)| {
                    let role = role.parse().ok()?;
                    Some(Token { name, role, hash, created_at: Timestamp(at), expires_at: expires.map(Timestamp) })
                };
                Ok(rows.into_iter().filter_map(read).collect())
            }

            async fn add_session(&self, session: &StoredSession) -> Result<(), StoreError> {
                sqlx::query("INSERT INTO session (hash, account, created_at, expires_at) VALUES ($1, $2, $3, $4)")
                    .bind(&session.hash)
                    .bind(&session.user)
                    .bind(session.created_at.0)
                    .bind(session.expires_at.0)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            async fn session(&self, hash: &[u8], now: Timestamp) -> Result<Option<(StoredSession, Role)>, StoreError> {
                let row: Option<(String, i64, i64, String)> = sqlx::query_as(
                    "SELECT s.account, s.created_at, s.expires_at, a.role
                     FROM session s JOIN account a ON a.name = s.account WHERE s.hash = $1 AND s.expires_at > $2",
                )
                .bind(hash)
                .bind(now.0)
                .fetch_optional(&self.pool)
                .await?;
                Ok(row.and_then(|(user, created, expires, role)| {
                    let (created_at, expires_at) = (Timestamp(created), Timestamp(expires));
                    Some((StoredSession { hash: hash.to_vec(), user, created_at, expires_at }, role.parse().ok()?))
                }))
            }

            async fn remove_session(&self, hash: &[u8]) -> Result<(), StoreError> {
                sqlx::query("DELETE FROM session WHERE hash = $1").bind(hash).execute(&self.pool).await?;
                Ok(())
            }

            async fn save_operation(&self, operation: &Operation) -> Result<(), StoreError> {
                sqlx::query(
                    "INSERT INTO operation (id, target, state, created_at, document) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (id) DO UPDATE SET state = excluded.state, document = excluded.document",
                )
                .bind(&operation.id)
                .bind(operation.target.as_ref().map(TargetId::as_str))
                .bind(operation.state.as_str())
                .bind(operation.created_at.0)
                .bind(serde_json::to_string(operation).map_err(|error| sqlx::Error::Encode(error.into()))?)
                .execute(&self.pool)
                .await?;
                Ok(())
            }

            async fn operations(&self, target: Option<&TargetId>, limit: u32) -> Result<Vec<Operation>, StoreError> {
                let documents: Vec<String> = sqlx::query_scalar(
                    "SELECT document FROM operation WHERE CAST($1 AS TEXT) IS NULL OR target IS NULL OR target = $1
                     ORDER BY id DESC LIMIT $2",
                )
                .bind(target.map(TargetId::as_str))
                .bind(i64::from(limit.min(500)))
                .fetch_all(&self.pool)
                .await?;
                Ok(documents.iter().filter_map(|document| serde_json::from_str(document).ok()).collect())
            }

            async fn fail_interrupted_operations(&self, now: Timestamp) -> Result<u64, StoreError> {
                let documents: Vec<String> = sqlx::query_scalar(
                    "SELECT document FROM operation WHERE state IN ('queued', 'running') ORDER BY id LIMIT 1000",
                )
                .fetch_all(&self.pool)
                .await?;
                let mut failed = 0;
                for document in documents {
                    let Ok(mut operation) = serde_json::from_str::<Operation>(&document) else { continue };
                    operation.state = OperationState::Failed;
                    operation.finished_at = Some(now);
                    operation.outcome = Some("The console stopped while this was running; what it had done stays.".into());
                    self.save_operation(&operation).await?;
                    failed += 1;
                }
                Ok(failed)
            }
        }
    };
}

pub(super) use implement_state_store;
