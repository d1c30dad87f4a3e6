#!/bin/sh
# test_processors.sh fast|long BUILD PYTHON - one binary on many processors: emulated from those that have nothing beyond
# SSE2 to those with AVX2, each must choose its kernels by itself, run no instruction that it lacks, and give the vectors of
# the real one. qemu emulates no AVX-512: that is looked for on the real processor.
set -u
suite=$1
build=$(realpath "$2")
python=$3
sensus=$build/cli/sensus
if ! command -v qemu-x86_64 > /dev/null; then
    echo "skipped: no qemu-x86_64 (Debian's package qemu-user)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
unset SENSUS_CPU SENSUS_MODEL SENSUS_CATALOG
HOME=$work/home
XDG_DATA_HOME=$work/data
OMP_NUM_THREADS=1
export HOME XDG_DATA_HOME OMP_NUM_THREADS

fail() {
    echo "FAIL: $*" >&2
    failures=$((failures + 1))
}

# emulate PROCESSOR COMMAND... : what qemu lacks of a processor (nothing that is tested here) it says, and is not repeated.
emulate() {
    processor=$1
    shift
    qemu-x86_64 -cpu "$processor" "$@" 2> "$work/err"
    code=$?
    grep -v "TCG doesn't support" "$work/err" >&2
    return $code
}

# same FILE FILE : two .npy of the same shape, every number within 1e-5.
same() {
    "$python" - "$@" <<'PY'
import struct, sys
def read(path):
    data = open(path, "rb").read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return data[10:start], struct.unpack("<%df" % ((len(data) - start) // 4), data[start:])
(head, a), (other, b) = read(sys.argv[1]), read(sys.argv[2])
sys.exit(not (head == other and a and max(abs(x - y) for x, y in zip(a, b)) <= 1e-5))
PY
}

# Does the emulator refuse what a processor lacks? Without this the rest would prove nothing.
emulate Haswell "$build/tests/cli/uses_avx2" || fail "AVX2 does not run where it should"
if emulate qemu64 "$build/tests/cli/uses_avx2" 2> /dev/null; then fail "AVX2 runs on a processor without it"; fi

if [ "$suite" = long ]; then
    model=$build/../models/sensus-small
else
    model=$work/model
    "$build/tests/cli/tiny_model" "$model" 1 > /dev/null 2>&1 || fail "no model"
fi
SENSUS_MODEL=$model
export SENSUS_MODEL
mkdir "$work/pictures"
media=$(dirname "$0")/../goldens/media
cp "$media/exif6.jpg" "$media/palette.png" "$media/lossy.webp" "$work/pictures"

# on PROCESSOR TABLE : all that a user does, on a processor that must choose this table.
on() {
    emulate "$1" "$sensus" --version > "$work/out" || fail "$1: --version"
    grep -q "^kernels *$2," "$work/out" || fail "$1: not the kernels $2: $(grep kernels "$work/out")"
    emulate "$1" "$sensus" embed --text "a red apple" -o "$work/text.npy" || fail "$1: embed --text"
    same "$work/text.npy" "$work/want-text.npy" || fail "$1: another vector of a text"
    emulate "$1" "$sensus" embed "$work"/pictures/* -o "$work/pictures.npy" || fail "$1: embed"
    same "$work/pictures.npy" "$work/want-pictures.npy" || fail "$1: other vectors of pictures"
    rm -f "$work"/c.db*
    emulate "$1" "$sensus" index --catalog "$work/c.db" "$work/pictures" > "$work/out" || fail "$1: index"
    emulate "$1" "$sensus" search --catalog "$work/c.db" "a red apple" > "$work/found" || fail "$1: search"
    cmp -s "$work/found" "$work/want-found" || fail "$1: search finds something else"
}

# tests PROCESSOR NAME... : programs of tests/kernel. Those of the fast kernels are skipped where there are none.
tests() {
    processor=$1
    shift
    for name; do
        [ -x "$build/tests/kernel/test_$name" ] || continue # gemm_plain: not beside itself
        emulate "$processor" "$build/tests/kernel/test_$name" > "$work/out" 2>&1 || {
            fail "$processor: test_$name"
            cat "$work/out" >&2
        }
    done
}

# The shipped model is int8. Where a processor has no products in int8 it is multiplied in f32, here too when lowered.
if [ "$suite" = long ]; then export SENSUS_CPU=avx2; fi
"$sensus" embed --text "a red apple" -o "$work/want-text.npy" || fail "embed --text"
"$sensus" embed "$work"/pictures/* -o "$work/want-pictures.npy" || fail "embed"
"$sensus" index --catalog "$work/c.db" "$work/pictures" > "$work/out" || fail "index"
"$sensus" search --catalog "$work/c.db" "a red apple" > "$work/want-found" || fail "search"
unset SENSUS_CPU

baseline=qemu64,-sse3,-ssse3,-cx16
on $baseline ref
on Haswell avx2
tests $baseline kernel half tile
tests Haswell kernel half tile
if [ "$suite" = long ]; then
    on Nehalem ref   # SSE4.2
    on IvyBridge ref # AVX and half floats, no AVX2
    on EPYC avx2
    tests $baseline gemm gemm_plain conv conv_plain
    tests Haswell gemm conv attention_kernel
fi
# Each thing that the AVX2 kernels need; without xsave the operating system does not keep their registers.
for lacks in xsave avx avx2 fma f16c; do
    emulate "Haswell,-$lacks" "$sensus" --version > "$work/out" || fail "Haswell without $lacks"
    grep -q "^kernels *ref," "$work/out" || fail "Haswell without $lacks: $(grep kernels "$work/out")"
done

# The real processor: the best that it has, lowered by SENSUS_CPU.
has() {
    for flag; do grep -qw "$flag" /proc/cpuinfo || return 1; done
}
best=ref
has avx2 fma f16c && best=avx2
has avx2 fma f16c avx512f avx512bw avx512dq avx512vl && best=avx512
[ $best = avx512 ] && has avx512_vnni && best=avx512vnni
[ $best = avx512vnni ] && has avx512_bf16 && best=avx512bf16
"$sensus" --version | grep -q "^kernels *$best," || fail "this processor has $best"
for lower in avx2 ref; do
    [ $best = ref ] && lower=ref
    SENSUS_CPU=$lower "$sensus" --version | grep -q "^kernels *$lower," || fail "SENSUS_CPU=$lower"
done
[ $failures = 0 ]
