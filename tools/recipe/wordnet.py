"""WordNet 3.0: more English for what a picture shows - synonyms, kinds of thing above and below it, a short gloss.

A word of several meanings takes the one whose lexicographer file fits where the picture comes from and whose gloss
shares most words with the emoji's keywords; where none fits, WordNet says nothing."""
import collections
import functools
import re

import english
from emoji import ACTIVITIES, ANIMALS, FOOD, OBJECTS, PEOPLE, TRAVEL
from languages import sentence
from plainwords import COARSE, EVERYDAY, RUDE, WRONG

FOLDER = "/usr/share/wordnet/"
ANIMAL, ARTIFACT, BODY, DISH, THING, PERSON, PLANT, STUFF = "05", "06", "08", "13", "17", "18", "20", "27"
CONCRETE = {ANIMAL, ARTIFACT, BODY, DISH, THING, PLANT, STUFF}
# Lexicographer files by emoji group, the first set that holds a sense decides.
FILES = {ANIMALS: ({ANIMAL, PLANT}, {THING, STUFF}), FOOD: ({DISH, PLANT}, {ARTIFACT}), PEOPLE: ({PERSON, BODY},),
         TRAVEL: ({ARTIFACT, THING},), ACTIVITIES: ({ARTIFACT},), OBJECTS: ({ARTIFACT, THING, PLANT},),
         "photo": ({ANIMAL}, {ARTIFACT, PLANT}), "animals": ({ANIMAL},), "plants": ({PLANT},),
         "food": ({DISH, PLANT},), "transportation": ({ARTIFACT},), "tools": ({ARTIFACT},), "people": ({PERSON},)}
SHARE = 0.35                # of a picture's English lines, at most

Synset = collections.namedtuple("Synset", "file words up down gloss")


def first_clause(gloss):
    """The gloss without brackets, examples and afterthoughts; "" where it stays long."""
    gloss = re.sub(r"\([^()]*\)", "", gloss.split('"')[0]).split(";")[0]
    gloss = " ".join(gloss.split()).strip(" ,:")
    if len(gloss.split()) > 14:
        gloss = gloss.split(",")[0]
    gloss = gloss.replace(" ,", ",").replace("`", "'")
    return gloss if 2 <= len(gloss.split()) <= 14 and gloss.isascii() else ""


class WordNet:
    """The nouns, and which of them may be said of pictures."""

    def __init__(self, names, held):
        self.synsets, self.senses, self.tagged = {}, {}, {}
        with open(FOLDER + "data.noun", encoding="ascii") as lines:
            for line in lines:
                if not line.startswith("  "):
                    self.read(*line.split(" | ", 1))
        with open(FOLDER + "index.noun", encoding="ascii") as lines:
            for line in lines:
                if not line.startswith("  "):
                    part = line.split()
                    word, count = part[0].replace("_", " "), int(part[2])
                    self.senses[word], self.tagged[word] = part[-count:], int(part[-count - 1])
        self.pictured = {w for w in names.by_english if not w.startswith("flag")}
        self.held = held
        self.held_line = re.compile(r"\b(%s)\b" % "|".join(map(re.escape, sorted(held))) if held else "(?!)", re.I)

    def read(self, facts, gloss):
        """One line of data.noun."""
        part = facts.split()
        count = int(part[3], 16)
        words = [w.replace("_", " ") for w in part[4:4 + 2 * count:2]]
        links = list(zip(part[5 + 2 * count::4], part[6 + 2 * count::4]))
        self.synsets[part[0]] = Synset(part[1], words, [o for k, o in links if k == "@"],
                                       [o for k, o in links if k == "~"], gloss.strip())

    def sense(self, titles, group, hints=()):
        """-> (name, synset id) of the first title that fits, or None."""
        for title in titles:
            word = re.sub(r"^(a|an|the|pair of|two|three) ", "", title)
            ids = self.senses.get(word.lower()) or self.senses.get(re.sub(r"s$", "", word.lower()))
            if not ids or word.lower() in WRONG:
                continue
            if group is None:
                ids = ids[:1]
            ids = [key for key in ids if not RUDE.search(self.synsets[key].gloss)]
            for files in FILES.get(group, (CONCRETE,) if group is None else ()):
                fits = [(self.shared(key, hints) - 0.01 * rank, -rank, key) for rank, key in enumerate(ids)
                        if self.synsets[key].file in files and
                        set(self.synsets[key].words) & {word, word.lower(), word.lower().rstrip("s")}]
                if fits and (max(fits)[0] > 0.5 or max(fits)[1] > -3):
                    return word, max(fits)[2]
        return None

    def shared(self, key, hints):
        """How many of the hints a meaning's gloss, its words and those above it hold."""
        synset = self.synsets[key]
        about = set(re.findall(r"[a-z]+", synset.gloss.lower())).union(synset.words,
                                                                       *(self.synsets[k].words for k in synset.up))
        return len(about & set(hints))

    def fit_to_say(self, word, key, ranks):
        """A plain word that most often means this."""
        return re.fullmatch(r"[a-z][a-z-]+( [a-z-]+)?", word) and len(word) <= 18 and word not in self.held and \
            not set(word.split()) & COARSE and key in self.senses.get(word, ())[:ranks]

    @functools.lru_cache(None)
    def above(self, key):
        """Everyday words for what it is a kind of, nearest first."""
        found, level = [], [key]
        for _ in range(9):
            level = list(dict.fromkeys(up for k in level for up in self.synsets[k].up))
            for up in level:
                word = next((w for w in self.synsets[up].words if w in EVERYDAY and up in self.senses[w][:2]), None)
                if word and word not in self.held and word not in found:
                    found.append(word)
        return [w for w in found if w != "container" or "vehicle" not in found][:3]    # wheeled vehicles are, there

    @functools.lru_cache(None)
    def below(self, key):
        """Kinds of it that no picture of the set names: [word], those that texts use more than once."""
        if self.synsets[key].file in (PERSON, BODY):
            return []
        near, found = self.synsets[key].down, {}
        for k in near + [d for n in near for d in self.synsets[n].down]:
            word = next((w for w in self.synsets[k].words if self.fit_to_say(w, k, 1)), None)
            if word and word not in self.pictured and not RUDE.search(self.synsets[k].gloss):
                found[word] = None
        words = list(found)
        return words + [w for w in words if self.tagged[w]] * 2 if len(words) > 2 else []

    def lines(self, found, plain, random):
        """Lines to add to `plain` English ones, at most SHARE of all; other pictures get other lines."""
        if not found:
            return []
        name, key = found
        synset, phrase = self.synsets[key], english.noun_phrase(name)
        same = [w for w in synset.words if self.fit_to_say(w, key, 2) and w not in self.pictured and w != name] \
            if synset.file != PERSON else []
        up, down, gloss = self.above(key), self.below(key), first_clause(synset.gloss)
        kinds = [[sentence("en", english.noun_phrase(w)) for w in same],
                 [line for w in up if w not in name.split() for line in
                  (sentence("en", english.noun_phrase(w)), "%s, %s" % (phrase, english.noun_phrase(w)))],
                 ["%s, %s" % (name, gloss)] if gloss and not self.held_line.search(gloss) else [],
                 [sentence("en", "%s, a kind of %s" % (english.noun_phrase(w), name))
                  for w in random.sample(down, min(6, len(down)))]]
        chosen, room = [], int(plain * SHARE / (1 - SHARE))
        while room > 0 and any(kinds):
            kind = random.choice([k for k in kinds if k])
            chosen.append(kind.pop(random.randrange(len(kind))))
            room -= 1
        return list(dict.fromkeys(chosen))
