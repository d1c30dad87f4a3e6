#!/usr/bin/env python3
"""Films whose moments are known: video_truth.py MANIFEST OUT [--films N] [--seed N] [--lang en] [--speech].

From pictures with captions (a manifest of JSON lines, {"image": path, "captions": {"en": [text, ...]}}) scenes of 2 to 7
seconds in motion (pan, zoom, still), joined by cuts and crossfades, at 24, 25, 29.97, 30, 60 and varying frames a
second, as MP4, Matroska, WebM and MPEG-TS. Writes OUT/film-*.{mp4,...} and OUT/manifest.jsonl, a line for each scene:
{"video": name, "query": caption, "start": s, "end": s}. A crossfade's middle is where one scene ends and the next begins.
With --speech a synthetic voice (espeak-ng) says each caption while its scene is seen; --unseen P: of that share of the
scenes only the ground is seen, --unsaid P: of that share of the others nothing is said. The pictures do not depend on it.
Needs the command ffmpeg, and Pillow."""
import argparse
import collections
import fractions
import json
import pathlib
import random
import subprocess
import tempfile
import wave

from PIL import Image

WIDTH, HEIGHT = 256, 192
F = fractions.Fraction
RATES = [("24", F(24), None), ("25", F(25), None), ("30000/1001", F(30000, 1001), None), ("30", F(30), None),
         ("60", F(60), None), ("30", F(30), "lt(mod(n\\,60)\\,30)+not(mod(n\\,3))")]  # the last: 30 and 10 a second in turn
FORMATS = [("mp4", ["-c:v", "libx264", "-bf", "2"]), ("mkv", ["-c:v", "libx264", "-g", "90"]),
           ("webm", ["-c:v", "libvpx", "-b:v", "600k", "-deadline", "realtime"]), ("ts", ["-c:v", "mpeg2video", "-b:v", "2M"])]
SPEAKERS = {"mp4": "aac", "mkv": "flac", "webm": "libvorbis", "ts": "mp2"}
RATE_HZ = 22050


def read(manifest, language):
    """The pictures of each caption; a picture's first caption is taken."""
    pictures = collections.defaultdict(list)
    root = pathlib.Path(manifest).parent
    for line in open(manifest, encoding="utf-8"):
        row = json.loads(line)
        captions = row.get("captions", {}).get(language) or []
        captions = [captions] if isinstance(captions, str) else captions
        path = root / row["image"]
        if captions and path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            pictures[captions[0]].append(path)
    return pictures


class Scene:
    """A picture in motion before a plain ground."""

    def __init__(self, path, rng, seen=True):
        picture = Image.open(path).convert("RGBA")
        self.big = rng.uniform(0.75, 0.95) * min(WIDTH / picture.width, HEIGHT / picture.height)
        self.picture = picture
        self.ground = tuple(rng.choice([rng.randrange(200, 256), rng.randrange(60, 200)]) for _ in range(3))
        motion = rng.choice(["still", "pan", "zoom", "both"])
        self.zoom = (1, rng.uniform(0.7, 1.15)) if motion in ("zoom", "both") else (1, 1)
        self.seen = seen
        self.pan = (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12)) if motion in ("pan", "both") else (0, 0)

    def at(self, part):
        """The frame at 0 ... 1 of the scene."""
        scale = self.big * (self.zoom[0] + (self.zoom[1] - self.zoom[0]) * part)
        w, h = max(1, round(self.picture.width * scale)), max(1, round(self.picture.height * scale))
        frame = Image.new("RGB", (WIDTH, HEIGHT), self.ground)
        if not self.seen:
            return frame
        small = self.picture.resize((w, h), Image.BILINEAR)
        x = (WIDTH - w) / 2 + WIDTH * self.pan[0] * (part - 0.5)
        y = (HEIGHT - h) / 2 + HEIGHT * self.pan[1] * (part - 0.5)
        frame.paste(small, (round(x), round(y)), small)
        return frame


def say(texts, bounds, lang, voice, path):
    """A WAV file in which each text that is not None is said from a bound on, at most up to the next."""
    track = bytearray(2 * round(float(bounds[-1]) * RATE_HZ))
    with tempfile.TemporaryDirectory() as folder:
        for text, start, end in zip(texts, bounds, bounds[1:]):
            if text is None:
                continue
            name = folder + "/said.wav"
            subprocess.run(["espeak-ng", "-v", f"{lang}+{voice}", "-w", name, "--", text], check=True)
            with wave.open(name) as said:
                assert said.getframerate() == RATE_HZ and said.getsampwidth() == 2 and said.getnchannels() == 1
                samples = said.readframes(said.getnframes())
            at, most = 2 * round(float(start) * RATE_HZ), 2 * round(float(end - start) * RATE_HZ)
            samples = samples[:min(most, len(track) - at)]
            track[at:at + len(samples)] = samples
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1), out.setsampwidth(2), out.setframerate(RATE_HZ)
        out.writeframes(bytes(track))


