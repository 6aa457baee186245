//! `headroom demo`: a private PostgreSQL and Redis, a sample shop with live traffic, and the console that watches them.
//!
//! The console is the same as `headroom serve`; only its target differs. The shop is an application like any other: it
//! has its own role and its own lanes.

mod announce;
mod datasets;
mod load;
mod past;
mod servers;
mod workload;

use crate::{
    cli::Failure,
    config::{Settings, state},
    serve,
};
use anyhow::Context;
use clap::Args;
use headroom_engine::{console::Console, pool::Pools};
use past::Past;
use servers::Servers;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;
use workload::{Rates, Workload};

/// What `headroom demo` takes besides the options of every command.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArgs {
    /// How lively the shop is: 1 is the usual traffic, 0.1 a tenth, 0 none
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = parse_pace)]
    pub pace: f64,
    /// Start of the random numbers: the same seed makes the same choices
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    pub seed: u64,
    /// Begin without a past: no generated year before the start
    #[arg(long)]
    pub no_history: bool,
}

/// Above this the shop would take more than half a core.
const PACE_MAX: f64 = 3.0;

fn parse_pace(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|pace| (0.0..=PACE_MAX).contains(pace))
        .ok_or_else(|| format!("allowed: a number from 0 to {PACE_MAX}"))
}

/// Runs the demo until `stop`. With a `data_dir` its data is kept there and used again, else it is temporary.
///
/// The configured targets and state store are left alone: the demo watches and writes only what is its own.
///
/// # Errors
/// The port is taken, a server cannot be started, or the console cannot.
pub async fn run(
    args: DemoArgs,
    mut settings: Settings,
    data_dir: Option<PathBuf>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    // A taken port should not cost the start of two servers first.
    drop(serve::bind(settings.listen).await?);
    let temporary = tempfile::Builder::new().prefix("headroom-demo-").tempdir().context("no temporary folder")?;
    let folder = data_dir.clone().unwrap_or_else(|| temporary.path().to_path_buf());

    eprintln!("starting a private PostgreSQL and Redis …");
    let mut servers = tokio::select! {
        servers = Servers::start(data_dir.as_deref()) => servers?,
        () = stop.cancelled() => return Ok(()),
    };
    settings.targets = vec![servers.target()];
    settings.datasets = datasets::all(&settings.targets[0].id);
    settings.warmup = datasets::warmup();
    settings.state_url = state::sqlite_url(&folder);
    settings.data_dir = folder;

    let (tell, ready) = oneshot::channel();
    let shop = Shop { args, folder: settings.data_dir.clone(), stop: stop.clone() };
    let console = serve::serve(settings, stop.clone(), |address, console| {
        let _shop_has_failed = tell.send((address, console.clone()));
    });
    // Either one's end is the other's; the servers go last, so that neither sees an outage on the way out.
    let (console, shop) = tokio::join!(
        async {
            let outcome = console.await;
            stop.cancel();
            outcome
        },
        async {
            let outcome = shop.open(&mut servers, ready).await;
            stop.cancel();
            outcome
        },
    );
    servers.stop().await;
    console?;
    Ok(shop?)
}

struct Shop {
    args: DemoArgs,
    folder: PathBuf,
    stop: CancellationToken,
}

impl Shop {
    /// Loads the shop once the console shows it, keeps its traffic going, and obeys the two signals.
    async fn open(
        self,
        servers: &mut Servers,
        ready: oneshot::Receiver<(SocketAddr, Arc<Console>)>,
    ) -> anyhow::Result<()> {
        let mut postgres_signal = signal(SignalKind::user_defined1())?;
        let mut redis_signal = signal(SignalKind::user_defined2())?;
        let Ok((address, console)) = ready.await else { return Ok(()) };
        let past = if self.args.no_history {
            None
        } else {
            Past::begin(console.clone(), self.args.seed).await.context("the demo's past cannot be generated")?
        };
        let page = format!("http://{address}");
        announce::say(&page, servers);
        let card = announce::Card::new(&self.folder, &page);
        card.write(servers).context("demo.json cannot be written")?;

        let application = servers.application();
        tokio::select! {
            loaded = load::load(&application.database_url) => loaded.context("the sample shop cannot be loaded")?,
            () = self.stop.cancelled() => return Ok(()),
        }
        datasets::prepare(&application.database_url, servers::WATCHER)
            .await
            .context("the datasets of the sample shop cannot be prepared")?;
        let workload = self.traffic(servers, console)?;
        // Ends by itself, or with the demo: it writes in small steps and stops between two of them.
        let past = match past {
            Some(past) => {
                let watched = servers.target();
                let sizes =
                    past::sizes(&watched.database_url).await.context("the sizes of the sample shop cannot be read")?;
                Some(tokio::spawn(past.write(sizes, self.stop.clone())))
            }
            None => None,
        };
        loop {
            let toggled = tokio::select! {
                _ = postgres_signal.recv() => servers.toggle_postgres().await,
                _ = redis_signal.recv() => servers.toggle_redis().await,
                () = self.stop.cancelled() => break,
            };
            // Process numbers have changed.
            if let Err(error) = toggled.and_then(|()| Ok(card.write(servers)?)) {
                eprintln!("{error:#}");
            }
        }
        if let Some(past) = past {
            past.await.context("the demo's past failed")?;
        }
        if let Some(workload) = workload {
            workload.stop().await;
        }
        Ok(())
    }

    fn traffic(&self, servers: &Servers, console: Arc<Console>) -> anyhow::Result<Option<Workload>> {
        if self.args.pace == 0.0 {
            return Ok(None);
        }
        let application = servers.application();
        let pools = Pools::named(&application, "shop")?;
        let redis = servers
            .redis_url()
            .map(|url| deadpool_redis::Config::from_url(url).create_pool(Some(deadpool_redis::Runtime::Tokio1)))
            .transpose()?;
        let rates = Rates::default().scaled(self.args.pace);
        Ok(Some(Workload::start(pools, redis, console, rates, self.args.seed)))
    }
}
