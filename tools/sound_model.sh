#!/bin/sh
# Learn a model that hears in the space of the shipped model, and measure it:
#     sound_model.sh SENSUS DATA RUN [OPTION OF sensus train...]
# DATA is what sound_recipe.py wrote. RUN/model is the model, RUN/measures what was measured.
set -eu
sensus=$1 data=$2 run=$3
shift 3
here=$(dirname "$0")
sees=$here/../models/sensus-small

"$sensus" train --data "$data/train.jsonl" --val "$data/concepts.jsonl" --init "$sees" --lock-text --sound cnn \
    --cnn-width 32 --batch 128 --steps 6000 --warmup 300 --lr 0.002 --ema 0.998 --lang-weight en=0.5 --dtype f16 \
    --out "$run" "$@"

{
    echo "## Recordings of concepts that were held out, English texts"
    "$sensus" eval retrieval -m "$run/model" --manifest "$data/concepts.jsonl"
    echo "## Other speakers, known words (KTuberling)"
    "$sensus" eval retrieval -m "$run/model" --manifest "$data/speakers.jsonl"
    if [ -f "$data/digits-test.jsonl" ]; then
        echo "## Spoken digits, zero-shot, two held-out speakers"
        "$sensus" eval zero-shot -m "$run/model" --manifest "$data/digits-test.jsonl" -t "{}" -t "the number {}"
        echo "## Spoken digits, linear probe, the same speakers"
        "$sensus" eval probe -m "$run/model" --train "$data/digits-train.jsonl" --test "$data/digits-test.jsonl"
    fi
    echo "## Spoken queries for pictures (Tux Paint, held-out concepts)"
    "$sensus" eval spoken -m "$run/model" --pictures-model "$sees" --manifest "$data/spoken.jsonl"
    echo "## The same by other speakers, known words"
    "$sensus" eval spoken -m "$run/model" --pictures-model "$sees" --manifest "$data/spoken-words.jsonl"
} | tee "$run/measures"
