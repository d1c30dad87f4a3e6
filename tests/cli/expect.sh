# expect.sh - run sensus and say what was not as expected. Sourced with $sensus, $work set; counts in $failures.
out=$work/out
err=$work/err
failures=0

fail() {
    echo "FAIL: $*" >&2
    sed 's/^/  out: /' "$out" >&2
    sed 's/^/  err: /' "$err" >&2
    failures=$((failures + 1))
}

# expect CODE ARGUMENT... : run sensus and compare its exit code.
expect() {
    want=$1
    shift
    "$sensus" "$@" > "$out" 2> "$err"
    got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: sensus $*"
}
out_has() { grep -qF -e "$1" "$out" || fail "standard output lacks '$1'"; }
err_has() { grep -qF -e "$1" "$err" || fail "standard error lacks '$1'"; }
err_lines() { [ "$(wc -l < "$err")" = "$1" ] || fail "standard error has not $1 lines"; }
quiet() { [ ! -s "$err" ] || fail "standard error is not empty"; }
lines() { [ "$(wc -l < "$out")" = "$1" ] || fail "standard output has not $1 lines"; }
