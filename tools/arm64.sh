#!/bin/sh
# The whole program for 64-bit Arm, cross-built on a Debian x86-64 and tested by emulation: arm64.sh BUILD_DIR [meson options]
# The libraries of arm64 come into BUILD_DIR/sysroot from the archives that apt is set up with; the system itself is not
# changed. Ends with "N passed, N failed, N skipped".
set -eu
build=$1
shift
mkdir -p "$build"
build=$(realpath "$build")
sysroot=$build/sysroot

make_sysroot() {
    apt=$build/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$sysroot.part/usr/lib"
    : > "$apt/status"
    set -- -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    echo "Fetching arm64's libraries" >&2
    apt-get "$@" update > "$build/apt.log"
    apt-get "$@" install -y --no-install-recommends --download-only libc6-dev libgomp1 libcmocka-dev libdnnl-dev \
        libjansson-dev libpcre2-dev libsqlite3-dev libutf8proc-dev libvips-dev \
        libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libswresample-dev >> "$build/apt.log"
    ln -sfn usr/lib "$sysroot.part/lib"
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -xf - -C "$sysroot.part" --keep-directory-symlink
    done
    # Links are from the root of the system that it would be.
    find "$sysroot.part" -type l -lname '/*' | while read -r link; do
        ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$sysroot.part$(readlink "$link")")" "$link"
    done
    rm -r "$apt"
    mv "$sysroot.part" "$sysroot"
}

[ -d "$sysroot" ] || make_sysroot
printf "[constants]\nsysroot = '%s'\n" "$sysroot" > "$build/sysroot.ini"
[ -f "$build/build.ninja" ] || meson setup "$build" --cross-file "$build/sysroot.ini" --cross-file tools/arm64.ini \
    -Dmpi=disabled "$@" > /dev/null
ninja -C "$build" --quiet

# ImageMagick looks for its parts by itself. Tests that start the program again would need the kernel to know of qemu.
MAGICK_CODER_MODULE_PATH=$(echo "$sysroot"/usr/lib/aarch64-linux-gnu/ImageMagick-*/modules-*/coders)
OMP_NUM_THREADS=1
export MAGICK_CODER_MODULE_PATH OMP_NUM_THREADS
qemu-aarch64 -L "$sysroot" "$build/cli/sensus" --version
tests=$(meson test -C "$build" --no-rebuild --list --suite fast 2> /dev/null | sed -n 's|^sensus:fast / ||p' |
    grep -E '^(base|kernel|tensor|media|prep|model|embed|catalog|score)/' | grep -v '/catalog_kill$')
TESTS=$tests tools/run_tests.sh "$build" fast
