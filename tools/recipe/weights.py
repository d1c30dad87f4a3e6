"""Read and write the weights of an open_clip model's folder: f16 and f32 tensors of one safetensors file."""
import json
import os
import struct

import numpy

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
TABLE, PROJECTION, SCALE = "token_embedding.weight", "text_projection", "logit_scale"
TYPES = {"F16": numpy.float16, "F32": numpy.float32}


def read(folder):
    """-> {name: array}; the arrays keep their type."""
    with open(os.path.join(folder, WEIGHTS), "rb") as data:
        size, = struct.unpack("<Q", data.read(8))
        header, body = json.loads(data.read(size)), data.read()
    header.pop("__metadata__", None)
    found = {}
    for name, t in header.items():
        if t["dtype"] not in TYPES:
            raise SystemExit("%s: %s is %s; f16 or f32 is needed: take the folder that `sensus train` wrote"
                             % (folder, name, t["dtype"]))
        start, end = t["data_offsets"]
        found[name] = numpy.frombuffer(body[start:end], TYPES[t["dtype"]]).reshape(t["shape"])
    return found


def write(folder, tensors):
    """Replace the folder's weights."""
    os.makedirs(folder, exist_ok=True)
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        kind = next(k for k, t in TYPES.items() if array.dtype == t)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, WEIGHTS), "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(array.tobytes())


def read_config(folder):
    with open(os.path.join(folder, CONFIG), encoding="utf-8") as text:
        return json.load(text)


def write_config(folder, config):
    with open(os.path.join(folder, CONFIG), "w", encoding="utf-8") as text:
        json.dump(config, text, indent=2)
        text.write("\n")
