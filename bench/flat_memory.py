#!/usr/bin/python3
"""The memory of embedding many files: flat_memory.py BUILD_DIR [--files N] [--model DIR]

Makes N links to one small picture in a temporary folder, indexes nothing, embeds them all through `sensus classify` (the same
pipeline as index and embed) and prints the resident set when a tenth, half and all of the results were there. Ends with 1 when
the last is more than 5 % above the first."""
import argparse
import os
import subprocess
import sys
import tempfile


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1e3 for line in f if line.startswith("VmRSS"))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--files", type=int, default=100000)
    parser.add_argument("--model", default=os.path.join(here, "../models/sensus-small"))
    a = parser.parse_args()
    marks = {a.files // 10: "a tenth", a.files // 2: "half", a.files - 1: "all"}
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "picture.ppm")
        with open(picture, "wb") as f:
            f.write(b"P6 128 96 255\n" + bytes(i * 7 % 256 for i in range(128 * 96 * 3)))
        paths = os.path.join(folder, "paths")
        with open(paths, "w", encoding="utf-8") as f:
            for i in range(a.files):
                f.write(f"{folder}/{i:07d}.ppm\n")
                os.symlink(picture, f"{folder}/{i:07d}.ppm")
        process = subprocess.Popen([os.path.join(a.build, "cli/sensus"), "classify", "--model", a.model, "--labels", "a dog,a cat",
                                    "--files-from", paths, "--json"], stdout=subprocess.PIPE)
        seen = []
        for i, _ in enumerate(process.stdout):
            if i in marks:
                seen.append(resident_mb(process.pid))
                print(f"{i + 1:,} of {a.files:,} files ({marks[i]}): {seen[-1]:.1f} MB", flush=True)
        if process.wait():
            return 1
    return 0 if len(seen) == 3 and seen[2] <= 1.05 * seen[0] else 1


if __name__ == "__main__":
    sys.exit(main())
