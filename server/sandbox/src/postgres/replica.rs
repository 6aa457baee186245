//! A replica that follows a private PostgreSQL by streaming.

use super::{CLUSTER, NAME, Postgres, SUPERUSER};
use crate::{Result, error::Context, host::Host};
use sqlx::{Connection, Row};
use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

/// What a copy leaves out: what belongs to the running server, and the log, which is streamed.
const LEFT_OUT: [&str; 5] = ["postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot", "pg_stat_tmp"];

impl Postgres {
    /// Starts a replica of this server, which must run: its files are copied (a low-level base backup, which needs no program
    /// that an installation may lack), the rest is streamed. A hot standby: it answers reads. PostgreSQL 15 and newer.
    pub async fn start_replica(&self) -> Result<Self> {
        let host = Host::open(NAME, None, CLUSTER).await?;
        let cluster = host.home().to_path_buf();
        let mut connection = self.connect("postgres").await?;
        sqlx::query("SELECT pg_backup_start('replica', true)").execute(&mut connection).await?;
        copy(self.host.home(), &cluster)?;
        let stopped = sqlx::query("SELECT labelfile FROM pg_backup_stop(false)").fetch_one(&mut connection).await?;
        let label: String = stopped.try_get(0)?;
        connection.close().await?;
        for folder in ["pg_wal", "pg_wal/archive_status", "pg_replslot", "pg_stat_tmp"] {
            let folder = cluster.join(folder);
            fs::create_dir(&folder).on("create", &folder)?;
        }
        for (file, text) in [("backup_label", label.as_str()), ("standby.signal", "")] {
            let file = cluster.join(file);
            fs::write(&file, text).on("create", &file)?;
        }
        fs::set_permissions(&cluster, fs::Permissions::from_mode(0o700)).on("close off", &cluster)?;
        host.account().own(&cluster)?;
        let primary = format!("host=127.0.0.1 port={} user={SUPERUSER} password={}", self.port, self.password);
        let mut settings = self.settings.clone();
        settings.push(("primary_conninfo".to_owned(), primary));
        let mut replica = Postgres {
            host,
            installation: self.installation.clone(),
            settings,
            patience: self.patience,
            port: 0,
            password: self.password.clone(),
        };
        replica.launch(None).await?;
        Ok(replica)
    }
}

/// Copies a cluster. Files that go while it is copied are temporary ones of the server.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).on("create", to)?;
    for entry in fs::read_dir(from).on("list", from)? {
        let entry = entry.on("list", from)?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            match fs::copy(&path, &target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => {
                    copied.on("copy", &path)?;
                }
            }
        }
    }
    Ok(())
}
