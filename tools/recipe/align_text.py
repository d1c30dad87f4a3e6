#!/usr/bin/python3
"""align_text.py SENSUS MODEL SHARDS PAIRS OUT - teach a CBOW text tower from pictures' vectors and from pairs of texts.

The image tower of MODEL stays as it is, so each picture is encoded once, and a step of thousands of texts is cheap. The
loss is the sum of two InfoNCE terms (van den Oord et al. 2018; Radford et al. 2021, figure 3), each in both directions:
between the pictures of SHARDS (build.py, balance.py) and one caption of each, and between the two texts of the lines of
PAIRS (textpairs.py). What is the same concept, or the same text, is no negative. OUT gets the model with the new text tower.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

import numpy
import torch
from torch.nn import functional as F

import bpe
import weights
from languages import LANGS

ENGLISH = 0.35              # share of English texts
TESTED = ("de", "fr", "es", "it", "nl", "pl", "ru", "tr", "ja", "zh")   # come twice as often as the other languages
AT_ONCE = 10000             # pictures of one call of `sensus embed`


class Texts:
    """Distinct texts as token ids, one after the other."""

    def __init__(self, tokenizer, context):
        self.tokenizer, self.context, self.known = tokenizer, context, {}
        self.ids, self.starts = [], [0]

    def add(self, text):
        """The text's number."""
        number = self.known.setdefault(text, len(self.known))
        if number == len(self.starts) - 1:
            self.ids += self.tokenizer.encode(text, self.context)
            self.starts.append(len(self.ids))
        return number

    def close(self):
        self.ids, self.starts = numpy.array(self.ids), numpy.array(self.starts)

    def batch(self, numbers, drop, random):
        """-> (ids, where each text starts) of some texts, with a share of their tokens left out."""
        lengths = self.starts[numbers + 1] - self.starts[numbers]
        ends = lengths.cumsum()
        places = numpy.arange(ends[-1]) + numpy.repeat(self.starts[numbers] - (ends - lengths), lengths)
        ids = self.ids[places]
        kept = (random.random(len(ids)) >= drop) | (ids >= self.tokenizer.start)
        owners = numpy.repeat(numpy.arange(len(numbers)), lengths)[kept]
        return torch.from_numpy(ids[kept]), torch.from_numpy(numpy.searchsorted(owners, numpy.arange(len(numbers))))


class Captions:
    """Which texts each picture has in each language."""

    def __init__(self, rows, texts):
        self.languages = list(LANGS)
        wanted = [ENGLISH if lang == "en" else 2.0 if lang in TESTED else 1.0 for lang in self.languages]
        rest = sum(wanted) - ENGLISH
        self.wanted = numpy.array([w if i == 0 else (1 - ENGLISH) * w / rest for i, w in enumerate(wanted)])
        numbers, self.first, self.count = [], [], []
        for row in rows:
            lines = [[texts.add(line) for line in row["captions"].get(lang, ())] for lang in self.languages]
            self.count.append([len(found) for found in lines])
            self.first.append(numpy.cumsum([len(numbers)] + self.count[-1][:-1]))
            numbers += [n for found in lines for n in found]
        self.numbers, self.first, self.count = numpy.array(numbers), numpy.array(self.first), numpy.array(self.count)
        names = {name: i for i, name in enumerate(dict.fromkeys(row["concept"] for row in rows))}
        self.concepts = numpy.array([names[row["concept"]] for row in rows])

    def draw(self, pictures, random):
        """One text of each picture: first the language, then the line."""
        shares = (self.wanted * (self.count[pictures] > 0)).cumsum(1)
        languages = (shares < random.random((len(pictures), 1)) * shares[:, -1:]).sum(1)
        count = self.count[pictures, languages]
        return self.numbers[self.first[pictures, languages] + (random.random(len(pictures)) * count).astype(int)]


class Pairs:
    """The lines of pairs.tsv by language."""

    def __init__(self, path, texts):
        found = {}
        with open(path, encoding="utf-8") as lines:
            for lang, one, two in (line.rstrip("\n").split("\t") for line in lines):
                found.setdefault(lang, []).append((texts.add(one), texts.add(two)))
        self.pairs = [numpy.array(found[lang]) for lang in sorted(found)]
        shares = numpy.array([ENGLISH if lang == "en" else (2 - ENGLISH) / len(TESTED) if lang in TESTED else 0.05
                              for lang in sorted(found)])
        self.shares = shares / shares.sum()

    def draw(self, count, random):
        return numpy.concatenate([table[random.integers(len(table), size=n)] for table, n in
                                  zip(self.pairs, random.multinomial(count, self.shares))])


