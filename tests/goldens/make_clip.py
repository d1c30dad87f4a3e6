#!/usr/bin/python3
"""CLIP written plainly in PyTorch, as the reference that sensus must equal.

  make_clip.py make DIR          model folders with random weights, inputs and the reference's vectors
  make_clip.py make-long DIR     the same for the true ViT-B/32 geometry
  make_clip.py run DIR           read DIR (Hugging Face layout; inputs beside it) and write the vectors
  make_clip.py golden            rewrite tests/goldens/clip, the small folder that is in the repository

Written from the paper (Radford et al. 2021) and the meaning of the fields of Hugging Face's config.json.
A folder holds pixels.npy [B, 3, S, S], ids.npy (texts one after another), starts.npy [n + 1], and the
reference's image.npy [B, E] and text.npy [n, E], rows of length 1.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


# ---- safetensors ----

def save(path, tensors):
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, t in sorted(tensors.items()):
        t = t.contiguous()
        dtype = next(k for k, v in DTYPES.items() if v == t.dtype)
        raw = t.view(torch.int16) if t.element_size() == 2 and t.dim() else t
        if t.element_size() == 2 and not t.dim():
            raw = t.reshape(1).view(torch.int16)
        blob = raw.numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            f.write(blob)


def load(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    header, data, out = json.loads(raw[8:8 + n]), raw[8 + n:], {}
    for name, e in header.items():
        if name == "__metadata__":
            continue
        begin, end = e["data_offsets"]
        blob = bytearray(data[begin:end])
        if e["dtype"] == "F32":
            t = torch.frombuffer(blob, dtype=torch.float32)
        else:
            t = torch.frombuffer(blob, dtype=torch.int16).view(DTYPES[e["dtype"]])
        out[name] = t.reshape(e["shape"]).float()
    return out


# ---- the model ----

def act(x, name):
    return x * torch.sigmoid(1.702 * x) if name == "quick_gelu" else F.gelu(x)


def blocks(x, w, prefix, c, mask):
    C, H = c["hidden_size"], c["num_attention_heads"]
    B, T, _ = x.shape

    def norm(x, name):
        return F.layer_norm(x, (C,), w[name + ".weight"], w[name + ".bias"], c["layer_norm_eps"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    for i in range(c["num_hidden_layers"]):
        p = f"{prefix}.encoder.layers.{i}."
        h = norm(x, p + "layer_norm1")
        q, k, v = (linear(h, p + f"self_attn.{n}_proj").view(B, T, H, C // H).transpose(1, 2) for n in "qkv")
        s = q @ k.transpose(2, 3) / (C // H) ** 0.5
        if mask is not None:
            s = s + mask
        h = (s.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C)
        x = x + linear(h, p + "self_attn.out_proj")
        h = act(linear(norm(x, p + "layer_norm2"), p + "mlp.fc1"), c["hidden_act"])
        x = x + linear(h, p + "mlp.fc2")
    return x


def encode_image(config, w, pixels):
    c, p = config["vision_config"], "vision_model."
    C = c["hidden_size"]
    x = F.conv2d(pixels, w[p + "embeddings.patch_embedding.weight"], stride=c["patch_size"])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([w[p + "embeddings.class_embedding"].expand(len(x), 1, C), x], 1)
    x = x + w[p + "embeddings.position_embedding.weight"]
    x = F.layer_norm(x, (C,), w[p + "pre_layrnorm.weight"], w[p + "pre_layrnorm.bias"], c["layer_norm_eps"])
    x = blocks(x, w, "vision_model", c, None)[:, 0]
    x = F.layer_norm(x, (C,), w[p + "post_layernorm.weight"], w[p + "post_layernorm.bias"], c["layer_norm_eps"])
    return F.normalize(x @ w["visual_projection.weight"].T, dim=-1)


def encode_texts(config, w, texts):
    """Padded to the full context, as Hugging Face's tokenizer does; the first end token is the text's."""
    c, p = config["text_config"], "text_model."
    C, T, end = c["hidden_size"], c["max_position_embeddings"], max(max(t) for t in texts)
    ids = torch.tensor([t + [end] * (T - len(t)) for t in texts])
    x = w[p + "embeddings.token_embedding.weight"][ids] + w[p + "embeddings.position_embedding.weight"]
    mask = torch.full((T, T), float("-inf")).triu(1)
    x = blocks(x, w, "text_model", c, mask)
    x = F.layer_norm(x, (C,), w[p + "final_layer_norm.weight"], w[p + "final_layer_norm.bias"], c["layer_norm_eps"])
    x = x[torch.arange(len(ids)), (ids == end).int().argmax(-1)]
    return F.normalize(x @ w["text_projection.weight"].T, dim=-1)


# ---- random models ----

def geometry(image, patch, width, layers, heads, mlp, twidth, tlayers, theads, tmlp, vocab, context, embed, act_name):
    return {
        "model_type": "clip", "projection_dim": embed, "logit_scale_init_value": 2.6592,
        "vision_config": {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
                          "intermediate_size": mlp, "image_size": image, "patch_size": patch,
                          "hidden_act": act_name, "layer_norm_eps": 1e-5},
        "text_config": {"hidden_size": twidth, "num_hidden_layers": tlayers, "num_attention_heads": theads,
                        "intermediate_size": tmlp, "vocab_size": vocab, "max_position_embeddings": context,
                        "bos_token_id": vocab - 2, "eos_token_id": vocab - 1,
                        "hidden_act": act_name, "layer_norm_eps": 1e-5},
    }


def random_weights(config, seed):
    g = torch.Generator().manual_seed(seed)
    w = {}

    def put(name, *shape, std):
        w[name] = torch.randn(*shape, generator=g) * std

    def norm(name, C):
        w[name + ".weight"] = 1 + 0.2 * torch.randn(C, generator=g)
        put(name + ".bias", C, std=0.1)

    def linear(name, rows, cols):
        put(name + ".weight", rows, cols, std=cols ** -0.5)
        put(name + ".bias", rows, std=0.1)

    def tower(prefix, c):
        C = c["hidden_size"]
        for i in range(c["num_hidden_layers"]):
            p = f"{prefix}.encoder.layers.{i}."
            norm(p + "layer_norm1", C)
            norm(p + "layer_norm2", C)
            for n in ("q", "k", "v", "out"):
                linear(p + f"self_attn.{n}_proj", C, C)
            linear(p + "mlp.fc1", c["intermediate_size"], C)
            linear(p + "mlp.fc2", C, c["intermediate_size"])

    v, t, E = config["vision_config"], config["text_config"], config["projection_dim"]
    C, P, G = v["hidden_size"], v["patch_size"], v["image_size"] // v["patch_size"]
    put("vision_model.embeddings.class_embedding", C, std=1)
    put("vision_model.embeddings.patch_embedding.weight", C, 3, P, P, std=(3 * P * P) ** -0.5)
    put("vision_model.embeddings.position_embedding.weight", 1 + G * G, C, std=0.5)
    norm("vision_model.pre_layrnorm", C)
    norm("vision_model.post_layernorm", C)
    tower("vision_model", v)
    put("visual_projection.weight", E, C, std=C ** -0.5)
    C = t["hidden_size"]
    put("text_model.embeddings.token_embedding.weight", t["vocab_size"], C, std=1)
    put("text_model.embeddings.position_embedding.weight", t["max_position_embeddings"], C, std=0.5)
    norm("text_model.final_layer_norm", C)
    tower("text_model", t)
    put("text_projection.weight", E, C, std=C ** -0.5)
    w["logit_scale"] = torch.tensor(4.25)
    return w


def to_open_clip(w):
    out = {}
    rules = [("vision_model.embeddings.patch_embedding.", "visual.conv1."),
             ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
             ("vision_model.embeddings.", "visual."), ("vision_model.pre_layrnorm", "visual.ln_pre"),
             ("vision_model.post_layernorm", "visual.ln_post"),
             ("vision_model.encoder.layers", "visual.transformer.resblocks"),
             ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
             ("text_model.embeddings.", ""), ("text_model.final_layer_norm", "ln_final"),
             ("text_model.encoder.layers", "transformer.resblocks"), ("layer_norm1", "ln_1"),
             ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("self_attn", "attn")]
    for name, t in w.items():
        if "q_proj" in name:
            t = torch.cat([t, w[name.replace("q_proj", "k_proj")], w[name.replace("q_proj", "v_proj")]])
            name = name.replace("q_proj.", "in_proj_")
        elif "k_proj" in name or "v_proj" in name:
            continue
        elif name == "visual_projection.weight":
            name, t = "visual.proj", t.T
        elif name == "text_projection.weight":
            name, t = "text_projection", t.T
        for a, b in rules:
            name = name.replace(a, b)
        out[name] = t
    out["attn_mask"] = torch.full((4, 4), float("-inf")).triu(1)
    return out


def open_clip_config(config):
    v, t = config["vision_config"], config["text_config"]
    return {"model_cfg": {
        "embed_dim": config["projection_dim"], "quick_gelu": v["hidden_act"] == "quick_gelu",
        "vision_cfg": {"image_size": v["image_size"], "layers": v["num_hidden_layers"], "width": v["hidden_size"],
                       "head_width": v["hidden_size"] // v["num_attention_heads"], "patch_size": v["patch_size"],
                       "mlp_ratio": v["intermediate_size"] / v["hidden_size"]},
        "text_cfg": {"context_length": t["max_position_embeddings"], "vocab_size": t["vocab_size"],
                     "width": t["hidden_size"], "heads": t["num_attention_heads"],
                     "layers": t["num_hidden_layers"]}}}


def random_texts(config, n, seed):
    """Lengths from the shortest (start, end) to the whole context."""
    t = config["text_config"]
    r = np.random.RandomState(seed)
    lengths = [2, t["max_position_embeddings"]] + list(r.randint(3, t["max_position_embeddings"], n - 2))
    return [[t["vocab_size"] - 2] + r.randint(0, t["vocab_size"] - 2, k - 2).tolist() + [t["vocab_size"] - 1]
            for k in lengths]


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1)


def write_run(folder, config, w, images, texts, seed):
    v = config["vision_config"]
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randn(images, 3, v["image_size"], v["image_size"], generator=g)
    texts = random_texts(config, texts, seed)
    np.save(f"{folder}/pixels.npy", pixels.numpy())
    np.save(f"{folder}/ids.npy", np.array(sum(texts, []), "f4"))
    np.save(f"{folder}/starts.npy", np.cumsum([0] + [len(t) for t in texts]).astype("f4"))
    np.save(f"{folder}/image.npy", encode_image(config, w, pixels).numpy())
    np.save(f"{folder}/text.npy", encode_texts(config, w, texts).numpy())


def make(folder, config, seed, dtype="F32", shards=1, open_clip=False, legacy=False, images=3, texts=6):
    os.makedirs(folder, exist_ok=True)
    w = {k: t.to(DTYPES[dtype]) for k, t in random_weights(config, seed).items()}
    if open_clip:
        save(f"{folder}/open_clip_model.safetensors", to_open_clip(w))
        write_json(f"{folder}/open_clip_config.json", open_clip_config(config))
    elif shards > 1:
        names, weight_map = sorted(w), {}
        for i in range(shards):
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            save(f"{folder}/{file}", {k: w[k] for k in names[i::shards]})
            weight_map.update({k: file for k in names[i::shards]})
        write_json(f"{folder}/model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    else:
        save(f"{folder}/model.safetensors", w)
    if not open_clip:
        stored = json.loads(json.dumps(config))
        if legacy:
            stored["text_config"].update(bos_token_id=0, eos_token_id=2)
            stored["text_config_dict"], stored["text_config"] = stored["text_config"], {"hidden_size": 1}
            stored["vision_config_dict"] = stored.pop("vision_config")
        write_json(f"{folder}/config.json", stored)
    write_run(folder, config, {k: t.float() for k, t in w.items()}, images, texts, seed)


def make_all(out):
    quick = geometry(32, 8, 64, 3, 4, 256, 48, 2, 3, 192, 600, 20, 40, "quick_gelu")
    gelu = geometry(30, 10, 36, 2, 3, 100, 40, 2, 2, 160, 333, 77, 28, "gelu")
    square = geometry(48, 16, 128, 2, 2, 512, 64, 3, 1, 256, 1000, 16, 64, "gelu")
    make(f"{out}/f32-quick_gelu", quick, 1)
    make(f"{out}/f32-gelu", gelu, 2)
    make(f"{out}/f16", quick, 3, "F16")
    make(f"{out}/bf16", gelu, 4, "BF16")
    make(f"{out}/sharded", quick, 5, shards=3)
    make(f"{out}/sharded-f16", square, 6, "F16", shards=2)
    make(f"{out}/open_clip", square, 7, open_clip=True)
    make(f"{out}/open_clip-f16-quick_gelu", quick, 8, "F16", open_clip=True)
    make(f"{out}/legacy-config", gelu, 9, legacy=True)


def run(folder):
    with open(f"{folder}/config.json") as f:
        config = json.load(f)
    w = load(f"{folder}/model.safetensors")
    starts, ids = (np.load(f"{folder}/{n}.npy").astype(int).tolist() for n in ("starts", "ids"))
    texts = [ids[a:b] for a, b in zip(starts, starts[1:])]
    assert config["text_config"]["eos_token_id"] == texts[0][-1]
    np.save(f"{folder}/image.npy", encode_image(config, w, torch.from_numpy(np.load(f"{folder}/pixels.npy"))).numpy())
    np.save(f"{folder}/text.npy", encode_texts(config, w, texts).numpy())


def main():
    torch.set_num_threads(2)
    if sys.argv[1:] == ["golden"]:
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clip")
        make(folder, geometry(16, 8, 32, 2, 4, 96, 24, 2, 3, 72, 64, 12, 20, "quick_gelu"), 10, "F16", images=2, texts=4)
    elif len(sys.argv) == 3 and sys.argv[1] == "make":
        make_all(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "make-long":
        b32 = geometry(224, 32, 768, 12, 12, 3072, 512, 12, 8, 2048, 49408, 77, 512, "quick_gelu")
        make(f"{sys.argv[2]}/vit-b-32", b32, 11, images=3, texts=6)
    elif len(sys.argv) == 3 and sys.argv[1] == "run":
        run(sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    with torch.no_grad():
        main()
