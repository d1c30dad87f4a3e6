"""dictionaries.py, textpairs.py and art4apps.py on dictionaries, a WordNet and pictures made here in the shape of the real ones."""
import contextlib
import gzip
import os
import tempfile
from unittest import mock

import tiny_clip

tiny_clip.need("PIL")
import art4apps     # noqa: E402
import dictionaries     # noqa: E402
import textpairs    # noqa: E402
import wordnet      # noqa: E402

TMP = tempfile.TemporaryDirectory()
WORK = TMP.name
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LICENCE = "Licensed under the Creative Commons Attribution-ShareAlike 3.0\n"
# English has no Spanish dictionary here: the way there is by German and French, which both know two meanings of "bank".
DICTD = {
    "eng-nor": ["dog /dɔɡ/ <n>\n1. hund\nan animal", "run /ɹʌn/ <v>\nløpe"],
    "deu-eng": ["Hund /hʊnt/ <n, masc>\n1. dog\nHaustier\n2. rascal, (old) cur [rare]", "Bank /baŋk/ <n, fem>\n1. bank\n2. bench",
                "Licht /lɪçt/ <n, neut>\nlight", "orange /oˈʁɑ̃ːʃ/ <adj>\norange"],
    "fra-eng": ["chien /ʃjɛ̃/ <n, masc>\ndog", "banque /bɑ̃k/ <n, fem>\nbank", "rive /ʁiv/ <n, fem>\nbank",
                "léger /leʒe/ <adj>\nlight"],
    "deu-spa": ["Hund /hʊnt/ <n, masc>\nperro", "Bank /baŋk/ <n, fem>\n1. banco\n2. asiento", "Licht /lɪçt/ <n, neut>\nluz"],
    "fra-spa": ["chien /ʃjɛ̃/ <n, masc>\nperro, can", "banque /bɑ̃k/ <n, fem>\nbanco", "rive /ʁiv/ <n, fem>\norilla",
                "léger /leʒe/ <adj>\nligero"],
}
EDICT = ["犬 [いぬ] /(n) dog (Canis (lupus) familiaris)/(P)/", "小犬 [こいぬ] /(n) small dog/puppy/", "狆 [ちん] /(n) (arch) dog/",
         "走る [はしる] /(v5r,vi) to run/(P)/", "アルバム /(n) album/(P)/"]
CEDICT = ('export default {"all":[["狗","狗","gou3","dog"],["犬隻","犬只","quan3 zhi1",["dog","hound"]],["小狗","小狗","xiao3 gou3",'
          '"puppy"],["狗","狗","Gou3","surname Gou"]]};\n')


