#!/usr/bin/python3
"""robustness.py SENSUS SHARED OUT [--emoji DIR] [--quick] - is zero-shot CLIP more robust than what was trained with labels?

Figure 13 of Radford et al. 2021 in small: CLIP models are trained by `sensus train`, supervised ResNets of the same size by PyTorch
on the same pictures, linear probes are fitted on CLIP's frozen vectors; each at several lengths of training. All are measured on
an ordinary test set and on shifted ones, and `sensus eval robustness` draws OUT/robustness.svg and prints its tables.

SHARED/data/cifar10 holds train.tar.gz and test.tar.gz; two classes are never trained on. Shifts: those of `sensus data corrupt`, and
other photographs, of SHARED/data/caltech101/images.tar, for the classes that both have. With --emoji (the shards of tools/recipe/balance.py) a natural shift too: emoji of vendors that were never seen, against unseen
pictures of vendors that were. What is in OUT already is not made again; a run that was killed goes on."""
import argparse
import collections
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zlib

import numpy as np
import torch

import robustness_torch as reference

VEHICLES = ("airplane", "automobile", "ship", "truck")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LEFT_OUT = ("deer", "truck")
SHIFTS = ("noise", "blur", "contrast", "jpeg", "fog")
WORDINGS = ("{a}", "{a}.", "a photo of {a}.", "a small photo of {a}.", "a blurry photo of {a}.", "a picture of {a}.",
            "{a}, {k}.", "a photo of {a}, {k}.")
TEMPLATES = ("{}.", "a photo of {}.", "a small photo of {}.", "a picture of {}.")
SEEN_VENDORS = ("noto", "noto-v1", "twemoji", "fluent", "fluent-emoji-flat")
UNSEEN_VENDORS = ("emojione", "fxemoji", "streamline-emojis")
SIZES = ({"name": "width 24", "width": 24, "layers": (1, 1, 1, 1), "heads": 12, "seed": 1},
         {"name": "width 16", "width": 16, "layers": (1, 1, 1, 1), "heads": 8, "seed": 2})
COMMON = {"px": 32, "embed": 128, "batch": 256, "lr": 1e-3, "warmup": 50, "weight_decay": 0.1, "ema": 0.99}
CALTECH = {"airplane": ("airplanes",), "bird": ("emu", "flamingo", "ibis", "pigeon", "rooster"), "cat": ("wild_cat",),
           "dog": ("dalmatian",), "ship": ("ferry", "ketch")}
PHOTOGRAPHS, PER_CATEGORY = "other photographs", 60
# own: shift -> what it is compared with, where that is not `id`: the same pictures of fewer classes.
Task = collections.namedtuple("Task", "name train val id shifts own labels names templates steps")


def run(a, *arguments, **more):
    return subprocess.run([a.sensus, *map(str, arguments)], cwd=a.out, check=True, text=True, **more)


