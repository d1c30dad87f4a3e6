#!/usr/bin/env python3
"""The dependency law: which folder may include which. Exit 1 and one line for each breach."""
import pathlib
import re
import sys

LAYERS = [
    ["base"], ["kernel"], ["tensor"], ["media", "prep", "model"], ["embed"], ["catalog", "score"], ["train"],
    ["represent", "translate", "align", "fuse", "colearn", "ground", "draw"], ["serve"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')

problems = []
for path in sorted(pathlib.Path(".").glob("src/**/*.[ch]")):
    own = path.parts[1]
    if own not in LEVEL:
        problems.append(f"{path}: folder src/{own} has no place in the law")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        m = INCLUDE.match(line)
        if not m or "/" not in m.group(2) or m.group(1) == "<":
            if m and m.group(1) == '"' and not (path.parent / m.group(2)).exists():
                problems.append(f"{path}:{number}: {m.group(2)} is not in this folder")
            continue
        other = m.group(2).split("/")[0]
        if other != own and LEVEL.get(other, 99) >= LEVEL[own]:
            problems.append(f"{path}:{number}: src/{own} may not include {m.group(2)}")

for path in sorted(p for d in ("cli", "examples") for p in pathlib.Path(d).glob("**/*.[ch]")):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        m = INCLUDE.match(line)
        if m and m.group(1) == '"' and not (path.parent / m.group(2)).exists():
            problems.append(f"{path}:{number}: only <sensus/...> and its own folder, not {m.group(2)}")

for path in sorted(pathlib.Path("include/sensus").glob("*.h")):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        m = INCLUDE.match(line)
        if m and m.group(1) == '"':
            problems.append(f"{path}:{number}: a public header includes only public headers")

print("\n".join(problems))
sys.exit(bool(problems))
