//! The list of `src/conformance.md` names tests that exist.

#[test]
fn every_test_in_the_conformance_list_exists() {
    let sources = [
        ("attack", include_str!("attack.rs")),
        ("channels", include_str!("channels.rs")),
        ("data", include_str!("data.rs")),
        ("ending", include_str!("ending.rs")),
        ("faults", include_str!("faults.rs")),
        ("handshake", include_str!("handshake.rs")),
        ("interleaving", include_str!("interleaving.rs")),
        ("refusals", include_str!("refusals.rs")),
        ("reset", include_str!("reset.rs")),
        ("snap", include_str!("snap.rs")),
    ];
    let list = include_str!("../../src/conformance.md");
    let mut count = 0;
    for name in list.split('`').filter(|text| text.contains("::") && !text.contains(' ')) {
        let Some((module, test)) = name.split_once("::") else { continue };
        let Some((_, source)) = sources.iter().find(|(other, _)| *other == module) else {
            continue;
        };
        assert!(source.contains(&format!("#[test]\nfn {test}()")), "{name} is no test");
        count += 1;
    }
    assert!(count > 50, "{count}");
}
