/* bench_encode.c - encode one batch again and again, in turn with a peer (bench_turns.h).
 *
 *   bench_encode MODEL_DIR image PIXELS B     PIXELS: prepared pictures as raw floats
 *   bench_encode MODEL_DIR text TEXTS B       TEXTS: a text on each line
 *
 * Uses the public interface only. Texts go in as text: tokenizing them is part of the time. */
#include "bench_turns.h"
#include <sensus/model.h>

typedef struct work {
    sns_model *model;
    sns_session *session;
    float *pixels; /* NULL: texts */
    const char **texts;
    char *bytes;
    size_t B;
    float *out;
} work;

static bool encode(void *user) {
    work *w = user;
    sns_error err = {0};
    sns_status s = w->pixels ? sns_encode_pixels(w->session, w->pixels, w->B, w->out, &err)
                             : sns_encode_texts(w->session, w->texts, w->B, w->out, &err);
    if (s) fprintf(stderr, "bench_encode: %s\n", err.message);
    return !s;
}

/* The file's bytes and a 0; NULL when it can't be read. */
static char *read_all(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    if (f && !fseek(f, 0, SEEK_END)) {
        *size = (size_t)ftell(f);
        rewind(f);
        bytes = malloc(*size + 1);
        if (bytes && fread(bytes, 1, *size, f) == *size)
            bytes[*size] = 0;
        else
            *size = 0;
    }
    if (f) fclose(f);
    return bytes;
}

static bool take_input(work *w, bool image, const char *path) {
    size_t size = 0, S = sns_model_image_px(w->model);
    w->bytes = read_all(path, &size);
    if (!w->bytes) return false;
    if (image) {
        w->pixels = (float *)(void *)w->bytes;
        return size >= w->B * 3 * S * S * sizeof(float);
    }
    w->texts = calloc(w->B, sizeof *w->texts);
    char *rest = w->bytes;
    for (size_t i = 0; w->texts && i < w->B; i++) w->texts[i] = strsep(&rest, "\n");
    return w->texts && w->texts[w->B - 1];
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    work w = {.B = strtoul(argv[4], NULL, 10)};
    sns_error err = {0};
    int code = 1;
    if (!w.B || sns_model_load(argv[1], &w.model, &err) ||
        sns_session_new(w.model, &w.session, &err)) {
        fprintf(stderr, "bench_encode: %s\n", err.message);
    } else if (!take_input(&w, !strcmp(argv[2], "image"), argv[3])) {
        fprintf(stderr, "bench_encode: %s: too short or unreadable\n", argv[3]);
    } else if ((w.out = malloc(w.B * sns_model_dim(w.model) * sizeof *w.out))) {
        const bench_turns turns = {encode, &w, w.out, w.B * sns_model_dim(w.model)};
        code = bench_turns_serve(&turns, 2);
    }
    sns_session_free(w.session);
    sns_model_free(w.model);
    free(w.out);
    free(w.texts);
    free(w.bytes);
    return code;
}
