#!/usr/bin/python3
"""ablations.py SENSUS DATA OUT [--steps 600] [--only NAME,...] - what each choice of the shipped model's recipe is worth.

One short training run each, all with the same number of pairs; each differs from the first in one thing. Prints a table for
the model's card: held-out emoji concepts (text to image recall@10), Caltech-101 zero-shot accuracy, on held-out pictures and
on left-out categories, and what vector arithmetic finds in the former. DATA is what recipe/build.py and balance.py made, with
DATA/tok from `sensus tokenizer train`. Runs that are there already are not made again, and one that was killed goes on."""
import argparse
import glob
import io
import json
import os
import subprocess
import sys
import tarfile

from model_card import held_out, lines, percent

RESNET = {"vision": "resnet", "resnet-width": "24", "resnet-layers": "2,3,4,2", "vision-heads": "12"}
CBOW = {"text": "cbow", "text-width": "224"}
BASE = {**RESNET, **CBOW, "image-px": "64", "embed": "256", "context": "32", "squash": None, "batch": "256", "lr": "1e-3",
        "warmup": "100", "weight-decay": "0.2", "ema": "0.99", "crop-scale": "0.45", "crop-aspect": "1.5", "jitter": "0.2",
        "grayscale": "0.05", "bf16": None, "seed": "1"}
AFTER = "after"  # no option of sensus: the run whose model this one begins with
VIT = ("vision", "resnet-width", "resnet-layers", "vision-heads")


def without(keys, **more):
    return {**{k: v for k, v in BASE.items() if k not in keys}, **{k.replace("_", "-"): v for k, v in more.items()}}


# name, what is said of it, options, share of BASE's steps (so that all see the same number of pairs)
RUNS = (
    ("base", "ResNet + CBOW, softmax, batch 256, 64 px, with scenes", BASE, 1),
    ("transformer", "text tower: Transformer", without(("text", "text-width"), text_layers="4", text_width="192"), 1),
    ("vit", "image tower: ViT, 8 px patches", without(VIT), 1),
    ("vit-transformer", "both Transformers", without((*VIT, "text", "text-width"), text_layers="4", text_width="192"), 1),
    ("sigmoid", "loss: sigmoid", {**BASE, "loss": "sigmoid"}, 1),
    ("hinge", "loss: hinge, margin 0.2", {**BASE, "loss": "hinge"}, 1),
    ("hinge-hardest", "loss: hinge with the hardest negatives", {**BASE, "loss": "hinge-hardest"}, 1),
    ("hinge-half", "loss: hinge, half of the steps", {**BASE, "loss": "hinge"}, 0.5),
    ("hinge-then-hardest", "after those half, the hardest negatives", {**BASE, "loss": "hinge-hardest", AFTER: "hinge-half"}, 0.5),
    ("order", "loss: order, margin 0.05", {**BASE, "loss": "order", "margin": "0.05"}, 1),
    ("batch-128", "batch 128", {**BASE, "batch": "128"}, 2),
    ("batch-1024", "batch 1,024", {**BASE, "batch": "1024"}, 0.25),
    ("no-scenes", "without composed scenes", BASE, 1),
    ("96px", "96 px", {**BASE, "image-px": "96"}, 1),
)


def leave_scenes_out(shards, out):
    """Copies of the shards without composed samples."""
    os.makedirs(out, exist_ok=True)
    for path in shards:
        target = os.path.join(out, os.path.basename(path))
        if os.path.exists(target):
            continue
        with tarfile.open(path) as tar, tarfile.open(target + ".part", "w") as kept:
            held = []
            for member in tar:
                held.append((member, tar.extractfile(member).read()))
                if not member.name.endswith(".json"):
                    continue
                if json.loads(held[-1][1])["source"] != "scene":
                    for m, data in held:
                        kept.addfile(m, io.BytesIO(data))
                held = []
        os.rename(target + ".part", target)
    return os.path.join(out, "*.tar")


def train(sensus, data, shards, out, name, options, steps):
    run = os.path.join(out, name)
    if os.path.isdir(os.path.join(run, "done")):
        return
    options = dict(options)
    before = options.pop(AFTER, None)
    if before:
        options["init"] = os.path.join(out, before, "model")
    flags = [x for k, v in options.items() for x in (["--" + k] if v is None else ["--" + k, v])]
    resume = ["--resume"] if glob.glob(os.path.join(run, "checkpoint-*")) else []
    subprocess.run([sensus, "train", "--data", shards, "--tokenizer", os.path.join(data, "tok"), "--out", run,
                    "--steps", str(steps), *flags, *resume], check=True, stdout=sys.stderr)
    os.mkdir(os.path.join(run, "done"))


def evaluate(sensus, data, model):
    emoji, photos = held_out(sensus, model, data)
    sums = lines(sensus, "arithmetic", "--model", model, "--manifest", os.path.join(data, "heldout-caltech", "manifest.jsonl"))
    return [emoji[0]["text_to_image"]["recall@10"]] + [p["top_1"] for p in photos.values()] + [sums[0]["analogy"]["recall@10"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sensus")
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", default="")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    shards = os.path.join(a.data, "bal", "*.tar")
    chosen = [r for r in RUNS if not a.only or r[0] in a.only.split(",")]
    print(f"{a.steps} steps of {BASE['batch']} pairs each\n")
    print("| run | held-out emoji, recall@10 | Caltech-101 held out, top-1 | left-out categories, top-1 | image(A) - text(A) + text(B), "
          "recall@10 |\n|---|---|---|---|---|")
    for name, title, options, share in chosen:
        data = leave_scenes_out(sorted(glob.glob(shards)), os.path.join(a.out, "shards")) if name == "no-scenes" else shards
        train(a.sensus, a.data, data, a.out, name, options, round(a.steps * share))
        print(f"| {title} | " + " | ".join(map(percent, evaluate(a.sensus, a.data, os.path.join(a.out, name, "model")))) + " |",
              flush=True)


if __name__ == "__main__":
    main()
