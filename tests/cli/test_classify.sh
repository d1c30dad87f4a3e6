#!/bin/sh
# test_classify.sh SENSUS TINY_MODEL PYTHON - many pictures into classes: folders, shards, catalogs, lists of values,
# contact sheets, and files brought into folders without losing one.
set -u
here=$(dirname "$0")
sensus=$(realpath "$1")
tiny_model=$2
python=$3
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
unset SENSUS_MODEL SENSUS_CATALOG
HOME=$work/home
export HOME
. "$here/expect.sh"

"$tiny_model" "$work/model" 1 > "$out" 2> "$err" && "$tiny_model" "$work/other" 2 > "$out" 2> "$err" || exit 1
SENSUS_MODEL=$work/model
export SENSUS_MODEL
mkdir -p "$work/pictures/sub"
"$python" - "$work/pictures" <<'PY' || exit 1
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for seed, name in enumerate(["a", "b", "c", "sub/d", "sub/e"]):
    rows = b"".join(b"\0" + bytes((seed * 37 + x * (3 + seed) + y * 5) % 256 for x in range(72)) for y in range(24))
    with open(f"{sys.argv[1]}/{name}.png", "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
PY
cd "$work/pictures" || exit 1
set -- a.png b.png c.png sub/d.png sub/e.png
count=$#
first=$1

# ---- where pictures come from ----
expect 0 classify --labels dog,cat --json .
lines "$count"
expect 0 classify --labels dog,cat --json "$@"
lines "$count"
sed 's/.*"labels"//' "$out" > "$work/by-file"
expect 0 classify --labels dog,cat --json .
sed 's/.*"labels"//' "$out" | cmp -s - "$work/by-file" || fail "a folder's pictures have other answers than its files"
"$sensus" data build -o "$work/built-{}.tar" . > "$out" 2> "$err" || fail "data build"
expect 0 classify --labels dog,cat --json "$work"/built-*.tar
lines "$count"
expect 0 classify --labels dog,cat --json "pipe:cat $work/built-*.tar"
lines "$count"
expect 0 index --catalog "$work/c.db" .
expect 0 classify --labels dog,cat --json --catalog "$work/c.db"
lines "$count"
sed 's/.*"labels"//' "$out" | cmp -s - "$work/by-file" || fail "a catalog's vectors have other answers than its files"
expect 2 classify --labels dog,cat --catalog "$work/c.db" "$first"
expect 2 classify --labels dog,cat
expect 1 classify --labels dog,cat --catalog "$work/none.db"
expect 1 classify --labels dog,cat --catalog "$work/c.db" --model "$work/other"
err_has "--rebuild"

# Names are below the folder as it was given; what is hidden, in a circle or beside a picture does not matter.
expect 0 classify --labels dog,cat --json sub .
sed 's/{"path": "\([^"]*\)".*/\1/' "$out" | tr '\n' ' ' > "$work/names"
[ "$(cat "$work/names")" = "sub/d.png sub/e.png ./a.png ./b.png ./c.png " ] || fail "names: $(cat "$work/names")"
mkdir -p "$work/odd/.hidden"
cp "$first" "$work/odd/.hidden/x.png"
cp "$first" "$work/odd/a{1,2}.png"
ln -s . "$work/odd/circle"
echo '{broken' > "$work/odd/a{1,2}.json"
echo "no picture" > "$work/odd/readme.txt"
expect 0 classify --labels dog,cat --json "$work/odd" "$work/odd/a{1,2}.png" "$work/odd/"
lines 2
mkdir "$work/empty"
expect 0 classify --labels dog,cat --json "$work/empty"
lines 0
err_has "no pictures there"

# Lists, and shards whose pictures have no captions.
printf '%s\n\n' "$@" > "$work/list"
expect 0 classify --labels dog,cat --json --files-from "$work/list"
lines "$count"
sed 's/.*"labels"//' "$out" | cmp -s - "$work/by-file" || fail "a list's pictures have other answers than its files"
printf '%s\0' "$@" "$(printf 'new\nline.png')" "pipe:touch $work/ran" > "$work/list"
"$sensus" classify --labels dog,cat --json --files-from - -0 < "$work/list" > "$out" 2> "$err"
[ $? = 1 ] || fail "a list with missing names is a failure"
lines "$count"
err_has "new?line.png"
[ ! -e "$work/ran" ] || fail "a list ran a command"
head -c 40000 /dev/zero | tr '\0' x > "$work/list"
printf '\n%s' "$first" >> "$work/list"
expect 1 classify --labels dog,cat --json --files-from "$work/list"
lines 1
err_has "longer than"
expect 1 classify --labels dog,cat --files-from "$work/none"
expect 2 classify --labels dog,cat --null "$first"
expect 2 classify --labels dog,cat --files-from "$work/list" --catalog "$work/c.db"
tar cf "$work/bare-0.tar" a.png sub/d.png
tar cf "$work/bare-1.tar" b.png
expect 0 classify --labels dog,cat --json "$work/bare-{0..1}.tar"
lines 3
out_has "bare-0.tar/sub/d.png"
cp "$out" "$work/kept"
expect 1 classify --labels dog,cat --json "$work/bare-{0..1}.tar" "$work/bare-7.tar" "pipe:echo no >&2; exit 3" "$first"
lines 4
head -n 3 "$out" | cmp -s - "$work/kept" || fail "a missing shard changed the others' answers"
err_has "bare-7.tar"
err_has "exit status 3: no"

# ---- what can't be read is told, counted, and not the end ----
mkdir "$work/mixed"
cp "$first" "$work/mixed/a.png"
echo "no picture" > "$work/mixed/b.png"
cp "$first" "$work/mixed/c.png"
expect 1 classify --labels dog,cat --json "$work/mixed"
lines 2
err_has "b.png"
head -c 100 "$first" > "$work/mixed/b.png"
for name in a b c; do echo '{"caption": "x"}' > "$work/mixed/$name.json"; done
(cd "$work/mixed" && tar cf ../damaged.tar a.png a.json b.png b.json c.png c.json)
expect 1 classify --labels dog,cat --json "$work/damaged.tar"
lines 2
err_has "damaged.tar/b"

# ---- comma-separated values ----
cp "$first" "$work/mixed/a,\"b\".png"
expect 0 classify --labels 'dog,cat' --csv --top 1 "$work/mixed/a,\"b\".png" "$work/mixed/a.png"
"$python" - "$out" "$work" <<'PY' || fail "not the CSV that was promised"
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
assert rows[0] == ["path", "class", "label_1", "probability_1"], rows[0]
assert [r[0] for r in rows[1:]] == [sys.argv[2] + '/mixed/a,"b".png', sys.argv[2] + "/mixed/a.png"], rows
assert all(r[1] == r[2] and 0 <= float(r[3]) <= 1 for r in rows[1:]), rows
PY
expect 2 classify --labels dog,cat --csv --json "$first"
expect 0 classify --labels 'dog,c"a"t' --csv --top 1 --into "$work/x,y" .
"$python" - "$out" "$work" <<'PY' || fail "not the CSV that was promised with --into"
import csv, sys
text = open(sys.argv[1], newline="").read()
assert text.count("\n") == text.count("\r\n")
rows = list(csv.reader(text.splitlines()))
assert rows[0][-2:] == ["action", "target"], rows[0]
assert all(r[-2] == "link" and r[-1].startswith(sys.argv[2] + "/x,y/" + r[1] + "/") for r in rows[1:]), rows
PY

# ---- the summary ----
expect 0 classify --labels dog,cat --json --summary .
"$python" - "$out" <<'PY' || fail "not the summary that was promised"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
last, rest = lines[-1], lines[:-1]
assert last["pictures"] == len(rest) == 5 and last["failed"] == last["none"] == 0, last
best = [l["labels"][0]["label"] for l in rest]
assert {c["label"]: c["count"] for c in last["counts"]} == {x: best.count(x) for x in ("dog", "cat")}, last
PY
expect 0 classify --labels dog,cat --summary .
err_has "5 pictures, 0 failed"
expect 0 classify --labels dog,cat .
[ ! -s "$err" ] || fail "a summary nobody asked for"

# ---- none of these ----
expect 0 classify --labels dog,cat --none 100 --json "$first"
out_has '"none": true'
expect 0 classify --labels dog,cat --none 100 "$first"
out_has "none of these"
expect 0 classify --labels dog,cat --none 0 "$first"
grep -q "none of these" "$out" && fail "none without being asked"

# ---- contact sheets ----
expect 0 classify --labels 'one/two,..' --json --sheets "$work/sheets" .
ls "$work/sheets" | grep -qE '^(one_two|_\.)\.png$' || fail "no sheet: $(ls "$work/sheets")"
expect 0 classify --labels dog,cat --json --sheets "$work/shard-sheets" "$work"/built-*.tar
[ -n "$(ls "$work/shard-sheets")" ] || fail "no sheet of a shard's pictures"

# ---- files into folders ----
expect 2 classify --labels dog,cat --apply "$first"
expect 2 classify --labels dog,cat --move "$first"
expect 0 classify --labels '../x,../y' --into "$work/sorted" .
lines "$count"
out_has "would link"
err_has "--apply"
[ ! -e "$work/sorted" ] || fail "a dry run made a folder"
expect 0 classify --labels '../x,../y' --into "$work/sorted" --apply .
[ "$(find "$work/sorted" -type l | wc -l)" = "$count" ] || fail "not every picture has its link"
[ "$(find "$work" -maxdepth 1 -name x -o -maxdepth 1 -name y | wc -l)" = 0 ] || fail "a label led out of the folder"
find "$work/sorted" -type l -exec sh -c 'cmp -s "$1" "$(readlink "$1")"' _ {} \; || fail "a link leads elsewhere"
find "$work/sorted" | sort > "$work/before"
expect 0 classify --labels '../x,../y' --into "$work/sorted" --apply .
find "$work/sorted" | sort | cmp -s - "$work/before" || fail "the second time something changed"
[ "$(find . -name '*.png' | wc -l)" = "$count" ] || fail "linking took an original away"

# Hostile labels: each has a folder of its own, below the one that was asked for.
"$python" - "$work/hostile" <<'PY'
import sys
labels = [b"a/b", b"a_b", b"..", b".", b"/", b"x\ty\x1b[31m", b"\xff\xfe", b"none of these", b"z" * 500,
          b"z" * 499, "\u00e9".encode() * 150, b"a_b-2", b"\xc2\x9b31m"]
open(sys.argv[1], "wb").write(b"\n".join(labels))
PY
expect 0 classify --labels-file "$work/hostile" --sheets "$work/hostile-sheets" --into "$work/in" --json --apply .
find "$work/in" "$work/hostile-sheets" > "$work/found"
"$python" - "$work" <<'PY' || fail "a label's folder: $(cat "$work/found")"
import os, sys
for top in ("in", "hostile-sheets"):
    for name in os.listdir(os.path.join(sys.argv[1].encode(), top.encode())):
        name.decode()
        assert len(name) <= 210 and not name.startswith(b".") and not any(c < 32 or c == 127 for c in name), name
PY
expect 0 classify --labels 'a/b,a_b,a_b-2' --none 100 --into "$work/each" --json "$first"
out_has '/none of these/'

# A dry run says which names there would be, and the run then uses them.
mkdir -p "$work/r/1" "$work/r/2"
cp "$1" "$work/r/1/same.png"
cp "$2" "$work/r/2/same.png"
long=$("$python" -c 'print("n" * 251 + ".png")')
cp "$1" "$work/r/1/$long"
cp "$2" "$work/r/2/$long"
expect 0 classify --labels dog --json --into "$work/named/deep/er" "$work/r"
sed 's/.*"target": //' "$out" | sort > "$work/planned"
[ ! -e "$work/named" ] || fail "a dry run made a folder"
grep -q 'same-2.png' "$work/planned" || fail "a dry run forgot a name it would use"
expect 0 classify --labels dog --json --into "$work/named/deep/er" --apply "$work/r"
sed 's/.*"target": //' "$out" | sort | cmp -s - "$work/planned" || fail "other names than the dry run said"
[ "$(find "$work/named" -type l | wc -l)" = 4 ] || fail "not four links"
expect 0 classify --labels dog --json --into "$work/named/deep/er" --apply "$work/r"
[ "$(grep -c '"action": "in place"' "$out")" = 4 ] || fail "links that are there were made again"

# First links, then the files themselves: they take the links' places.
expect 0 classify --labels dog --json --into "$work/named/deep/er" --move --apply --sheets "$work/r/sheets" "$work/r"
[ "$(grep -c '"action": "move"' "$out")" = 4 ] || fail "files with links were not moved"
[ -s "$work/r/sheets/dog.png" ] || fail "no sheet of moved files"
[ "$(find "$work/named" -type f | wc -l)" = 4 ] && [ "$(find "$work/named" -type l | wc -l)" = 0 ] || fail "links stayed"
expect 0 classify --labels dog --json --into "$work/named/deep/er" --move --apply --sheets "$work/r/sheets" "$work/r"
[ ! -s "$out" ] || fail "a sheet was taken for a picture to move"
expect 0 classify --labels dog --json --into "$work/named/deep/er" --move --apply "$work/named"
[ ! -s "$out" ] || fail "the folder of results was searched"
expect 0 classify --labels dog --json --into "$work/named/deep/er" --move --apply "$work/named/deep/er"
[ "$(grep -c '"action": "in place"' "$out")" = 4 ] || fail "files in their places were moved"
ln -s "$work/pictures/$first" "$work/r/link.png"
expect 1 classify --labels dog --into "$work/named" --move --apply "$work/r/link.png"
err_has "is a link"
[ -L "$work/r/link.png" ] && [ -e "$first" ] || fail "a link was moved"
expect 2 classify --labels dog --into "$work/named" --move --link "$first"

# A kill in the middle loses nothing, and leaves nothing half done that has a picture's name.
for i in 1 2 3; do
    rm -rf "$work/many" "$work/kept"
    mkdir "$work/many"
    for n in $(seq 60); do cp "$1" "$work/many/$n.png"; done
    "$sensus" classify --labels dog --csv --into "$work/kept" --move --apply "$work/many" > "$out" 2> "$err" &
    pid=$!
    while kill -0 $pid 2> /dev/null && [ ! -e "$work/kept/dog/$((i * 10)).png" ]; do :; done
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
    [ "$(find "$work/many" "$work/kept" -type f -name '[0-9]*.png' 2> /dev/null | wc -l)" = 60 ] || fail "a kill lost a file"
    expect 0 classify --labels dog --csv --into "$work/kept" --move --apply "$work/many"
    [ "$(find "$work/kept/dog" -type f | wc -l)" = 60 ] || fail "not all were moved after a kill"
done

# The same name from two folders; one is there that nobody may overwrite.
mkdir -p "$work/p" "$work/q" "$work/moved/dog"
cp "$1" "$work/p/same.png"
cp "$2" "$work/q/same.png"
echo precious > "$work/moved/dog/same.png"
expect 0 classify --labels dog --into "$work/moved" --move "$work/p" "$work/q"
[ -e "$work/p/same.png" ] || fail "a dry run moved a file"
expect 0 classify --labels dog --into "$work/moved" --move --apply "$work/p" "$work/q"
[ "$(cat "$work/moved/dog/same.png")" = precious ] || fail "a file was overwritten"
cmp -s "$1" "$work/moved/dog/same-2.png" && cmp -s "$2" "$work/moved/dog/same-3.png" || fail "moved files are not there"
[ -z "$(ls "$work/p" "$work/q" | grep png)" ] || fail "moved files are still there"
expect 0 classify --labels dog --into "$work/moved" --move --apply "$work/moved/dog/same-2.png"
cmp -s "$1" "$work/moved/dog/same-2.png" || fail "a file in its place was moved"

# Another file system, if there is one.
if [ -d /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d "$work")" ]; then
    far=$(mktemp -d /dev/shm/sensus.XXXXXX)
    cp "$1" "$work/p/far.png"
    touch -d 2001-02-03 "$work/p/far.png"
    expect 0 classify --labels dog --into "$far" --move --apply "$work/p/far.png"
    cmp -s "$1" "$far/dog/far.png" || fail "the copy differs"
    [ "$(stat -c %Y "$far/dog/far.png")" = "$(date -d 2001-02-03 +%s)" ] || fail "the copy has another time"
    [ ! -e "$work/p/far.png" ] || fail "the original is still there"
    [ "$(find "$far" -type f | wc -l)" = 1 ] || fail "something was left over"
    rm -rf "$far"
fi

# What can't be done is said, and nothing is lost.
expect 2 classify --labels dog --into "$work/sorted2" --apply --json "$work"/built-*.tar
err_has "inside a shard"
[ ! -e "$work/sorted2" ] || fail "a wrong usage made a folder"
expect 2 classify --labels dog --into "$work/sorted2" --apply "pipe:cat x"
echo "$work"/built-*.tar > "$work/list"
expect 1 classify --labels dog --into "$work/sorted2" --apply --files-from "$work/list"
err_has "inside a shard"
: > "$work/file"
expect 1 classify --labels dog --into "$work/file" --move --apply "$first"
err_has "$work/file"
[ -e "$first" ] || fail "a file was lost"
cp "$1" "$work/p/gone.png"
expect 0 index --catalog "$work/gone.db" "$work/p"
rm "$work/p/gone.png"
expect 1 classify --labels dog --into "$work/sorted3" --apply --catalog "$work/gone.db"
err_has "gone.png: is gone"
expect 1 classify --labels dog --sheets "$work/gone-sheets" --catalog "$work/gone.db"
err_has "gone.png: is gone"

# A folder that can't be read, and one that can't be written to.
if [ "$(id -u)" != 0 ]; then
    mkdir -p "$work/locked/in"
    cp "$1" "$work/locked/a.png"
    chmod 0 "$work/locked/in"
    expect 1 classify --labels dog --json "$work/locked"
    lines 1
    err_has "locked/in"
else
    echo "skipped: a folder that can't be read (root can read all)"
fi

[ "$failures" = 0 ] || { echo "$failures failures" >&2; exit 1; }
