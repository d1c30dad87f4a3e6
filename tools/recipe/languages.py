"""Per-language tables: sentence templates, the word for "and", and colour phrases.

The templates are chosen so that a bare dictionary form (what CLDR gives) can be dropped in without
inflecting it: where a language would need a case ending, the template uses a colon instead.
"""

# code -> (CLDR file, "and" joiner, picture template, photo template)
LANGS = {
    "en": ("en", " and ", "a picture of {x}", "a photo of {x}"),
    "es": ("es", " y ", "dibujo de {x}", "foto de {x}"),
    "fr": ("fr", " et ", "dessin : {x}", "photo : {x}"),
    "de": ("de", " und ", "Bild: {x}", "Foto: {x}"),
    "it": ("it", " e ", "disegno di {x}", "foto di {x}"),
    "pt": ("pt", " e ", "desenho de {x}", "foto de {x}"),
    "nl": ("nl", " en ", "tekening van {x}", "foto van {x}"),
    "ru": ("ru", " и ", "рисунок: {x}", "фото: {x}"),
    "pl": ("pl", " i ", "obrazek: {x}", "zdjęcie: {x}"),
    "sv": ("sv", " och ", "bild på {x}", "foto på {x}"),
    "tr": ("tr", " ve ", "resim: {x}", "fotoğraf: {x}"),
    "el": ("el", " και ", "εικόνα: {x}", "φωτογραφία: {x}"),
    "ja": ("ja", "と", "{x}の絵", "{x}の写真"),
    "zh": ("zh", "和", "{x}的图片", "{x}的照片"),
    "ko": ("ko", ", ", "{x} 그림", "{x} 사진"),
    "ar": ("ar", " و", "رسم: {x}", "صورة: {x}"),
    "he": ("he", " ו", "ציור של {x}", "תמונה של {x}"),
    "hi": ("hi", " और ", "चित्र: {x}", "फ़ोटो: {x}"),
    "vi": ("vi", " và ", "hình vẽ {x}", "ảnh chụp {x}"),
    "id": ("id", " dan ", "gambar {x}", "foto {x}"),
    "cs": ("cs", " a ", "obrázek: {x}", "fotka: {x}"),
    "hu": ("hu", " és ", "kép: {x}", "fotó: {x}"),
    "uk": ("uk", " і ", "малюнок: {x}", "фото: {x}"),
    "fi": ("fi", " ja ", "kuva: {x}", "valokuva: {x}"),
    "da": ("da", " og ", "tegning af {x}", "foto af {x}"),
    "nb": ("no", " og ", "tegning av {x}", "bilde av {x}"),
    "ro": ("ro", " și ", "desen: {x}", "fotografie: {x}"),
    "bg": ("bg", " и ", "рисунка: {x}", "снимка: {x}"),
    "hr": ("hr", " i ", "slika: {x}", "fotografija: {x}"),
    "sk": ("sk", " a ", "obrázok: {x}", "fotka: {x}"),
    "sl": ("sl", " in ", "slika: {x}", "fotografija: {x}"),
    "lt": ("lt", " ir ", "piešinys: {x}", "nuotrauka: {x}"),
    "ca": ("ca", " i ", "dibuix: {x}", "foto: {x}"),
    "fa": ("fa", " و ", "نقاشی {x}", "عکس {x}"),
    "th": ("th", "และ", "ภาพวาด{x}", "ภาพถ่าย{x}"),
    "sr": ("sr", " и ", "слика: {x}", "фотографија: {x}"),
}

# Languages in which the indefinite article never changes with the noun's gender.
ARTICLE = {"nl": "een ", "hu": "egy ", "tr": "bir "}

# How a child's picture book says it, where the noun keeps its dictionary form ("This is ...", "one ...").
SAYINGS = {
    "ru": ("это {x}.",), "uk": ("це {x}.",), "pl": ("to {x}.",), "cs": ("to je {x}.",), "sk": ("to je {x}.",),
    "bg": ("това е {x}.",), "tr": ("bu bir {x}.",), "fi": ("tämä on {x}.",), "hu": ("ez egy {x}.",), "id": ("ini {x}.", "seekor {x}."),
    "ja": ("{x}です。", "これは{x}です。", "{x} です。"), "zh": ("一个{x}。", "一只{x}。", "这是{x}。"), "ko": ("{x}입니다.",),
    "vi": ("một con {x}.",), "de": ("{x} im Bild",), "sv": ("{x} på bild",), "el": ("αυτό είναι {x}.",), "nl": ("dit is een {x}.",),
}

COLOURS = {
    "red": (214, 40, 40), "orange": (245, 130, 30), "yellow": (250, 210, 40),
    "green": (50, 160, 70), "blue": (45, 100, 215), "purple": (130, 60, 180),
    "pink": (245, 130, 180), "brown": (125, 80, 45), "gray": (135, 135, 135),
    "black": (35, 35, 35),
}

