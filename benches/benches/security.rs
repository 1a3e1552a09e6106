//! Prints the table of DTLS and SRTP; see the module `security` of the crate.

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
    peerless_benches::security::print(filter.map(String::as_str));
}
