#!/usr/bin/python3
"""Write OUT/manifest.jsonl of Tux Paint's stamps, for evaluation only: never train on it.

    tuxpaint_manifest.py OUT [--stamps /usr/share/tuxpaint/stamps]

One line per stamp: {"image": path, "captions": {"en": ["A red apple."], "de": [...], ...}}.
"""
import argparse
import json
import os

RENAME = {"zh_cn": "zh", "zh_tw": "zh-Hant"}


def language(code):
    """pt_br -> pt-BR; the two Chinese scripts get the codes the training set uses."""
    if code.lower() in RENAME:
        return RENAME[code.lower()]
    head, _, tail = code.partition("_")
    return head + ("-" + (tail.upper() if len(tail) == 2 else tail.title()) if tail else "")


def read_captions(path):
    """Line 1 is English; the others are "ll.utf8=text"."""
    with open(path, encoding="utf-8", errors="replace") as text:
        lines = [line.strip() for line in text]
    captions = {"en": [lines[0]]} if lines and lines[0] else {}
    for line in lines[1:]:
        code, mark, sentence = line.partition(".utf8=")
        if mark and sentence.strip():
            captions.setdefault(language(code.strip()), [sentence.strip()])
    return captions


def stamps(root):
    """-> (picture, its text file) for every PNG and SVG that has a sentence."""
    for folder, _, files in sorted(os.walk(root)):
        present = set(files)
        for name in sorted(files):
            stem, ending = os.path.splitext(name)
            if ending in (".png", ".svg") and stem + ".txt" in present:
                yield os.path.join(folder, name), os.path.join(folder, stem + ".txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--stamps", default="/usr/share/tuxpaint/stamps")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    rows, english, pairs, codes = 0, 0, 0, set()
    with open(os.path.join(args.out, "manifest.jsonl"), "w", encoding="utf-8") as out:
        for picture, text in stamps(args.stamps):
            captions = read_captions(text)
            if not captions:
                continue
            row = {"image": os.path.abspath(picture), "captions": captions}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            rows += 1
            english += "en" in captions
            pairs += len(captions)
            codes.update(captions)
    print("%d stamps, %d with English, %d rows in %d languages" % (rows, english, pairs,
                                                                    len(codes)))


if __name__ == "__main__":
    main()
