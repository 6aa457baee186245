//! The demo's PostgreSQL and Redis, with the roles and the database that a real installation would have.

use anyhow::{Context, Result};
use headroom_engine::{
    pool::PoolProfile,
    target::{CapacityLimits, TargetConfig},
};
use headroom_model::TargetId;
use headroom_sandbox::{Binaries, Error as SandboxError, Postgres, PostgresOptions, Redis, RedisOptions};
use sqlx::{Connection, Executor};
use std::path::Path;

/// The shop's database, and the role that owns it.
const SHOP: &str = "shop";
/// The role that the console watches with: no superuser, exactly the rights that docs/runbook.md names.
pub const WATCHER: &str = "headroom";
/// Small enough that sessions push each other out after some minutes.
const REDIS_BYTES: u64 = 12 << 20;

/// Both servers. Dropping them stops them.
pub struct Servers {
    pub postgres: Postgres,
    /// None where the machine has no Redis.
    pub redis: Option<Redis>,
}

impl Servers {
    /// Starts both; in `data_dir` the data is kept, without one it is temporary.
    pub async fn start(data_dir: Option<&Path>) -> Result<Self> {
        let within = |name: &str| data_dir.map(|folder| folder.join(name));
        let postgres = PostgresOptions { data_dir: within("postgres"), ..PostgresOptions::default() };
        let redis = async {
            match Binaries::find()?.redis() {
                Err(SandboxError::RedisMissing) => Ok(None),
                _ => {
                    let options = RedisOptions {
                        data_dir: within("redis"),
                        maxmemory_bytes: REDIS_BYTES,
                        ..RedisOptions::default()
                    };
                    Redis::start(options).await.map(Some)
                }
            }
        };
        let (postgres, redis) = tokio::try_join!(Postgres::start(postgres), redis)?;
        let servers = Servers { postgres, redis };
        servers.make_roles().await.context("the sample database cannot be prepared")?;
        Ok(servers)
    }

    async fn make_roles(&self) -> Result<()> {
        for role in [SHOP, WATCHER] {
            self.postgres.create_login(role).await?;
        }
        let mut server = self.postgres.connect("postgres").await?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(SHOP)
            .fetch_one(&mut server)
            .await?;
        server.close().await?;
        if !there {
            self.postgres.create_database(SHOP).await?;
        }
        let mut shop = self.postgres.connect(SHOP).await?;
        shop.execute(
            "ALTER DATABASE shop OWNER TO shop;
             ALTER ROLE headroom CONNECTION LIMIT 30;
             GRANT pg_monitor, pg_signal_backend TO headroom;
             GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO headroom;
             ALTER DEFAULT PRIVILEGES FOR ROLE shop GRANT SELECT ON SEQUENCES TO headroom;
             GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO headroom;
             -- Whoever owns the tables may build their indexes, vacuum them, and see the plans of statements that read them.
             GRANT shop TO headroom;
             DO $$ BEGIN
                 IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg') THEN
                     CREATE EXTENSION IF NOT EXISTS hypopg;
                 END IF;
                 IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgstattuple') THEN
                     CREATE EXTENSION IF NOT EXISTS pgstattuple;
                 END IF;
             END $$;",
        )
        .await?;
        Ok(shop.close().await?)
    }

    /// What the console watches.
    pub fn target(&self) -> TargetConfig {
        self.target_as(WATCHER)
    }

    /// The same servers as the shop's own application sees them.
    pub fn application(&self) -> TargetConfig {
        self.target_as(SHOP)
    }

    fn target_as(&self, role: &str) -> TargetConfig {
        TargetConfig {
            id: TargetId(SHOP.to_owned()),
            database_url: self.postgres.url_as(role, SHOP),
            replica: None,
            redis: self.redis_url().map(headroom_engine::cache::Servers::Single),
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        }
    }

    /// Connection string for a person who wants to look: the superuser's.
    pub fn postgres_url(&self) -> String {
        self.postgres.url(SHOP)
    }

    pub fn redis_url(&self) -> Option<String> {
        self.redis.as_ref().map(|redis| redis.url(0))
    }

    /// Stops PostgreSQL, or starts it again: an outage to look at.
    pub async fn toggle_postgres(&mut self) -> Result<()> {
        if self.postgres.is_running() {
            eprintln!("PostgreSQL: stopping; the same signal starts it again");
            self.postgres.stop().await;
        } else {
            self.postgres.restart().await?;
            eprintln!("PostgreSQL: running again");
        }
        Ok(())
    }

    /// The same for Redis.
    pub async fn toggle_redis(&mut self) -> Result<()> {
        let Some(redis) = &mut self.redis else { return Ok(()) };
        if redis.is_running() {
            eprintln!("Redis: stopping; the same signal starts it again");
            redis.stop().await;
        } else {
            redis.restart().await?;
            eprintln!("Redis: running again");
        }
        Ok(())
    }

    /// Stops both, with time to write.
    pub async fn stop(mut self) {
        let redis = async {
            if let Some(redis) = &mut self.redis {
                redis.stop().await;
            }
        };
        tokio::join!(self.postgres.stop(), redis);
    }
}
