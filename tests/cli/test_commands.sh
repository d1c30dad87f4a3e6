#!/bin/sh
# test_commands.sh SENSUS TINY_MODEL PYTHON - the command as people and scripts meet it: exit codes,
# messages, JSON, catalog and query by the real program.
set -u
here=$(dirname "$0")
sensus=$(realpath "$1")
tiny_model=$2
python=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset SENSUS_MODEL SENSUS_CATALOG
HOME=$work/home
XDG_DATA_HOME=$work/data
export HOME XDG_DATA_HOME
. "$here/expect.sh"

json_lines() {
    "$python" - "$out" "$@" <<'PY' || fail "not the JSON that was promised"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8")]
assert lines
for l in lines:
    assert sorted(l) == sorted(sys.argv[2:]), l
PY
}

# ---- without a model ----
expect 2
out_has "usage: sensus COMMAND"
expect 0 -h
out_has "index"
expect 0 --version
out_has "kernels"
expect 2 serach x
err_has "did you mean 'search'?"
expect 2 model
err_has "needs a second word"
expect 2 model inof
err_has "did you mean 'model info'?"
expect 2 search
err_has "QUERY"
expect 2 search --colour x
err_has "unknown option --colour"
expect 2 search --cuont 3 x
err_has "did you mean --count?"
expect 2 search -n
err_has "needs a value"
expect 2 search -n many x
err_has "whole number"
expect 2 search -n -1 x
expect 2 search -n 5x x
expect 2 search --json=yes x
expect 2 search -5 degrees
err_has "put -- before it"
expect 2 index
expect 2 classify x.png
err_has "--labels"
expect 2 classify --labels a --template "no hole" x.png
expect 2 embed
expect 2 embed --text a b.png
expect 2 train --data x --out y --tokenizer z --loss other
err_has "hinge-hardest"
for margin in 0 -0.1 2.5 wide; do
    expect 2 train --data x --out y --tokenizer z --loss hinge --margin "$margin"
    err_has "--margin"
done
expect 2 model info a b
expect 2 model average a
expect 2 model average a b
err_has "--output"
expect 2 model average a b -o c --alpha 2
expect 1 model average "$work/nowhere" b -o "$work/c"
expect 2 model quantize
expect 2 model quantize a --type int8
err_has "--output"
expect 2 model quantize a -o b
err_has "--type"
expect 2 model quantize a -o b --type int4
err_has "bf16"
expect 1 model quantize "$work/nowhere" -o "$work/b" --type int8
[ ! -e "$work/b" ] || fail "a failed quantisation leaves a folder"
expect 1 model info "$work/nowhere"
err_lines 1
expect 1 search "a dog"
err_has "sensus index"
err_lines 1
expect 1 search --catalog "$work/none.db" "a dog"
err_has "none.db"
for command in index search classify embed train "model average" "model info" "model quantize" "tokenizer train"; do
    # shellcheck disable=SC2086
    expect 0 $command -h
    out_has "usage: sensus $command"
    quiet
done
"$sensus" --completion > "$work/completion" && bash -n "$work/completion" || fail "completion"
bash -c '. "$1"; COMP_WORDS=(sensus search --ht); COMP_CWORD=2; _sensus; [ "${COMPREPLY[*]}" = --html ]' \
    x "$work/completion" || fail "completion of search --ht"
bash -c '. "$1"; COMP_WORDS=(sensus model ""); COMP_CWORD=2; _sensus; [ "${COMPREPLY[*]}" = "average info quantize" ]' \
    x "$work/completion" || fail "completion of model"
if [ -w /dev/full ]; then
    "$sensus" -h > /dev/full 2> "$err"
    [ $? = 1 ] || fail "a full standard output is a failure"
fi

# ---- with the model that ships, found from where the program lies ----
if [ -d "$(dirname "$sensus")/../../models/sensus-small" ]; then
    expect 0 model info
    out_has "models/sensus-small"
    expect 0 model info --json
    out_has '"names":"open_clip"'
fi

