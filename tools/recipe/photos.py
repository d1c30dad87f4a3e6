"""Photographs: Caltech-101, CIFAR-10 and Fashion-MNIST, named through CLDR where it has the word."""
import gzip
import io
import os
import tarfile

from PIL import Image, ImageOps

from common import fraction, png, rng
from emoji import concept_captions, concept_of, english_lines, name_lines

HELD_CATEGORIES = ("crab", "gramophone", "helicopter", "laptop", "pizza", "rooster", "saxophone",
                   "umbrella")
DROPPED = ("Faces_easy",)       # crops of the photographs in Faces
MOST_PER_CATEGORY = 150
# Fashion-MNIST's ten classes in its order.
FASHION = ("t_shirt", "trousers", "sweater", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot")

EMOJI = {
    "Leopards": "🐆", "Motorbikes": "🏍", "airplanes": "✈", "anchor": "⚓", "ant": "🐜",
    "beaver": "🦫", "brain": "🧠", "butterfly": "🦋", "camera": "📷", "cellphone": "📱",
    "chair": "🪑", "crab": "🦀", "crocodile": "🐊", "dollar_bill": "💵", "dolphin": "🐬",
    "electric_guitar": "🎸", "elephant": "🐘", "ferry": "⛴", "flamingo": "🦩",
    "flamingo_head": "🦩", "headphone": "🎧", "helicopter": "🚁", "laptop": "💻", "llama": "🦙",
    "lotus": "🪷", "menorah": "🕎", "octopus": "🐙", "panda": "🐼", "pizza": "🍕", "rhino": "🦏",
    "rooster": "🐓", "saxophone": "🎷", "scissors": "✂", "scorpion": "🦂", "stop_sign": "🛑",
    "sunflower": "🌻", "umbrella": "☂", "wheelchair": "🦽", "yin_yang": "☯",
    "airplane": "✈", "automobile": "🚗", "bird": "🐦", "cat": "🐈", "deer": "🦌", "dog": "🐕",
    "frog": "🐸", "horse": "🐎", "ship": "🚢", "truck": "🚚",
    "t_shirt": "👕", "trousers": "👖", "dress": "👗", "coat": "🧥", "sandal": "👡", "sneaker": "👟", "bag": "👜",
    "ankle_boot": "👢",
}

# English names, most specific first; for the classes above they are added to CLDR's.
ENGLISH = {
    "Faces": ["person's face", "person", "human face"], "Leopards": ["leopard in the grass"],
    "Motorbikes": ["motorbike", "motorcycle"], "airplanes": ["airplane", "plane"],
    "barrel": ["wooden barrel", "barrel"], "binocular": ["pair of binoculars"],
    "bonsai": ["bonsai tree", "small tree in a pot"], "brain": ["human brain"],
    "buddha": ["Buddha statue", "statue of Buddha"], "cannon": ["cannon", "old cannon"],
    "ceiling_fan": ["ceiling fan"], "cellphone": ["cell phone"], "chandelier": ["chandelier"],
    "cougar_face": ["cougar's face", "cougar", "mountain lion"], "crayfish": ["crayfish"],
    "cup": ["cup"], "dalmatian": ["Dalmatian dog", "Dalmatian", "black and white dog"],
    "dollar_bill": ["dollar bill"], "electric_guitar": ["electric guitar"],
    "emu": ["emu", "large bird"], "euphonium": ["euphonium", "brass instrument"],
    "ferry": ["ferry boat"], "flamingo": ["pink flamingo"],
    "flamingo_head": ["flamingo's head"], "garfield": ["Garfield the cat", "orange cartoon cat"],
    "gramophone": ["gramophone", "old record player"],
    "grand_piano": ["grand piano", "piano"], "hawksbill": ["hawksbill turtle", "sea turtle"],
    "headphone": ["pair of headphones"], "helicopter": ["helicopter"],
    "ibis": ["ibis", "bird with a long beak"], "inline_skate": ["inline skate", "roller skate"],
    "joshua_tree": ["Joshua tree", "desert tree"], "ketch": ["sailing boat", "ketch", "sailboat"],
    "lamp": ["lamp", "table lamp"], "laptop": ["laptop computer"], "mandolin": ["mandolin"],
    "mayfly": ["mayfly", "flying insect"], "menorah": ["menorah", "candlestick"],
    "minaret": ["minaret", "tower of a mosque"], "nautilus": ["nautilus", "nautilus shell"],
    "okapi": ["okapi"], "pigeon": ["pigeon", "gray bird"], "platypus": ["platypus"],
    "revolver": ["revolver", "gun"], "rhino": ["rhino"], "rooster": ["cock"],
    "sea_horse": ["sea horse"], "snoopy": ["Snoopy the dog", "white cartoon dog"],
    "stapler": ["stapler"], "starfish": ["starfish", "sea star"],
    "stegosaurus": ["stegosaurus", "dinosaur"], "tick": ["tick", "small insect-like animal"],
    "trilobite": ["trilobite fossil", "fossil"], "water_lilly": ["water lily", "water lily flower"],
    "wheelchair": ["wheelchair"], "wild_cat": ["wild cat"],
    "windsor_chair": ["wooden chair", "Windsor chair"], "yin_yang": ["yin and yang symbol"],
    "automobile": ["car"], "ship": ["boat"], "truck": ["truck"], "airplane": ["plane"],
    "t_shirt": ["t-shirt"], "trousers": ["pair of trousers", "pair of pants"], "sweater": ["sweater", "pullover", "jumper"],
    "dress": ["dress"], "coat": ["coat", "jacket"], "sandal": ["sandal"], "shirt": ["shirt", "blouse"],
    "sneaker": ["sneaker", "shoe"], "bag": ["bag", "handbag"], "ankle_boot": ["ankle boot", "boot"],
}

# Classes CLDR has no word for: de, fr, es, it, pt, nl, ru.
OTHERS = {
    "Faces": "Gesicht|visage|cara|viso|rosto|gezicht|лицо",
    "barrel": "Fass|tonneau|barril|barile|barril|vat|бочка",
    "binocular": "Fernglas|jumelles|prismáticos|binocolo|binóculos|verrekijker|бинокль",
    "bonsai": "Bonsai|bonsaï|bonsái|bonsai|bonsai|bonsai|бонсай",
    "buddha": "Buddha|Bouddha|Buda|Buddha|Buda|Boeddha|Будда",
    "cannon": "Kanone|canon|cañón|cannone|canhão|kanon|пушка",
    "ceiling_fan": "Deckenventilator|ventilateur de plafond|ventilador de techo|"
                   "ventilatore da soffitto|ventilador de teto|plafondventilator|"
                   "потолочный вентилятор",
    "chandelier": "Kronleuchter|lustre|candelabro|lampadario|lustre|kroonluchter|люстра",
    "cougar_face": "Puma|puma|puma|puma|puma|poema|пума",
    "crayfish": "Flusskrebs|écrevisse|cangrejo de río|gambero di fiume|lagostim|rivierkreeft|рак",
    "cup": "Tasse|tasse|taza|tazza|xícara|kopje|чашка",
    "dalmatian": "Dalmatiner|dalmatien|dálmata|dalmata|dálmata|dalmatiër|далматин",
    "emu": "Emu|émeu|emú|emù|emu|emoe|эму",
    "gramophone": "Grammophon|gramophone|gramófono|grammofono|gramofone|grammofoon|граммофон",
    "grand_piano": "Flügel|piano à queue|piano de cola|pianoforte a coda|piano de cauda|vleugel|"
                   "рояль",
    "hawksbill": "Meeresschildkröte|tortue marine|tortuga marina|tartaruga marina|"
                 "tartaruga marinha|zeeschildpad|морская черепаха",
    "ibis": "Ibis|ibis|ibis|ibis|íbis|ibis|ибис",
    "inline_skate": "Inlineskate|roller en ligne|patín en línea|pattino in linea|patim em linha|"
                    "inlineskate|роликовый конёк",
    "ketch": "Segelboot|voilier|velero|barca a vela|veleiro|zeilboot|парусник",
    "lamp": "Lampe|lampe|lámpara|lampada|luminária|lamp|лампа",
    "mandolin": "Mandoline|mandoline|mandolina|mandolino|bandolim|mandoline|мандолина",
    "mayfly": "Eintagsfliege|éphémère|efímera|effimera|efêmera|eendagsvlieg|подёнка",
    "minaret": "Minarett|minaret|minarete|minareto|minarete|minaret|минарет",
    "nautilus": "Nautilus|nautile|nautilo|nautilo|náutilo|nautilus|наутилус",
    "okapi": "Okapi|okapi|okapi|okapi|ocapi|okapi|окапи",
    "pigeon": "Taube|pigeon|paloma|piccione|pombo|duif|голубь",
    "platypus": "Schnabeltier|ornithorynque|ornitorrinco|ornitorinco|ornitorrinco|vogelbekdier|"
                "утконос",
    "revolver": "Revolver|revolver|revólver|revolver|revólver|revolver|револьвер",
    "sea_horse": "Seepferdchen|hippocampe|caballito de mar|cavalluccio marino|cavalo-marinho|"
                 "zeepaardje|морской конёк",
    "stapler": "Tacker|agrafeuse|grapadora|cucitrice|grampeador|nietmachine|степлер",
    "shirt": "Hemd|chemise|camisa|camicia|camisa|overhemd|рубашка",
    "sweater": "Pullover|pull|jersey|maglione|suéter|trui|свитер",
    "starfish": "Seestern|étoile de mer|estrella de mar|stella marina|estrela-do-mar|zeester|"
                "морская звезда",
    "stegosaurus": "Stegosaurus|stégosaure|estegosaurio|stegosauro|estegossauro|stegosaurus|"
                   "стегозавр",
    "tick": "Zecke|tique|garrapata|zecca|carrapato|teek|клещ",
    "trilobite": "Trilobit|trilobite|trilobites|trilobite|trilobita|trilobiet|трилобит",
    "water_lilly": "Seerose|nénuphar|nenúfar|ninfea|nenúfar|waterlelie|кувшинка",
    "wheelchair": "Rollstuhl|fauteuil roulant|silla de ruedas|sedia a rotelle|cadeira de rodas|"
                  "rolstoel|инвалидная коляска",
    "wild_cat": "Wildkatze|chat sauvage|gato montés|gatto selvatico|gato selvagem|wilde kat|"
                "дикая кошка",
    "windsor_chair": "Holzstuhl|chaise en bois|silla de madera|sedia di legno|cadeira de madeira|"
                     "houten stoel|деревянный стул",
}
OTHER_LANGS = ("de", "fr", "es", "it", "pt", "nl", "ru")


def concept_for(label):
    return concept_of(EMOJI[label]) if label in EMOJI else "photo:" + label


def protected_families():
    """Concepts photographs show: they stay in training, so a held-out emoji is truly unseen."""
    from emoji import family_of
    return {family_of(concept_of(e)) for e in EMOJI.values()}


def captions_for(names, label):
    own = ENGLISH.get(label, [])
    if label in EMOJI and concept_of(EMOJI[label]) in names.key_of:
        captions = concept_captions(names, concept_of(EMOJI[label]), label, True, own)
    else:
        captions = {"en": english_lines(own, True)}
    if label in OTHERS:
        for lang, name in zip(OTHER_LANGS, OTHERS[label].split("|")):
            captions[lang] = name_lines(lang, name, True) + captions.get(lang, [])
    return captions


def caltech(path):
    """-> list of (label, file name, bytes, split); split is train, test or category."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".jpg"):
                label, name = member.name.split("/")[-2:]
                if label not in DROPPED:
                    found.setdefault(label, []).append((name, tar.extractfile(member).read()))
    rows = []
    for label in sorted(found):
        files = sorted(found[label])
        if len(files) > MOST_PER_CATEGORY:
            files = sorted(rng("caltech", label).sample(files, MOST_PER_CATEGORY))
        for name, data in files:
            split = "category" if label in HELD_CATEGORIES else \
                "test" if fraction("caltech test", label, name) < 0.2 else "train"
            rows.append((label, name, data, split))
    return rows


def cifar(path, per_class=400):
    """-> list of (label, file name, bytes) from the training split."""
    rows = []
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".jpg"):
                label, name = member.name.split("/")[-2:]
                if int(name.split(".")[0]) < per_class:
                    rows.append((label, name, tar.extractfile(member).read()))
    return sorted(rows)


def fashion(folder, per_class=300):
    """-> list of (label, name, PNG bytes): grey photographs of clothes, turned black on white."""
    parts = {}
    for kind, start in (("images-idx3", 16), ("labels-idx1", 8)):
        with gzip.open(os.path.join(folder, "train-%s-ubyte.gz" % kind)) as data:
            parts[kind] = data.read()[start:]
    rows, taken = [], dict.fromkeys(FASHION, 0)
    for i, number in enumerate(parts["labels-idx1"]):
        label = FASHION[number]
        if taken[label] < per_class:
            taken[label] += 1
            image = Image.frombytes("L", (28, 28), parts["images-idx3"][784 * i:784 * (i + 1)])
            rows.append((label, "%05d" % i, png(ImageOps.invert(image).convert("RGB"))))
    return sorted(rows)


def load(data):
    return Image.open(io.BytesIO(data)).convert("RGB")
