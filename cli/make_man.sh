#!/bin/sh
# make_man.sh SENSUS FOLDER - a man page for sensus and for each of its commands.
set -eu
sensus=$1
folder=$2
rm -rf "$folder"
mkdir -p "$folder"
"$sensus" --man > "$folder/sensus.1"
"$sensus" --commands | while read -r name; do
    page=$(printf '%s' "$name" | tr ' ' '-')
    # shellcheck disable=SC2086  # a command's name may be two words
    "$sensus" --man $name > "$folder/sensus-$page.1"
done
