#!/bin/sh
# make_man.sh FOLDER SENSUS... - a man page for sensus and for each of its commands. SENSUS is the program, perhaps after one
# that runs it.
set -eu
folder=$1
shift
rm -rf "$folder"
mkdir -p "$folder"
"$@" --man > "$folder/sensus.1"
"$@" --commands | while read -r name; do
    page=$(printf '%s' "$name" | tr ' ' '-')
    # shellcheck disable=SC2086  # a command's name may be two words
    "$@" --man $name > "$folder/sensus-$page.1" < /dev/null
done
