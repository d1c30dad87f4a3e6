#!/usr/bin/python3
"""Pictures of every format and what they must decode to, by Pillow, for test_image.c.

usage: make_images.py DIR small|all

DIR/cases.txt has a line for each picture: NAME MAX MEAN CUT, where MAX and MEAN bound the absolute
difference of channels, and CUT is 1 when the first half of the file must be refused. DIR/NAME.rgb
is little-endian u32 width, height and the rows. `small` is tests/goldens/media.
"""
import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

DIR, ALL = sys.argv[1], sys.argv[2] == "all"
W, H = (45, 31) if ALL else (24, 17)
cases = open(os.path.join(DIR, "cases.txt"), "w")
path = lambda name: os.path.join(DIR, name)


def scene(w=W, h=H):
    """Smooth colours and one corner that tells the directions apart."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([255 * x // (w - 1), 255 * y // (h - 1), 128 + 100 * np.sin(x / 5 + y / 7)], -1)
    a[: h // 3, : w // 4] = (250, 10, 10)
    return Image.fromarray(a.astype(np.uint8), "RGB")


def on_white(image):
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def expect(name, a, most=1, mean=0.5, cut=1):
    """The picture at name decodes to a: an image, or uint8 [h, w, 3]."""
    a = np.asarray(a.convert("RGB") if isinstance(a, Image.Image) else a, np.uint8)
    open(path(name + ".rgb"), "wb").write(struct.pack("<2I", a.shape[1], a.shape[0]) + a.tobytes())
    cases.write(f"{name} {most} {mean} {cut}\n")


def save(name, image, most=1, mean=0.5, cut=1, expected=None, **options):
    image.save(path(name), **options)
    expect(name, expected or on_white(ImageOps.exif_transpose(Image.open(path(name)))), most, mean, cut)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(name, a, colour):
    """PNG of 16 bits: a is uint16 [h, w, channels]."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in a)
    head = struct.pack(">2I5B", a.shape[1], a.shape[0], 16, colour, 0, 0, 0)
    open(path(name), "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                                 chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def wide_gamut_profile():
    """A version 2 matrix profile: gamma 2.2 and primaries wider than sRGB's, relative to D50."""
    s15 = lambda v: struct.pack(">i", round(v * 65536))
    xyz = lambda *v: b"XYZ \0\0\0\0" + b"".join(map(s15, v))
    text = b"wide test"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = [(b"desc", desc), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz(0.9642, 1, 0.8249)),
            (b"rXYZ", xyz(0.60974, 0.31111, 0.01947)), (b"gXYZ", xyz(0.20528, 0.62567, 0.06087)),
            (b"bXYZ", xyz(0.14919, 0.06322, 0.74457))] + [(c + b"TRC", curve) for c in (b"r", b"g", b"b")]
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for kind, d in tags:
        d += bytes(-len(d) % 4)
        table += kind + struct.pack(">2I", at + len(data), len(d))
        data += d
    head = struct.pack(">I4sI4s4s4s12s4s4sI4s4sQI", at + len(data), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ",
                       b"XYZ ", bytes(12), b"acsp", b"\0\0\0\0", 0, b"none", b"none", 0, 0)
    head += s15(0.9642) + s15(1) + s15(0.8249) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + data


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


def jpegs():
    for o in range(1, 9) if ALL else [6]:
        save(f"exif{o}.jpg", scene(), exif=exif(o), quality=90)
    for o in range(1, 9) if ALL else []:
        save(f"exif{o}.webp", scene(), exif=exif(o), lossless=True)
        save(f"exif{o}.tif", scene(), tiffinfo={274: o}, expected=ImageOps.exif_transpose(
            Image.open(path(f"exif{o}.webp"))))
    white, black = Image.new("CMYK", (W, H)), Image.new("CMYK", (W, H), (0, 0, 0, 255))
    # Without a profile only white and "dark" are certain: every press has its own black.
    save("cmyk-white.jpg", white, most=4, mean=4, expected=Image.new("RGB", (W, H), "white"))
    if not ALL:
        return
    save("cmyk-black.jpg", black, most=60, mean=60, cut=0, expected=Image.new("RGB", (W, H), "black"))
    save("cmyk.tif", white, most=4, mean=4, expected=Image.new("RGB", (W, H), "white"))
    save("grey.jpg", scene().convert("L"))
    save("progressive.jpg", scene(), progressive=True)
    save("444.jpg", scene(), subsampling=0)
    wide = wide_gamut_profile()
    rgb = ImageCms.profileToProfile(scene(), ImageCms.ImageCmsProfile(__import__("io").BytesIO(wide)),
                                    ImageCms.createProfile("sRGB"), renderingIntent=0)
    save("wide.png", scene(), most=2, icc_profile=wide, expected=rgb)
    save("wide.tif", scene(), most=2, icc_profile=wide, expected=rgb)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save("srgb.png", scene(), most=0, icc_profile=srgb)
    save("broken-profile.png", scene(), most=0, icc_profile=wide[:200])
    save("grey-with-rgb-profile.png", scene().convert("L"), most=2, icc_profile=srgb)