# ---- with a tiny random model ----
"$tiny_model" "$work/model" 1 > "$out" 2> "$err" || fail "no model"
"$tiny_model" "$work/other" 2 > "$out" 2> "$err" || fail "no model"
SENSUS_MODEL=$work/model
export SENSUS_MODEL
mkdir -p "$work/pictures/sub"
"$python" - "$work/pictures" <<'PY'
import os, struct, sys, zlib
def png(path, seed, side=24):
    rows = b"".join(b"\0" + bytes((seed * 37 + x * (3 + seed) + y * 5) % 256 for x in range(side * 3))
                    for y in range(side))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
root = sys.argv[1].encode()
for i, name in enumerate([b"one.png", b"sub/two.png", b"-minus.png", b"with \"quote\" & <tag>.png",
                          b"bad\xffname.png", "z\u00fcrich\n.png".encode()]):
    png(os.path.join(root, name), i)
PY
expect 0 model info
out_has "16"
expect 0 model info --json "$work/model"
"$python" -c 'import json, sys; assert json.load(open(sys.argv[1]))["names"] == "huggingface"' "$out" || fail "model info --json"
expect 0 model average "$work/model" "$work/other" --alpha 0.25 -o "$work/between"
expect 0 embed -m "$work/between" --text "a dog" -o "$work/between.npy"
for type in bf16 int8; do
    expect 0 model quantize "$work/model" -o "$work/$type" --type $type
    out_has "$work/$type"
    quiet
