//! The programs that need nothing but this machine do what they say.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, and indexing JSON cannot"
)]

#[path = "browser/build.rs"]
mod build;

use std::process::Command;

use self::build::example;

#[test]
fn loopback_prints_the_first_message() {
    let printed = run("loopback", &[]);
    assert!(printed.contains("A  connected"), "{printed}");
    assert!(printed.trim_end().lines().last().unwrap().starts_with("A → B"), "{printed}");
}

/// The README's program is a program: the example of its name, from the first line of code on.
#[test]
fn the_smallest_program_is_that_of_the_readme_and_prints_a_greeting() {
    let program = include_str!("../smallest.rs");
    let (_, program) = program.split_at(program.find("use std::").unwrap());
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("```rust\n{program}```\n")), "they differ");
    assert_eq!(run("smallest", &[]).lines().last(), Some("hello"));
}

#[test]
fn the_call_passes_its_self_test() {
    let printed = run("call", &["--self-test"]);
    assert!(printed.contains("60 of 60 pictures, 101 of 101 sounds"), "{printed}");
    assert!(printed.trim_end().ends_with("passed"), "{printed}");
}

#[test]
fn the_call_says_what_it_can_be_told() {
    let printed = run("call", &["--help"]);
    for option in ["--host", "--port", "--udp-port", "--bind", "--self-test"] {
        assert!(printed.contains(option), "{option} in {printed}");
    }
}

/// Runs a program, which must succeed, and returns what it prints.
fn run(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(example(name)).args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {problem}\n{printed}");
    printed
}
