"""Open Clip Art Library: public-domain drawings with titles, descriptions and keywords."""
import glob
import hashlib
import math
import os
import re
import struct
from html import unescape

from PIL import Image

import english
import italian
from common import fraction
from languages import sentence

SVG = "/usr/share/openclipart/svg/"
PNG = "/usr/share/openclipart/png/"
DROP = re.compile(r"^(shapes|special|logos|buttons)/|themes?/|-theme|duplicates|semaphore"
                  r"|computer/(buttons|diagrams|network|folders)|games/cards/(bordered|simple|orn)"
                  r"|historic|signs_and_symbols/led|people/stickmen|tatoo|gallows|/gradient")
VAGUE = re.compile(r"^(card|untitled|etiquette icons?|aiga.*|clipart by.*|svg road signs|advertising"
                   r"|various cliparts?|blue ?man.*|smiley ?\d*|icon|image|drawing|unknown|test"
                   r"|.*clip ?art.*|people|symbol|recycle|no title|blueberry.*|r? ?sibmission|map symbols?.*|new document.*)$", re.I)
NOISE = re.compile(r"@|http|www|hash\s*\(|clip ?art|inkscape|\bsvg\b|\beps\b|\bI\b|\bmy\b|convert|"
                   r"collection|vector|created|based on|licen[cs]e|font|public domain|draw[ns]? by",
                   re.I)
AUTHORS = re.compile(r"[_ ]?\b(architet\w*|archit\w*|archi|arc|ganson|benji[_ ]p\w*|peterm|nicu\w*|"
                     r"lumen\w*|juliane\w*|jarno\w*|gerald[_ ]g\w*|jean[_ ]v\w*|sergio[_ ]l\w*|"
                     r"zazou|mimooh|leif\w*|linda[_ ]k\w*|jon[_ ]p\w*|aj[_ ]a\w*|uliphant|"
                     r"costea\w*|mo|bw|r|s)\b.*$", re.I)
KEYWORD_NOISE = {"hash", "unsorted", "sign", "signs_and_symbols", "etiquette", "clip_art", "clipart",
                 "media", "externalsource", "icons", "application", "contour", "menu", "outline",
                 "black and white", "bw", "cartoon", "color", "colour", "shape", "symbols"}
CATEGORY = {"animals/birds": "bird", "animals/bugs": "insect", "animals/fish": "fish",
            "animals/dinosaurs": "dinosaur", "animals/mammals": "animal", "food/fruit": "fruit",
            "food/vegetables": "vegetable", "food/desserts": "dessert", "plants/flowers": "flower",
            "plants/trees": "tree", "food/beverages": "drink", "transportation/vehicles": "vehicle",
            "transportation/boating": "boat", "buildings/homes": "house", "people/smilies":
            "smiley face", "tools/weapons": "weapon", "recreation/music": "musical instrument",
            "people/clothing": "piece of clothing", "education/books": "book"}
# As the last word of a title these often mean something else ("baseball bat", "mouse scroll").
AMBIGUOUS = set("bat scroll horn fly mouse note pick bow key link sign set board box head tie bar "
                "suit club symbol alien duck ring plug pen crane bug person map mate label".split())
MOST_PIXELS = 4_000_000     # a few posters are rendered at 200 megapixels
SUITS = {"c": "clubs", "d": "diamonds", "h": "hearts", "s": "spades"}
RANKS = {"a": "ace", "j": "jack", "q": "queen", "k": "king", "1": "ace", "2": "two", "3": "three",
         "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine",
         "10": "ten"}
ITALIAN_HINT = re.compile(r"architet|archit?_|_arc_|italian", re.I)


def png_pixels(path):
    """Width times height from the file's header."""
    with open(path, "rb") as data:
        return math.prod(struct.unpack(">II", data.read(24)[16:24]))


def field(text, tag):
    found = re.search(r"<dc:%s[^>]*>(.*?)</dc:%s>" % (tag, tag), text, re.S)
    return unescape(" ".join(found[1].split())) if found else ""