# "an X that is COLOUR" in a form that agrees with no gender: {x} in the colour blue.
COLOUR_PHRASE = {
    "de": ("{x} in {c}", dict(red="Rot", orange="Orange", yellow="Gelb", green="Grün", blue="Blau",
           purple="Lila", pink="Rosa", brown="Braun", gray="Grau", black="Schwarz")),
    "es": ("{x} de color {c}", dict(red="rojo", orange="naranja", yellow="amarillo", green="verde",
           blue="azul", purple="morado", pink="rosa", brown="marrón", gray="gris", black="negro")),
    "fr": ("{x} de couleur {c}", dict(red="rouge", orange="orange", yellow="jaune", green="verte",
           blue="bleue", purple="violette", pink="rose", brown="marron", gray="grise",
           black="noire")),
    "it": ("{x} di colore {c}", dict(red="rosso", orange="arancione", yellow="giallo",
           green="verde", blue="blu", purple="viola", pink="rosa", brown="marrone", gray="grigio",
           black="nero")),
    "pt": ("{x} de cor {c}", dict(red="vermelha", orange="laranja", yellow="amarela",
           green="verde", blue="azul", purple="roxa", pink="rosa", brown="marrom", gray="cinza",
           black="preta")),
    "ru": ("{x} {c} цвета", dict(red="красного", orange="оранжевого", yellow="жёлтого",
           green="зелёного", blue="синего", purple="фиолетового", pink="розового",
           brown="коричневого", gray="серого", black="чёрного")),
    "uk": ("{x} {c} кольору", dict(red="червоного", orange="помаранчевого", yellow="жовтого",
           green="зеленого", blue="синього", purple="фіолетового", pink="рожевого",
           brown="коричневого", gray="сірого", black="чорного")),
    "pl": ("{x} w kolorze {c}", dict(red="czerwonym", orange="pomarańczowym", yellow="żółtym",
           green="zielonym", blue="niebieskim", purple="fioletowym", pink="różowym",
           brown="brązowym", gray="szarym", black="czarnym")),
    "cs": ("{x} {c} barvy", dict(red="červené", orange="oranžové", yellow="žluté", green="zelené",
           blue="modré", purple="fialové", pink="růžové", brown="hnědé", gray="šedé",
           black="černé")),
    "sv": ("{x} i {c}", dict(red="rött", orange="orange", yellow="gult", green="grönt",
           blue="blått", purple="lila", pink="rosa", brown="brunt", gray="grått", black="svart")),
    "nl": ("{x} in het {c}", dict(red="rood", orange="oranje", yellow="geel", green="groen",
           blue="blauw", purple="paars", pink="roze", brown="bruin", gray="grijs",
           black="zwart")),
    "tr": ("{c} {x}", dict(red="kırmızı", orange="turuncu", yellow="sarı", green="yeşil",
           blue="mavi", purple="mor", pink="pembe", brown="kahverengi", gray="gri",
           black="siyah")),
    "hu": ("{c} {x}", dict(red="piros", orange="narancssárga", yellow="sárga", green="zöld",
           blue="kék", purple="lila", pink="rózsaszín", brown="barna", gray="szürke",
           black="fekete")),
    "fi": ("{c} {x}", dict(red="punainen", orange="oranssi", yellow="keltainen", green="vihreä",
           blue="sininen", purple="violetti", pink="vaaleanpunainen", brown="ruskea",
           gray="harmaa", black="musta")),
    "ja": ("{c}{x}", dict(red="赤い", orange="オレンジ色の", yellow="黄色い", green="緑色の",
           blue="青い", purple="紫色の", pink="ピンク色の", brown="茶色い", gray="灰色の",
           black="黒い")),
    "zh": ("{c}的{x}", dict(red="红色", orange="橙色", yellow="黄色", green="绿色", blue="蓝色",
           purple="紫色", pink="粉色", brown="棕色", gray="灰色", black="黑色")),
    "ko": ("{c} {x}", dict(red="빨간색", orange="주황색", yellow="노란색", green="초록색",
           blue="파란색", purple="보라색", pink="분홍색", brown="갈색", gray="회색",
           black="검은색")),
    "vi": ("{x} màu {c}", dict(red="đỏ", orange="cam", yellow="vàng", green="xanh lá cây",
           blue="xanh dương", purple="tím", pink="hồng", brown="nâu", gray="xám", black="đen")),
    "id": ("{x} berwarna {c}", dict(red="merah", orange="oranye", yellow="kuning", green="hijau",
           blue="biru", purple="ungu", pink="merah muda", brown="cokelat", gray="abu-abu",
           black="hitam")),
    "ar": ("{x} باللون {c}", dict(red="الأحمر", orange="البرتقالي", yellow="الأصفر",
           green="الأخضر", blue="الأزرق", purple="البنفسجي", pink="الوردي", brown="البني",
           gray="الرمادي", black="الأسود")),
    "he": ("{x} בצבע {c}", dict(red="אדום", orange="כתום", yellow="צהוב", green="ירוק",
           blue="כחול", purple="סגול", pink="ורוד", brown="חום", gray="אפור", black="שחור")),
    "el": ("{x} σε {c} χρώμα", dict(red="κόκκινο", orange="πορτοκαλί", yellow="κίτρινο",
           green="πράσινο", blue="μπλε", purple="μοβ", pink="ροζ", brown="καφέ", gray="γκρι",
           black="μαύρο")),
}

