//! Access over a real store, with a clock that the test moves.

use super::*;
use crate::store;
use std::sync::atomic::AtomicI64;

const PASSWORD: &str = "correct horse battery";

struct Bench {
    access: Arc<Access>,
    store: Arc<dyn StateStore>,
    now: Arc<AtomicI64>,
}

impl Bench {
    async fn new() -> Self {
        let store = store::open("sqlite::memory:").await.unwrap();
        let now = Arc::new(AtomicI64::new(1_795_089_600_000));
        let told = now.clone();
        let clock = Clock::from_fn(move || Timestamp(told.load(Ordering::SeqCst)));
        Bench { access: Arc::new(Access::new(store.clone(), clock)), store, now }
    }

    fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }
}

fn actor(name: &str, role: Role, proof: Proof) -> Option<Actor> {
    Some(Actor { name: name.into(), role, proof })
}

#[tokio::test]
async fn a_user_signs_in_and_out() {
    let bench = Bench::new().await;
    bench.access.add_user("ann", Role::Operator, PASSWORD).await.unwrap();
    let signed_in = bench.access.sign_in("ann", PASSWORD, None).await.unwrap();
    let ann = actor("ann", Role::Operator, Proof::Session);
    assert_eq!(Some(&signed_in.actor), ann.as_ref());
    assert_eq!(bench.access.session(&signed_in.cookie).await.unwrap(), ann);
    let (stored, role) = bench
        .store
        .session(&secret::cookie_hash(&signed_in.cookie).unwrap(), Timestamp(bench.now.load(Ordering::SeqCst)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stored.user.as_str(), role), ("ann", Role::Operator));
    assert!(!stored.hash.windows(4).any(|part| part == &signed_in.cookie.as_bytes()[..4]), "only a hash is kept");

    bench.access.sign_out(&signed_in.cookie).await.unwrap();
    assert_eq!(bench.access.session(&signed_in.cookie).await.unwrap(), None);
    assert_eq!(bench.access.session("nonsense").await.unwrap(), None);
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_also_when_it_is_remembered() {
    let bench = Bench::new().await;
    bench.access.add_user("ann", Role::Viewer, PASSWORD).await.unwrap();
    let signed_in = bench.access.sign_in("ann", PASSWORD, None).await.unwrap();
    bench.pass(SESSION_MS - 1);
    assert!(bench.access.session(&signed_in.cookie).await.unwrap().is_some());
    bench.pass(1);
    assert_eq!(bench.access.session(&signed_in.cookie).await.unwrap(), None);
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_look_the_same_and_are_throttled() {
    let bench = Bench::new().await;
    bench.access.add_user("ann", Role::Admin, PASSWORD).await.unwrap();
    for (name, password) in [("ann", "wrong"), ("eve", PASSWORD), ("not a name", PASSWORD), ("eve", ""), ("", "")] {
        assert!(matches!(bench.access.sign_in(name, password, None).await, Err(AccessError::Refused)), "{name}");
    }
    // The hash for unknown names is one of the empty password: it opens nothing.
    for _ in 0..4 {
        assert!(matches!(bench.access.sign_in("ann", &"x".repeat(201), None).await, Err(AccessError::Refused)));
    }
    let refused = bench.access.sign_in("ann", PASSWORD, None).await;
    assert!(matches!(refused, Err(AccessError::TooManyAttempts { retry_secs: 60 })), "even with the right one");
    bench.pass(60_000);
    bench.access.sign_in("ann", PASSWORD, None).await.unwrap();
    bench.access.sign_in("ann", PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn names_and_passwords_have_rules() {
    let bench = Bench::new().await;
    let long = "a".repeat(65);
    for name in ["", "two words", "é", "a/b", &long] {
        assert!(matches!(bench.access.add_user(name, Role::Viewer, PASSWORD).await, Err(AccessError::Invalid(_))));
        assert!(matches!(bench.access.add_token(name, Role::Viewer, None).await, Err(AccessError::Invalid(_))));
    }
    for password in ["", "elevenchars", &"x".repeat(201)] {
        let error = bench.access.add_user("ann", Role::Viewer, password).await.unwrap_err();
        assert!(error.to_string().contains("12 to 200 characters"), "{error}");
    }
    bench.access.add_user(&"a".repeat(64), Role::Viewer, &"é".repeat(12)).await.unwrap();
    bench.access.add_user("a.B-c_9", Role::Viewer, &"x".repeat(200)).await.unwrap();
    let twice = bench.access.add_user("a.B-c_9", Role::Viewer, PASSWORD).await;
    assert!(matches!(twice, Err(AccessError::Store(StoreError::Exists { .. }))));
    let stored = bench.access.users().await.unwrap();
    assert!(stored.iter().all(|user| user.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")));
}

#[tokio::test]
async fn removing_takes_access_away_at_once() {
    let bench = Bench::new().await;
    bench.access.add_user("ann", Role::Admin, PASSWORD).await.unwrap();
    let cookie = bench.access.sign_in("ann", PASSWORD, None).await.unwrap().cookie;
    let token = bench.access.add_token("scraper", Role::Viewer, None).await.unwrap();
    assert!(bench.access.session(&cookie).await.unwrap().is_some());
    assert_eq!(bench.access.token(&token).await.unwrap(), actor("scraper", Role::Viewer, Proof::Token));

    assert!(bench.access.remove_user("ann").await.unwrap());
    assert!(bench.access.remove_token("scraper").await.unwrap());
    assert_eq!(bench.access.session(&cookie).await.unwrap(), None);
    assert_eq!(bench.access.token(&token).await.unwrap(), None);
    assert!(!bench.access.remove_user("ann").await.unwrap());
    assert!(!bench.access.remove_token("scraper").await.unwrap());
}

#[tokio::test]
async fn tokens_expire_and_are_no_cookies() {
    let bench = Bench::new().await;
    let end = Timestamp(bench.now.load(Ordering::SeqCst)).plus_millis(1000);
    let token = bench.access.add_token("deploy", Role::Operator, Some(end)).await.unwrap();
    assert!(token.starts_with("hr_"));
    assert_eq!(bench.access.token(&token).await.unwrap(), actor("deploy", Role::Operator, Proof::Token));
    assert_eq!(bench.access.session(token.trim_start_matches("hr_")).await.unwrap(), None);
    assert_eq!(bench.access.token(&secret::token()).await.unwrap(), None);
    bench.pass(1000);
    assert_eq!(bench.access.token(&token).await.unwrap(), None);
    assert!(matches!(bench.access.add_token("late", Role::Viewer, Some(end)).await, Err(AccessError::Invalid(_))));
    assert_eq!(bench.access.tokens().await.unwrap().len(), 1);
}

#[tokio::test]
async fn it_is_open_until_someone_is_defined() {
    let bench = Bench::new().await;
    assert!(bench.access.is_open().await.unwrap());
    bench.access.add_token("first", Role::Viewer, None).await.unwrap();
    assert!(!bench.access.is_open().await.unwrap());
    bench.access.remove_token("first").await.unwrap();
    assert!(bench.access.is_open().await.unwrap());
}

#[tokio::test]
async fn side_by_side_attempts_gain_nothing() {
    let bench = Bench::new().await;
    bench.access.add_user("ann", Role::Viewer, PASSWORD).await.unwrap();
    let attempts = (0..20).map(|_| bench.access.sign_in("ann", "wrong wrong wrong", None));
    let outcomes = futures::future::join_all(attempts).await;
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(AccessError::Refused))).count();
    assert_eq!(refused, 5);
}
