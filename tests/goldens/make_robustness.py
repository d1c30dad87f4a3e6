#!/usr/bin/python3
"""Effective robustness in numpy, as the reference that src/score/robustness.c must equal: rewrites tests/goldens/robustness.

points.jsonl: models of three groups on two shifts (one model is missing from one of them). expected.txt: lines of a name and
its value with the interval of 20,000 draws of the same bootstrap, from numpy's own generators."""
import json
import os

import numpy as np

DRAWS = 20000
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "robustness")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run_of(point):
    return point.get("run", point["model"])


def make_points():
    rng = np.random.default_rng(5)
    points = []
    for group, models, above in (("supervised", 7, 0), ("probe", 3, 0.1), ("zero-shot", 4, 0.6)):
        for m in range(models):
            x = -0.6 + 0.45 * m + 0.1 * rng.normal()
            for shift, a, b in (("noise", -0.9, 0.8), ("fog", -0.2, 1.1)):
                if group == "probe" and m == 2 and shift == "fog":
                    continue
                y = a + b * x + above + 0.1 * rng.normal()
                run = f"run {m // 2}" if group == "supervised" else f"clip {m // 2}"
                points.append({"model": f"{group} {m}", "run": run, "group": group, "shift": shift,
                               "id": {"correct": int(2000 * sigmoid(x)), "total": 2000},
                               "shifted": {"correct": int(500 * sigmoid(y)), "total": 500}})
    # One that the shift leaves next to nothing, one that it does not hurt at all: the clamp, and draws of few.
    points[0]["shifted"]["correct"] = 3
    points[-1]["shifted"]["correct"] = 500
    for p in points:  # a run of its own, which is named by being left out
        if p["model"] == "supervised 6":
            del p["run"]
    return points


def measure(points, id_correct, shifted_correct, weight):
    """Everything from counts [points] and weights of runs; a dict of names and numbers."""
    n_id = np.array([p["id"]["total"] for p in points])
    n_shifted = np.array([p["shifted"]["total"] for p in points])
    x = np.log((id_correct + 0.5) / (n_id - id_correct + 0.5))
    y = np.log((shifted_correct + 0.5) / (n_shifted - shifted_correct + 0.5))
    w = np.array([weight[run_of(p)] for p in points])
    group, shift = (np.array([p[k] for p in points]) for k in ("group", "shift"))
    out, rho = {}, np.zeros(len(points))
    for s in ("noise", "fog"):
        base = (shift == s) & (group == "supervised")
        slope, intercept = np.polyfit(x[base], y[base], 1, w=np.sqrt(w[base]))
        rho[shift == s] = (shifted_correct / n_shifted - sigmoid(intercept + slope * x))[shift == s]
        out[f"slope/{s}"], out[f"intercept/{s}"] = slope, intercept
    for p, r in zip(points, rho):
        out[f"point/{p['model']}/{p['shift']}"] = r
    for g in ("probe", "zero-shot"):
        means = [np.average(rho[(group == g) & (shift == s)], weights=w[(group == g) & (shift == s)]) for s in ("noise", "fog")]
        out[f"mean/{g}//noise"], out[f"mean/{g}//fog"], out[f"mean/{g}//"] = *means, np.mean(means)
        for m in sorted({p["model"] for p in points if p["group"] == g}):
            out[f"mean/{g}/{m}/"] = np.mean([r for p, r in zip(points, rho) if p["model"] == m])
    return out


def main():
    points, rng = make_points(), np.random.default_rng(6)
    runs = sorted({run_of(p) for p in points})
    k_id, k_shifted = (np.array([p[k]["correct"] for p in points]) for k in ("id", "shifted"))
    values = measure(points, k_id, k_shifted, dict.fromkeys(runs, 1))
    draws = {name: [] for name in values}
    for _ in range(DRAWS):
        id_of = {p["model"]: rng.binomial(p["id"]["total"], (p["id"]["correct"] + 0.5) / (p["id"]["total"] + 1)) for p in points}
        shifted = np.array([rng.binomial(p["shifted"]["total"], (p["shifted"]["correct"] + 0.5) / (p["shifted"]["total"] + 1))
                            for p in points])
        drawn = measure(points, np.array([id_of[p["model"]] for p in points]), shifted, {r: rng.exponential() for r in runs})
        for name, value in drawn.items():
            draws[name].append(value)
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, "points.jsonl"), "w") as f:
        f.writelines(json.dumps(p) + "\n" for p in points)
    with open(os.path.join(OUT, "expected.txt"), "w") as f:
        for name, value in values.items():
            low, high = np.percentile(draws[name], (2.5, 97.5))
            f.write(f"{name}\t{value:.12f}\t{low:.5f}\t{high:.5f}\n")


if __name__ == "__main__":
    main()
