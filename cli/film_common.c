/* film_common.c - see film_common.h. */
#include "film_common.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(void *user, double seconds, double duration) {
    cli_film *f = user;
    cli_progress_update(&f->bar, (size_t)seconds, (size_t)duration, NULL);
}

int cli_film_read(cli_film *f, const cli_film_values *v, const char *path) {
    sns_error err;
    int code = cli_load_model(v->model, &f->model);
    if (code) return code;
    const sns_film_options o = {.every = v->every,
                                .from = v->from,
                                .until = v->until,
                                .threads = (size_t)v->threads,
                                .fast = v->fast,
                                .isolation = cli_isolation(),
                                .progress = show,
                                .user = f};
    cli_progress_start(&f->bar, "reading", "s", 0);
    if (sns_session_new(f->model, &f->session, &err) ||
        sns_cohort_new(f->model, NULL, 0, &f->cohort, &err) ||
        sns_film_read(f->model, f->cohort, path, &o, &f->film, &err))
        code = cli_fail(&err);
    cli_progress_clear(&f->bar);
    if (!code && sns_film_damaged(f->film))
        cli_note("%s: %zu damaged frames or packets were passed over", path,
                 sns_film_damaged(f->film));
    return code;
}

void cli_film_free(cli_film *f) {
    sns_film_free(f->film);
    sns_classifier_free(f->cohort);
    sns_session_free(f->session);
    sns_model_free(f->model);
}

int cli_film_texts(cli_film *f, const char *const *texts, size_t n, float **vectors) {
    sns_error err;
    *vectors = malloc(n * sns_model_dim(f->model) * sizeof **vectors);
    if (!*vectors) return cli_failf("out of memory");
    return sns_encode_texts(f->session, texts, n, *vectors, &err) ? cli_fail(&err) : CLI_DONE;
}

void cli_time(double seconds, char out[CLI_TIME_SIZE]) {
    long long ms = llround(fmin(fmax(seconds, 0), 1e9) * 1000), s = ms / 1000;
    if (s >= 3600)
        snprintf(out, CLI_TIME_SIZE, "%lld:%02lld:%02lld.%03lld", s / 3600, s / 60 % 60, s % 60,
                 ms % 1000);
    else
        snprintf(out, CLI_TIME_SIZE, "%lld:%02lld.%03lld", s / 60, s % 60, ms % 1000);
}

void cli_time_short(double seconds, char out[CLI_TIME_SIZE]) {
    cli_time(round(seconds * 10) / 10, out);
    out[strlen(out) - 2] = 0;
}

bool cli_parse_time(const char *text, double *seconds) {
    double total = 0;
    for (int part = 0; part < 3; part++) {
        char *end;
        if (*text < '0' || *text > '9') return false;
        double value = strtod(text, &end);
        if (!isfinite(value) || (part && value >= 60)) return false;
        for (const char *c = text; c < end; c++) /* no exponents, no hexadecimal */
            if (!strchr("0123456789.", *c) || (*c == '.' && *end == ':')) return false;
        total = 60 * total + value;
        if (!*end) {
            *seconds = total;
            return true;
        }
        if (*end != ':') return false;
        text = end + 1;
    }
    return false;
}

/* ---- pictures of moments -------------------------------------------------------------------- */

static void set_picture(sns_video *video, double seconds, cli_card *card) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    sns_frame frame;
    if (!video || sns_video_seek(video, seconds, NULL) || sns_video_next(video, &frame, NULL) ||
        !frame.image.rgb || sns_image_encode_jpeg(&frame.image, 85, "frame", &bytes, &size, NULL))
        return;
    card->bytes = bytes;
    card->size = size;
}

void cli_card_frame(cli_card *card, double seconds) {
    const sns_video_options o = {.target_px = 160};
    sns_video *video = NULL;
    sns_video_open(card->path, &o, &video, NULL);
    set_picture(video, seconds, card);
    sns_video_close(video);
}

static char *caption_of(const sns_moment *m) {
    char start[CLI_TIME_SIZE], end[CLI_TIME_SIZE], text[2 * CLI_TIME_SIZE + 8];
    cli_time(m->start, start);
    cli_time(m->end, end);
    snprintf(text, sizeof text, "%s \u2013 %s", start, end);
    return strdup(text);
}

cli_card *cli_moment_cards(const char *path, const sns_moment *moments, size_t n) {
    cli_card *cards = calloc(n + 1, sizeof *cards);
    sns_video *video = NULL;
    const sns_video_options o = {.target_px = 160};
    if (!cards) return NULL;
    sns_video_open(path, &o, &video, NULL);
    for (size_t i = 0; i < n; i++) {
        cards[i] = (cli_card){.path = path,
                              .caption = caption_of(&moments[i]),
                              .score = moments[i].score,
                              .has_score = true};
        set_picture(video, moments[i].peak, &cards[i]);
    }
    sns_video_close(video);
    return cards;
}

void cli_moment_cards_free(cli_card *cards, size_t n) {
    for (size_t i = 0; cards && i < n; i++) {
        free((void *)cards[i].caption);
        free((void *)cards[i].more);
        free((void *)cards[i].bytes);
    }
    free(cards);
}

/* "2. film.mp4 1:27.2" and "1:23.5 – 1:31.0". */
static void name_moment(const sns_hit *hit, size_t rank, cli_card *card) {
    const char *slash = strrchr(hit->path, '/');
    char start[CLI_TIME_SIZE], peak[CLI_TIME_SIZE], end[CLI_TIME_SIZE], text[512];
    cli_time_short(hit->start, start);
    cli_time_short(hit->peak, peak);
    cli_time_short(hit->end, end);
    snprintf(text, sizeof text, "%zu. %.300s %s", rank, slash ? slash + 1 : hit->path, peak);
    card->caption = strdup(text);
    snprintf(text, sizeof text, "%s \u2013 %s, peak %s", start, end, peak);
    card->more = strdup(text);
}

cli_card *cli_hit_cards(const sns_hits *hits) {
    cli_card *cards = calloc(hits->count + 1, sizeof *cards);
    for (size_t i = 0; cards && i < hits->count; i++) {
        const sns_hit *hit = &hits->items[i];
        cards[i] = (cli_card){.path = hit->path,
                              .score = hit->score,
                              .has_score = true,
                              .in_time = hit->in_time != 0,
                              .start = hit->start,
                              .end = hit->end};
        if (!hit->in_time) continue;
        name_moment(hit, i + 1, &cards[i]);
        cli_card_frame(&cards[i], hit->peak);
    }
    return cards;
}
