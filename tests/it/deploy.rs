//! What is shipped beside the binary.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::stand::{folder, program, text};

/// systemd reads the unit and finds nothing wrong with it.
#[test]
fn the_unit_is_one_systemd_takes() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/allonym.service");
    let unit = fs::read_to_string(unit).unwrap();
    // Where the binary is on a real machine there is none here.
    let binary = program("allonym");
    let unit = unit.replace("/usr/bin/allonym", binary.to_str().unwrap());
    let folder = folder();
    let file = folder.join("allonym.service");
    fs::write(&file, unit).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
    let said = text(&verified);
    let about_us: Vec<_> = said.lines().filter(|line| line.contains("allonym")).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
    fs::remove_dir_all(folder).unwrap();
}
