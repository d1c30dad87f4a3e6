#!/usr/bin/python3
"""How the cost of an exact search grows with the number of vectors: search_growth.py BUILD_DIR FOLDER OUT.svg [--most N]

Makes vectors in groups x 512 in FOLDER (25 GB for ten million; removed afterwards), times the scan of one query and of 64, in f32
without codes too where that fits memory, and draws milliseconds a query against the number, on logarithmic axes. Prints the
table as Markdown."""
import argparse
import glob
import math
import os
import statistics
import subprocess

WIDTH = 512
SERIES = (("scan", 1, "8-bit scan, then f32: one query"), ("scan", 64, "the same, 64 queries at once: each"),
          ("whole", 1, "every vector in f32: one query"))
COLOURS = ("#1b5e9e", "#3a7d44", "#c0702f")


def measure(tool, what, base, n, queries):
    """Median milliseconds a query."""
    times = 9 if n <= 1000000 else 3
    out = subprocess.run([tool, what, base, str(n), str(WIDTH), str(queries)], input=f"run {times}\n", capture_output=True,
                         text=True, check=True).stdout.split("\n")[1]
    return statistics.median(float(t) for t in out.split()) / queries


def draw(path, sizes, table):
    w, h, left, top = 640, 400, 70, 30
    values = [v for row in table.values() for v in row if v]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(n):
        return left + w * (math.log10(n) - first) / (last - first)

    def y(ms):
        return top + h * (high - math.log10(ms)) / (high - low)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + w + 40} {top + h + 60}" font-family="sans-serif"'
             ' font-size="13">', f'<rect width="{left + w + 40}" height="{top + h + 60}" fill="#fff"/>']
    for p in range(low, high + 1):
        parts.append(f'<line x1="{left}" x2="{left + w}" y1="{y(10 ** p):.1f}" y2="{y(10 ** p):.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y(10 ** p) + 4:.1f}" text-anchor="end">{10.0 ** p:g} ms</text>')
    for n in sizes:
        parts.append(f'<text x="{x(n):.1f}" y="{top + h + 20}" text-anchor="middle">{n:,}</text>')
    parts.append(f'<text x="{left + w / 2}" y="{top + h + 44}" text-anchor="middle">vectors of {WIDTH} numbers</text>')
    for (key, row), colour in zip(table.items(), COLOURS):
        points = [(x(n), y(v)) for n, v in zip(sizes, row) if v]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                     + " ".join(f"{a:.1f},{b:.1f}" for a, b in points) + '"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in points]
    for i, ((_, _, label), colour) in enumerate(zip(SERIES, COLOURS)):
        parts.append(f'<rect x="{left + 14}" y="{top + 10 + 20 * i}" width="14" height="4" fill="{colour}"/>'
                     f'<text x="{left + 34}" y="{top + 17 + 20 * i}">{label}</text>')
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--most", type=int, default=10000000)
    a = parser.parse_args()
    tool = os.path.join(a.build, "bench", "bench_search")
    sizes = [n for n in (10000, 100000, 1000000, 10000000) if n <= a.most]
    table = {label: [] for _, _, label in SERIES}
    os.makedirs(a.folder, exist_ok=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    print("| vectors | " + " | ".join(table) + " |\n|---" + "|---" * len(table) + "|")
    for n in sizes:
        base = os.path.join(a.folder, f"growth-{n}")
        subprocess.run([tool, "make", base, str(n), str(WIDTH)], check=True)
        for what, queries, label in SERIES:
            fits = what == "scan" or n * WIDTH * 4 < 0.7 * memory
            table[label].append(measure(tool, what, base, n, queries) if fits else None)
        print(f"| {n:,} | " + " | ".join(f"{row[-1]:.3g} ms" if row[-1] else "does not fit memory" for row in table.values())
              + " |", flush=True)
        for path in glob.glob(base + "-*"):
            os.remove(path)
    draw(a.out, sizes, table)


if __name__ == "__main__":
    main()
