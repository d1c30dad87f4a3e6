#!/bin/sh
# Run a fuzz target (or all) for RUNS inputs under ASan and UBSan: fuzz.sh TARGET|all [RUNS]
# A target is tests/fuzz/fuzz_TARGET.c and one line below that says which sources it needs beyond
# src/base and src/kernel. Inputs found so far are kept in build-fuzz/corpus.
set -eu
target=$1 runs=${2:-1000000}
out=build-fuzz
flags="-std=gnu11 -g -O1 -D_GNU_SOURCE -Wno-unknown-pragmas -Iinclude -Isrc -include src/base/banned.h $(pkg-config --cflags vips libavformat libavcodec libswresample)"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
clip="$(echo src/model/*.c src/tensor/*.c) src/kernel/gemm.c src/kernel/packed.c src/kernel/packed_memory.c src/kernel/packed_narrow.c src/kernel/packed_source.c src/kernel/conv.c src/kernel/conv_shape.c src/kernel/onednn.c"

sources() {
    case $1 in
    safetensors) echo "$clip" ;;
    config) echo "$clip" ;;
    gguf) echo "$clip" src/prep/bpe.c src/prep/json_scan.c src/prep/preprocess.c src/prep/resize.c src/prep/text_normalize.c \
        src/prep/text_scan.c src/prep/token_index.c src/prep/tokenizer.c src/prep/tokenizer_build.c \
        src/prep/tokenizer_gguf.c src/prep/tokenizer_load.c src/prep/unigram.c src/prep/unigram_load.c ;;
    classifier) echo src/embed/classifier_data.c src/embed/classifier_file.c src/tensor/blocks.c src/tensor/safetensors*.c ;;
    image) echo src/media/image.c src/media/image_kind.c src/media/image_rows.c src/media/image_vips.c src/media/svg_view.c ;;
    preprocess) echo src/prep/preprocess.c src/prep/resize.c src/tensor/blocks.c src/tensor/gguf.c src/tensor/safetensors.c src/media/image.c src/media/image_kind.c src/media/image_rows.c src/media/image_vips.c src/media/svg_view.c ;;
    tokenizer) echo src/prep/bpe.c src/prep/json_scan.c src/prep/text_scan.c src/prep/token_index.c \
        src/prep/tokenizer.c src/prep/tokenizer_build.c src/prep/tokenizer_gguf.c src/prep/tokenizer_load.c \
        src/prep/text_normalize.c src/prep/unigram.c src/prep/unigram_load.c src/tensor/blocks.c src/tensor/gguf.c \
        src/tensor/safetensors.c ;;
    robustness) echo src/score/robustness*.c src/score/report.c ;;
    video) echo src/media/av_*.c src/media/frame_convert.c src/media/look.c src/media/shots.c src/media/tone_map.c \
        src/media/video.c src/media/image.c src/media/image_kind.c src/media/image_rows.c src/media/image_vips.c src/media/svg_view.c ;;
    sound) echo src/media/*.c src/prep/log_mel.c src/prep/log_mel_config.c ;;
    suite) echo src/score/suite_read.c ;;
    tar) echo src/train/brace.c src/train/dataset.c src/train/dataset_json.c src/train/dataset_manifest.c \
        src/train/dataset_shard.c src/train/pair_reader.c src/train/tar_format.c src/train/tar_reader.c \
        src/train/tar_stream.c src/media/sound_kind.c ;;
    *)
        echo "fuzz.sh: no target '$1'" >&2
        exit 2
        ;;
    esac
}

# One object a source, made again when the source or any header is newer.
object() {
    o=$out/$(echo "$1" | tr / _).o
    isa=
    case $(uname -m)/$1 in
    x86_64/*_neon.c | aarch64/*_avx*.c) return 0 ;; # another processor's
    *_avx2.c) isa="-mavx2 -mfma -mf16c" ;;
    *_avx512.c) isa="-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c" ;;
    *_avx512vnni.c) isa="-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c" ;;
    *_avx512bf16.c) isa="-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c" ;;
    esac
    if [ ! -f "$o" ] || [ -n "$(find "$1" src include -name '*.h' -newer "$o" | head -n 1)" ] || [ "$1" -nt "$o" ]; then
        # shellcheck disable=SC2086
        clang $flags $isa $sanitize -fsanitize=fuzzer-no-link -c "$1" -o "$o"
    fi
    echo "$o"
}

run() {
    objects=
    needed=$(sources "$1")
    for s in src/base/*.c src/kernel/attention_layout.c src/kernel/cpu.c src/kernel/kernel_*.c $needed "tests/fuzz/fuzz_$1.c"; do
        objects="$objects $(object "$s")"
    done
    # shellcheck disable=SC2086
    clang $sanitize -fsanitize=fuzzer $objects -o "$out/fuzz_$1" $(pkg-config --libs jansson libutf8proc libpcre2-8 vips libavformat libavcodec libavutil libswscale libswresample) -ldnnl -lgomp -lm -lpthread
    mkdir -p "$out/corpus/$1" "$out/crash"
    python3 tests/fuzz/seeds.py "$1" "$out/corpus/$1"
    echo "fuzzing $1: $runs runs"
    status=0
    "$out/fuzz_$1" -runs="$runs" -max_len=8192 -timeout=20 -rss_limit_mb=2048 -dict=tests/fuzz/json.dict \
        -artifact_prefix="$out/crash/$1-" "$out/corpus/$1" >"$out/$1.log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        grep '^Done ' "$out/$1.log"
    else
        tail -n 40 "$out/$1.log"
        exit 1
    fi
}

mkdir -p "$out"
if [ "$target" = all ]; then
    for f in tests/fuzz/fuzz_*.c; do
        name=${f#tests/fuzz/fuzz_}
        run "${name%.c}"
    done
else
    run "$target"
fi
