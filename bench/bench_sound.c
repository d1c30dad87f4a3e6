/* bench_sound.c - what models that hear do, in turn with a peer (bench_turns.h).
 *
 *   bench_sound make DIR                 DIR/sound.f32: half a minute at 16 kHz; DIR/model-sound: a
 *                                        ViT-S/16 over windows of 10.24 s, 1024 x 128 as AST has
 * them, random weights, f32 bench_sound log-mel SOUND            Whisper's spectrogram of all of it
 *   bench_sound encode MODEL SOUND       its vector, by the public interface
 *   bench_sound products MODEL SOUND     the matrix products of that alone, on numbers of no
 * meaning: of patches, blocks and projection, one after the other bench_sound isolation FILE N
 * milliseconds to decode a recording here and in a process of its own, N times in turn: medians,
 * and what a start costs */
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "bench_tokenizer.h"
#include "bench_turns.h"
#include "kernel/gemm.h"
#include "kernel/packed.h"
#include "model/clip.h"
#include "model/clip_io.h"
#include "prep/log_mel.h"
#include <math.h>
#include <sensus/model.h>
#include <sensus/sound.h>
#include <sensus/tokenizer.h>
#include <sys/resource.h>

enum { RATE_HZ = 16000, SECONDS = 30, FRAMES = 1024 };

static int fail(const sns_error *err) {
    fprintf(stderr, "bench_sound: %s\n", err->message[0] ? err->message : "no memory");
    return 1;
}

/* ---- what is worked on ---- */

static sns_clip_config geometry(const sns_tokenizer *tok) {
    return (sns_clip_config){.vision = {384, 12, 6, 1536, SNS_ACT_QUICK_GELU, 1e-5f},
                             .text = {64, 1, 1, 256, SNS_ACT_QUICK_GELU, 1e-5f},
                             .frames = FRAMES,
                             .mels = 128,
                             .patch_px = 16,
                             .vocab = sns_tokenizer_vocab_size(tok),
                             .context = 77,
                             .embed = 512,
                             .start_id = sns_tokenizer_start_id(tok),
                             .end_id = sns_tokenizer_end_id(tok),
                             .logit_scale_init = 2.6593f};
}

static sns_status make_model(const char *dir, const sns_tokenizer *tok, sns_error *err) {
    sns_clip_config c = geometry(tok);
    sns_log_mel_config mel;
    sns_layout layout;
    sns_log_mel_ast(&mel);
    sns_status s = sns_clip_layout(&c, &layout, err);
    if (s) return s;
    float *data = sns_aligned_calloc(layout.total * sizeof *data);
    if (data) {
        sns_clip_init(&layout, &c, data, 1);
        s = sns_clip_save(dir, &c, &layout, data, "F32", err);
    } else
        s = SNS_NOMEM;
    if (!s) s = sns_log_mel_write(dir, &mel, FRAMES, err);
    sns_aligned_free(data);
    sns_layout_free(&layout);
    return s;
}

/* A sweep with some noise. */
static sns_status make_sound(const char *dir, sns_error *err) {
    enum { N = RATE_HZ * SECONDS };
    char *path = sns_path_join(dir, "sound.f32");
    float *x = malloc(N * sizeof *x);
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    for (size_t i = 0; x && i < N; i++) {
        double t = (double)i / RATE_HZ;
        x[i] = (float)(0.4 * sin(2 * M_PI * (100 + 100 * t) * t) + 0.05 * sns_rng_normal(&rng));
    }
    sns_status s = x && path ? sns_file_write(path, x, N * sizeof *x, err) : SNS_NOMEM;
    free(path);
    free(x);
    return s;
}

static int make(const char *dir) {
    sns_error err = {0};
    sns_tokenizer *tok = NULL;
    char *model = sns_path_join(dir, "model-sound");
    sns_status s = model ? sns_make_dirs(model, &err) : SNS_NOMEM;
    if (!s) s = bench_tokenizer(dir, model, &tok, &err);
    if (!s) s = make_model(model, tok, &err);
    if (!s) s = make_sound(dir, &err);
    sns_tokenizer_free(tok);
    free(model);
    return s ? fail(&err) : 0;
}

static bool read_sound(const char *path, sns_sound *out, sns_error *err) {
    char *bytes;
    size_t size;
    if (sns_file_read(path, (size_t)1 << 30, &bytes, &size, err)) return false;
    *out = (sns_sound){(float *)(void *)bytes, size / sizeof(float), RATE_HZ, 0};
    return true;
}

