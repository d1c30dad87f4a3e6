#!/bin/sh
# The help of every command says what its man page says: help.sh BUILD_DIR
set -eu
sensus=$1/cli/sensus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

words() { tr -s ' \n\t' '\n\n\n' | sed 's/[,.;:]*$//' | sort -u; }

"$sensus" --commands | while read -r name; do
    # shellcheck disable=SC2086  # a command's name may be two words
    {
        "$sensus" $name -h | sed 's/^usage: *//; s/^Options:$//; s/^Examples:$//; s/\[OPTIONS\]//' | words >"$work/help"
        "$sensus" --man $name | sed 's/^\.[A-Z]* *//; s/\\f[BIRP]//g; s/\\-/-/g; s/\\&//g; s/\\e/\\/g; s/"//g' | words >"$work/man"
    }
    tr -d '"' <"$work/help" | sort -u | comm -23 - "$work/man" >"$work/only-help"
    grep '^--' "$work/man" | comm -23 - "$work/help" >"$work/only-man" || true
    if [ -s "$work/only-help" ] || [ -s "$work/only-man" ]; then
        echo "$name: only in -h: $(tr '\n' ' ' <"$work/only-help") only in the man page: $(tr '\n' ' ' <"$work/only-man")"
    fi
done >"$work/problems"
cat "$work/problems"
[ ! -s "$work/problems" ]
