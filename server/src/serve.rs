//! The life of the process: open the state store, start the engines, listen, and stop in order.

use crate::{
    assets::Dist,
    cli::Failure,
    config::Settings,
    connections::{self, DRAIN, Limits},
    router::app,
    web::{Web, WebSettings},
};
use headroom_engine::{
    clock::Clock,
    console::{Console, ConsoleConfig, SHUTDOWN},
    store::{self, StateStore},
};
use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Docker kills what has not stopped after ten seconds.
const _: () = assert!(DRAIN.as_millis() + SHUTDOWN.as_millis() <= 10_000);
/// A request that takes longer is given up. Above every timeout below it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Runs the console until `stop`. `ready` is told the address, and handed the engines, once requests are answered.
///
/// # Errors
/// The port is taken, the state store cannot be opened, nobody could sign in beyond loopback, or a target's address
/// cannot be read.
pub async fn serve(
    settings: Settings,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr, &Arc<Console>),
) -> Result<(), Failure> {
    let config = settings.console().map_err(|error| Failure::Usage(error.to_string()))?;
    // Bound first: a taken port is found before anything is started or changed.
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().map_err(anyhow::Error::from)?;
    let store = open_store(&settings).await?;
    let console = start(config, store).await?;
    if let Err(failure) = refuse_strangers(&console, address).await {
        console.shutdown().await;
        return Err(failure);
    }
    let web_settings = WebSettings {
        listen: address,
        request_timeout: REQUEST_TIMEOUT,
        keep_alive: KEEP_ALIVE,
        embed_origins: settings.share.embed_origins,
    };
    let web = Web::new(console.clone(), Dist::find(settings.dist), web_settings, stop.clone());
    tracing::info!(%address, targets = console.targets().len(), store = console.store.backend(), "listening");
    ready(address, &console);
    let outcome = tokio::select! {
        () = connections::answer(listener, app(&web), Limits::default(), stop) => Ok(()),
        () = console.ousted() => Err(Failure::Runtime(anyhow::anyhow!(
            "another console has taken the state store over while this one did not reach it"
        ))),
    };
    console.shutdown().await;
    tracing::info!("stopped");
    outcome
}

/// Opens the listener.
///
/// # Errors
/// Says which address is the trouble and what helps.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let cause = match error.kind() {
            ErrorKind::AddrInUse => {
                let other = SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1024));
                format!(
                    "port {} on {} is taken by another program; stop that program, or choose another port with \
                     --listen {other}",
                    address.port(),
                    address.ip()
                )
            }
            ErrorKind::PermissionDenied => format!(
                "port {} needs privileges that this process lacks; choose one from 1024 up with --listen",
                address.port()
            ),
            ErrorKind::AddrNotAvailable => {
                format!("{} is not an address of this machine; choose another with --listen", address.ip())
            }
            _ => format!("cannot listen on {address}: {error}"),
        };
        Failure::Usage(cause)
    })
}

/// Opens the state store and brings its schema up to date.
///
/// # Errors
/// The data directory cannot be made, or the store cannot be opened.
pub async fn open_store(settings: &Settings) -> Result<Arc<dyn StateStore>, Failure> {
    if settings.state_url.starts_with("sqlite:") {
        std::fs::create_dir_all(&settings.data_dir).map_err(|error| {
            Failure::Usage(format!(
                "the data directory {} cannot be made: {error}; choose another with --data-dir",
                settings.data_dir.display()
            ))
        })?;
    }
    store::open(&settings.state_url)
        .await
        .map_err(|error| Failure::Runtime(anyhow::Error::new(error).context("the state store cannot be opened")))
}

async fn start(config: ConsoleConfig, store: Arc<dyn StateStore>) -> Result<Arc<Console>, Failure> {
    Console::start(config, store, Clock::system()).await.map_err(|error| Failure::Runtime(error.into()))
}

/// Beyond loopback somebody must be able to sign in, or everyone could act.
async fn refuse_strangers(console: &Console, address: SocketAddr) -> Result<(), Failure> {
    let is_loopback = address.ip().to_canonical().is_loopback();
    if is_loopback || !console.access.is_open().await.map_err(anyhow::Error::from)? {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{address} can be reached from other machines, but nobody could sign in there; add a user with `headroom user \
         add NAME --role admin`, or listen on 127.0.0.1"
    )))
}

/// Cancelled by SIGINT or SIGTERM. A second signal ends the process at once.
#[must_use]
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    // Lives as long as the process: it is what ends it.
    tokio::spawn(async move {
        signal().await;
        tracing::info!("stopping");
        cancel.cancel();
        signal().await;
        std::process::exit(130);
    });
    stop
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be watched");
            let _ = interrupt.await;
        }
    }
}
