#!/bin/sh
# test_classify.sh SENSUS TINY_MODEL PYTHON - many pictures into classes: folders, shards, catalogs, lists of values,
# contact sheets, and files brought into folders without losing one.
set -u
sensus=$(realpath "$1")
tiny_model=$2
python=$3
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
failures=0
unset SENSUS_MODEL SENSUS_CATALOG
HOME=$work/home
export HOME
out=$work/out
err=$work/err

fail() {
    echo "FAIL: $*" >&2
    sed 's/^/  out: /' "$out" >&2
    sed 's/^/  err: /' "$err" >&2
    failures=$((failures + 1))
}
expect() {
    want=$1
    shift
    "$sensus" "$@" > "$out" 2> "$err"
    got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: sensus $*"
}
out_has() { grep -qF -e "$1" "$out" || fail "standard output lacks '$1'"; }
err_has() { grep -qF -e "$1" "$err" || fail "standard error lacks '$1'"; }
lines() { [ "$(wc -l < "$out")" = "$1" ] || fail "not $1 lines"; }

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
expect 1 classify --labels dog --into "$work/sorted2" --apply --json "$work"/built-*.tar
err_has "inside a shard"
: > "$work/file"
expect 1 classify --labels dog --into "$work/file" --move --apply "$first"
err_has "$work/file"
[ -e "$first" ] || fail "a file was lost"
cp "$1" "$work/p/gone.png"
expect 0 index --catalog "$work/gone.db" "$work/p"
rm "$work/p/gone.png"
expect 1 classify --labels dog --into "$work/sorted3" --apply --catalog "$work/gone.db"
err_has "gone.png"

[ "$failures" = 0 ] || { echo "$failures failures" >&2; exit 1; }