/* ---- spectrograms ---- */

typedef struct spectrogram {
    sns_log_mel *mel;
    sns_sound sound;
    float *out;
} spectrogram;

static bool run_log_mel(void *user) {
    spectrogram *w = user;
    sns_error err;
    return !sns_log_mel_run(w->mel, w->sound.samples, w->sound.count, w->out, &err) ||
           (fail(&err), false);
}

static int log_mel(const char *path) {
    spectrogram w = {0};
    sns_error err = {0};
    sns_log_mel_config c;
    sns_log_mel_whisper(&c);
    if (!read_sound(path, &w.sound, &err) || sns_log_mel_new(&c, &w.mel, &err)) return fail(&err);
    size_t floats = sns_log_mel_frames(&c, w.sound.count) * c.mels;
    if (!(w.out = malloc(floats * sizeof *w.out))) return fail(&err);
    const bench_turns turns = {run_log_mel, &w, w.out, floats};
    int code = bench_turns_serve(&turns, 2);
    sns_log_mel_free(w.mel);
    sns_sound_free(&w.sound);
    free(w.out);
    return code;
}

/* ---- vectors ---- */

typedef struct encoding {
    sns_session *session;
    sns_sound sound;
    float *out;
} encoding;

static bool run_encode(void *user) {
    encoding *w = user;
    sns_error err;
    return !sns_encode_sound(w->session, &w->sound, w->out, &err) || (fail(&err), false);
}

static int encode(const char *dir, const char *path) {
    encoding w = {0};
    sns_model *model;
    sns_error err = {0};
    if (!read_sound(path, &w.sound, &err) || sns_model_load(dir, &model, &err) ||
        sns_session_new(model, &w.session, &err) ||
        !(w.out = malloc(sns_model_dim(model) * sizeof *w.out)))
        return fail(&err);
    const bench_turns turns = {run_encode, &w, w.out, sns_model_dim(model)};
    int code = bench_turns_serve(&turns, 2);
    sns_session_free(w.session);
    sns_model_free(model);
    sns_sound_free(&w.sound);
    free(w.out);
    return code;
}

/* ---- the products alone ---- */

/* y = x W^T with rows of x. */
typedef struct product {
    size_t N, K;
    sns_packed *packed;
} product;

enum { PATCHES, QKV, OUT, UP, DOWN, PROJECTION, PRODUCTS };

typedef struct floor_work {
    sns_clip_config c;
    product p[PRODUCTS];
    size_t windows, T;
    float *x, *y, *scores;
} floor_work;

static bool run_product(const floor_work *w, int which, size_t rows, sns_error *err) {
    return !sns_packed_run(w->p[which].packed, rows, w->x, NULL, SNS_ACT_NONE, NULL, w->y, err);
}

/* Scores and mixtures of all heads of one window. */
static bool run_heads(const floor_work *w, sns_error *err) {
    size_t T = w->T, C = w->c.vision.width, D = C / w->c.vision.heads;
    for (size_t h = 0; h < w->c.vision.heads; h++) {
        const float *q = w->x + h * D, *k = q + C, *v = k + C;
        if (sns_gemm(false, true, T, T, D, q, 3 * C, k, 3 * C, 0, w->scores, T, err) ||
            sns_gemm(false, false, T, D, T, w->scores, T, v, 3 * C, 0, w->y + h * D, C, err))
            return false;
    }
    return true;
}

static bool run_products(void *user) {
    const floor_work *w = user;
    sns_error err;
    bool ok = true;
    for (size_t i = 0; i < w->windows && ok; i++) {
        ok = run_product(w, PATCHES, w->T - 1, &err);
        for (size_t l = 0; l < w->c.vision.layers && ok; l++)
            ok = run_product(w, QKV, w->T, &err) && run_heads(w, &err) &&
                 run_product(w, OUT, w->T, &err) && run_product(w, UP, w->T, &err) &&
                 run_product(w, DOWN, w->T, &err);
        if (ok) ok = run_product(w, PROJECTION, 1, &err);
    }
    return ok || (fail(&err), false);
}

