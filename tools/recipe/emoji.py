"""Emoji: bitmap art of three vendors (icons.py has more), named in every language by CLDR (and emojibase
where CLDR is older).

A concept is one emoji without skin tone and variation selectors, for example "1f34e" (red apple).
"""
import glob
import io
import json
import os
from xml.etree import ElementTree

from PIL import Image

import english
from common import fraction, rng
from languages import LANGS, SAYINGS, sentence, with_article

CLDR = "/usr/share/unicode/cldr/common"
NOTO = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
TONES = {0x1F3FB, 0x1F3FC, 0x1F3FD, 0x1F3FE, 0x1F3FF}
EMOJIBASE = {"nb": "nb", "zh-Hant": "zh-hant"}

# "dog face" is also a dog: take the whole animal's names too.
WHOLE_ANIMAL = {"🐶": "🐕", "🐱": "🐈", "🐭": "🐁", "🐰": "🐇", "🐯": "🐅", "🐴": "🐎", "🐮": "🐄",
                "🐷": "🐖", "🐵": "🐒", "🐲": "🐉", "🐳": "🐋", "🌝": "🌕", "🌞": "☀", "🚍": "🚌",
                "🚖": "🚕", "🚔": "🚓", "🚘": "🚗", "🐥": "🐤", "🌂": "☂", "🐈‍⬛": "🐈", "🐩": "🐕",
                "🦮": "🐕", "🐕‍🦺": "🐕", "🐫": "🐪", "☔": "☂", "⛱": "☂", "📗": "📖", "📘": "📖",
                "📙": "📖", "📕": "📖", "⏰": "🕰", "🐻‍❄️": "🐻"}

SMILEYS, PEOPLE, ANIMALS, FOOD, TRAVEL, ACTIVITIES, OBJECTS, SYMBOLS, FLAGS = 0, 1, 3, 4, 5, 6, 7, 8, 9


def codes(text):
    return [ord(c) for c in text if ord(c) != 0xFE0F]


def concept_of(text):
    """Stable id: code points in hex without tones and variation selectors."""
    return "-".join("%x" % c for c in codes(text) if c not in TONES)


WHOLE = {concept_of(part): concept_of(whole) for part, whole in WHOLE_ANIMAL.items()}


def family_of(concept):
    """Concepts that differ only by gender, or as an animal and its face, are held out together."""
    concept = WHOLE.get(concept, concept)
    person = {"1f468": "1f9d1", "1f469": "1f9d1"}
    parts = [person.get(p, p) for p in concept.split("-") if p not in ("2640", "2642")]
    while parts and parts[-1] == "200d":
        parts.pop()
    return "-".join(parts)


def read_cldr(code):
    """-> names {emoji: str}, keywords {emoji: [str]} of one CLDR locale."""
    names, keywords = {}, {}
    for folder in ("annotationsDerived", "annotations"):
        path = os.path.join(CLDR, folder, code + ".xml")
        if not os.path.exists(path):
            continue
        for node in ElementTree.parse(path).iter("annotation"):
            key, text = node.get("cp").replace("\ufe0f", ""), node.text or ""
            if "↑↑↑" in text:
                continue
            if node.get("type") == "tts":
                names[key] = text
            else:
                keywords[key] = [w.strip() for w in text.split("|")]
    return names, keywords


