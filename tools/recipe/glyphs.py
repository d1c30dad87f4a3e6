"""Letters, digits and the symbols that CLDR names, drawn in many typefaces."""
import glob

from PIL import Image, ImageDraw, ImageFont
from fontTools.ttLib import TTFont

import emoji
from common import png, rng
from languages import LANGS, sentence

FONTS = "/usr/share/fonts/truetype/%s/%s.ttf"
FACES = [("dejavu", f) for f in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSansMono")] + \
    [("liberation", f) for f in ("LiberationSans-Regular", "LiberationSerif-Italic", "LiberationMono-Bold")] + \
    [("freefont", f) for f in ("FreeSans", "FreeSerif", "FreeSerifBoldItalic", "FreeMono")] + \
    [("lato", f) for f in ("Lato-Black", "Lato-Light")]
PER_LETTER, PER_SYMBOL = 12, 5
COLOURS = ((0, 0, 0),) * 4 + ((200, 30, 30), (30, 60, 190), (20, 130, 50), (230, 120, 20), (120, 40, 150), (90, 90, 90))
DIGITS = "zero one two three four five six seven eight nine".split()
# "letter" and "number"; the character follows.
WORDS = {"es": ("letra", "número"), "fr": ("lettre", "chiffre"), "de": ("Buchstabe", "Zahl"), "it": ("lettera", "numero"),
         "pt": ("letra", "número"), "nl": ("letter", "cijfer"), "ru": ("буква", "цифра"), "pl": ("litera", "cyfra"),
         "sv": ("bokstaven", "siffran"), "da": ("bogstavet", "tallet"), "nb": ("bokstaven", "tallet"), "fi": ("kirjain", "numero"),
         "cs": ("písmeno", "číslo"), "sk": ("písmeno", "číslo"), "hu": ("betű:", "szám:"), "ro": ("litera", "cifra"),
         "el": ("γράμμα", "αριθμός"), "tr": ("harf:", "sayı:"), "uk": ("літера", "цифра"), "bg": ("буква", "цифра"),
         "hr": ("slovo", "broj"), "sr": ("слово", "број"), "sl": ("črka", "številka"), "ca": ("lletra", "número"),
         "id": ("huruf", "angka"), "vi": ("chữ", "số"), "ja": ("文字", "数字"), "zh": ("字母", "数字"), "ko": ("글자", "숫자"),
         "ar": ("حرف", "رقم"), "he": ("האות", "המספר"), "fa": ("حرف", "عدد"), "hi": ("अक्षर", "संख्या"), "th": ("ตัวอักษร", "ตัวเลข"),
         "lt": ("raidė", "skaičius")}


def letter_captions(char):
    size = "capital" if char.isupper() else "lowercase"
    captions = {"en": ["The letter %s." % char, "the letter " + char, "a %s letter %s" % (size, char),
                       "a drawing of the letter " + char]}
    for lang, (word, _) in WORDS.items():
        captions[lang] = [sentence(lang, word + " " + char), word + " " + char]
    return captions


def digit_captions(char):
    word = DIGITS[int(char)]
    captions = {"en": ["The number %s." % word, "the number " + char, sentence("en", word), "the digit " + word]}
    for lang, (_, number) in WORDS.items():
        captions[lang] = [sentence(lang, number + " " + char), number + " " + char]
    return captions


def characters(names):
    """-> {character: (concept, captions, how many pictures)}."""
    found = {}
    for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        found[char] = ("letter:" + char.lower(), letter_captions(char), PER_LETTER)
    for char in "0123456789":
        found[char] = ("digit:" + char, digit_captions(char), PER_LETTER)
    for key, name in sorted(names.names["en"].items()):
        if len(key) != 1 or key in found or names.group.get(emoji.concept_of(key)) is not None:
            continue
        captions = {"en": [sentence("en", name), name, "the %s symbol" % name]}
        for lang in LANGS:
            if lang != "en" and key in names.names[lang]:
                captions[lang] = [sentence(lang, names.names[lang][key]), names.names[lang][key]]
        found[key] = ("glyph:%x" % ord(key), captions, PER_SYMBOL)
    return found


def draw(char, path, random):
    """One character, filled or as an outline, cut to what is drawn."""
    font = ImageFont.truetype(path, 72)
    canvas = Image.new("RGBA", (160, 160), (255, 255, 255, 0))
    colour = random.choice(COLOURS)
    outlined = random.random() < 0.35
    ImageDraw.Draw(canvas).text((36, 28), char, font=font, fill=(255, 255, 255, 255) if outlined else colour + (255,),
                                stroke_width=random.choice((1, 2, 3)) if outlined else random.choice((0, 0, 1)),
                                stroke_fill=colour + (255,))
    box = canvas.getchannel("A").getbbox()
    return canvas.crop((box[0] - 6, box[1] - 6, box[2] + 6, box[3] + 6)) if box else None


def collect(names):
    """-> list of (concept, PNG bytes, captions)."""
    faces = [(FONTS % face, set(TTFont(FONTS % face, lazy=True).getBestCmap())) for face in FACES
             if glob.glob(FONTS % face)]
    items = []
    for char, (concept, captions, count) in sorted(characters(names).items()):
        able = [path for path, cmap in faces if ord(char) in cmap]
        random = rng("glyph", char)
        random.shuffle(able)
        for path in able[:count]:
            picture = draw(char, path, random)
            if picture and min(picture.size) >= 8:
                items.append((concept, png(picture), captions))
    return items
