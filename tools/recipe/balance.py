#!/usr/bin/env python3
"""balance.py IN_DIR OUT_DIR [--only SOURCE | --without SOURCE] - the shards of build.py with a cap on samples of one kind.

A batch never holds a concept twice, so a thousand photographs of one class would crowd out the few drawings of the
same thing: photographs are capped for each concept. Scenes with several objects are thinned to leave single objects
the larger part. What is kept follows from a hash of the sample's bytes, not from order."""
import argparse
import glob
import hashlib
import io
import json
import os
import tarfile

CAP = {"cifar": 600, "caltech": 150}  # samples of one concept
KEEP_SCENES = 0.25                  # of those with several objects ("scene:..." concepts)
PER_SHARD = 4096


def count(stats, sample):
    stats["samples"] += 1
    stats["sources"][sample["source"]] = stats["sources"].get(sample["source"], 0) + 1
    for language, lines in sample["captions"].items():
        stats["captions"] += len(lines)
        stats["languages"][language] = stats["languages"].get(language, 0) + len(lines)


def main(source, target, only=None, without=None):
    os.makedirs(target, exist_ok=True)
    picked, seen = [], {}
    for path in sorted(glob.glob(os.path.join(source, "train-*.tar"))):
        with tarfile.open(path) as tar:
            data = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
        for name in sorted(n for n in data if n.endswith(".json")):
            stem = name[:-5]
            picture = next(n for n in (stem + ".jpg", stem + ".png") if n in data)
            picked.append((hashlib.sha256(data[picture]).hexdigest(), picture, data[picture], data[name]))
    stats = {"samples": 0, "captions": 0, "sources": {}, "languages": {}}
    picked.sort(key=lambda s: s[0])
    kept = []
    for digest, picture, pixels, text in picked:
        sample = json.loads(text)
        if sample["source"] == without or only and sample["source"] != only:
            continue
        key = sample["source"], sample["concept"]
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > CAP.get(sample["source"], 1 << 30):
            continue
        if sample["concept"].startswith("scene:") and int(digest[:8], 16) >= KEEP_SCENES * 2**32:
            continue
        kept.append((picture, pixels, text))
        count(stats, sample)
    for first in range(0, len(kept), PER_SHARD):
        with tarfile.open(os.path.join(target, f"train-{first // PER_SHARD:04d}.tar"), "w") as tar:
            for number, (picture, pixels, text) in enumerate(kept[first:first + PER_SHARD], first):
                for suffix, content in ((picture[picture.rindex("."):], pixels), (".json", text)):
                    info = tarfile.TarInfo(f"{number:06d}{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    with open(os.path.join(target, "stats.json"), "w") as out:
        json.dump(stats, out, indent=1, sort_keys=True)
    print(f"{len(kept)} of {len(picked)} samples")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--only")
    parser.add_argument("--without")
    main(**vars(parser.parse_args()))
