//! The page, and one WebSocket per tab.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    calls::Command,
    tls::{self, TlsListener},
};

/// How the tasks of the web server talk to the thread that drives the calls.
#[derive(Clone)]
pub(crate) struct Calls {
    commands: mpsc::Sender<Command>,
    waker: peerless::driver::Waker,
}

impl Calls {
    pub(crate) const fn new(
        commands: mpsc::Sender<Command>,
        waker: peerless::driver::Waker,
    ) -> Self {
        Self { commands, waker }
    }

    pub(crate) async fn send(&self, command: Command) {
        if self.commands.send(command).await.is_ok() {
            self.waker.wake();
        }
    }
}

/// The web server, bound and ready to serve.
pub(crate) struct Web {
    listeners: Vec<std::net::TcpListener>,
    secure: bool,
}

impl Web {
    /// Binds the addresses to one port. Of several, one must work: a machine may be without IPv6.
    pub(crate) fn bind(addresses: &[IpAddr], port: u16) -> Result<Self, String> {
        let mut listeners: Vec<std::net::TcpListener> = Vec::new();
        let mut problem = None;
        for address in addresses {
            let port = match listeners.first().map(std::net::TcpListener::local_addr) {
                Some(Ok(first)) => first.port(),
                _ => port,
            };
            let bound = std::net::TcpListener::bind((*address, port))
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            match bound {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    problem = Some(format!("{}: {error}", SocketAddr::new(*address, port)))
                }
            }
        }
        match problem {
            Some(problem) if listeners.is_empty() => {
                Err(format!("the page cannot be served on {problem}; try another --port"))
            }
            _ => Ok(Self { listeners, secure: !addresses.iter().all(IpAddr::is_loopback) }),
        }
    }

    /// Returns the address to open in a browser.
    pub(crate) fn url(&self) -> String {
        let address = self.listeners.first().and_then(|listener| listener.local_addr().ok());
        let port = address.map_or(0, |address| address.port());
        if !self.secure {
            return format!("http://localhost:{port}");
        }
        match address.map(|address| address.ip()) {
            Some(address) if !address.is_unspecified() => {
                format!("https://{}", SocketAddr::new(address, port))
            }
            _ => {
                let reachable = reachable_addresses().first().copied();
                // An IPv6 address is in brackets in front of a port.
                let host = reachable.map_or_else(
                    || format!("localhost:{port}"),
                    |address| SocketAddr::new(address, port).to_string(),
                );
                format!("https://{host}")
            }
        }
    }

    /// Serves until the program ends.
    pub(crate) async fn serve(self, calls: Calls) -> Result<(), Box<dyn std::error::Error>> {
        let router = Router::new()
            .route("/", get(|| page(include_str!("page/index.html"), HTML)))
            .route("/style.css", get(|| page(include_str!("page/style.css"), CSS)))
            .route("/app.js", get(|| page(include_str!("page/app.js"), JAVASCRIPT)))
            .route("/call.js", get(|| page(include_str!("page/call.js"), JAVASCRIPT)))
            .route("/devices.js", get(|| page(include_str!("page/devices.js"), JAVASCRIPT)))
            .route("/figures.js", get(|| page(include_str!("page/figures.js"), JAVASCRIPT)))
            .route("/files.js", get(|| page(include_str!("page/files.js"), JAVASCRIPT)))
            .route("/graph.js", get(|| page(include_str!("page/graph.js"), JAVASCRIPT)))
            .route("/signalling", get(signalling))
            .route("/status", get(status))
            .with_state(calls);
        let mut servers = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let listener = TcpListener::from_std(listener)?;
            let router = router.clone();
            if self.secure {
                let mut names = vec!["localhost".to_owned()];
                names.extend(reachable_addresses().iter().map(IpAddr::to_string));
                let listener = TlsListener::new(listener, tls::configuration(names)?)?;
                servers.spawn(async move { axum::serve(listener, router).await });
            } else {
                servers.spawn(async move { axum::serve(listener, router).await });
            }
        }
        while let Some(ended) = servers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

async fn page(contents: &'static str, kind: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, contents).into_response()
}

async fn signalling(
    State(calls): State<Calls>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !same_origin(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.max_message_size(MAX_MESSAGE).on_upgrade(move |socket| tab(calls, socket))
}

/// One tab, from its WebSocket's opening to its end.
async fn tab(calls: Calls, mut socket: WebSocket) {
    let (outbound, mut messages) = mpsc::channel(256);
    let (named, name) = oneshot::channel();
    calls.send(Command::Open { outbound, named }).await;
    let Ok(id) = name.await else {
        // Refused, and told why.
        while let Some(message) = messages.recv().await {
            socket.send(Message::Text(String::into(message))).await.ok();
        }
        return;
    };
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    calls.send(Command::Message { tab: id, text: text.to_string() }).await;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            message = messages.recv() => {
                let Some(message) = message else { break };
                if socket.send(Message::Text(String::into(message))).await.is_err() {
                    break;
                }
            }
        }
    }
    calls.send(Command::Gone { tab: id }).await;
}

/// What goes on, as JSON, for tests and the curious.
async fn status(State(calls): State<Calls>) -> Response {
    let (answer, status) = oneshot::channel();
    calls.send(Command::Status { answer }).await;
    match status.await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Whether a WebSocket comes from our page, and not from another that happens to know our port:
/// WebSockets are not held to the same origin by browsers.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, origin)| origin == host)
}

/// The addresses under which others reach this machine, IPv4 first: shorter to type on a phone.
fn reachable_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(if_addrs::Interface::ip)
        .collect();
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    addresses
}

/// A description of many transceivers is some tens of kilobytes.
const MAX_MESSAGE: usize = 1 << 20;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but our own files, no inline script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; \
     style-src 'self'; media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:";
