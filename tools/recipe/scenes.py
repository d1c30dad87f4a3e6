"""Composed pictures: cut-outs placed on backgrounds, with captions that say what is there."""
import colorsys
import copy
import io

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

import english
from common import rng
from emoji import name_lines
from languages import COLOURS, COLOUR_PHRASE, COUNT_PHRASE, LANGS, NUMBERS, sentence

SHEET = [(96, 96)] * 4 + [(96, 72), (72, 96), (96, 80)]
LIGHT = {"white": (255, 255, 255), "light blue": (190, 220, 250), "light green": (200, 240, 200),
         "yellow": (252, 235, 130), "pink": (250, 205, 220), "gray": (190, 190, 190),
         "blue": (70, 120, 220), "green": (70, 160, 85), "red": (205, 60, 55),
         "black": (20, 20, 22), "orange": (245, 160, 70), "purple": (140, 90, 190)}
NOT_SCENE = ("clock showing", "flag of", "button", "keycap", "mailbox", "tray", "face", "symbol",
             "locked", "globe showing", "cityscape", "night", "sunset", "sunrise", "low battery",
             "cyclone", "wave", "low volume", "high volume", "medium volume", "suit", "level")


class Thing:
    """One concept that may stand in a scene: its names and its cut-outs."""

    def __init__(self, concept, names, others):
        self.concept, self.names, self.others, self.pictures = concept, names, others, []
        self.name = names[0]
        self.more = None            # (plain lines, random) -> what WordNet adds

    def renamed(self, random):
        """The same thing under one of its English names."""
        other = copy.copy(self)
        other.name = random.choice(self.names)
        return other

    def picture(self, random):
        return Image.open(io.BytesIO(random.choice(self.pictures))).convert("RGBA")


def usable(name):
    """Countable nouns of at most three words: "a car", not "bread" or "sunset"."""
    phrase = english.noun_phrase(name)
    return phrase.startswith(("a ", "an ")) and len(name.split()) <= 3 and \
        not phrase.startswith("a pair of") and not any(w in name for w in NOT_SCENE)


def main_colour(image):
    """The colour word of a cut-out when most of what is drawn has that colour, else None."""
    small = image.resize((24, 24), Image.BILINEAR)
    votes, total = {}, 0
    for r, g, b, a in small.getdata():
        if a < 200:
            continue
        total += 1
        word = colour_word(r, g, b)
        votes[word] = votes.get(word, 0) + 1
    if total < 60:
        return None
    word, count = max(votes.items(), key=lambda kv: (kv[1], str(kv[0])))
    return word if word and count >= 0.62 * total else None


def colour_word(r, g, b):
    """A cautious word for one pixel; None where people would argue."""
    h, s, v = colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)
    h *= 360
    if v < 0.25:
        return "black"
    if s < 0.12:
        return "white" if v > 0.92 else "gray" if 0.3 < v < 0.75 else None
    if s < 0.45:
        return "pink" if (h > 320 or h < 10) and v > 0.8 else None
    if h < 14 or h > 345:
        return "red" if v > 0.5 else "brown"
    if 20 < h < 40:
        return "orange" if v > 0.85 and s > 0.6 else "brown" if v < 0.6 else None
    if 44 < h < 66:
        return "yellow" if v > 0.75 else None
    if 80 < h < 160:
        return "green"
    if 195 < h < 250:
        return "blue"
    if 260 < h < 300:
        return "purple"
    return None


def tint(image, colour):
    """Repaint a cut-out in shades of one colour."""
    grey = ImageOps.autocontrast(image.convert("L"), cutoff=2)
    base = COLOURS[colour]
    dark = tuple(int(c * 0.30) for c in base)
    light = tuple(min(255, int(c + (255 - c) * (0.25 if colour == "black" else 0.72)))
                  for c in base)
    painted = ImageOps.colorize(grey, dark, light, mid=base, midpoint=130)
    painted.putalpha(image.getchannel("A"))
    return painted


