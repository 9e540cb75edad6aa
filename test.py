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

STEPS = [
    ("format", ["cargo", "fmt", "--all", "--check"], ENV),
    ("format fuzz", ["cargo", "fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"], ENV),
    ("format benches", ["cargo", "fmt", "--manifest-path", "benches/events/Cargo.toml", "--check"], ENV),
    ("format routes bench", ["cargo", "fmt", "--manifest-path", "benches/route/Cargo.toml", "--check"], ENV),
    ("format documents bench", ["cargo", "fmt", "--manifest-path", "benches/documents/Cargo.toml", "--check"], ENV),
    ("format oracle", ["cargo", "fmt", "--manifest-path", "tests/oracle/Cargo.toml", "--check"], ENV),
    ("lint", ["cargo", "clippy", "--locked", "--all-targets", "--all-features", "--", "-D", "warnings"], ENV),
    ("core alone", ["cargo", "clippy", "--locked", "--lib", "--no-default-features", "--", "-D", "warnings"], ENV),
    ("feature schema", ["cargo", "check", "--locked", "--no-default-features", "--features", "schema"], ENV),
    ("feature signature", ["cargo", "check", "--locked", "--no-default-features", "--features", "signature"], ENV),
    ("feature sqlite", ["cargo", "clippy", "--locked", "--lib", "--no-default-features", "--features", "sqlite", "--", "-D", "warnings"], ENV),
    ("feature conformance", ["cargo", "clippy", "--locked", "--lib", "--no-default-features", "--features", "conformance", "--", "-D", "warnings"], ENV),
    ("feature cli", ["cargo", "check", "--locked", "--no-default-features", "--features", "cli"], ENV),
    ("docs", ["cargo", "doc", "--locked", "--no-deps", "--lib", "--all-features"], DENY),
    ("tests", ["cargo", "test", "--locked", "--all-features"], ENV),
    ("tests of the core alone", ["cargo", "test", "--locked", "--no-default-features", "--test", "it"], ENV),
    ("schemas against a validator", ["cargo", "test", "--locked", "--manifest-path", "tests/oracle/Cargo.toml"], ENV),
    ("benches build", ["cargo", "check", "--locked", "--manifest-path", "benches/events/Cargo.toml"], ENV),
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
