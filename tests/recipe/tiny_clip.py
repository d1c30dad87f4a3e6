"""For tests of the recipe's tools: made data, and a model that `sensus train` makes of it in a few seconds.

A test is run as `test_NAME.py TOOLS [SENSUS]`; without the modules that it needs it exits with 77, which meson counts as skipped."""
import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile

TOOLS = os.path.abspath(sys.argv[1])
SENSUS = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
sys.path.insert(0, TOOLS)
os.environ["OMP_NUM_THREADS"] = "1"
COLOURS = {"red": (210, 30, 30), "green": (20, 170, 40), "blue": (30, 50, 220), "white": (250, 250, 250),
           "black": (5, 5, 5), "yellow": (240, 220, 20), "purple": (130, 20, 150), "orange": (250, 140, 10)}
GERMAN = {"red": "rot", "green": "grün", "blue": "blau", "white": "weiß", "black": "schwarz", "yellow": "gelb",
          "purple": "lila", "orange": "orange"}


def need(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        print("skipped: this Python has no " + ", ".join(missing))
        sys.exit(77)


def sensus(*arguments, **options):
    return subprocess.run([SENSUS, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_shard(path):
    """One plain square of each colour."""
    from PIL import Image
    with tarfile.open(path, "w") as tar:
        for number, (name, rgb) in enumerate(COLOURS.items()):
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), rgb).save(picture, "JPEG")
            captions = {"en": [name, "a %s square" % name], "de": ["ein Quadrat: " + GERMAN[name]]}
            add(tar, "%d.jpg" % number, picture.getvalue())
            add(tar, "%d.json" % number, json.dumps({"captions": captions, "concept": name}).encode())


def vocabulary(folder, size, texts):
    """-> a folder with a vocabulary learned from the texts."""
    corpus = folder + ".txt"
    with open(corpus, "w", encoding="utf-8") as out:
        out.writelines(text + "\n" for text in texts)
    sensus("tokenizer", "train", "--vocab", str(size), "-o", folder, corpus)
    return folder


def train(work):
    """-> (the folder of a small model, that of the shard it learned from)."""
    shards, run = os.path.join(work, "shards"), os.path.join(work, "run")
    os.makedirs(shards)
    write_shard(os.path.join(shards, "train-0000.tar"))
    words = vocabulary(os.path.join(work, "tok"), 560, ["a %s square" % name for name in COLOURS] * 3)
    sensus("train", "--data", os.path.join(shards, "*.tar"), "--tokenizer", words, "--out", run, "--vision", "resnet",
           "--resnet-width", "8", "--resnet-layers", "1,1,1,1", "--vision-heads", "4", "--image-px", "32", "--text", "cbow",
           "--text-width", "24", "--embed", "16", "--context", "12", "--batch", "8", "--steps", "60", "--warmup", "5",
           "--crop-scale", "1", "--threads", "1")
    return os.path.join(run, "model"), shards


def vectors(model, texts):
    """What `sensus embed` makes of texts -> [texts, width]."""
    arguments = [argument for text in texts for argument in ("--text", text)]
    lines = sensus("embed", "--model", model, *arguments).splitlines()
    return [json.loads(line)["vector"] for line in lines]


def run_tests(tests):
    """Call the functions; one line for each as cmocka prints it."""
    for test in tests:
        test()
        print("[       OK ] " + test.__name__, flush=True)
