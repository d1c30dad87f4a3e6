/* catalog_world.c - temporary folders, a tiny model and pictures for catalog tests. */
#include "catalog_world.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "model/clip.h"
#include "prep/log_mel.h"
#include "prep/preprocess.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char words[] = "a dog on a beach\na red car and a blue house\ntwo cats sleep\n"
                            "the sun over the sea\nein Hund am Strand\nun chien rouge\n";

static sns_clip_config config_for(const char *dir) {
    sns_error err = {0};
    char text[128];
    snprintf(text, sizeof text, "%s.txt", dir);
    assert_int_equal(sns_make_dirs(dir, &err), SNS_OK);
    assert_int_equal(sns_file_write(text, words, sizeof words - 1, &err), SNS_OK);
    const char *files[] = {text};
    assert_int_equal(sns_tokenizer_train(files, 1, 520, dir, &err), SNS_OK);
    sns_tokenizer *tok;
    assert_int_equal(sns_tokenizer_load(dir, &tok, &err), SNS_OK);
    sns_tower_config tower = {
        .width = 32, .layers = 1, .heads = 2, .mlp = 64, .act = SNS_ACT_QUICK_GELU, .eps = 1e-5f};
    sns_clip_config c = {.vision = tower,
                         .text = tower,
                         .image_px = 32,
                         .patch_px = 16,
                         .vocab = sns_tokenizer_vocab_size(tok),
                         .context = 16,
                         .start_id = sns_tokenizer_start_id(tok),
                         .end_id = sns_tokenizer_end_id(tok),
                         .embed = 16,
                         .logit_scale_init = 2.6593f};
    sns_tokenizer_free(tok);
    return c;
}

static float *init(const sns_clip_config *c, uint64_t seed, sns_layout *layout) {
    assert_int_equal(sns_clip_layout(c, layout, NULL), SNS_OK);
    float *data = sns_aligned_calloc(layout->total * sizeof *data);
    assert_non_null(data);
    sns_clip_init(layout, c, data, seed);
    return data;
}

void world_make_model(const char *dir, uint64_t seed) {
    sns_layout layout;
    sns_preprocess p;
    const sns_clip_config c = config_for(dir);
    float *data = init(&c, seed, &layout);
    assert_int_equal(sns_clip_save(dir, &c, &layout, data, "F32", NULL), SNS_OK);
    sns_preprocess_default(&p, c.image_px);
    assert_int_equal(sns_preprocess_write(dir, &p, NULL), SNS_OK);
    sns_aligned_free(data);
    sns_layout_free(&layout);
}

void world_make_hearing(const char *dir, uint64_t seed) {
    sns_layout layout, seeing;
    sns_log_mel_config mel;
    const sns_clip_config c = config_for(dir);
    sns_clip_config hears = c;
    hears.image_px = 0;
    hears.frames = 48;
    hears.mels = 32;
    float *data = init(&hears, seed + 1, &layout), *texts = init(&c, seed, &seeing);
    for (size_t i = 0; i < layout.count; i++) {
        const sns_param_desc *to = &layout.desc[i], *from = sns_layout_find(&seeing, to->name);
        if (!strncmp(to->name, "text_", 5))
            memcpy(data + to->offset, texts + from->offset, to->count * sizeof *data);
    }
    assert_int_equal(sns_clip_save(dir, &hears, &layout, data, "F32", NULL), SNS_OK);
    sns_log_mel_whisper(&mel);
    mel.mels = hears.mels;
    assert_int_equal(sns_log_mel_write(dir, &mel, hears.frames, NULL), SNS_OK);
    sns_aligned_free(data);
    sns_aligned_free(texts);
    sns_layout_free(&layout);
    sns_layout_free(&seeing);
}

void world_open(catalog_world *w) {
    sns_error err = {0};
    *w = (catalog_world){.root = "/tmp/sensus-catalog-XXXXXX"};
    assert_non_null(mkdtemp(w->root));
    snprintf(w->model_dir, sizeof w->model_dir, "%s/model", w->root);
    snprintf(w->catalog, sizeof w->catalog, "%s/test.db", w->root);
    snprintf(w->pictures, sizeof w->pictures, "%s/pictures", w->root);
    assert_int_equal(mkdir(w->pictures, 0777), 0);
    world_make_model(w->model_dir, 1);
    if (sns_model_load(w->model_dir, &w->model, &err)) fail_msg("%s", err.message);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void world_close(catalog_world *w) {
    sns_model_free(w->model);
    nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *world_path(const catalog_world *w, const char *rest) {
    static char buffers[8][512];
    static unsigned next;
    char *b = buffers[next++ % 8];
    snprintf(b, sizeof buffers[0], "%s/%s", w->root, rest);
    return b;
}

static void make_folder_of(const char *path) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    assert_int_equal(sns_make_dirs(folder, NULL), SNS_OK);
}

void world_picture(const catalog_world *w, const char *rest, uint64_t seed) {
    enum { SIDE = 40 };
    uint8_t rgb[SIDE * SIDE * 3];
    sns_rng rng;
    sns_error err = {0};
    sns_rng_seed(&rng, seed);
    uint64_t colours[4] = {sns_rng_next(&rng), sns_rng_next(&rng), sns_rng_next(&rng),
                           sns_rng_next(&rng)};
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++)
            for (size_t c = 0; c < 3; c++)
                rgb[(y * SIDE + x) * 3 + c] =
                    (uint8_t)(colours[(y >= SIDE / 2) * 2 + (x >= SIDE / 2)] >> 8 * c);
    sns_image image = {SIDE, SIDE, rgb};
    const char *path = world_path(w, rest);
    make_folder_of(path);
    if (sns_image_save_png(&image, path, &err)) fail_msg("%s", err.message);
}

void world_picture_vectors(const catalog_world *w, const char *format, int n, float *out) {
    sns_session *s;
    sns_error err = {0};
    size_t dim = sns_model_dim(w->model);
    assert_int_equal(sns_session_new(w->model, &s, &err), SNS_OK);
    for (int i = 0; i < n; i++) {
        char name[64];
        sns_image image;
        snprintf(name, sizeof name, format, i);
        assert_int_equal(sns_image_load(world_path(w, name), NULL, &image, &err), SNS_OK);
        assert_int_equal(sns_encode_images(s, &image, 1, out + (size_t)i * dim, &err), SNS_OK);
        sns_image_free(&image);
    }
    sns_session_free(s);
}

void world_text(const catalog_world *w, const char *rest, const char *text) {
    const char *path = world_path(w, rest);
    make_folder_of(path);
    assert_int_equal(sns_file_write(path, text, strlen(text), NULL), SNS_OK);
}

void world_set_time(const catalog_world *w, const char *rest, long seconds) {
    struct timespec t[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, world_path(w, rest), t, 0), 0);
}
