"""robustness_torch.py - what robustness.py compares with: a supervised ResNet in PyTorch, of the same architecture as the image
tower of `sensus train --vision resnet` and trained alike, and a linear probe on frozen vectors."""
import copy
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's


# ---- pictures ----

def read_manifest(root, name):
    with open(os.path.join(root, name)) as f:
        return [json.loads(line) for line in f]


def read_pictures(root, name, labels, px):
    """-> uint8 [n, 3, px, px], class numbers [n]."""
    rows = read_manifest(root, name)
    x = np.empty((len(rows), px, px, 3), np.uint8)
    for i, r in enumerate(rows):
        image = Image.open(os.path.join(root, r["image"]))
        if image.mode in ("RGBA", "LA", "P"):  # on white, as sensus does
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
        x[i] = np.asarray(image if image.size == (px, px) else image.resize((px, px), Image.BICUBIC))
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.tensor([labels.index(r["label"]) for r in rows])


def normalized(x):
    return (x.float() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def augmented(x, px, g):
    """What src/train/augment.c does, with the defaults of `sensus train`: a crop of 60 % of the area or more and sides of at most
    4 to 3, bicubic; a mirror; saturation, contrast and brightness changed by 10 %."""
    n, side = len(x), x.shape[-1]

    def uniform(low, high):
        return low + (high - low) * torch.rand(n, generator=g)

    area, aspect = side * side * uniform(0.6, 1), torch.exp(uniform(-math.log(4 / 3), math.log(4 / 3)))
    w, h = (area * aspect).sqrt().clamp(max=side), (area / aspect).sqrt().clamp(max=side)
    x0, y0 = uniform(0, 1) * (side - w), uniform(0, 1) * (side - h)
    boxes = torch.stack([x0, y0, x0 + w, y0 + h], 1).tolist()
    crops = [np.asarray(Image.fromarray(a).resize((px, px), Image.BICUBIC, box)) for a, box in zip(x.permute(0, 2, 3, 1).numpy(), boxes)]
    y = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
    mirror = torch.rand(n, generator=g) < 0.5
    y[mirror] = y[mirror].flip(3)
    saturation, contrast, brightness = (uniform(0.9, 1.1).view(n, 1, 1, 1) for _ in range(3))
    grey = (y * torch.tensor((0.299, 0.587, 0.114)).view(3, 1, 1)).sum(1, keepdim=True)
    middle = grey.mean((2, 3), keepdim=True)
    y = brightness * (middle + contrast * (grey + saturation * (y - grey) - middle))
    return normalized(y.clamp(0, 255))


# ---- the tower: Radford et al. 2021, section 2.4 ----

class Bottleneck(nn.Module):
    def __init__(self, cin, planes, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(cin, planes, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
                                  nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
                                  nn.AvgPool2d(stride), nn.Conv2d(planes, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes))
        self.around = nn.Identity() if stride == 1 and cin == 4 * planes else nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(cin, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes))

    def forward(self, x):
        return F.relu(self.body(x) + self.around(x))


class AttentionPool(nn.Module):
    def __init__(self, grid, width, heads, out):
        super().__init__()
        self.position = nn.Parameter(torch.randn(grid * grid + 1, width) / width ** 0.5)
        self.q, self.k, self.v, self.c = (nn.Linear(width, n) for n in (width, width, width, out))
        self.heads = heads

    def forward(self, x):
        B, C = x.shape[:2]
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.position
        q, k, v = (f(t).view(B, -1, self.heads, C // self.heads).transpose(1, 2)
                   for f, t in ((self.q, x[:, :1]), (self.k, x), (self.v, x)))
        a = (q @ k.transpose(2, 3) / (C // self.heads) ** 0.5).softmax(-1) @ v
        return self.c(a.transpose(1, 2).reshape(B, C))


def classifier(px, width, layers, heads, embed, classes):
    parts, cin = [], 3
    for out, stride in ((width // 2, 2), (width // 2, 1), (width, 1)):
        parts += [nn.Conv2d(cin, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        cin = out
    parts.append(nn.AvgPool2d(2))
    for stage, blocks in enumerate(layers):
        for i in range(blocks):
            parts.append(Bottleneck(cin, width << stage, 2 if stage and not i else 1))
            cin = 4 * (width << stage)
    return nn.Sequential(*parts, AttentionPool(px // 32, cin, heads, embed), nn.ReLU(), nn.Linear(embed, classes))


def average(mean, model, decay):
    with torch.no_grad():
        for a, b in zip(mean.state_dict().values(), model.state_dict().values()):
            if a.is_floating_point():
                a.mul_(decay).add_(b, alpha=1 - decay)
            else:
                a.copy_(b)


def train(x, y, classes, size, options, save):
    """AdamW at a constant rate after a warm-up, cross-entropy; save(step, averaged model) after each of options["steps"]."""
    torch.manual_seed(size["seed"])
    g = torch.Generator().manual_seed(size["seed"])
    px, batch = options["px"], options["batch"]
    model = classifier(px, size["width"], size["layers"], size["heads"], options["embed"], classes)
    mean = copy.deepcopy(model).requires_grad_(False)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": options["weight_decay"]},
                                   {"params": others, "weight_decay": 0}], betas=(0.9, 0.98), eps=1e-6)
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, max(options["steps"]) + 1):
        if len(order) < batch:
            order = torch.cat([order, *(torch.randperm(len(x), generator=g) for _ in range(batch // len(x) + 1))])
        chosen, order = order[:batch], order[batch:]
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * min(1, step / options["warmup"])
        model.train()
        loss = F.cross_entropy(model(augmented(x[chosen], px, g)), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        average(mean, model, min(options["ema"], (1 + step) / (10 + step)))
        if step in options["steps"]:
            print(f"supervised {size['name']}: step {step}, loss {loss.item():.3f}", flush=True)
            save(step, mean)


def best_present(scores, y):
    """The best of the classes that the test has: what zero-shot classification chooses from as well."""
    present = y.unique()
    return present[scores[:, present].argmax(1)]


def count_correct(model, x, y):
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(normalized(a)) for a in x.split(500)])
    return int((best_present(scores, y) == y).sum())


# ---- linear probe: section 3.2 ----

def fit_probe(x, y, classes, decay, start=None):
    """Multinomial logistic regression: the mean cross-entropy + decay / 2 |W|^2, by L-BFGS."""
    w, b = start or (torch.zeros(x.shape[1], classes), torch.zeros(classes))
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([w, b], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ w + b, y) + decay / 2 * (w * w).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return w.detach(), b.detach()


def probe(train_x, train_y, inner, val_x, val_y, classes):
    """The decay is the one of four that is best on val when fitted on the rows `inner`; then all rows are fitted."""
    middle, spread = train_x.mean(0), train_x.std(0) + 1e-6

    def hits(wb, x, y):
        return int(best_present(((x - middle) / spread) @ wb[0] + wb[1], y).eq(y).sum())

    x, fitted, best = (train_x - middle) / spread, None, (-1, 0, None)
    for decay in (1e-1, 1e-2, 1e-3, 1e-4):  # each starts where the one before ended
        fitted = fit_probe(x[inner], train_y[inner], classes, decay, fitted)
        best = max(best, (hits(fitted, val_x, val_y), decay, fitted), key=lambda b: b[0])
    fitted = fit_probe(x, train_y, classes, best[1], best[2])
    return lambda x, y: hits(fitted, x, y)
