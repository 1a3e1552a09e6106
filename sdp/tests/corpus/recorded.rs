//! Reads `tests/descriptions/corpus.txt`: descriptions of real calls, with lines said once.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper of tests, over a file of ours"
)]

#[derive(Debug)]
pub(crate) struct Recorded {
    /// The recording and the place in it.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

pub(crate) fn recorded() -> Vec<Recorded> {
    let mut lines: Vec<&str> = Vec::new();
    let mut descriptions: Vec<Recorded> = Vec::new();
    for line in include_str!("../descriptions/corpus.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("= ") {
            descriptions.push(Recorded { name, text: String::new() });
            continue;
        }
        let first = lines.len();
        let range = match line.strip_prefix('|') {
            Some(text) => {
                lines.push(text);
                first..=first
            }
            None => {
                let (from, to) = line.split_once('-').unwrap_or((line, line));
                from.parse().unwrap()..=to.parse().unwrap()
            }
        };
        let text = &mut descriptions.last_mut().unwrap().text;
        for line in &lines[range] {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    descriptions
}
