/* test_sound_hostile.c - recordings that are cut off, mislabelled, empty, tiny, or announce
 * nonsense: heard as far as they go, or refused in one clear line; the same in this process and in
 * one of its own. */
#include "base/file.h"
#include "make_film.h"
#include <math.h>
#include <sensus/sound.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { RATE = 16000 };

static char *dir;
static sns_isolation *isolation;

typedef struct file {
    char *bytes;
    size_t size;
} file;

/* bytes NULL: this ffmpeg does not write such a file, which is told. */
static file made(const char *name, const char *arguments) {
    file f = {0};
    const char *path = film_make(dir, name, arguments);
    if (path && !sns_file_read(path, 1 << 26, &f.bytes, &f.size, NULL) && f.size) return f;
    printf("skipped: this ffmpeg does not write %s\n", name);
    free(f.bytes);
    return (file){0};
}

/* Decode here and elsewhere: the same status, the same samples, or the same line. */
static sns_status decode(const void *bytes, size_t size, sns_sound *out, sns_error *err) {
    const sns_sound_options o = {.rate_hz = RATE},
                            isolated = {.rate_hz = RATE, .isolation = isolation};
    sns_sound there;
    sns_error why = {0};
    *err = (sns_error){0};
    sns_status s = sns_sound_decode(bytes, size, "the-name", &o, out, err);
    assert_int_equal(sns_sound_decode(bytes, size, "the-name", &isolated, &there, &why), s);
    if (s) {
        assert_string_equal(err->message, why.message);
        assert_non_null(strstr(err->message, "the-name"));
        assert_null(strchr(err->message, '\n'));
        assert_null(out->samples);
        assert_null(there.samples);
    } else {
        assert_true(out->count == there.count && out->damaged == there.damaged);
        assert_memory_equal(out->samples, there.samples, out->count * sizeof(float));
    }
    sns_sound_free(&there);
    return s;
}

/* What is heard lasts from `least` to `most` seconds. */
static void lasts(const char *what, const void *bytes, size_t size, double least, double most) {
    sns_sound s;
    sns_error err;
    if (decode(bytes, size, &s, &err)) fail_msg("%s: %s", what, err.message);
    double seconds = (double)s.count / RATE;
    if (!(least <= seconds && seconds <= most))
        fail_msg("%s: %g s, not %g to %g", what, seconds, least, most);
    sns_sound_free(&s);
}

static void refused(const char *what, const void *bytes, size_t size, sns_status expected,
                    const char *line) {
    sns_sound s;
    sns_error err;
    sns_status got = decode(bytes, size, &s, &err);
    if (got != expected) fail_msg("%s: status %d, not %d: %s", what, got, expected, err.message);
    if (!strstr(err.message, line)) fail_msg("%s: '%s' lacks '%s'", what, err.message, line);
}

/* ---- cut off ---- */

#define FOUR_SECONDS "-f lavfi -i anoisesrc=r=44100:d=4:a=0.3:seed=1 "

static void cut_off(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"half.wav", FOUR_SECONDS},
        {"half24.wav", FOUR_SECONDS "-c:a pcm_s24le"},
        {"half.ogg", FOUR_SECONDS "-c:a libvorbis"},
        {"half.opus", FOUR_SECONDS "-c:a libopus"},
        {"half.flac", FOUR_SECONDS},
        {"half.mp3", FOUR_SECONDS "-c:a libmp3lame"},
        {"half.mkv", FOUR_SECONDS "-c:a libvorbis"},
        {"half.webm", FOUR_SECONDS "-c:a libopus"},
        {"first.m4a", FOUR_SECONDS "-c:a aac -movflags +faststart"},
        {"film.mkv", FOUR_SECONDS "-f lavfi -i testsrc=s=64x48:d=4 -c:v mpeg4 -c:a flac"},
        {"film.mp4", FOUR_SECONDS "-f lavfi -i testsrc=s=64x48:d=4 -c:v mpeg4 -c:a aac -movflags "
                                  "+faststart"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = made(cases[i][0], cases[i][1]);
        if (!f.bytes) continue;
        lasts(cases[i][0], f.bytes, f.size, 3.9, 4.2);
        lasts(cases[i][0], f.bytes, f.size / 2, 0.7, 3);
        lasts(cases[i][0], f.bytes, f.size - 1, 2.9, 4.2);
        free(f.bytes);
    }
    /* Its index is at its end: nothing says what the bytes are. */
    file late = made("late.m4a", FOUR_SECONDS "-c:a aac");
    if (late.bytes)
        refused("late.m4a", late.bytes, late.size / 2, SNS_FORMAT,
                "no film or recording that is known, or damaged");
    free(late.bytes);
}

