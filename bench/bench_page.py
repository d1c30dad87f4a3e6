"""The page of a benchmark run: a bar for each line that has a peer, the rest as text."""
import html

LABEL, WIDTH, ROW = 400, 520, 30


def bar(line, y, scale):
    r = line["ratio"]
    good = r["median"] >= (line["target"] or 1)
    x = {k: LABEL + scale * r[k] for k in ("median", "min", "max")}
    parts = [
        f'<text x="{LABEL - 10}" y="{y + 15}" text-anchor="end">{html.escape(line["title"])}</text>',
        f'<rect x="{LABEL}" y="{y}" width="{scale * r["median"]:.1f}" height="20" rx="2"'
        f' fill="{"#3a7d44" if good else "#c0702f"}"/>',
        f'<line x1="{x["min"]:.1f}" x2="{x["max"]:.1f}" y1="{y + 10}" y2="{y + 10}" stroke="#000" stroke-width="2"/>',
        f'<text x="{max(x["max"], x["median"]) + 8:.1f}" y="{y + 15}">{r["median"]:.2f} x {html.escape(line["peer"])}</text>',
    ]
    if line["target"]:
        at = LABEL + scale * line["target"]
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 4}" y2="{y + 24}" stroke="#b00" stroke-width="2"/>')
    return "\n".join(parts)


def chart(lines):
    if not lines:
        return ""
    scale = WIDTH / max(max(v["ratio"]["max"], v["target"] or 0, 1) for v in lines)
    height = ROW * len(lines) + 30
    one = LABEL + scale
    bars = "\n".join(bar(v, 20 + ROW * i, scale) for i, v in enumerate(lines))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + 200}" height="{height}"'
            f' font-family="sans-serif" font-size="13">\n{bars}\n'
            f'<line x1="{one:.1f}" x2="{one:.1f}" y1="10" y2="{height}" stroke="#888" stroke-dasharray="4 3"/>'
            f'<text x="{one:.1f}" y="9" text-anchor="middle" fill="#666">the peer</text>\n</svg>\n')


def write_page(path, lines, show):
    rest = [v for v in lines if "ratio" not in v]
    text = "\n".join(f"<li>{html.escape(' '.join(show(v).split()))}</li>" for v in rest)
    with open(path, "w", encoding="utf-8") as f:
        f.write('<!doctype html>\n<meta charset="utf-8">\n<title>sensus: speed</title>\n'
                '<style>body{font-family:sans-serif;margin:2em;max-width:75em}</style>\n'
                "<h1>Speed beside peers</h1>\n<p>How many times as fast as the peer, in turn in one run. Bar: median;"
                " black line: least to most; red: the target.</p>\n"
                + chart([v for v in lines if "ratio" in v]) + f"<ul>\n{text}\n</ul>\n")
