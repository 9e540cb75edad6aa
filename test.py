#!/usr/bin/env python3
"""Runs the tests of the project: one command, from a fresh clone.

    python3 test.py             everything that a change must pass
    python3 test.py --fast      the inner loop: unit and integration tests but the slowest
    python3 test.py --release   all of it, and what a release must pass
    python3 test.py --list      the steps, without running them

COORD_TEST_SCALE multiplies the number of generated cases (default 1; a fraction makes fewer).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(ROOT, ".cache", "tools")
BENCHES = ["documents", "driver", "events", "exchange", "merge", "resources", "route", "storage"]
# Features that must build alone.
FEATURES = ["schema", "signature", "sqlite", "checkpoint", "sim", "conformance", "tokio", "tracing", "metrics"]

ENV = dict(os.environ)
ENV.setdefault("COORD_TEST_SCALE", "1")
# One folder for all workspaces: what they have in common is built once.
ENV.setdefault("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
DENY = {"RUSTDOCFLAGS": "-D warnings"}


def cargo(verb, *rest, manifest=None, toolchain=None):
    where = ["--manifest-path", f"{manifest}/Cargo.toml"] if manifest else []
    return ["cargo", *([f"+{toolchain}"] if toolchain else []), verb, "--locked", *where, *rest]


def lint(*rest, manifest=None):
    return cargo("clippy", *rest, "--", "-D", "warnings", manifest=manifest)


def run(command, env=None, cwd=ROOT):
    code = subprocess.run(command, env={**ENV, **(env or {})}, cwd=cwd, check=False).returncode
    if code != 0:
        raise SystemExit(f"{' '.join(command)} failed with status {code}")


def output(command):
    return subprocess.run(command, env=ENV, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def tool(name):
    """A cargo subcommand, installed below `.cache` unless it is there."""
    if shutil.which(name) is None and not os.path.exists(os.path.join(TOOLS, "bin", name)):
        run(["cargo", "install", "--locked", "--root", TOOLS, name])
    ENV["PATH"] = os.path.join(TOOLS, "bin") + os.pathsep + ENV["PATH"]


def package():
    """The packaged crate builds and its tests pass, away from the checkout."""
    run(["cargo", "package", "--locked", "--allow-dirty", "--no-verify"])
    version = json.loads(output(["cargo", "metadata", "--no-deps", "--format-version", "1"]))["packages"][0]["version"]
    name = f"coordination-protocol-{version}"
    with tempfile.TemporaryDirectory() as folder:
        archive = os.path.join(ENV["CARGO_TARGET_DIR"], "package", f"{name}.crate")
        shutil.unpack_archive(archive, folder, "gztar", filter="data")
        run(["cargo", "test", "--all-features", "--lib", "--examples", "--bins"], cwd=os.path.join(folder, name))


def minimal_versions():
    """The lowest versions that `Cargo.toml` admits suffice."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "crate")
        os.mkdir(copy)
        for entry in ["Cargo.toml", "README.md", "src", "examples"]:
            whole = os.path.join(ROOT, entry)
            (shutil.copytree if os.path.isdir(whole) else shutil.copy)(whole, os.path.join(copy, entry))
        run(["cargo", "+nightly", "generate-lockfile", "-Zdirect-minimal-versions"], cwd=copy)
        run(["cargo", "check", "--locked", "--lib", "--bins", "--all-features"], cwd=copy)


def licences():
    tool("cargo-deny")
    run(["cargo", "deny", "--all-features", "check", "licenses", "bans", "sources"])


def semver():
    """The public interface beside that of the last release."""
    tags = [tag for tag in output(["git", "tag", "--merged", "HEAD", "--sort=-v:refname"]).split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    if not tags:
        print("no release is tagged yet, so there is no interface to compare with")
        return
    tool("cargo-semver-checks")
    run(["cargo", "semver-checks", "--baseline-rev", tags[0], "--all-features"])


def validators():
    """The schemas compile silently and say the same in Python and JavaScript."""
    run([sys.executable, os.path.join("tests", "oracle", "validators", "run.py")])


FORMAT = [
    ("format", ["cargo", "fmt", "--all", "--check"]),
    ("format tests", ["cargo", "fmt", "--manifest-path", "tests/Cargo.toml", "--all", "--check"]),
    ("format benches", ["cargo", "fmt", "--manifest-path", "benches/Cargo.toml", "--all", "--check"]),
    ("format fuzz targets", ["cargo", "fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]),
]
# What takes longest; the inner loop leaves it to the whole run.
SLOW = [
    "keeps_the_laws",
    "memory_stays_constant",
    "lose_and_double_nothing",
    "many_patterns_are_refused_at_once",
    "a_run_goes_on_only_where_it_fits",
    "fuzz_corpus",
    "no_schedule_breaks_a_promise",
    "hostile_files_end",
    "mutat",
    "killed",
]
FAST = [
    ("unit and integration tests", cargo("test", "--all-features", "--lib", "--bins", "--test", "it", "--", *(word for name in SLOW for word in ("--skip", name)))),
]
DEFAULT = [
    *FORMAT,
    ("lint", lint("--all-targets", "--all-features")),
    ("core alone", lint("--lib", "--no-default-features")),
    *((f"feature {name}", lint("--lib", "--no-default-features", "--features", name)) for name in FEATURES),
    ("feature cli", cargo("check", "--no-default-features", "--features", "cli")),
    ("docs", cargo("doc", "--no-deps", "--lib", "--all-features"), DENY),
    ("tests", cargo("test", "--all-features")),
    ("tests of the core alone", cargo("test", "--no-default-features", "--test", "it")),
    ("simulated worlds, and every run of small ballots", cargo("test", "-p", "ballot-model", "-p", "scenarios", manifest="tests")),
    ("schemas against two validators, and against brute force", cargo("test", "-p", "schema-oracle", manifest="tests")),
    ("lexers against bash and a CommonMark parser", cargo("test", "-p", "lexer-oracle", manifest="tests")),
]
RELEASE = [
    *DEFAULT,
    ("schemas in two other languages (needs node and a network)", validators),
    ("lint tests", lint("--all-targets", "--workspace", manifest="tests")),
    *((f"bench {name} builds", cargo("check", "-p", f"{name}-bench", manifest="benches")) for name in BENCHES),
    ("fuzz targets build", cargo("check", manifest="fuzz")),
    ("package", package),
    ("minimal versions", minimal_versions),
    ("licences", licences),
    ("interface", semver),
]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = arguments.add_mutually_exclusive_group()
    which.add_argument("--fast", action="store_const", dest="steps", const=FAST, help="unit and integration tests but the slowest")
    which.add_argument("--release", action="store_const", dest="steps", const=RELEASE, help="also what a release must pass")
    arguments.add_argument("--list", action="store_true", help="print the steps and end")
    arguments.set_defaults(steps=DEFAULT)
    asked = arguments.parse_args()
    if shutil.which("cargo") is None:
        print("cargo is not installed; see https://rustup.rs", file=sys.stderr)
        return 2
    began = time.monotonic()
    for name, step, *env in asked.steps:
        text = step.__name__ if callable(step) else " ".join(step)
        print(f"== {name}: {text}", flush=True)
        if asked.list:
            continue
        start = time.monotonic()
        try:
            step() if callable(step) else run(step, *env)
        except (SystemExit, subprocess.CalledProcessError) as error:
            print(f"== {name}: {error}", file=sys.stderr)
            return 1
        print(f"== {name}: ok in {time.monotonic() - start:.0f} s", flush=True)
    if not asked.list:
        print(f"== all {len(asked.steps)} steps passed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