/* The first bytes of a file only. */
static void little_is_left(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"s.wav", FOUR_SECONDS},
                                           {"s.ogg", FOUR_SECONDS "-c:a libvorbis"},
                                           {"s.mkv", FOUR_SECONDS "-c:a flac"},
                                           {"s.m4a", FOUR_SECONDS "-c:a aac -movflags +faststart"}};
    static const size_t sizes[] = {1, 4, 11, 27, 40};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = made(cases[i][0], cases[i][1]);
        for (size_t k = 0; f.bytes && k < sizeof sizes / sizeof *sizes; k++) {
            sns_sound s;
            sns_error err;
            sns_status got = decode(f.bytes, sizes[k], &s, &err);
            if (got != SNS_FORMAT && got != SNS_MISSING)
                fail_msg("%zu bytes of %s: status %d", sizes[k], cases[i][0], got);
        }
        free(f.bytes);
    }
}

/* ---- headers ---- */

static void another_formats_header(void **state) {
    (void)state;
    static const char *const magic[] = {"OggS",  "RIFF", "fLaC", "\x1a\x45\xdf\xa3",
                                        "ID3\4", "%PDF"};
    static const char *const cases[][2] = {{"w.wav", FOUR_SECONDS},
                                           {"w.ogg", FOUR_SECONDS "-c:a libvorbis"},
                                           {"w.flac", FOUR_SECONDS},
                                           {"w.mkv", FOUR_SECONDS "-c:a flac"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = made(cases[i][0], cases[i][1]);
        for (size_t k = 0; f.bytes && k < sizeof magic / sizeof *magic; k++) {
            if (!memcmp(f.bytes, magic[k], 4)) continue;
            sns_sound s;
            sns_error err;
            char *copy = malloc(f.size);
            memcpy(copy, f.bytes, f.size);
            memcpy(copy, magic[k], 4);
            /* What is taken for another format may hold something; most often it is refused. */
            sns_status got = decode(copy, f.size, &s, &err);
            if (got && got != SNS_FORMAT && got != SNS_MISSING && got != SNS_UNSUPPORTED)
                fail_msg("%s as %s: status %d: %s", cases[i][0], magic[k], got, err.message);
            sns_sound_free(&s);
            free(copy);
        }
        free(f.bytes);
    }
    refused("a PNG", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0", 29, SNS_FORMAT,
            "no film or recording that is known");
    refused("a playlist", "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nfile:///etc/passwd\n", 54,
            SNS_FORMAT, "no film or recording that is known");
}

/* ---- lengths ---- */

static void nothing_inside(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"none.wav", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0"},
        {"none.flac", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0"},
        {"none.ogg", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0 -c:a libvorbis"},
        {"none.mkv", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0 -c:a flac"},
        {"none.m4a", "-f lavfi -i anullsrc=r=16000:cl=mono -t 0 -c:a aac"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = made(cases[i][0], cases[i][1]);
        sns_sound s;
        sns_error err;
        if (!f.bytes) continue;
        sns_status got = decode(f.bytes, f.size, &s, &err);
        /* An encoder may have written a frame of silence. */
        if (!got) assert_true(s.count < RATE / 5);
        if (got && got != SNS_FORMAT && got != SNS_MISSING)
            fail_msg("%s: status %d: %s", cases[i][0], got, err.message);
        sns_sound_free(&s);
        free(f.bytes);
    }
    refused("no bytes", "", 0, SNS_FORMAT, "an empty file");
}

static void one_sample(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"1.wav", "-f lavfi -i sine=r=16000:d=1 -af atrim=end_sample=1"},
        {"1.flac", "-f lavfi -i sine=r=16000:d=1 -af atrim=end_sample=1"},
        {"1.ogg", "-f lavfi -i sine=r=16000:d=1 -af atrim=end_sample=1 -c:a libvorbis"},
        {"1.mkv", "-f lavfi -i sine=r=16000:d=1 -af atrim=end_sample=1 -c:a pcm_s16le"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file f = made(cases[i][0], cases[i][1]);
        if (f.bytes) lasts(cases[i][0], f.bytes, f.size, 1.0 / RATE, 0.1);
        free(f.bytes);
    }
}

static void rates_and_channels(void **state) {
    (void)state;
    static const int rates[] = {8000,  11025, 12000, 16000, 22050,  24000,
                                32000, 44100, 48000, 88200, 176400, 192000};
    static const char *const shapes[] = {
        "-c:a pcm_u8", "-c:a pcm_s24le", "-c:a pcm_s32le -ac 2",
        "-c:a pcm_s24le -af pan=7.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0|SL=c0|SR=c0"};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            char arguments[512];
            if ((i + k) % 2) continue; /* each rate with two shapes */
            snprintf(arguments, sizeof arguments, "-f lavfi -i sine=f=440:r=%d:d=1 %s", rates[i],
                     shapes[k]);
            file f = made("rate.wav", arguments);
            if (f.bytes) lasts(arguments, f.bytes, f.size, 0.98, 1.02);
            free(f.bytes);
        }
}

/* ---- announced durations ---- */

static char *find(file f, const char *what, size_t n) {
    char *at = memmem(f.bytes, f.size, what, n);
    assert_non_null(at);
    return at;
}

/* An hour is heard at most, and only what is there: what a header announces costs nothing. */
static void absurd_durations(void **state) {
    (void)state;
    file f = made("years.m4a", FOUR_SECONDS "-c:a aac -movflags +faststart");
    if (f.bytes) {
        memset(find(f, "mvhd", 4) + 20, 0x7f, 4);
        memset(find(f, "tkhd", 4) + 24, 0x7f, 4);
        memset(find(f, "mdhd", 4) + 20, 0x7f, 4);
        lasts("years.m4a", f.bytes, f.size, 3.9, 4.2);
    }
    free(f.bytes);
    f = made("years.mkv", FOUR_SECONDS "-c:a flac");
    if (f.bytes) {
        /* Segment's Duration, a double: 10^300 ms, then less than nothing, then no number. */
        static const char numbers[3][8] = {"\x7e\x37\xe4\x3c\x88\x00\x75\x9c",
                                           "\xc2\x37\xe4\x3c\x88\x00\x75\x9c",
                                           "\x7f\xf8\0\0\0\0\0\0"};
        for (int i = 0; i < 3; i++) {
            memcpy(find(f, "\x44\x89\x88", 3) + 3, numbers[i], 8);
            lasts("years.mkv", f.bytes, f.size, 3.9, 4.2);
        }
    }
    free(f.bytes);
    f = made("years.ogg", FOUR_SECONDS "-c:a libvorbis");
    if (f.bytes) { /* the last page ends centuries later */
        char *last = NULL;
        for (size_t i = 0; i + 4 < f.size; i++)
            if (!memcmp(f.bytes + i, "OggS", 4)) last = f.bytes + i;
        assert_non_null(last);
        memset(last + 6, 0x7f, 7);
        lasts("years.ogg", f.bytes, f.size, 2, 4.2);
    }
    free(f.bytes);
    f = made("years.flac", FOUR_SECONDS);
    if (f.bytes) { /* 2^36 - 1 samples in STREAMINFO */
        f.bytes[21] |= 0x0f;
        memset(f.bytes + 22, 0xff, 4);
        lasts("years.flac", f.bytes, f.size, 3.9, 4.2);
    }
    free(f.bytes);
    f = made("long.flac", "-f lavfi -i anullsrc=r=8000:cl=mono -t 4000");
    if (f.bytes)
        refused("long.flac", f.bytes, f.size, SNS_LIMIT, "more than 3600 seconds of sound");
    free(f.bytes);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    return dir && !sns_isolation_new(&isolation, NULL) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    sns_isolation_free(isolation);
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_off),
        cmocka_unit_test(little_is_left),
        cmocka_unit_test(another_formats_header),
        cmocka_unit_test(nothing_inside),
        cmocka_unit_test(one_sample),
        cmocka_unit_test(rates_and_channels),
        cmocka_unit_test(absurd_durations),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
