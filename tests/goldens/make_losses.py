#!/usr/bin/python3
"""The losses written plainly in PyTorch; autograd gives the gradients that sensus must equal.

  make_losses.py      rewrite tests/goldens/losses.safetensors

Features are unit rows, as the towers' normalised outputs are. Written from the papers: Zhai et al. 2023
(sigmoid).
"""
import os

import torch
import torch.nn.functional as F

from make_clip import save

HERE = os.path.dirname(os.path.abspath(__file__))


def leaf(x):
    return x.clone().requires_grad_(True)


def sigmoid(out, g, name, B, E, t, b):
    I, T = leaf(F.normalize(torch.randn(B, E, generator=g), dim=-1)), leaf(F.normalize(torch.randn(B, E, generator=g), dim=-1))
    t, b = leaf(torch.tensor(t)), leaf(torch.tensor(b))
    labels = 2 * torch.eye(B) - torch.ones(B, B)
    loss = -F.logsigmoid(labels * (I @ T.T * t.exp() + b)).sum() / B
    loss.backward()
    for key, x in dict(images=I, texts=T, scale=t, bias=b, loss=loss, dimages=I.grad, dtexts=T.grad, dscale=t.grad,
                       dbias=b.grad).items():
        out[f"{name}.{key}"] = x.detach().float()


def main():
    g, out = torch.Generator().manual_seed(20), {}
    sigmoid(out, g, "sigmoid", 7, 5, 2.302585, -10.0)
    sigmoid(out, g, "sigmoid_late", 33, 8, 4.7, -16.5)
    save(os.path.join(HERE, "losses.safetensors"), out)


if __name__ == "__main__":
    main()
