#!/usr/bin/python3
"""CLIP's ResNet and a bag-of-words text tower written plainly in PyTorch, as the reference that sensus must equal.

  make_towers.py make DIR     model folders with random weights, inputs, the reference's vectors and gradients
  make_towers.py golden       rewrite tests/goldens/towers, the small folder that is in the repository

Written from the paper (Radford et al. 2021, section 2.4 and figure 3) and the names in open_clip's files. Beside what
make_clip.py writes, a folder holds grads/: the gradient of the contrastive loss of one batch (as many texts as pictures,
batch norm by the batch's statistics) under each parameter's name, the running averages after that batch under theirs,
and loss.npy. Where a number before a ReLU is within rounding of 0 the gradient is anybody's, so pictures are drawn until
none is.
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import make_clip
from make_clip import DTYPES, save, write_json


MARGIN = 4e-6
nearest_zero = [1.0]  # of what came before any ReLU since it was set


# ---- towers ----

def relu(x):
    nearest_zero[0] = min(nearest_zero[0], x.abs().min().item())
    return F.relu(x)


def norm(w, name, x, training):
    return F.batch_norm(x, w[name + ".running_mean"], w[name + ".running_var"], w[name + ".weight"], w[name + ".bias"],
                        training, 0.1, 1e-5)


def bottleneck(w, p, x, stride, training):
    h = relu(norm(w, p + "bn1", F.conv2d(x, w[p + "conv1.weight"]), training))
    h = relu(norm(w, p + "bn2", F.conv2d(h, w[p + "conv2.weight"], padding=1), training))
    if stride > 1:
        h = F.avg_pool2d(h, stride)
    h = norm(w, p + "bn3", F.conv2d(h, w[p + "conv3.weight"]), training)
    if p + "downsample.0.weight" in w:
        if stride > 1:
            x = F.avg_pool2d(x, stride)
        x = norm(w, p + "downsample.1", F.conv2d(x, w[p + "downsample.0.weight"]), training)
    return relu(h + x)


def attention_pool(w, x, heads):
    p = "visual.attnpool."
    B, C, H, W = x.shape
    x = x.reshape(B, C, H * W).permute(0, 2, 1)
    x = torch.cat([x.mean(1, keepdim=True), x], 1) + w[p + "positional_embedding"]

    def linear(x, name):
        return F.linear(x, w[p + name + ".weight"], w[p + name + ".bias"])

    q = linear(x[:, :1], "q_proj").view(B, 1, heads, C // heads).transpose(1, 2)
    k = linear(x, "k_proj").view(B, -1, heads, C // heads).transpose(1, 2)
    v = linear(x, "v_proj").view(B, -1, heads, C // heads).transpose(1, 2)
    a = (q @ k.transpose(2, 3) / (C // heads) ** 0.5).softmax(-1) @ v
    return linear(a.transpose(1, 2).reshape(B, C), "c_proj")


def resnet(c, w, x, training):
    v = c["vision_cfg"]
    for i, stride in ((1, 2), (2, 1), (3, 1)):
        x = F.conv2d(x, w[f"visual.conv{i}.weight"], stride=stride, padding=1)
        x = relu(norm(w, f"visual.bn{i}", x, training))
    x = F.avg_pool2d(x, 2)
    for stage, blocks in enumerate(v["layers"]):
        for i in range(blocks):
            x = bottleneck(w, f"visual.layer{stage + 1}.{i}.", x, 2 if stage and not i else 1, training)
    return attention_pool(w, x, v["width"] * 32 // v["head_width"])


def cbow(w, texts):
    return torch.stack([w["token_embedding.weight"][torch.tensor(t)].mean(0) for t in texts]) @ w["text_projection"]


def encode_image(c, w, hf, pixels, training=False):
    if isinstance(c["vision_cfg"]["layers"], list):
        return F.normalize(resnet(c, w, pixels, training), dim=-1)
    return make_clip.encode_image(hf, hf["weights"], pixels)


def encode_texts(c, w, hf, texts):
    if c["text_cfg"].get("tower") == "cbow":
        return F.normalize(cbow(w, texts), dim=-1)
    return make_clip.encode_texts(hf, hf["weights"], texts)


# ---- random models ----

def resnet_weights(c, g):
    v, w = c["vision_cfg"], {}
    W, C = v["width"], 32 * v["width"]

    def conv(name, bn, out, cin, k):
        w[name + ".weight"] = torch.randn(out, cin, k, k, generator=g) * (2 / (cin * k * k)) ** 0.5
        w[bn + ".weight"] = 1 + 0.2 * torch.randn(out, generator=g)
        w[bn + ".bias"] = 0.1 * torch.randn(out, generator=g)
        w[bn + ".running_mean"] = 0.3 * torch.randn(out, generator=g)
        w[bn + ".running_var"] = torch.exp(0.3 * torch.randn(out, generator=g))
        w[bn + ".num_batches_tracked"] = torch.zeros(())

    conv("visual.conv1", "visual.bn1", W // 2, 3, 3)
    conv("visual.conv2", "visual.bn2", W // 2, W // 2, 3)
    conv("visual.conv3", "visual.bn3", W, W // 2, 3)
    cin = W
    for stage, blocks in enumerate(v["layers"]):
        planes = W << stage
        for i in range(blocks):
            p = f"visual.layer{stage + 1}.{i}."
            conv(p + "conv1", p + "bn1", planes, cin, 1)
            conv(p + "conv2", p + "bn2", planes, planes, 3)
            conv(p + "conv3", p + "bn3", 4 * planes, planes, 1)
            if not i:
                conv(p + "downsample.0", p + "downsample.1", 4 * planes, cin, 1)
            cin = 4 * planes
    p, grid = "visual.attnpool.", v["image_size"] // 32
    w[p + "positional_embedding"] = 0.5 * torch.randn(1 + grid * grid, C, generator=g)
    for name, rows in (("q_proj", C), ("k_proj", C), ("v_proj", C), ("c_proj", c["embed_dim"])):
        w[p + name + ".weight"] = torch.randn(rows, C, generator=g) * C ** -0.5
        w[p + name + ".bias"] = 0.1 * torch.randn(rows, generator=g)
    return w


def geometry(image, layers, width, head_width, text_width, vocab, context, embed, tower, text_layers=2, heads=2):
    """layers: a list for a ResNet; a number for a ViT of patches of image / 4."""
    vision = {"image_size": image, "layers": layers, "width": width, "head_width": head_width}
    if not isinstance(layers, list):
        vision.update(patch_size=image // 4, mlp_ratio=4.0)
    text = {"context_length": context, "vocab_size": vocab, "width": text_width}
    if tower == "cbow":
        text["tower"] = "cbow"
    else:
        text.update(layers=text_layers, heads=heads)
    return {"embed_dim": embed, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


def model(c, seed):
    """Weights under open_clip's names; hf: the same Transformers as make_clip.py wants them."""
    g = torch.Generator().manual_seed(seed)
    v, t, E = c["vision_cfg"], c["text_cfg"], c["embed_dim"]
    is_resnet, is_cbow = isinstance(v["layers"], list), t.get("tower") == "cbow"
    hf = make_clip.geometry(v["image_size"], v.get("patch_size", v["image_size"]), 8 if is_resnet else v["width"],
                            1 if is_resnet else v["layers"], 1 if is_resnet else v["width"] // v["head_width"],
                            8 if is_resnet else 4 * v["width"], t["width"], t.get("layers", 1), t.get("heads", 1),
                            4 * t["width"], t["vocab_size"], t["context_length"], E, "quick_gelu")
    hf["weights"] = make_clip.random_weights(hf, seed)
    w = make_clip.to_open_clip(hf["weights"])
    w.pop("attn_mask")
    w["logit_scale"] = torch.tensor(2.6592)
    if is_resnet:
        w = {k: x for k, x in w.items() if not k.startswith("visual.")}
        w.update(resnet_weights(c, g))
    if is_cbow:
        w = {k: x for k, x in w.items() if k.startswith("visual.") or k in
             ("token_embedding.weight", "text_projection", "logit_scale")}
    return w, hf


