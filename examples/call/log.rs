//! One line for each thing worth knowing: the time, the tab, what happened.

use std::time::{SystemTime, UNIX_EPOCH};

/// Prints a line, such as `12:01:07  a7  connected in 41 ms` (UTC).
pub(crate) fn say(tab: &str, what: &str) {
    #[expect(clippy::disallowed_methods, reason = "a program's log tells the time of day")]
    let seconds =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() % 86_400);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    println!("   {hours:02}:{minutes:02}:{seconds:02}  {tab}  {what}");
}
