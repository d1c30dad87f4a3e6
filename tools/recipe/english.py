"""English noun phrases: articles, plurals, and plainer names for what CLDR calls things."""
import re

ALIASES = {
    "automobile": ["car"], "oncoming automobile": ["car"], "ear of corn": ["corn"],
    "honeybee": ["bee"], "lady beetle": ["ladybug", "ladybird"], "locomotive": ["steam train"],
    "doughnut": ["donut"], "racing car": ["race car"], "cooked rice": ["bowl of rice"],
    "manual wheelchair": ["wheelchair"], "spouting whale": ["whale"], "baby chick": ["chick"],
    "front-facing baby chick": ["chick"], "evergreen tree": ["pine tree", "fir tree"],
    "deciduous tree": ["tree"], "wine glass": ["glass of wine"], "beer mug": ["mug of beer"],
    "hot beverage": ["cup of coffee", "cup of tea"], "honey pot": ["pot of honey"],
    "cheese wedge": ["piece of cheese", "cheese"], "crescent moon": ["moon"],
    "high voltage": ["lightning bolt"], "optical disk": ["CD"], "sport utility vehicle": ["SUV"],
    "articulated lorry": ["truck"], "delivery truck": ["truck"], "passenger ship": ["ship"],
    "carpentry saw": ["saw"], "wastebasket": ["trash can"], "mobile phone": ["cell phone"],
    "jack-o-lantern": ["pumpkin"], "baguette bread": ["baguette", "loaf of French bread"],
    "kiwi fruit": ["kiwi"], "kitchen knife": ["knife"], "closed umbrella": ["umbrella"],
    "umbrella with rain drops": ["umbrella"], "umbrella on ground": ["beach umbrella"],
    "oncoming bus": ["bus"], "oncoming taxi": ["taxi"], "oncoming police car": ["police car"],
    "sailboat": ["sailing boat"], "two-hump camel": ["camel"], "hatching chick": ["chick"],
    "spiral shell": ["seashell"], "blowfish": ["pufferfish"], "rhinoceros": ["rhino"],
    "hippopotamus": ["hippo"], "T-Rex": ["Tyrannosaurus rex", "dinosaur"],
    "sauropod": ["Brontosaurus", "dinosaur"], "tropical fish": ["fish"], "fire engine":
    ["fire truck"], "motor scooter": ["scooter"], "manual": [], "bell pepper": ["pepper"],
    "hot pepper": ["chili pepper"], "leafy green": ["head of lettuce"], "eggplant": ["aubergine"],
    "tangerine": ["orange"], "mobile phone with arrow": ["cell phone"], "computer mouse": ["mouse"],
    "desktop computer": ["computer"], "laptop": ["laptop computer"], "artist palette": ["palette"],
    "soft ice cream": ["ice cream cone"], "birthday cake": ["cake"], "shortcake": ["slice of cake"],
    "pool 8 ball": ["billiard ball"], "military helmet": ["helmet"], "musical keyboard": ["piano"],
    "telephone receiver": ["telephone"], "man’s shoe": ["shoe"], "running shoe": ["sneaker"],
    "woman’s boot": ["boot"], "hiking boot": ["boot"], "woman’s sandal": ["sandal"],
    "woman’s hat": ["hat"], "woman’s clothes": ["blouse"], "billed cap": ["baseball cap", "cap"],
    "gem stone": ["diamond", "jewel"], "wrapped gift": ["gift", "present"], "postal horn": ["horn"],
    "wild boar": ["boar"], "ewe": ["sheep"], "water pistol": ["water gun"], "game die": ["dice"],
    "bouquet": ["bunch of flowers"], "maple leaf": ["leaf"], "herb": ["plant"], "timer clock":
    ["clock"], "mantelpiece clock": ["clock"], "alarm clock": ["clock"], "watch": ["wristwatch"],
    "sun with face": ["sun"], "wrench": ["spanner"], "flashlight": ["torch"], "toilet":
    ["lavatory"], "couch and lamp": ["couch", "sofa"], "thong sandal": ["flip-flop"],
    "reminder ribbon": ["ribbon"], "hamburger": ["burger"], "poultry leg": ["chicken leg"],
    "cut of meat": ["steak"], "meat on bone": ["piece of meat"], "cooking": ["fried egg"],
    "canned food": ["can of food"], "takeout box": ["box of Chinese food"], "candy":
    ["piece of candy"], "chocolate bar": ["bar of chocolate"], "magnifying glass tilted left":
    ["magnifying glass"], "magnifying glass tilted right": ["magnifying glass"], "closed book":
    ["book"], "pick": ["pickaxe"], "balance scale": ["scale"], "goal net": ["soccer goal"],
    "american football": ["football"], "lotion bottle": ["bottle of lotion"], "person":
    ["human being"], "tram car": ["streetcar", "tram"], "railway car": ["train car"],
    "speedboat": ["motorboat"], "flying saucer": ["UFO"], "deer": ["stag"], "ox": ["bull"],
    "spider web": ["cobweb"], "tumbler glass": ["glass"], "cup with straw": ["soft drink"],
    "beverage box": ["juice box"], "house": ["home"], "ringed planet": ["Saturn", "planet"],
}

