#!/usr/bin/python3
"""Resized pictures by Pillow, for test_resize.c.

usage: make_resize.py OUT small|many

OUT is a sequence of cases, little-endian: u32 w, h, out_w, out_h; f32 box[4]; the picture
[h, w, 3]; Pillow's bicubic resize [out_h, out_w, 3]. `small` is tests/goldens/prep/resize.bin.
"""
import random
import struct
import sys

import numpy as np
from PIL import Image

SMALL = [(7, 5, 3, 2), (3, 4, 8, 9), (1, 1, 3, 2), (13, 1, 4, 1), (1, 17, 1, 5), (6, 6, 6, 3), (9, 4, 4, 4)]
MANY = SMALL + [
    (640, 480, 298, 224), (640, 480, 224, 224), (500, 333, 336, 224), (224, 224, 224, 224),
    (223, 225, 224, 224), (32, 32, 224, 224), (1, 1, 224, 224), (2, 3, 224, 336), (3000, 7, 96, 224),
    (7, 3000, 224, 96000 // 1000), (1000, 1, 224, 224), (1, 1000, 224, 224), (2000, 1500, 48, 36),
    (257, 129, 1, 1), (255, 511, 255, 17), (255, 511, 17, 511), (33, 1, 66, 1), (64, 64, 65, 63),
]


def picture(rng, w, h, kind):
    if kind == 0:  # noise: every rounding path
        return rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    if kind == 1:  # black and white: overshoot is clipped
        return (rng.integers(0, 2, (h, w, 1), dtype=np.uint8) * np.uint8(255)).repeat(3, axis=2)
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([x * 255 // max(1, w - 1), y * 255 // max(1, h - 1), (x + y) % 256], -1).astype(np.uint8)


def emit(f, rng, w, h, ow, oh, box, kind):
    a = picture(rng, w, h, kind)
    out = Image.fromarray(a, "RGB").resize((ow, oh), Image.BICUBIC, box=box)
    f.write(struct.pack("<4I4f", w, h, ow, oh, *box))
    f.write(a.tobytes())
    f.write(np.asarray(out).tobytes())


def main():
    many = sys.argv[2] == "many"
    rng, r = np.random.default_rng(7), random.Random(7)
    with open(sys.argv[1], "wb") as f:
        for i, (w, h, ow, oh) in enumerate(MANY if many else SMALL):
            for kind in range(3) if many else [i % 3]:
                emit(f, rng, w, h, ow, oh, (0, 0, w, h), kind)
        for i in range(150 if many else 3):
            big = 12 if not many else 400 if i % 5 else 40
            w, h, ow, oh = (r.randint(1, big) for _ in range(4))
            box = (0, 0, w, h)
            if i % 2:
                x = sorted(np.float32(r.uniform(0, w)) for _ in range(2))
                y = sorted(np.float32(r.uniform(0, h)) for _ in range(2))
                if x[1] - x[0] > 0.01 and y[1] - y[0] > 0.01:
                    box = (float(x[0]), float(y[0]), float(x[1]), float(y[1]))
            emit(f, rng, w, h, ow, oh, box, i % 3)


main()
