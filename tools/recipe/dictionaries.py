"""Translations of English nouns and adjectives: WikDict through every language between, EDICT (with kana readings), CC-CEDICT.

WikDict (Debian dict-freedict-*) has few pairs with English that may be shared alike; what it lacks is reached through
other languages. Each language that a word is already known in casts one vote, shared among what its dictionary says, so
a second meaning of one word on the way ("bank") finds no second voice (Tanaka and Umemura 1994 call it inverse
consultation). FreeDict's dictionaries under the GPL are not used."""
import collections
import functools
import gzip
import json
import os
import re
import unicodedata

import emoji
from plainwords import COARSE

FREEDICT = "/usr/share/dictd/freedict-%s"
EDICT = "/usr/share/edict/edict"
CODES = {"eng": "en", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "rus": "ru", "pol": "pl",
         "swe": "sv", "tur": "tr", "ell": "el", "jpn": "ja", "ind": "id", "fin": "fi", "nor": "nb", "bul": "bg"}
PAIRS = ("eng-bul eng-fin eng-ind eng-jpn eng-nor ell-eng fin-eng pol-eng deu-bul deu-fin deu-fra deu-ind deu-pol deu-rus "
         "deu-spa deu-swe fin-deu fin-fra fin-ita fin-jpn fin-nld fin-nor fin-pol fin-por fin-swe fra-bul fra-deu fra-fin "
         "fra-ita fra-jpn fra-pol fra-por fra-rus fra-spa fra-swe fra-tur ita-bul ita-fin ita-jpn ita-pol ita-por ita-rus "
         "ita-spa ita-swe ita-tur nld-ita nld-pol nld-por nld-rus nld-spa nld-swe pol-deu pol-fra pol-ita pol-jpn pol-nld "
         "pol-por pol-rus pol-spa pol-swe pol-tur swe-deu swe-fra swe-ita swe-jpn swe-nld swe-pol swe-por swe-rus swe-spa "
         "swe-tur").split()
SHARED_ALIKE = b"Attribution-ShareAlike"
ROUNDS = 3                  # English to Polish, Finnish...; those to German, French...; all to Russian, Spanish, Turkish
VOTES = 1.3                 # a translation needs more than one language's word, where more than one speaks
BASE64 = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
STRESS = "\u0301"           # the mark that dictionaries put on Russian and Bulgarian vowels
HAN = re.compile(r"[\u3400-\u9fff々]")


def number(digits):
    return functools.reduce(lambda value, c: 64 * value + BASE64[c], digits, 0)


def entries(pair):
    """The texts of a dictd dictionary."""
    with gzip.open(FREEDICT % pair + ".dict.dz") as data:
        text = data.read()
    assert SHARED_ALIKE in text[:8000], pair
    places = set()
    with open(FREEDICT % pair + ".index", encoding="utf-8") as lines:
        for word, start, length in (line.rstrip("\n").split("\t") for line in lines):
            if not word.startswith("00"):
                places.add((number(start), number(length)))
    return (text[start:start + length].decode() for start, length in sorted(places))


def words_of(line):
    """The translations on a line, without notes and stray sense numbers."""
    line = re.sub(r"\([^()]*\)|\[[^\]]*\]|<[^>]*>|\s\d+\.\s*$", "", unicodedata.normalize("NFC", line).replace(STRESS, ""))
    return [w for w in (" ".join(w.split()) for w in re.split(r"[,;]", line)) if w and len(w) < 30 and w not in COARSE]


def senses(entry):
    """-> (headword, [translations of each sense]) of a noun or an adjective, or None."""
    head, _, body = entry.partition("\n")
    kind = re.search(r"<([^>]*)>\s*$", head)
    if not body or kind and not kind[1].split(",")[0] in ("n", "adj"):
        return None
    numbered = re.findall(r"^\s*\d+\. (.*)$", body, re.M)
    return re.split(r" [/<]", head)[0].strip(), [words_of(line) for line in numbered or body.split("\n")[:1]]


