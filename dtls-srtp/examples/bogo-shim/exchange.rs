//! One connection from the handshake to its end.

use std::collections::VecDeque;
use std::time::Instant;

use peerless_dtls_srtp::crypto::Crypto;
use peerless_dtls_srtp::dtls::{
    AlertDescription, CloseReason, Config, Connection, HandshakeError, KeyUpdate,
};

use crate::flags::Flags;
use crate::link::{Incoming, Link};
use crate::{Failure, expectations};

/// What `-shim-writes-first` writes.
const HELLO: &[u8] = b"hello";

/// How much is read at a time.
const READ_SIZE: usize = 16384;

/// Makes one connection, and does with it what the flags ask for.
pub(crate) fn run(flags: &Flags, config: Config) -> Result<(), Failure> {
    let mut exchange = Exchange::start(flags, config)?;
    let outcome = exchange.run(flags);
    // An alert may be left.
    exchange.flush();
    outcome
}

/// Begins another connection, and ends it as soon as the runner takes part in it: it does so only
/// if it has nothing to say against the one before. Our exit code does not let it speak up later.
pub(crate) fn await_runner(flags: &Flags, config: Config) -> Result<(), Failure> {
    let mut exchange = Exchange::start(flags, config)?;
    exchange.flush();
    match exchange.link.receive()? {
        Incoming::End => Err(Failure::failed("the runner wants no other connection")),
        _ => Ok(()),
    }
}

struct Exchange {
    link: Link,
    connection: Connection,
    /// Moves when the runner says so, and never else.
    now: Instant,
    /// Application data that waits to be read.
    received: VecDeque<Vec<u8>>,
    /// The runner has hung up.
    ended: bool,
}

impl Exchange {
    fn start(flags: &Flags, config: Config) -> Result<Self, Failure> {
        let link = Link::connect(flags)?;
        let mut seed = [0; 32];
        let random = Crypto::default().handshake.secure_random;
        random.fill(&mut seed).map_err(|_| Failure::failed("the system gives no randomness"))?;
        #[expect(clippy::disallowed_methods, reason = "a clock has to begin somewhere")]
        let now = Instant::now();
        let connection = match flags.server {
            true => Connection::server(config, now, seed),
            false => Connection::client(config, now, seed),
        };
        Ok(Self { link, connection, now, received: VecDeque::new(), ended: false })
    }

    fn run(&mut self, flags: &Flags) -> Result<(), Failure> {
        self.handshake(flags)?;
        expectations::check(flags, &self.connection)?;

        if flags.export_keying_material > 0 {
            let context = flags.use_export_context.then_some(flags.export_context.as_bytes());
            let len = flags.export_keying_material;
            let material =
                self.connection.export_keying_material(&flags.export_label, context, len)?;
            self.write(&material)?;
        }
        if flags.shim_writes_first {
            self.write(HELLO)?;
        }
        if flags.send_alert {
            /// Not among those that the library says of its own accord.
            const DECOMPRESSION_FAILURE: u8 = 30;
            self.connection.abort(self.now, AlertDescription::from(DECOMPRESSION_FAILURE));
            return Ok(());
        }
        if flags.shim_shuts_down {
            return self.shut_down(flags);
        }
        let read_size = flags.read_size.unwrap_or(READ_SIZE);
        loop {
            if flags.key_update_before_read {
                self.update_keys()?;
            }
            let Some(mut bytes) = self.read()? else { break };
            if flags.key_update {
                self.update_keys()?;
            }
            bytes.truncate(read_size);
            bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
            self.write(&bytes)?;
        }
        Ok(())
    }

