//! How long a handshake takes at a round trip of 100 ms when datagrams are lost, in virtual time.

use std::time::{Duration, Instant};

use dtls_srtp::dtls::Version;
use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

#[cfg(feature = "peers")]
use crate::layers::dtls::Dimpl;
use crate::layers::dtls::{Peerless, Side as _, Stack};
use crate::measure::{percentile, start};

pub(super) const NAME: &str = "handshake at 100 ms";

/// As many handshakes with as many seeds at each rate of loss.
const HANDSHAKES: u64 = 300;
const ONE_WAY: Duration = Duration::from_millis(50);

/// What the seconds of ours have to be.
#[derive(Clone, Copy)]
struct Goal {
    /// The median where nothing is lost: the round trips of the protocol, and the way that the
    /// server's last flight or the client's has to go.
    clean: f64,
    /// The 95th percentiles where something is.
    p95: Option<[f64; 2]>,
}

impl Goal {
    const V13: Self = Self { clean: 0.15, p95: Some([0.5, 1.5]) };
    const V12: Self = Self { clean: 0.2, p95: None };

    fn judge(self, figures: &[Figures; 3]) -> String {
        let [clean, lossy @ ..] = figures;
        let mut met = clean.median < self.clean + 0.001 && figures.iter().all(|it| it.failed == 0);
        let mut goal = format!("{:.2} s", self.clean);
        if let Some(bounds) = self.p95 {
            met &= lossy.iter().zip(bounds).all(|(figures, bound)| figures.p95 <= bound);
            let [ten, thirty] = bounds;
            goal += &format!("; 95 %: ≤ {ten:.1} s, ≤ {thirty:.1} s");
        }
        format!("{goal}; none fails: {}", if met { "met" } else { "missed" })
    }
}

/// What came of the handshakes at one rate of loss, in seconds.
struct Figures {
    median: f64,
    p95: f64,
    failed: u64,
}

pub(super) fn print() {
    println!("| {NAME}, both sides: median / 95th percentile | 0 % | 10 % | 30 % lost | goal |");
    println!("|---|---|---|---|---|");
    for (version, goal) in [(Version::Dtls13, Goal::V13), (Version::Dtls12, Goal::V12)] {
        let mut ours =
            Peerless::new(|config| config.with_versions(version, version).expect("both are there"));
        ours.round_trip_time = Some(2 * ONE_WAY);
        line(&format!("ours, {version}"), &ours, Some(goal));
    }
    #[cfg(feature = "peers")]
    {
        line("dimpl 0.9, DTLS 1.3", &Dimpl::v13_p256(), None);
        line("dimpl 0.9, DTLS 1.2", &Dimpl::v12_p256(), None);
    }
    println!(
        "\n{HANDSHAKES} handshakes each, no duplication or reordering; the round-trip time is \
         known to ours, as ICE tells it."
    );
}

fn line(name: &str, stack: &impl Stack, goal: Option<Goal>) {
    let figures = [0.0, 0.1, 0.3].map(|loss| {
        let durations = (0..HANDSHAKES).map(|seed| duration(stack, seed, loss));
        let mut seconds: Vec<_> = durations.flatten().map(|time| time.as_secs_f64()).collect();
        let failed = HANDSHAKES - seconds.len() as u64;
        let [median, p95] = [50, 95].map(|percent| percentile(&mut seconds, percent));
        Figures { median, p95, failed }
    });
    let cells = figures.each_ref().map(|Figures { median, p95, failed }| {
        let failed =
            if *failed > 0 { format!(", {failed} of {HANDSHAKES} failed") } else { String::new() };
        format!("{median:.2} s / {p95:.2} s{failed}")
    });
    let judged = goal.map_or_else(|| "–".to_owned(), |goal| goal.judge(&figures));
    println!("| {name} | {} | {judged} |", cells.join(" | "));
}

/// The time until both sides are connected.
fn duration<S: Stack>(stack: &S, seed: u64, loss: f64) -> Option<Duration> {
    const GIVEN_UP: Duration = Duration::from_secs(300);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let begin = start();
    let mut now = begin;
    let mut sides = stack.pair(now);
    let mut flying: Vec<(Instant, usize, Vec<u8>)> = Vec::new();
    while now < begin + GIVEN_UP {
        for (from, side) in sides.iter_mut().enumerate() {
            side.drain(now, &mut |datagram| {
                if !rng.random_bool(loss) {
                    flying.push((now + ONE_WAY, 1 - from, datagram.to_vec()));
                }
            });
        }
        let [client, server] = &mut sides;
        if client.is_connected() && server.is_connected() {
            return Some(now - begin);
        }
        let timeouts = [client.poll_timeout(), server.poll_timeout()];
        let arrival = flying.first().map(|(at, ..)| *at);
        now = timeouts.into_iter().flatten().chain(arrival).min()?.max(now);
        for side in &mut sides {
            side.handle_timeout(now);
        }
        // The delay is the same for all, so that they stand in the order of their arrival.
        let arrived = flying.partition_point(|(at, ..)| *at <= now);
        for (_, to, mut datagram) in flying.drain(..arrived) {
            if let Some(side) = sides.get_mut(to) {
                side.handle_datagram(now, &mut datagram);
            }
        }
    }
    None
}
