"""align_text.py: the text tower learns where pictures lie and what means the same, and nothing else changes."""
import os
import shutil
import sys
import tempfile
from unittest import mock

import tiny_clip

tiny_clip.need("numpy", "regex", "PIL", "torch")
import numpy    # noqa: E402
import align_text   # noqa: E402
import bpe      # noqa: E402
import weights  # noqa: E402

TMP = tempfile.TemporaryDirectory()
WORK = TMP.name
MODEL, SHARDS = tiny_clip.train(WORK)
NAMES = list(tiny_clip.COLOURS)
PAIRS = [("de", name, word) for name, word in tiny_clip.GERMAN.items()] + [("en", "red", "scarlet"), ("fr", "red", "rouge")]


def test_batches_hold_each_text_once_and_drop_words_only():
    texts = align_text.Texts(bpe.Tokenizer(MODEL), 12)
    numbers = numpy.array([texts.add(text) for text in ("red", "a red square", "red", "blue")])
    texts.close()
    assert list(numbers) == [0, 1, 0, 2]
    ids, starts = texts.batch(numbers, 0.0, numpy.random.default_rng(1))
    expected = [bpe.Tokenizer(MODEL).encode(text, 12) for text in ("red", "a red square", "red", "blue")]
    assert ids.tolist() == sum(expected, []) and starts.tolist() == [0, *numpy.cumsum([len(e) for e in expected])[:-1]]
    ids, starts = texts.batch(numbers, 1.0, numpy.random.default_rng(1))
    tokenizer = texts.tokenizer
    assert ids.tolist() == [tokenizer.start, tokenizer.end] * 4 and starts.tolist() == [0, 2, 4, 6]


def test_captions_are_drawn_of_the_right_picture():
    texts = align_text.Texts(bpe.Tokenizer(MODEL), 12)
    rows = [{"concept": name, "captions": {"en": [name], "de": [tiny_clip.GERMAN[name]] * (i % 2)}} for i, name in enumerate(NAMES)]
    captions = align_text.Captions(rows, texts)
    random, spoken = numpy.random.default_rng(2), list(texts.known)
    english = 0
    for _ in range(200):
        for row, number in zip(rows, captions.draw(numpy.arange(len(rows)), random)):
            assert spoken[number] in row["captions"]["en"] + row["captions"]["de"]
            english += spoken[number] == row["captions"]["en"][0]
    # Half of the pictures have English only, the others draw it by its share among the two languages that they have.
    share = align_text.ENGLISH / (align_text.ENGLISH + captions.wanted[captions.languages.index("de")])
    # "orange" is the same word in both languages and has German beside it or not.
    alike = NAMES.index("orange") % 2 / 8 * (1 - share)
    assert abs(english / 1600 - (0.5 + 0.5 * share + alike)) < 0.04


def similarities(model, texts):
    """Of each picture to each text -> [pictures, texts]."""
    with tempfile.TemporaryDirectory() as folder:
        align_text.read_shards(SHARDS, folder)
        pictures = align_text.encode(tiny_clip.SENSUS, model, folder, len(NAMES)).numpy()
    return pictures @ numpy.array(tiny_clip.vectors(model, texts)).T


def mixed_up():
    """-> a copy of the model in which no token means what it did."""
    folder, tensors = os.path.join(WORK, "mixed"), weights.read(MODEL)
    shutil.copytree(MODEL, folder)
    table = tensors[weights.TABLE]
    weights.write(folder, {**tensors, weights.TABLE: table[numpy.random.default_rng(5).permutation(len(table))]})
    return folder


def test_the_text_tower_learns_and_the_image_tower_stays():
    start, pairs, out = mixed_up(), os.path.join(WORK, "pairs.tsv"), os.path.join(WORK, "out")
    with open(pairs, "w", encoding="utf-8") as lines:
        lines.writelines("\t".join(pair) + "\n" for pair in PAIRS)
    arguments = [tiny_clip.SENSUS, start, SHARDS, pairs, out, "--steps", "80", "--batch", "8", "--lr", "2e-2", "--noise", "0"]
    with mock.patch.object(sys, "argv", ["align_text.py", *arguments]):
        align_text.main()
    before, after = weights.read(start), weights.read(out)
    assert {n for n in before if before[n].tobytes() != after[n].tobytes()} == {weights.TABLE, weights.PROJECTION}
    # Captions: nearly every picture finds its own again.
    squares = ["a %s square" % name for name in NAMES]
    hits = [(similarities(m, squares).argmax(1) == numpy.arange(len(NAMES))).sum() for m in (start, out)]
    assert hits[1] >= 7 and hits[0] <= 3, hits
    # Words that no caption has came with the pairs: "rouge" and "scarlet" lie by "red".
    told = numpy.array(tiny_clip.vectors(out, NAMES + ["scarlet", "rouge"]))
    assert list((told[-2:] @ told[:-2].T).argmax(1)) == [NAMES.index("red")] * 2


if __name__ == "__main__":
    tiny_clip.run_tests([test_batches_hold_each_text_once_and_drop_words_only, test_captions_are_drawn_of_the_right_picture,
                         test_the_text_tower_learns_and_the_image_tower_stays])