done
printf 'dog = dog | puppy\n\n  cat\n' > "$work/labels"
expect 0 classifier build --labels-file "$work/labels" --templates photos -o "$work/c.safetensors"
out_has "2 classes by 16 templates"
expect 0 classifier info "$work/c.safetensors"
out_has "dog = dog | puppy"
expect 0 classifier info --json "$work/c.safetensors"
json_lines model dim templates classes
expect 0 classify --classifier "$work/c.safetensors" --json "$work/pictures/one.png"
json_lines path labels
cp "$out" "$work/kept"
expect 0 classify --labels-file "$work/labels" --templates photos --json "$work/pictures/one.png"
cmp -s "$out" "$work/kept" || fail "a classifier's file answers otherwise than its labels"
expect 1 classify -m "$work/other" --classifier "$work/c.safetensors" "$work/pictures/one.png"
err_has "made with another model"
expect 2 classify --classifier "$work/c.safetensors" --labels a,b "$work/pictures/one.png"
expect 2 classify --classifier "$work/c.safetensors" -t "a {}" "$work/pictures/one.png"
expect 2 classifier build --labels a,b
expect 2 classifier build -o "$work/x"
expect 1 classifier build --labels a,b --templates "$work/nowhere" -o "$work/x"
expect 1 classifier build --labels "a = ,b" -o "$work/x"
expect 1 classifier build --labels a,b -o "$work/nowhere/x"
expect 1 classifier info "$work/labels"
expect 0 index "$work/pictures"
out_has "6 new, 0 changed, 0 removed, 0 unreadable"
quiet
[ -f "$work/data/sensus/catalog.db" ] || fail "the catalog is not in the data folder"
expect 0 index --json "$work/pictures"
json_lines new changed removed unreadable moved unchanged
out_has '"unchanged": 6'
expect 0 index --verify
out_has "sound: 6 files"
expect 0 index --verify --json
json_lines sound files
expect 2 index --verify "$work/pictures"
expect 1 index --verify --catalog "$work/none.db"
printf 'a dog\n\nred + blue\n' > "$work/two"
expect 0 search --queries "$work/two" -n 2
out_has "red + blue"
[ "$(wc -l < "$out")" = 8 ] || fail "two queries with two pictures each are not 8 lines"
cp "$work/data/sensus/catalog.db-codes-0" "$work/codes"
truncate -s 5000 "$work/data/sensus/catalog.db-codes-0"
expect 1 index --verify
err_has "--rebuild"
expect 1 search a dog
mv "$work/codes" "$work/data/sensus/catalog.db-codes-0"
echo junk > "$work/pictures/broken.png"
expect 1 index "$work/pictures"
err_has "broken.png"
err_lines 1
out_has "1 unreadable"
rm "$work/pictures/broken.png"
expect 0 index "$work/pictures"
out_has "0 removed, 0 unreadable"
expect 0 search a dog
[ "$(wc -l < "$out")" = 6 ] || fail "six pictures"
expect 0 search --json -n 6 "a dog"
json_lines path score rank
cp "$out" "$work/first"
expect 0 search --json -n 6 "a dog"
cmp -s "$out" "$work/first" || fail "search is not stable"
expect 0 search -n 1 --json "$work/pictures/sub/two.png"
out_has "sub/two.png"
expect 0 search -n1 - snow
expect 0 search -n 1 "a dog" + "$work/pictures/one.png" - 2:leash
expect 0 search --relevant --json --least -100 "a dog"
[ "$(wc -l < "$out")" = 6 ] && grep -q '"relevance": ' "$out" || fail "all six are relevant by a low measure"
expect 0 search --relevant --least 100 "a dog"
[ ! -s "$out" ] || fail "nothing is relevant by a high measure"
err_has "nothing fits"
expect 0 search --relevant --least -100 "$work/pictures/one.png"
expect 2 search --relevant --least high "a dog"
expect 0 search -n 6 --json "$work/pictures/one.png" - a dog + 2:cat
sed 's/"score": [^,]*, //' "$out" > "$work/first"
expect 0 search -n 6 --json "2:cat" "$work/pictures/one.png" - "a dog" # the order of terms does not matter
sed 's/"score": [^,]*, //' "$out" | cmp -s - "$work/first" || fail "the same sum, another answer"
printf '%s - a dog + 2:cat\n' "$work/pictures/one.png" > "$work/sum"
expect 0 search -n 6 --queries "$work/sum"
out_has "one.png − a dog + 2:cat"
expect 2 search "a dog" +
expect 2 search "a dog" + - leash
expect 2 search ""
expect 1 search no-such-picture.jpg
err_has "no such picture"
cd "$work/pictures" || exit 1
expect 0 search -n 1 --json -- -minus.png
out_has "/-minus.png"
expect 0 index -- -minus.png
out_has "1 unchanged"
expect 0 index --catalog :memory: one.png # a file like any other
expect 0 search --catalog :memory: -n 1 dog
out_has "one.png"
rm -f ./:memory:*
mkdir x.jpg
mkfifo pipe.jpg
expect 1 index "$work/pictures"
err_has "x.jpg: an empty folder"
err_has "pipe.jpg: neither a file nor a folder"
err_lines 2
expect 1 index x.jpg
err_has "x.jpg"
err_lines 1
expect 1 search pipe.jpg
err_has "not a regular file"
rmdir x.jpg
rm pipe.jpg
expect 1 embed "$(printf 'a\302\233b.jpg')"
err_has "a??b.jpg"
cd "$work" || exit 1
"$python" -c 'print("word " * 200000, end="")' > "$work/long"
"$python" - "$sensus" "$work/long" <<'PY' || fail "a text of 1 MB"
import subprocess, sys
text = open(sys.argv[2]).read()[:120000]  # the longest argument that Linux passes is 128 KiB
assert subprocess.run([sys.argv[1], "search", text], capture_output=True).returncode == 0
assert subprocess.run([sys.argv[1], "search"] + [text] * 9, capture_output=True).returncode == 0
assert subprocess.run([sys.argv[1], "embed", "--text", text], capture_output=True).returncode == 0
PY
expect 0 search -n 6 --html "$work/sheet.html" --png "$work/sheet.png" "a <dog> & co"
"$python" - "$work/sheet.html" <<'PY' || fail "the page"
import html.parser, sys
class P(html.parser.HTMLParser):
    images, cards, text = 0, 0, ""
    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.cards += tag == "li"
        self.images += tag == "img" and a["src"].startswith("data:image/jpeg;base64,")
        assert tag != "tag" and tag != "dog"
        for name in ("src", "href"):
            assert not a.get(name, "").startswith("http")
    def handle_data(self, data): self.text += data
