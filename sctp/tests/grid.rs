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
#[path = "path/ours.rs"]
mod ours;
#[path = "path/mod.rs"]
mod path;

use cells::Cell;
use ours::Ours;
use peerless_sctp::Config;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const HEADER: &str = "Mbit   ms loss how    queue      %  again    wait\n";

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
    format!("{cell} {figures}\n")
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
    let rows: Vec<_> = snapshot.lines().skip(1).collect();
    assert_eq!(rows.len(), cells.len());
    // Every seventeenth of the slower paths: a few seconds.
    for (cell, expected) in cells.iter().zip(&rows).filter(|(cell, _)| cell.mbit <= 100).step_by(17)
    {
        assert_eq!(row(cell).trim_end(), *expected);
    }
}
