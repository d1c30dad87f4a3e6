#!/usr/bin/python3
"""Write manifests of spoken words with their texts: what a model that hears learns from and is measured with.

    sound_recipe.py OUT [--digits recordings.tar.gz] [--speech N] [--languages en,fr] [--speech-languages en] [--seed N]

  train.jsonl          {"audio", "captions": {"en": [...], "fr": [...]}, "concept", "lang", "source"}
  concepts.jsonl       Tux Paint's recordings of concepts that no line of train.jsonl names; their speakers are known
  speakers.jsonl       KTuberling's recordings: speakers that were never learned from, words that synthetic voices said
  spoken.jsonl         of concepts.jsonl: each recording beside the picture that it speaks of; all stamps are candidates
  spoken-words.jsonl   of speakers.jsonl: each word beside Tux Paint's pictures of that name
  digits-train.jsonl   spoken digits with labels, of four speakers, which are in train.jsonl too
  digits-test.jsonl    of the two other speakers
  SOURCES.md           where all of it is from, and under which licence

Sources: Tux Paint's spoken descriptions of its stamps (GPL-2), KTuberling's words (GPL-2+; held out), KLettres' letters and
syllables (GPL-2+), the Free Spoken Digit Dataset (CC-BY-SA 4.0, --digits), and espeak-ng's voices reading the texts of all
of these (--speech lines of them), which are never tested with. A source that is not installed is left out, and said so.
A concept is an English sentence; a tenth of them are held out, by hash, in every language and from the synthetic speech too.
"""
import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "recipe"))
from tuxpaint_manifest import language, read_captions, stamps  # noqa: E402

DIGITS = "zero one two three four five six seven eight nine".split()
TEST_SPEAKERS = ("theo", "yweweler")
HELD_OUT = 0.1
THEMES = ("robot_workshop_", "butterflies_", "pizzeria_", "egypt_", "moon_", "xmas_", "tv_")
WORDS = {"palmtree": "palm tree", "fallingstar": "falling star", "fireengine": "fire engine", "sphynx": "sphinx",
         "brocolli": "broccoli", "ufo": "flying saucer", "spectacles": "glasses"}
# Variants that no one would take for a speaker.
UNLIKE = {"Demonic", "robosoft", "robosoft2", "robosoft3", "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8",
          "anikaRobot", "UniRobot", "fast_test", "whisper", "whisperf", "croak", "Storm", "norbert", "Tweaky"}
WORD_SHARE = 8  # readings of a digit or of a word of KTuberling's for each of a sentence
ENGLISH = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-us-nyc", "en-029"]
LICENCES = {
    "Tux Paint": "GPL-2 (Debian package tuxpaint-stamps-default); recordings by the project's translators",
    "KTuberling": "GPL-2+ (Debian package ktuberling-data); only measured with",
    "KLettres": "GPL-2+ (Debian package klettres-data)",
    "Free Spoken Digit Dataset": "CC-BY-SA 4.0, Jackson et al.; weights learned from it name it",
    "espeak-ng": "synthetic, by a GPL-3 program that reads texts of the above; never tested with",
}


def fraction(seed, text):
    return int.from_bytes(hashlib.sha256(f"{seed}|{text}".encode()).digest()[:8], "big") / 2 ** 64


def concept_of(sentence):
    """Articles and dots do not make another concept."""
    words = sentence.lower().strip(" .!").split()
    return " ".join(w for w in words if w not in ("a", "an", "the", "some"))


# ---- sources ----

def tux_paint(root):
    """A line for each spoken description, with the stamp's picture."""
    for picture, text in stamps(root):
        captions = read_captions(text)
        if "en" not in captions:
            continue
        stem = os.path.splitext(picture)[0]
        for path in sorted(glob.glob(glob.escape(stem) + "_desc*.ogg")):
            code = os.path.basename(path)[len(os.path.basename(stem)) + len("_desc"):-len(".ogg")].strip("_") or "en"
            lang = language(code)
            if lang not in captions:
                continue
            yield {"audio": path, "image": picture, "lang": lang, "source": "Tux Paint", "concept": concept_of(captions["en"][0]),
                   "captions": {k: captions[k] for k in sorted({lang, "en"})}}


