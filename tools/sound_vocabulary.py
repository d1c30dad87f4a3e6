#!/usr/bin/python3
"""sound_vocabulary.py MODEL OUT TOKENS TEXTS... - a model that hears with a smaller vocabulary, of at most TOKENS tokens.

MODEL is a folder that `sensus train --sound` wrote, with a bag of tokens (cbow) as its text tower. Byte pairs are merged in the order
of their ranks, so with all merges that a word takes, and without others, it falls into the same tokens as before: its vector stays. Words are
kept from the most frequent one on; those of .jsonl manifests come first, then those of text files. All others fall into smaller pieces."""
import collections
import json
import os
import shutil
import struct
import sys
import unicodedata

import regex

WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
END = "</w>"
BYTES = 512  # tokens of single bytes, inside and at the end of a word


def byte_letters():
    """{byte: the letter that stands for it}"""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def texts_of(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if path.endswith(".jsonl"):
                yield from (text for texts in json.loads(line).get("captions", {}).values() for text in texts)
            else:
                yield line


def words(paths):
    """Words, those of manifests first, each group by frequency."""
    found = {}
    for manifests in True, False:
        count = collections.Counter()
        for path in (p for p in paths if p.endswith(".jsonl") == manifests):
            for text in texts_of(path):
                count.update(WORD.findall(unicodedata.normalize("NFC", text).lower()))
        found.update((word, None) for word, _ in count.most_common() if word not in found)
    return list(found)


def merges_of(word, ranks, letters):
    """The merges that a word takes."""
    parts, taken = [letters[b] for b in word.encode()], []
    parts[-1] += END
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
        if rank == len(ranks):
            break
        taken.append(rank)
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return taken


def choose(pairs, paths, tokens):
    """Ranks of the merges that are kept, in order."""
    ranks, letters, kept = {tuple(pair): i for i, pair in enumerate(pairs)}, byte_letters(), set()
    for word in words(paths):
        more = set(merges_of(word, ranks, letters)) - kept
        if len(kept) + len(more) + BYTES + 2 > tokens:
            break
        kept |= more
    return sorted(kept)


def write_tokenizer(model, out, pairs, rows):
    """-> {token: its new id}"""
    with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as text:
        tokenizer = json.load(text)
    by_row = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    ids = {by_row[row]: i for i, row in enumerate(rows)}
    tokenizer["model"].update(vocab=ids, merges=[" ".join(pair) for pair in pairs])
    for token in tokenizer["added_tokens"]:
        token["id"] = ids[token["content"]]
    for end in "sep", "cls":
        tokenizer["post_processor"][end][1] = ids[tokenizer["post_processor"][end][0]]
    for name, value in (("tokenizer.json", tokenizer), ("vocab.json", ids)):
        with open(os.path.join(out, name), "w", encoding="utf-8") as text:
            json.dump(value, text, ensure_ascii=False, separators=(",", ":"))
    with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as text:
        text.write("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in pairs))
    return ids


def write_weights(model, out, rows):
    with open(os.path.join(model, "model.safetensors"), "rb") as data:
        size, = struct.unpack("<Q", data.read(8))
        header, body = json.loads(data.read(size)), data.read()
    new, parts, at = {"__metadata__": header.pop("__metadata__", {"format": "pt"})}, [], 0
    for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
        part = body[slice(*t["data_offsets"])]
        if name.endswith("token_embedding.weight"):
            row = len(part) // t["shape"][0]
            part, t["shape"][0] = b"".join(part[r * row:(r + 1) * row] for r in rows), len(rows)
        new[name] = dict(t, data_offsets=[at, at + len(part)])
        at += len(part)
        parts.append(part)
    text = json.dumps(new, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(out, "model.safetensors"), "wb") as data:
        data.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def main(model, out, tokens, *paths):
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(model, "merges.txt"), encoding="utf-8") as text:
        pairs = [line.split() for line in text.read().split("\n")[1:] if line]
    ranks = choose(pairs, paths, int(tokens))
    rows = [*range(BYTES), *(BYTES + rank for rank in ranks), BYTES + len(pairs), BYTES + len(pairs) + 1]
    ids = write_tokenizer(model, out, [pairs[rank] for rank in ranks], rows)
    write_weights(model, out, rows)
    with open(os.path.join(model, "config.json"), encoding="utf-8") as text:
        config = json.load(text)
    config["text_config"].update(vocab_size=len(rows), bos_token_id=ids["<|startoftext|>"], eos_token_id=ids["<|endoftext|>"])
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as text:
        json.dump(config, text, indent=2)
        text.write("\n")
    for name in "preprocessor_config.json", "special_tokens_map.json", "tokenizer_config.json":
        shutil.copy(os.path.join(model, name), out)
    print(f"{out}: {len(rows)} tokens of {BYTES + len(pairs) + 2}")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
