#!/bin/sh
# Speed beside peers: run.sh BUILD_DIR [--quick] [--threads N] [--model DIR] [--only LINE[,LINE]...]
# Prints a line each, writes BUILD_DIR/bench.json and BUILD_DIR/bench.html. README.md says what the lines mean.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] && [ -d "$1/bench" ] || {
    echo "usage: bench/run.sh BUILD_DIR [--quick] [--threads N] [--model DIR] [--only LINE,...]" >&2
    exit 2
}
build=$1
shift

# ONNX Runtime's package brings its library for the processor; its install script would fetch one for GPUs.
npm_dir=${XDG_CACHE_HOME:-$HOME/.cache}/sensus-bench
if [ ! -d "$npm_dir/node_modules/sqlite-vec" ] && command -v npm >/dev/null; then
    mkdir -p "$npm_dir"
    npm install --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$npm_dir" onnxruntime-node sqlite-vec \
        >"$npm_dir/install.log" 2>&1 || echo "onnxruntime-node, sqlite-vec were not installed: $npm_dir/install.log" >&2
fi
export NODE_PATH="$npm_dir/node_modules"

# These halve OpenBLAS's speed where a shell sets them; peers and sensus run without them alike.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS NVPL_BLAS_DEBUG_CPU_TYPE OMP_NUM_THREADS SENSUS_CPU
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$here/bench.py" "$build" "$@"
