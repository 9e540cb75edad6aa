#!/usr/bin/env python3
"""Runs every test of the project: one command, from a fresh clone.

COORD_TEST_SCALE multiplies the number of generated cases (default 1).
"""

import os
import shutil
import subprocess
import sys
import time

ENV = dict(os.environ)
ENV.setdefault("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
DENY = {**ENV, "RUSTDOCFLAGS": "-D warnings"}

# Packages of their own, so that what they depend on does not leak into the crate.
BENCHES = ["documents", "events", "exchange", "merge", "route", "storage"]
SIDE = ["fuzz", "tests/model", "tests/oracle", *(f"benches/{name}" for name in BENCHES)]
# Features that must build alone.
FEATURES = ["schema", "signature", "sqlite", "checkpoint", "sim", "conformance"]


def cargo(verb, *rest, manifest=None):
    where = ["--manifest-path", f"{manifest}/Cargo.toml"] if manifest else []
    return ["cargo", verb, "--locked", *where, *rest]


def lint(*rest):
    return cargo("clippy", *rest, "--", "-D", "warnings")


STEPS = [
    ("format", ["cargo", "fmt", "--all", "--check"], ENV),
    *((f"format {side}", ["cargo", "fmt", "--manifest-path", f"{side}/Cargo.toml", "--check"], ENV) for side in SIDE),
    ("lint", lint("--all-targets", "--all-features"), ENV),
    ("core alone", lint("--lib", "--no-default-features"), ENV),
    *((f"feature {name}", lint("--lib", "--no-default-features", "--features", name), ENV) for name in FEATURES),
    ("feature cli", cargo("check", "--no-default-features", "--features", "cli"), ENV),
    ("docs", cargo("doc", "--no-deps", "--lib", "--all-features"), DENY),
    ("tests", cargo("test", "--all-features"), ENV),
    ("tests of the core alone", cargo("test", "--no-default-features", "--test", "it"), ENV),
    ("schemas against a validator", cargo("test", manifest="tests/oracle"), ENV),
    ("ballots, all runs", cargo("test", manifest="tests/model"), ENV),
    *((f"bench {name} builds", cargo("check", manifest=f"benches/{name}"), ENV) for name in BENCHES),
]


def main() -> int:
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    if shutil.which("cargo") is None:
        print("cargo is not installed; see https://rustup.rs", file=sys.stderr)
        return 2
    for name, command, env in STEPS:
        print(f"== {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        code = subprocess.run(command, env=env, check=False).returncode
        if code != 0:
            print(f"== {name}: failed with status {code}", file=sys.stderr)
            return 1
        print(f"== {name}: ok in {time.monotonic() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
