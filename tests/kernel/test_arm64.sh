#!/bin/sh
# test_arm64.sh - the kernels for 64-bit Arm: cross-compiled with the tests beside this file, run by qemu.
# `make arm64` does the same to the whole program.
set -eu
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    if ! command -v $tool > /dev/null; then
        echo "skipped: no $tool (Debian's packages gcc-aarch64-linux-gnu and qemu-user)"
        exit 77
    fi
done
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
OMP_NUM_THREADS=1 # the tests set what they need
export OMP_NUM_THREADS

compile() {
    $cc -std=gnu11 -O3 -fopenmp -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-unused-parameter \
        -Isrc -Iinclude -Itests/kernel/arm64 -include src/base/banned.h "$@"
}

for source in src/base/error.c src/base/memory.c src/base/rng.c src/kernel/attention_layout.c src/kernel/conv_plain.c \
    src/kernel/conv_shape.c src/kernel/cpu.c src/kernel/gemm_plain.c src/kernel/kernel_neon.c src/kernel/kernel_ref.c; do
    compile -c "$source" -o "$work/$(basename "$source" .c).o"
done
failed=0
for name in kernel half attention_kernel gemm conv; do
    compile "tests/kernel/test_$name.c" "$work"/*.o -lm -o "$work/test_$name"
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/test_$name" > "$work/out" 2>&1 || failed=1
    cat "$work/out"
    # Nothing may be passed over: these are the fast kernels' only tests on this processor.
    if grep -q SKIPPED "$work/out"; then failed=1; fi
done
exit $failed
