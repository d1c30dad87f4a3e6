#!/bin/sh
# The demonstration: a thousand pictures that the model never saw, found by describing them. demo.sh BUILD_DIR
# The pictures are the stamps of Tux Paint (Debian's tuxpaint-stamps-default).
set -eu
build=$1
sensus=$build/cli/sensus
stamps=/usr/share/tuxpaint/stamps
out=$build/demo
export SENSUS_MODEL="${SENSUS_MODEL:-$PWD/models/sensus-small}"
export SENSUS_CATALOG="$PWD/$out/catalog.db"
mkdir -p "$out"
# A catalog belongs to one model: start afresh when the model is newer.
[ -z "$(find "$SENSUS_MODEL/" -newer "$SENSUS_CATALOG" 2>/dev/null)" ] || rm -f "$SENSUS_CATALOG"*

say() { printf '\n\033[1m$ sensus %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n$ sensus %s\n' "$*"; }

say index $stamps
"$sensus" index "$stamps" || [ $? = 1 ] # a file that can't be read is reported, and no reason to stop

picture=$stamps/animals/birds/penguin.png
[ -f "$picture" ] || picture=$(find "$stamps" -name '*.png' | sort | head -1)

say search -n 5 "a red apple"
"$sensus" search -n 5 "a red apple"
say search -n 5 "une fleur jaune"
"$sensus" search -n 5 "une fleur jaune"
say search -n 5 "$picture"
"$sensus" search -n 5 "$picture"
say search -n 5 "$picture" + "a flower" - "a bird"
"$sensus" search -n 5 "$picture" + "a flower" - "a bird"
say classify --labels penguin,car,flower,apple,dog "$picture"
"$sensus" classify --labels penguin,car,flower,apple,dog "$picture"

cat >"$out/queries.txt" <<EOF
a red apple
une fleur jaune
$picture
$picture + a flower - a bird
EOF
"$sensus" search -n 5 --queries "$out/queries.txt" --html "$out/sheet.html" --png "$out/sheet.png" >/dev/null
printf '\nThe same as pictures:\n  %s\n  %s\n' "$PWD/$out/sheet.html" "$PWD/$out/sheet.png"
printf 'Your own: %s index ~/Pictures; %s search "a dog on a beach"\n' "$sensus" "$sensus"