def read_shards(folder, pictures):
    """The captions and concepts of all samples; their pictures are written to `pictures` as NUMBER.jpg."""
    rows = []
    for shard in sorted(glob.glob(os.path.join(folder, "*.tar"))):
        with tarfile.open(shard) as tar:
            members = {m.name: m for m in tar}
            for name in sorted(n for n in members if n.endswith(".json")):
                with open(os.path.join(pictures, "%d.jpg" % len(rows)), "wb") as out:
                    out.write(tar.extractfile(members[name[:-5] + ".jpg"]).read())
                rows.append(json.load(tar.extractfile(members[name])))
    return rows


def encode(sensus, model, folder, count):
    """Vectors of the pictures 0.jpg... -> [count, width], of length 1."""
    parts = []
    for first in range(0, count, AT_ONCE):
        names = ["%d.jpg" % i for i in range(first, min(count, first + AT_ONCE))]
        subprocess.run([sensus, "embed", "--model", os.path.abspath(model), "--output", "v.npy", *names], cwd=folder, check=True)
        parts.append(numpy.load(os.path.join(folder, "v.npy")))
    return torch.from_numpy(numpy.concatenate(parts))


def contrast(one, two, scale, same):
    """InfoNCE in both directions; `same` [n, n] marks what is no negative."""
    logits = scale * one @ two.T
    logits = logits.masked_fill(same.fill_diagonal_(False), -1e4)
    target = torch.arange(len(one))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def alike(numbers):
    numbers = torch.from_numpy(numbers)
    return numbers[:, None] == numbers[None, :]


def train(tower, texts, vectors, captions, pairs, args):
    """The steps. -> the tower's new weights."""
    random = numpy.random.default_rng(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(os.cpu_count())
    table, projection, scale = (torch.from_numpy(tower[n].astype(numpy.float32)) for n in
                                (weights.TABLE, weights.PROJECTION, weights.SCALE))
    table.requires_grad_(), projection.requires_grad_()
    scale = scale.exp()
    optimiser = torch.optim.Adam([table, projection], lr=args.lr, betas=(0.9, 0.98))
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, args.steps, pct_start=0.1)

    def features(numbers):
        ids, starts = texts.batch(numbers, args.drop, random)
        return F.normalize(F.embedding_bag(ids, table, starts, mode="mean") @ projection, dim=1)

    shown = numpy.zeros(2)
    for step in range(1, args.steps + 1):
        chosen = random.choice(len(vectors), args.batch, replace=False)
        seen = vectors[chosen]
        seen = F.normalize(seen + args.noise * F.normalize(torch.randn_like(seen), dim=1), dim=1)
        by_picture = contrast(seen, features(captions.draw(chosen, random)), scale, alike(captions.concepts[chosen]))
        one, two = pairs.draw(args.batch, random).T
        by_text = contrast(features(one), features(two), scale, alike(one) | alike(two))
        optimiser.zero_grad()
        (by_picture + args.weight * by_text).backward()
        optimiser.step()
        plan.step()
        shown += by_picture.item(), by_text.item()
        if step % 100 == 0:
            print("step %d: loss of pictures %.3f, of pairs %.3f" % (step, *shown / 100), flush=True)
            shown[:] = 0
    return {weights.TABLE: table.detach().numpy(), weights.PROJECTION: projection.detach().numpy()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("sensus", "model", "shards", "pairs", "out"):
        parser.add_argument(name)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=2048, help="pictures, and pairs of texts, of a step")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight", type=float, default=1.0, help="of the loss between texts")
    parser.add_argument("--drop", type=float, default=0.1, help="share of the tokens left out")
    parser.add_argument("--noise", type=float, default=0.3, help="length of what is added to a picture's vector")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tower, config = weights.read(args.model), weights.read_config(args.model)
    texts = Texts(bpe.Tokenizer(args.model), config["model_cfg"]["text_cfg"]["context_length"])
    with tempfile.TemporaryDirectory() as pictures:
        rows = read_shards(args.shards, pictures)
        vectors = encode(args.sensus, args.model, pictures, len(rows))
    captions, pairs = Captions(rows, texts), Pairs(args.pairs, texts)
    texts.close()
    print("%d pictures, %d texts" % (len(rows), len(texts.known)), flush=True)
    learned = train(tower, texts, vectors, captions, pairs, args)
    shutil.copytree(args.model, args.out, dirs_exist_ok=True)
    weights.write(args.out, {name: learned.get(name, old).astype(old.dtype) for name, old in tower.items()})


if __name__ == "__main__":
    main()