p = P()
p.feed(open(sys.argv[1], "rb").read().decode("utf-8", "replace"))
assert p.images == 6 and p.cards == 6, (p.images, p.cards)
assert "a <dog> & co" in p.text
PY
[ "$(head -c 4 "$work/sheet.png" | tail -c 3)" = PNG ] || fail "the sheet is no PNG"

# Several queries at once: one section a line on the sheets, the query in every JSON object.
printf 'a dog\n\nred + 2:blue\n' > "$work/queries"
expect 0 search -n 2 --queries "$work/queries" --json --html "$work/sheet.html" --png "$work/sheet.png"
[ "$(grep -c '"query": "a dog"' "$work/out")" = 2 ] || fail "two hits for the first query"
[ "$(grep -c '"query": "red + 2:blue"' "$work/out")" = 2 ] || fail "two hits for the second query"
[ "$(grep -c '<h1>' "$work/sheet.html")" = 2 ] || fail "a section for each query"
: > "$work/none"
expect 1 search --queries "$work/none"
expect 1 search --queries "$work/is-not-there"
expect 2 search --queries "$work/queries" a dog
expect 0 search --queries "$work/long"
expect 2 search

expect 1 search --html /no/such/folder.html a
err_has "/no/such/folder.html"
expect 1 search --png /no/such/folder.png a
expect 1 search --model "$work/other" a
err_has "--rebuild"
expect 1 index --model "$work/other" "$work/pictures"
err_has "--rebuild"
expect 0 index --model "$work/other" --rebuild "$work/pictures"
out_has "6 new"
unset SENSUS_MODEL
expect 0 search a # the catalog knows its model
SENSUS_MODEL=$work/model
export SENSUS_MODEL
expect 1 index --model "$work/other" "$work/nowhere"
err_has "no such file or folder"
expect 1 index --catalog /proc/nowhere/c.db "$work/pictures"
err_lines 1
expect 0 classify --labels "cat, dog,,car " "$work/pictures/one.png"
[ "$(wc -l < "$out")" = 4 ] || fail "a line for the file and one for each label"
expect 0 classify --labels cat,dog,car --top 2 --json "$work/pictures/one.png" "$work/pictures/sub/two.png"
json_lines path labels
"$python" - "$out" <<'PY' || fail "probabilities"
import json, sys
for l in map(json.loads, open(sys.argv[1])):
    p = [x["probability"] for x in l["labels"]]
    assert len(p) == 2 and p[0] >= p[1] > 0 and sum(p) <= 1
PY
printf 'cat\r\n\ndog\n' > "$work/labels"
expect 0 classify --labels-file "$work/labels" -t "ein {} am Strand" "$work/pictures/one.png"
out_has "dog"
expect 1 classify --labels-file "$work/none" "$work/pictures/one.png"
expect 1 classify --labels , "$work/pictures/one.png"
expect 1 classify --labels a,b "$work/pictures/one.png" "$work/none.png"
err_lines 1
expect 0 embed --text "a dog" --text cat
json_lines text vector
expect 1 embed "$work/pictures/one.png" "$work/none.png"
json_lines path vector
err_has "none.png"
expect 1 embed -o "$work/v.npy" "$work/none.png" "$work/pictures/one.png"
expect 0 embed --text a -o "$work/w.npy"
"$python" - "$work/v.npy" "$work/w.npy" <<'PY' || fail "npy"
import struct, sys
for path, rows in ((sys.argv[1], 2), (sys.argv[2], 1)):
    b = open(path, "rb").read()
    n = struct.unpack("<H", b[8:10])[0]
    header = eval(b[10:10 + n])
    assert b[:6] == b"\x93NUMPY" and header["shape"] == (rows, 16) and header["descr"] == "<f4"
    v = struct.unpack("<%df" % (rows * 16), b[10 + n:])
    assert abs(sum(x * x for x in v[-16:]) - 1) < 1e-4
    if rows == 2:
        assert all(x != x for x in v[:16])
