//! A console over a real PostgreSQL and Redis, answering on a free port.

use headroom_engine::{
    cache::{CacheSettings, ClassSettings, Servers},
    clock::Clock,
    collect::CollectSettings,
    console::{Console, ConsoleConfig},
    dataset::{DatasetConfig, Parameter, ParameterKind},
    health::HealthSettings,
    plans::PlanSettings,
    pool::PoolProfile,
    store::{self, Retention},
    target::{CapacityLimits, TargetConfig},
    warmup::WarmupSettings,
};
use headroom_model::{Role, TargetId};
use headroom_sandbox::test::{self, TestDatabase, TestRedis};
use headroom_server::{
    assets::Dist,
    connections::{self, Limits},
    router::app,
    web::{Web, WebSettings},
};
use reqwest::{Client, Method, RequestBuilder, Response, redirect::Policy};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The name of the watched target.
pub const TARGET: &str = "orders";
/// Passes the rule of 12 characters.
pub const PASSWORD: &str = "correct horse battery";

/// What the dataset reads.
const PRODUCTS: &str = "CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 120) AS n";

/// One dataset: products from some id on.
fn datasets() -> Vec<DatasetConfig> {
    let least = Parameter {
        name: "least".into(),
        kind: ParameterKind::Integer,
        default: Some("1".into()),
        min: Some(1.0),
        max: Some(1000.0),
        values: Vec::new(),
    };
    vec![DatasetConfig {
        name: "products".into(),
        target: TargetId(TARGET.to_owned()),
        sql: "SELECT id, name FROM products WHERE id >= :least".into(),
        parameters: vec![least],
        cache: ClassSettings::default(),
        tags: vec!["catalogue".into()],
        warmup: None,
        warm: Vec::new(),
        key: vec!["id".into()],
        tables: Vec::new(),
        per_user: false,
        count: true,
    }]
}

/// A running console. Stop it with [`Harness::stop`], so that no task outlives its test's runtime.
pub struct Harness {
    pub console: Arc<Console>,
    pub web: Web,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub client: Client,
    serving: JoinHandle<()>,
    dist: tempfile::TempDir,
    database: TestDatabase,
    _redis: TestRedis,
}

/// Bearer tokens by role.
pub struct Tokens {
    pub viewer: String,
    pub operator: String,
    pub admin: String,
}

impl Harness {
    /// A console without users and tokens.
    pub async fn open() -> Self {
        Harness::start(Ipv4Addr::LOCALHOST.into()).await
    }

    /// A console with a token a role.
    pub async fn guarded() -> (Self, Tokens) {
        let harness = Harness::open().await;
        let tokens = harness.tokens().await;
        (harness, tokens)
    }

    /// A console that believes to listen on `ip`; it really listens on loopback, as tests must.
    pub async fn start(ip: std::net::IpAddr) -> Self {
        Harness::start_at(ip, Clock::system()).await
    }

    /// A console with a token a role, whose clock goes ahead by as many milliseconds as is said.
    pub async fn ahead() -> (Self, Tokens, Arc<AtomicI64>) {
        let ahead = Arc::new(AtomicI64::new(0));
        let (system, by) = (Clock::system(), ahead.clone());
        let clock = Clock::from_fn(move || system.now().plus_millis(by.load(Ordering::Relaxed)));
        let harness = Harness::start_at(Ipv4Addr::LOCALHOST.into(), clock).await;
        let tokens = harness.tokens().await;
        (harness, tokens, ahead)
    }

    async fn tokens(&self) -> Tokens {
        let access = &self.console.access;
        let token = async |role: Role| access.add_token(role.as_str(), role, None).await.unwrap();
        Tokens {
            viewer: token(Role::Viewer).await,
            operator: token(Role::Operator).await,
            admin: token(Role::Admin).await,
        }
    }

