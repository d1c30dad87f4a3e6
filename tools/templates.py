#!/usr/bin/python3
"""templates.py SENSUS PUBLISHED.json DATA [--sets cifar10,caltech101,...] - our sets of templates beside published ones.

PUBLISHED.json maps a name to templates with {c} for the class (the layout of CLIP_benchmark's en_templates.json). DATA is labelled
pictures, as `sensus eval zero-shot` takes them. Prints top-1 and mean per class for each of our sets (plain, photos, drawings, all)
and for the published ones."""
import argparse
import json
import os
import subprocess
import tempfile

OURS = ("plain", "photos", "drawings", "all")


def ours(sensus, name):
    """The texts of one of our sets."""
    with tempfile.TemporaryDirectory() as work:
        file = os.path.join(work, "classifier.safetensors")
        subprocess.run([sensus, "classifier", "build", "--labels", "a,b", "--templates", name, "-o", file], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        out = subprocess.run([sensus, "classifier", "info", "--json", file], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["templates"]


def measure(sensus, data, templates):
    flags = [x for t in templates for x in ("--template", t)]
    out = subprocess.run([sensus, "eval", "zero-shot", "--manifest", data, "--json", *flags], check=True, capture_output=True,
                         text=True).stdout
    return json.loads(out)


def percent(m):
    return f"{100 * m['value']:.1f} ({100 * m['low']:.1f} to {100 * m['high']:.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sensus")
    parser.add_argument("published")
    parser.add_argument("data")
    parser.add_argument("--sets", default="cifar10,imagenet1k")
    a = parser.parse_args()
    with open(a.published, encoding="utf-8") as f:
        published = json.load(f)
    rows = [(f"ours, {name}", ours(a.sensus, name)) for name in OURS]
    rows += [(f"published, {name}", [t.replace("{c}", "{}") for t in published[name]]) for name in a.sets.split(",")]
    print("| templates | how many | top-1 | mean per class |\n|---|---|---|---|")
    for title, templates in rows:
        r = measure(a.sensus, a.data, templates)
        print(f"| {title} | {len(templates)} | {percent(r['top_1'])} | {percent(r['mean_per_class'])} |", flush=True)


if __name__ == "__main__":
    main()
