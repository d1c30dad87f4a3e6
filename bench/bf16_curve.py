#!/usr/bin/python3
"""Do loss curves in f32 and bf16 stay together? Trains both from one seed, prints and draws them.

  bf16_curve.py SENSUS OUT DATA... -- TRAIN_OPTIONS

OUT gets the two runs and bf16.svg. TRAIN_OPTIONS are those of `sensus train` (--tokenizer, --steps, sizes).
"""
import json
import os
import subprocess
import sys

WIDTH, HEIGHT, MARGIN = 720, 360, 40


def train(sensus, out, data, options):
    command = [sensus, "train", "--out", out, "--log-every", "1", *options]
    for d in data:
        command += ["--data", d]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(f"{out}/log.jsonl") as f:
        return [row["loss_average"] for row in map(json.loads, f) if "loss" in row]


def line(losses, top, colour):
    points = " ".join(f"{MARGIN + (WIDTH - 2 * MARGIN) * i / max(1, len(losses) - 1):.1f},"
                      f"{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * y / top:.1f}" for i, y in enumerate(losses))
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'


def main():
    if "--" not in sys.argv or sys.argv.index("--") < 4:
        sys.exit(__doc__)
    cut = sys.argv.index("--")
    sensus, out, data, options = sys.argv[1], sys.argv[2], sys.argv[3:cut], sys.argv[cut + 1:]
    os.makedirs(out, exist_ok=True)
    f32 = train(sensus, f"{out}/f32", data, options)
    bf16 = train(sensus, f"{out}/bf16", data, options + ["--bf16"])
    top = max(f32 + bf16)
    with open(f"{out}/bf16.svg", "w") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
                f'font-size="12">{line(f32, top, "#1f77b4")}{line(bf16, top, "#d62728")}'
                f'<text x="{MARGIN}" y="20">average loss: <tspan fill="#1f77b4">f32 {f32[-1]:.4f}</tspan> '
                f'<tspan fill="#d62728">bf16 {bf16[-1]:.4f}</tspan>, {len(f32)} steps</text></svg>\n')
    print("step      f32     bf16  difference")
    for i in sorted({0, *(len(f32) * k // 10 for k in range(1, 10)), len(f32) - 1}):
        print(f"{i + 1:4}  {f32[i]:7.4f}  {bf16[i]:7.4f}  {100 * (bf16[i] / f32[i] - 1):+.2f} %")


if __name__ == "__main__":
    main()