    async fn start_at(ip: std::net::IpAddr, clock: Clock) -> Self {
        let database = test::database().await.unwrap();
        sqlx::raw_sql(PRODUCTS).execute(&mut database.connect().await.unwrap()).await.unwrap();
        let redis = test::redis().await.unwrap();
        let target = TargetConfig {
            id: TargetId(TARGET.to_owned()),
            database_url: database.url(),
            replica: None,
            redis: Some(Servers::Single(redis.url())),
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        };
        let config = ConsoleConfig {
            targets: vec![target],
            collect: CollectSettings { live_every: Duration::from_secs(1), ..CollectSettings::default() },
            health: HealthSettings::default(),
            retention: Retention::default(),
            // Channels of Redis are not kept apart by its databases: what another test clears would be cleared here.
            cache: CacheSettings { space: format!("t{:x}", rand::random::<u64>()), ..CacheSettings::default() },
            datasets: datasets(),
            warmup: WarmupSettings::default(),
            plans: PlanSettings::default(),
        };
        let store = store::open("sqlite::memory:").await.unwrap();
        let console = Console::start(config, store, clock).await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let dist = bundle();
        let settings = WebSettings {
            listen: SocketAddr::new(ip, address.port()),
            request_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(15),
            embed_origins: vec!["https://wiki.example".to_owned()],
        };
        let web = Web::new(console.clone(), Dist::Folder(dist.path().into()), settings, stop.clone());
        let serving = tokio::spawn(connections::answer(listener, app(&web), Limits::default(), stop.clone()));
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        // What is loaded before is outdated once by beginning to listen.
        let listening = async {
            while !console.datasets.hears(&TargetId(TARGET.to_owned())) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), listening).await.expect("changes of tables are heard");
        Harness { console, web, address, stop, client, serving, dist, database, _redis: redis }
    }

    /// A connection to the target's database.
    pub async fn connect(&self) -> sqlx::PgConnection {
        self.database.connect().await.unwrap()
    }

    /// Connection string of the target.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// The folder of the browser bundle.
    pub fn dist(&self) -> &std::path::Path {
        self.dist.path()
    }

    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// The data of a successful GET.
    pub async fn data(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        data(response).await
    }

    /// The answer to a POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// A POST of a form.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// The answer to a POST of a form.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.form(path, fields).send().await.unwrap()
    }

    /// Waits until the first sample is published.
    pub async fn sampled(&self) {
        let mut feed = self.console.subscribe();
        let target = TargetId(TARGET.to_owned());
        let wait = async {
            while self.console.latest(&target).is_none_or(|live| live.figures.is_empty()) {
                // A message a second; a missed one is as good as any.
                let _ = feed.recv().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the first sample within 20 s");
    }

    /// Ends feeds, requests and engines.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.serving).await.expect("requests end in time").unwrap();
        self.console.shutdown().await;
    }
}

/// The data of an envelope.
pub async fn data(response: Response) -> Value {
    let mut envelope: Value = response.json().await.unwrap();
    assert_eq!(envelope["success"], true, "{envelope}");
    envelope["data"].take()
}

/// The problem document of a refusal, checked against its status.
pub async fn problem(response: Response, status: u16, kind: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["success"], false);
    assert_eq!(problem["type"], format!("/api/docs#problem-{kind}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["requestId"], id);
    problem
}

/// A bundle with the files that pages name.
fn bundle() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = serde_json::json!({
        "pkg": "/pkg/0123", "js": "/pkg/0123/frontend.js", "wasm": "/pkg/0123/frontend.wasm",
        "css": "/assets/main-0123.css", "echarts": "/assets/echarts-0123.js", "split_js": "split.js",
        "prefetch": {}, "fonts": [],
    });
    std::fs::write(folder.path().join("assets.json"), manifest.to_string()).unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("assets/main-0123.css"), "body{}").unwrap();
    folder
}

/// A path of an endpoint with what it cannot do without.
pub fn askable(path: &str) -> String {
    let path = path.replace("{resource}", "connections").replace("{table}", "products");
    match path.rsplit('/').next() {
        Some("history" | "baseline") => format!("{path}?metric=pool.max"),
        Some("moment") => format!("{path}?at=now-5m"),
        _ => path,
    }
}
