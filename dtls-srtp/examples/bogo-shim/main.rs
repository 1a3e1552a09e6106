//! A shim for BoringSSL's protocol test runner ("BoGo"): it puts [`dtls::Connection`] on the other
//! end of the runner's TCP connection, under the runner's clock.
//!
//! The runner starts this program once for each of its tests, with flags that say what it has to
//! do, and judges it by what comes over the connection, its exit code (0: all went as it should,
//! 89: the flags ask for something that we do not have, anything else: failed) and, where it
//! failed, by its words on standard error. `README.md` beside this file says how to run it.
//!
//! | file | what it is about |
//! | --- | --- |
//! | `flags` | what the runner asks for |
//! | `settings` | the same as a [`dtls::Config`] |
//! | `link` | datagrams and commands over TCP |
//! | `exchange` | one connection from the handshake to its end |
//! | `expectations` | whether the handshake ended as it was to |
//!
//! [`dtls::Connection`]: peerless_dtls_srtp::dtls::Connection
//! [`dtls::Config`]: peerless_dtls_srtp::dtls::Config
#![forbid(unsafe_code)]

mod exchange;
mod expectations;
mod flags;
mod link;
mod settings;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::flags::Flags;

/// The exit code that lets the runner pass over a test.
const UNIMPLEMENTED: u8 = 89;

fn main() -> ExitCode {
    let outcome = Flags::parse(std::env::args().skip(1)).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unsupported(what)) => {
            eprintln!("not supported: {what}");
            ExitCode::from(UNIMPLEMENTED)
        }
        Err(Failure::Failed(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<(), Failure> {
    if flags.is_handshaker_supported {
        println!("No");
        return Ok(());
    }
    let config = settings::config(&flags)?;
    exchange::run(&flags, config.clone())?;
    for _ in 0..flags.resume_count {
        if !flags.expect_session_miss {
            exchange::await_runner(&flags, config)?;
            return Err(Failure::unsupported("session resumption"));
        }
        exchange::run(&flags, config.clone())?;
    }
    Ok(())
}

/// Why a test does not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It asks for something that this library does not have.
    Unsupported(String),
    /// It went wrong, which may be what the test wants.
    Failed(String),
}

impl Failure {
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::Unsupported(what.to_string())
    }

    pub(crate) fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
