/* test_sound.c - recordings of every kind to mono samples at one rate; what is refused, and how. */
#include "base/file.h"
#include "base/rng.h"
#include "make_film.h"
#include "media/sound_kind.h"
#include <math.h>
#include <sensus/sound.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char *dir;

static const char *made(const char *name, const char *arguments) {
    const char *path = film_make(dir, name, arguments);
    if (!path) fail_msg("ffmpeg did not make %s", name);
    return path;
}

static sns_sound loaded(const char *path, size_t rate_hz) {
    sns_sound s;
    sns_error err = {0};
    const sns_sound_options o = {.rate_hz = rate_hz};
    if (sns_sound_load(path, &o, &s, &err)) fail_msg("%s", err.message);
    assert_int_equal(s.rate_hz, rate_hz);
    return s;
}

/* The share of the power that lies at one frequency, in the middle half (Goertzel 1958). */
static double share_at(const sns_sound *s, double hz) {
    double re = 0, im = 0, all = 0;
    size_t from = s->count / 4, to = s->count - from;
    for (size_t i = from; i < to; i++) {
        double a = 2 * M_PI * hz * (double)i / (double)s->rate_hz, x = s->samples[i];
        re += x * cos(a), im += x * sin(a), all += x * x;
    }
    return 2 * (re * re + im * im) / ((double)(to - from) * all);
}

static void check_tone(const char *path, double seconds, double least) {
    sns_sound s = loaded(path, 16000);
    double length = (double)s.count / 16000;
    if (fabs(length - seconds) > 0.05) fail_msg("%s: %g s, not %g", path, length, seconds);
    double share = share_at(&s, 440);
    if (!(share > least)) fail_msg("%s: only %g of it is the tone", path, share);
    assert_int_equal(s.damaged, 0);
    sns_sound_free(&s);
}

/* Parts of any size, one after the other, are what is loaded at once. */
static void parts_are_the_whole(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 1000, 40000, SIZE_MAX};
    sns_error err = {0};
    char path[4200];
    snprintf(path, sizeof path, "%s", made("parts.flac", "-f lavfi -i sine=r=44100:d=3 -ac 2"));
    const sns_sound_options o = {.rate_hz = 11025};
    sns_sound whole = loaded(path, o.rate_hz);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        sns_sound_stream *s;
        const sns_sound *part;
        size_t at = 0;
        if (sns_sound_stream_open(path, &o, &s, &err)) fail_msg("%s", err.message);
        while (!sns_sound_stream_next(s, sizes[k], &part, &err) && part->count) {
            assert_true(part->count >= sizes[k] || at + part->count == whole.count);
            assert_true(at + part->count <= whole.count);
            assert_memory_equal(part->samples, whole.samples + at,
                                part->count * sizeof *part->samples);
            at += part->count;
        }
        assert_int_equal(at, whole.count);
        assert_true(sns_sound_stream_start(s) == 0);
        sns_sound_stream_close(s);
    }
    sns_sound_free(&whole);
    sns_sound_stream *s;
    const sns_sound *part;
    const sns_sound_options few = {.max_seconds = 1}, cut = {.max_seconds = 1, .cut = 1};
    assert_int_equal(sns_sound_stream_open(path, &few, &s, &err), SNS_OK);
    assert_int_equal(sns_sound_stream_next(s, SIZE_MAX, &part, &err), SNS_LIMIT);
    sns_sound_stream_close(s);
    assert_int_equal(sns_sound_stream_open(path, &cut, &s, &err), SNS_OK);
    size_t n = 0;
    while (!sns_sound_stream_next(s, 3000, &part, &err) && part->count) n += part->count;
    assert_int_equal(n, 16000);
    sns_sound_stream_close(s);
}