def pngs():
    alpha = np.linspace(0, 255, W).astype(np.uint8)[None].repeat(H, 0)
    rgba = scene().convert("RGBA")
    rgba.putalpha(Image.fromarray(alpha))
    palette = scene().quantize(16)
    save("palette.png", palette, transparency=bytes([0, 128, 255, 40] + [255] * 12))
    if not ALL:
        return
    save("rgb.png", scene(), most=0)
    save("rgba.png", rgba)
    save("la.png", rgba.convert("LA"))
    save("palette-one.png", palette, transparency=3)
    save("bits.png", scene().convert("1"), most=0)
    save("grey.png", scene().convert("L"), most=0)
    save("rgba.tif", rgba)
    save("rgba.webp", rgba, lossless=True, exact=True)
    a = np.random.default_rng(5).integers(0, 65536, (H, W, 4)).astype(np.uint16)
    top = (a >> 8).astype(np.uint8)
    png16("rgb16.png", a[..., :3], 2)
    expect("rgb16.png", top[..., :3])
    png16("grey16.png", a[..., :1], 0)
    expect("grey16.png", top[..., :1].repeat(3, -1))
    png16("rgba16.png", a, 6)
    expect("rgba16.png", on_white(Image.fromarray(top, "RGBA")), most=2)
    png16("la16.png", a[..., [0, 3]], 4)
    expect("la16.png", on_white(Image.fromarray(top[..., [0, 0, 0, 3]], "RGBA")), most=2)


def others():
    frames = [Image.new("RGB", (W, H), c) for c in ("red", "green", "blue")]
    save("lossy.webp", scene(), most=8, quality=90)
    if not ALL:
        return
    save("one.gif", scene())
    save("transparent.gif", scene().quantize(8), transparency=2)
    save("animated.gif", frames[0], save_all=True, append_images=frames[1:], cut=0)
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True, cut=0)
    for c in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(f"{c}.tif", scene(), most=0, compression=c)
    save("jpeg.tif", scene(), most=4, compression="jpeg")
    save("pages.tif", frames[0], save_all=True, append_images=frames[1:], cut=0)
    save("bits.tif", scene().convert("1"), most=0, compression="group4")
    save("palette.tif", scene().quantize(16), most=0)
    save("grey.tif", scene().convert("L"), most=0)
    for mode in ("RGB", "L", "1", "P"):
        save(f"{mode}.bmp", scene().quantize(200) if mode == "P" else scene().convert(mode), most=0)
    for name, mode in (("a.ppm", "RGB"), ("a.pgm", "L"), ("a.pbm", "1")):
        save(name, scene().convert(mode), most=0)
    save("png-named.jpg", scene(), most=0, format="PNG")


def heifs():
    if not shutil.which("heif-enc"):
        return
    scene(32, 32).save(path("source.png"))
    for name, options in (("a.heic", []), ("a.avif", ["-A"])) if ALL else (("a.heic", []),):
        done = subprocess.run(["heif-enc", *options, "-q", "90", "-o", path(name), path("source.png")],
                              capture_output=True)
        if done.returncode == 0 and os.path.exists(path(name)):
            expect(name, scene(32, 32), most=150, mean=8)
    os.remove(path("source.png"))


jpegs()
pngs()
others()
heifs()
