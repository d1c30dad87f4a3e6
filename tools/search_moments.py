#!/usr/bin/env python3
"""How well a catalog finds moments among many films: search_moments.py SENSUS CATALOG MANIFEST [--model DIR].

MANIFEST is what video_truth.py wrote, CATALOG holds its films. Each caption is searched for in all of them: is the best
hit (one of the five best) of the right film, and does it overlap the true moment by an intersection over union of at
least 0.5? Prints shares with 95 % bootstrap intervals over queries, and the mean reciprocal rank of the right moment
among the first 50."""
import argparse
import collections
import json
import os
import random
import subprocess


def overlap(hit, row):
    both = min(hit["end"], row["end"]) - max(hit["start"], row["start"])
    return max(0, both) / (max(hit["end"], row["end"]) - min(hit["start"], row["start"]))


def rank_of(hits, row):
    """The rank of the first hit that is right; 0: none."""
    for i, hit in enumerate(hits, 1):
        if "start" in hit and os.path.basename(hit["path"]) == row["video"] and overlap(hit, row) >= 0.5:
            return i
    return 0


def show(name, values):
    rng = random.Random(1)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(2000))
    print(f"{name:28} {100 * sum(values) / len(values):5.1f} ({100 * means[50]:.1f} to {100 * means[1949]:.1f})")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("sensus")
    p.add_argument("catalog")
    p.add_argument("manifest")
    p.add_argument("--model")
    a = p.parse_args()
    rows = [json.loads(line) for line in open(a.manifest, encoding="utf-8")]
    # Signs and weights are words of a query's own: without them every caption is one text.
    texts = [" ".join(w for w in r["query"].replace(":", " ").split() if w not in ("+", "-")) for r in rows]
    command = [a.sensus, "search", "-c", a.catalog, "--json", "-n", "50", "--queries", "-"] + (["-m", a.model] if a.model else [])
    out = subprocess.run(command, input="\n".join(texts), text=True, capture_output=True, check=True).stdout
    hits = collections.defaultdict(list)
    for line in out.splitlines():
        hit = json.loads(line)
        hits[hit["query"]].append(hit)
    ranks = [rank_of(hits[t[:200]], r) for t, r in zip(texts, rows)]
    print(f"{len(rows)} queries")
    show("recall@1, IoU 0.5", [float(r == 1) for r in ranks])
    show("recall@5, IoU 0.5", [float(0 < r <= 5) for r in ranks])
    show("mean reciprocal rank", [1 / r if r else 0.0 for r in ranks])


main()
