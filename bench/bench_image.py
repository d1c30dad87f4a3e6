#!/usr/bin/python3
"""Milliseconds from a picture file to what the model takes by Pillow and numpy, one thread.

usage: bench_image.py FILE...
       bench_image.py --make DIR     two JPEG photographs' worth of bytes: 640 x 480 and 12 megapixels
"""
import io
import os
import sys
import time

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def make(folder):
    rng = np.random.default_rng(1)
    for name, w, h in (("vga.jpg", 640, 480), ("12mp.jpg", 4000, 3000)):
        small = Image.fromarray(rng.integers(0, 256, (h // 16, w // 16, 3), dtype=np.uint8))
        noise = rng.integers(-12, 12, (h, w, 1))
        a = np.clip(np.asarray(small.resize((w, h), Image.BICUBIC)).astype(np.int16) + noise, 0, 255)
        Image.fromarray(a.astype(np.uint8)).save(os.path.join(folder, name), quality=88)


def decode(data, draft):
    image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (448, 448))
    return image.convert("RGB")


def prepare(image):
    w, h = image.size
    size = (224, int(224 * h / w)) if w <= h else (int(224 * w / h), 224)
    image = image.resize(size, Image.BICUBIC)
    x, y = (image.size[0] - 224) // 2, (image.size[1] - 224) // 2
    a = np.asarray(image.crop((x, y, x + 224, y + 224)), np.float32) / 255
    return np.ascontiguousarray(((a - MEAN) / STD).transpose(2, 0, 1))


def best(f, rounds=15):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main():
    if sys.argv[1:2] == ["--make"]:
        return make(sys.argv[2])
    print(f"{'ms, Pillow':32} {'decode':>10} {'prepare':>10} {'sum':>10}")
    for path in sys.argv[1:]:
        data = open(path, "rb").read()
        for draft in (False, True):
            image = decode(data, draft)
            d, p = best(lambda: decode(data, draft)), best(lambda: prepare(image))
            print(f"{os.path.basename(path):23} {'draft' if draft else 'exact':>8} {d:10.2f} {p:10.2f} {d + p:10.2f}")


if __name__ == "__main__":
    main()