PY
expect 1 embed --text a -o /no/such/folder/v.npy
printf 'a dog on a beach\nzwei Hunde\n' > "$work/text"
expect 0 tokenizer train --vocab 514 -o "$work/vocabulary" "$work/text"
[ -f "$work/vocabulary/tokenizer.json" ] || fail "no vocabulary"
expect 2 tokenizer train "$work/text"
expect 2 tokenizer train --vocab 10 -o "$work/vocabulary" "$work/text"
expect 1 tokenizer train -o "$work/vocabulary" "$work/no-text"
expect 2 eval
err_has "needs a second word"
expect 2 eval retrieval
err_has "--manifest"
printf '{"image": "pictures/one.png", "captions": {"en": "a dog", "de": ["ein Hund", "Hund"]}}\n' \
    > "$work/eval.jsonl"
expect 0 eval retrieval -m "$work/model" --manifest "$work/eval.jsonl" --lang en,de --json
json_lines image_to_text images language pairs text_to_image texts
expect 0 eval retrieval -m "$work/model" --manifest "$work/eval.jsonl"
out_has "recall@10"
expect 1 eval retrieval -m "$work/model" --manifest "$work/eval.jsonl" --lang xx
err_has "'xx'"
printf '{"image": "none.png", "caption": "a cat"}\n' >> "$work/eval.jsonl"
expect 1 eval retrieval -m "$work/model" --manifest "$work/eval.jsonl"
out_has "recall@10"
err_has "none.png"
mkdir -p "$work/classes/a" "$work/classes/b"
cp "$work/pictures/one.png" "$work/classes/a/1.png"
cp "$work/pictures/one.png" "$work/classes/b/1.png"
expect 0 eval zero-shot -m "$work/model" --manifest "$work/classes" -t "a {}" -t "the {}" --json
json_lines classes confusion images mean_per_class per_class skipped top_1 top_5
expect 1 eval zero-shot -m "$work/model" --manifest "$work/classes" -t "a dog"
err_has "{}"

# ---- classifiers on top of vectors ----
mkdir -p "$work/learn/a" "$work/learn/b" "$work/judge/a" "$work/judge/b"
for i in 1 2 3 4 5 6; do
    cp "$work/pictures/one.png" "$work/learn/a/$i.png"
    cp "$work/pictures/sub/two.png" "$work/learn/b/$i.png"
done
cp "$work/pictures/one.png" "$work/judge/a/x.png"
cp "$work/pictures/sub/two.png" "$work/judge/b/y.png"
for method in probe knn; do
    expect 2 eval $method --train "$work/learn"
    err_has "--test"
    expect 0 eval $method --train "$work/learn" --test "$work/judge" --json
    json_lines classes confusion images lambda mean_per_class per_class skipped top_1 top_5 train_images validation_images
    grep -q '"images":2,.*"top_1":{"value":1.0' "$out" || fail "$method does not know what it was shown"
    expect 0 eval $method --train "$work/learn" --test "$work/judge" --shots 1
    out_has "2 training pictures, 2 test pictures, 2 classes"
    expect 1 eval $method --train "$work/learn" --test "$work/learn"
    err_has "is a training picture and a test picture"
