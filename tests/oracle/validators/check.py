"""Judges cases by a validator in Python: check.py FOLDER

Each schema has to compile without a warning, and each case to get the verdict that the reader gave.
"""

import json
import multiprocessing
import os
import sys
import warnings

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

warnings.simplefilter("error")
FOLDER = sys.argv[1]


def compiled():
    found = {}
    for version in sorted(os.listdir(os.path.join(FOLDER, "schemas"))):
        for file in sorted(os.listdir(os.path.join(FOLDER, "schemas", version))):
            with open(os.path.join(FOLDER, "schemas", version, file), encoding="utf-8") as text:
                schema = json.load(text)
            name = f"{version}/{file.removesuffix('.json')}"
            if validator_for(schema) is not Draft202012Validator:
                raise SystemExit(f"{name} is taken for another dialect")
            Draft202012Validator.check_schema(schema)
            found[name] = Draft202012Validator(schema)
    return found


def judge(lines):
    """The cases of some lines on which the verdicts differ."""
    validators = compiled()
    disputes = []
    for line in lines:
        case = json.loads(line)
        if validators[case["schema"]].is_valid(json.loads(case["document"])) != case["valid"]:
            disputes.append(line)
    return disputes


def main():
    with open(os.path.join(FOLDER, "cases.jsonl"), encoding="utf-8") as text:
        lines = text.read().splitlines()
    parts = os.cpu_count() or 1
    with multiprocessing.Pool(parts) as pool:
        disputes = [line for part in pool.map(judge, [lines[at::parts] for at in range(parts)]) for line in part]
    for line in disputes[:12]:
        print(line)
    print(f"python: {len(compiled())} schemas, {len(lines)} documents, {len(disputes)} disputes")
    return 1 if disputes or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
