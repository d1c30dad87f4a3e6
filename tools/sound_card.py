#!/usr/bin/python3
"""sound_card.py SENSUS MODEL_DIR SEES_DIR DATA_DIR RUN_DIR... - measure a model that hears and write its card, MODEL_DIR/README.md.

DATA_DIR is what tools/sound_recipe.py wrote, SEES_DIR the model that sees whose text tower it has, RUN_DIR a training run's
folder (run.txt, its command line; log.jsonl; model/), one for each stage. The last one's model is measured too, before its
weights were rounded. Every number of the card comes from `sensus eval` here and now."""
import argparse
import collections
import json
import os
import subprocess
import tempfile

from model_card import lines, percent, tower, training  # beside this file

LICENCES = {
    "Tux Paint": "GPL-2+ (Debian package tuxpaint-stamps-default), read by the project's translators",
    "KLettres": "GPL-2+ (Debian package klettres-data)",
    "Free Spoken Digit Dataset": "CC-BY-SA 4.0, Z. Jackson, C. Souza, J. Flaks, Y. Pan, H. Nicolas, A. Thite",
    "espeak-ng": "synthetic speech, of a GPL-3 program; never measured with",
}


def manifest(data, name):
    return os.path.join(data, name + ".jsonl")


def english(data, name, work):
    """A manifest with the English recordings of another."""
    path = os.path.join(work, name + ".jsonl")
    with open(manifest(data, name), encoding="utf-8") as rows, open(path, "w", encoding="utf-8") as out:
        out.writelines(row for row in rows if json.loads(row).get("lang") == "en")
    return path


def measures(sensus, model, sees, data, work):
    """{name: what `sensus eval` gives}. Of the held-out sentences too few were read in English to measure with."""
    model = "--model", model
    test = manifest(data, "digits-test")
    return {
        "speakers": lines(sensus, "retrieval", *model, "--manifest", english(data, "speakers", work))[0],
        "digits": lines(sensus, "zero-shot", *model, "--manifest", test, "-t", "{}", "-t", "the number {}")[0],
        "probe": lines(sensus, "probe", *model, "--train", manifest(data, "digits-train"), "--test", test)[0],
        "spoken words": lines(sensus, "spoken", *model, "--pictures-model", sees, "--lang", "en", "--manifest",
                              manifest(data, "spoken-words"))[0],
    }


def rank(measure):
    return f"{measure['value']:.0f} ({measure['low']:.0f}–{measure['high']:.0f})"


def rows_of(m):
    """(what, number, chance) of all measures, the same order for every model."""
    found = []
    for side, name in (("text_to_image", "text finds recording"), ("image_to_text", "recording finds text")):
        s = m["speakers"][side]
        for k in ("recall@1", "recall@10"):
            found.append((f"words of a speaker never heard (KTuberling): {name} of {s['candidates']}, {k}", percent(s[k]),
                          100 * s[k]["chance"]))
    found.insert(0, ("digits of two speakers never heard: zero-shot", percent(m["digits"]["top_1"]),
                     100 * m["digits"]["top_1"]["chance"]))
    found.insert(1, ("digits of two speakers never heard: linear probe on four others", percent(m["probe"]["top_1"]),
                     100 / m["probe"]["classes"]))
    s, what = m["spoken words"]["sound_to_image"], "words of that speaker, as queries for Tux Paint's pictures"
    found.append((f"{what}: {s['queries']} for {s['candidates']}, recall@10", percent(s["recall@10"]),
                  100 * s["recall@10"]["chance"]))
    found.append((f"{what}: median rank", rank(s["median_rank"]), s["median_rank"]["chance"]))
    return found


def table(small, wide):
    rows = ["| English | this model | chance | before rounding |", "|---|---|---|---|"]
    for (what, value, chance), (_, before, _) in zip(rows_of(small), rows_of(wide)):
        rows.append(f"| {what} | **{value}** | {chance:.1f} | {before} |")
    return "\n".join(rows)


def sources(data):
    count = collections.Counter()
    with open(manifest(data, "train"), encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            count[row["source"]] += 1
    return count


def main(sensus, model, sees, data, runs):
    info = json.loads(subprocess.run([sensus, "model", "info", "--json", model], check=True, capture_output=True,
                                     text=True).stdout)
    size = sum(os.path.getsize(os.path.join(model, name)) for name in os.listdir(model) if name != "README.md")
    count = sources(data)
    command, said = training(runs)
    with tempfile.TemporaryDirectory() as work:
        small, wide = (measures(sensus, m, sees, data, work) for m in (model, os.path.join(runs[-1], "model")))
    rows = "\n".join(f"| {name} | {LICENCES[name]} | {n:,} |" for name, n in count.most_common())
    name = os.path.basename(os.path.normpath(model))
    card = f"""# {name}

A small model that hears: a convolutional audio tower and the text tower of `sensus-small`
({tower(info['text'])}; of its vocabulary the {info['vocabulary']:,} tokens of the most frequent words), so that recordings, texts and that model's pictures share one space: {info['parameters'] / 1e6:.2f} M parameters,
{info['dtype'].lower()}, {size / 1e6:.2f} MB in all. Fingerprint `{info['fingerprint']}`. It knows spoken words and short sentences, mostly
English. It is no speech recogniser, and knows no sounds but voices.

`tools/sound_card.py` wrote this page; each number was measured by `sensus eval` on the files of this folder, pictures by that model's image
tower. Values are percentages, or ranks, with 95 % bootstrap intervals; the last column is of the model before its vocabulary was trimmed and its
weights were rounded.

{table(small, wide)}

No speaker of the digits' test set and none of KTuberling's was learned from in any language, no sentence of the held-out tenth in any
language or voice (of which too few were read in English to measure with). Synthetic voices read KTuberling's words in training; they are
never measured with. Its recordings finding their words were watched while training (`--val`); the weights are those of the last step. Of pictures it has
seen none, and by voices that it never heard it does not find them.

## Training

{sum(count.values()):,} recordings.

| source | licence | recordings |
|---|---|---|
{rows}

**Licence of these weights.** The project's code is Apache-2.0; these weights are not, to be careful. They were learned from recordings under
GPL-2 or later and CC-BY-SA 4.0. Whether weights are derived from what they were learned from is not settled; if they are, GPL-3 or
later is a licence that fits all sources (CC-BY-SA 4.0 may become GPL-3, not the other way round). So take them under the GPL-3 or later, and name the
Free Spoken Digit Dataset. espeak-ng's licence does not reach what it says.

The runs of `sensus train`: {said}. To make it again:

```
{command}
```

## Limits

A window of {info.get('window_seconds', 1.28):g} s is heard at once, longer sounds by the mean of windows. Few speakers were heard, none of them children but by chance; languages other
than English are weak.
"""
    with open(os.path.join(model, "README.md"), "w", encoding="utf-8") as out:
        out.write(card)
    print(card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sensus")
    parser.add_argument("model")
    parser.add_argument("sees")
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+", metavar="run")
    main(**vars(parser.parse_args()))
