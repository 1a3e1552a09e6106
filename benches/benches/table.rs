//! Prints the table of the README; see the crate's documentation.

use peerless_benches::allocator::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    // `cargo test --benches` and `cargo bench --no-run` only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    peerless_benches::table::print();
}
