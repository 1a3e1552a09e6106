//! A video call with oneself through Peerless: the page is a browser's, everything on this side is
//! ours.
//!
//! ```text
//!   browser tabs ── HTTP, one WebSocket each ──  web.rs      tasks of the web server (tokio)
//!        ║                                         │ commands, and a waker
//!        ╚═══ UDP: ICE, DTLS, SRTP, SCTP ═══════  calls.rs   one thread, one socket, one Endpoint
//!                                                  ├ call.rs     a tab's call: negotiation, states
//!                                                  ├ echo.rs     media, chat and files go back
//!                                                  └ figures.rs  statistics for the page
//! ```
//!
//! The driver is the library's (`peerless::driver`): it waits for datagrams, deadlines and the
//! waker, and calls back with events.
#![forbid(unsafe_code)]

mod arguments;
mod call;
mod calls;
mod echo;
mod figures;
mod log;
mod self_test;
mod signalling;
mod tls;
mod web;

use std::{
    cell::RefCell,
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use peerless::driver::Blocking;
use peerless::{Configuration, Endpoint, Origin};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use self::{
    arguments::Arguments,
    calls::{Calls, Command},
    web::Web,
};

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let done = if arguments.self_test { self_test::run() } else { serve(&arguments) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("peerless call: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let web = Web::bind(&arguments.page_addresses()?, arguments.port)?;
    let driver = bind(arguments)?;
    println!(
        "   peerless call · open {} in a browser · one UDP port for everyone: {}",
        web.url(),
        described(&driver.local_addresses())
    );
    let (commands, asked) = mpsc::channel(1024);
    let calls = web::Calls::new(commands, driver.waker());
    thread::Builder::new().name("web".to_owned()).spawn(move || web_thread(web, calls))?;
    let mut configuration = Configuration::default();
    configuration.sped = arguments.sped;
    configuration.snap = arguments.snap;
    Ok(drive(driver, asked, configuration)?)
}

/// Drives all calls, until it is told to stop.
fn drive(
    mut driver: Blocking,
    mut asked: mpsc::Receiver<Command>,
    configuration: Configuration,
) -> std::io::Result<()> {
    let mut endpoint = Endpoint::new(Origin::system());
    // Both closures below need it, one after the other.
    let calls = RefCell::new(Calls::new(configuration));
    driver.run_with(
        &mut endpoint,
        |endpoint| {
            while let Ok(command) = asked.try_recv() {
                calls.borrow_mut().command(endpoint, now(), command);
            }
        },
        |endpoint, id, event| calls.borrow_mut().event(endpoint, now(), id, event),
    )
}

/// Binds the UDP port: the one that was asked for, else the one of STUN, else any.
fn bind(arguments: &Arguments) -> Result<Blocking, Box<dyn Error>> {
    let bind = |port| {
        if !arguments.bind.is_empty() {
            let addresses = arguments.bind.iter().map(|address| SocketAddr::new(*address, port));
            return Blocking::bind_all(&addresses.collect::<Vec<_>>());
        }
        let [four, six]: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        // Not every machine has IPv6, and "any port" would be a different one for each.
        let both = [SocketAddr::new(four, port), SocketAddr::new(six, port)];
        let bound = if port == 0 { None } else { Blocking::bind_all(&both).ok() };
        bound.map_or_else(|| Blocking::bind(SocketAddr::new(four, port)), Ok)
    };
    match arguments.udp_port {
        Some(port) => bind(port)
            .map_err(|error| format!("UDP port {port}: {error}; try another --udp-port").into()),
        None => Ok(bind(STUN_PORT).or_else(|_| bind(0))?),
    }
}

/// Names addresses by their port and what is in front of it.
fn described(addresses: &[SocketAddr]) -> String {
    let Some(port) = addresses.first().map(SocketAddr::port) else { return "none".to_owned() };
    if addresses.iter().any(|address| address.port() != port) {
        return addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
    }
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    format!("{port} on {}", ips.join(", "))
}

fn web_thread(web: Web, calls: web::Calls) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async move {
            let ticking = calls.clone();
            tokio::spawn(async move {
                let mut second = tokio::time::interval(Duration::from_secs(1));
                loop {
                    second.tick().await;
                    ticking.send(Command::Tick).await;
                }
            });
            web.serve(calls).await
        })
    });
    if let Err(problem) = served {
        eprintln!("peerless call: the page is not served any more: {problem}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a program reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Where NATs and firewalls are used to see STUN.
const STUN_PORT: u16 = 3478;