def lifelike(image, random, photos, keep_colour):
    """A cut-out with a photograph's light and shade on it, often in the tones of fur, wood or stone, slightly stretched.

    Drawings are flat and brightly coloured; what photographs share with them is shape (Geirhos et al. 2019)."""
    photo = Image.open(io.BytesIO(random.choice(photos))).convert("L")
    scale = random.uniform(0.3, 0.8)
    w, h = (max(8, int(v * scale)) for v in photo.size)
    x, y = random.randint(0, photo.width - w), random.randint(0, photo.height - h)
    size = [max(8, round(v * random.uniform(0.75, 1.25))) for v in image.size]
    image = image.resize(size, Image.BILINEAR)
    grain = ImageOps.autocontrast(photo.crop((x, y, x + w, y + h)), cutoff=2).resize(size, Image.BILINEAR)
    grain = grain.point(lambda v: 90 + v * 165 // 255)
    if not keep_colour and random.random() < 0.6:
        tone = colorsys.hsv_to_rgb(random.uniform(0.02, 0.14), random.uniform(0.05, 0.6), random.uniform(0.35, 0.85))
        tone = [int(255 * c) for c in tone]
        body = ImageOps.colorize(image.convert("L"), [c // 5 for c in tone], [(c + 510) // 3 for c in tone], mid=tone)
    else:
        body = image.convert("RGB")
    shaded = ImageChops.multiply(body, Image.merge("RGB", [grain] * 3))
    if random.random() < 0.5:
        shaded = shaded.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    shaded.putalpha(image.getchannel("A"))
    return shaded


def background(random, size, photos):
    """-> (picture, words about it or None)."""
    kind = random.random()
    if kind < 0.42:
        return Image.new("RGB", size, (255, 255, 255)), None
    if kind < 0.64:
        word = random.choice(sorted(LIGHT))
        base = tuple(max(0, min(255, c + random.randint(-8, 8))) for c in LIGHT[word])
        return Image.new("RGB", size, base), word
    if kind < 0.80:
        top = [random.randint(110, 255) for _ in range(3)]
        low = [random.randint(60, 255) for _ in range(3)]
        ramp = Image.linear_gradient("L").resize(size)
        if random.random() < 0.4:
            ramp = ramp.rotate(random.choice((90, 180)), expand=False)
        return ImageOps.colorize(ramp, top, low), None
    if kind < 0.86:
        grain = random.randbytes(size[0] * size[1])
        paper = Image.frombytes("L", size, grain).filter(ImageFilter.GaussianBlur(0.6))
        tone = [random.randint(120, 240) for _ in range(3)]
        return ImageOps.colorize(paper, [int(c * 0.8) for c in tone],
                                 [min(255, int(c * 1.1)) for c in tone]), None
    photo = Image.open(io.BytesIO(random.choice(photos))).convert("RGB")
    scale = random.uniform(0.3, 0.7)
    w, h = (max(8, int(v * scale)) for v in photo.size)
    x, y = random.randint(0, photo.width - w), random.randint(0, photo.height - h)
    photo = photo.crop((x, y, x + w, y + h)).resize(size, Image.BILINEAR)
    return photo.filter(ImageFilter.GaussianBlur(random.uniform(0.8, 3))), None


def place(canvas, cutout, centre, side, random, upright=False):
    """Paste a cut-out scaled to `side`, slightly turned, perhaps mirrored, inside the canvas."""
    scale = side / max(cutout.size)
    cutout = cutout.resize([max(2, round(v * scale)) for v in cutout.size], Image.LANCZOS)
    if random.random() < 0.4:
        cutout = ImageOps.mirror(cutout)
    if not upright and random.random() < 0.6:
        cutout = cutout.rotate(random.uniform(-18, 18), Image.BICUBIC, expand=True)
    x = min(max(0, int(centre[0] - cutout.width / 2)), max(0, canvas.width - cutout.width))
    y = min(max(0, int(centre[1] - cutout.height / 2)), max(0, canvas.height - cutout.height))
    canvas.paste(cutout, (x, y), cutout)


def joined(lang, names):
    """a, b and c"""
    names = list(names)
    if lang == "en":
        head = ", ".join(names[:-1])
        return head + " and " + names[-1]
    comma = {"ja": "、", "zh": "、", "ar": "، "}.get(lang, ", ")
    return comma.join(names[:-1]) + LANGS[lang][1] + names[-1]


def other_names(things, random):
    """{lang: [name of each thing]} for the languages that can name all of them."""
    found = {}
    for lang in LANGS:
        if lang == "en" or not all(lang in t.others for t in things):
            continue
        found[lang] = [t.others[lang][0] for t in things]
    return found


def list_captions(things, phrases, random):
    """Captions that only list what is there, in any order."""
    order = list(range(len(things)))
    random.shuffle(order)
    text = joined("en", [phrases[i] for i in order])
    captions = {"en": [sentence("en", text), "a picture of " + text]}
    for lang, names in other_names(things, random).items():
        line = joined(lang, [names[i] for i in order])
        captions[lang] = [sentence(lang, line), line]
    return captions


def pick(pool, count, random):
    """Distinct things whose names do not repeat."""
    while True:
        chosen = [t.renamed(random) for t in random.sample(pool, count)]
        words = {w for t in chosen for w in t.name.split()}
        if len({t.name for t in chosen}) == count and \
                len(words) == sum(len(set(t.name.split())) for t in chosen):
            return chosen


def coloured(image, thing, random, chance):
    """-> (picture, English noun phrase, colour word or None)."""
    if random.random() < chance and not any(c in thing.name.split() for c in COLOURS):
        colour = random.choice(sorted(COLOURS))
        return tint(image, colour), english.article(colour + " " + thing.name), colour
    return image, english.noun_phrase(thing.name), None


def single(random, pool, photos):
    """One thing, at any size and place, sometimes repainted, on any background."""
    thing = random.choice(pool).renamed(random)
    size = random.choice(SHEET)
    canvas, ground = background(random, size, photos)
    image, phrase, colour = coloured(thing.picture(random), thing, random, 0.3)
    if random.random() < 0.6:
        image = lifelike(image, random, photos, colour)
    side = min(size) * random.uniform(0.5, 1.0)
    centre = [random.uniform(side / 2, max(side / 2, v - side / 2)) for v in size]
    place(canvas, image, centre, side, random)
    captions = {"en": [sentence("en", phrase), phrase, "a picture of " + phrase]}
    if ground:
        captions["en"] += ["%s on a %s background" % (phrase, ground)] * 2
        captions["en"].append("A drawing of %s on a %s background." % (phrase, ground))
    if thing.more:
        captions["en"] += thing.more(len(captions["en"]), random)
    for lang, names in thing.others.items():
        if colour and lang in COLOUR_PHRASE:
            template, words = COLOUR_PHRASE[lang]
            line = template.format(x=names[0], c=words[colour])
            captions[lang] = [sentence(lang, line), line]
        elif not colour:
            captions[lang] = name_lines(lang, names[0])
    return canvas, captions, thing.concept


def varied(data, random, photos):
    """A cut-out turned, shrunk and put somewhere on a background it stands out from."""
    image, size = Image.open(io.BytesIO(data)).convert("RGBA"), random.choice(SHEET)
    alpha = image.getchannel("A")
    own = ImageStat.Stat(image.convert("L"), alpha).mean[0]
    if random.random() < 0.4:
        image = lifelike(image, random, photos, True)
    for _ in range(6):
        canvas, _ = background(random, size, photos)
        if abs(ImageStat.Stat(canvas.convert("L")).mean[0] - own) > 50:
            break
    else:
        canvas = Image.new("RGB", size, (255, 255, 255) if own < 128 else (60, 70, 80))
    image = image.rotate(random.uniform(-20, 20), Image.BICUBIC, expand=True)
    side = min(size) * random.uniform(0.6, 1.0)
    place(canvas, image, [random.uniform(side / 2, max(side / 2, v - side / 2)) for v in size], side, random, True)
    return canvas


def count(random, pool, photos):
    """Two to five of the same thing."""
    thing, number = random.choice(pool).renamed(random), random.choice((2, 2, 3, 3, 4, 5))
    size = random.choice(SHEET)
    canvas, _ = background(random, size, photos)
    image = thing.picture(random)
    image, _, colour = coloured(image, thing, random, 0.25)
    side = min(size) * {2: 0.5, 3: 0.44, 4: 0.40, 5: 0.32}[number]
    slots = slots_for(number, size, random)
    for centre in slots:
        place(canvas, image, centre, side * random.uniform(0.88, 1.08), random)
    noun = english.plural((colour + " " if colour else "") + thing.name)
    text = NUMBERS[number] + " " + noun
    captions = {"en": [sentence("en", text), text, "a picture of " + text,
                       sentence("en", "some " + noun)]}
    for lang, (template, words) in COUNT_PHRASE.items():
        if number in words and lang in thing.others and not colour:
            line = template.format(n=words[number], x=thing.others[lang][0])
            captions[lang] = [sentence(lang, line), line]
    return canvas, captions, "scene:%d:%s" % (number, thing.concept)


def slots_for(number, size, random):
    """Centres spread so that neighbours hardly touch."""
    w, h = size
    grids = {2: [(.27, .5), (.73, .5)], 3: [(.25, .3), (.75, .3), (.5, .74)],
             4: [(.26, .27), (.74, .27), (.26, .74), (.74, .74)],
             5: [(.2, .22), (.8, .22), (.5, .5), (.2, .8), (.8, .8)]}
    grid = grids[number]
    if number == 2 and random.random() < 0.3:
        grid = [(.5, .27), (.5, .73)]
    elif number == 3 and random.random() < 0.5:
        grid = [(x, 1 - y) for x, y in grid]
    return [(w * (x + random.uniform(-.03, .03)), h * (y + random.uniform(-.03, .03)))
            for x, y in grid]


def relation(random, pool, photos):
    """Two things beside or above each other."""
    things = pick(pool, 2, random)
    size = random.choice(SHEET)
    canvas, _ = background(random, size, photos)
    parts = [coloured(t.picture(random), t, random, 0.2) for t in things]
    beside = random.random() < 0.6
    first = (.26, random.uniform(.4, .6)) if beside else (random.uniform(.4, .6), .26)
    second = (.74, random.uniform(.4, .6)) if beside else (random.uniform(.4, .6), .75)
    for (image, _, _), centre in zip(parts, (first, second)):
        side = (size[0] if beside else size[1]) * random.uniform(0.40, 0.50)
        place(canvas, image, (centre[0] * size[0], centre[1] * size[1]),
              min(side, min(size) * 0.9), random)
    a, b = (p[1] for p in parts)
    if beside:
        lines = ["%s to the left of %s" % (a, b), "%s to the right of %s" % (b, a),
                 "%s on the left and %s on the right" % (a, b), "%s next to %s" % (b, a)]
    else:
        lines = ["%s above %s" % (a, b), "%s below %s" % (b, a), "%s under %s" % (b, a)]
    captions = list_captions(things, [a, b], random)
    lines = random.sample(lines, 2)
    captions["en"] += [lines[0], sentence("en", lines[1])]
    return canvas, captions, "scene:" + "+".join(sorted(t.concept for t in things))


def sizes(random, pool, photos):
    """A big thing and a small thing."""
    things = pick(pool, 2, random)
    size = random.choice(SHEET)
    canvas, _ = background(random, size, photos)
    low = min(size)
    flip = random.random() < 0.5
    for thing, part, x in zip(things, (0.68, 0.27), (0.34, 0.84)):
        centre = ((1 - x if flip else x) * size[0], size[1] * random.uniform(0.4, 0.6))
        place(canvas, thing.picture(random), centre, low * part, random)
    big, small = (english.article(w + " " + t.name) for w, t in zip(("big", "small"), things))
    captions = list_captions(things, [big, small], random)
    return canvas, captions, "scene:" + "+".join(sorted(t.concept for t in things))


def several(random, pool, photos):
    """Three or four different things."""
    number = random.choice((3, 3, 4))
    things = pick(pool, number, random)
    size = random.choice(SHEET)
    canvas, _ = background(random, size, photos)
    for thing, centre in zip(things, slots_for(number, size, random)):
        side = min(size) * {3: 0.46, 4: 0.42}[number] * random.uniform(0.85, 1.05)
        place(canvas, thing.picture(random), centre, side, random)
    captions = list_captions(things, [english.noun_phrase(t.name) for t in things], random)
    return canvas, captions, "scene:" + "+".join(sorted(t.concept for t in things))


KINDS = ((single, 22000), (relation, 7000), (count, 5000), (several, 3500), (sizes, 2500))


def plan(scale=1.0):
    """-> list of (kind name, number), one per scene."""
    return [(kind.__name__, i) for kind, total in KINDS for i in range(int(total * scale))]


def compose(job, pool, photos):
    """Draw one planned scene. The result depends on the job only."""
    name, i = job
    random = rng("scene", name, i)
    return globals()[name](random, pool, photos)
