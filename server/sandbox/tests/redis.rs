//! Life of private Redis servers.

use deadpool_redis::redis::{self, AsyncCommands, aio::MultiplexedConnection};
use headroom_sandbox::{Redis, RedisCluster, RedisOptions, RedisSentinel, test};
use std::{path::Path, time::Duration};

async fn connect(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn several_at_once_do_not_share_anything_and_leave_nothing() {
    let starts = [(); 3].map(|()| Redis::start(RedisOptions::default()));
    let servers = futures::future::try_join_all(starts).await.unwrap();
    for (number, server) in servers.iter().enumerate() {
        let mut connection = connect(&server.url(0)).await.unwrap();
        let _: () = connection.set("number", number).await.unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        let mut connection = connect(&server.url(0)).await.unwrap();
        assert_eq!(connection.get::<_, usize>("number").await.unwrap(), number);
    }
    let pids: Vec<_> = servers.iter().filter_map(Redis::pid).collect();
    let folders: Vec<_> = servers.iter().map(|s| s.data_dir().to_path_buf()).collect();
    assert_eq!(pids.len(), 3);
    drop(servers);
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
    assert!(folders.iter().all(|folder| !folder.exists()));
}

#[tokio::test]
async fn keeps_its_limit_its_port_and_its_password() {
    let options =
        RedisOptions { maxmemory_bytes: 2 << 20, maxmemory_policy: "allkeys-lfu".into(), ..RedisOptions::default() };
    let mut server = Redis::start(options).await.unwrap();
    let url = server.url(0);
    for crash in [false, true] {
        if crash {
            server.kill().await
        } else {
            server.stop().await
        }
        assert!(connect(&url).await.is_err());
        server.restart().await.unwrap();
        let mut connection = connect(&url).await.unwrap();
        let policy: (String, String) =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut connection).await.unwrap();
        let memory: (String, u64) =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut connection).await.unwrap();
        assert_eq!((policy.1.as_str(), memory.1), ("allkeys-lfu", 2 << 20));
    }
    let mut stranger = connect(&format!("redis://127.0.0.1:{}/0", server.port())).await.unwrap();
    let refusal = stranger.get::<_, Option<String>>("kept").await.unwrap_err();
    assert_eq!(refusal.code(), Some("NOAUTH"));
}

#[tokio::test]
async fn a_given_folder_keeps_the_data() {
    let folder = tempfile::Builder::new().prefix("headroom-test-").tempdir_in("/tmp").unwrap();
    let _open = std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755));
    let data_dir = Some(folder.path().join("redis"));
    let options = RedisOptions { data_dir, ..RedisOptions::default() };
    let server = Redis::start(options.clone()).await.unwrap();
    let mut connection = connect(&server.url(0)).await.unwrap();
    let _: () = connection.set("kept", "yes").await.unwrap();
    drop(server);
    let server = Redis::start(options).await.unwrap();
    let mut connection = connect(&server.url(0)).await.unwrap();
    assert_eq!(connection.get::<_, String>("kept").await.unwrap(), "yes");
}

#[tokio::test]
async fn tests_share_a_server_and_not_their_keys() {
    let (one, other) = (test::redis().await.unwrap(), test::redis().await.unwrap());
    let (mut first, mut second) = (connect(&one.url()).await.unwrap(), connect(&other.url()).await.unwrap());
    let _: () = first.set("key", 1).await.unwrap();
    assert_eq!(second.get::<_, Option<i32>>("key").await.unwrap(), None);
}

#[tokio::test]
async fn sentinels_promote_the_replica_of_a_dead_master_and_take_it_back_as_a_replica() {
    let mut set = RedisSentinel::start().await.unwrap();
    let first = set.master().await.unwrap();
    let url = set.server(first).unwrap().url(0);
    let mut connection = connect(&url).await.unwrap();
    let _: () = connection.set("kept", "yes").await.unwrap();
    let copies: u32 = redis::cmd("WAIT").arg(1).arg(10_000).query_async(&mut connection).await.unwrap();
    assert_eq!(copies, 1);
    set.server(first).unwrap().kill().await;
    let promoted = async {
        loop {
            match set.master().await {
                Ok(port) if port != first => return port,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let second = tokio::time::timeout(Duration::from_secs(60), promoted).await.unwrap();
    let url = set.server(second).unwrap().url(0);
    assert_eq!(connect(&url).await.unwrap().get::<_, String>("kept").await.unwrap(), "yes");
    set.server(first).unwrap().restart().await.unwrap();
    set.settled().await.unwrap();
    assert_eq!(set.master().await.unwrap(), second);
}

#[tokio::test]
async fn a_cluster_keeps_each_key_on_its_node_and_its_slots_over_a_crash() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let keeper = cluster.keeper("key").await.unwrap();
    for index in 0..3 {
        let url = cluster.node(index).unwrap().url(0);
        let answer: redis::RedisResult<()> = connect(&url).await.unwrap().set("key", 1).await;
        assert_eq!(answer.is_ok(), index == keeper, "{answer:?}");
    }
    cluster.node(keeper).unwrap().kill().await;
    cluster.node(keeper).unwrap().restart().await.unwrap();
    cluster.settled().await.unwrap();
    assert_eq!(cluster.keeper("key").await.unwrap(), keeper);
}
