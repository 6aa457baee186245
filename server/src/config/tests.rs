use super::*;
use headroom_engine::{dataset::ParameterKind, health::checks::CHECKS, pool::PoolProfile, target::CapacityLimits};
use headroom_model::{cache::EXAMPLE_DATASET, warmup::WarmupStrategy};
use std::collections::BTreeMap;

const EXAMPLE: &str = include_str!("../../../headroom.example.toml");

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings::parse(Path::new("headroom.toml"), text, &Overrides::default(), &|name| env.get(name).cloned())
}

fn refused(text: &str) -> String {
    parse_with(text, &[]).err().unwrap().to_string()
}

#[test]
fn the_example_states_the_defaults() {
    let example = parse_with(EXAMPLE, &[]).unwrap();
    let default = parse_with("", &[]).unwrap();
    assert_eq!((example.listen, &example.log), (default.listen, &default.log));
    assert_eq!((example.collect, example.retention), (default.collect, default.retention));
    assert_eq!((&example.data_dir, &example.state_url), (&default.data_dir, &default.state_url));
    assert_eq!(
        (example.health.hold_secs, example.health.weights()),
        (default.health.hold_secs, default.health.weights())
    );
    for check in CHECKS {
        assert_eq!(example.health.limits(check), default.health.limits(check), "{}", check.id);
        assert!(EXAMPLE.contains(&format!("{} = ", check.id)), "the example leaves {} out", check.id);
    }
    assert_eq!(format!("{:?}", example.cache), format!("{:?}", default.cache));
    assert_eq!(example.warmup, default.warmup);
    assert_eq!(example.plans, default.plans);
    assert_eq!(example.share, default.share);
    assert!(example.targets.is_empty());
}

#[test]
fn the_commented_lines_of_the_example_work() {
    let is_setting = |line: &str| {
        (line.starts_with('[') || line.split(" = ").next().is_some_and(|key| key != line && !key.contains(' ')))
            && !line.contains("_file = ")
            && !line.starts_with("state_url")
    };
    let uncomment = |line: &'static str| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line);
    let text: Vec<&str> = EXAMPLE.lines().map(uncomment).collect();
    let settings = parse_with(&text.join("\n"), &[]).unwrap();
    assert_eq!(settings.targets.len(), 1);
    assert!(settings.targets[0].redis.is_some());
    let replica = settings.targets[0].replica.as_ref().unwrap();
    assert_eq!((replica.url.contains("replica.example"), replica.max_lag.as_secs()), (true, 5));
    assert_eq!(settings.targets[0].pool, PoolProfile::default());
    let limits = CapacityLimits {
        storage_bytes: Some(500 << 30),
        network_bytes_per_second: Some(125e6),
        cache_memory_bytes: Some(8 << 30),
        planned_percent: CapacityLimits::default().planned_percent,
    };
    assert_eq!(settings.targets[0].limits, limits);
    let rules = settings.targets[0].auto_terminate.as_ref().unwrap();
    assert_eq!((rules.idle_in_transaction_ms, rules.long_running_ms), (Some(600_000), Some(1_800_000)));
    assert!(rules.dry_run && rules.applications == ["order-sync", "report-*"] && rules.users == ["shop"]);
    let warmup = settings.warmup;
    assert_eq!((warmup.at_start, warmup.keys_per_second), (Some(WarmupStrategy::CriticalOnly), 50));
    assert_eq!(settings.share.embed_origins, ["https://wiki.example"]);
    let schedule = warmup.schedule.unwrap();
    assert_eq!((schedule.cron(), schedule.strategy), ("0 6 * * *", WarmupStrategy::HighFrequency));
}

