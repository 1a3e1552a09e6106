//! The work that every stack is given, each in a file.

mod connect;
mod data;
mod endpoint;
mod forward;
mod idle;
mod media;

pub use self::connect::{Openings, connect, opening_round_trips, openings_with_loss};
pub use self::data::data;
pub use self::endpoint::EndpointCost;
pub use self::forward::forward;
pub use self::idle::{Idle, idle};
pub(crate) use self::media::PAYLOAD;
pub use self::media::media;
