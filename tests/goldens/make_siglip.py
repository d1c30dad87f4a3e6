#!/usr/bin/python3
"""SigLIP written plainly in PyTorch, as the reference that sensus must equal.

  make_siglip.py make DIR     model folders with random weights, inputs and the reference's vectors
  make_siglip.py run DIR      read DIR (SiglipModel's layout; inputs beside it) and write the vectors

Written from the paper (Zhai et al. 2023) and the meaning of the fields of Hugging Face's config.json.
The files of a folder are those of make_clip.py; texts hold no padding, which the model adds.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

from make_clip import DTYPES, load, save, write_json


def act(x, name):
    return F.gelu(x) if name == "gelu" else 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x ** 3)))


def norm(x, w, name, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def linear(x, w, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def heads(x, H):
    B, T, C = x.shape
    return x.view(B, T, H, C // H).transpose(1, 2)


def attend(q, k, v):
    p = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1) @ v
    return p.transpose(1, 2).flatten(2)


def mlp(x, w, name, c):
    return linear(act(linear(x, w, name + ".fc1"), c["hidden_act"]), w, name + ".fc2")


def blocks(x, w, tower, c):
    H, eps = c["num_attention_heads"], c["layer_norm_eps"]
    for i in range(c["num_hidden_layers"]):
        p = f"{tower}.encoder.layers.{i}."
        h = norm(x, w, p + "layer_norm1", eps)
        h = attend(*(heads(linear(h, w, p + f"self_attn.{n}_proj"), H) for n in "qkv"))
        x = x + linear(h, w, p + "self_attn.out_proj")
        x = x + mlp(norm(x, w, p + "layer_norm2", eps), w, p + "mlp", c)
    return x


def encode_image(config, w, pixels):
    c, p = config["vision_config"], "vision_model."
    x = F.conv2d(pixels, w[p + "embeddings.patch_embedding.weight"], w[p + "embeddings.patch_embedding.bias"],
                 stride=c["patch_size"]).flatten(2).transpose(1, 2)
    x = blocks(x + w[p + "embeddings.position_embedding.weight"], w, "vision_model", c)
    x = norm(x, w, p + "post_layernorm", c["layer_norm_eps"])
    probe = w[p + "head.probe"].expand(len(x), -1, -1)
    (wq, wk, wv), (bq, bk, bv) = (w[p + f"head.attention.in_proj_{n}"].chunk(3) for n in ("weight", "bias"))
    H = c["num_attention_heads"]
    a = attend(heads(F.linear(probe, wq, bq), H), heads(F.linear(x, wk, bk), H), heads(F.linear(x, wv, bv), H))
    a = linear(a, w, p + "head.attention.out_proj")
    x = a + mlp(norm(a, w, p + "head.layernorm", c["layer_norm_eps"]), w, p + "head.mlp", c)
    return F.normalize(x[:, 0], dim=-1)


def encode_texts(config, w, texts):
    c, p = config["text_config"], "text_model."
    T = c["max_position_embeddings"]
    ids = torch.tensor([t + [c["pad_token_id"]] * (T - len(t)) for t in texts])
    x = w[p + "embeddings.token_embedding.weight"][ids] + w[p + "embeddings.position_embedding.weight"]
    x = norm(blocks(x, w, "text_model", c), w, p + "final_layer_norm", c["layer_norm_eps"])
    return F.normalize(linear(x[:, -1], w, p + "head"), dim=-1)


def geometry(image, patch, width, layers, n, hidden, vocab, context, act_name):
    tower = {"num_hidden_layers": layers, "num_attention_heads": n, "intermediate_size": hidden, "hidden_size": width,
             "hidden_act": act_name, "layer_norm_eps": 1e-6}
    return {"model_type": "siglip", "architectures": ["SiglipModel"],
            "vision_config": dict(tower, model_type="siglip_vision_model", image_size=image, patch_size=patch),
            "text_config": dict(tower, model_type="siglip_text_model", vocab_size=vocab, pad_token_id=1,
                                max_position_embeddings=context)}


def random_weights(config, seed):
    g, w = torch.Generator().manual_seed(seed), {}

    def put(name, *shape, std):
        w[name] = torch.randn(*shape, generator=g) * std

    def put_norm(name, C):
        w[name + ".weight"] = 1 + 0.2 * torch.randn(C, generator=g)
        put(name + ".bias", C, std=0.1)

    def put_linear(name, rows, cols):
        put(name + ".weight", rows, cols, std=cols ** -0.5)
        put(name + ".bias", rows, std=0.1)

    def tower(name, c):
        C, M = c["hidden_size"], c["intermediate_size"]
        for i in range(c["num_hidden_layers"]):
            p = f"{name}.encoder.layers.{i}."
            put_norm(p + "layer_norm1", C)
            put_norm(p + "layer_norm2", C)
            for n in ("q", "k", "v", "out"):
                put_linear(p + f"self_attn.{n}_proj", C, C)
            put_linear(p + "mlp.fc1", M, C)
            put_linear(p + "mlp.fc2", C, M)

    v, t = config["vision_config"], config["text_config"]
    C, P, p = v["hidden_size"], v["patch_size"], "vision_model."
    put(p + "embeddings.patch_embedding.weight", C, 3, P, P, std=(3 * P * P) ** -0.5)
    put(p + "embeddings.patch_embedding.bias", C, std=0.1)
    put(p + "embeddings.position_embedding.weight", (v["image_size"] // P) ** 2, C, std=0.5)
    tower("vision_model", v)
    put_norm(p + "post_layernorm", C)
    put(p + "head.probe", 1, 1, C, std=1)
    put(p + "head.attention.in_proj_weight", 3 * C, C, std=C ** -0.5)
    put(p + "head.attention.in_proj_bias", 3 * C, std=0.1)
    put_linear(p + "head.attention.out_proj", C, C)
    put_norm(p + "head.layernorm", C)
    put_linear(p + "head.mlp.fc1", v["intermediate_size"], C)
    put_linear(p + "head.mlp.fc2", C, v["intermediate_size"])
    E, C, p = C, t["hidden_size"], "text_model."
    put(p + "embeddings.token_embedding.weight", t["vocab_size"], C, std=1)
    put(p + "embeddings.position_embedding.weight", t["max_position_embeddings"], C, std=0.5)
    tower("text_model", t)
    put_norm(p + "final_layer_norm", C)
    put_linear(p + "head", E, C)
    w["logit_scale"], w["logit_bias"] = torch.tensor([4.7]), torch.tensor([-16.5])
    return w


def write_vectors(folder, config, w):
    starts, ids = (np.load(f"{folder}/{n}.npy").astype(int).tolist() for n in ("starts", "ids"))
    texts = [ids[a:b] for a, b in zip(starts, starts[1:])]
    np.save(f"{folder}/image.npy", encode_image(config, w, torch.from_numpy(np.load(f"{folder}/pixels.npy"))).numpy())
    np.save(f"{folder}/text.npy", encode_texts(config, w, texts).numpy())


def make(folder, config, seed, dtype="F32", images=3, texts=6):
    os.makedirs(folder, exist_ok=True)
    w = {k: t.to(DTYPES[dtype]) for k, t in random_weights(config, seed).items()}
    save(f"{folder}/model.safetensors", w)
    write_json(f"{folder}/config.json", config)
    write_json(f"{folder}/preprocessor_config.json", {
        "image_processor_type": "SiglipImageProcessor", "do_resize": True, "do_rescale": True, "do_normalize": True,
        "size": {"height": config["vision_config"]["image_size"], "width": config["vision_config"]["image_size"]},
        "resample": 3, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    v, t = config["vision_config"], config["text_config"]
    g, r = torch.Generator().manual_seed(seed), np.random.RandomState(seed)
    T = t["max_position_embeddings"]
    lengths = [1, T] + list(r.randint(2, T, texts - 2))
    ids = [r.randint(2, t["vocab_size"], n - 1).tolist() + [1] for n in lengths]
    np.save(f"{folder}/pixels.npy", torch.randn(images, 3, v["image_size"], v["image_size"], generator=g).numpy())
    np.save(f"{folder}/ids.npy", np.array(sum(ids, []), "f4"))
    np.save(f"{folder}/starts.npy", np.cumsum([0] + lengths).astype("f4"))
    write_vectors(folder, config, {k: x.float() for k, x in w.items()})


def main():
    torch.set_num_threads(2)
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(f"{sys.argv[2]}/siglip", geometry(24, 8, 48, 3, 4, 96, 90, 16, "gelu_pytorch_tanh"), 1)
        make(f"{sys.argv[2]}/siglip-half", geometry(32, 16, 32, 2, 2, 80, 50, 12, "gelu"), 2, "F16")
        make(f"{sys.argv[2]}/siglip-wide", geometry(64, 8, 128, 2, 8, 300, 120, 64, "gelu_pytorch_tanh"), 3, texts=40)
    elif len(sys.argv) == 3 and sys.argv[1] == "run":
        folder = sys.argv[2]
        config = json.load(open(f"{folder}/config.json"))
        write_vectors(folder, config, load(f"{folder}/model.safetensors"))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    with torch.no_grad():
        main()
