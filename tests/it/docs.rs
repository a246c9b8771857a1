//! What the documentation shows is run: configurations pass `check`, commands print what
//! is printed below them, and tables name everything there is. CONTRIBUTING says how the
//! blocks are marked.

mod setting;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::setting::Setting;
use crate::stand::{folder, program, text};

/// The addresses that pages write, in the order gateway, upstream, admin listener, relay of
/// a database, the database.
const WRITTEN: [&str; 5] =
    ["127.0.0.1:8080", "127.0.0.1:9000", "127.0.0.1:9464", "127.0.0.1:6432", DATABASE];
/// Where pages have a database.
const DATABASE: &str = "127.0.0.1:5432";

/// A fenced block of a page.
struct Block {
    at: String,
    language: String,
    text: String,
}

/// A command of a page, and what the page says it prints.
struct Step {
    at: String,
    command: String,
    expected: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// README.md and everything below docs/, by name.
fn pages() -> Vec<(String, String)> {
    let mut files = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(named).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn blocks(name: &str, page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let at = format!("{name}:{}", number + 1);
                open = Some(Block { at, language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name} ends inside a block");
    blocks
}

#[test]
fn every_configuration_is_valid() {
    let folder = folder();
    let base = base(&folder);
    let (mut whole, mut parts) = (0, 0);
    for (name, page) in pages() {
        for block in blocks(&name, &page).into_iter().filter(|block| block.language == "yaml") {
            let config = if block.text.starts_with("seal:") {
                whole += 1;
                block.text
            } else {
                parts += 1;
                overlay(&base, &block.text)
            };
            let file = folder.join("allonym.yaml");
            fs::write(&file, &config).unwrap();
            for verb in ["check", "test"] {
                let output =
                    Command::new(program("allonym")).arg("--config").arg(&file).arg(verb).output();
                let output = output.unwrap();
                assert!(
                    output.status.success(),
                    "{}: allonym {verb}: {}\n{config}",
                    block.at,
                    text(&output)
                );
            }
        }
    }
    assert!(whole >= 2 && parts >= 10, "{whole} whole configurations and {parts} parts were found");
    fs::remove_dir_all(folder).unwrap();
}

/// What a part of a configuration is laid over.
fn base(folder: &Path) -> String {
    let [gateway, upstream, admin, ..] = WRITTEN;
    include_str!("shop.yaml")
        .replace("GATEWAY", gateway)
        .replace("UPSTREAM", upstream)
        .replace("ADMIN", admin)
        .replace("FOLDER", folder.to_str().unwrap())
        .replace("USER", "nobody")
}

/// Lays a part over a whole: an entry of a map takes the place of the one of its name, an
/// entry of a list is added, and anything written on the section's own line replaces it.
fn overlay(base: &str, part: &str) -> String {
    let mut sections = sections(base);
    for (name, lines) in self::sections(part) {
        let written_inline = |lines: &[String]| {
            let value =
                lines.first().and_then(|line| line.split_once(':')).map_or("", |(_, value)| value);
            !value.trim().is_empty() && !value.trim().starts_with('#')
        };
        match sections.iter_mut().find(|(known, _)| *known == name) {
            None => sections.push((name, lines)),
            Some((_, held)) if written_inline(held) || written_inline(&lines) => *held = lines,
            Some((_, held)) => {
                let new = entries(&lines);
                let mut all: Vec<_> = entries(held);
                all.retain(|(name, _)| name == "-" || new.iter().all(|(other, _)| other != name));
                held.truncate(1);
                held.extend(all.into_iter().chain(new).flat_map(|(_, lines)| lines));
            }
        }
    }
    sections.into_iter().flat_map(|(_, lines)| lines).map(|line| line + "\n").collect()
}

/// A configuration by its top-level keys.
fn sections(config: &str) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in config.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name = line.split(':').next().unwrap_or_default();
            sections.push((name.to_owned(), Vec::new()));
        }
        if let Some((_, lines)) = sections.last_mut() {
            lines.push(line.to_owned());
        }
    }
    sections
}

