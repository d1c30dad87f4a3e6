#!/bin/sh
# test_sound.sh SENSUS GOLDENS PYTHON TINY_MODEL - models that hear, by the real program: from recordings to shards, a run, vectors,
# measures.
set -u
here=$(dirname "$0")
sensus=$(realpath "$1")
goldens=$(realpath "$2")
python=$3
tiny=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset SENSUS_MODEL SENSUS_CATALOG
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
. "$here/expect.sh"

# Eight tones of half a second, in two folders that are their classes, and manifests of them.
"$python" - "$work" <<'PY'
import json, math, os, struct, sys, wave
root = sys.argv[1]
rows = []
for kind, names in (("low", (200, 260, 330, 420)), ("high", (1500, 1900, 2400, 3000))):
    for part, hz in enumerate(names):
        folder = os.path.join(root, "train" if part < 3 else "test", kind)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{hz}.wav")
        with wave.open(path, "wb") as w:
            w.setnchannels(2), w.setsampwidth(2), w.setframerate(11025)
            x = [int(9000 * math.sin(2 * math.pi * hz * i / 11025)) for i in range(5512)]
            w.writeframes(b"".join(struct.pack("<hh", v, v) for v in x))
        rows.append({"audio": path, "image": "none.png", "lang": "en", "concept": str(hz), "label": kind,
                     "captions": {"en": [f"a {kind} tone", f"{kind} {hz}"]}})
with open(os.path.join(root, "all.jsonl"), "w") as f:
    f.writelines(json.dumps(r) + "\n" for r in rows)
with open(os.path.join(root, "sounds.jsonl"), "w") as f:
    f.writelines(json.dumps({k: v for k, v in r.items() if k != "image"}) + "\n" for r in rows)
with open(os.path.join(root, "texts.txt"), "w") as f:
    f.writelines(c + "\n" for r in rows for c in r["captions"]["en"])
PY

vit=$goldens/sound/vit
one=$work/train/low/200.wav
expect 0 model info "$vit"
out_has "audio tower"
out_has "16000 Hz, windows of 0.12 s"
expect 0 embed -m "$vit" "$one" "$one"
[ "$(sort -u "$out" | wc -l)" = 1 ] || fail "two vectors of one file"
expect 1 embed -m "$vit" "$one" "$goldens/media/palette.png"
err_has "palette.png"
[ "$(wc -l <"$out")" = 1 ] || fail "the good file's vector is missing"
expect 1 embed -m "$vit" "$work/all.jsonl" "$one" "$work/none.wav"
err_lines 2
err_has "all.jsonl: no film or recording that is known, or damaged"
err_has "none.wav"
expect 0 --version
out_has "FFmpeg"

expect 0 tokenizer train "$work/texts.txt" -o "$work/vocabulary" --vocab 520
expect 0 data build --out "$work/shard-{}.tar" "$work/sounds.jsonl"
tar tf "$work/shard-000000.tar" | grep -q '000000000\.wav' || fail "no recording in the shard"

train="train --tokenizer $work/vocabulary --steps 3 --batch 4 --text-width 16 --text-layers 1 --text-heads 2 --embed 16 --mels 32"
expect 0 $train --data "$work/shard-000000.tar" --sound cnn --cnn-width 4 --cnn-layers 1,1 --window 0.5 --out "$work/cnn"
out_has "8 samples"
expect 0 $train --data "$work/all.jsonl" --sound vit --vision-width 16 --vision-layers 1 --vision-heads 2 \
    --spectrogram kaldi --out "$work/vit"
expect 0 model info "$work/vit/model"
out_has "Kaldi's"
expect 0 $train --data "$work/all.jsonl" --init "$work/cnn/model" --lock-text --out "$work/on"
expect 1 $train --data "$work/all.jsonl" --sound cnn --lock-text --out "$work/no"
err_has "locked text tower needs a model"
expect 1 $train --data "$work/all.jsonl" --sound cnn --cnn-layers 9,x --out "$work/no"
err_has "9,x"

