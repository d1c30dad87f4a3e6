#!/usr/bin/python3
"""trim_vocabulary.py MODEL TOKENIZER OUT - a trained CBOW model with fewer tokens.

Byte-pair merges are learned greedily, so `sensus tokenizer train` with a smaller --vocab on the same text gives the
first merges of the larger vocabulary. TOKENIZER is such a folder: words of a merge that it lacks fall into their two
parts, whose embeddings the model has. OUT gets the model with the remaining rows of its token embedding."""
import json
import os
import shutil
import struct
import sys

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as text:
        return json.load(text)


def kept_rows(old, new):
    """Old row of each new token; both are {token: row}."""
    by_row = sorted(new, key=new.get)
    assert [new[t] for t in by_row] == list(range(len(new))), "the tokenizer's ids have gaps"
    assert all(t in old for t in by_row), "the tokenizer was not learned from the same text"
    return [old[t] for t in by_row]


def trim(data, rows):
    """The safetensors file with those rows of its token embedding."""
    size, = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    tensors, at, parts = {}, 0, []
    for name, t in sorted(((n, t) for n, t in header.items() if n != "__metadata__"),
                          key=lambda item: item[1]["data_offsets"][0]):
        begin, end = t["data_offsets"]
        part = body[begin:end]
        if name.endswith("token_embedding.weight"):
            row = len(part) // t["shape"][0]
            part = b"".join(part[r * row:(r + 1) * row] for r in rows)
            t = dict(t, shape=[len(rows), *t["shape"][1:]])
        tensors[name] = dict(t, data_offsets=[at, at + len(part)])
        at += len(part)
        parts.append(part)
    if "__metadata__" in header:
        tensors["__metadata__"] = header["__metadata__"]
    text = json.dumps(tensors, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def main(model, tokenizer, out):
    os.makedirs(out, exist_ok=True)
    old, new = read_json(model, "vocab.json"), read_json(tokenizer, "vocab.json")
    rows = kept_rows(old, new)
    with open(os.path.join(model, WEIGHTS), "rb") as weights:
        data = trim(weights.read(), rows)
    with open(os.path.join(out, WEIGHTS), "wb") as weights:
        weights.write(data)
    config = read_json(model, CONFIG)
    config["model_cfg"]["text_cfg"]["vocab_size"] = len(new)
    config["sensus"].update(start_id=new["<|startoftext|>"], end_id=new["<|endoftext|>"])
    with open(os.path.join(out, CONFIG), "w", encoding="utf-8") as text:
        json.dump(config, text, indent=2)
        text.write("\n")
    shutil.copy(os.path.join(model, "preprocessor_config.json"), out)
    for name in sorted(os.listdir(tokenizer)):
        shutil.copy(os.path.join(tokenizer, name), out)
    print("%s: %d tokens of %d, %d bytes" % (out, len(new), len(old), len(data)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
