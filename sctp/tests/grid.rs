//! The grid of paths, against its snapshot.
//!
//! `GRID=write cargo test --release -p peerless-sctp --test grid` runs all cells and writes
//! `tests/grid.txt`; without it, a sample of cells is run and compared, so that a change of
//! behaviour is a diff.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]

#[path = "path/grid.rs"]
mod cells;
#[allow(dead_code, reason = "the suite uses all of it")]
#[path = "path/ours.rs"]
mod ours;
#[allow(dead_code, reason = "the suite uses all of it")]
#[path = "path/mod.rs"]
mod path;

use cells::Cell;
use ours::Ours;
use peerless_sctp::{Config, CongestionControl};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What the last two columns tell is a comparison: where packets are lost by chance, or the time is
/// too short, a NewReno flow gets little whoever was there before it.
const HEADER: &str = "\
%: goodput of a flow alone, of what the path allows; again: chunks sent again, in percent;
wait: milliseconds in the queue. reno: what a NewReno flow gets in a minute (at 1000 Mbit in ten
seconds) that joins such a flow after a second, in percent of what the path allows one;
norm: the same, when the flow that was there is NewReno, too. -: not run.
Mbit   ms loss how    queue      %  again    wait  reno  norm
";

/// The origin of virtual time.
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
fn origin() -> Instant {
    Instant::now()
}

fn row(cell: &Cell) -> String {
    let origin = origin();
    let figures = cell.run(origin, Ours::flow(&Config::default(), origin, 1), |sender| {
        let stats = sender.stats();
        stats.chunks_retransmitted as f64 * 100.0 / (stats.chunks_sent as f64).max(1.0)
    });
    // Cells of two more runs each: only those where losses are few.
    let shares = if cell.loss <= 10 && !cell.bursts {
        let [ours, reno] = [Config::default().congestion_control, CongestionControl::NewReno]
            .map(|first| reno_beside(cell, first));
        format!("{ours:>5.1} {reno:>5.1}")
    } else {
        "    -     -".into()
    };
    format!("{cell} {figures} {shares}\n")
}

/// What a NewReno flow gets beside one of `first` that was there before it.
fn reno_beside(cell: &Cell, first: CongestionControl) -> f64 {
    let origin = origin();
    let [first, second] = [first, CongestionControl::NewReno].map(|control| {
        let mut config = Config::default();
        config.congestion_control = control;
        config
    });
    cell.run_beside(origin, Ours::flow(&first, origin, 1), Ours::flow(&second, origin, 2))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the snapshot is written when asked for")]
fn the_grid_is_as_it_was() {
    let cells = Cell::all();
    if std::env::var("GRID").is_ok_and(|grid| grid == "write") {
        let next = AtomicUsize::new(0);
        let rows: Vec<_> = cells.iter().map(|_| std::sync::OnceLock::new()).collect();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let index = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(cell) = cells.get(index)
                    {
                        rows[index].get_or_init(|| row(cell));
                    }
                });
            }
        });
        let table: String = rows.iter().map(|row| row.get().unwrap().as_str()).collect();
        std::fs::write("tests/grid.txt", format!("{HEADER}{table}")).unwrap();
        return;
    }
    let snapshot = include_str!("grid.txt");
    let rows: Vec<_> = snapshot.strip_prefix(HEADER).unwrap().lines().collect();
    assert_eq!(rows.len(), cells.len());
    // Every seventeenth of the slower paths: a few seconds.
    for (cell, expected) in cells.iter().zip(&rows).filter(|(cell, _)| cell.mbit <= 100).step_by(17)
    {
        assert_eq!(row(cell).trim_end(), *expected);
    }
}
