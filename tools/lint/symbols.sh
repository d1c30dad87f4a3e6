#!/bin/sh
# Every global symbol of the libraries starts with sns_: symbols.sh BUILD_DIR
set -eu
bad=$(
    {
        nm -D --defined-only "$1"/libsensus.so
        nm --defined-only --extern-only "$1"/libsensus-internal.a 2>/dev/null
    } | awk 'NF == 3 && $3 !~ /^sns_/ && $3 !~ /^(_init|_fini|__|_edata|_end|\.gomp)/ { print $3 }' | sort -u
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
