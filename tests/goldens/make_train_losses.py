#!/usr/bin/python3
"""A hundred steps of CLIP's training in PyTorch: the losses that sensus must reach from the same start.

  make_train_losses.py [double] clip|towers OUT.npy   OUT: [100, 2], loss and exp(t) of each step

The start is tests/goldens/clip (ViT and Transformer) or tests/goldens/towers (ResNet and CBOW) with t = START_T, just above the ceiling ln 100, so that the clamp works. Pair p of
POOL pairs has pixels and ids that follow from p by hash(); the batch of step s is BATCH of them in a window that
moves on. tests/train/test_train_parity.c makes the same numbers. Optimiser: AdamW (Loshchilov and Hutter 2019) with
weight decay on matrices only, gradients clipped at a norm of 1, linear warm-up and half a cosine.
"""
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import make_clip
import make_towers

STEPS, WARMUP, BATCH, POOL, STRIDE = 100, 10, 16, 64, 11
LR, MIN_LR, DECAY, CLIP, START_T = 1e-3, 1e-5, 0.1, 1.0, 4.62


def hash(pair, index):
    x = (pair * 2654435761 + index * 2246822519 + 374761393) % 2**32
    x = (x ^ x >> 15) * 2246822519 % 2**32
    x = (x ^ x >> 13) * 3266489917 % 2**32
    return x ^ x >> 16


def pair(p, S, context, vocab):
    """Pixels share a colour per pair, so that there is something to learn."""
    base = [hash(p, 1000 + c) % 256 for c in range(3)]
    pixels = [((base[i // (S * S)] + hash(p, i) % 64) % 256) / 255 - 0.5 for i in range(3 * S * S)]
    length = 3 + hash(p, 2000) % (context - 2)
    ids = [vocab - 2] + [hash(p, 3000 + i) % (vocab - 2) for i in range(length - 2)] + [vocab - 1]
    return pixels, ids


def rate(step):
    if step < WARMUP:
        return LR * (step + 1) / WARMUP
    return MIN_LR + (LR - MIN_LR) * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def read_clip(folder):
    """Weights, what encodes pixels and lists of ids with them, and (picture side, context, vocabulary)."""
    with open(f"{folder}/config.json") as f:
        c = json.load(f)
    w, t = make_clip.load(f"{folder}/model.safetensors"), c["text_config"]
    return (w, lambda w, x: make_clip.encode_image(c, w, x), lambda w, ids: make_clip.encode_texts(c, w, ids),
            (c["vision_config"]["image_size"], t["max_position_embeddings"], t["vocab_size"]))


def read_towers(folder):
    """The same; batch norm by each batch's own statistics."""
    with open(f"{folder}/open_clip_config.json") as f:
        c = json.load(f)["model_cfg"]
    w, t = make_clip.load(f"{folder}/open_clip_model.safetensors"), c["text_cfg"]
    return (w, lambda w, x: make_towers.encode_image(c, w, None, x, True),
            lambda w, ids: make_towers.encode_texts(c, w, None, ids),
            (c["vision_cfg"]["image_size"], t["context_length"], t["vocab_size"]))


def main(name, out, dtype):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    w, encode_image, encode_texts, (S, context, vocab) = (read_towers if name == "towers" else read_clip)(folder)
    w = {k: t.to(dtype).requires_grad_(not k.endswith(("running_mean", "running_var", "tracked")))
         for k, t in w.items()}
    learning = [x for x in w.values() if x.requires_grad]
    w["logit_scale"].data.fill_(START_T)
    pool = [pair(p, S, context, vocab) for p in range(POOL)]
    groups = [{"params": [x for x in learning if (x.dim() > 1) == decays], "weight_decay": DECAY * decays}
              for decays in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.98), eps=1e-6)
    rows = []
    for step in range(STEPS):
        batch = [pool[(step * STRIDE + i) % POOL] for i in range(BATCH)]
        pixels = torch.tensor(np.array([p for p, _ in batch], "f4")).view(BATCH, 3, S, S).to(dtype)
        logits = (encode_image(w, pixels) @ encode_texts(w, [ids for _, ids in batch]).T) * w["logit_scale"].exp()
        labels = torch.arange(BATCH)
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, CLIP)
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        w["logit_scale"].data.clamp_(0, math.log(100))
        rows.append((loss.item(), w["logit_scale"].exp().item()))
    np.save(out, np.array(rows, "f4"))


if __name__ == "__main__":
    args = sys.argv[1:]
    double = args[:1] == ["double"]
    torch.set_num_threads(1)
    if len(args) != 2 + double or args[-2] not in ("clip", "towers"):
        sys.exit(__doc__)
    main(*args[-2:], torch.float64 if double else torch.float32)
