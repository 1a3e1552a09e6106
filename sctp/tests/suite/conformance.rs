//! The list of `src/conformance.md` names tests that exist.

macro_rules! sources {
    ($($module:ident)*) => {
        [$((stringify!($module), include_str!(concat!(stringify!($module), ".rs")))),*]
    };
}

#[test]
fn every_test_in_the_conformance_list_exists() {
    let sources = sources![
        arrival attack blue bulk channels collisions congestion data dcep departure ending failure faults
        full handles handshake immediate interleaving path_mtu recovery refusals reliability reset shutdown
        snap timers window
    ];
    let list = include_str!("../../src/conformance.md");
    let mut count = 0;
    for name in list.split('`').filter(|text| text.contains("::") && !text.contains(' ')) {
        let (module, test) = name.split_once("::").unwrap();
        let (_, source) = sources.iter().find(|(other, _)| *other == module).expect(name);
        assert!(source.contains(&format!("#[test]\nfn {test}()")), "{name} is no test");
        count += 1;
    }
    assert!(count > 200, "{count}");
}
