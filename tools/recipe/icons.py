"""Icons: more vendors' emoji as vector art, and icon sets whose names say what they show.

Every set is an npm package @iconify-json/SET: one JSON file of SVG bodies. libvips draws them, thousands in one process.
"""
import json
import os
import re
import subprocess
import unicodedata

import openclipart
from common import rng
from emoji import TONES, concept_of, wanted

EMOJI_SETS = ("twemoji", "emojione", "noto-v1", "fluent-emoji-flat", "fxemoji", "fluent-emoji-high-contrast",
              "streamline-emojis", "openmoji", "emojione-v1", "fluent-emoji", "emojione-monotone")
# Of these nothing goes into the held-out pictures: the first two are share-alike, the others came after the measure.
TRAINED_ONLY = ("openmoji", "emojione-v1", "fluent-emoji", "emojione-monotone")
# Which names of a set are kept: one drawing style of each, and (game-icons) also what no emoji shows.
NAMED_SETS = {"game-icons": r".*", "mdi": r"(?!.*-outline)", "ph": r".*-(fill|duotone)$",
              "tabler": r".*-filled$", "healthicons": r"(?!.*-(negative|outline))", "fa6-solid": r".*",
              "icon-park": r".*", "flat-color-icons": r".*", "streamline-color": r".*", "streamline-cyber-color": r".*",
              "streamline-kameleon-color": r".*", "streamline-plump-color": r".*", "streamline-ultimate-color": r".*"}
STYLE = re.compile(r"-(fill|filled|duotone|duo|flat|solid|one|two|three|\d+)$")
PREFIX = re.compile(r"^(animal|plants?|fruit|food|brand|logo|file|account|emoticon|alpha|numeric)-")
UNCLEAR = re.compile(r"\b(abstract|logo|brand|arrows?|off|variant|check|remove|plus|minus|edit|alert|settings?)\b")
INK = ("#000000",) * 6 + ("#1f3b73", "#7a1f1f", "#1d5c34", "#5b2d82", "#8a4b12", "#444444")
CHUNK, SIDE = 400, 96


class Set:
    """One package: its drawings, and code points where it gives them."""

    def __init__(self, modules, name):
        folder = os.path.join(modules, "@iconify-json", name)
        with open(os.path.join(folder, "icons.json"), encoding="utf-8") as data:
            self.data = json.load(data)
        self.name, self.icons = name, self.data["icons"]
        chars = os.path.join(folder, "chars.json")
        self.chars = json.load(open(chars, encoding="utf-8")) if os.path.exists(chars) else {}

    def svg(self, icon):
        body = self.icons[icon]
        width, height = (body.get(k, self.data.get(k, 16)) for k in ("width", "height"))
        return ('<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                'width="%d" height="%d" viewBox="%s %s %s %s" color="%s">%s</svg>'
                % (SIDE, SIDE * height // width, body.get("left", 0), body.get("top", 0), width, height,
                   rng("ink", self.name, icon).choice(INK), body["body"]))


def draw(folder, icon_set, icons):
    """Render icons that are not there yet. -> {icon: path of its PNG}."""
    target = os.path.join(folder, icon_set.name)
    os.makedirs(target, exist_ok=True)
    missing = [i for i in icons if not os.path.exists(os.path.join(target, i + ".png"))]
    for icon in missing:
        with open(os.path.join(target, icon + ".svg"), "w", encoding="utf-8") as out:
            out.write(icon_set.svg(icon))
    for first in range(0, len(missing), CHUNK):
        part = [i + ".svg" for i in missing[first:first + CHUNK]]
        subprocess.run(["vipsthumbnail", "--size", str(SIDE), "-o", "%s.png", *part], cwd=target, check=False)
    found = {i: os.path.join(target, i + ".png") for i in icons}
    return {i: p for i, p in found.items() if os.path.exists(p) and os.path.getsize(p)}     # empty: it could not be drawn


def codes_by_name(names, sets):
    """A vendor's icon name -> code points: from sets that say so, from CLDR, from Unicode's own names."""
    table = {}
    for icon_set in sets:
        for code, icon in icon_set.chars.items():
            table.setdefault(icon, tuple(int(c, 16) for c in code.split("-") if c != "fe0f"))
    for key in names.names["en"]:
        seq = tuple(ord(c) for c in key if c != "\ufe0f")
        table.setdefault(re.sub(r"[^a-z0-9]+", "-", names.names["en"][key].lower()).strip("-"), seq)
        if len(seq) == 1:
            table.setdefault(re.sub(r"[^a-z0-9]", "", unicodedata.name(chr(seq[0]), "").lower()), seq)
    return table


def collect_emoji(modules, names, folder):
    """-> list of (source, concept, path), as emoji.collect gives them."""
    sets = [Set(modules, name) for name in EMOJI_SETS]
    table = codes_by_name(names, [s for s in sets if s.chars])
    items = []
    for icon_set in sets:
        chosen = {}
        for icon in sorted(icon_set.icons):
            seq = table.get(icon) or table.get(re.sub(r"-[123]$", "", icon))
            if not seq or set(seq) & TONES:
                continue
            concept = concept_of("".join(map(chr, seq)))
            if wanted(concept, seq, names, icon_set.name):
                chosen.setdefault(concept, icon)
        paths = draw(folder, icon_set, sorted(chosen.values()))
        items += [(icon_set.name, c, paths[i]) for c, i in sorted(chosen.items()) if i in paths]
    return items


def title_of(icon):
    """"animal-chicken" -> "chicken", "anchor-one" -> "anchor"."""
    icon = STYLE.sub("", STYLE.sub("", icon))
    return PREFIX.sub("", icon).replace("-", " ")


def collect_named(modules, names, folder):
    """-> list of entries as openclipart.collect gives them, with "source"."""
    entries = []
    for name, keep in NAMED_SETS.items():
        icon_set, chosen = Set(modules, name), {}
        for icon in sorted(icon_set.icons):
            title = title_of(icon)
            if not re.match(keep, icon) or UNCLEAR.search(title) or not 2 < len(title) < 30:
                continue
            entry = dict(path="icons/" + icon, title=title, keywords=[], description="", grey=False,
                         italian=False, is_italian=False, own_title="", source=name)
            entry["exact"], entry["head"] = openclipart.match(names, entry)
            last = title.split()[-1]
            if entry["exact"] or name == "game-icons" and (entry["head"] or last in names.english_words):
                chosen.setdefault((title, icon.endswith("duotone")), (icon, entry))
        paths = draw(folder, icon_set, [icon for icon, _ in chosen.values()])
        for icon, entry in chosen.values():
            if icon in paths:
                entry["concept"] = entry["exact"] or "clip:" + entry["title"].replace(" ", "-")
                entry["png"] = paths[icon]
                entries.append(entry)
    return entries
