#!/usr/bin/python3
"""Prepared pictures by Pillow and numpy, following CLIPImageProcessor, for test_preprocess.c.

usage: make_preprocess.py DIR

For every case i: DIR/i/preprocessor_config.json and DIR/i/case.bin, little-endian: u32 w, h, S;
the picture [h, w, 3]; f32 [3, S, S].
"""
import json
import math
import os
import struct
import sys

import numpy as np
from PIL import Image

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
CLIP = dict(do_resize=True, do_center_crop=True, do_normalize=True, resample=3, image_mean=MEAN, image_std=STD)


def case(size, crop, w, h, **more):
    return dict(CLIP, size=size, crop_size=crop, **more), w, h


CASES = [
    case({"shortest_edge": 32}, {"height": 32, "width": 32}, 101, 67),
    case(32, 32, 67, 101),
    case(32, 32, 1, 1),
    case(32, 32, 3, 100, do_rescale=True, rescale_factor=1 / 255, do_convert_rgb=True),
    case({"shortest_edge": 40}, 33, 77, 50),
    case({"shortest_edge": 41}, 32, 50, 77),
    case({"height": 32, "width": 32}, 32, 90, 40),
    case({"height": 32, "width": 32}, None, 90, 40, do_center_crop=False),
    case({"shortest_edge": 20}, 33, 77, 50),
    case(32, 32, 50, 20, do_resize=False),
    case(32, 33, 24, 61, do_resize=False),
    case(32, 32, 64, 48, do_normalize=False),
    case(32, 32, 64, 48, do_rescale=False),
    case(32, 32, 64, 48, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    case(224, 224, 640, 480),
    case(224, 224, 333, 500),
]


def resized(c, w, h):
    size = c["size"]
    if isinstance(size, dict) and "height" in size:
        return size["width"], size["height"]
    if isinstance(size, dict):
        size = size["shortest_edge"]
    return (size, int(size * h / w)) if w <= h else (int(size * w / h), size)


def center_crop(a, S):
    h, w = a.shape[:2]
    H, W = max(S, h), max(S, w)
    padded = np.zeros((H, W, 3), a.dtype)
    top, left = math.ceil((H - h) / 2), math.ceil((W - w) / 2)
    padded[top:top + h, left:left + w] = a
    y, x = (h - S) // 2 + top, (w - S) // 2 + left
    return padded[y:y + S, x:x + S]


def main():
    rng = np.random.default_rng(3)
    for i, (c, w, h) in enumerate(CASES):
        d = os.path.join(sys.argv[1], str(i))
        os.makedirs(d, exist_ok=True)
        json.dump(c, open(os.path.join(d, "preprocessor_config.json"), "w"))
        a = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
        image = Image.fromarray(a)
        if c["do_resize"]:
            image = image.resize(resized(c, w, h), Image.BICUBIC)
        x = np.asarray(image)
        if c["do_center_crop"]:
            x = center_crop(x, c["crop_size"] if isinstance(c["crop_size"], int) else c["crop_size"]["height"])
        x = x.astype(np.float64)
        if c.get("do_rescale", True):
            x = x * c.get("rescale_factor", 1 / 255)
        if c["do_normalize"]:
            x = (x - np.array(c["image_mean"])) / np.array(c["image_std"])
        with open(os.path.join(d, "case.bin"), "wb") as f:
            f.write(struct.pack("<3I", w, h, x.shape[0]) + a.tobytes())
            f.write(np.ascontiguousarray(x.transpose(2, 0, 1), np.float32).tobytes())


main()