def tidy(title):
    """Readable title: no underscores, trailing numbers, brackets, camel case."""
    title = re.sub(r"\(b (and|&) w\)|(\b|_)b.?w(\b|_)", " ", title, flags=re.I)
    title = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", re.sub(r"[_+]+", " ", title))
    title = re.sub(r"rollandin|francesco|rpg map elements?|iconset|\bRPSWB\b", " ", title, flags=re.I)
    title = re.sub(r"\(.*?\)|\[.*?\]|#", " ", title)
    title = re.sub(r"\.(svg|png)$|\bsvg\b|\bv?\d+(\.\d+)*\b|(?<=[a-z])\d+\b", " ", title, flags=re.I)
    title = re.sub(r"\s+", " ", title).strip(" -,.:;!?'\"")
    title = re.sub(r"\b(icon|illustration|clip ?art|clipart)\b", "", title, flags=re.I).strip(" -,")
    words = [w for w in title.split() if len(w) > 1 or w in "aAI"]
    title = " ".join(words)
    if not words or len(words) > 8 or len(title) < 3:
        return ""
    if not title.isupper() or len(title) > 4:
        title = title.lower() if sum(w[0].isupper() for w in words) >= len(words) - 1 \
            else title
    return title


def read(path):
    """-> dict of what the drawing says about itself, or None where that is nothing useful."""
    text = open(os.path.join(SVG, path), encoding="utf-8", errors="replace").read()
    work = re.search(r"<cc:Work.*?</cc:Work>", text, re.S)
    if not work:
        return None
    work = re.sub(r"<dc:(publisher|creator|rights|contributor)>.*?</dc:\1>", "", work[0], flags=re.S)
    raw = field(work, "title")
    stem = os.path.basename(path)[:-4]
    keywords = [k.strip().lower().replace("_", " ") for k in
                re.findall(r"<rdf:li[^>]*>(.*?)</rdf:li>", work, re.S)]
    keywords = [k for k in dict.fromkeys(keywords) if 2 < len(k) < 20 and k not in KEYWORD_NOISE
                and "hash" not in k and "archit" not in k and not re.search(r"\d|@", k)]
    card = re.search(r"games/cards/.*_([cdhs])_(\w+)$", path[:-4])
    if card:
        if card[2].lower() not in RANKS:
            return None
        title = "%s of %s playing card" % (RANKS[card[2].lower()], SUITS[card[1]])
    elif VAGUE.match(raw.strip()) or not raw.strip():
        title = tidy(AUTHORS.sub("", stem.replace("aiga_", "").replace("-", " ")))
    else:
        title = tidy(raw)
    description = field(work, "description").split(". ")[0].strip(" .")
    if NOISE.search(description) or not 3 <= len(description.split()) <= 20:
        description = ""
    grey = bool(re.search(r"b (and|&) w|_bw\b|_bw_", raw + stem, re.I))
    by_italian = bool(ITALIAN_HINT.search(text + stem)) or path.startswith("unsorted/")
    return dict(path=path, title=title, keywords=keywords, description=description, grey=grey,
                italian=by_italian, own_title="", source="openclipart")


def match(names, entry):
    """-> (exact concept or None, head-noun concept or None) through CLDR's names."""
    title = re.sub(r"^(a|an|the) ", "", entry["title"].lower())
    words = title.split()
    if not words:
        return None, None
    if "/flags/" in entry["path"]:
        key = "flag: " + " ".join(w.capitalize() for w in words)
        for concept, emoji in names.key_of.items():
            if names.names["en"][emoji].lower() == key.lower():
                return concept, None
        return None, None

    def look(word):
        table = names.by_english
        if word == "mouse" and "computer" in entry["path"]:
            word = "computer mouse"
        return table.get(word) or (table.get(word[:-1]) if word.endswith("s") else None) \
            or (table.get(word[:-2]) if word.endswith("es") else None) \
            or table.get(english.plural(word))
    exact = look(title)
    head = look(" ".join(words[-2:]))
    if not head and words[-1] not in AMBIGUOUS:
        head = look(words[-1])
    if not exact and not head and entry["italian"]:
        for word in [title] + words:
            head = head or names.by_italian.get(word)
    return exact, head


