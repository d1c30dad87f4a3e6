#!/bin/sh
# test_films.sh SENSUS TINY_MODEL PYTHON - the commands about films: exit codes, messages, JSON, what is written.
set -u
here=$(dirname "$0")
sensus=$(realpath "$1")
tiny_model=$2
python=$3
if ! command -v ffmpeg > /dev/null; then
    echo "skipped: no ffmpeg"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/expect.sh"
"$tiny_model" "$work/model" 1 > /dev/null 2>&1
SENSUS_MODEL=$work/model
export SENSUS_MODEL
make() { ffmpeg -nostdin -v error -y "$@"; }
frames() { ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$1" | head -n 1 | tr -d ,; }

# Two scenes of 2 s at 25 frames a second, with sound; a key frame each second.
make -f lavfi -i smptebars=s=160x120:r=25:d=2 -f lavfi -i testsrc=s=160x120:r=25:d=2 -f lavfi -i sine=d=4 \
    -filter_complex "[0]setsar=1[a];[1]setsar=1[b];[a][b]concat=n=2:v=1[v]" -map "[v]" -map 2 -c:v libx264 -g 25 \
    -sc_threshold 0 -c:a aac "$work/film.mp4"
: > "$work/empty.mp4"
echo "no film at all" > "$work/text.mp4"
head -c 3000 "$work/film.mp4" > "$work/cut.mp4"

# ---- moments ----
expect 0 moments "$work/film.mp4" "a dog"
out_has "peak"
quiet
expect 0 moments --json -n 2 "$work/film.mp4" "a dog" "two cats"
"$python" - "$out" <<'PY' || fail "not the JSON that was promised"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert {l["query"] for l in lines} == {"a dog", "two cats"}
for l in lines:
    assert sorted(l) == ["end", "peak", "query", "rank", "score", "start"], l
    assert 0 <= l["start"] <= l["peak"] < l["end"] <= 4.05, l
PY
expect 0 moments --html "$work/page.html" "$work/film.mp4" "<b>a dog"
grep -q "<svg" "$work/page.html" || fail "the page has no curve"
grep -q "data:image/jpeg" "$work/page.html" || fail "the page has no pictures"
grep -q "<b>a dog" "$work/page.html" && fail "the text stands in the page as markup"
expect 0 moments --least 1 "$work/film.mp4" "a dog"
err_has "nothing fits"
expect 0 moments --from 2 --until 3 --json "$work/film.mp4" "a dog"
expect 2 moments "$work/film.mp4"
expect 2 moments --every 0 "$work/film.mp4" x
for bad in empty text cut nowhere; do
    expect 1 moments "$work/$bad.mp4" "a dog"
    err_has "$work/$bad.mp4: "
    err_lines 1
done
make -f lavfi -i sine=d=1 "$work/sound.wav"
expect 1 moments "$work/sound.wav" "a dog"
err_has "no video in it"

# ---- entails ----
expect 0 entails "$work/film.mp4" "a dog" "a red car"
lines 2
expect 0 entails --json "$work/film.mp4" "a dog"
"$python" - "$out" <<'PY' || fail "not the JSON that was promised"
import json, sys
l = json.loads(open(sys.argv[1]).read())
assert sorted(l) == ["peak", "probability", "standing", "statement"] and 0 < l["probability"] < 1, l
PY
expect 2 entails "$work/film.mp4"

# ---- clip ----
expect 0 clip "$work/film.mp4" 0:01.5 2.5 -o "$work/copy.mp4"
out_has "from 0:01.000, copied"
[ "$(frames "$work/copy.mp4")" -ge 38 ] || fail "the copy has too few frames"
expect 0 clip --exact --json "$work/film.mp4" 1.52 2.52 -o "$work/exact.mkv"
out_has '"start": 1.520000, "duration": 1.000000, "sound": true'
[ "$(frames "$work/exact.mkv")" = 25 ] || fail "the exact clip has $(frames "$work/exact.mkv") frames"
expect 2 clip "$work/film.mp4" 1 2
err_has "--output"
for times in "2 1" "x 2" "1 1:75" "0x1 2" "1 2e1" "-- -1 2"; do
    # shellcheck disable=SC2086
    expect 2 clip -o "$work/no.mp4" "$work/film.mp4" $times
done
expect 1 clip "$work/film.mp4" 7 8 -o "$work/no.mp4"
err_has "nothing to see"
expect 1 clip "$work/film.mp4" 1 2 -o "$work/no.txt"
err_has "no format of films"
expect 1 clip "$work/film.mp4" 1 2 -o "$work/film.mp4"
err_has "the film itself"
[ ! -e "$work/no.mp4" ] || fail "half a clip is left"

# ---- summary ----
expect 0 summary "$work/film.mp4" "a dog" -s 3 -o "$work/short.mp4" --storyboard "$work/board.png"
[ "$(frames "$work/short.mp4")" -ge 40 ] || fail "the summary has too few frames"
[ -s "$work/board.png" ] || fail "no storyboard"
expect 0 summary --json -s 3 "$work/film.mp4" --storyboard "$work/board.html"
out_has '"start"'
expect 1 summary -s 1 "$work/film.mp4"
err_has "as short as that"
expect 2 summary "$work/film.mp4" --storyboard "$work/board.gif"

# ---- eval moments ----
printf '{"video": "film.mp4", "query": "a dog", "start": 0, "end": 2}\n{"video": "film.mp4", "query": "a car", "start": 2, "end": 4}\n' \
    > "$work/truth.jsonl"
expect 0 eval moments "$work/truth.jsonl"
out_has "recall@1, IoU 0.5"
expect 0 eval moments --json "$work/truth.jsonl"
out_has '"recall@1_iou0.7"'
echo '{"video": "film.mp4"}' >> "$work/truth.jsonl"
expect 1 eval moments "$work/truth.jsonl"
err_has "line 3"
err_has "1 films or lines were left out"
expect 1 eval moments "$work/nowhere.jsonl"

# ---- index, search ----
mkdir "$work/files"
cp "$work/film.mp4" "$work/files/a film.mp4"
cp "$work/text.mp4" "$work/files/broken.mp4"
make -f lavfi -i testsrc=s=64x64 -frames:v 1 "$work/files/picture.png"
make -i "$work/film.mp4" -c copy "$work/whole.mkv"
head -c $(($(wc -c < "$work/whole.mkv") / 2)) "$work/whole.mkv" > "$work/files/cut.mkv"
SENSUS_CATALOG=$work/catalog.db
export SENSUS_CATALOG
expect 1 index --every 0.5 "$work/files"
out_has "3 new, 0 changed, 0 removed, 1 unreadable"
err_has "broken.mp4: "
err_has "cut.mkv: ends after"
rm "$work/files/broken.mp4"
expect 0 index "$work/files"
out_has "3 unchanged"
expect 0 index --verify
out_has "sound: 3 files"
expect 0 search "a dog"
grep -qE 'a film\.mp4 0:0[0-3]\.[0-9]-0:0[2-4]\.[0-9] \(peak 0:0[0-3]\.[0-9]\)$' "$out" || fail "no moment of the film"
out_has "picture.png"
expect 0 search --json "a dog"
"$python" - "$out" <<'PY' || fail "not the JSON that was promised"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert [l["rank"] for l in lines] == list(range(1, len(lines) + 1))
for l in lines:
    if l["path"].endswith(".png"):
        assert sorted(l) == ["path", "rank", "score"], l
    else:
        assert sorted(l) == ["end", "path", "peak", "rank", "score", "start"], l
        assert 0 <= l["start"] <= l["peak"] < l["end"] <= 4.05, l
assert {l["path"].rsplit("/", 1)[1] for l in lines} == {"a film.mp4", "cut.mkv", "picture.png"}
PY
expect 0 search --relevant --least -100 --json "a dog"
out_has '"start"'
expect 0 search -n 1 "$work/files/picture.png"
lines 1
printf 'a dog\ntwo cats\n' > "$work/queries"
expect 0 search --queries "$work/queries" --html "$work/found.html" --png "$work/found.png"
grep -q '<video controls' "$work/found.html" || fail "the page plays nothing"
grep -qE 'a%20film.mp4#t=[0-9.]+,[0-9.]+"' "$work/found.html" || fail "the page does not play the moment"
grep -qE "0:0[0-9.]+ .* 0:0[0-9.]+, peak 0:0" "$work/found.html" || fail "the page names no moment"
[ -s "$work/found.png" ] || fail "no sheet"
# ---- classify: a film has the mean of its samples by time ----
expect 0 classify --catalog "$work/catalog.db" --labels dog,cat
out_has picture.png
out_has "a film.mp4"
err_has "films, by the mean over their time: 2"
mkdir "$work/still"
make -f lavfi -i testsrc=s=64x64:d=1:r=1 -frames:v 1 "$work/still/one.png"
make -f lavfi -i color=red:s=64x64 -frames:v 1 "$work/still/red.png"
make -loop 1 -r 10 -t 3 -i "$work/still/one.png" -c:v ffv1 "$work/still/three.mkv"
make -loop 1 -r 10 -t 1 -i "$work/still/red.png" -loop 1 -r 10 -t 3 -i "$work/still/one.png" -filter_complex \
    "[0][1]concat=n=2:v=1" -c:v ffv1 "$work/still/mixed.mkv"
expect 0 index --catalog "$work/still.db" "$work/still"
expect 0 classify --catalog "$work/still.db" --labels "a dog,two cats,a red car" --json --summary
"$python" - "$out" <<'PY' || fail "a film's probabilities are not the mean of its samples' by time"
import json, sys
*rows, last = [json.loads(l) for l in open(sys.argv[1])]
p = {r["path"].rsplit("/", 1)[1]: {l["label"]: l["probability"] for l in r["labels"]} for r in rows}
assert (last["pictures"], last["films"], last["recordings"]) == (2, 2, 0), last
for label, one in p["one.png"].items():
    assert abs(p["three.mkv"][label] - one) < 0.01, (label, p)
    assert abs(p["mixed.mkv"][label] - (0.75 * one + 0.25 * p["red.png"][label])) < 0.01, (label, p)
assert any(abs(one - p["red.png"][label]) > 0.05 for label, one in p["one.png"].items()), p
PY
expect 0 classify --catalog "$work/still.db" --labels dog,cat --sheets "$work/film-sheets" --none 100
[ -s "$work/film-sheets/none of these.png" ] || fail "no sheet with films"
expect 0 classify --catalog "$work/still.db" --labels dog --into "$work/sorted" --move --apply
[ -f "$work/sorted/dog/three.mkv" ] || fail "the film was not moved"
# ---- transport streams, not TypeScript ----
mkdir "$work/ts"
make -i "$work/film.mp4" -c copy "$work/ts/real.ts"
make -i "$work/film.mp4" -c copy -f mpegts -mpegts_m2ts_mode 1 "$work/ts/timed.TS"
tail -c +100 "$work/ts/real.ts" > "$work/ts/inside.ts"
printf 'Gulp.task("watch", () => {});\n%.0s' $(seq 1 300) > "$work/ts/gulpfile.ts"
: > "$work/ts/empty.ts"
expect 0 index --catalog "$work/ts.db" "$work/ts"
out_has "3 new, 0 changed, 0 removed, 0 unreadable"
expect 0 index --catalog "$work/ts.db" "$work/ts"
out_has "3 unchanged"
expect 1 index --catalog "$work/ts.db" "$work/ts/gulpfile.ts"
err_has "neither a picture nor a film"
expect 0 index --rebuild --regions "$work/files"
expect 0 search "a dog"
expect 2 index --every 0 "$work/files"
expect 1 index "$work/sound.wav"
err_has "sound.wav: a recording, but no model hears"
expect 1 search "$work/sound.wav"
err_has "no model that hears"

[ "$failures" = 0 ] || exit 1
