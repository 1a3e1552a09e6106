//! The programs of this package, as fresh as the tests that run them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// Returns the path of an example, after building them all, once.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(build);
    let found = built.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
    found.expect("cargo says where the program is").clone()
}

fn build() -> Vec<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--examples", "--profile", "test", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the examples do not build");
    let messages = String::from_utf8(built.stdout).unwrap();
    let executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executables.collect()
}
