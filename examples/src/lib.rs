//! Programs that show Peerless at work.
//!
//! | program | what it is |
//! | --- | --- |
//! | `cargo run --release --example call` | A video call in the browser: your picture and sound come back through the whole stack, with a chat, files and live figures. |
//! | `cargo run --release --example call -- --self-test` | The same stack without a browser: it calls itself over UDP and says how it went. |
//! | `cargo run --example smallest` | The program of the README: two threads with a socket each. |
//! | `cargo run --example loopback` | The smallest without a socket: two connections in memory, from the offer to the first message. |
//!
//! The library part holds what programs share: readers of media files.
#![forbid(unsafe_code)]

pub mod media;
