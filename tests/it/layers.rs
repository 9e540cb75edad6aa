//! The layers of the crate: modules import downwards only, and neighbours not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The rows of the drawing in `ARCHITECTURE.md`, lowest first: the modules of one row do not import
/// each other.
fn layers() -> &'static [Vec<String>] {
    static LAYERS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
        rows(&fs::read_to_string(page).unwrap())
    });
    &LAYERS
}

/// The rows of the first drawing of a page: a number, then modules, with the highest row first.
fn rows(page: &str) -> Vec<Vec<String>> {
    let drawing = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut rows: Vec<Vec<String>> = drawing
        .expect("the page has a drawing")
        .lines()
        .map(|line| {
            let line = line.trim_start();
            let names =
                line.strip_prefix(|c: char| c.is_ascii_digit()).expect("a row has a number");
            let names = names.split_once(' ').expect("modules follow the number").1;
            names.split('·').map(|name| name.trim().to_owned()).collect()
        })
        .collect();
    rows.reverse();
    rows
}

fn layer(module: &str) -> Option<usize> {
    layers().iter().position(|row| row.iter().any(|name| name == module))
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), out);
        } else if entry.path().extension().is_some_and(|e| e == "rs") {
            out.push(entry.path());
        }
    }
}

/// The modules of the crate that a source text names in code: every `crate::module`, and every
/// name in a `use crate::{...}` list.
fn imports(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => {
                let end = list.find(';').unwrap_or(list.len());
                list[..end].split(',').map(str::trim).map(String::from).collect()
            }
            None => vec![rest.to_owned()],
        };
        for name in names {
            let name: String =
                name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if layer(&name).is_some() {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn modules_import_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    files(&root, &mut sources);
    let mut wrong = Vec::new();
    let mut edges = 0;
    for path in sources {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if matches!(module, "lib" | "bin") {
            continue;
        }
        let Some(own) = layer(module) else {
            wrong.push(format!("`{module}` stands in no layer"));
            continue;
        };
        for name in imports(&fs::read_to_string(&path).unwrap()) {
            edges += 1;
            if name != module && layer(&name).unwrap() >= own {
                wrong.push(format!("{} imports `{name}`", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(edges > 20, "the scan sees {edges} imports; it must have gone blind");
}

#[test]
fn the_drawing_is_read_from_below() {
    let page = "# A\n```text\n10 top\n 1b c\n 1a a · b\n```\n```text\nmore\n```\n";
    assert_eq!(rows(page), [vec!["a", "b"], vec!["c"], vec!["top"]]);
    assert!(layer("json") < layer("codec") && layer("message") < layer("error"));
    assert_eq!(layer("json"), layer("scalar"));
}

#[test]
fn the_scan_sees_an_upward_import() {
    assert_eq!(imports("use crate::event::Codec;"), ["event"]);
    assert_eq!(imports("use crate::{json::Kind, event::Codec};"), ["json", "event"]);
    assert_eq!(imports("let x = crate::route::Pattern::parse(s);"), ["route"]);
    assert!(imports("/// [`crate::route::Pattern`]").is_empty());
}

/// The declared minimum version is not below that of any dependency that users build.
#[test]
fn minimum_version_covers_the_dependencies() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let minor = |version: &str| -> u32 { version.split('.').nth(1).unwrap().parse().unwrap() };
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages.iter().find(|p| p["name"] == "coordination-protocol").unwrap();
    let declared = minor(own["rust_version"].as_str().unwrap());
    // Only what a build on this platform resolves; development dependencies are not users'.
    let direct = own["dependencies"].as_array().unwrap();
    for dependency in direct.iter().filter(|d| d["kind"].is_null()) {
        let package = packages.iter().find(|p| p["name"] == dependency["name"]).unwrap();
        if let Some(version) = package["rust_version"].as_str() {
            let name = dependency["name"].as_str().unwrap();
            assert!(minor(version) <= declared, "{name} needs Rust {version}");
        }
    }
}
