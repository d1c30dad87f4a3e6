#!/bin/sh
# Build and run a suite of tests: run_tests.sh BUILD_DIR SUITE [meson options]. With TESTS, only those of it.
# Ends with "N passed, N failed, N skipped", counted over the cases of all test programs.
set -eu
build=$1 suite=$2
shift 2
[ -f "$build/build.ninja" ] || meson setup "$build" "$@" >/dev/null
# Made before cmocka was installed (by make demo), it has no tests.
[ -d "$build/tests" ] || meson setup --reconfigure "$build" >/dev/null
ninja -C "$build" --quiet
# libvips and its loaders keep what they opened until exit; their leaks are not ours to fail on.
# Scanning the thread storage of libraries that were loaded late can crash LeakSanitizer itself ("Tracer caught signal 11").
export LSAN_OPTIONS="suppressions=$PWD/tools/lsan.supp:print_suppressions=0:use_tls=0"
# Tests ask for more memory than there is, and expect to be refused as malloc does it.
export ASAN_OPTIONS="allocator_may_return_null=1"
status=0
# shellcheck disable=SC2086
meson test -C "$build" ${TESTS:-} --no-rebuild --suite "$suite" --timeout-multiplier 10 --print-errorlogs || status=$?
# cmocka prints one line a case; a program without cases (a script) counts as one.
awk -v status="$status" '
    function finish() {
        if (code == "") return
        if (code == 77) skipped += cases ? 0 : 1
        else if (code == 0) passed += cases ? 0 : 1
        else if (!bad) failed++
        code = ""
        cases = bad = 0
    }
    /^=+ [0-9]+\/[0-9]+ =+$/ { finish() }
    /^\[       OK \]/ { passed++; cases++ }
    /^\[  FAILED  \] [a-z]/ { failed++; cases++; bad++ }
    /^\[  SKIPPED \] [a-z]/ { skipped++; cases++ }
    /^result: / { match($0, /exit status [0-9]+/); code = RSTART ? substr($0, RSTART + 12, RLENGTH - 12) : 1 }
    END {
        finish()
        if (status != 0 && !failed) failed = 1
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    }' "$build/meson-logs/testlog.txt"
exit "$status"
