#!/usr/bin/env python3
"""The training step of bench/bench_train_step.c in PyTorch, for comparison (python3-torch).

    tools/bench_train_torch.py [b32|tiny|small] [B] [steps] [tokens]

The same work: both towers forward and backward, the contrastive loss, AdamW. `tokens` is 10 unless
given (Hugging Face pads to 77). Prints seconds of the best step, wall and processor."""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads, act):
        super().__init__()
        self.heads, self.act = heads, act
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask):
        B, T, C = x.shape
        D = C // self.heads
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, D).permute(2, 0, 3, 1, 4)
        s = q.reshape(-1, T, D) @ k.reshape(-1, T, D).transpose(1, 2) * D**-0.5
        p = torch.softmax(s if mask is None else s + mask, -1)
        a = (p @ v.reshape(-1, T, D)).view(B, self.heads, T, D).transpose(1, 2).reshape(B, T, C)
        x = x + self.out(a)
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class Clip(nn.Module):
    def __init__(self, size, patch, vw, vl, vh, tw, tl, th, vocab, embed, act=quick_gelu):
        super().__init__()
        self.patch = nn.Conv2d(3, vw, patch, patch, bias=False)
        self.token = nn.Parameter(torch.randn(vw) * 0.02)
        self.vpos = nn.Parameter(torch.randn(1 + (size // patch) ** 2, vw) * 0.02)
        self.pre, self.post, self.final = nn.LayerNorm(vw), nn.LayerNorm(vw), nn.LayerNorm(tw)
        self.vblocks = nn.ModuleList(Block(vw, vh, act) for _ in range(vl))
        self.table = nn.Embedding(vocab, tw)
        self.tpos = nn.Parameter(torch.randn(77, tw) * 0.01)
        self.tblocks = nn.ModuleList(Block(tw, th, act) for _ in range(tl))
        self.vproj, self.tproj = nn.Linear(vw, embed, bias=False), nn.Linear(tw, embed, bias=False)

    def forward(self, pixels, ids):
        x = self.patch(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), 1, -1), x], 1) + self.vpos
        x = self.pre(x)
        for b in self.vblocks:
            x = b(x, None)
        x = self.vproj(self.post(x[:, 0]))
        T = ids.shape[1]
        mask = torch.full((T, T), float("-inf")).triu(1)
        y = self.table(ids) + self.tpos[:T]
        for b in self.tblocks:
            y = b(y, mask)
        y = self.tproj(self.final(y[:, -1]))
        logits = F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T * 14.3
        target = torch.arange(len(x))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "b32"
    B, steps, tokens = (int(a) for a in (sys.argv[2:] + ["32", "5", "10"][len(sys.argv[2:]):])[:3])
    size, patch, *rest = {"small": (64, 8, 192, 6, 3, 192, 4, 3, 16384, 128),
                          "tiny": (224, 16, 256, 10, 4, 256, 3, 4, 49408, 512, F.gelu)}.get(
        name, (224, 32, 768, 12, 12, 512, 12, 8, 49408, 512))
    torch.manual_seed(0)
    model = Clip(size, patch, *rest)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6)
    pixels, ids = torch.rand(B, 3, size, size) - 0.5, torch.randint(rest[6], (B, tokens))
    best, cpu = 1e9, 1e9
    for _ in range(steps):
        start, used = time.perf_counter(), time.process_time()
        optimiser.zero_grad()
        model(pixels, ids).backward()
        optimiser.step()
        best = min(best, time.perf_counter() - start)
        cpu = min(cpu, time.process_time() - used)
    print(f"torch {torch.__version__} {name} B={B} tokens={tokens} threads={torch.get_num_threads()}: "
          f"{best:.4f} s (processor {cpu:.4f}), {B / best:.1f} pictures/s")


main()
