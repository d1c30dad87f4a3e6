"""CLIP's byte-level BPE (Sennrich et al. 2016), as `sensus tokenizer train` writes it: for the tools that change a vocabulary."""
import functools
import json
import os
import unicodedata

import regex

WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
END = "</w>"


def byte_letters():
    """{byte: the letter that stands for it}, printable ones for themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


class Tokenizer:
    """A folder with vocab.json and merges.txt."""

    def __init__(self, folder):
        with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as text:
            self.ids = json.load(text)
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as text:
            pairs = [tuple(line.split()) for line in text.read().split("\n")[1:] if line]
        self.ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self.letters = byte_letters()
        self.start, self.end = self.ids["<|startoftext|>"], self.ids["<|endoftext|>"]

    def merge(self, parts):
        """The ids of a word whose letters are given."""
        parts = list(parts)
        while len(parts) > 1:
            rank, at = min((self.ranks.get(pair, len(self.ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
            if rank == len(self.ranks):
                break
            parts[at:at + 2] = ["".join(parts[at:at + 2])]
        return [self.ids[part] for part in parts]

    @functools.lru_cache(None)
    def word(self, word):
        """The ids of one word of a text."""
        letters = [self.letters[b] for b in word.encode()]
        return self.merge(letters[:-1] + [letters[-1] + END])

    def pieces(self, token):
        """The ids that another vocabulary's token falls into here."""
        body = token.removesuffix(END)
        return self.merge([*body[:-1], body[-1] + token[len(body):]])

    def encode(self, text, context):
        """The ids of a text between start and end, at most `context` of them."""
        text = " ".join(unicodedata.normalize("NFC", text).split()).lower()
        ids = [i for word in WORD.findall(text) for i in self.word(word)]
        return [self.start, *ids[:context - 2], self.end]