/// What stands below a top-level key: by name, or under `-` for each entry of a list.
fn entries(lines: &[String]) -> Vec<(String, Vec<String>)> {
    let mut entries: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines.iter().skip(1) {
        let text = line
            .strip_prefix("  ")
            .filter(|text| text.starts_with(|c: char| c.is_alphabetic() || c == '-'));
        if let Some(text) = text {
            let name = if text.starts_with('-') {
                "-"
            } else {
                text.split(':').next().unwrap_or_default()
            };
            entries.push((name.to_owned(), Vec::new()));
        }
        if let Some((_, lines)) = entries.last_mut() {
            lines.push(line.clone());
        }
    }
    entries
}

#[test]
fn parts_are_laid_over_wholes() {
    let base = "seal: { file: a }\nkeys:\n  a: { rotate: never }\n  b:\n    rotate: 1d\naccess:\n  - role: x\n    write: [a]\n";
    for (part, expected) in [
        ("seal: { file: z }\n", base.replace("file: a", "file: z")),
        ("keys:\n  b: { was: c }\n", base.replace("  b:\n    rotate: 1d\n", "  b: { was: c }\n")),
        ("keys:   # more\n  d: {}\n", base.replace("rotate: 1d\n", "rotate: 1d\n  d: {}\n")),
        ("access:\n  - { role: y }\n", format!("{base}  - {{ role: y }}\n")),
        ("access: []\n", base.replace("access:\n  - role: x\n    write: [a]\n", "access: []\n")),
        ("store: s\n", format!("{base}store: s\n")),
    ] {
        assert_eq!(overlay(base, part), expected, "{part}");
    }
}

#[test]
fn every_command_does_what_its_page_says() {
    let mut run = 0;
    for (name, page) in pages() {
        let steps = steps(&name, &page);
        if steps.is_empty() {
            continue;
        }
        run += steps.len();
        let mut setting = Setting::of(&steps);
        for step in &steps {
            setting.carry_out(step);
        }
    }
    assert!(run >= 40, "{run} commands were found");
}

/// The commands of a page but for the two that build and test everything.
fn steps(name: &str, page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(name, page).into_iter().filter(|block| block.language == "console") {
        let mut in_step = false;
        for line in block.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                in_step = !matches!(command, "make demo" | "make test");
                if in_step {
                    let (at, command) = (block.at.clone(), command.to_owned());
                    steps.push(Step { at, command, expected: Vec::new() });
                }
            } else if in_step && let Some(step) = steps.last_mut() {
                match line.strip_prefix("> ") {
                    Some(more) if step.expected.is_empty() => {
                        step.command.push('\n');
                        step.command.push_str(more);
                    }
                    _ => step.expected.push(line.to_owned()),
                }
            }
        }
    }
    steps
}

/// A line `...` stands for any lines, `...` inside a line for any characters.
fn matches_lines(expected: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
    let expected: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
    matches_rest(&expected, &printed)
}

fn matches_rest(expected: &[&str], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => {
            (0..=printed.len()).any(|skipped| matches_rest(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => {
            matches_line(first, line) && matches_rest(rest, others)
        }
        _ => false,
    }
}

fn matches_line(expected: &str, line: &str) -> bool {
    let mut parts = expected.split("...").peekable();
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    while let Some(part) = parts.next() {
        open = true;
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    open || rest.is_empty()
}

#[test]
fn wildcards_match_what_they_stand_for() {
    for (expected, printed, same) in [
        ("a b", "a b", true),
        ("a b", "a c", false),
        ("a ... c", "a b b c", true),
        ("a ... c", "a b", false),
        ("a...", "a", true),
        ("a", "ab", false),
        ("a\n...\nd", "a\nb\nc\nd", true),
        ("a\n...", "a", true),
        ("a\n...\nd", "a\nb", false),
        ("a", "a\nb", false),
    ] {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        assert_eq!(matches_lines(&expected, printed), same, "{expected:?} {printed:?}");
    }
}

/// Sources below these folders, without their tests.
fn sources(folders: &[&str]) -> Vec<String> {
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.to_str().unwrap().contains("/tests")
        {
            let source = fs::read_to_string(path).unwrap();
            sources.push(
                source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned(),
            );
        }
    }
    sources
}

/// The texts that stand right behind one of these beginnings.
fn literals(sources: &[String], beginnings: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        for beginning in beginnings {
            for (_, rest) in
                source.match_indices(beginning).map(|(at, _)| source.split_at(at + beginning.len()))
            {
                // Behind `Fault::` stands the fault, and then the rule.
                let rest = if *beginning == "Fault::" {
                    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic())
                        .strip_prefix(',')
                        .unwrap_or_default()
                } else {
                    rest
                };
                let literal =
                    rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                found.extend(literal.map(str::to_owned));
            }
        }
    }
    found
}

