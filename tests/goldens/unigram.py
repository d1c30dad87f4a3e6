#!/usr/bin/python3
"""A plain Unigram tokenizer, as the reference that sensus must equal, and files to compare with.

  unigram.py make DIR      DIR/NAME/tokenizer.json, DIR/NAME/texts.json and DIR/NAME/ids.txt (a line of ids a text)

Viterbi by definition, over all ends and starts (Kudo 2018); normalisation by Python's own re and unicodedata;
the precompiled table is built here as SentencePiece lays it out. Written from the papers and the meaning of
the fields of tokenizer.json.
"""
import base64
import json
import math
import os
import random
import re
import struct
import sys
import unicodedata

MARK = "\u2581"


def charsmap(rules):
    """A double-array trie of {from: to}, built by trying bases until nothing collides."""
    keys = sorted(k.encode() for k in rules)
    units, used, blob, places = {0: 0}, {0}, b"", {}
    for k in keys:
        places[k] = len(blob)
        blob += rules[k.decode()].encode() + b"\0"

    def build(prefix, node):
        group = [k for k in keys if k.startswith(prefix)]
        labels = sorted({k[len(prefix)] for k in group if len(k) > len(prefix)})
        leaf = prefix in places and len(prefix) > 0
        wanted = ([0] if leaf else []) + labels
        base = 1
        while True:
            offset = node ^ base
            if base != 0 and all((base ^ c) not in used for c in wanted) and offset < 1 << 21:
                break
            base += 1
        for c in wanted:
            used.add(base ^ c)
        units[node] = units[node] | (node ^ base) << 10 | (256 if leaf else 0)
        if leaf:
            units[base] = 1 << 31 | places[prefix]
        for c in labels:
            units[base ^ c] = c
        for c in labels:
            build(prefix + bytes([c]), base ^ c)

    build(b"", 0)
    n = max(units) + 256
    array = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(n))
    return base64.b64encode(struct.pack("<I", len(array)) + array + blob).decode()


def normalise(steps, text):
    for s in steps:
        kind = s["type"]
        if kind == "Lowercase":
            text = "".join("i\u0307" if c == "\u0130" else c.lower() if len(c.lower()) == 1 else c for c in text)
        elif kind == "Strip":
            text = text.strip()
        elif kind == "Replace":
            p = s["pattern"]
            text = re.sub(p["Regex"], s["content"], text) if "Regex" in p else text.replace(p["String"], s["content"])
        elif kind == "Precompiled":
            for a, b in s["rules"].items():
                text = text.replace(a, b)
        else:
            text = unicodedata.normalize(kind, text)
    return text


def viterbi(word, vocab, unk_id, unk_score, fallback):
    score = {p: (s, i) for i, (p, s) in enumerate(vocab)}
    best = [(0.0, 0, None)] + [(-math.inf, 0, None)] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):  # the earliest start wins when sums are equal
            piece = word[start:end]
            s, i = score.get(piece, (unk_score, None) if end - start == 1 else (-math.inf, None))
            if best[start][0] + s > best[end][0]:
                best[end] = (best[start][0] + s, start, i)
    pieces, end = [], len(word)
    while end:
        pieces.append((best[end][2], word[best[end][1]:end]))
        end = best[end][1]
    out = []
    for i, text in reversed(pieces):
        if i is None and out and out[-1][0] is None:
            out[-1] = (None, out[-1][1] + text)
        else:
            out.append((i, text))
    ids = []
    for i, text in out:
        codes = [score.get(f"<0x{b:02X}>") for b in text.encode()]
        if i is not None:
            ids.append(i)
        elif fallback and all(codes):
            ids += [c[1] for c in codes]
        else:
            ids.append(unk_id)
    return ids


def encode(config, text, limit):
    m, pre = config["model"], config["pre_tokenizer"]
    special = {a["content"]: a["id"] for a in config["added_tokens"]}
    unk_score = min(s for _, s in m["vocab"]) - 10
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, special)) + ")", text):
        if part in special:
            ids.append(special[part])
            continue
        part = normalise(config["normalizer"]["normalizers"], part).replace(" ", MARK)
        if part and not part.startswith(MARK) and pre["prepend_scheme"] == "always":
            part = MARK + part
        words = re.findall(f"{MARK}?[^{MARK}]+|{MARK}", part) if pre["split"] else [part] * bool(part)
        for w in words:
            ids += viterbi(w, m["vocab"], m["unk_id"], unk_score, m["byte_fallback"])
    return ids[:limit - 1] + [1]


def vocabulary(r, fallback):
    vocab = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], [MARK, -2.0]]
    if fallback:
        vocab += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
    alphabet = "abcdefghilmnoprstuwyz\u00e9\u00fc\u4e2d\u6587"
    seen = set()
    for c in alphabet:
        vocab.append([c, -6 - r.random()])
    for _ in range(900):
        p = "".join(r.choice(alphabet) for _ in range(r.randint(2, 5)))
        p = MARK + p[1:] if r.random() < 0.4 else p
        if p not in seen:
            seen.add(p)
            vocab.append([p, round(-4 - 5 * r.random(), 3)])
    return vocab


def make(folder, seed, split, fallback, table):
    r = random.Random(seed)
    rules = {"\uff41": "a", "\u2160": "I", "\ufb01": "fi", "\u00a0": " ", "\u200b": "", "\u00bd": "1/2", "e\u0301": "\u00e9"}
    steps = [{"type": "Precompiled", "precompiled_charsmap": charsmap(rules), "rules": rules}] if table else [
        {"type": "NFC"}, {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"Regex": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"}, "content": ""}]
    steps += [{"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Strip", "strip_left": True, "strip_right": True},
              {"type": "Replace", "pattern": {"String": "zz"}, "content": "z"}]
    config = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": c, "special": True, "normalized": False, "single_word": False,
                          "lstrip": False, "rstrip": False} for i, c in enumerate(("<pad>", "</s>", "<unk>"))],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": split},
        "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [],
                           "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": fallback, "vocab": vocabulary(r, fallback)}}
    letters = "abcdefghilmnoprstuwyz" * 3 + "     \u00e9\u00fc\u4e2d\u6587ABCZ!?.,-'\"\t\n" + "\u65e5\U0001f600xqQ\u0130\u2160\ufb01\u00bd\uff41\u00a0"
    texts = ["", " ", "a", "</s>", "cat</s> dog <unk>", "fizz buzz", "e\u0301te\u0301", "\U0001f600\U0001f600x", "zzzz"]
    texts += ["".join(r.choice(letters) for _ in range(r.randint(1, 90))) for _ in range(300)]
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/tokenizer.json", "w") as f:
        json.dump(config, f, ensure_ascii=r.random() < 0.5)
    with open(f"{folder}/texts.json", "w") as f:
        json.dump(texts, f)
    with open(f"{folder}/ids.txt", "w") as f:
        for t in texts:
            f.write(" ".join(map(str, encode(config, t, 64))) + "\n")


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "make":
        sys.exit(__doc__)
    make(f"{sys.argv[2]}/siglip", 1, True, False, False)
    make(f"{sys.argv[2]}/bytes", 2, True, True, False)
    make(f"{sys.argv[2]}/whole", 3, False, False, False)
    make(f"{sys.argv[2]}/table", 4, True, False, True)


if __name__ == "__main__":
    main()
