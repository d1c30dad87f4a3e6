#!/bin/sh
# Calls that the tree does not make (src/base/banned.h poisons most; this also sees the files outside the build).
set -eu
calls='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|alloca|rand|srand'
bad=$(git ls-files '*.c' '*.h' | grep -v 'src/base/banned.h' |
    xargs grep -nE "(^|[^A-Za-z0-9_])($calls)\(" || true)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
# The library does not print, exit or abort.
bad=$(git ls-files 'src/*.c' | xargs grep -nE '(^|[^A-Za-z0-9_])(printf|puts|perror|exit|abort)\(' || true)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
