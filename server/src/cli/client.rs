//! The API of a running console, as commands use it.

use super::Failure;
use anyhow::{Context, anyhow};
use clap::Args;
use headroom_model::api::{Envelope, Problem};
use reqwest::{Client, Method, Url};
use serde::{Serialize, de::DeserializeOwned};
use std::{path::PathBuf, time::Duration};

/// Longer than the console takes to give a request up.
const TIMEOUT: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(5);

/// Which console, and as whom.
#[derive(Clone, Debug, Args)]
pub struct Connection {
    /// Address of the console
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000", value_parser = parse_url)]
    url: Url,
    /// File with a bearer token in its first line [default: the variable HEADROOM_TOKEN, if it is set]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The target [default: the console's first one]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.has_host());
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    url.ok_or_else(|| "allowed: http://host:port, without a password; TLS ends in front of the console".to_owned())
}

/// A console that is asked.
pub struct Console {
    client: Client,
    url: Url,
    target: Option<String>,
    token: Option<String>,
}

impl Console {
    /// Prepares to ask; nothing connects yet.
    ///
    /// # Errors
    /// The token's file cannot be read.
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        let token = match &connection.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
                Some(text.lines().next().unwrap_or_default().trim().to_owned())
            }
            None => std::env::var("HEADROOM_TOKEN").ok(),
        };
        let token = token.filter(|token| !token.is_empty());
        // A proxy of the environment would see the token, and is no way to a loopback address.
        let client = Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT).no_proxy().build();
        let client = client.context("the HTTP client cannot be prepared")?;
        Ok(Console { client, url: connection.url.clone(), target: connection.target.clone(), token })
    }

    /// Reads.
    ///
    /// # Errors
    /// The console cannot be reached, or refuses; in its own words.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// As [`Console::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let mut url = self.url.join(path).map_err(anyhow::Error::from)?;
        if let Some(target) = &self.target {
            url.query_pairs_mut().append_pair("target", target);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| {
            // The error's own words repeat the whole address.
            let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
            anyhow!("the console at {} {why}; start it with `headroom serve`, or name it with --url", self.url)
        })?;
        let status = response.status();
        let text = response.text().await.context("the console's answer broke off")?;
        if status.is_success() {
            let envelope: Envelope<T> =
                serde_json::from_str(&text).context("the answer is not that of a console of this version")?;
            return Ok(envelope.data);
        }
        let Ok(problem) = serde_json::from_str::<Problem>(&text) else {
            return Err(anyhow!("{} answered with status {status}", self.url).into());
        };
        let errors: Vec<String> =
            problem.errors.iter().map(|error| format!("{}: {}", error.field, error.reason)).collect();
        let said = if errors.is_empty() { problem.detail } else { errors.join("; ") };
        Err(match status.as_u16() {
            401 => Failure::Usage(format!("{said} Set HEADROOM_TOKEN, or name a file with --token-file.")),
            404 | 422 => Failure::Usage(said),
            _ => anyhow!(said).into(),
        })
    }
}
