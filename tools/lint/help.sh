#!/bin/sh
# help.sh BUILD_DIR - the words of -h are those of the man page, for every command.
# Both are made from one table; this looks at what people read, so a slip in either printer shows.
set -eu
sensus=$1/cli/sensus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -h without its headings: one word a line.
help_words() {
    sed -e 's/^usage: //' -e '/^Options:$/d' -e '/^Examples:$/d' | tr -s ' \n' '\n\n' | sed '/^$/d'
}

# A man page from SYNOPSIS to EXIT STATUS without requests and fonts: one word a line.
man_words() {
    sed -e '1,/^\.SH SYNOPSIS/d' -e '/^\.SH EXIT STATUS/,$d' -e '/^\.\(SH\|PP\|TP\|nf\|fi\)/d' \
        -e 's/\\f[BIR]//g' -e 's/\\&//g' -e 's/\\-/-/g' -e 's/\\e/\\/g' |
        tr -s ' \n' '\n\n' | sed '/^$/d'
}

status=0
"$sensus" --commands > "$work/commands"
while read -r name; do
    # shellcheck disable=SC2086  # a command's name may be two words
    "$sensus" $name -h | help_words > "$work/help"
    # shellcheck disable=SC2086
    "$sensus" --man $name | man_words > "$work/man"
    if ! cmp -s "$work/help" "$work/man"; then
        echo "sensus $name: -h and the man page differ:" >&2
        diff "$work/help" "$work/man" >&2 || true
        status=1
    fi
done < "$work/commands"
exit $status
