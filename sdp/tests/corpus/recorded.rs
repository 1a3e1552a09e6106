//! Reads `tests/descriptions/corpus.txt`: descriptions of real calls, with lines said once.

#[derive(Debug)]
pub(crate) struct Recorded {
    /// The recording and the place in it.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

pub(crate) fn recorded() -> Vec<Recorded> {
    let number = |text: &str| text.parse::<usize>().expect("a number of a line");
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
                number(from)..=number(to)
            }
        };
        let text = &mut descriptions.last_mut().expect("a name comes first").text;
        for line in lines.get(range).expect("lines that were spelled out before") {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    descriptions
}