def contrastive_loss(w, images, texts):
    logits = w["logit_scale"].exp() * images @ texts.T
    labels = torch.arange(len(images))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def gradients_of(c, w, hf, pixels, texts):
    """In double, so that what differs is the other side's rounding. Only for ResNet with CBOW: every parameter is then a
    tensor of w."""
    nearest_zero[0] = 1.0
    w = {k: x.double().requires_grad_(not k.endswith(("running_mean", "running_var", "tracked"))) for k, x in w.items()}
    with torch.enable_grad():
        loss = contrastive_loss(w, encode_image(c, w, hf, pixels.double(), True), encode_texts(c, w, hf, texts))
        loss.backward()
    return loss, {k: (x.grad if x.requires_grad else x).float() for k, x in w.items() if not k.endswith("tracked")}


def write_gradients(folder, c, loss, grads):
    os.makedirs(f"{folder}/grads", exist_ok=True)
    np.save(f"{folder}/grads/loss.npy", np.array([loss.item()], "f4"))
    save(f"{folder}/grads/open_clip_model.safetensors", grads)
    write_json(f"{folder}/grads/open_clip_config.json", {"model_cfg": c})


def make(folder, c, seed, dtype="F32", n=5, gradients=False):
    os.makedirs(folder, exist_ok=True)
    w, hf = model(c, seed)
    w = {k: x.to(DTYPES[dtype]) for k, x in w.items()}
    save(f"{folder}/open_clip_model.safetensors", w)
    write_json(f"{folder}/open_clip_config.json", {"model_cfg": c})
    w = {k: x.float() for k, x in w.items()}
    hf["weights"] = {k: x.to(DTYPES[dtype]).float() for k, x in hf["weights"].items()}
    g = torch.Generator().manual_seed(seed)
    S, texts = c["vision_cfg"]["image_size"], make_clip.random_texts(hf, n, seed)
    pixels = torch.randn(n, 3, S, S, generator=g)
    while gradients:
        loss, grads = gradients_of(c, w, hf, pixels, texts)
        if nearest_zero[0] > MARGIN:
            write_gradients(folder, c, loss, grads)
            break
        pixels = torch.randn(n, 3, S, S, generator=g)
    np.save(f"{folder}/pixels.npy", pixels.numpy())
    np.save(f"{folder}/ids.npy", np.array(sum(texts, []), "f4"))
    np.save(f"{folder}/starts.npy", np.cumsum([0] + [len(t) for t in texts]).astype("f4"))
    np.save(f"{folder}/image.npy", encode_image(c, w, hf, pixels).numpy())
    np.save(f"{folder}/text.npy", encode_texts(c, w, hf, texts).numpy())


def main():
    torch.set_num_threads(2)
    if sys.argv[1:] == ["golden"]:
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "towers")
        make(folder, geometry(32, [1, 1, 1, 1], 2, 32, 12, 64, 12, 16, "cbow"), 31, "F16", 6, True)
    elif len(sys.argv) == 3 and sys.argv[1] == "make":
        out = sys.argv[2]
        make(f"{out}/resnet-cbow", geometry(64, [2, 1, 2, 1], 8, 64, 24, 300, 20, 32, "cbow"), 22, "F32", 7, True)
        make(f"{out}/resnet-wide", geometry(96, [1, 2, 1, 1], 8, 32, 40, 500, 77, 24, "cbow"), 23, "F32", 4, True)
        make(f"{out}/resnet-transformer", geometry(64, [1, 1, 1, 2], 16, 64, 32, 200, 16, 40, "transformer"), 24)
        make(f"{out}/resnet-f16", geometry(96, [1, 1, 2, 1], 8, 64, 32, 200, 16, 40, "transformer"), 25, "F16")
        make(f"{out}/vit-cbow", geometry(32, 2, 48, 16, 32, 200, 16, 40, "cbow"), 26)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    with torch.no_grad():
        main()