static void every_rate_depth_and_container(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"r8000.wav", "-ar 8000"},
        {"r11025.wav", "-ar 11025 -c:a pcm_u8"},
        {"r44100.wav", "-ar 44100 -c:a pcm_s24le"},
        {"r96000.wav", "-ar 96000 -c:a pcm_f32le"},
        {"r192000.wav", "-ar 192000 -c:a pcm_s32le"},
        {"f64.wav", "-ar 48000 -c:a pcm_f64le"},
        {"alaw.wav", "-ar 8000 -c:a pcm_alaw"},
        {"stereo.flac", "-ar 44100 -ac 2"},
        {"five.flac", "-ar 48000 -af pan=5.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0"},
        {"seven.wav", "-ar 48000 -af pan=7.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0|SL=c0|SR=c0"},
        {"lossy.ogg", "-ar 44100 -c:a libvorbis"},
        {"speech.opus", "-ar 48000 -c:a libopus"},
        {"song.mp3", "-ar 44100 -c:a libmp3lame"},
        {"phone.m4a", "-ar 44100 -c:a aac"},
        {"old.aiff", "-ar 22050"},
        {"film.mkv", "-f lavfi -i testsrc=s=32x32:d=1 -c:v mpeg4 -c:a flac -ar 48000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char arguments[512];
        snprintf(arguments, sizeof arguments, "-f lavfi -i sine=f=440:r=48000:d=1 %s", cases[i][1]);
        const char *path = film_make(dir, cases[i][0], arguments);
        if (!path) {
            printf("skipped: this ffmpeg does not write %s\n", cases[i][0]);
            continue;
        }
        check_tone(path, 1, 0.98);
        const char *ending = strrchr(cases[i][0], '.');
        assert_true(sns_is_sound_name(path) || !strcmp(ending, ".mkv"));
    }
}

/* Packets of three lengths, begun anywhere; one byte that is wrong, and it is none. */
static void transport_streams_are_told_by_their_packets(void **state) {
    (void)state;
    static const size_t lengths[] = {188, 192, 204};
    for (size_t k = 0; k < 3; k++)
        for (size_t first = 0; first < lengths[k]; first += 7) {
            uint8_t bytes[SNS_TRANSPORT_BYTES] = {0};
            for (size_t i = first; i < sizeof bytes; i += lengths[k]) bytes[i] = 0x47;
            assert_true(sns_is_transport_stream(bytes, sizeof bytes));
            assert_false(sns_is_transport_stream(bytes, first + 7 * lengths[k]));
            bytes[first + 3 * lengths[k]] = 0x46;
            assert_false(sns_is_transport_stream(bytes, first + 8 * lengths[k]));
        }
    assert_false(sns_is_transport_stream(NULL, 0));
}

static void same_bytes_same_samples(void **state) {
    (void)state;
    const char *path = made("again.ogg", "-f lavfi -i sine=f=440:r=44100:d=2 -c:a libvorbis");
    sns_sound a = loaded(path, 16000), b = loaded(path, 16000), c;
    char *bytes;
    size_t size;
    assert_int_equal(sns_file_read(path, 1 << 24, &bytes, &size, NULL), SNS_OK);
    assert_string_equal(sns_sound_ending(bytes, size), "ogg");
    assert_int_equal(sns_sound_decode(bytes, size, "memory", NULL, &c, NULL), SNS_OK);
    assert_true(a.count == b.count && a.count == c.count);
    assert_memory_equal(a.samples, b.samples, a.count * sizeof(float));
    assert_memory_equal(a.samples, c.samples, a.count * sizeof(float));
    sns_sound_free(&a);
    sns_sound_free(&b);
    sns_sound_free(&c);
    free(bytes);
}

/* ---- WAV files written here ---- */

typedef struct wav {
    uint16_t format, channels, bits;
    uint32_t rate, announced; /* bytes of samples that the header announces */
} wav;

static size_t write_wav(uint8_t *out, const wav *w, const void *data, size_t size) {
    uint32_t riff = 36 + w->announced, sixteen = 16, bytes = w->rate * w->channels * w->bits / 8;
    uint16_t align = (uint16_t)(w->channels * w->bits / 8);
    memcpy(out, "RIFF", 4), memcpy(out + 4, &riff, 4), memcpy(out + 8, "WAVEfmt ", 8);
    memcpy(out + 16, &sixteen, 4), memcpy(out + 20, &w->format, 2);
    memcpy(out + 22, &w->channels, 2), memcpy(out + 24, &w->rate, 4), memcpy(out + 28, &bytes, 4);
    memcpy(out + 32, &align, 2), memcpy(out + 34, &w->bits, 2), memcpy(out + 36, "data", 4);
    memcpy(out + 40, &w->announced, 4);
    if (size) memcpy(out + 44, data, size);
    return 44 + size;
}