done
expect 0 eval few-shot --train "$work/learn" --test "$work/judge" --draws 2 --json
json_lines classes curve images seeds skipped zero_shot
grep -q '"shots":1,"accuracy":{"value":1.0' "$out" || fail "one example of each does not do"
expect 0 eval few-shot --train "$work/learn" --test "$work/judge"
out_has "probe, 16-shot"
expect 1 eval few-shot --train "$work/learn" --test "$work/judge" -t "no hole"
printf '[one]\nkind = knn\ntrain = learn\ntest = judge\nk = 3\n[two]\nkind = zero-shot\ndata = judge\n' > "$work/x.suite"
expect 0 eval suite "$work/x.suite" -o "$work/x.json" --html "$work/x.html"
grep -q '"fingerprint": "' "$work/x.json" && grep -q "</html>" "$work/x.html" || fail "no results of a suite"
expect 0 eval suite "$work/x.suite"
cmp -s "$out" "$work/x.json" || { echo >> "$work/x.json"; cmp -s "$out" "$work/x.json"; } || fail "other results the second time"
expect 0 eval compare "$work/x.json" "$work/x.json" --html "$work/both.html"
out_has "0 of "
expect 1 eval compare "$work/x.json" "$work/x.suite"
expect 1 eval compare "$work/x.json" "$work/nowhere"
expect 2 eval compare "$work/x.json"
echo "[three]" >> "$work/x.suite"
expect 1 eval suite "$work/x.suite"
err_has "no kind in the section before here: three"
expect 0 eval probe --train "$work/learn" --test "$work/judge"
out_has "chosen on 4 of the training pictures"
mv "$work/judge/b" "$work/judge/c"
expect 1 eval probe --train "$work/learn" --test "$work/judge"
err_has "no training picture has the label 'c'"
rm -r "$work/judge/c" # a class without a test picture
expect 0 eval knn --train "$work/learn" --test "$work/judge" -k 3 --json
grep -q '"mean_per_class":{"value":1.0' "$out" || fail "an absent class counts"
rm -r "$work/learn/b"
expect 1 eval probe --train "$work/learn" --test "$work/judge"
err_has "1 class only"

expect 2 eval relevance
expect 1 eval relevance -m "$work/model" --manifest "$work/eval.jsonl" --svg "$work/relevance.svg"
out_has "nothing, rightly"
grep -q "</svg>" "$work/relevance.svg" || fail "no figure"
expect 1 eval relevance -m "$work/model" --manifest "$work/eval.jsonl" --svg /no/such/folder.svg
expect 2 eval arithmetic
err_has "--manifest"
expect 2 eval arithmetic --manifest "$work/classes" --lang en -t "a {}"
err_has "--template"
expect 0 eval arithmetic -m "$work/model" --manifest "$work/classes" --svg "$work/arithmetic.svg"
out_has "2 of 2 pairs"
out_has "image(A) - text(A) + text(B)"
grep -q "</svg>" "$work/arithmetic.svg" || fail "no figure"
expect 0 eval arithmetic -m "$work/model" --manifest "$work/classes" --pairs 1 --json
json_lines analogy concepts images pairs pairs_in_all skipped sum text weights
expect 1 eval arithmetic -m "$work/model" --manifest "$work/classes" --svg /no/such/folder.svg
err_has "/no/such/folder.svg"
expect 1 eval arithmetic -m "$work/model" --manifest "$work/classes" -t "a dog"
err_has "{}"
expect 1 eval arithmetic -m "$work/model" --manifest "$work/eval.jsonl"
err_has "no label"
# ---- robustness ----
"$python" - "$work/points.jsonl" <<'PY'
import json, sys
with open(sys.argv[1], "w") as f:
    for model, group, k, s in (("a", "supervised", 50, 40), ("b", "supervised", 60, 50), ("c", "supervised", 70, 60),
                               ("z", "zero-shot", 60, 60)):
        print(json.dumps({"model": model, "group": group, "shift": "fog", "id": {"correct": k, "total": 100},
                          "shifted": {"correct": s, "total": 100}}), file=f)