def ktuberling(root):
    for theme in sorted(glob.glob(os.path.join(root, "*.soundtheme"))):
        lang = language(os.path.basename(theme)[:-len(".soundtheme")])
        if "@" in lang:
            continue  # another spelling of what is there already
        for sound in xml.etree.ElementTree.parse(theme).iter("sound"):
            name, path = sound.get("name"), os.path.join(root, sound.get("file"))
            if "tux" in name or not os.path.exists(path):
                continue
            for prefix in THEMES:
                name = name[len(prefix):] if name.startswith(prefix) else name
            name = name.rstrip("0123456789")
            name = WORDS.get(name, name).replace("_", " ")
            yield {"audio": path, "lang": lang, "concept": name, "captions": {"en": [name]}}


def klettres(root):
    for page in sorted(glob.glob(os.path.join(root, "*", "sounds.xml"))):
        try:
            tree = xml.etree.ElementTree.parse(page)
        except xml.etree.ElementTree.ParseError:
            continue
        lang = language(os.path.basename(os.path.dirname(page)))
        for sound in tree.iter("sound"):
            path, name = os.path.join(root, sound.get("file") or ""), (sound.get("name") or "").lower()
            if name and os.path.isfile(path):
                yield {"audio": path, "lang": lang, "source": "KLettres", "concept": f"{lang}:{name}", "captions": {lang: [name]}}


def digits(archive, out):
    """Unpacked below OUT; (is it a test speaker's, line)."""
    folder = os.path.join(out, "digits")
    with tarfile.open(archive) as tar:
        names = sorted(m.name for m in tar if m.isfile() and m.name.endswith(".wav"))
        if not os.path.isdir(folder):
            tar.extractall(folder + ".part", members=[m for m in tar if m.isfile() and m.name in names])
            os.rename(folder + ".part", folder)
    for name in names:
        digit, speaker, _ = os.path.basename(name).split("_")
        word = DIGITS[int(digit)]
        yield speaker in TEST_SPEAKERS, {"audio": os.path.join(os.path.abspath(folder), name), "lang": "en", "label": word,
                                         "source": "Free Spoken Digit Dataset",
                                         "concept": f"digit {word}", "captions": {"en": [word, f"the number {word}", digit]}}


# ---- synthetic speech ----

def voices(what=""):
    """Rows of espeak-ng's table of languages, or of variants of voices."""
    table = subprocess.run(["espeak-ng", "--voices" + what], capture_output=True, text=True, check=True).stdout
    return [line.split() for line in table.splitlines()[1:]]


def languages():
    return {row[1] for row in voices()}


def variants():
    """Ways to change every voice: other throats, about a hundred of them."""
    names = {os.path.basename(row[4]) for row in voices("=variant") if len(row) > 4}
    return [""] + sorted("+" + name for name in names - UNLIKE)


def reading(lang, ways, r):
    """The command of a voice that r draws."""
    voice = (r.choice(ENGLISH) if lang == "en" else lang) + r.choice(ways)
    return ["espeak-ng", "-v", voice, "-s", str(r.randint(100, 230)), "-p", str(r.randint(5, 95)), "-a",
            str(r.randint(60, 150))]


def speak(command, text, folder):
    """The recording of a text, made unless it is there; None: the voice can't."""
    path = os.path.join(folder, hashlib.sha256("|".join(command + [text]).encode()).hexdigest()[:20] + ".wav")
    if not os.path.exists(path):
        part = path + ".part"
        done = subprocess.run(command + ["-w", part, "--", text], stderr=subprocess.DEVNULL).returncode == 0
        if not done or os.path.getsize(part) < 2000:
            return None
        os.rename(part, path)
    return path


def texts_of(lines, wanted):
    """What there is to read of each concept: {concept: {(language, text)}}."""
    spoken, texts = languages(), collections.defaultdict(set)
    for line in lines:
        for lang, sentences in line["captions"].items():
            if (lang.lower() in spoken or lang == "en") and (not wanted or lang in wanted):
                texts[line["concept"]].update((lang.lower(), s) for s in sentences)
    return texts


def synthetic(lines, words, count, out, seed, wanted):
    """`count` readings of the lines' texts, half of them English; a concept in `words` has WORD_SHARE times as many."""
    texts, ways, r, asked = texts_of(lines, wanted), variants(), random.Random(seed), []
    folder = os.path.join(os.path.abspath(out), "speech")
    os.makedirs(folder, exist_ok=True)
    concepts = [c for c in sorted(texts) for _ in range(WORD_SHARE if c in words else 1)]
    for i in range(count if concepts else 0):
        if i % len(concepts) == 0:
            r.shuffle(concepts)
        concept = concepts[i % len(concepts)]
        all_of_it = sorted(texts[concept])
        english = [t for t in all_of_it if t[0] == "en"]
        lang, text = r.choice(english if english and r.random() < 0.5 else all_of_it)
        captions = {lang: [text]}
        if english:
            captions.setdefault("en", [t for _, t in english])
        asked.append((reading(lang, ways, r), text, {"lang": lang, "source": "espeak-ng", "concept": concept,
                                                            "captions": captions}))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (_, _, line) in zip(pool.map(lambda a: speak(a[0], a[1], folder), asked), asked):
            if path:
                yield {"audio": path, **line}


