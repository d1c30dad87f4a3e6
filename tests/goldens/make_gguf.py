#!/usr/bin/python3
"""A CLIP in Hugging Face's layout as GGUF, with clip.cpp's names and metadata; plain Python, nothing but struct.

  make_gguf.py FOLDER OUT TYPE    FOLDER (f32 or f16, with vocab.json where it has a tokenizer) to OUT.gguf; TYPE is
                                  f32, f16, q8_0, q4_0, q4_1, q5_0 or q5_1. OUT/model.safetensors holds the
                                  same numbers in f32, as this file understands the blocks, beside the other files.

Written from the published formats: GGUF version 3, ggml's blocks of 32. Matrices of whole blocks get the type, patches
are f16 whatever the type, vectors f32, as clip.cpp's converter has them.
"""
import json
import os
import shutil
import struct
import sys

TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}
ALIGNMENT = 32


def load(path):
    """{name: (shape, [numbers])}"""
    with open(path, "rb") as f:
        whole = f.read()
    n, = struct.unpack_from("<Q", whole)
    header, out = json.loads(whole[8:8 + n]), {}
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            code = {"F32": "f", "F16": "e"}[t["dtype"]]
            raw = whole[8 + n + begin:8 + n + end]
            out[name] = t["shape"], list(struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw))
    return out


def save(path, tensors):
    header, blobs, at = {}, [], 0
    for name, (shape, x) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(x)]}
        blobs.append(struct.pack(f"<{len(x)}f", *x))
        at += 4 * len(x)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def half(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def nearest(x, low, high):
    return max(low, min(high, int(x + 0.5) if x >= 0 else -int(-x + 0.5)))


def block(x, kind):
    """The bytes of 32 numbers and the numbers that they stand for."""
    if kind == "q8_0":
        d = half(max(map(abs, x)) / 127)
        q = [nearest(v / d, -128, 127) if d else 0 for v in x]
        return struct.pack("<e32b", d, *q), [d * v for v in q]
    bits, with_least = int(kind[1]), kind[3] == "1"
    most = (1 << bits) - 1
    if with_least:
        m = half(min(x))
        d = half((max(x) - m) / most)
    else:
        d = half(max(x, key=abs) / -(1 << (bits - 1)))
        m = -d * (1 << (bits - 1))
    q = [nearest((v - m) / d, 0, most) if d else (0 if with_least else 1 << (bits - 1)) for v in x]
    out = struct.pack("<e", d) + (struct.pack("<e", m) if with_least else b"")
    if bits == 5:
        out += struct.pack("<I", sum((v >> 4) << i for i, v in enumerate(q)))
    out += bytes(q[i] & 15 | (q[i + 16] & 15) << 4 for i in range(16))
    return out, [d * v + m if with_least else d * (v - (1 << (bits - 1))) for v in q]


def stored(shape, x, kind):
    """ggml's type, the bytes, the numbers that they stand for."""
    if len(shape) < 2:
        kind = "f32"
    elif len(shape) > 2 or (kind.startswith("q") and shape[-1] % 32):
        kind = "f16"
    if kind in ("f32", "f16"):
        data = struct.pack(f"<{len(x)}{'f' if kind == 'f32' else 'e'}", *x)
        return TYPES[kind], data, [half(v) for v in x] if kind == "f16" else x
    blocks = [block(x[i:i + 32], kind) for i in range(0, len(x), 32)]
    return TYPES[kind], b"".join(b for b, _ in blocks), [v for _, b in blocks for v in b]


def short_name(name):
    if "projection" in name or name.startswith("logit"):
        return name
    tower, rest = ("v", name[13:]) if name.startswith("vision_model.") else ("t", name[11:])
    for a, b in (("encoder.layers.", "blk."), ("embeddings.", ""), ("embedding", "embd"), ("mlp.fc1", "ffn_down"),
                 ("mlp.fc2", "ffn_up"), ("layer_norm1", "ln1"), ("layer_norm2", "ln2"), ("pre_layrnorm", "pre_ln"),
                 ("post_layernorm", "post_ln"), ("final_layer_norm", "post_ln")):
        rest = rest.replace(a, b)
    for part in ("q", "k", "v", "out"):
        rest = rest.replace(f"self_attn.{part}_proj", f"attn_{part}")
    return f"{tower}.{rest}"


# ---- metadata ----

def string(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def u32(v):
    return struct.pack("<II", 4, v)


def f32(v):
    return struct.pack("<If", 6, v)


def boolean(v):
    return struct.pack("<IB", 7, v)


def text(v):
    return struct.pack("<I", 8) + string(v)


def floats(v):
    return struct.pack(f"<IIQ{len(v)}f", 9, 6, len(v), *v)


def strings(v):
    return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(string, v))


def metadata(config, tokens):
    m = {"general.architecture": text("clip"), "clip.has_text_encoder": boolean(True),
         "clip.has_vision_encoder": boolean(True), "general.name": text("tiny")}
    for tower, c in (("text", config["text_config"]), ("vision", config["vision_config"])):
        p = f"clip.{tower}."
        m[p + "embedding_length"] = u32(c["hidden_size"])
        m[p + "feed_forward_length"] = u32(c["intermediate_size"])
        m[p + "projection_dim"] = u32(config["projection_dim"])
        m[p + "attention.head_count"] = u32(c["num_attention_heads"])
        m[p + "attention.layer_norm_epsilon"] = f32(c.get("layer_norm_eps", 1e-5))
        m[p + "block_count"] = u32(c["num_hidden_layers"])
    m["clip.text.context_length"] = u32(config["text_config"]["max_position_embeddings"])
    if tokens:
        m["tokenizer.ggml.tokens"] = strings(tokens)
    m["clip.vision.image_size"] = u32(config["vision_config"]["image_size"])
    m["clip.vision.patch_size"] = u32(config["vision_config"]["patch_size"])
    m["clip.vision.image_mean"] = floats([0.5, 0.4, 0.3])
    m["clip.vision.image_std"] = floats([0.2, 0.3, 0.4])
    m["clip.use_gelu"] = boolean(config["vision_config"]["hidden_act"] == "gelu")
    return m


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def gguf(meta, tensors):
    """The bytes of a file; tensors: (name, shape, type, bytes)"""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta))
    out += b"".join(string(k) + v for k, v in meta.items())
    at = 0
    for name, shape, kind, data in tensors:
        out += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, at)
        at += len(padded(data))
    return padded(out) + b"".join(padded(data) for *_, data in tensors)


def main():
    folder, out, kind = sys.argv[1:]
    with open(f"{folder}/config.json") as f:
        config = json.load(f)
    tokens = None
    if os.path.exists(f"{folder}/vocab.json"):
        with open(f"{folder}/vocab.json", encoding="utf-8") as f:
            vocab = json.load(f)
        tokens = sorted(vocab, key=vocab.get)
    same, tensors = {}, []
    for name, (shape, x) in load(f"{folder}/model.safetensors").items():
        if name == "logit_scale":
            same[name] = shape, x
            continue
        ggml_type, data, numbers = stored(shape, x, kind)
        tensors.append((short_name(name), shape, ggml_type, data))
        same[name] = shape, numbers
    with open(f"{out}.gguf", "wb") as f:
        f.write(gguf(metadata(config, tokens), tensors))
    shutil.copytree(folder, out)
    save(f"{out}/model.safetensors", same)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in TYPES:
        sys.exit(__doc__)
    main()