static sns_status decode(const void *bytes, size_t size, sns_sound *out, sns_error *err) {
    /* A copy of the exact size, so that reading past the end is an error under ASan. */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    sns_status s = sns_sound_decode(copy, size, "the-name", NULL, out, err);
    free(copy);
    return s;
}

static void refused(const void *bytes, size_t size, sns_status expected) {
    sns_sound s;
    sns_error err = {0};
    sns_status got = decode(bytes, size, &s, &err);
    if (got != expected) fail_msg("status %d, not %d: %s", got, expected, err.message);
    assert_null(s.samples);
    assert_non_null(strstr(err.message, "the-name"));
}

static void headers_that_lie(void **state) {
    (void)state;
    static const int16_t tone[2000] = {1000, -1000, 500};
    uint8_t file[44 + sizeof tone];
    sns_sound s;
    wav w = {1, 1, 16, 16000, sizeof tone};
    assert_int_equal(decode(file, write_wav(file, &w, tone, sizeof tone), &s, NULL), SNS_OK);
    assert_int_equal(s.count, 2000);
    sns_sound_free(&s);
    /* More announced than there is, even years of it: what is there is heard. */
    const uint32_t more[] = {sizeof tone + 4000, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < 3; i++) {
        w.announced = more[i];
        assert_int_equal(decode(file, write_wav(file, &w, tone, sizeof tone), &s, NULL), SNS_OK);
        assert_int_equal(s.count, 2000);
        sns_sound_free(&s);
    }
    w.announced = 0;
    refused(file, write_wav(file, &w, NULL, 0), SNS_FORMAT); /* zero length */
    w = (wav){1, 0, 16, 16000, sizeof tone};
    refused(file, write_wav(file, &w, tone, sizeof tone), SNS_MISSING); /* no channels */
    w = (wav){0x7777, 1, 16, 16000, sizeof tone};
    refused(file, write_wav(file, &w, tone, sizeof tone), SNS_UNSUPPORTED); /* no such codec */
    w = (wav){1, 1, 16, 0, sizeof tone};
    refused(file, write_wav(file, &w, tone, sizeof tone), SNS_FORMAT); /* no rate */
    refused("", 0, SNS_FORMAT);
    refused("RIFF\0\0\0\0WAVE", 12, SNS_FORMAT);
    refused("these are words and no sound at all", 35, SNS_FORMAT);
}

static void one_sample(void **state) {
    (void)state;
    static const uint32_t rates[] = {8000, 16000, 44100, 192000};
    const int16_t x = 16384;
    uint8_t file[64];
    for (size_t i = 0; i < 4; i++) {
        wav w = {1, 1, 16, rates[i], sizeof x};
        sns_sound s;
        sns_error err = {0};
        sns_status got = decode(file, write_wav(file, &w, &x, sizeof x), &s, &err);
        /* Less than a sample of the wanted rate may be nothing. */
        if (got) assert_int_equal(got, SNS_FORMAT);
        if (rates[i] == 16000) assert_true(!got && s.count == 1 && s.samples[0] == 0.5f);
        if (got) assert_non_null(strstr(err.message, "next to none"));
        sns_sound_free(&s);
    }
}

static void numbers_that_are_none(void **state) {
    (void)state;
    float x[256] = {0};
    uint8_t file[44 + sizeof x];
    sns_sound s;
    wav w = {3, 1, 32, 16000, sizeof x};
    x[10] = 40, x[11] = -40;
    assert_int_equal(decode(file, write_wav(file, &w, x, sizeof x), &s, NULL), SNS_OK);
    assert_true(s.samples[10] == 1 && s.samples[11] == -1);
    sns_sound_free(&s);
    x[20] = NAN;
    refused(file, write_wav(file, &w, x, sizeof x), SNS_FORMAT);
    x[20] = INFINITY;
    refused(file, write_wav(file, &w, x, sizeof x), SNS_FORMAT);
}