# ---- the whole ----

def write(out, name, lines, candidates=()):
    """candidates: pictures that are named beside the recordings."""
    with open(os.path.join(out, name), "w", encoding="utf-8") as f:
        for line in lines + [{"image": path} for path in candidates]:
            f.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{name}: {len(lines)} recordings of {len({x['concept'] for x in lines})} concepts in "
          f"{len({x['lang'] for x in lines})} languages")


def without(lines, *keys):
    return [{k: v for k, v in line.items() if k not in keys} for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--stamps", default="/usr/share/tuxpaint/stamps")
    parser.add_argument("--ktuberling", default="/usr/share/ktuberling/sounds")
    parser.add_argument("--klettres", default="/usr/share/klettres")
    parser.add_argument("--digits", help="the Free Spoken Digit Dataset's recordings, as .tar.gz")
    parser.add_argument("--speech", type=int, default=6000, help="lines of synthetic speech; 0: none")
    parser.add_argument("--languages", help="only recordings in these, with commas between them; otherwise all")
    parser.add_argument("--speech-languages", help="the same for synthetic speech; otherwise as --languages")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    used, train, wanted = [], [], args.languages and args.languages.split(",")
    read = args.speech_languages.split(",") if args.speech_languages else wanted

    def chosen(lines):
        return [x for x in lines if not wanted or x["lang"] in wanted]

    every_stamp = list(tux_paint(args.stamps))
    pictures_of = collections.defaultdict(list)
    for line in every_stamp:
        if line["image"] not in pictures_of[line["concept"]]:
            pictures_of[line["concept"]].append(line["image"])
    stamps_spoken = chosen(every_stamp)
    held = {x["concept"] for x in every_stamp if fraction(args.seed, x["concept"]) < HELD_OUT}
    test = [x for x in stamps_spoken if x["concept"] in held]
    train += without([x for x in stamps_spoken if x["concept"] not in held], "image")
    others = chosen(ktuberling(args.ktuberling))
    letters = chosen(klettres(args.klettres))
    train += letters
    for name, found in (("Tux Paint", stamps_spoken), ("KTuberling", others), ("KLettres", letters)):
        if found:
            used.append(name)
        else:
            print(f"{name}: not installed; left out", file=sys.stderr)
    if args.digits:
        used.append("Free Spoken Digit Dataset")
        told = list(digits(args.digits, args.out))
        write(args.out, "digits-train.jsonl", [x for is_test, x in told if not is_test])
        write(args.out, "digits-test.jsonl", [x for is_test, x in told if is_test])
        train += without([x for is_test, x in told if not is_test], "label")
    if args.speech and shutil.which("espeak-ng"):
        used.append("espeak-ng")
        texts = [x for x in train + others + every_stamp if x["concept"] not in held]
        words = {x["concept"] for x in others} | {f"digit {word}" for word in DIGITS}
        train += list(synthetic(texts, words, args.speech, args.out, args.seed, read))
    elif args.speech:
        print("espeak-ng: not installed; left out", file=sys.stderr)
    if not train:
        sys.exit("nothing to learn from: tools/setup.sh sound installs the sources")
    assert not {x["concept"] for x in train} & held
    write(args.out, "train.jsonl", train)
    write(args.out, "concepts.jsonl", without(test, "image"))
    pictures = sorted({x["image"] for x in every_stamp})
    write(args.out, "spoken.jsonl", without(test, "captions"), pictures)
    write(args.out, "speakers.jsonl", others)
    write(args.out, "spoken-words.jsonl", [dict(audio=x["audio"], image=image, lang=x["lang"], concept=x["concept"])
                                           for x in others for image in pictures_of.get(x["concept"], ())], pictures)
    with open(os.path.join(args.out, "SOURCES.md"), "w") as f:
        f.write("# What a model learns from here, and is measured with\n\n")
        f.writelines(f"- {name}: {LICENCES[name]}\n" for name in used)


if __name__ == "__main__":
    main()
