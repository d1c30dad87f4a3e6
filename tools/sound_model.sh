#!/bin/sh
# Learn a model that hears in the space of the shipped model, keep the words that it needs and the most frequent of others (of
# text files in $CORPUS, at most $TOKENS tokens), round it to int8, and measure it:
#     sound_model.sh SENSUS DATA RUN [OPTION OF sensus train...]
# DATA is what sound_recipe.py wrote, with --languages en or --speech-languages en. RUN/first and RUN/second are the two stages
# (the second hears harder: other speeds, noise, microphones, telephones), RUN/small is the model, RUN/measures what was measured.
set -eu
sensus=$1 data=$2 run=$3
shift 3
here=$(dirname "$0")
sees=$here/../models/sensus-small
mkdir -p "$run"
grep '"lang": "en"' "$data/train.jsonl" > "$run/train.jsonl"
grep '"lang": "en"' "$data/speakers.jsonl" > "$run/watched.jsonl"

learn() {
    stage=$1
    shift
    "$sensus" train --data "$run/train.jsonl" --val "$run/watched.jsonl" --init "$sees" --lock-text --sound cnn \
        --cnn-width 16 --window 1.28 --batch 128 --bf16 --dtype f32 --lang-weight en=1 --out "$run/$stage" "$@"
}

learn first --steps 2000 --warmup 60 --lr 0.003 --ema 0.99 --sound-speed 0.12 --sound-noise 0.3 --sound-filter 4 --sound-phone 0 \
    --sound-mask 0.1 "$@"
learn second --sound-init "$run/first/model" --steps 2000 --warmup 100 --lr 0.0015 --ema 0.995 --text-pull 2 --sound-speed 0.2 \
    --sound-noise 0.5 --sound-filter 8 --sound-phone 0.3 --sound-mask 0.2 "$@"
"$here/sound_vocabulary.py" "$run/second/model" "$run/words" "${TOKENS:-22000}" "$data/train.jsonl" "$data/concepts.jsonl" \
    "$data/speakers.jsonl" ${CORPUS:-}
"$sensus" model quantize "$run/words" --type int8 -o "$run/small"

model=$run/small
{
    echo "## Recordings of concepts that were held out, English texts"
    "$sensus" eval retrieval -m "$model" --manifest "$data/concepts.jsonl"
    echo "## Other speakers, known words (KTuberling)"
    "$sensus" eval retrieval -m "$model" --manifest "$run/watched.jsonl"
    if [ -f "$data/digits-test.jsonl" ]; then
        echo "## Spoken digits, zero-shot, two held-out speakers"
        "$sensus" eval zero-shot -m "$model" --manifest "$data/digits-test.jsonl" -t "{}" -t "the number {}"
        echo "## Spoken digits, linear probe, the same speakers"
        "$sensus" eval probe -m "$model" --train "$data/digits-train.jsonl" --test "$data/digits-test.jsonl"
    fi
    echo "## Spoken queries for pictures (Tux Paint, held-out concepts)"
    "$sensus" eval spoken -m "$model" --pictures-model "$sees" --manifest "$data/spoken.jsonl" --lang en
    echo "## The same by other speakers, known words"
    "$sensus" eval spoken -m "$model" --pictures-model "$sees" --manifest "$data/spoken-words.jsonl" --lang en
} | tee "$run/measures"
