//! Life of a private PostgreSQL, on every installed major version.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_sandbox::{Binaries, Error, Postgres, PostgresInstallation, PostgresOptions, test};
use sqlx::{Connection, Row};
use std::{fs, net::TcpListener, path::Path, time::Duration};

fn installations() -> Vec<PostgresInstallation> {
    let found: Vec<_> = Binaries::find().unwrap().all_postgres().into_iter().cloned().collect();
    assert!(!found.is_empty(), "{}", Error::PostgresMissing);
    found
}

fn kept(installation: &PostgresInstallation, folder: &Path) -> PostgresOptions {
    PostgresOptions { data_dir: Some(folder.to_path_buf()), ..PostgresOptions::of(installation) }
}

/// Below /tmp, where the unprivileged user may go.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("headroom-test-").permissions(open()).tempdir().unwrap()
}

fn open() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn offers_the_extensions_and_settings_that_the_console_needs() {
    for installation in installations() {
        let server = Postgres::start(PostgresOptions::of(&installation)).await.unwrap();
        let mut connection = server.connect("postgres").await.unwrap();
        for (setting, expected) in
            [("track_io_timing", "on"), ("listen_addresses", "127.0.0.1"), ("lc_messages", "C.UTF-8"), ("fsync", "off")]
        {
            let value: String = sqlx::query("SELECT current_setting($1)")
                .bind(setting)
                .fetch_one(&mut connection)
                .await
                .unwrap()
                .get(0);
            assert_eq!(value, expected, "{setting}");
        }
        let statements: i64 =
            sqlx::query("SELECT count(*) FROM pg_stat_statements").fetch_one(&mut connection).await.unwrap().get(0);
        assert!(statements > 0);
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn refuses_a_wrong_password() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let wrong = format!("postgresql://postgres:wrong@127.0.0.1:{}/postgres", server.port());
    let refusal = sqlx::PgConnection::connect(&wrong).await.unwrap_err();
    assert_eq!(refusal.as_database_error().unwrap().code().as_deref(), Some("28P01"));
}

#[tokio::test]
async fn a_dropped_server_leaves_neither_process_nor_folder() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let (pid, data) = (server.pid().unwrap(), server.data_dir().to_path_buf());
    assert!(runs(pid) && data.exists());
    drop(server);
    assert!(!runs(pid));
    assert!(!data.parent().unwrap().exists());
}

#[tokio::test]
async fn comes_back_on_the_same_port_with_its_data_after_stop_and_crash() {
    for installation in installations() {
        let mut server = Postgres::start(PostgresOptions::of(&installation)).await.unwrap();
        let port = server.port();
        let mut connection = server.connect("postgres").await.unwrap();
        sqlx::query("CREATE TABLE kept AS SELECT 42 AS answer").execute(&mut connection).await.unwrap();
        sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
        for crash in [false, true] {
            let before = server.pid().unwrap();
            if crash {
                server.kill().await
            } else {
                server.stop().await
            }
            assert!(server.pid().is_none() && !runs(before));
            assert!(server.connect("postgres").await.is_err());
            server.restart().await.unwrap();
            let mut connection = server.connect("postgres").await.unwrap();
            let answer: i32 = sqlx::query("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap().get(0);
            assert_eq!((answer, server.port()), (42, port));
        }
    }
}

#[tokio::test]
async fn a_frozen_server_holds_its_connections_and_wakes_again() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let mut connection = server.connect("postgres").await.unwrap();
    server.pause();
    let frozen = tokio::time::timeout(Duration::from_millis(300), connection.ping()).await;
    assert!(frozen.is_err(), "a frozen server answered");
    server.resume();
    server.connect("postgres").await.unwrap();
}

