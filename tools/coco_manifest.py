#!/usr/bin/python3
"""coco_manifest.py COCO_DIR OUT.jsonl - photographs of COCO with the names of what is in them, to measure with.

COCO_DIR holds annotations/instances_SPLIT.json and SPLIT/*.jpg (the layout of cocodataset.org; a sample of it does). One
line a photograph that is there: {"image": absolute path, "captions": {"en": ["a photo of a dog", ...]}}, one caption for each
category with a box in it, so a category's photographs are the right answers to its caption."""
import argparse
import glob
import json
import os
import re


def article(name):
    return ("an " if name[0] in "aeiou" else "a ") + name


def photographs(annotations, folder):
    """(path, names) of those that are there, in the order of the file."""
    with open(annotations, encoding="utf-8") as f:
        data = json.load(f)
    names = {c["id"]: c["name"] for c in data["categories"]}
    shown = {}
    for box in data["annotations"]:
        shown.setdefault(box["image_id"], set()).add(names[box["category_id"]])
    for image in data["images"]:
        path = os.path.join(folder, image["file_name"])
        if os.path.exists(path):
            yield path, sorted(shown.get(image["id"], ()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("coco")
    parser.add_argument("out")
    a = parser.parse_args()
    count = 0
    with open(a.out, "w", encoding="utf-8") as out:
        for annotations in sorted(glob.glob(os.path.join(a.coco, "annotations", "instances_*.json"))):
            split = re.search(r"instances_(.*)\.json$", annotations)[1]
            for path, names in photographs(annotations, os.path.join(os.path.abspath(a.coco), split)):
                captions = ["a photo of " + article(name) for name in names]
                if captions:    # a photograph of nothing named fits no query
                    out.write(json.dumps({"image": path, "captions": {"en": captions}}) + "\n")
                    count += 1
    print(count, "photographs")


if __name__ == "__main__":
    main()
