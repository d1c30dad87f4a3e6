#!/usr/bin/python3
"""The losses written plainly in PyTorch; autograd gives the gradients that sensus must equal.

  make_losses.py      rewrite tests/goldens/losses.safetensors

Features are unit rows, as the towers' normalised outputs are. Written from the papers: Zhai et al. 2023
(sigmoid); Wu et al. 2023 and Yang et al. 2024 (affinity, feature regression through a linear map); Kiros et al. 2014,
Faghri et al. 2018 and Vendrov et al. 2016 (hinges over all negatives, over the hardest, over order violations).
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


def distillation(out, g, name, B, E, W, t, teacher_scale):
    I, T = (leaf(F.normalize(torch.randn(B, E, generator=g), dim=-1)) for _ in range(2))
    U, V = (F.normalize(torch.randn(B, W, generator=g), dim=-1) for _ in range(2))
    M, t = leaf(torch.randn(W, E, generator=g) / E ** 0.5), leaf(torch.tensor(t))
    S, P = I @ T.T * t.exp(), U @ V.T * teacher_scale
    affinity = sum(F.kl_div(s.log_softmax(1), p.softmax(1), reduction="batchmean") for s, p in ((S, P), (S.T, P.T))) / 2
    feature = ((I @ M.T - U) ** 2).sum(1).mean()
    affinity.backward()
    for key, x in dict(images=I, texts=T, scale=t, teacher_images=U, teacher_texts=V, map=M,
                       teacher_scale=torch.tensor(teacher_scale), loss=affinity, dimages=I.grad, dtexts=T.grad,
                       dscale=t.grad).items():
        out[f"{name}.{key}"] = x.detach().float().clone()
    I.grad = None
    feature.backward()
    for key, x in dict(feature_loss=feature, feature_dimages=I.grad, feature_dmap=M.grad).items():
        out[f"{name}.{key}"] = x.detach().float()


def ranking(out, g, name, B, E, margin, kind):
    X, Y = torch.randn(B, E, generator=g), torch.randn(B, E, generator=g)
    Y = Y + 0.7 * X  # pairs that belong together, so that some hinges are at rest
    if kind == "order":
        X, Y = X.abs(), Y.abs()
    I, T = leaf(F.normalize(X, dim=-1)), leaf(F.normalize(Y, dim=-1))
    S = -(T[None] - I[:, None]).clamp(min=0).pow(2).sum(-1) if kind == "order" else I @ T.T
    own, others = S.diagonal(), ~torch.eye(B, dtype=torch.bool)
    texts = (margin - own[:, None] + S).clamp(min=0) * others  # [i, j]: text j beside picture i's own
    pictures = (margin - own[None] + S).clamp(min=0) * others  # [i, j]: picture i beside text j's own
    if kind == "hardest":
        loss = (texts.max(1).values + pictures.max(0).values).sum() / B
    else:
        loss = (texts + pictures).sum() / B
    loss.backward()
    for key, x in dict(images=I, texts=T, margin=torch.tensor(margin), loss=loss, dimages=I.grad, dtexts=T.grad).items():
        out[f"{name}.{key}"] = x.detach().float()


def main():
    g, out = torch.Generator().manual_seed(20), {}
    sigmoid(out, g, "sigmoid", 7, 5, 2.302585, -10.0)
    sigmoid(out, g, "sigmoid_late", 33, 8, 4.7, -16.5)
    distillation(out, g, "distill", 37, 6, 9, 2.5, 20.0)
    distillation(out, g, "distill_blocks", 150, 4, 4, 1.0, 50.0)
    for kind in ("hinge", "hardest", "order"):
        ranking(out, g, kind, 9, 5, 0.2, kind)
        ranking(out, g, kind + "_blocks", 37, 16, 0.05, kind)
    save(os.path.join(HERE, "losses.safetensors"), out)


if __name__ == "__main__":
    main()