def into_english(names, entry):
    """Give an Italian title its English; what stays unknown is left to the Italian captions."""
    entry["is_italian"] = False
    if not entry["italian"] or entry["exact"]:
        return
    translated = italian.translate(entry["title"])
    if translated:
        entry["own_title"], entry["title"] = entry["title"], translated
        entry["exact"], entry["head"] = match(names, entry)
        return
    last = entry["title"].split()[-1:]
    entry["is_italian"] = bool(last) and last[0].lower() not in names.english_words and \
        last[0].lower() not in names.by_english and bool(entry["head"])


def captions_of(names, entry, concept_lines):
    """Captions of one drawing; concept_lines(concept) gives the ones CLDR knows."""
    exact, head = entry["exact"], entry["head"]
    title, folder = entry["title"], "/".join(entry["path"].split("/")[:2])
    captions = {}
    if exact or head:
        borrowed = concept_lines(exact or head)
        captions = {k: list(v) for k, v in borrowed.items()}
        if not exact and not entry["is_italian"]:
            captions["en"] = captions["en"][:1]
    lines = []
    if "/flags/" in entry["path"]:
        lines += ["The flag of %s." % title.title(), "flag of " + title.title()]
    elif entry["is_italian"]:
        captions.setdefault("it", []).insert(0, sentence("it", title))
        captions["it"].insert(1, title)
    elif title:
        noun = exact or head or entry["own_title"] or title.lower().split()[-1] in names.english_words
        phrase = english.noun_phrase(title) if noun else title
        lines += [sentence("en", phrase), title, "a drawing of " + phrase]
        if entry["grey"]:
            lines.append("a black and white drawing of " + phrase)
    if entry["description"] and not entry["is_italian"]:
        lines.append(sentence("en", entry["description"]))
    words = [k for k in entry["keywords"] if k != title][:4]
    if words and not entry["is_italian"]:
        lines.append(", ".join([title] * bool(title) + words))
    elif words:
        lines.append(", ".join(words))
    if folder in CATEGORY and not exact:
        lines.append(sentence("en", english.noun_phrase(CATEGORY[folder])))
    captions["en"] = lines + captions.get("en", [])
    if entry["own_title"]:
        captions.setdefault("it", []).insert(0, sentence("it", entry["own_title"]))
    return captions


def collect(names):
    """-> list of entries with a concept id, one per distinct picture."""
    entries, seen = [], set()
    for svg in sorted(glob.glob(SVG + "**/*.svg", recursive=True)):
        path = svg[len(SVG):]
        png = PNG + path[:-4] + ".png"
        if os.path.islink(svg) or DROP.search(path) or not os.path.exists(png):
            continue
        if png_pixels(png) > MOST_PIXELS:
            continue
        digest = hashlib.sha256(open(png, "rb").read()).digest()
        entry = read(path)
        if digest in seen or not entry or not (entry["title"] or entry["keywords"]):
            continue
        seen.add(digest)
        entry["exact"], entry["head"] = match(names, entry)
        if "computer/icons" in path and not (entry["exact"] or entry["head"]):
            continue
        if "/flags/" in path and fraction("flag", path) > 0.4:
            continue
        into_english(names, entry)
        slug = re.sub(r"[^a-z0-9]+", "-", (entry["title"] or path).lower()).strip("-")
        entry["concept"] = entry["exact"] or "clip:" + slug
        entry["png"] = png
        entries.append(entry)
    return entries


def load(path):
    """Decode to RGBA, trimmed to what is drawn."""
    image = Image.open(path).convert("RGBA")
    image.thumbnail((256, 256), Image.LANCZOS)
    box = image.getchannel("A").getbbox()
    return image.crop(box) if box else None