expect 1 $train --data "$work/all.jsonl" --sound cnn --sound-init "$work/cnn/model" --out "$work/no"
err_has "audio tower to start from"

m=$work/cnn/model
expect 0 embed -m "$m" --text "a low tone" -o "$work/text.npy"
expect 0 classify -m "$m" --labels low,high "$one"
# ---- data: counts, sheets, repeats; a sample may have a picture and a sound ----
expect 0 data stats --json "$work/shard-000000.tar"
out_has '"samples": 8, "captions": 16, "concepts": 8, "skipped": 0, "pictures": 0, "recordings": 8, "unreadable": 0'
out_has '"seconds": {"total": 4.000, "shortest": 0.500, "median": 0.500, "longest": 0.500}'
mkdir -p "$work/set/notes"
cp "$one" "$work/set/notes/a_note.wav"
cp "$one" "$work/set/notes/bell.wav"
cp "$goldens/media/palette.png" "$work/set/a_picture.png"
echo "a note of a bell" > "$work/set/notes/bell.txt"
head -c 1000 "$goldens/media/palette.png" > "$work/set/broken.ogg"
expect 1 data stats "$work/set"
err_has "broken.ogg: no film or recording that is known, or damaged"
err_lines 1
out_has "pictures               1"
out_has "recordings             2"
out_has "unreadable             1"
out_has "duration               total 1.0 s, shortest 0.5 s, median 0.5 s, longest 0.5 s"
expect 0 data show --json "$work/set"
out_has 'a_note.wav", "concept": "", "sound": true, "captions": [{"lang": "", "text": "a note"}]'
out_has 'bell.wav", "concept": "", "sound": true, "captions": [{"lang": "", "text": "a note of a bell"}]'
out_has 'a_picture.png", "concept": "", "captions"'
rm "$work/set/broken.ogg"
expect 0 data show -o "$work/set.html" "$work/set"
grep -q '<video controls.*poster="data:image/jpeg.*a_note.wav"></video>' "$work/set.html" || fail "the page plays no recording"
grep -q '<p>3 samples by sensus' "$work/set.html" || fail "the page does not count its samples"
expect 0 data show -o "$work/set.html" "$work/shard-000000.tar"
[ "$(grep -c 'src="data:image/jpeg' "$work/set.html")" = 8 ] || fail "the page lacks spectrograms of a shard"
expect 0 data show -o "$work/set.png" "$work/shard-000000.tar"
"$python" - "$work/set.png" <<'PY' || fail "the sheet shows no spectrograms"
import sys
from PIL import Image
image = Image.open(sys.argv[1]).convert("L")
assert sum(image.histogram()[:90]) > 8 * 8000 # they are mostly dark, all else of a sheet is light
PY
# Both: in a shard, in a manifest, as columns.
mkdir "$work/both"
cp "$goldens/media/palette.png" "$work/both/1.png"
cp "$one" "$work/both/1.wav"
echo "a tone" > "$work/both/1.txt"
tar cf "$work/both.tar" -C "$work/both" 1.png 1.txt 1.wav
tar cf "$work/both-2.tar" -C "$work/both" 1.wav 1.txt 1.png
echo '{"image": "1.png", "audio": "1.wav", "caption": "a tone"}' > "$work/both/set.jsonl"
printf 'image,audio,caption\n1.png,1.wav,a tone\n' > "$work/both/set.csv"
for set in both.tar both-2.tar both/set.jsonl both/set.csv; do
    expect 0 data stats --json "$work/$set"
    out_has '"samples": 1, "captions": 1,'
    out_has '"pictures": 1, "recordings": 1, "unreadable": 0'
    out_has '"total": 0.500'
    expect 0 data show --json "$work/$set"
    grep -q '"sound"' "$out" && fail "of a picture and a sound the sound is shown"
    expect 0 data duplicates "$work/$set" "$work/both"
    out_has "1 of 3 repeat another, 1 of them exactly"
done
echo '{"image": "1.png", "audio": "lost.wav", "caption": "a tone"}' > "$work/both/lost.jsonl"
expect 1 data stats --json "$work/both/lost.jsonl"
out_has '"unreadable": 1'
err_has "lost.wav"
# Repeats: the same samples; as another encoder left them; another tone is none.
expect 0 data duplicates "$work/train"
out_has "0 of 6 repeat another"
expect 0 data overlap "$work/train" "$work/set/notes"
out_has "2 of 2 are also among the other 6, 2 of them exactly"
if command -v ffmpeg > /dev/null; then
    mkdir "$work/first" "$work/again" # two that fall, of one length, and the second once more
    for k in 1 2; do
        ffmpeg -nostdin -v error -y -f lavfi -i "aevalsrc=0.3*sin(2*PI*$k*(1800*t-500*t*t))*(0.6+0.4*sin(9*t)):s=16000:d=1.5" \
            "$work/first/$k.wav"
    done
    ffmpeg -nostdin -v error -y -i "$work/first/2.wav" -ar 22050 -c:a libvorbis "$work/again/x.ogg"
    expect 0 data overlap --json "$work/first" "$work/again"
    lines 1
    out_has 'first/2.wav", "b"'
    out_has '"exact": false'
    expect 0 data overlap --difference 0 "$work/first" "$work/again"
    out_has "0 of 1 are also"
fi

# ---- classify: folders, shards, manifests, lists; sheets, files into folders ----
mkdir -p "$work/mixed/below"
cp "$work"/train/*/*.wav "$work/mixed/below"
cp "$goldens/media/palette.png" "$work/mixed"
expect 0 classify -m "$m" --labels low,high "$work/mixed" --csv -k 1
lines 7
out_has "mixed/below/200.wav,"
err_lines 1
err_has "1 pictures were passed over: the model hears"
expect 0 classify -m "$m" --labels low,high "$work/shard-000000.tar" --json --summary
lines 9
out_has 'shard-000000.tar/000000007.wav", "labels"'
out_has '{"pictures": 0, "films": 0, "recordings": 8, "failed": 0, "none": 0, "counts"'
quiet
expect 0 classify -m "$m" --labels low,high "pipe:cat $work/shard-000000.tar" "$work/all.jsonl" --csv
lines 17
expect 0 classify -m "$m" --labels low,high "$work/mixed" --csv -k 2
cp "$out" "$work/by-folder"
find "$work/mixed" -name "*.wav" | sort | "$sensus" classify -m "$m" --labels low,high --files-from - --csv -k 2 > "$out" 2> "$err"
cmp -s "$work/by-folder" "$out" || fail "a list gives other answers than the folder"
cp "$work/text.npy" "$work/mixed/broken.ogg"
expect 1 classify -m "$m" --labels low,high "$work/mixed" --summary --sheets "$work/sheets" -k 1
err_has "broken.ogg: no film or recording that is known, or damaged"
err_has "6 recordings, 1 failed"
rm "$work/mixed/broken.ogg"
expect 0 classify -m "$m" --labels low,high "$work/shard-000000.tar" --sheets "$work/shard-sheets" -k 1
have_spectrograms() {
    "$python" - "$work/$1" <<'PY' || fail "$1 show no spectrograms"
import glob, sys
from PIL import Image
files = glob.glob(sys.argv[1] + "/*.png")
assert files
for file in files: # a spectrogram is mostly dark, all else of a sheet is light
    image = Image.open(file).convert("L")
    dark = sum(image.histogram()[:90])
    assert dark > 8000, (file, dark)
PY
}
have_spectrograms sheets
have_spectrograms shard-sheets
expect 0 classify -m "$m" --labels low,high "$work/mixed" --into "$work/sorted" --move --apply
[ "$(find "$work/sorted" -name "*.wav" | wc -l)" = 6 ] || fail "six recordings were to be moved"
[ -e "$work/mixed/palette.png" ] || fail "a picture was moved"
expect 0 classify -m "$m" --labels low,high "$work/mixed"
err_has "no recordings there"
expect 0 eval retrieval -m "$m" --manifest "$work/all.jsonl"
out_has "8 sounds"
out_has "sound to text"
expect 0 eval retrieval -m "$m" --manifest "$work/all.jsonl" --json
out_has '"sounds":true'
expect 0 eval zero-shot -m "$m" --manifest "$work/test" -t "a {} tone"
out_has "zero-shot: 2 sounds, 2 classes"
expect 0 eval probe -m "$m" --train "$work/train" --test "$work/test"
out_has "6 training sounds, 2 test sounds"

expect 2 eval spoken --manifest "$work/all.jsonl"
expect 1 eval spoken -m "$m" --pictures-model "$m" --manifest "$work/all.jsonl"
err_has "one model must hear and the other see"
expect 1 eval spoken -m "$m" --pictures-model "$goldens/clip" --manifest "$work/all.jsonl"

expect 0 model quantize "$m" --type bf16 -o "$work/bf16"
expect 0 embed -m "$work/bf16" "$one"

# ---- a catalog that hears ----
mkdir "$work/files"
cp "$work/train/low/200.wav" "$work/train/high/1500.wav" "$work/files"
SENSUS_CATALOG=$work/hears.db
export SENSUS_CATALOG
expect 0 index -m "$m" "$work/files"
out_has "2 new"
expect 0 search "a low tone"
grep -qE '(200|1500)\.wav 0:00\.0-0:00\.[1-5] \(peak 0:00\.[0-5]\)$' "$out" || fail "no moment of a recording"
expect 0 classify -m "$m" --labels low,high --json "$work/files/200.wav"
mv "$out" "$work/by-file"
expect 0 classify --catalog "$work/hears.db" --labels low,high --json
grep -F 200.wav "$out" | cmp -s - "$work/by-file" || fail "a recording in a catalog has another answer than its file"
err_has "recordings, by their sound: 2"
expect 0 classify --catalog "$work/hears.db" --labels low,high --sheets "$work/catalog-sheets"
have_spectrograms catalog-sheets
expect 0 search -n 1 --json "$work/files/200.wav"
out_has '200.wav", "start": 0.000000'
expect 0 search --relevant --least -100 "a low tone"
# A recording that is a query is decoded in a process of its own, and so is a film's sound; three quarters of an
# hour, so that this process is caught at it.
"$python" - "$work/long.wav" <<'PY'
import struct, sys
n = 8000 * 45 * 60
with open(sys.argv[1], "wb") as f:
    f.write(b"RIFF" + struct.pack("<I", 36 + n) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
            + b"data" + struct.pack("<I", n))
    f.truncate(44 + n)
PY
ln -s long.wav "$work/long.mp4"
disturb() { # HOW WORDS... : the query fails with these words, in one line
    "$python" "$here/disturb_decoder.py" "$1" "$sensus" search "a low tone" + "$work/$2" > "$out" 2> "$err"
    [ $? = 1 ] || fail "search with a $1: not exit 1"
    err_lines 1
    err_has "$work/$2: $3"
}
disturb crash long.wav "its decoder crashed"
disturb hang long.wav "its decoder hung for 62 seconds"
disturb memory long.wav "decoding it takes more than 4096 MiB of memory"
disturb crash long.mp4 "its decoder crashed"
"$python" "$here/disturb_decoder.py" crash "$sensus" search "a low tone" > "$out" 2> "$err"
[ $? = 99 ] || fail "a query of text starts a process that decodes"
expect 1 search nowhere.wav
err_has "no such recording"
expect 0 search "a low tone" --html "$work/heard.html" --png "$work/heard.png"
grep -q '<audio controls' "$work/heard.html" || fail "the page plays no recording"

# ---- pictures and sound, by two models of one space ----
"$tiny" "$work/sees" 1 > /dev/null 2>&1
expect 0 classify -m "$work/sees" --labels low,high "$work/train" "$goldens/media/palette.png" -k 1
err_has "6 recordings or films were passed over: the model sees"
expect 0 train --steps 2 --batch 4 --data "$work/all.jsonl" --init "$work/sees" --lock-text --sound cnn --cnn-width 4 \
    --cnn-layers 1,1 --window 0.3 --mels 32 --out "$work/space"
two="--catalog $work/two.db"
"$python" - "$work/files" <<'PY'
import sys
from PIL import Image
for k in range(6):
    Image.new("RGB", (32, 32), (40 * k, 250 - 40 * k, 128)).save(f"{sys.argv[1]}/{k}.png")
PY
expect 1 index $two -m "$work/sees" --sound-model "$m" "$work/files"
err_has "of two spaces"
expect 1 index $two -m "$work/sees" --sound-model "$work/sees" "$work/files"
err_has "does not hear"
expect 0 index $two -m "$work/sees" --sound-model "$work/space/model" "$work/files"
out_has "8 new"
expect 0 index $two "$work/files" # both models are remembered
out_has "8 unchanged"
expect 0 index $two --sound-weight 0.7 "$work/files"
out_has "8 unchanged"
expect 2 index $two --sound-weight 101 "$work/files"
expect 0 index $two --verify
expect 0 search $two -n 20 "a dog"
lines 8
expect 0 search $two -n 20 "$work/files/1500.wav" - "$work/files/1.png"
lines 8
expect 0 classify -m "$work/space/model" --labels low,high --none 1 --json "$work/files/200.wav"
mv "$out" "$work/by-file"
expect 0 classify $two --labels low,high --none 1 --json
lines 8
grep -F 200.wav "$out" | cmp -s - "$work/by-file" || fail "a recording is not judged by the model that hears"
expect 0 search $two -n 20 --relevant --least -100 "a dog"
lines 8
if command -v ffmpeg > /dev/null; then
    ffmpeg -nostdin -v error -y -f lavfi -i testsrc=s=64x64:r=10:d=3 -i "$work/files/200.wav" -c:v mpeg4 -c:a aac \
        "$work/files/both.mp4"
    ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=64x64:r=10:d=2 -c:v mpeg4 "$work/files/silent.mp4"
    expect 0 index $two "$work/files"
    out_has "2 new"
    quiet
    expect 0 search $two -n 40 --json "a dog"
    out_has "both.mp4"
    out_has "silent.mp4"
    # The model that hears comes later: films are listened to, their pictures stay.
    later="--catalog $work/later.db"
    expect 0 index $later -m "$work/sees" "$work/files"
    out_has "8 new"
    expect 1 index $later --sound-model "$m" "$work/files"
    err_has "of two spaces"
    expect 0 index $later --sound-model "$work/space/model" --sound-weight 0.7 "$work/files"
    out_has "2 new, 2 changed, 0 removed, 0 unreadable, 0 moved, 6 unchanged"
    quiet
    expect 0 search $later -n 40 --json "a dog"
    mv "$out" "$work/found"
    expect 0 search $two -n 40 --json "a dog"
    cmp -s "$out" "$work/found" || fail "a model that came later gives other answers than one that was there"
    mv "$work/space/model" "$work/elsewhere"
    expect 1 index $later "$work/files"
    err_has "say --sound-model DIR"
    expect 0 index $later --sound-model "$work/elsewhere" "$work/files"
    out_has "10 unchanged"
    mv "$work/elsewhere" "$work/space/model"
    expect 1 index -m "$m" "$work/files"
    out_has "1 new"
    err_has "silent.mp4: no sound in it"
fi

# The model that ships: what it says of itself, its size, that it hears.
ships=$(dirname "$sensus")/../../models/sensus-sound
if [ -d "$ships" ]; then
    expect 0 model info "$ships"
    out_has "audio tower"
    expect 0 embed -m "$ships" "$one" "$work/test/low/420.wav"
    [ "$(wc -l <"$out")" = 2 ] || fail "the shipped model does not hear"
    kilobytes=$(du -sk --apparent-size "$ships" | cut -f1)
    [ "$kilobytes" -le 8000 ] || fail "the shipped model has $kilobytes KB"
fi

[ $failures = 0 ] || echo "$failures failures" >&2
[ $failures = 0 ]