class Names:
    """Names and keywords of every emoji in every language; `reading` gives Japanese in kana."""

    def __init__(self, modules, reading):
        self.reading = reading
        self.names, self.keywords, self.group, self.subgroup = {}, {}, {}, {}
        self.english_words = set()
        for lang, (code, _, _, _) in LANGS.items():
            names, keywords = read_cldr(code)
            base = os.path.join(modules, "emojibase-data", EMOJIBASE.get(lang, lang), "data.json")
            if os.path.exists(base):
                for entry in json.load(open(base, encoding="utf-8")):
                    key = entry["emoji"].replace("\ufe0f", "")
                    names.setdefault(key, entry["label"])
                    keywords.setdefault(key, entry.get("tags", []))
                    if lang == "en":
                        self.english_words.update(w.lower() for w in entry.get("tags", []))
                        self.group[concept_of(key)] = entry.get("group")
                        self.subgroup[concept_of(key)] = entry.get("subgroup")
            self.names[lang] = {k: english.plain(v) for k, v in names.items()}
            self.keywords[lang] = keywords
        self.key_of = {}
        for key in self.names["en"]:
            if not set(codes(key)) & TONES:
                self.key_of[concept_of(key)] = key
        self._index()

    def _index(self):
        """English and Italian words -> concept, to borrow translations for other sources."""
        self.by_english, self.by_italian = {}, {}
        for words in self.keywords["en"].values():
            self.english_words.update(w.lower() for w in words)
        order = (ANIMALS, FOOD, OBJECTS, TRAVEL, ACTIVITIES, PEOPLE, SMILEYS, SYMBOLS)
        ranked = [(c, k) for rank in order for c, k in self.key_of.items()
                  if self.group.get(c) == rank]
        for concept, key in ranked:
            name = self.names["en"][key]
            self.by_english.setdefault(name.lower(), concept)
            self.by_italian.setdefault(self.names["it"].get(key, name).lower(), concept)
        for concept, key in ranked:
            for alias in self.english(concept):
                self.by_english.setdefault(alias.lower(), concept)

    def english(self, concept):
        """Plain English names of a concept, best first."""
        key = self.key_of[concept]
        name = self.names["en"][key]
        group = self.group.get(concept)
        if name.startswith("flag: "):
            return ["flag of " + name[6:]]
        if name.startswith("keycap: "):
            return ["keycap " + name[8:], "number " + name[8:]]
        names = [name]
        raw = english.ALIASES.get(name) or english.ALIASES.get(name.replace("'", "’"), [])
        if group == ANIMALS and name.endswith(" face"):
            raw = raw + [name[:-5], name[:-5] + " head"]
        if "o'clock" in name or "-thirty" in name:
            names = ["clock showing " + name]
        if ": " in name:
            head, tail = name.split(": ", 1)
            names = [head + " with " + tail.replace(", ", " and ")]
        return names + raw

    def others(self, concept):
        """{lang: [names]} of a concept in every language but English."""
        key = self.key_of[concept]
        keys = [key]
        whole = {k.replace("\ufe0f", ""): v for k, v in WHOLE_ANIMAL.items()}.get(key)
        if whole:
            keys.append(whole)
        found = {}
        for lang in LANGS:
            if lang == "en":
                continue
            names = [self.names[lang][k] for k in keys if k in self.names[lang]]
            if lang == "ja":
                names = [way for n in names for way in (n, self.reading(n))]
            if names:
                found[lang] = list(dict.fromkeys(names))
        return found

    def keyword_line(self, lang, concept, seed, most=4):
        words = [w for w in self.keywords[lang].get(self.key_of[concept], [])
                 if w and len(w) < 24 and ":" not in w]
        name = self.names[lang].get(self.key_of[concept], "")
        words = list({w.lower(): w for w in words if w.lower() != name.lower()}.values())
        if not words or not name or ":" in name:
            return None
        rng(seed, lang).shuffle(words)
        return ", ".join([name] + words[:most - 1])


def name_lines(lang, name, photo=False):
    """The lines a bare name gives in a language other than English."""
    template = LANGS[lang][3 if photo else 2]
    lines = [sentence(lang, name), name, template.format(x=name)]
    if ":" in name:
        return lines
    phrase = with_article(lang, name)
    if phrase:
        lines.append(sentence(lang, phrase))
    return lines + [saying.format(x=name) for saying in SAYINGS.get(lang, ())]


def english_lines(names, photo=False):
    """The lines English names give: sentences first."""
    lines = []
    for i, name in enumerate(names):
        phrase = english.noun_phrase(name)
        lines.append(sentence("en", phrase))
        if i == 0:
            kind = "photo" if photo else "picture"
            lines += [name, "a %s of %s" % (kind, phrase)]
            lines.append("a photograph of " + phrase if photo else "a drawing of " + phrase)
    return lines