static void limits(void **state) {
    (void)state;
    const char *path = made("long.flac", "-f lavfi -i sine=f=440:r=16000:d=5");
    sns_sound s;
    sns_error err = {0};
    sns_sound_options o = {.max_seconds = 2};
    assert_int_equal(sns_sound_load(path, &o, &s, &err), SNS_LIMIT);
    assert_non_null(strstr(err.message, "more than 2 seconds"));
    assert_null(s.samples);
    o.cut = 1;
    assert_int_equal(sns_sound_load(path, &o, &s, &err), SNS_OK);
    assert_int_equal(s.count, 32000);
    sns_sound_free(&s);
    o = (sns_sound_options){.rate_hz = 999};
    assert_int_equal(sns_sound_load(path, &o, &s, &err), SNS_ARG);
    int cancel = 1;
    o = (sns_sound_options){.cancel = &cancel};
    assert_int_equal(sns_sound_load(path, &o, &s, &err), SNS_CANCELLED);
    assert_int_equal(sns_sound_load("/no/such/file.wav", NULL, &s, &err), SNS_MISSING);
    assert_int_equal(sns_sound_load(dir, NULL, &s, &err), SNS_IO);
    const char *mute = made("mute.mp4", "-f lavfi -i testsrc=s=64x48:d=1 -c:v mpeg4");
    assert_int_equal(sns_sound_load(mute, NULL, &s, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "no sound in it"));
}

/* Cut off anywhere, bytes changed: samples or one line, never anything else. */
static void damaged_files(void **state) {
    (void)state;
    static const char *const names[] = {"d.ogg", "d.mp3", "d.flac", "d.wav", "d.m4a"};
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = film_make(dir, names[i],
                                     "-f lavfi -i anoisesrc=r=22050:d=4:a=0.3:seed=1");
        char *bytes;
        size_t size;
        if (!path) continue;
        assert_int_equal(sns_file_read(path, 1 << 24, &bytes, &size, NULL), SNS_OK);
        for (int k = 0; k < 24; k++) {
            uint8_t *copy = malloc(size);
            size_t n = k % 2 ? size : (size_t)sns_rng_below(&rng, size);
            memcpy(copy, bytes, size);
            for (int f = 0; k % 2 && f < k; f++)
                copy[sns_rng_below(&rng, k % 4 == 1 ? 200 : size)] = (uint8_t)sns_rng_next(&rng);
            sns_sound s;
            sns_error err = {0};
            sns_status got = decode(copy, n, &s, &err);
            if (got) {
                assert_non_null(strstr(err.message, "the-name"));
                assert_null(strchr(err.message, '\n'));
            } else {
                assert_true(s.count > 0);
                for (size_t j = 0; j < s.count; j++) assert_true(fabsf(s.samples[j]) <= 1);
            }
            sns_sound_free(&s);
            free(copy);
        }
        sns_sound half;
        if (strcmp(names[i], "d.m4a") != 0) { /* whose index is at its end */
            sns_error err = {0};
            if (decode(bytes, size / 2, &half, &err)) fail_msg("%s: %s", names[i], err.message);
            assert_in_range(half.count, 16000, 48000);
            sns_sound_free(&half);
        }
        free(bytes);
    }
}

static void written_wav_is_read(void **state) {
    (void)state;
    sns_rng rng;
    sns_rng_seed(&rng, 9);
    float x[3000];
    for (size_t i = 0; i < 3000; i++) x[i] = (float)(2 * sns_rng_uniform(&rng) - 1);
    x[7] = 3;
    sns_sound in = {x, 3000, 16000, 0}, out;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(sns_sound_encode_wav(&in, &bytes, &size, NULL), SNS_OK);
    assert_string_equal(sns_sound_ending(bytes, size), "wav");
    assert_int_equal(decode(bytes, size, &out, NULL), SNS_OK);
    assert_int_equal(out.count, 3000);
    for (size_t i = 0; i < 3000; i++)
        assert_true(fabsf(out.samples[i] - (x[i] > 1 ? 1 : x[i])) < 1.0f / 16384);
    sns_sound_free(&out);
    free(bytes);
    in.count = 0;
    assert_int_equal(sns_sound_encode_wav(&in, &bytes, &size, NULL), SNS_ARG);
}

static int set_up(void **state) {
    (void)state;
    dir = tool_tmpdir();
    return dir ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tool_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rate_depth_and_container),
        cmocka_unit_test(parts_are_the_whole),
        cmocka_unit_test(transport_streams_are_told_by_their_packets),
        cmocka_unit_test(same_bytes_same_samples),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(one_sample),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(limits),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(written_wav_is_read),
    };
    if (!film_has_ffmpeg()) {
        puts("skipped: no ffmpeg");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
