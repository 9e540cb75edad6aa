#!/usr/bin/env python3
"""Holds the schemas against validators in Python and JavaScript.

The cases are those of the Rust test `judges`, which has asked two validators in Rust. What is needed is
fetched below `.cache/validators`; without a network, or without `node` and `npm`, this fails.
"""

import filecmp
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CACHE = os.path.join(ROOT, ".cache", "validators")
CASES = os.path.join(CACHE, "cases")


def silently(command, cwd=HERE):
    """Runs a judge, which must not write to standard error."""
    done = subprocess.run(command, cwd=cwd, check=False, stderr=subprocess.PIPE, text=True)
    if done.stderr:
        print(done.stderr, file=sys.stderr)
    if done.returncode != 0 or done.stderr:
        raise SystemExit(f"{' '.join(command)} failed with status {done.returncode}")


def kept(name, made):
    """Whether what was made from a file is still up to date."""
    copy = os.path.join(CACHE, name)
    return os.path.exists(made) and os.path.exists(copy) and filecmp.cmp(copy, os.path.join(HERE, name), shallow=False)


def python():
    folder = os.path.join(CACHE, "venv")
    program = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if not kept("requirements.txt", program):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", "-r", os.path.join(HERE, "requirements.txt")], check=True)
        shutil.copy(os.path.join(HERE, "requirements.txt"), CACHE)
    silently([program, "-W", "error", os.path.join(HERE, "check.py"), CASES])


def javascript():
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SystemExit("node and npm are not installed; see https://nodejs.org")
    # npm writes this file last, so that a broken installation is not taken for one.
    if not kept("package-lock.json", os.path.join(CACHE, "node_modules", ".package-lock.json")):
        for name in ["package.json", "package-lock.json"]:
            shutil.copy(os.path.join(HERE, name), CACHE)
        subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=CACHE, check=True)
    # Modules are looked for beside the script.
    shutil.copy(os.path.join(HERE, "check.mjs"), CACHE)
    silently([node, os.path.join(CACHE, "check.mjs"), CASES], cwd=CACHE)


def main():
    shutil.rmtree(CASES, ignore_errors=True)
    os.makedirs(CASES)
    command = ["cargo", "test", "--locked", "--manifest-path", os.path.join(ROOT, "tests", "Cargo.toml"), "-p", "schema-oracle", "judges"]
    subprocess.run(command, env={**os.environ, "COORD_CASES_DIR": CASES}, check=True)
    python()
    javascript()


if __name__ == "__main__":
    main()
