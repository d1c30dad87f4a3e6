#!/usr/bin/python3
"""model_card.py SENSUS MODEL_DIR DATA_DIR RUN_DIR... [--ablations TABLE.md] - measure a model and write its card, MODEL_DIR/README.md.

DATA_DIR is what tools/recipe/build.py made (stats.json and the held-out folders), RUN_DIR the folder of a stage: run.txt, its
commands, and for a run of `sensus train` log.jsonl. TABLE.md is what tools/ablations.py printed. Every other number of the card
comes from `sensus eval` here and now."""
import argparse
import glob
import json
import os
import subprocess
import tarfile
import tempfile

LANGUAGES = "en,de,fr,es,it,nl,pl,ru,tr,ja,zh"
TOWERS = {"vit": "Vision Transformer", "resnet": "ResNet with attention pooling", "transformer": "causal Transformer",
          "cbow": "mean of token embeddings"}
LAYOUTS = {"huggingface": "in Hugging Face's layout",
           "open_clip": "in open_clip's layout (`transformers` has no such towers)"}

TYPES = {"F16": "f16", "F32": "f32", "I8": "int8 (convolutions beyond 1 x 1, norms and biases f16)"}


def lines(sensus, *arguments):
    out = subprocess.run([sensus, "eval", *arguments, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.strip()]


def held_out(sensus, model, data):
    """-> (emoji by texts of each language, {folder: zero-shot}) on what recipe/build.py held out."""
    emoji = lines(sensus, "retrieval", "--model", model, "--lang", LANGUAGES,
                  "--manifest", os.path.join(data, "heldout-emoji", "manifest.jsonl"))
    photos = {name: lines(sensus, "zero-shot", "--model", model, "--manifest",
                          os.path.join(data, name, "manifest.jsonl"), "--template", "a photo of a {}",
                          "--template", "{}", "--template", "A {}.")[0]
              for name in ("heldout-caltech", "heldout-caltech-categories")}
    return emoji, photos


def photographs(data, work):
    """Caltech-101's photographs by their concepts, as two manifests: what was trained on, what was held out."""
    trained, held = os.path.join(work, "trained.jsonl"), os.path.join(work, "held.jsonl")
    known = set()
    with open(trained, "w", encoding="utf-8") as out:
        for shard in sorted(glob.glob(os.path.join(data, "bal", "*.tar"))):
            with tarfile.open(shard) as tar:
                members = {m.name: m for m in tar}
                for name in (n for n in members if n.endswith(".json")):
                    sample = json.load(tar.extractfile(members[name]))
                    if sample["source"] != "caltech":
                        continue
                    picture = name[:-5] + ".jpg"
                    with open(os.path.join(work, picture), "wb") as file:
                        file.write(tar.extractfile(members[picture]).read())
                    known.add(sample["concept"])
                    out.write(json.dumps({"image": os.path.join(work, picture), "label": sample["concept"]}) + "\n")
    folder = os.path.join(data, "heldout-caltech")
    with open(os.path.join(folder, "manifest.jsonl"), encoding="utf-8") as rows, open(held, "w", encoding="utf-8") as out:
        for row in map(json.loads, rows):
            if row["concept"] in known:
                out.write(json.dumps({"image": os.path.join(os.path.abspath(folder), row["image"]), "label": row["concept"]})
                          + "\n")
    return trained, held


def on_top(sensus, model, data):
    """The section on classifiers that are trained on the model's vectors."""
    with tempfile.TemporaryDirectory() as work:
        trained, held = photographs(data, os.path.abspath(work))
        both = "--model", model, "--train", trained, "--test", held
        probe = lines(sensus, "probe", *both)[0]
        near = lines(sensus, "knn", *both)[0]
        few = lines(sensus, "few-shot", *both, "--template", "a photo of a {}")[0]
    shots = " | ".join(percent(point["accuracy"]) for point in few["curve"])
    return f"""## Classifiers on top of its vectors: the same photographs

Learned from the {probe['train_images']:,} photographs of the trained categories, measured on {probe['images']:,} held-out ones,
{probe['classes']} classes: a linear probe **{percent(probe['top_1'])}** top-1, 20 nearest neighbours {percent(near['top_1'])}. The model itself
was trained with the same photographs, so this is what its vectors hold, not how well they carry over to data it never saw. A probe from a
few of them:

| {" | ".join(str(point['shots']) + "-shot" for point in few["curve"])} |
|{"---|" * len(few["curve"])}
| {shots} |
"""


def percent(measure):
    return f"{100 * measure['value']:.1f} ({100 * measure['low']:.1f}–{100 * measure['high']:.1f})"


def retrieval_table(results):
    rows = ["| language | direction | recall@1 | recall@5 | recall@10 | chance @10 | queries / candidates |",
            "|---|---|---|---|---|---|---|"]
    for r in results:
        for key, name in (("text_to_image", "text → image"), ("image_to_text", "image → text")):
            m = r[key]
            rows.append(f"| {r['language']} | {name} | {percent(m['recall@1'])} | {percent(m['recall@5'])} | "
                        f"**{percent(m['recall@10'])}** | {100 * m['recall@10']['chance']:.1f} | "
                        f"{m['queries']} / {m['candidates']} |")
    return "\n".join(rows)


def tower(info):
    return TOWERS[info["kind"]]


def mean_of_others(results):
    """Recall@10 text to image, averaged over the languages other than English."""
    others = [r["text_to_image"]["recall@10"]["value"] for r in results if r["language"] != "en"]
    return f"Mean text → image recall@10 of the {len(others)} languages other than English: " \
           f"**{100 * sum(others) / len(others):.1f}**."


def zero_shot_row(name, r):
    return (f"| {name} | {r['images']} / {r['classes']} | **{percent(r['top_1'])}** | {percent(r['top_5'])} | "
            f"{100 * r['top_1']['chance']:.1f} / {100 * r['top_5']['chance']:.1f} |")


def training(runs):
    """-> (commands of all stages, what the logs of `sensus train` say of its runs)."""
    commands, said = [], []
    for run in runs:
        with open(os.path.join(run, "run.txt")) as text:
            commands.append(text.read().strip())
        log_file = os.path.join(run, "log.jsonl")
        if not os.path.exists(log_file):
            continue
        with open(log_file) as log:
            steps = {s["step"]: s for s in map(json.loads, log) if "loss" in s}
        order, batch = sorted(steps), int(commands[-1].split("--batch ")[1].split()[0])
        hours = sum(batch * (b - a) / steps[b]["samples_per_s"] for a, b in zip(order, order[1:])) / 3600
        said.append(f"{order[-1]:,} steps of {batch} pairs in {hours:.2f} hours on one to two cores of a shared machine, "
                    f"last loss {steps[order[-1]]['loss_average']:.3f}")
    return "\n".join(commands), "; then ".join(said)


def choices(table):
    """The section on what tools/ablations.py printed, "" without it."""
    if not table:
        return ""
    with open(table, encoding="utf-8") as text:
        head, rows = text.read().strip().split("\n\n", 1)
    return f"""## What each choice is worth

One short run each from random weights, one seed: {head[0].lower() + head[1:]}. Each differs from the first in one thing; the intervals
do not cover another seed. Long runs may order them differently. `tools/ablations.py` makes the table.

{rows}

"""


def main(sensus, model, data, runs, table):
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "recipe", "tuxpaint_manifest.py"),
                        work], check=True, stdout=subprocess.DEVNULL)
        tux = lines(sensus, "retrieval", "--model", model, "--lang", LANGUAGES,
                    "--manifest", os.path.join(work, "manifest.jsonl"))
    emoji, photos = held_out(sensus, model, data)
    with open(os.path.join(data, "bal", "stats.json")) as kept, open(os.path.join(data, "stats.json")) as built:
        stats, built = json.load(kept), json.load(built)
    info = json.loads(subprocess.run([sensus, "model", "info", "--json", model], check=True, capture_output=True,
                                     text=True).stdout)
    command, said = training(runs)
    rows = "\n".join(f"| {k} | {built['licences'][k]} | {v:,} |" for k, v in sorted(stats["sources"].items()))
    card = f"""# {os.path.basename(os.path.normpath(model))}

A small multilingual CLIP ({tower(info['image'])} + {tower(info['text'])}) trained from scratch by
`sensus train`, the text tower further by `tools/recipe/align_text.py` (PyTorch):
{info['parameters'] / 1e6:.2f} M parameters, {info['bytes'] / 1e6:.2f} MB, {TYPES[info['dtype']]}, {LAYOUTS[info['names']]}. Fingerprint
`{info['fingerprint']}`. It knows drawings, emoji, clip art and some simple photographs, in {len(stats['languages'])} languages. It is not
a general photo model; larger CLIP models load into sensus as they are.

The weights are under **CC BY-SA 4.0**, since some of the pictures and dictionaries that they learned from are share-alike.

`tools/model_card.py` wrote this page; each number was measured by `sensus eval` on the files of this folder.
Values are percentages with 95 % bootstrap intervals.

## Never trained on: Tux Paint's stamps (1,033 pictures with a sentence)

A query counts as found when any picture with the same sentence is among the first k.

{retrieval_table(tux)}

{mean_of_others(tux)}

## Emoji concepts left out of training, drawn by several vendors

{retrieval_table(emoji)}

Many of these words are in the pairs of texts that the text tower learned from, as in any dictionary; no picture of what they name
is. This measure and the next were looked at between the stages of training; Tux Paint's stamps were not.

## Zero-shot classification of Caltech-101 photographs

| pictures | images / classes | top-1 | top-5 | chance |
|---|---|---|---|---|
{zero_shot_row("held-out images of trained categories", photos["heldout-caltech"])}
{zero_shot_row("categories whose photographs were left out", photos["heldout-caltech-categories"])}

Of the left-out categories no photograph was trained on; emoji and drawings of some of these things were.

{on_top(sensus, model, data)}
## Training

{stats['samples']:,} pictures, {stats['captions']:,} captions.

| source | licence | pictures |
|---|---|---|
{rows}

`tools/recipe/README.md` names the packages and the people.

Names and keywords in {len(stats['languages'])} languages ({', '.join(sorted(stats['languages']))}) are from Unicode CLDR (Unicode
licence) and emojibase (MIT); English synonyms, kinds and glosses from WordNet 3.0 (Copyright 2006 by Princeton University,
WordNet licence); other translations from WikDict (CC BY-SA 3.0, of Wiktionary), EDICT (CC BY-SA 3.0, EDRDG) and CC-CEDICT
(CC BY-SA 4.0, MDBG). Besides, {built['text_pairs']:,} pairs of texts without pictures came from WordNet and these dictionaries.
Neither Tux Paint nor any research-only photograph was trained on.

The last run of `sensus train`: {said}. To make it again:

```
{command}
```

{choices(table)}## Limits

Pictures are seen at {info['image_px']} × {info['image_px']} pixels; texts are short names and sentences (at most {info['context']} tokens). Counting,
spatial relations and fine species are weak. Names of people, places and brands are mostly unknown.
"""
    with open(os.path.join(model, "README.md"), "w") as out:
        out.write(card)
    print(card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sensus")
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+", metavar="run")
    parser.add_argument("--ablations", metavar="TABLE", dest="table")
    main(**vars(parser.parse_args()))