#[tokio::test]
async fn freezing_misses_no_backend_that_is_just_being_made() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    for _ in 0..20 {
        // Clients that ask and ask, each on a new connection, so that the server forks all the time.
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let url = server.url("postgres");
                tokio::spawn(async move {
                    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                    while connection.ping().await.is_ok() {}
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.pause();
        let states = server_states(server.data_dir());
        assert!(!states.is_empty() && states.iter().all(|state| state == "T"), "{states:?}");
        clients.iter().for_each(tokio::task::JoinHandle::abort);
        server.resume();
    }
}

/// The state of each process that works in a folder.
fn server_states(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder))
        .filter_map(|process| fs::read_to_string(process.join("stat")).ok())
        .filter_map(|stat| Some(stat.rsplit_once(')')?.1.split_whitespace().next()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn given_data_survives_and_stale_files_do_not_matter() {
    for installation in installations() {
        let folder = folder();
        let half_made = folder.path().join("cluster.unfinished");
        fs::create_dir(&half_made).unwrap();
        fs::write(half_made.join("PG_VERSION"), "7").unwrap();

        let server = Postgres::start(kept(&installation, folder.path())).await.unwrap();
        server.create_database("shop").await.unwrap();
        let data = server.data_dir().to_path_buf();
        let second = Postgres::start(kept(&installation, folder.path())).await.unwrap_err();
        assert!(matches!(second, Error::FolderInUse { .. }), "{second}");
        drop(server);

        // The number in an old pid file belongs to another living process by now: to us.
        let stale = format!("{}\n{}\n1700000000\n15432\n/tmp\n127.0.0.1\n", std::process::id(), data.display());
        fs::write(data.join("postmaster.pid"), stale).unwrap();
        let server = Postgres::start(kept(&installation, folder.path())).await.unwrap();
        server.connect("shop").await.unwrap();
    }
}

#[tokio::test]
async fn says_what_is_wrong_with_a_folder_or_port() {
    let folder = folder();
    let cluster = folder.path().join("cluster");
    let options = || PostgresOptions { data_dir: Some(folder.path().to_path_buf()), ..PostgresOptions::default() };
    fs::create_dir(&cluster).unwrap();
    fs::write(cluster.join("holiday.jpg"), "").unwrap();
    let error = Postgres::start(options()).await.unwrap_err();
    assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");

    fs::write(cluster.join("PG_VERSION"), "9\n").unwrap();
    let error = Postgres::start(options()).await.unwrap_err();
    assert!(matches!(error, Error::VersionMissing { wanted: 9, .. }), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = PostgresOptions { port: Some(port), ..PostgresOptions::default() };
    let error = Postgres::start(options).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { port: p } if p == port), "{error}");
}

#[tokio::test]
async fn each_test_gets_a_database_of_its_own_on_every_version() {
    test::on_each_postgres(async |database| {
        let other = test::database_on(database.server().installation()).await.unwrap();
        assert_ne!(database.name(), other.name());
        let mut connection = database.connect().await.unwrap();
        sqlx::query("SELECT 1 FROM pg_stat_statements LIMIT 1").execute(&mut connection).await.unwrap();
        let name = other.name().to_owned();
        drop(other); // while nobody holds it up
        let left: i64 = sqlx::query("SELECT count(*) FROM pg_database WHERE datname = $1")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0);
        assert_eq!(left, 0);
    })
    .await;
}

#[tokio::test]
async fn a_login_has_no_rights_and_its_password_is_kept_nowhere() {
    test::on_each_postgres(async |database| {
        database.server().create_login("visitor").await.unwrap();
        database.server().create_login("visitor").await.unwrap();
        let mut visitor =
            sqlx::PgConnection::connect(&database.server().url_as("visitor", database.name())).await.unwrap();
        let powers: bool = sqlx::query_scalar(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(&mut visitor)
        .await
        .unwrap();
        assert!(!powers);
        let mut connection = database.connect().await.unwrap();
        let kept: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_statements WHERE query ILIKE 'create role%password%'")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(kept, 0);
    })
    .await;
}
