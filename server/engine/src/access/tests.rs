use super::*;
use crate::store;
use std::sync::atomic::{AtomicI64, Ordering};

const PASSWORD: &str = "correct horse battery";

/// Access over an empty store, and the hand of its clock.
async fn access() -> (Access, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_795_098_728_250));
    let hand = now.clone();
    let clock = Clock::from_fn(move || Timestamp(hand.load(Ordering::Relaxed)));
    (Access::new(store::open("sqlite::memory:").await.unwrap(), clock), now)
}

#[tokio::test]
async fn a_console_is_open_until_someone_is_defined() {
    let (access, _) = access().await;
    assert!(access.is_open().await.unwrap());
    access.add_token("ci", Role::Viewer, None).await.unwrap();
    assert!(!access.is_open().await.unwrap());
    assert!(access.remove_token("ci").await.unwrap());
    assert!(access.is_open().await.unwrap());
    assert!(!access.remove_token("ci").await.unwrap());
}

#[tokio::test]
async fn a_session_lasts_until_it_ends_or_its_user_goes() {
    let (access, now) = access().await;
    access.add_user("ada", Role::Operator, PASSWORD).await.unwrap();
    let signed_in = access.sign_in("ada", PASSWORD).await.unwrap();
    let who = access.session(&signed_in.cookie).await.unwrap().unwrap();
    assert_eq!((who.name.as_str(), who.role, who.proof), ("ada", Role::Operator, Proof::Session));
    assert_eq!(access.session("another").await.unwrap(), None);

    let second = access.sign_in("ada", PASSWORD).await.unwrap();
    access.sign_out(&second.cookie).await.unwrap();
    assert_eq!(access.session(&second.cookie).await.unwrap(), None);

    now.store(signed_in.expires_at.0, Ordering::Relaxed);
    assert_eq!(access.session(&signed_in.cookie).await.unwrap(), None, "remembered or not, it has ended");

    let third = access.sign_in("ada", PASSWORD).await.unwrap();
    assert!(access.remove_user("ada").await.unwrap());
    assert_eq!(access.session(&third.cookie).await.unwrap(), None);
}

#[tokio::test]
async fn wrong_names_and_passwords_are_refused_alike_and_throttled() {
    let (access, now) = access().await;
    access.add_user("ada", Role::Viewer, PASSWORD).await.unwrap();
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            assert!(matches!(access.sign_in(name, "wrong password").await, Err(AccessError::Refused)));
        }
        assert!(matches!(access.sign_in(name, PASSWORD).await, Err(AccessError::TooManyAttempts { .. })));
    }
    now.fetch_add(301_000, Ordering::Relaxed);
    access.sign_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_token_works_until_it_expires() {
    let (access, now) = access().await;
    let end = Timestamp(now.load(Ordering::Relaxed)).plus_millis(60_000);
    let token = access.add_token("ci", Role::Admin, Some(end)).await.unwrap();
    assert!(token.starts_with("hr_") && token.len() == 46);
    assert_eq!(access.token(&token).await.unwrap().unwrap().role, Role::Admin);
    assert_eq!(access.token("hr_guess").await.unwrap(), None);
    now.store(end.0, Ordering::Relaxed);
    assert_eq!(access.token(&token).await.unwrap(), None);
    assert!(matches!(access.add_token("late", Role::Admin, Some(end)).await, Err(AccessError::Invalid(_))));
}

#[tokio::test]
async fn names_and_passwords_have_rules() {
    let (access, _) = access().await;
    for name in ["", "a b", "é", &"x".repeat(65)] {
        assert!(matches!(access.add_user(name, Role::Viewer, PASSWORD).await, Err(AccessError::Invalid(_))), "{name}");
    }
    assert!(matches!(access.add_user("ada", Role::Viewer, "short").await, Err(AccessError::Invalid(_))));
    access.add_user("ada", Role::Viewer, PASSWORD).await.unwrap();
    let again = access.add_user("ada", Role::Viewer, PASSWORD).await;
    assert!(matches!(again, Err(AccessError::Store(StoreError::Exists { .. }))));
}

#[test]
fn the_password_of_nobody_can_be_verified() {
    assert!(argon2::PasswordHash::new(password::NOBODY).is_ok());
}