def base64(number):
    return (base64(number // 64) if number >= 64 else "") + DIGITS[number % 64]


def write_dictd(folder, pair, entries, licence=LICENCE):
    text, index = licence.encode(), ["00databaseshort\tA\tB\n"]
    for entry in entries:
        data = (entry + "\n").encode()
        index.append("%s\t%s\t%s\n" % (entry.split(" ")[0], base64(len(text)), base64(len(data))))
        text += data
    path = os.path.join(folder, pair)
    with gzip.open(path + ".dict.dz", "wb") as out:
        out.write(text)
    with open(path + ".index", "w", encoding="utf-8") as out:
        out.writelines(index)


@contextlib.contextmanager
def places(**values):
    with mock.patch.multiple(dictionaries, **values):
        yield


def made():
    """-> Dictionaries of what is written above."""
    for pair, entries in DICTD.items():
        write_dictd(WORK, pair, entries)
    with open(os.path.join(WORK, "edict"), "w", encoding="euc-jp") as out:
        out.writelines(line + "\n" for line in EDICT)
    os.makedirs(os.path.join(WORK, "cc-cedict", "data"), exist_ok=True)
    with open(os.path.join(WORK, "cc-cedict", "data", "all.js"), "w", encoding="utf-8") as out:
        out.write(CEDICT)
    with places(FREEDICT=os.path.join(WORK, "%s"), PAIRS=list(DICTD), EDICT=os.path.join(WORK, "edict")):
        return dictionaries.Dictionaries(WORK)


LEXICON = made()


def test_entries_give_senses_without_notes():
    assert dictionaries.senses(DICTD["deu-eng"][0]) == ("Hund", [["dog"], ["rascal", "cur"]])
    assert dictionaries.senses("chien /ʃjɛ̃/ <n, masc>\ndog, hound\nun animal") == ("chien", [["dog", "hound"]])
    assert dictionaries.senses(DICTD["eng-nor"][1]) is None         # a verb
    assert dictionaries.words_of("соба\u0301ка, can") == ["собака"]   # no stress marks, nothing coarse
    assert LEXICON.links["en"]["nb"]["run"] == {} and LEXICON.links["de"]["en"]["Hund"] == {"dog": 1, "rascal": 0.5, "cur": 0.5}


def test_other_languages_vote():
    """ "can" is coarse and "asiento" the second sense of one language only; "perro" and "banco" have two voices."""
    assert LEXICON.translate("dog") == {"de": ["Hund"], "es": ["perro"], "fr": ["chien"], "ja": ["犬", "いぬ"], "nb": ["hund"],
                                        "zh": ["狗", "犬只"]}
    bank = LEXICON.translate("bank")
    assert bank["es"] == ["banco"] and bank["fr"] == ["banque", "rive"]
    # Two languages mean two things by "light", and none has a second voice.
    assert LEXICON.translate("light") == {"de": ["Licht"], "fr": ["léger"]}
    assert LEXICON.translate("unknown") == {}


def test_a_single_dictionary_is_believed_where_no_other_speaks():
    heard = LEXICON.vote({"Hund": 1.0}, LEXICON.links["de"]["es"])
    assert heard == {"perro": 1.0}
    assert LEXICON.vote({"Bank": 0.5, "Hund": 0.5}, LEXICON.links["de"]["es"]) == {"banco": 1.0, "perro": 1.0, "asiento": 0.5}
    assert LEXICON.translate("rascal") == {"de": ["Hund"], "es": ["perro"], "fr": ["chien"]}    # one voice in each round


def test_a_licence_that_does_not_mix_is_refused():
    write_dictd(WORK, "nld-spa", ["hond /x/ <n>\nperro"], "GNU General Public License\n")
    with places(FREEDICT=os.path.join(WORK, "%s")):
        try:
            list(dictionaries.entries("nld-spa"))
        except AssertionError:
            return
    raise SystemExit("a dictionary under the GPL was read")


def test_japanese_is_read_in_kana():
    assert LEXICON.reading("犬と小犬") == "いぬとこいぬ"
    assert LEXICON.reading("猫のアルバム") == "猫のアルバム"


def test_captions_gain_what_dictionaries_say():
    before = {"en": ["A dog."], "fr": ["un toutou"]}
    after = LEXICON.add(before, ["Dog"])
    assert before == {"en": ["A dog."], "fr": ["un toutou"]}
    assert after["en"] == ["A dog."] and after["fr"][0] == "un toutou" and "chien" in after["fr"] and "perro" in after["es"]


NOUNS = ["00000001 05 n 01 animal 0 001 ~ 00000002 n 0000 | a living organism that moves",
         "00000002 05 n 02 dog 0 domestic_dog 0 001 @ 00000001 n 0000 | a member of the genus Canis; \"the dog barked\"",
         "00000003 04 n 01 barking 0 000 | the act of making a dog's sound",
         "00000004 05 n 01 cur 0 001 @ 00000002 n 0000 | an offensive word for a dog"]
INDEX = ["animal n 1 1 ~ 1 9 00000001  ", "dog n 1 1 @ 1 7 00000002  ", "domestic_dog n 1 1 @ 1 0 00000002  ",
         "barking n 1 0 1 3 00000003  ", "cur n 1 1 @ 1 0 00000004  "]
ADJECTIVES = ["  1 This software and database", "red a 1 0 1 5 00000009  ", "orange a 1 0 1 5 00000011  ", "rubricate a 1 0 1 0 00000010  "]


def made_wordnet():
    folder = os.path.join(WORK, "wordnet") + "/"
    os.makedirs(folder)
    for name, lines in (("data.noun", NOUNS), ("index.noun", INDEX), ("index.adj", ADJECTIVES)):
        with open(folder + name, "w", encoding="ascii") as out:
            out.writelines(line + "\n" for line in lines)
    return folder


def test_pairs_of_texts_are_kin_glosses_and_translations():
    folder = made_wordnet()
    names = mock.Mock(by_english={})
    with mock.patch.object(wordnet, "FOLDER", folder), mock.patch.object(textpairs, "FOLDER", folder):
        pairs = textpairs.collect(wordnet.WordNet(names, set()), LEXICON)
        assert textpairs.adjectives() == ["red", "orange"]
    dog = {text.lower().strip(".") for lang, one, text in pairs if lang == "en" and "dog" in one.lower().split(" ")[-1]}
    assert {"a member of the genus canis", "animal, a member of the genus canis"} <= dog
    assert any("domestic dog" in text for text in dog) and any(text.endswith("animal") for text in dog)
    german = [(one, text) for lang, one, text in pairs if lang == "de"]
    assert any("dog" in one.lower() and "Hund" in text for one, text in german)
    assert any(one == "a member of the genus Canis" and "Hund" in text for one, text in german)
    # No abstract noun, nothing rude, no pair of a text with itself, and each pair once.
    assert not any("barking" in text.lower() or "offensive" in text for pair in pairs for text in pair[1:])
    assert LEXICON.translate("orange") == {"de": ["orange"]}
    assert not any(one.lower() == two.lower() for _, one, two in pairs) and len(set(pairs)) == len(pairs)


class Emoji:
    """Names that know one emoji."""

    by_english, by_italian, key_of, names = {"dog": "1f415"}, {}, {}, {}


def test_art4apps_names_are_what_its_files_show():
    for path in ("animals/dog.jpg", "animals/guide_dog.jpg", "transport/hot_rod.jpg", "actions/run.jpg", "animals/readme.txt"):
        os.makedirs(os.path.join(WORK, "art", os.path.dirname(path)), exist_ok=True)
        open(os.path.join(WORK, "art", path), "wb").close()
    with mock.patch.object(art4apps, "FOLDER", os.path.join(WORK, "art") + "/"):
        found = art4apps.collect(Emoji)
    assert [(e["path"], e["concept"], e["exact"], e["head"]) for e in found] == [
        ("animals/dog", "1f415", "1f415", "1f415"), ("animals/guide dog", "clip:guide-dog", None, "1f415"),
        ("transportation/hot rod", "clip:hot-rod", None, None)]


if __name__ == "__main__":
    tiny_clip.run_tests([test_entries_give_senses_without_notes, test_other_languages_vote,
                         test_a_single_dictionary_is_believed_where_no_other_speaks, test_a_licence_that_does_not_mix_is_refused,
                         test_japanese_is_read_in_kana, test_captions_gain_what_dictionaries_say,
                         test_pairs_of_texts_are_kin_glosses_and_translations, test_art4apps_names_are_what_its_files_show])
