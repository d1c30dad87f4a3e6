#!/usr/bin/python3
"""Towers that hear written plainly in PyTorch, as the reference that sensus must equal.

  make_sound.py make DIR     model folders with random weights, spectrograms, the reference's vectors and gradients
  make_sound.py golden       rewrite tests/goldens/sound, the two small folders that are in the repository

A ViT over patches of spectrograms [B, 1, frames, mels] and a residual CNN with its mean over time, each with a text tower, under
the names of sensus's own layout (src/model/sound_config.c). What a folder holds is said in make_towers.py.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import make_clip
import make_towers
from make_clip import DTYPES, save, write_json
from make_towers import norm, relu

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- towers ----

def block(w, p, x, training):
    if p + "down_conv.weight" in w:
        x = F.avg_pool2d(x, 2)
    h = relu(norm(w, p + "norm1", F.conv2d(x, w[p + "conv1.weight"], padding=1), training))
    h = norm(w, p + "norm2", F.conv2d(h, w[p + "conv2.weight"], padding=1), training)
    if p + "down_conv.weight" in w:
        x = norm(w, p + "down_norm", F.conv2d(x, w[p + "down_conv.weight"]), training)
    return relu(h + x)


def cnn(c, w, x, training):
    p = "audio_model."
    x = relu(norm(w, p + "norm", F.conv2d(x, w[p + "conv.weight"], stride=2, padding=1), training))
    for stage, blocks in enumerate(c["audio_config"]["depths"]):
        for i in range(blocks):
            x = block(w, f"{p}stage{stage + 1}.{i}.", x, training)
    return x.mean(2).permute(0, 2, 1).flatten(1) @ w["audio_projection.weight"].T


def encode_sound(c, w, x, training=False):
    if c["audio_config"]["model_type"] == "cnn":
        return F.normalize(cnn(c, w, x, training), dim=-1)
    seen = {k.replace("audio_model.", "vision_model.").replace("audio_projection", "visual_projection"): t
            for k, t in w.items()}
    return make_clip.encode_image({"vision_config": c["audio_config"]}, seen, x)


def encode_texts(c, w, texts):
    if c["text_config"]["model_type"] == "cbow":
        table = w["text_model.embeddings.token_embedding.weight"]
        mean = torch.stack([table[torch.tensor(t)].mean(0) for t in texts])
        return F.normalize(mean @ w["text_projection.weight"].T, dim=-1)
    return make_clip.encode_texts(c, w, texts)


# ---- random models ----

def geometry(audio, frames, mels, text, vocab, context, embed):
    """audio: (width, depths) of a CNN, or (width, layers, heads, mlp, patch); text: width of CBOW, or (width, layers,
    heads, mlp)."""
    shape = {"max_length": frames, "num_mel_bins": mels}
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    more = {"hidden_act": "gelu", "layer_norm_eps": 1e-5}
    if len(audio) == 2:
        a = {"model_type": "cnn", "hidden_size": audio[0], "depths": audio[1], **shape}
    else:
        a = {"model_type": "vit", **dict(zip(names, audio)), "patch_size": audio[4], **more, **shape}
    t = {"model_type": "cbow", "hidden_size": text} if isinstance(text, int) else \
        {"model_type": "transformer", **dict(zip(names, text)), **more}
    t.update(vocab_size=vocab, max_position_embeddings=context, bos_token_id=vocab - 2, eos_token_id=vocab - 1)
    return {"model_type": "sensus-sound", "projection_dim": embed, "logit_scale_init_value": 2.6592, "audio_config": a,
            "text_config": t}


def cnn_weights(c, g):
    a, w = c["audio_config"], {}

    def conv(name, bn, out, cin, k):
        w[name + ".weight"] = torch.randn(out, cin, k, k, generator=g) * (2 / (cin * k * k)) ** 0.5
        w[bn + ".weight"] = 1 + 0.2 * torch.randn(out, generator=g)
        w[bn + ".bias"] = 0.1 * torch.randn(out, generator=g)
        w[bn + ".running_mean"] = 0.3 * torch.randn(out, generator=g)
        w[bn + ".running_var"] = torch.exp(0.3 * torch.randn(out, generator=g))

    p, cin = "audio_model.", a["hidden_size"]
    conv(p + "conv", p + "norm", cin, 1, 3)
    for stage, blocks in enumerate(a["depths"]):
        for i in range(blocks):
            q, out = f"{p}stage{stage + 1}.{i}.", a["hidden_size"] << stage
            conv(q + "conv1", q + "norm1", out, cin, 3)
            conv(q + "conv2", q + "norm2", out, out, 3)
            if stage and not i:
                conv(q + "down_conv", q + "down_norm", out, cin, 1)
            cin = out
    bands = (a["num_mel_bins"] + 1) // 2 >> (len(a["depths"]) - 1)
    w["audio_projection.weight"] = torch.randn(c["projection_dim"], bands * cin, generator=g) * (bands * cin) ** -0.5
    return w


def model(c, seed):
    g = torch.Generator().manual_seed(seed)
    a, t, E = c["audio_config"], c["text_config"], c["projection_dim"]
    is_cnn, is_cbow = a["model_type"] == "cnn", t["model_type"] == "cbow"
    seen = (8, 1, 1, 8) if is_cnn else [a[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads",
                                                       "intermediate_size")]
    read = (t["hidden_size"], 1, 1, 8) if is_cbow else [t[k] for k in ("hidden_size", "num_hidden_layers",
                                                                       "num_attention_heads", "intermediate_size")]
    whole = make_clip.random_weights(make_clip.geometry(8, 8, *seen, *read, t["vocab_size"], t["max_position_embeddings"], E,
                                                        "gelu"), seed)
    w = {}
    for name, x in whole.items():
        if name.startswith(("vision_model.", "visual_")):
            if is_cnn:
                continue
            name = name.replace("vision_model.", "audio_model.").replace("visual_", "audio_")
        elif is_cbow and name.startswith("text_") and name not in ("text_projection.weight",
                                                                   "text_model.embeddings.token_embedding.weight"):
            continue
        w[name] = x
    if is_cnn:
        w.update(cnn_weights(c, g))
    else:
        C, P = a["hidden_size"], a["patch_size"]
        places = 1 + (a["max_length"] // P) * (a["num_mel_bins"] // P)
        p = "audio_model.embeddings."
        w[p + "patch_embedding.weight"] = torch.randn(C, 1, P, P, generator=g) / P
        w[p + "position_embedding.weight"] = 0.5 * torch.randn(places, C, generator=g)
    w["logit_scale"] = torch.tensor(2.6592)
    return w


def gradients_of(c, w, x, texts):
    """In double, so that what differs is the other side's rounding."""
    make_towers.nearest_zero[0] = 1.0
    w = {k: t.double().requires_grad_(not k.endswith(("running_mean", "running_var"))) for k, t in w.items()}
    with torch.enable_grad():
        loss = make_towers.contrastive_loss(w, encode_sound(c, w, x.double(), True), encode_texts(c, w, texts))
        loss.backward()
    return loss, {k: (t.grad if t.requires_grad else t).float() for k, t in w.items()}