def write_lines(a, name, rows):
    path = os.path.join(a.out, name)
    with open(path + ".part", "w") as f:
        f.writelines((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
    os.rename(path + ".part", path)
    return name


def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def kind(c):
    return "a vehicle" if c in VEHICLES else "an animal"


# ---- data ----

def extract(a):
    for half in ("train", "test"):
        if not os.path.isdir(os.path.join(a.out, half)):
            part = os.path.join(a.out, half + ".part")
            shutil.rmtree(part, ignore_errors=True)
            with tarfile.open(os.path.join(a.shared, "data", "cifar10", half + ".tar.gz")) as tar:
                tar.extractall(part)
            os.rename(os.path.join(part, half), os.path.join(a.out, half))
            os.rmdir(part)


def pictures(a, half, c, first, count):
    names = sorted(os.listdir(os.path.join(a.out, half, c)))[first:first + count]
    return [{"image": f"{half}/{c}/{n}", "label": c} for n in names]


def corrupted(a, shift, rows):
    """Each picture under one of the five strengths."""
    merged = []
    for strength in range(1, 6):
        folder = f"shifted/{shift}-{strength}"
        if not os.path.exists(os.path.join(a.out, folder, "manifest.jsonl")):
            name = write_lines(a, f"{shift}-{strength}.jsonl", rows[strength - 1::5])
            run(a, "data", "corrupt", "-o", "shifted", "--shift", shift, "--strength", strength, name)
        for r in reference.read_manifest(a.out, folder + "/manifest.jsonl"):
            merged.append({**r, "image": f"{folder}/{r['image']}"})
    return write_lines(a, f"cifar-{shift}.jsonl", merged)


def caltech(a):
    """Caltech-101's photographs of CIFAR-10's classes, the first of each category."""
    rows = []
    folder = os.path.join(a.out, "caltech")
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(os.path.join(a.shared, "data", "caltech101", "images.tar")) as tar:
        found = collections.defaultdict(list)
        for member in tar:
            if member.name.endswith(".jpg"):
                found[member.name.split("/")[-2]].append(member)
        for label, categories in CALTECH.items():
            for category in categories:
                for member in sorted(found[category], key=lambda m: m.name)[:PER_CATEGORY]:
                    name = f"caltech/{category}-{os.path.basename(member.name)}"
                    with open(os.path.join(a.out, name), "wb") as f:
                        f.write(tar.extractfile(member).read())
                    rows.append({"image": name, "label": label})
    return write_lines(a, "caltech.jsonl", rows)


def cifar(a):
    extract(a)
    n_train, n_test = (100, 100) if a.quick else (2500, 1000)
    trained = [c for c in CLASSES if c not in LEFT_OUT]
    train = [{**r, "captions": {"en": [w.format(a=article(c), k=kind(c)) for w in WORDINGS]}}
             for c in trained for r in pictures(a, "train", c, 0, n_train)]
    test = [r for c in trained for r in pictures(a, "test", c, 0, n_test)]
    write_lines(a, "left-out.jsonl", [r for c in LEFT_OUT for r in pictures(a, "test", c, 0, n_test)])
    write_lines(a, "kinds.tsv", [f"{c}\t{article(c)}, {kind(c)}" for c in LEFT_OUT])
    # The vocabulary knows the words of all ten classes; those of the two were in no caption.
    write_lines(a, "corpus.txt", [w.format(a=article(c), k=kind(c)) for c in CLASSES for w in WORDINGS] * 20)
    return Task("CIFAR-10", write_lines(a, "cifar-train.jsonl", train),
                write_lines(a, "cifar-val.jsonl", [r for c in trained for r in pictures(a, "train", c, n_train, 200)]),
                write_lines(a, "cifar-test.jsonl", test),
                # No picture is in two shifted sets, so that their counts are independent.
                {**{s: corrupted(a, s, test[i::len(SHIFTS)]) for i, s in enumerate(SHIFTS)}, PHOTOGRAPHS: caltech(a)},
                {PHOTOGRAPHS: write_lines(a, "cifar-shared.jsonl", [r for r in test if r["label"] in CALTECH])},
                trained, write_lines(a, "cifar-names.tsv", [f"{c}\t{article(c)}" for c in CLASSES]), TEMPLATES,
                (10, 20, 30) if a.quick else (120, 240, 480, 960))


def emoji_samples(a):
    """-> {concept: {vendor: (captions, picture file)}}, the pictures written to OUT/emoji."""
    found = collections.defaultdict(dict)
    os.makedirs(os.path.join(a.out, "emoji"), exist_ok=True)
    for path in sorted(glob.glob(os.path.join(a.emoji, "*.tar"))):
        with tarfile.open(path) as tar:
            before = None
            for member in tar:
                if not member.name.endswith(".json"):
                    before = member
                    continue
                about = json.loads(tar.extractfile(member).read())
                vendor, concept = about["source"], about.get("concept", "")
                if vendor not in SEEN_VENDORS + UNSEEN_VENDORS or vendor in found[concept] or "en" not in about["captions"]:
                    continue
                name = f"emoji/{concept}-{vendor}{os.path.splitext(before.name)[1]}"
                with open(os.path.join(a.out, name), "wb") as f:
                    f.write(tar.extractfile(before).read())
                found[concept][vendor] = (about["captions"]["en"], name)
    return found


def emoji(a):
    """Of every concept that all seen vendors drew and an unseen one too, one seen vendor's picture is for testing, in turn, and
    four are for training."""
    train, val, test, shifted, names = [], [], [], [], []
    for concept, by in sorted(emoji_samples(a).items()):
        if not set(SEEN_VENDORS) <= set(by) or not set(UNSEEN_VENDORS) & set(by):
            continue
        turn = zlib.crc32(concept.encode()) % len(SEEN_VENDORS)
        captions = by["noto"][0]
        names.append(f"{concept}\t{captions[1]}")
        for i, vendor in enumerate(v for v in SEEN_VENDORS + UNSEEN_VENDORS if v in by):
            row = {"image": by[vendor][1], "label": concept}
            if vendor in UNSEEN_VENDORS:
                shifted.append(row)
            elif i == turn:
                test.append(row)
            else:
                train.append({**row, "concept": concept, "captions": {"en": captions[:6]}})
                if i == (turn + 1) % len(SEEN_VENDORS):
                    val.append(row)
    return Task("emoji", write_lines(a, "emoji-train.jsonl", train), write_lines(a, "emoji-val.jsonl", val),
                write_lines(a, "emoji-test.jsonl", test),
                {"emoji of other vendors": write_lines(a, "emoji-shifted.jsonl", shifted)}, {},
                [n.split("\t")[0] for n in names], write_lines(a, "emoji-names.tsv", names), ("{}",),
                (10, 20, 30) if a.quick else (80, 160, 320, 640))


# ---- results: one line a model and set ----

class Results:
    def __init__(self, path):
        self.path, self.rows = path, {}
        if os.path.exists(path):
            with open(path) as f:
                for line in f:
                    r = json.loads(line)
                    self.rows[r["model"], r["set"]] = (r["correct"], r["total"])

    def add(self, model, name, correct, total):
        self.rows[model, name] = (correct, total)
        with open(self.path, "a") as f:
            f.write(json.dumps({"model": model, "set": name, "correct": correct, "total": total}) + "\n")

    def lacks(self, model, names):
        return [n for n in names if (model, n) not in self.rows]


def sets(task):
    return (task.id, *task.own.values(), *task.shifts.values())


def title(group, task, size, step):
    return f"{group}, {task.name}, {size['name']}, step {step}"


def zero_shot(a, results, model, folder, name, names, templates, key=None):
    key = key or name
    if not results.lacks(model, [key]):
        return
    flags = [x for t in templates for x in ("--template", t)]
    out = run(a, "eval", "zero-shot", "--model", folder, "--manifest", name, "--names", names, *flags, "--json",
              stdout=subprocess.PIPE).stdout
    r = json.loads(out)
    results.add(model, key, round(r["top_1"]["value"] * r["images"]), r["images"])


def train_clip(a, task, size):
    """-> the model's folder at each of task.steps: the run is made longer again and again, at a constant rate."""
    base = f"clip-{task.name}-{size['width']}"
    for step in task.steps:
        kept = f"{base}-{step}"
        if os.path.isdir(os.path.join(a.out, kept)):
            continue
        resume = ["--resume"] if glob.glob(os.path.join(a.out, base, "checkpoint-*")) else []
        run(a, "train", "--data", task.train, "--tokenizer", f"tok-{task.name}", "--out", base, "--vision", "resnet",
            "--resnet-width", size["width"], "--resnet-layers", ",".join(map(str, size["layers"])), "--vision-heads", size["heads"],
            "--text", "cbow", "--text-width", 64, "--embed", COMMON["embed"], "--context", 16, "--image-px", COMMON["px"],
            "--squash", "--batch", COMMON["batch"], "--steps", step, "--warmup", COMMON["warmup"], "--lr", COMMON["lr"],
            "--min-lr", COMMON["lr"], "--weight-decay", COMMON["weight_decay"], "--ema", COMMON["ema"], "--seed", size["seed"],
            "--threads", a.threads, "--bf16", *resume)
        shutil.rmtree(os.path.join(a.out, kept + ".part"), ignore_errors=True)
        shutil.copytree(os.path.join(a.out, base, "model"), os.path.join(a.out, kept + ".part"))
        os.rename(os.path.join(a.out, kept + ".part"), os.path.join(a.out, kept))
    return {step: f"{base}-{step}" for step in task.steps}


def vectors(a, folder, name):
    rows = reference.read_manifest(a.out, name)
    run(a, "embed", "--model", folder, "--output", "vectors.npy", *(r["image"] for r in rows))
    return torch.from_numpy(np.load(os.path.join(a.out, "vectors.npy")))


def measure_probe(a, results, task, size, step, folder):
    model = title("linear probe", task, size, step)
    if not results.lacks(model, sets(task)):
        return

    def labelled(name):
        labels = [r["label"] for r in reference.read_manifest(a.out, name)]
        return vectors(a, folder, name), torch.tensor([task.labels.index(c) for c in labels])

    held = {r["image"] for r in reference.read_manifest(a.out, task.val)}
    inner = torch.tensor([r["image"] not in held for r in reference.read_manifest(a.out, task.train)])
    (x, y), (val_x, val_y) = labelled(task.train), labelled(task.val)
    hits = reference.probe(x, y, inner, val_x, val_y, len(task.labels))
    for name in sets(task):
        x, y = labelled(name)
        results.add(model, name, hits(x, y), len(y))


def measure_supervised(a, results, task, size):
    if not any(results.lacks(title("supervised", task, size, s), sets(task)) for s in task.steps):
        return
    px = COMMON["px"]
    # Like sensus, keep training pictures a quarter larger where they are larger.
    x, y = reference.read_pictures(a.out, task.train, task.labels, px if task.name == "CIFAR-10" else px * 5 // 4)
    tests = {name: reference.read_pictures(a.out, name, task.labels, px) for name in sets(task)}

    def save(step, model):
        name = title("supervised", task, size, step)
        for test in results.lacks(name, sets(task)):
            results.add(name, test, reference.count_correct(model, *tests[test]), len(tests[test][1]))

    reference.train(x, y, len(task.labels), size, {**COMMON, "steps": task.steps}, save)


def measure(a, results, task):
    if not os.path.isdir(os.path.join(a.out, f"tok-{task.name}")):
        corpus = "corpus.txt"
        if task.name == "emoji":
            corpus = write_lines(a, "emoji-corpus.txt", [c for r in reference.read_manifest(a.out, task.train)
                                                         for c in r["captions"]["en"]])
        run(a, "tokenizer", "train", "--vocab", 2048 if task.name == "emoji" else 700, "-o", f"tok-{task.name}", corpus)
    for size in SIZES:
        for step, folder in train_clip(a, task, size).items():
            model = title("zero-shot", task, size, step)
            for name in sets(task):
                zero_shot(a, results, model, folder, name, task.names, task.templates)
            if task.name == "CIFAR-10":
                zero_shot(a, results, model, folder, "left-out.jsonl", task.names, task.templates, "left out, by name")
                zero_shot(a, results, model, folder, "left-out.jsonl", "kinds.tsv", ("{}.", "a photo of {}."),
                          "left out, by name and kind")
            measure_probe(a, results, task, size, step, folder)
        measure_supervised(a, results, task, size)


# ---- what it shows ----

def points(results, tasks):
    for task in tasks:
        for size in SIZES:
            for group in ("supervised", "linear probe", "zero-shot"):
                for step in task.steps:
                    model = title(group, task, size, step)
                    for shift, name in task.shifts.items():
                        ordinary = results.rows[model, task.own.get(shift, task.id)]
                        shifted = results.rows[model, name]
                        run = f"{'supervised' if group == 'supervised' else 'CLIP'}, {task.name}, {size['name']}"
                        yield {"model": model, "run": run, "group": group, "shift": shift,
                               "id": {"correct": ordinary[0], "total": ordinary[1]},
                               "shifted": {"correct": shifted[0], "total": shifted[1]}}


def percent(pair):
    return f"{100 * pair[0] / pair[1]:.1f}"


def print_accuracies(results, task):
    print(f"\n{task.name}: accuracy in %, {len(task.labels)} classes, chance {100 / len(task.labels):.1f}\n")
    heads = ["without a shift", *(f"the same, classes of {shift}" for shift in task.own), *task.shifts]
    print("| model | steps | " + " | ".join(heads) + " |\n" + "|---" * (2 + len(heads)) + "|")
    for group in ("supervised", "linear probe", "zero-shot"):
        for size in SIZES:
            for step in task.steps:
                model = title(group, task, size, step)
                cells = [percent(results.rows[model, name]) for name in sets(task)]
                print(f"| {group}, {size['name']} | {step} | " + " | ".join(cells) + " |")


def print_left_out(results, task):
    print(f"\nclasses never trained on ({', '.join(LEFT_OUT)}), zero-shot accuracy in %, chance 50.0\n")
    print("| model | steps | by name | by name and kind |\n|---|---|---|---|")
    for size in SIZES:
        for step in task.steps:
            model = title("zero-shot", task, size, step)
            cells = [percent(results.rows[model, key]) for key in ("left out, by name", "left out, by name and kind")]
            print(f"| {size['name']} | {step} | " + " | ".join(cells) + " |")


def print_effective(a):
    lines = [json.loads(line) for line in
             run(a, "eval", "robustness", "points.jsonl", "--svg", "robustness.svg", "--json", stdout=subprocess.PIPE).stdout.splitlines()]
    groups = {}
    for m in lines:
        if m["kind"] == "mean" and not m["model"]:
            e = m["effective_robustness"]
            groups.setdefault(m["shift"] or "mean over shifts", {})[m["group"]] = \
                f"{100 * e['value']:+.1f} ({100 * e['low']:+.1f} to {100 * e['high']:+.1f})"
    fits = {m["shift"]: m for m in lines if m["kind"] == "line"}
    print("\neffective robustness: points of accuracy above the supervised models' line (95 %)\n")
    print("| shift | line's slope | R² | linear probe | zero-shot |\n|---|---|---|---|---|")
    for shift, by in groups.items():
        fit = fits.get(shift)
        cells = [f"{fit['slope']['value']:.2f}", f"{fit['r2']:.3f}"] if fit else ["", ""]
        print(f"| {shift} | " + " | ".join(cells + [by["linear probe"], by["zero-shot"]]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sensus", type=os.path.abspath)
    parser.add_argument("shared", type=os.path.abspath)
    parser.add_argument("out", type=os.path.abspath)
    parser.add_argument("--emoji", type=os.path.abspath)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures: does everything run?")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(a.threads)
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    results = Results(os.path.join(a.out, "results.jsonl"))
    tasks = [cifar(a)] + ([emoji(a)] if a.emoji else [])
    for task in tasks:
        measure(a, results, task)
    write_lines(a, "points.jsonl", points(results, tasks))
    for task in tasks:
        print_accuracies(results, task)
    print_left_out(results, tasks[0])
    print_effective(a)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