def film(path, pictures, rate, keep, codec, rng, speech=None):
    """Write one film; returns its scenes' (caption, start, end). speech(captions, bounds) -> (seen, file of sound)."""
    name, fps = rate
    lengths = [rng.uniform(2, 7) for _ in pictures]
    bounds = [F(0)]
    for length in lengths:
        bounds.append(F(round((bounds[-1] + F(length)) * fps), 1) / fps)  # on a frame
    fades = [0] + [rng.choice([0, 0, rng.uniform(0.4, 1)]) for _ in pictures[1:]] + [0]
    seen, sound = speech([c for _, c in pictures], bounds) if speech else ([True] * len(pictures), None)
    scenes = [Scene(p, rng, s) for (p, _), s in zip(pictures, seen)]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}",
               "-r", name, "-i", "-"] + (["-i", str(sound), "-c:a", SPEAKERS[path.suffix[1:]]] if sound else []) + (["-vf", "select=" + keep, "-vsync", "vfr"] if keep else [])
    ffmpeg = subprocess.Popen(command + codec + ["-pix_fmt", "yuv420p", str(path)], stdin=subprocess.PIPE)
    at = 0
    for n in range(round(bounds[-1] * fps)):
        t = F(n) / fps
        while t >= bounds[at + 1]:
            at += 1
        frame = scenes[at].at(float((t - bounds[at]) / (bounds[at + 1] - bounds[at])))
        for edge, other, sign in ((at, at - 1, 1), (at + 1, at + 1, -1)):  # fading in, fading out
            half = fades[edge] / 2
            away = float(sign * (t - bounds[edge]))
            if half and away < half:
                shade = scenes[other].at(1.0 if sign > 0 else 0.0)
                frame = Image.blend(frame, shade, 0.5 * (1 - away / half))
        ffmpeg.stdin.write(frame.tobytes())
    ffmpeg.stdin.close()
    if ffmpeg.wait():
        raise SystemExit(f"{path}: ffmpeg failed")
    return [(c, float(a), float(b)) for (_, c), a, b in zip(pictures, bounds, bounds[1:])]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("manifest")
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--films", type=int, default=30)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lang", default="en")
    p.add_argument("--speech", action="store_true")
    p.add_argument("--unseen", type=float, default=0)
    p.add_argument("--unsaid", type=float, default=0)
    p.add_argument("--voice", default="Annie", help="a variant of espeak-ng's voices")
    a = p.parse_args()
    rng = random.Random(a.seed)
    chance = random.Random(a.seed + 1)
    scratch = tempfile.TemporaryDirectory()

    def speech(captions, bounds):
        kinds = [chance.random() for _ in captions]
        seen = [k >= a.unseen for k in kinds]
        said = [c if k < a.unseen or k >= a.unseen + a.unsaid else None for c, k in zip(captions, kinds)]
        say(said, bounds, a.lang, a.voice, scratch.name + "/sound.wav")
        return seen, scratch.name + "/sound.wav"
    pictures = read(a.manifest, a.lang)
    captions = sorted(pictures)
    rng.shuffle(captions)
    a.out.mkdir(parents=True, exist_ok=True)
    at = 0
    with open(a.out / "manifest.jsonl", "w", encoding="utf-8") as out:
        for i in range(a.films):
            count = rng.randrange(6, 11)
            chosen = [captions[(at + k) % len(captions)] for k in range(count)]
            chosen = [(rng.choice(pictures[c]), c) for c in chosen]
            at += count
            name, fps, keep = RATES[i % len(RATES)]
            suffix, codec = FORMATS[(i // len(RATES) + i) % len(FORMATS)]
            path = a.out / f"film-{i:03}.{suffix}"
            for caption, start, end in film(path, chosen, (name, fps), keep, codec, rng, speech if a.speech else None):
                out.write(json.dumps({"video": path.name, "query": caption, "start": round(start, 6), "end": round(end, 6)},
                                     ensure_ascii=False) + "\n")


main()