PY
expect 0 eval robustness "$work/points.jsonl" --svg "$work/robust.svg"
out_has "on fog, 1 model"
grep -q '</svg>' "$work/robust.svg" || fail "no figure"
expect 0 eval robustness "$work/points.jsonl" --json
[ "$(wc -l < "$out")" = 8 ] || fail "a line, three means, four points"
out_has '"kind":"mean","group":"zero-shot","model":null,"shift":"fog"'
expect 1 eval robustness "$work/points.jsonl" --baseline zero-shot
err_has "needs three models"
expect 1 eval robustness "$work/points.jsonl" --svg /no/such/folder/r.svg
err_has "/no/such/folder/r.svg"
expect 2 eval robustness
echo '{"model": 3}' >> "$work/points.jsonl"
expect 1 eval robustness "$work/points.jsonl"
err_has "points.jsonl: line 5: model"
expect 1 eval robustness "$work/no-points.jsonl"
# ---- training data ----
"$python" - "$work/set" <<'PY'
import os, struct, sys, zlib
os.makedirs(os.path.join(sys.argv[1], "cats"))
def png(path, seed, side=24):
    rows = b"".join(b"\0" + bytes((seed * 37 + x * (3 + seed) + y * 5) % 256 for x in range(side * 3))
                    for y in range(side))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for i in range(4):
    png(os.path.join(sys.argv[1], "cats", "cat-%d.png" % i), i)
png(os.path.join(sys.argv[1], "a <dog>.png"), 0)
PY
expect 2 data
err_has "needs a second word: build show stats duplicates overlap corrupt"
for command in build show stats duplicates overlap corrupt; do
    expect 0 data $command -h
    out_has "usage: sensus data $command"
    quiet
done
expect 2 data build "$work/set"
err_has "say what to write"
expect 2 data build -o "$work/s.tar" "$work/set"
err_has "{}"
expect 0 data build -o "$work/shards/s-{}.tar" --shard-samples 3 --json "$work/set"
json_lines samples captions skipped shards bytes
out_has '"samples": 5, "captions": 5, "skipped": 0, "shards": 2'
quiet
expect 1 data build -o "$work/x-{}.tar" "$work/nothing-here"
err_has "nothing-here"
err_lines 1
[ ! -e "$work/x-000000.tar" ] || fail "a failed build leaves a shard"
expect 0 data stats --json "$work/shards/s-{000000..000001}.tar"
json_lines samples captions concepts skipped pictures recordings unreadable bytes caption_characters captions_per_sample width_px \
    height_px seconds languages
out_has '"samples": 5'
expect 0 data stats "pipe:cat $work/shards/s-000001.tar"
out_has "samples                2"
expect 1 data stats "pipe:cat $work/shards/s-000001.tar; echo broken cable >&2; exit 4"
err_has "exit status 4: broken cable"
err_lines 1
expect 1 data stats "$work/shards/s-{000000..000002}.tar"
err_has "s-000002.tar"
expect 0 data show --json -n 3 "$work/shards/*.tar"
json_lines name concept captions
[ "$(wc -l < "$out")" = 3 ] || fail "three samples"
expect 0 data show -n 5 "$work/set"
out_has "a <dog>"
expect 0 data show -o "$work/data.html" "$work/set"
grep -qF 'a &lt;dog&gt;' "$work/data.html" || fail "the sheet lacks a caption"
grep -qF 'data:image/jpeg;base64' "$work/data.html" || fail "the sheet lacks pictures"
expect 0 data show -o "$work/data.png" "$work/shards/*.tar"
[ -s "$work/data.png" ] || fail "no sheet"
expect 2 data show -o "$work/data.gif" "$work/set"
expect 0 data duplicates "$work/set"
out_has "1 of 5 repeat another, 1 of them exactly"
expect 0 data duplicates --json "$work/shards/*.tar"
json_lines a b exact difference
out_has '"exact": true'
expect 0 data overlap "$work/shards/*.tar" "$work/set/cats"
out_has "4 of 4 are also among the other 5, 4 of them exactly"
expect 2 data overlap "$work/set"
expect 0 data corrupt -o "$work/shifted" --shift fog,jpeg --strength 2,5 "$work/set"
[ "$(wc -l < "$work/shifted/fog-5/manifest.jsonl")" = 4 ] || fail "four spoiled pictures"
[ -s "$work/shifted/jpeg-2/000003.jpg" ] || fail "no JPEG"
[ ! -e "$work/shifted/fog-1" ] || fail "a strength that was not asked for"
[ ! -e "$work/shifted/noise-2" ] || fail "a shift that was not asked for"
expect 2 data corrupt "$work/set"
expect 2 data corrupt -o "$work/shifted"
expect 2 data corrupt -o "$work/shifted" --shift fog,rain "$work/set"
err_has "'rain'"
expect 2 data corrupt -o "$work/shifted" --strength 2,6 "$work/set"
err_has "'6'"
expect 2 data corrupt -o "$work/shifted" --strength "" "$work/set"
expect 1 data corrupt -o "$work/shifted" "$work/nothing-here"
err_has "nothing-here"
printf '{"image": "set/cats/cat-0.png", "label": "cat"}\n{"image": "none.png"}\n' > "$work/part.jsonl"
expect 1 data corrupt -o "$work/part" --shift noise --strength 1 "$work/part.jsonl"
err_has "none.png"
grep -qF '"label":"cat"' "$work/part/noise-1/manifest.jsonl" || fail "no label"
head -c 1300 "$work/shards/s-000000.tar" > "$work/cut.tar"
expect 1 data stats "$work/cut.tar"
err_has "cut off at byte"
# ---- models in narrower numbers ----
printf '{"image": "set/cats/cat-%d.png", "caption": "a cat %d"}\n' 0 0 1 1 2 2 3 3 > "$work/set.jsonl"
for type in bf16 int8; do
    m=$work/$type
    expect 0 embed -m "$m" "$work/pictures/one.png"
    expect 0 classify -m "$m" --labels cat,dog "$work/pictures/one.png"
    expect 0 eval retrieval -m "$m" --manifest "$work/set.jsonl"
    expect 0 index -m "$m" --catalog "$work/$type.db" "$work/set"
    expect 0 search -m "$m" --catalog "$work/$type.db" "a dog"
    expect 1 search -m "$work/model" --catalog "$work/$type.db" "a dog"
    err_has "--rebuild"
