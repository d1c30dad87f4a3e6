#!/usr/bin/python3
"""CLIP's byte-level BPE once more, written for the test apart from the C code.

    clip_bpe.py FOLDER [--max N] < texts > ids

FOLDER holds vocab.json and merges.txt. Texts are separated by NUL bytes (invalid UTF-8 is replaced);
each gives one line of ids: start, at most N - 2 pieces, end. Semantics: Hugging Face's
CLIPTokenizerFast (NFC, white space, lower case code point by code point, special tokens found in the
normalised text, CLIP's pattern, merges by rank).
"""
import argparse
import functools
import json
import os
import sys
import unicodedata

import regex

START, END = "<|startoftext|>", "<|endoftext|>"
WORD = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\p{White_Space}\p{L}\p{N}]+", regex.V1)
SPECIAL = regex.compile("(" + regex.escape(START) + "|" + regex.escape(END) + ")")


def alphabet():
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    table = {b: chr(b) for b in shown}
    table.update({b: chr(256 + i) for i, b in enumerate(hidden)})
    return table


class ClipBpe:
    def __init__(self, folder):
        with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as f:
            self.vocab = json.load(f)
        with open(os.path.join(folder, "merges.txt"), encoding="utf-8", newline="\n") as f:
            lines = [line for line in f.read().split("\n") if line and not line.startswith("#version")]
        self.rank = {tuple(line.split(" ")): i for i, line in enumerate(lines)}
        self.letters = alphabet()
        self.word = functools.lru_cache(maxsize=1 << 16)(self._word)

    def _word(self, word):
        parts = [self.letters[b] for b in word.encode("utf-8")]
        parts[-1] += "</w>"
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda p: self.rank.get(p, 1 << 60))
            if best not in self.rank:
                break
            merged, i = [], 0
            while i < len(parts):
                if i + 1 < len(parts) and (parts[i], parts[i + 1]) == best:
                    merged.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    merged.append(parts[i])
                    i += 1
            parts = merged
        return [self.vocab.get(p, self.vocab[END]) for p in parts]

    def encode(self, text, limit):
        text = unicodedata.normalize("NFC", text)
        text = "".join(c.lower() for c in text)
        ids = []
        for part in SPECIAL.split(text):
            if part in (START, END):
                ids.append(self.vocab[part])
                continue
            for word in WORD.findall(part):
                ids += self.word(word)
        return [self.vocab[START]] + ids[:limit - 2] + [self.vocab[END]]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("folder")
    args.add_argument("--max", type=int, default=77)
    args = args.parse_args()
    bpe = ClipBpe(args.folder)
    texts = sys.stdin.buffer.read().split(b"\0")
    for text in texts:
        print(*bpe.encode(text.decode("utf-8", errors="replace"), args.max))


if __name__ == "__main__":
    main()
