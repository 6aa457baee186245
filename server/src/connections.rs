//! Accepts connections and answers on them, within bounds: so many at once, so long for the head of a request, so long to
//! finish once the process stops. HTTP/1.1 alone; a proxy in front speaks HTTP/2 where that is wanted.

use axum::{body::Body, extract::ConnectInfo, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// After a failure that does not concern one connection alone: mostly there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open at once. One more waits in the listener's queue. Default 1,024.
    pub connections_max: usize,
    /// How long the head of a request may take, idle time before it included. Default 30 s.
    pub head: Duration,
    /// How long running requests may take to finish once the process stops. Default [`DRAIN`].
    pub drain: Duration,
}

/// How long requests may take to finish once the process stops: its part of the ten seconds that stopping takes.
pub const DRAIN: Duration = Duration::from_secs(3);

impl Default for Limits {
    fn default() -> Self {
        Limits { connections_max: 1024, head: Duration::from_secs(30), drain: DRAIN }
    }
}

/// Answers requests until `stop`, then lets the running ones finish. Dropping the future cuts all connections.
pub async fn answer<A, F>(listener: TcpListener, app: A, limits: Limits, stop: CancellationToken)
where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections_max));
    // Bounded by the places; what has ended is taken out with every new one.
    let mut open = JoinSet::new();
    while let Some(accepted) = stop.run_until_cancelled(accept(&listener, &places)).await {
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, place)) => {
                open.spawn(serve(stream, peer, app.clone(), limits.head, stop.clone(), place));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted");
                stop.run_until_cancelled(sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(listener);
    let finish = async { while open.join_next().await.is_some() {} };
    if timeout(limits.drain, finish).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// Answers on one connection until either side ends it; after `stop` the request under way is the last.
async fn serve<A, F>(
    stream: TcpStream,
    peer: SocketAddr,
    app: A,
    head: Duration,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) where
    A: Fn(Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // An answer leaves in one piece; waiting for a fuller packet would only make it late. A peer that has left meanwhile
    // is noticed below.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = app(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use std::net::Ipv4Addr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    async fn start(limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route("/never", get(std::future::pending::<()>));
        let app = TowerToHyperService::new(app);
        let app = move |request| {
            let answer = app.call(request);
            async { answer.await.unwrap() }
        };
        (address, stop.clone(), tokio::spawn(answer(listener, app, limits, stop)))
    }

    /// What comes until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        timeout(Duration::from_secs(20), stream.read_to_string(&mut text)).await.expect("it is closed").unwrap();
        text
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_its_connection() {
        let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
        let (address, stop, serving) = start(limits).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        assert!(!rest(&mut slow).await.contains("200"));
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(rest(&mut idle).await.ends_with("127.0.0.1"), "answered, then closed");
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn connections_are_bounded_and_a_place_is_given_back() {
        let (address, stop, serving) = start(Limits { connections_max: 1, ..Limits::default() }).await;
        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut byte = [0];
        assert!(timeout(Duration::from_millis(200), second.read(&mut byte)).await.is_err(), "it waits for a place");
        drop(first);
        assert!(rest(&mut second).await.contains("200"));
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_finish_is_cut() {
        let (address, stop, serving) = start(Limits { drain: Duration::from_millis(100), ..Limits::default() }).await;
        let mut stuck = TcpStream::connect(address).await.unwrap();
        stuck.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(rest(&mut other).await.contains("200"));
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(rest(&mut stuck).await, "");
    }
}