done
expect 0 model info --json "$work/int8"
"$python" - "$out" <<'PY' || fail "model info --json of an int8 model"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["dtype"] == "I8" and d["products"] in ("int8", "f32"), d
PY
expect 0 model quantize "$work/model" -o "$work/f32" --type f32
"$python" "$(dirname "$0")/../goldens/make_gguf.py" "$work/f32" "$work/as" f16 || fail "make_gguf.py"
expect 0 model info "$work/as.gguf"
out_has "clip.cpp's names"
expect 0 embed -m "$work/as.gguf" --text "a dog"
cp "$out" "$work/kept"
expect 0 model quantize "$work/as.gguf" -o "$work/folder" --type f32
expect 0 embed -m "$work/folder" --text "a dog"
cmp -s "$out" "$work/kept" || fail "a GGUF file and the folder made of it differ"
expect 0 index -m "$work/as.gguf" --catalog "$work/gguf.db" "$work/set"
expect 0 search -m "$work/as.gguf" --catalog "$work/gguf.db" "a dog"
expect 0 train --data "$work/set.jsonl" -o "$work/run-gguf" --init "$work/as.gguf" --steps 1 --batch 2
head -c 5000 "$work/as.gguf" > "$work/cut.gguf"
expect 1 embed -m "$work/cut.gguf" --text "a dog"
err_has "cut.gguf"
err_lines 1
expect 1 embed -m "$work/labels" --text "a dog"
err_has "not a GGUF file"
expect 1 model quantize "$work/int8" -o "$work/again" --type bf16
err_has "int8"
expect 1 model quantize "$work/model" -o "$work/model" --type bf16
err_has "another folder"
expect 1 model average "$work/model" "$work/int8" -o "$work/again"
err_has "int8"
expect 0 train --data "$work/set.jsonl" -o "$work/run-int8" --init "$work/int8" --steps 1 --batch 2
expect 0 embed -m "$work/run-int8/model" --text "a dog" -o "$work/again.npy"
expect 0 train --data "$work/set.jsonl" -o "$work/run-bf16" --init "$work/bf16" --steps 1 --batch 2

[ $failures = 0 ] || echo "$failures failures" >&2
[ $failures = 0 ]