def write_model(folder, c, w):
    os.makedirs(folder, exist_ok=True)
    save(f"{folder}/model.safetensors", w)
    write_json(f"{folder}/config.json", c)
    write_json(f"{folder}/preprocessor_config.json", {
        "feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000,
        "feature_size": c["audio_config"]["num_mel_bins"], "n_fft": 400, "hop_length": 160,
        "max_length": c["audio_config"]["max_length"]})


def make(folder, c, seed, dtype="F32", n=5):
    w = {k: t.to(DTYPES[dtype]) for k, t in model(c, seed).items()}
    write_model(folder, c, w)
    w = {k: t.float() for k, t in w.items()}
    g = torch.Generator().manual_seed(seed)
    texts, a = make_clip.random_texts(c, n, seed), c["audio_config"]
    x = torch.randn(n, 1, a["max_length"], a["num_mel_bins"], generator=g)
    while True:
        loss, grads = gradients_of(c, w, x, texts)
        if make_towers.nearest_zero[0] > make_towers.MARGIN:
            break
        x = torch.randn(n, 1, a["max_length"], a["num_mel_bins"], generator=g)
    write_model(f"{folder}/grads", c, grads)
    np.save(f"{folder}/grads/loss.npy", np.array([loss.item()], "f4"))
    np.save(f"{folder}/pixels.npy", x.numpy())
    np.save(f"{folder}/ids.npy", np.array(sum(texts, []), "f4"))
    np.save(f"{folder}/starts.npy", np.cumsum([0] + [len(t) for t in texts]).astype("f4"))
    np.save(f"{folder}/image.npy", encode_sound(c, w, x).numpy())
    np.save(f"{folder}/text.npy", encode_texts(c, w, texts).numpy())


def main():
    torch.set_num_threads(2)
    if sys.argv[1:] == ["golden"]:
        make(f"{HERE}/sound/vit", geometry((16, 2, 2, 24, 4), 12, 8, (12, 1, 2, 16), 40, 8, 12), 41, "F16", 4)
        make(f"{HERE}/sound/cnn", geometry((3, [1, 2]), 14, 9, 12, 40, 8, 12), 42, "F16", 4)
    elif len(sys.argv) == 3 and sys.argv[1] == "make":
        out = sys.argv[2]
        make(f"{out}/vit", geometry((48, 2, 3, 96, 8), 96, 40, (24, 2, 3, 48), 200, 16, 32), 43)
        make(f"{out}/cnn", geometry((8, [1, 1, 2, 1]), 50, 40, 24, 300, 20, 24), 44, "F32", 4)
        make(f"{out}/cnn-f16", geometry((6, [2]), 33, 17, (24, 1, 2, 48), 100, 20, 24), 45, "F16", 4)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    with torch.no_grad():
        main()