/// The words in the first column of a page's tables.
fn first_column(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(word, _)| word.to_owned()).collect()
}

#[test]
fn every_rule_has_a_row() {
    let sources = sources(&["connectors/http/src", "gateway/src"]);
    let mut rules = literals(&sources, &["Fault::", "refused("]);
    rules.extend(
        literals(&sources, &["Right::Search => (", "_ => ("])
            .into_iter()
            .filter(|word| word.ends_with("-not-allowed")),
    );
    assert!(rules.len() > 50 && rules.contains("search-not-allowed"), "{rules:?}");
    let http = page("docs/http.md");
    let (_, table) = http.split_once("## What is refused").unwrap();
    let rows = first_column(table.split("\n## ").next().unwrap_or_default());
    let inside = BTreeSet::from(["listen".to_owned(), "client-gone".to_owned()]);
    let expected: BTreeSet<_> = rules.difference(&inside).cloned().collect();
    assert_eq!(expected, rows, "docs/http.md, \"What is refused\"");

    let operations = page("docs/operations.md");
    for rule in literals(&sources, &["Problem::new("]) {
        assert!(
            operations.contains(&format!("`{rule}`")),
            "docs/operations.md does not name `{rule}`"
        );
    }
}

#[test]
fn every_rule_of_the_relay_has_a_row() {
    let rules = literals(&sources(&["connectors/postgres/src"]), &["Fault::"]);
    assert!(rules.len() > 10, "{rules:?}");
    let page = page("docs/postgres.md");
    let (_, table) = page.split_once("## What is refused").unwrap();
    let rows = table.split("\n## ").next().unwrap_or_default();
    // It cannot start, or the system is broken.
    let inside = ["listen", "threads", "no-randomness"];
    for rule in rules.iter().filter(|rule| !inside.contains(&&***rule)) {
        assert!(rows.contains(&format!("`{rule}`")), "docs/postgres.md does not name `{rule}`");
    }
}

#[test]
fn every_metric_has_a_row() {
    let sources = sources(&["connectors/http/src", "gateway/src"]);
    let metrics = literals(&sources, &["registry.register(", "registry.register_with_unit("]);
    assert!(metrics.len() >= 16, "{metrics:?}");
    let rows = first_column(&page("docs/operations.md"));
    for metric in metrics {
        let forms = [metric.clone(), format!("{metric}_total"), format!("{metric}_seconds")];
        assert!(
            forms.iter().any(|form| rows.contains(form)),
            "docs/operations.md does not name {metric}"
        );
    }
}

/// Pages name tests as `file.rs::function` and other pages by links; both are there.
#[test]
fn what_pages_point_at_is_there() {
    let mut tests = 0;
    for (name, page) in pages() {
        for pointer in page
            .split('`')
            .filter(|text| text.contains(".rs::") && !text.contains(char::is_whitespace))
        {
            let (file, function) = pointer.split_once("::").unwrap();
            let source = fs::read_to_string(root().join(file)).unwrap_or_default();
            assert!(source.contains(&format!("fn {function}(")), "{name}: {pointer}");
            tests += 1;
        }
        let here = root().join(&name).parent().unwrap().to_owned();
        for (_, rest) in page.match_indices("](").map(|(at, _)| page.split_at(at + 2)) {
            let link = rest.split([')', '#']).next().unwrap_or_default();
            let elsewhere = link.is_empty() || link.contains("://");
            assert!(elsewhere || here.join(link).exists(), "{name}: {link}");
        }
    }
    assert!(tests >= 30, "{tests} tests are named");
}