static int products(const char *dir, const char *path) {
    floor_work w = {0};
    sns_sound sound;
    sns_log_mel_config mel;
    size_t frames = FRAMES;
    sns_error err = {0};
    if (!read_sound(path, &sound, &err) || sns_clip_config_read(dir, &w.c, &err) ||
        sns_log_mel_read(dir, &mel, &frames, &err))
        return fail(&err);
    size_t C = w.c.vision.width, H = w.c.vision.mlp, P = w.c.patch_px;
    const size_t shapes[PRODUCTS][2] = {{C, P * P}, {3 * C, C}, {C, C},
                                        {H, C},     {C, H},     {w.c.embed, C}};
    size_t window = sns_log_mel_samples(&mel, w.c.frames), step = window / 2;
    w.windows = sound.count > window ? 1 + (sound.count - window + step - 1) / step : 1;
    w.T = 1 + sns_clip_patches(&w.c);
    float *weight = sns_aligned_calloc(H * C * sizeof *weight);
    w.x = sns_aligned_calloc(w.T * H * sizeof *w.x);
    w.y = sns_aligned_calloc(w.T * H * sizeof *w.y);
    w.scores = sns_aligned_calloc(w.T * w.T * sizeof *w.scores);
    if (!weight || !w.x || !w.y || !w.scores) return fail(&err);
    for (size_t i = 0; i < H * C; i++) weight[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < w.T * H; i++) w.x[i] = (float)(i % 5) - 2;
    for (int i = 0; i < PRODUCTS; i++) {
        w.p[i] = (product){.N = shapes[i][0], .K = shapes[i][1]};
        if (sns_packed_new(weight, w.p[i].N, w.p[i].K, &w.p[i].packed, &err)) return fail(&err);
    }
    const bench_turns turns = {run_products, &w, NULL, 0};
    int code = bench_turns_serve(&turns, 2);
    for (int i = 0; i < PRODUCTS; i++) sns_packed_free(w.p[i].packed);
    sns_aligned_free(weight);
    sns_aligned_free(w.x);
    sns_aligned_free(w.y);
    sns_aligned_free(w.scores);
    sns_sound_free(&sound);
    return code;
}

/* ---- decoding here and elsewhere ---- */

static double processor_ms(int who) {
    struct rusage u;
    getrusage(who, &u);
    return 1e3 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Read the file n times; *took: milliseconds by the clock of each. */
static bool load_often(const char *path, const sns_isolation *isolation, size_t n, double *took) {
    const sns_sound_options o = {.isolation = isolation};
    sns_error err = {0};
    double start = bench_now_ms();
    for (size_t i = 0; i < n; i++) {
        sns_sound sound;
        if (sns_sound_load(path, &o, &sound, &err)) return fail(&err), false;
        sns_sound_free(&sound);
    }
    *took = (bench_now_ms() - start) / (double)n;
    return true;
}

/* By the clock, and by processor time of both processes, which other work disturbs less. Loading
 * FFmpeg is not counted here, and is there. */
static int compare_isolation(const char *path, size_t n) {
    sns_isolation *isolation;
    sns_error err = {0};
    double here, there, one, start = bench_now_ms();
    if (sns_isolation_new(&isolation, &err)) return fail(&err);
    double begun = bench_now_ms() - start;
    if (!n || !load_often(path, NULL, 1, &one)) return 1;
    double before = processor_ms(RUSAGE_SELF);
    if (!load_often(path, NULL, n, &here)) return 1;
    double between = processor_ms(RUSAGE_SELF);
    if (!load_often(path, isolation, n, &there)) return 1;
    sns_isolation_free(isolation); /* from when on its time counts */
    double after = processor_ms(RUSAGE_SELF);
    double a = (between - before) / (double)n;
    double b = (after - between + processor_ms(RUSAGE_CHILDREN)) / (double)n;
    printf(
        "%s\n  processor time %.3f ms here, %.3f ms in a process of its own: %.2f x, %.3f ms more\n"
        "  by the clock   %.3f ms here, %.3f ms\n"
        "  starting the process that starts them %.3f ms; the first recording here, which loads "
        "FFmpeg, %.1f ms\n",
        path, a, b, b / a, b - a, here, there, begun, one);
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 2 ? argv[1] : "";
    if (argc == 3 && !strcmp(verb, "make")) return make(argv[2]);
    if (argc == 3 && !strcmp(verb, "log-mel")) return log_mel(argv[2]);
    if (argc == 4 && !strcmp(verb, "encode")) return encode(argv[2], argv[3]);
    if (argc == 4 && !strcmp(verb, "products")) return products(argv[2], argv[3]);
    if (argc == 4 && !strcmp(verb, "isolation"))
        return compare_isolation(argv[2], strtoul(argv[3], NULL, 10));
    return 2;
}