def concept_captions(names, concept, seed, photo=False, extra_names=()):
    """All captions of a concept."""
    captions = {"en": english_lines(list(extra_names) + names.english(concept), photo)}
    for lang, found in names.others(concept).items():
        captions[lang] = [line for n in found for line in name_lines(lang, n, photo)]
    for lang in LANGS:
        line = names.keyword_line(lang, concept, seed)
        if line:
            captions.setdefault(lang, []).append(line)
    if names.group.get(concept) == SYMBOLS:
        name = names.english(concept)[0]
        if not name.endswith(("sign", "symbol", "button", "arrow")):
            captions["en"].append("The %s symbol." % name)
    return captions


def noto_pictures():
    """{code tuple: PNG bytes} from the font's bitmap table, sequences through its ligatures."""
    from fontTools.ttLib import TTFont
    font = TTFont(NOTO, lazy=True)
    cmap = font.getBestCmap()
    strike = font["CBDT"].strikeData[0]
    back = {}
    for code, glyph in cmap.items():
        back.setdefault(glyph, code)
    glyphs = {(code,): glyph for code, glyph in cmap.items()}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for sub in lookup.SubTable:
            sub = getattr(sub, "ExtSubTable", sub)
            for first, ligatures in getattr(sub, "ligatures", {}).items():
                for lig in ligatures:
                    parts = [back.get(g) for g in [first] + lig.Component]
                    if None not in parts:
                        seq = tuple(p for p in parts if p != 0xFE0F)
                        glyphs.setdefault(seq, lig.LigGlyph)
    return {seq: strike[g].imageData for seq, g in glyphs.items() if g in strike}


def file_pictures(pattern):
    """{code tuple: path} from file names such as 1f468-200d-1f33e.png."""
    found = {}
    for path in sorted(glob.glob(pattern)):
        stem = os.path.basename(path).rsplit(".", 1)[0]
        try:
            seq = tuple(int(p, 16) for p in stem.split("-") if p != "fe0f")
        except ValueError:
            continue
        found.setdefault(seq, path)
    return found


def wanted(concept, seq, names, vendor):
    """Keep plain emoji, at most two skin tones of each, and one vendor's flags."""
    if concept not in names.key_of or names.group.get(concept) in (None, 2):
        return False
    if names.group[concept] == FLAGS:
        return vendor == "noto"
    tones = sorted(set(seq) & TONES)
    if not tones:
        return True
    kept = rng("tone", concept).sample(sorted(TONES), 2)
    return len(tones) == 1 and tones[0] in kept and vendor != "google" \
        and sum(1 for c in seq if c in TONES) == 1


def collect(modules, names):
    """-> list of (source, concept, picture bytes or path), sorted."""
    assets = os.path.join(modules, "@lobehub/fluent-emoji-3d/assets/*.webp")
    google = os.path.join(modules, "emoji-datasource-google/img/google/64/*.png")
    vendors = (("noto", noto_pictures()), ("google", file_pictures(google)),
               ("fluent", file_pictures(assets)))
    items = []
    for vendor, pictures in vendors:
        for seq in sorted(pictures):
            concept = "-".join("%x" % c for c in seq if c not in TONES)
            if wanted(concept, seq, names, vendor):
                items.append((vendor, concept, pictures[seq]))
    return items


def load(picture):
    """Decode to RGBA."""
    data = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    return Image.open(data).convert("RGBA")


def held_out(concept, protected):
    """One concept family in ten; what photographs also show stays in training."""
    family = family_of(concept)
    return family not in protected and fraction("emoji held out", family) < 0.10


def stands_alone(names, concept):
    """True for animals, food, vehicles, objects and plain people: what a scene may hold."""
    group = names.group[concept]
    if group == PEOPLE:
        plain = names.subgroup[concept] in (22, 23, 25, 26, 27, 28)
        return plain and concept == family_of(concept)
    return group in (ANIMALS, FOOD, TRAVEL, ACTIVITIES, OBJECTS)
