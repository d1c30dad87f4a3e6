#!/bin/sh
# Every check of the tree that needs no test run: lint.sh BUILD_DIR. Prints one line a check; exit 1 if any fails.
set -u
build=$1
failed=0
check() { # name, command...
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "ok    $name"
    else
        echo "FAIL  $name"
        echo "$out" | sed 's/^/      /'
        failed=1
    fi
}

check "formatting" sh -c 'git ls-files "*.c" "*.h" | xargs clang-format --dry-run -Werror'
check "dependency law" python3 tools/lint/dependencies.py
check "symbols start with sns_" tools/lint/symbols.sh "$build"
check "public headers compile alone" tools/lint/headers.sh
check "banned calls" tools/lint/banned.sh
check "names, READMEs, words" python3 tools/lint/tree.py
check "help equals man page" tools/lint/help.sh "$build"
exit $failed
