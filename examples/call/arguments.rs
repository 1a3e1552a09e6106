use std::net::{IpAddr, Ipv4Addr};

use clap::Parser;

/// A video call with Peerless: open the page in a browser, and your own picture and sound come
/// back through its seven crates.
///
/// Nothing to configure: the page is on http://localhost:8080, and all tabs share one UDP port.
/// For a phone in the same network: --host 0.0.0.0, which serves HTTPS with a certificate made on
/// the spot (browsers give a camera to secure pages only, and ask once about the certificate).
///
/// RUST_LOG=debug, or for example RUST_LOG=ice=trace, says more.
#[derive(Clone, Debug, Parser)]
#[command(name = "call", version)]
pub(crate) struct Arguments {
    /// The address to serve the page on; any but a loopback address means HTTPS
    #[arg(long, default_value = "localhost")]
    pub(crate) host: String,

    /// The TCP port to serve the page on; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// The UDP port for all calls; 0 takes any that is free [default: 3478, or else any]
    #[arg(long)]
    pub(crate) udp_port: Option<u16>,

    /// An address to use for calls instead of those of every interface; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Vec<IpAddr>,

    /// Lets the DTLS handshake ride in ICE's checks where the browser does that, too (SPED): in
    /// Chromium, --force-fieldtrials=WebRTC-IceHandshakeDtls/Enabled/
    #[arg(long)]
    pub(crate) sped: bool,

    /// Lets descriptions carry the handshake of SCTP, where the browser does (SNAP, a draft)
    #[arg(long)]
    pub(crate) snap: bool,

    /// Calls itself over UDP on this machine, without a browser, and says how it went
    #[arg(long)]
    pub(crate) self_test: bool,
}

impl Arguments {
    /// Returns the addresses to serve the page on: `localhost` is both of its own.
    pub(crate) fn page_addresses(&self) -> Result<Vec<IpAddr>, String> {
        if self.host == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()]);
        }
        let address = self.host.parse().map_err(|_| {
            format!("--host {}: not an address; for every interface: --host 0.0.0.0", self.host)
        })?;
        Ok(vec![address])
    }
}
