#!/usr/bin/python3
"""CLIP's byte-level BPE once more, written for the tests apart from the C code.

    clip_bpe.py encode FOLDER [--max N] < texts > ids
    clip_bpe.py train FOLDER --vocab N < text

FOLDER holds (or gets) vocab.json and merges.txt. `encode` reads one text a line, in which \\xNN is a
byte (and invalid UTF-8 is replaced), and writes a line of ids for each: start, at most N - 2 pieces,
end. Semantics: Hugging Face's CLIPTokenizerFast (NFC, white space, lower case code point by code
point, special tokens found in the normalised text, CLIP's pattern, merges by rank). `train` recounts
every pair after each merge: slow and plain.

The golden files in tests/goldens/prep come from
    clip_bpe.py train prep/small_vocab --vocab 900 < prep/names.txt
    clip_bpe.py encode prep/small_vocab < prep/names.txt > prep/names_ids.txt
"""
import argparse
import collections
import functools
import json
import os
import re
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
        ids = []
        for part in SPECIAL.split(normalize(text)):
            if part in (START, END):
                ids.append(self.vocab[part])
                continue
            for word in WORD.findall(part):
                ids += self.word(word)
        return [self.vocab[START]] + ids[:limit - 2] + [self.vocab[END]]


def normalize(text):
    return "".join(c.lower() for c in unicodedata.normalize("NFC", text))


def train(folder, vocab_size, text):
    letters = alphabet()
    words = collections.Counter(WORD.findall(normalize(text)))
    words = [([letters[b] for b in w.encode()], n) for w, n in words.items() if len(w.encode()) <= 1000]
    for parts, _ in words:
        parts[-1] += "</w>"
    tokens = list(letters[b] for b in sorted(letters, key=lambda b: (ord(letters[b]) > 255, b)))
    tokens += [t + "</w>" for t in tokens]
    merges = []
    while len(tokens) + 2 < vocab_size:
        pairs = collections.Counter()
        for parts, n in words:
            for pair in zip(parts, parts[1:]):
                pairs[pair] += n
        count, best = min(((-n, p[0].encode(), p[1].encode()), p) for p, n in pairs.items())
        if -count[0] < 2:
            break
        if best not in merges:
            merges.append(best)
        if best[0] + best[1] not in tokens:
            tokens.append(best[0] + best[1])
        for parts, _ in words:
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = [best[0] + best[1]]
                i += 1
    tokens += [START, END]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump({t: i for i, t in enumerate(tokens)}, f, indent=2, ensure_ascii=False)
        f.write("\n")
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("what", choices=["encode", "train"])
    args.add_argument("folder")
    args.add_argument("--max", type=int, default=77)
    args.add_argument("--vocab", type=int, default=900)
    args = args.parse_args()
    data = sys.stdin.buffer.read()
    if args.what == "train":
        train(args.folder, args.vocab, data.decode("utf-8", errors="replace"))
        return
    bpe = ClipBpe(args.folder)
    for line in data.split(b"\n")[:-1]:
        text = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), line)
        print(*bpe.encode(text.decode("utf-8", errors="replace"), args.max))


if __name__ == "__main__":
    main()