class Dictionaries:
    """Every source, by English word."""

    def __init__(self, modules):
        self.links = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(dict)))
        for pair in PAIRS:
            one, two = (CODES[code] for code in pair.split("-"))
            for head, found in filter(None, map(senses, entries(pair))):
                for rank, words in enumerate(found[:4]):
                    for word in words:
                        for a, b, v, w in ((one, two, head, word), (two, one, word, head)):
                            self.links[a][b][v].setdefault(w, 1 / (1 + rank))
        self.readings, self.japanese = read_edict()
        self.chinese = read_cedict(modules)

    @functools.lru_cache(None)
    def translate(self, word):
        """{language: names, best first} of an English noun or adjective."""
        known = {"en": {word: 1.0}}
        for _ in range(ROUNDS):
            votes = collections.defaultdict(collections.Counter)
            voters = collections.Counter()
            for one, names in known.items():
                for two, table in self.links[one].items():
                    heard = self.vote(names, table)
                    votes[two].update(heard)
                    voters[two] += bool(heard)
            known = {two: dict(found.most_common(3)) for two, found in votes.items() if two != "en" and found}
            known["en"] = {word: 1.0}
        found = {}
        for lang, names in known.items():
            least = max(min(VOTES, voters[lang]), 0.6 * max(names.values()))
            best = [w for w, score in names.items() if score >= least]
            if best and lang != "en":
                found[lang] = best[:2]
        for lang, table in (("ja", self.japanese), ("zh", self.chinese)):
            if word in table:
                found[lang] = table[word]
        return {lang: list(dict.fromkeys(names)) for lang, names in sorted(found.items())}

    @staticmethod
    def vote(names, table):
        """What one language's dictionary says to words that have scores: at most one vote for each word."""
        heard, total = collections.Counter(), sum(names.values())
        for name, score in names.items():
            for word, weight in table.get(name, {}).items():
                heard[word] += weight * score / total
        most = max(heard.values(), default=1)
        return {word: score / most for word, score in heard.items() if score > 0.2 * most}

    def add(self, captions, titles, photo=False):
        """Captions with what the dictionaries call the first two of the English titles that they know."""
        captions = {lang: list(lines) for lang, lines in captions.items()}
        known = [found for found in (self.translate(title.lower()) for title in dict.fromkeys(titles)) if found]
        for found in known[:2]:
            for lang, names in found.items():
                captions.setdefault(lang, []).extend(line for name in names for line in emoji.name_lines(lang, name, photo))
        return captions

    def reading(self, text):
        """Japanese in kana: the longest words first; what is unknown stays."""
        out, at = "", 0
        while at < len(text):
            size = next((n for n in range(min(8, len(text) - at), 0, -1)
                         if HAN.search(text[at:at + n]) and text[at:at + n] in self.readings), 0)
            out += self.readings[text[at:at + size]] if size else text[at]
            at += size or 1
        return out


def bare(gloss):
    """A gloss without its notes in brackets, which may be nested, and without article."""
    while True:
        shorter = re.sub(r"\([^()]*\)|\{[^{}]*\}", "", gloss)
        if shorter == gloss:
            return re.sub(r"^(a|an|the) ", "", gloss.strip().lower())
        gloss = shorter


def commonness(words):
    """How many of the words hold each string of up to four characters: frequent words have many compounds."""
    return collections.Counter(part for word in words for part in
                               {word[i:j] for i in range(len(word)) for j in range(i + 1, min(i + 5, len(word) + 1))})


def read_edict():
    """-> ({word in kanji: kana}, {English word: [kanji, kana, ...]}), common words first."""
    readings, common_ones, english = {}, set(), collections.defaultdict(list)
    with open(EDICT, encoding="euc-jp", errors="replace") as lines:
        for line in lines:
            parts = re.match(r"(\S+)(?: \[(.+?)\])? /(.*)/", line)
            if not parts or re.search(r"\((arch|obs|[io][kK])\)", parts[3]):
                continue
            word, kana = parts[1], parts[2] or parts[1]
            common = parts[3].endswith("/(P)")
            if HAN.search(word) and word not in common_ones and (common or word not in readings):
                readings[word] = kana
                common_ones.update([word] * common)
            if not re.match(r"\((n|adj-\w+)[,)]", parts[3]) or len(word) > 9:
                continue
            for rank, gloss in enumerate(parts[3].split("/")[:3]):
                english[bare(gloss)].append((not common, rank, len(kana), word, kana))
    return readings, {gloss: [w for *_, word, kana in sorted(found)[:2] for w in (word, kana)]
                      for gloss, found in english.items()}


def read_cedict(modules):
    """-> {English word: [words in simplified characters]}, common words first."""
    path = os.path.join(modules, "cc-cedict", "data", "all.js")
    with open(path, encoding="utf-8") as script:
        rows = json.loads(script.read().partition("export default ")[2].rstrip(";\n"))["all"]
    common, english = commonness({row[1] for row in rows}), collections.defaultdict(list)
    for _, simple, pinyin, said, *_ in rows:
        if pinyin[:1].isupper() or len(simple) > 6:
            continue
        lines = [said] if isinstance(said, str) else said
        for rank, gloss in enumerate(g for line in lines[:3] for g in line.split(";")):
            english[bare(gloss)].append((rank > 0, -common[simple], simple))
    return {gloss: [simple for *_, simple in sorted(found)[:2]] for gloss, found in english.items()}
