#!/usr/bin/python3
"""A training step of CLIP in PyTorch, in turn with sensus (the protocol of bench_turns.h).

  torch_worker.py MODEL_DIR PIXELS.f32 IDS.i64 B THREADS [bf16]

Both towers forward and backward, the symmetric cross-entropy with a learned temperature, AdamW. Its
texts are always as long as the context: that is what batches of PyTorch's CLIP are. bf16: autocast, which
multiplies in bfloat16 as oneDNN does it.
"""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import clip_torch

folder, pixels_file, ids_file = sys.argv[1:4]
B = int(sys.argv[4])
torch.set_num_threads(int(sys.argv[5]))
half = sys.argv[6:] == ["bf16"]
image, text, log_scale = clip_torch.load(folder)
parameters = [*image.parameters(), *text.parameters(), log_scale]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1, foreach=True)
pixels = torch.from_numpy(np.fromfile(pixels_file, np.float32, B * 3 * 224 * 224)).reshape(B, 3, 224, 224)
ids = torch.from_numpy(np.fromfile(ids_file, np.int64, B * 77)).reshape(B, 77)
labels = torch.arange(B)


def step():
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        x, y = image(pixels), text(ids)
    logits = log_scale.exp() * x.float() @ y.float().T
    loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    loss.backward()
    optimizer.step()


step()
print("ready", flush=True)
for line in sys.stdin:
    times = []
    for _ in range(int(line.split()[1])):
        start = time.perf_counter()
        step()
        times.append(f"{1e3 * (time.perf_counter() - start):.3f}")
    print(*times, flush=True)
