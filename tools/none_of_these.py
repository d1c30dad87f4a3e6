#!/usr/bin/python3
"""none_of_these.py SENSUS MANIFEST [--thresholds 2,2.5,3,3.5,4] - how well `classify --none T` tells pictures that no label fits.

Every second label of the manifest (in byte order) is offered; the pictures of the others fit none. For each T: of the pictures
that are called none how many are (precision), of those that are none how many are called so (recall), and of the others how many
get their label, with T and without."""
import argparse
import json
import os
import subprocess


def classify(sensus, paths, labels, threshold):
    """-> (label, is none) of each picture."""
    out = subprocess.run([sensus, "classify", "--labels", ",".join(labels), "--templates", "photos", "--none", str(threshold),
                          "--top", "1", "--json", *paths], check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return [(r["labels"][0]["label"], r.get("none", False)) for r in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sensus")
    parser.add_argument("manifest")
    parser.add_argument("--thresholds", default="2,2.5,3,3.5,4")
    a = parser.parse_args()
    with open(a.manifest, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    names = {r["label"]: r["label"].replace("_", " ").replace(",", " ") for r in rows}
    offered = [names[label] for label in sorted(names)[::2]]
    paths = [os.path.join(os.path.dirname(a.manifest), r["image"]) for r in rows]
    truth = [names[r["label"]] if names[r["label"]] in offered else None for r in rows]
    print(f"{len(paths)} pictures, {len(offered)} of {len(names)} labels offered, {truth.count(None)} pictures fit none")
    print("| T | none: precision | none: recall | right label, with T | without |\n|---|---|---|---|---|")
    for threshold in map(float, a.thresholds.split(",")):
        got = classify(a.sensus, paths, offered, threshold)
        called = [t for t, (_, none) in zip(truth, got) if none]
        known = [(t, g) for t, g in zip(truth, got) if t]
        print(f"| {threshold:g} | {100 * called.count(None) / max(1, len(called)):.1f} | "
              f"{100 * called.count(None) / truth.count(None):.1f} | "
              f"{100 * sum(label == t and not none for t, (label, none) in known) / len(known):.1f} | "
              f"{100 * sum(label == t for t, (label, _) in known) / len(known):.1f} |")


if __name__ == "__main__":
    main()