    fn handshake(&mut self, flags: &Flags) -> Result<(), Failure> {
        loop {
            if flags.verify_fail && self.connection.peer_certificate().is_some() {
                return self.refuse_certificate(flags);
            }
            self.flush();
            if let Some(reason) = self.connection.close_reason() {
                use HandshakeError::{NoCommonCipherSuite, NoCommonGroup};
                // A certificate was to be found for what the runner offers: CBC, or RSA as a key
                // exchange, which no flag gives away.
                let is_missing =
                    matches!(reason, CloseReason::Handshake(NoCommonCipherSuite | NoCommonGroup));
                return Err(match flags.expect_selected_credential {
                    Some(_) if is_missing => Failure::unsupported(reason),
                    _ => reason.into(),
                });
            }
            // Data that came before the handshake was done is left alone, which drops it.
            if self.connection.is_connected() {
                return Ok(());
            }
            if self.ended {
                return Err(Failure::failed("the runner hung up during the handshake"));
            }
            self.receive()?;
        }
    }

    /// Breaks off as an application that looks at certificates itself.
    fn refuse_certificate(&mut self, flags: &Flags) -> Result<(), Failure> {
        /// Not among those that the library says of its own accord.
        const CERTIFICATE_UNKNOWN: u8 = 46;
        let why = match flags.custom_verification {
            true => AlertDescription::from(CERTIFICATE_UNKNOWN),
            false => AlertDescription::HandshakeFailure,
        };
        self.connection.abort(self.now, why);
        Err(Failure::failed("the peer's certificate was refused"))
    }

    /// Returns the next record of application data; `None` when there will be no more, be it that
    /// the peer said so or that it is gone.
    fn read(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            self.flush();
            if let Some(bytes) = self.received.pop_front() {
                return Ok(Some(bytes));
            }
            match self.connection.close_reason() {
                Some(CloseReason::Remote) => return Ok(None),
                Some(reason) => return Err(reason.into()),
                None if self.ended => return Ok(None),
                None => self.receive()?,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.flush();
        let mut record = Vec::new();
        let start = self.connection.begin(&mut record);
        let start = start.ok_or_else(|| Failure::failed("nothing can be sent"))?;
        record.extend_from_slice(bytes);
        self.connection.seal(&mut record, start)?;
        self.link.send(&record);
        Ok(())
    }

    fn update_keys(&mut self) -> Result<(), Failure> {
        match self.connection.update_keys(self.now, KeyUpdate::NotRequested) {
            true => Ok(()),
            false => Err(Failure::failed("the keys cannot be updated")),
        }
    }

    fn shut_down(&mut self, flags: &Flags) -> Result<(), Failure> {
        if !flags.check_close_notify {
            return Ok(());
        }
        self.connection.close(self.now);
        self.flush();
        // What comes after our close_notify cannot be opened any more, but something has to.
        match self.link.receive()? {
            Incoming::Datagram(_) => Ok(()),
            _ => Err(Failure::failed("no close_notify answered ours")),
        }
    }

    /// Sends what there is to send.
    fn flush(&mut self) {
        let mut datagram = Vec::new();
        while self.connection.poll_transmit(self.now, &mut datagram).is_some() {
            self.link.send(&datagram);
            datagram.clear();
        }
    }

    /// Takes one thing from the runner.
    fn receive(&mut self) -> Result<(), Failure> {
        match self.link.receive()? {
            Incoming::Datagram(mut datagram) => {
                let records = self.connection.handle_datagram(self.now, &mut datagram);
                self.received.extend(records.map(|plaintext| plaintext.to_vec()));
            }
            Incoming::Time(duration) => {
                self.link.acknowledge_time()?;
                self.now += duration;
                self.connection.handle_timeout(self.now);
            }
            Incoming::Mtu(bytes) => self.connection.set_mtu(bytes),
            Incoming::ExpectTimeout(expected) => {
                let deadline = self.connection.poll_timeout();
                let actual = deadline.map(|at| at.saturating_duration_since(self.now));
                if actual != expected {
                    let why = format!("expected a timeout of {expected:?}, but got {actual:?}");
                    return Err(Failure::Failed(why));
                }
            }
            Incoming::InitialTimeout(timeout) => {
                self.connection.set_initial_timeout(self.now, timeout);
            }
            Incoming::End => self.ended = true,
        }
        Ok(())
    }
}
