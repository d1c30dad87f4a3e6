#!/usr/bin/env python3
"""Unique file names, a README of at most 30 lines in each source folder, no stray words or paths."""
import collections
import pathlib
import re
import subprocess
import sys

files = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")
files = [pathlib.Path(f) for f in files if f and pathlib.Path(f).exists()]
problems = []

names = collections.defaultdict(list)
for f in files:
    if f.suffix in (".c", ".h") and f.parts[0] in ("src", "include", "cli", "tests", "bench", "examples"):
        names[(f.name, f.parts[0] == "include")].append(str(f))
for same in names.values():
    if len(same) > 1:
        problems.append("the same name twice: " + ", ".join(same))

for folder in sorted({f.parent for f in files if f.suffix in (".c", ".h") and f.parts[0] == "src"}):
    readme = folder / "README.md"
    if not readme.exists():
        problems.append(f"{folder}: no README.md")
    elif len(readme.read_text().splitlines()) > 30:
        problems.append(f"{readme}: more than 30 lines")

WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|(?<![\w.])/(work|root|home)/")
for f in files:
    if f.suffix not in (".c", ".h", ".py", ".sh", ".md", ".build", ".js", ".html", ".json") or f.name == "tree.py":
        continue
    for number, line in enumerate(f.read_text(errors="replace").splitlines(), 1):
        m = WORDS.search(line)
        if m:
            problems.append(f"{f}:{number}: {m.group(0)}")

print("\n".join(problems))
sys.exit(bool(problems))
