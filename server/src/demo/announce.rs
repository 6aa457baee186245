//! Tells people and programs where the demo is.

use super::servers::Servers;
use serde_json::json;
use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// For people: where to look, how to stop, how to see an outage.
pub fn say(page: &str, servers: &Servers) {
    let pid = std::process::id();
    println!();
    println!("  Headroom    {page}");
    println!("  PostgreSQL  {}", servers.postgres_url());
    match servers.redis_url() {
        Some(url) => println!("  Redis       {url}"),
        None => println!("  Redis       not found on this machine; the demo goes on without it"),
    }
    println!();
    println!(
        "  Ctrl-C stops everything. An outage to look at: `kill -USR1 {pid}` stops PostgreSQL and starts it again,"
    );
    println!("  `kill -USR2 {pid}` does the same with Redis.");
    println!();
}

/// For programs: `demo.json` in the data directory while the demo runs. It holds passwords, so it is for its owner alone.
pub struct Card {
    path: PathBuf,
    page: String,
}

impl Card {
    pub fn new(folder: &Path, page: &str) -> Self {
        Card { path: folder.join("demo.json"), page: page.to_owned() }
    }

    /// Writes the file in one step: a reader finds all of it or what was there before.
    pub fn write(&self, servers: &Servers) -> io::Result<()> {
        let postgres = &servers.postgres;
        let card = json!({
            "url": self.page,
            "pid": std::process::id(),
            "postgresUrl": servers.postgres_url(),
            "postgresPid": postgres.pid(),
            "postgresDataDir": postgres.data_dir(),
            "postgresBin": postgres.installation().bin,
            "postgresVersion": postgres.installation().version,
            "redisUrl": servers.redis_url(),
            "redisPid": servers.redis.as_ref().and_then(|redis| redis.pid()),
        });
        let draft = self.path.with_extension("json.draft");
        let file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        serde_json::to_writer(file, &card)?;
        fs::rename(&draft, &self.path)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}
