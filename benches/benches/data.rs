//! Prints the table of SCTP; see the module `data` of the crate.

use peerless_benches::allocator::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it builds and starts.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with("--"));
    peerless_benches::data::print(filter.map(String::as_str));
}