# "N things" where the noun keeps its dictionary form after a numeral.
COUNT_PHRASE = {
    "tr": ("{n} {x}", {2: "iki", 3: "üç", 4: "dört"}),
    "hu": ("{n} {x}", {2: "két", 3: "három", 4: "négy"}),
    "id": ("{n} {x}", {2: "dua", 3: "tiga", 4: "empat"}),
    "zh": ("{n}个{x}", {2: "两", 3: "三", 4: "四"}),
    "ja": ("{n}つの{x}", {2: "2", 3: "3", 4: "4"}),
    "ko": ("{x} {n} 개", {2: "두", 3: "세", 4: "네"}),
    "fa": ("{n} {x}", {2: "دو", 3: "سه", 4: "چهار"}),
}

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


def sentence(lang, text):
    """Capitalise the first letter and end with a full stop, the way the language writes it."""
    text = text[:1].upper() + text[1:]
    if lang in ("ja", "zh"):
        return text + "。"
    if lang == "hi":
        return text + "।"
    return text if lang == "th" else text + "."


_ES_MASC_A = {"mapa", "planeta", "panda", "koala", "gorila", "tranvía", "problema", "cometa",
              "pijama", "astronauta", "artista", "policía", "guardia", "futbolista", "día", "yoga",
              "cobaya", "guía", "terapeuta", "dentista", "ciclista", "surfista"}
_IT_MASC_A = {"panda", "koala", "gorilla", "lama", "pianeta", "cinema", "poliziotta", "yoga",
              "pigiama", "astronauta", "artista", "cobra", "puma", "ciclista", "surfista", "boa"}
_PT_MASC_A = {"panda", "coala", "gorila", "mapa", "planeta", "cometa", "pijama", "astronauta",
              "artista", "dia", "ciclista", "surfista", "policial", "cinema", "sofá"}
_DE_MASC_E = {"hase", "löwe", "affe", "junge", "käse", "bulle", "drache", "rabe", "ochse", "auge",
              "ende", "matrose", "gebäude", "getreide", "gemüse", "gebirge", "erdnüsse", "kaffee"}


_FR_FEM = ("tion", "sion", "ette", "elle", "esse", "euse", "trice", "ière", "aie", "ille", "ade",
           "ude", "ance", "ouche", "mme de terre", "pomme", "fleur", "rose", "voiture", "vache")
_FR_MASC = ("ment", "eau", "isme", "oir", "ier", "ien", "teur", "el", "al", "ail", "ol", "ard",
            "us", "um", "chat", "chien", "cheval", "avion", "arbre", "livre", "vélo", "ours",
            "oiseau", "poisson", "train", "ballon", "camion", "lapin", "requin", "bus", "lion")


def with_article(lang, name):
    """name with its indefinite article, or None where the ending does not settle the gender."""
    first = name.split(" ")[0].lower()
    if lang in ARTICLE:
        return ARTICLE[lang] + name
    if lang == "es":
        if first.endswith(("o", "or", "ón")) and first != "mano" or first in _ES_MASC_A:
            return "un " + name
        if first.endswith(("a", "dad", "ción", "sión")) and not first.endswith("ma"):
            return "una " + name
    if lang == "pt":
        if first.endswith("o") and not first.endswith(("ão", "mão")) or first in _PT_MASC_A:
            return "um " + name
        if first.endswith("a") and not first.endswith("ma"):
            return "uma " + name
    if lang == "it":
        if first in _IT_MASC_A or first.endswith("o") and first not in ("mano", "moto", "foto"):
            lo = first[0] in "zy" or first[0] == "s" and first[1:2] not in tuple("aeiou")
            return ("uno " if lo or first[:2] in ("gn", "ps") else "un ") + name
        if first.endswith("a") and not first.endswith("ma"):
            return ("un'" if first[0] in "aeiou" else "una ") + name
    if lang == "fr" and first not in ("eau", "peau"):
        if first.endswith(_FR_FEM):
            return "une " + name
        if first.endswith(_FR_MASC):
            return "un " + name
    if lang == "de" and "," not in name:
        last = name.split(" ")[-1].lower()
        if " " in name:
            return None
        if last.endswith(("ung", "heit", "keit")) or last.endswith("e") and last not in _DE_MASC_E:
            return "eine " + name
        if last.endswith("chen") and not last.endswith("schen") or last.endswith(("lein", "hund", "baum", "fisch", "ball", "bär", "vogel", "haus",
                          "auto", "boot", "schiff", "pilz", "hut", "schuh", "wagen", "stuhl")):
            return "ein " + name
    return None