MASS = set("""bread flatbread broccoli garlic bacon popcorn butter salt spaghetti sushi ice wood fog
foggy fire rock curry rice corn cheese honey money soap yarn thread oden custard falafel mate dango
coral seafood lightning weather camping cooking baseball softball basketball volleyball tennis
badminton lacrosse boxing cricket golf music hockey rugby jewelry furniture coffee tea milk
water wine beer juice clothing snow rain grass sand chess darts landslide dna confetti makeup
tabletennis bowling rice construction sunrise sunset celery asparagus lettuce spinach cauliflower
sake lava paper equipment luggage software hair meat beef pork ham toast pasta soup""".split())

THE = {"sun", "milky way", "statue of liberty", "tokyo tower", "kaaba", "earth",
       "moon", "universe", "sky", "full moon", "new moon"}
PAIR = {"glasses", "sunglasses", "goggles", "jeans", "gloves", "socks", "briefs", "shorts",
        "scissors", "skis", "chopsticks", "ballet shoes", "trousers", "pants", "shoes", "boots",
        "binoculars", "pliers", "headphones", "crossed swords", "sandals", "slippers"}
SINGULAR_S = ("ss", "us", "is", "gas", "lens", "canvas", "christmas", "moais", "atlas", "texas", "rhinoceros", "octopus", "cactus", "bus", "albatross", "moai")
HEAD = re.compile(r" (?:of|with|on|in|from|at|and|showing|behind|without|wearing|holding|for) ")
UNVOWEL = re.compile(r"(?:uni|eu|one\b|ukulele|use|u\.?[sk]\.|ufo|utensil|ur)", re.I)
SOUNDED = re.compile(r"(?:[aeiou]|hour|honest|x-ray|mp3|suv\b|f\d|8\b|18\b|11\b)", re.I)
IRREGULAR = {"mouse": "mice", "goose": "geese", "ox": "oxen", "fish": "fish", "sheep": "sheep",
             "deer": "deer", "foot": "feet", "tooth": "teeth", "child": "children", "man": "men",
             "woman": "women", "person": "people", "leaf": "leaves", "knife": "knives",
             "wolf": "wolves", "loaf": "loaves", "bison": "bison", "moose": "moose",
             "squid": "squid", "shrimp": "shrimp", "tomato": "tomatoes", "potato": "potatoes",
             "mango": "mangoes", "dice": "dice", "aircraft": "aircraft", "scarf": "scarves",
             "volcano": "volcanoes", "mosquito": "mosquitoes", "blowfish": "blowfish"}


def plain(name):
    """CLDR name -> running text: typographic quotes out, bracketed notes out."""
    name = re.sub(r"\s*\(.*?\)", "", name.replace("’", "'").replace("“", "").replace("”", ""))
    return name.strip()


def is_plural(name):
    head = HEAD.split(name)[0].lower()
    if head.split()[-1] in ("people", "men", "women", "children", "mice", "geese", "dice", "feet"):
        return True
    return head.endswith("s") and not head.endswith(SINGULAR_S) and not head.endswith("'s")


def article(name):
    """a or an, by sound."""
    vowel = bool(SOUNDED.match(name)) and not UNVOWEL.match(name)
    return ("an " if vowel else "a ") + name


def noun_phrase(name):
    low = name.lower()
    head = HEAD.split(low)[0].split()[-1]
    if re.match(r"(a|an|the|some|mount|two|three|four|five) ", low):
        return name
    if low in THE:
        return "the " + name
    if low in PAIR:
        return "a pair of " + name
    if low in MASS or head in MASS and " of " not in low and " with " not in low:
        return name
    if is_plural(name):
        return "some " + name
    return article(name)


def plural(name):
    parts = HEAD.split(name, maxsplit=1)
    head, rest = parts[0], name[len(parts[0]):]
    words = head.split()
    last = words[-1]
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join(words[:-1] + [last]) + rest
