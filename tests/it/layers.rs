//! The folder list is the dependency order, and a few other promises about the source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The layer of a package, by its folder: what is lower must not depend on what is higher.
fn layer(manifest: &str) -> Option<usize> {
    let folder = Path::new(manifest).strip_prefix(root()).ok()?.iter().next()?.to_str()?.to_owned();
    ["keys", "transforms", "connectors", "gateway"].iter().position(|name| *name == folder)
}

#[test]
fn arrows_point_down_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let manifest = |name: &str| {
        let package = packages.iter().find(|package| package["name"] == name)?;
        package["manifest_path"].as_str()
    };
    let mut arrows = 0;
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(from) = layer(package["manifest_path"].as_str().unwrap()) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            let Some(to) = manifest(other).and_then(layer) else { continue };
            assert!(to <= from, "{name} must not depend on {other}");
            // A connector cannot leak a key: its crate cannot name one.
            let connector = from == 2;
            assert!(
                !connector || to == 2 || other == "allonym-record",
                "{name} must not depend on {other}"
            );
            arrows += 1;
        }
    }
    assert!(arrows > 20, "{arrows} arrows: were the packages found?");
}

#[test]
fn no_drawers_and_no_unsafe() {
    let mut files = Vec::new();
    for folder in ["keys", "transforms", "connectors", "gateway", "examples", "benches", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 80, "{} files: were they found?", files.len());
    let drawers = [
        "util", "utils", "common", "helper", "helpers", "manager", "handler", "base", "misc",
        "core", "types",
    ];
    for file in files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert!(!drawers.contains(&stem) && !drawers.contains(&folder), "{}", file.display());
        let text = fs::read_to_string(&file).unwrap();
        let unsafe_code = ["unsafe {", "unsafe fn", "unsafe impl"]
            .iter()
            .any(|word| text.lines().any(|line| line.contains(word) && !line.contains('"')));
        let engine = file.starts_with(root().join("transforms/ff1"));
        assert!(!unsafe_code || engine, "unsafe in {}", file.display());
    }
}

/// Only the pipeline calls a transform.
#[test]
fn one_caller_of_transforms() {
    let mut files = Vec::new();
    sources(&root().join("gateway/src"), &mut files);
    let callers: Vec<_> = files
        .iter()
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.contains("transform.protect(")
                || text.contains("transform.reveal(")
                || text.contains("vaulted.reveal(")
        })
        .collect();
    assert_eq!(callers, [&root().join("gateway/src/pipeline/method.rs")]);
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