#[test]
fn a_wrong_value_names_key_value_and_what_is_allowed() {
    for (text, parts) in [
        ("listen = \"3000\"", ["listen", "\"3000\"", "127.0.0.1:3000"]),
        ("[retention]\nminutes_days = 0", ["retention.minutes_days", "\"0\"", "1 to 3660"]),
        ("[collect]\nlive_every = \"5\"", ["collect.live_every", "\"5\"", "5s"]),
        ("[log]\nformat = \"xml\"", ["log.format", "\"xml\"", "auto, text, json"]),
        ("[health.limits]\nquery-latency = 5", ["health.limits.query-latency", "= 5", "\"off\""]),
        ("[health.weights]\nqueue = 10", ["health.weights", "110", "100"]),
        ("[[targets]]\nid = \"Big Name\"", ["targets[0].id", "\"Big Name\"", "a-z"]),
        ("[[targets]]\nid = \"a\"", ["targets[0]", "database_url", "missing"]),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.limits]\nnetwork = \"1 GB/s\"",
            ["targets[0].limits.network", "\"1 GB/s\"", "100 Mbit/s"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.pool]\nprofile = \"huge\"",
            ["targets[0].pool.profile", "\"huge\"", "development, staging or production"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.pool]\ndata_min = 9",
            ["targets[0].pool", "data_min = 9", "data_max = 8"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\nreplica_max_lag = \"1s\"",
            ["targets[0]", "replica_max_lag", "replica_url"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.auto_terminate]\nidle_in_transaction = \"10m\"",
            ["targets[0].auto_terminate", "applications", "users"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.auto_terminate]\nusers = [\"a\"]",
            ["targets[0].auto_terminate", "idle_in_transaction", "long_running"],
        ),
        (
            "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.auto_terminate]\nusers = [\"*\"]",
            ["targets[0].auto_terminate.users", "*", "63 bytes"],
        ),
        ("targets = 3", ["targets", "= 3", "[[targets]]"]),
        ("state_url = \"mysql://x\"", ["state_url", "not shown", "postgres://"]),
        ("[retention]\nhours_days = 2", ["retention", "hours_days (2)", "minutes_days (30)"]),
        ("[cache.warmup]\nat_start = \"ALL\"", ["cache.warmup.at_start", "\"ALL\"", "CRITICAL_ONLY"]),
        ("[cache.warmup]\nschedule = \"6 o'clock\"", ["cache.warmup.schedule", "\"6 o'clock\"", "minute hour day"]),
        ("[cache.warmup]\nstrategy = \"BY_SAVINGS\"", ["cache.warmup", "strategy is set", "no schedule"]),
        ("[cache.warmup]\nkeys_per_second = 0", ["cache.warmup.keys_per_second", "\"0\"", "1 to 10000"]),
        ("a = 1\nb = = 2", ["headroom.toml", "line 2", "not TOML"]),
    ] {
        let error = refused(text);
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}

#[test]
fn a_profile_sizes_the_lanes_and_keys_win_over_it() {
    let text = "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://x\"\n[targets.pool]\nprofile = \"staging\"\ndata_max = 30";
    let pool = parse_with(text, &[]).unwrap().targets[0].pool;
    assert_eq!(pool, PoolProfile { data_max: 30, ..PoolProfile::named("staging").unwrap() });
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    assert!(refused("lisen = \"x\"").contains("did you mean listen?"));
    assert!(refused("[retention]\nminute_days = 3").contains("did you mean retention.minutes_days?"));
    assert!(refused("[colours]").contains("allowed: "));
    assert!(refused("[health.limits]\nquery-latncy = [1, 2]").contains("query-latency"));
}

#[test]
fn secrets_are_not_shown() {
    let error = refused("[[targets]]\nid = \"a\"\ndatabase_url = \"mysql://u:hunter2@h/d\"");
    assert!(error.contains("targets[0].database_url") && !error.contains("hunter2"), "{error}");
    let error = refused("[[targets]]\ndatabase_url = \"postgres://u:hunter2@h/d");
    assert!(!error.contains("hunter2"), "{error}");
    let url = "postgres://u:hunter2@h/d";
    for (text, kind) in [
        (format!("[targets]\nid = \"a\"\ndatabase_url = \"{url}\""), "a table"),
        (format!("targets = \"{url}\""), "a text"),
        (format!("targets = [\"{url}\"]"), "a text"),
        (format!("[[targets]]\nid = \"a\"\ndatabase_url = [\"{url}\"]"), "a list"),
        (format!("[[targets]]\nid = \"a\"\ndatabase_url = {{ url = \"{url}\" }}"), "a table"),
        (format!("[[targets]]\nid = \"a\"\ndatabase_url = \"{url}\"\npool = \"{url}\""), "a text"),
        (format!("state_url = [\"{url}\"]"), "a list"),
        (format!("log = \"{url}\""), "a text"),
    ] {
        let error = refused(&text);
        assert!(error.contains(kind) && !error.contains("hunter2"), "{error}");
    }
    let settings = parse_with("", &[("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
    assert!(!format!("{:?}", settings.targets).contains("hunter2"));
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let text = "listen = \"127.0.0.1:4000\"\n[retention]\nminutes_days = 7";
    let env = [("HEADROOM_LISTEN", "127.0.0.1:5000"), ("HEADROOM_RETENTION_MINUTES_DAYS", "9")];
    let settings = parse_with(text, &env).unwrap();
    assert_eq!((settings.listen.port(), settings.retention.minutes_days), (5000, 9));
    let overrides = Overrides { listen: Some(([127, 0, 0, 1], 6000).into()), ..Overrides::default() };
    let settings = Settings::parse(Path::new("headroom.toml"), text, &overrides, &|_| None).unwrap();
    assert_eq!((settings.listen.port(), settings.retention.minutes_days), (6000, 7));
    let error = parse_with("", &[("HEADROOM_LISTEN", "here")]).err().unwrap().to_string();
    assert!(error.starts_with("HEADROOM_LISTEN = \"here\""), "{error}");
}

#[test]
fn targets_of_the_file_hide_the_environment() {
    let env = [("DATABASE_URL", "postgres://h/env"), ("REDIS_URL", "redis://h")];
    let settings = parse_with("", &env).unwrap();
    assert_eq!(settings.targets[0].id.as_str(), "main");
    assert!(settings.targets[0].redis.is_some());
    let file = "[[targets]]\nid = \"orders\"\ndatabase_url = \"postgres://h/file\"";
    let settings = parse_with(file, &env).unwrap();
    assert_eq!(settings.targets.len(), 1);
    assert_eq!(settings.targets[0].id.as_str(), "orders");
    assert!(parse_with("", &[]).unwrap().console().unwrap_err().to_string().contains("DATABASE_URL"));
}

#[test]
fn secrets_come_from_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "postgres://u:p@h/d\n").unwrap();
    let path = file.path().to_str().unwrap();
    let settings = parse_with("", &[("DATABASE_URL_FILE", path)]).unwrap();
    assert_eq!(settings.targets[0].database_url, "postgres://u:p@h/d");
    let text = format!("[[targets]]\nid = \"a\"\ndatabase_url_file = \"{path}\"");
    assert_eq!(parse_with(&text, &[]).unwrap().targets[0].database_url, "postgres://u:p@h/d");
    let both = parse_with("", &[("DATABASE_URL_FILE", path), ("DATABASE_URL", "postgres://h/d")]).err().unwrap();
    assert!(both.to_string().contains("both set"));
    let missing = parse_with("", &[("HEADROOM_STATE_URL_FILE", "/nowhere")]).err().unwrap().to_string();
    assert!(missing.contains("/nowhere") && missing.contains("cannot be read"), "{missing}");
}

#[test]
fn the_dataset_that_the_cache_page_shows_can_be_used() {
    let settings = parse_with(EXAMPLE_DATASET, &[("DATABASE_URL", "postgres://app@db/shop")]).unwrap();
    let dataset = &settings.datasets[0];
    assert_eq!((dataset.name.as_str(), dataset.cache.ttl.as_secs()), ("orders", 30));
    let parameter = &dataset.parameters[0];
    assert_eq!((parameter.name.as_str(), parameter.kind), ("customer", ParameterKind::Integer));
    assert_eq!(dataset.tags, ["customer:{customer}"]);
}

#[test]
fn the_example_of_a_dataset_can_be_used() {
    let part = EXAMPLE.split_once("# [[datasets]]").unwrap().1.replace("\n# ", "\n");
    let target = "[[targets]]\nid = \"orders\"\ndatabase_url = \"postgres://app@db/shop\"\n";
    let settings = parse_with(&format!("{target}[[datasets]]{part}"), &[]).unwrap();
    let dataset = &settings.datasets[0];
    assert_eq!((dataset.name.as_str(), dataset.target.as_str(), dataset.parameters.len()), ("prices", "orders", 1));
    assert_eq!(dataset.warm, [[("region".to_owned(), "us".to_owned())]]);
    assert_eq!(dataset.cache.ttl, std::time::Duration::from_secs(60));
    assert_eq!((dataset.cache.compress_over, dataset.cache.value_max), (100 << 10, 8 << 20));
    for (line, word) in [
        ("name = \"a\"", "sql is missing"),
        ("name = \"a\"\nsql = \"SELECT 1\"\ntarget = \"nowhere\"", "allowed: orders"),
        ("name = \"a\"\nsql = \"SELECT 1\"\nmode = \"fast\"", "tiered, memory, redis, none"),
        ("name = \"a\"\nsql = \"SELECT 1\"\ntag = [\"x\"]", "did you mean datasets[0].tags?"),
        ("name = \"a\"\nsql = \"SELECT 1\"\ntags = \"x\"", "a list of texts"),
        ("name = \"a\"\nsql = \"SELECT 1\"\ntables = [\"products\"]", "schema.table"),
        ("name = \"a\"\nsql = \"SELECT 1\"\nwarm = [3]", "[[datasets[0].warm]]"),
        ("name = \"a\"\nsql = \"SELECT 1\"\nwarm = [{ n = [1] }]", "datasets[0].warm[0].n"),
    ] {
        let refused = refused(&format!("{target}[[datasets]]\n{line}\n"));
        assert!(refused.contains(word), "{refused}");
    }
}

#[test]
fn a_target_has_one_redis_of_one_kind() {
    use headroom_engine::cache::Servers;
    let target = "[[targets]]\nid = \"a\"\ndatabase_url = \"postgres://h/d\"\n";
    let read =
        |lines: &str| parse_with(&format!("{target}{lines}"), &[]).map(|settings| settings.targets[0].redis.clone());
    let sentinels = "redis_sentinels = [\"redis://s1:26379\", \"redis://:hunter2@s2:26379\"]\n";
    let cluster = "redis_cluster = [\"redis://:hunter2@n1\", \"redis://:hunter2@n2\"]\n";
    for master in ["main", "redis://:hunter2@main/2"] {
        let servers = read(&format!("{sentinels}redis_master = \"{master}\"")).unwrap().unwrap();
        assert!(matches!(&servers, Servers::Sentinel { sentinels, .. } if sentinels.len() == 2), "{servers:?}");
        assert_eq!(servers.to_string(), "main (by Sentinel)");
    }
    assert!(matches!(read(cluster).unwrap(), Some(Servers::Cluster(nodes)) if nodes.len() == 2));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "redis://:hunter2@n1\n\nredis://:hunter2@n2\n").unwrap();
    let in_file = format!("redis_cluster_file = \"{}\"\n", file.path().display());
    assert!(matches!(read(&in_file).unwrap(), Some(Servers::Cluster(nodes)) if nodes.len() == 2));
    for (lines, part) in [
        (sentinels, "needs redis_master"),
        ("redis_master = \"main\"", "needs redis_sentinels"),
        (&format!("{cluster}redis_url = \"redis://:hunter2@h\""), "one Redis"),
        (&format!("{cluster}{in_file}"), "both set"),
        ("redis_cluster = \"redis://:hunter2@h\"", "a list of texts"),
        ("redis_cluster = [{ url = \"redis://:hunter2@h\" }]", "a list of texts"),
        ("redis_cluster = [\"http://:hunter2@h\"]", "not shown"),
        (&format!("{sentinels}redis_master = \"http://:hunter2@main\""), "not shown"),
    ] {
        let error = read(lines).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
}
