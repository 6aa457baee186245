//! `headroom event`: puts marks of a pipeline on the timeline of a running console.

use super::{
    Failure,
    client::{Connection, Console},
    print,
};
use headroom_model::{Timestamp, event::Event, format};
use serde::Serialize;

/// What to do with events.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Mark a deploy; every chart shows it. A token needs the role operator
    Mark {
        /// Which console.
        #[command(flatten)]
        connection: Connection,
        /// What was deployed: "orders 4.18.0"
        title: String,
        /// A second line
        #[arg(long, value_name = "TEXT")]
        detail: Option<String>,
        /// When it happened, in epoch milliseconds [default: now]
        #[arg(long, value_name = "MILLISECONDS")]
        at: Option<i64>,
    },
}

/// What the console is sent.
#[derive(Debug, Serialize)]
struct Marker {
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// Runs the command.
///
/// # Errors
/// The console cannot be reached, or refuses; in its own words.
pub async fn run(command: Command) -> Result<(), Failure> {
    let Command::Mark { connection, title, detail, at } = command;
    let marker = Marker { title, detail, at: at.map(Timestamp) };
    let stored: Event = Console::new(&connection)?.post("/api/v1/events", &marker).await?;
    let Event { event, .. } = stored;
    let target = event.target.map_or_else(String::new, |target| format!(" on {target}"));
    let (date, time) = (format::date(event.at), format::clock_seconds(event.at));
    print(&format!("Marked \"{}\"{target} at {date} {time} UTC", event.title))
}
