#!/bin/sh
# Install what a part of the project needs on Debian: setup.sh PART...
# Parts: build demo test lint fuzz bench recipe sound arm64. Does nothing, quickly, when all is there.
set -eu

dictionaries() { # the pairs of languages that tools/recipe/dictionaries.py reads
    sed -n '/^PAIRS = /,/split()/p' "$(dirname "$0")/recipe/dictionaries.py" | grep -o '[a-z]\{3\}-[a-z]\{3\}' | sed 's/^/dict-freedict-/'
}

packages() {
    case $1 in
    build) echo build-essential meson ninja-build pkg-config libdnnl-dev libvips-dev libsqlite3-dev \
        libjansson-dev libutf8proc-dev libpcre2-dev libopenmpi-dev openmpi-bin \
        libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libswresample-dev ;;
    demo) echo tuxpaint-stamps-default ;;
    test) echo libcmocka-dev ffmpeg python3-torch python3-numpy python3-pil python3-regex ;;
    lint) echo clang-format g++ git ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    bench) echo python3-torch python3-numpy python3-pil python3-faiss python3-onnx libopenblas0-openmp nodejs npm ;;
    recipe) echo unicode-cldr-core fonts-noto-color-emoji openclipart-svg openclipart-png python3-numpy python3-pil \
        python3-fonttools libvips-tools fonts-dejavu-core fonts-dejavu-extra fonts-liberation fonts-freefont-ttf fonts-lato \
        python3-torch python3-regex nodejs npm wordnet-base dataset-fashion-mnist edict pysiogame $(dictionaries) ;;
    sound) echo tuxpaint-stamps-default ktuberling-data klettres-data espeak-ng ;;
    arm64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user pkg-config ;;
    *)
        echo "setup.sh: no part '$1'" >&2
        exit 2
        ;;
    esac
}

have() { # an installed package, or for node and npm a working command
    case $1 in
    nodejs) command -v node >/dev/null 2>&1 ;;
    npm) command -v npm >/dev/null 2>&1 ;;
    *) dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ;;
    esac
}

missing=
for part; do
    for p in $(packages "$part"); do
        have "$p" || missing="$missing $p"
    done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "setup.sh: this system has no apt-get; install by hand:$missing" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "Installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { $sudo apt-get update >/dev/null && $sudo apt-get install -y --no-install-recommends $missing >/dev/null; }
