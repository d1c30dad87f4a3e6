"""Pairs of texts that mean the same or nearly so, without pictures: WordNet's nouns with their synonyms, kinds and
glosses, and with their translations, and those of adjectives. `align_text.py` teaches them to the text tower, so that a
word no picture has shown lies by its kin.

Held-out things are among the words, as in any dictionary. CLDR is no source: pictures of held-out emoji are searched for by
its names when the model is measured."""
import english
from common import rng
from languages import sentence
from plainwords import COARSE
from wordnet import BODY, CONCRETE, FOLDER, PERSON, RUDE, first_clause


def plain_line(lang, word):
    """One of the ways a word stands alone."""
    return rng("pair", lang, word).choice((word, sentence(lang, word)))


def english_line(word):
    phrase = english.noun_phrase(word)
    return rng("pair", word).choice((sentence("en", phrase), word, "a picture of " + phrase))


def nouns(words):
    """(word, its first two concrete meanings) of every plain noun."""
    for word, keys in sorted(words.senses.items()):
        meanings = [k for k in keys[:2] if words.synsets[k].file in CONCRETE | {PERSON, BODY} and
                    not RUDE.search(words.synsets[k].gloss)]
        if meanings and words.fit_to_say(word, meanings[0], 2):
            yield word, meanings


def adjectives():
    """Those that the texts which WordNet counted words in use."""
    with open(FOLDER + "index.adj", encoding="ascii") as lines:
        parts = [line.split() for line in lines if not line.startswith("  ")]
    return [part[0] for part in parts if part[0].isalpha() and int(part[-int(part[2]) - 1]) and part[0] not in COARSE]


def of_meaning(words, word, key):
    """What WordNet says of one meaning of a word: synonyms, nearest kind, everyday kinds, gloss."""
    synset, gloss = words.synsets[key], first_clause(words.synsets[key].gloss)
    nearest = [w for up in synset.up for w in words.synsets[up].words[:1]]
    kin = [w for w in synset.words + nearest + words.above(key) if w != word and w.islower() and not set(w.split()) & COARSE]
    return [english_line(w) for w in dict.fromkeys(kin)] + ([gloss, "%s, %s" % (kin[-1], gloss)] if gloss and kin else [])


def collect(words, dictionaries):
    """-> list of (language of the second text, English text, text); `words` is a WordNet from which nothing is held."""
    pairs = []
    for word, meanings in nouns(words):
        others = dictionaries.translate(word)
        if len(others) < 3 and not words.tagged[word]:
            continue
        said = english_line(word)
        pairs += [("en", said, text) for key in meanings for text in of_meaning(words, word, key)]
        pairs += [(lang, said, plain_line(lang, name)) for lang, names in others.items() for name in names]
        gloss = first_clause(words.synsets[meanings[0]].gloss)
        pairs += [(lang, gloss, plain_line(lang, names[0])) for lang, names in others.items() if gloss]
    for word in adjectives():
        pairs += [(lang, word, name) for lang, names in dictionaries.translate(word).items() for name in names]
    return [pair for pair in dict.fromkeys(pairs) if pair[1].lower() != pair[2].lower()]
