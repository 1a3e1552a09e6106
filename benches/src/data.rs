//! The table of SCTP: our association beside others and beside the bare limit.
//!
//! ```text
//! cargo bench -p peerless-benches --features peers --bench data
//! ```
//!
//! An argument runs only the tables and rows whose name contains it. All contestants of a row take
//! turns in the same repetitions. Each figure is the median of its own, each ratio the median of the
//! repetitions' ratios.

mod bulk;
pub mod idle;
mod paths;

/// Prints every table to the standard output. With a filter, only those whose name contains it.
pub fn print(filter: Option<&str>) {
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    bulk::print(wanted);
    if wanted(IDLE) {
        print_idle();
    }
    paths::print(wanted);
}

const IDLE: &str = "idle association with one channel";

fn print_idle() {
    let few = idle::idle(10, 1);
    let many = idle::idle(5_000, 4);
    let judge = |met| if met { "met" } else { "missed" };
    println!("| {IDLE} | ours | goal |\n|---|---|---|");
    println!(
        "| heap, its own structure among it | {:.0} bytes | ≤ 4096, {} |",
        few.heap_bytes,
        judge(few.heap_bytes <= 4096.0)
    );
    println!(
        "| 10 000 of them, processor time per association and second | {:.2} µs | ≤ 1, {} |",
        many.micros_per_second,
        judge(many.micros_per_second <= 1.0)
    );
    println!("| calls per association and minute | {:.1} | – |\n", many.calls_per_minute);
}
