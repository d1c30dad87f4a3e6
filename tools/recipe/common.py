"""What every source shares: seeded randomness, picture helpers, shard writing."""
import hashlib
import io
import json
import os
import random
import tarfile

from PIL import Image

SEED = 20240229
LONG_SIDE = 96


def rng(*parts):
    """A generator that depends on the seed and on the parts only, never on process order."""
    text = "|".join(str(p) for p in (SEED,) + parts)
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def fraction(*parts):
    """A stable number in [0, 1) for the parts."""
    return rng(*parts).random()


def fit(image, side=LONG_SIDE):
    """Shrink so that the long side is at most `side`; small pictures stay as they are."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(v * scale)) for v in image.size)
    return image.resize(size, Image.LANCZOS)


def on_white(image):
    if image.mode == "RGB":
        return image
    image = image.convert("RGBA")
    paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
    paper.alpha_composite(image)
    return paper.convert("RGB")


def jpeg(image, quality=92):
    out = io.BytesIO()
    on_white(image).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def png(image):
    """Lossless bytes of a cut-out: how cut-outs travel between processes."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def clean_captions(captions):
    """Drop empty and repeated lines, keep the order."""
    kept = {}
    for lang, lines in captions.items():
        seen = []
        for line in lines:
            line = " ".join(line.split())
            if line and line not in seen:
                seen.append(line)
        if seen:
            kept[lang] = seen
    return kept


class ShardWriter:
    """Tar shards of KEY.jpg + KEY.json, byte-identical between runs."""

    def __init__(self, folder, per_shard=4000):
        self.folder, self.per_shard, self.count, self.tar = folder, per_shard, 0, None

    def _add(self, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data))

    def add(self, picture, meta):
        if self.count % self.per_shard == 0:
            self.close()
            path = os.path.join(self.folder, "train-%04d.tar" % (self.count // self.per_shard))
            self.tar = tarfile.open(path, "w")
        key = "%06d" % self.count
        self._add(key + ".jpg", picture)
        self._add(key + ".json", json.dumps(meta, ensure_ascii=False).encode())
        self.count += 1

    def close(self):
        if self.tar:
            self.tar.close()
            self.tar = None


class FolderWriter:
    """A held-out set: pictures plus manifest.jsonl."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.count = folder, 0
        self.manifest = open(os.path.join(folder, "manifest.jsonl"), "w", encoding="utf-8")

    def add(self, picture, meta):
        name = "%05d.jpg" % self.count
        with open(os.path.join(self.folder, name), "wb") as out:
            out.write(picture)
        self.manifest.write(json.dumps(dict(image=name, **meta), ensure_ascii=False) + "\n")
        self.count += 1

    def close(self):
        self.manifest.close()
