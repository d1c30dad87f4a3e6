/* data_stats.c - how many samples, which languages, how long the captions, how large the pictures,
 * how long the recordings. */
#include "base/error.h"
#include "train/data_scan.h"
#include "train/dataset_internal.h"

/* A second is so many samples, which is enough to know how long a recording is. */
enum { RATE_HZ = 1000, DAY_SECONDS = 86400 };

/* 0: there is none. */
typedef struct extent {
    size_t width_px, height_px;
    double seconds;
} extent;

typedef struct running {
    double sum;
    size_t count;
} running;

typedef struct counter {
    sns_data_stats *out;
    running caption_characters, captions_per_sample, width_px, height_px, seconds;
    float *durations; /* [seconds.count] */
    size_t duration_capacity;
    uint64_t *concepts; /* open addressing, [table_size], 0 is empty */
    size_t table_size;
    size_t langs; /* capacity of out->langs */
} counter;

static void note(sns_data_range *range, running *r, double x) {
    if (!r->count || x < range->least) range->least = x;
    if (!r->count || x > range->largest) range->largest = x;
    r->sum += x;
    range->mean = r->sum / (double)++r->count;
}

/* The characters of a UTF-8 text. */
static double characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return (double)count;
}

static bool add_hash(uint64_t *table, size_t size, uint64_t hash) {
    size_t i = (size_t)(hash * 0x9e3779b97f4a7c15u >> 20) & (size - 1);
    for (; table[i]; i = (i + 1) & (size - 1))
        if (table[i] == hash) return false;
    table[i] = hash;
    return true;
}

static bool count_concept(counter *c, uint64_t concept) {
    if (2 * (c->out->concepts + 1) > c->table_size) {
        size_t size = c->table_size ? 2 * c->table_size : 1024;
        uint64_t *table = calloc(size, sizeof *table);
        if (!table) return false;
        for (size_t i = 0; i < c->table_size; i++)
            if (c->concepts[i]) add_hash(table, size, c->concepts[i]);
        free(c->concepts);
        c->concepts = table;
        c->table_size = size;
    }
    c->out->concepts += concept && add_hash(c->concepts, c->table_size, concept);
    return true;
}

/* The entry of a language; NULL: no memory. */
static sns_data_lang *find_lang(counter *c, const char *name) {
    sns_data_stats *o = c->out;
    for (size_t i = 0; i < o->lang_count; i++)
        if (!strcmp(o->langs[i].name, name)) return &o->langs[i];
    if (o->lang_count == c->langs) {
        size_t more = c->langs ? 2 * c->langs : 16;
        sns_data_lang *langs = reallocarray(o->langs, more, sizeof *langs);
        if (!langs) return NULL;
        o->langs = langs;
        c->langs = more;
    }
    sns_data_lang *l = &o->langs[o->lang_count++];
    *l = (sns_data_lang){.samples = 0};
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

static sns_status measure_picture(const sns_image *image, void *result, sns_error *err) {
    (void)err;
    ((extent *)result)->width_px = image->width_px;
    ((extent *)result)->height_px = image->height_px;
    return SNS_OK;
}

static sns_status measure_sound(const sns_sound *sound, void *result, sns_error *err) {
    (void)err;
    ((extent *)result)->seconds = (double)sound->count / (double)sound->rate_hz;
    return SNS_OK;
}

static sns_status note_seconds(counter *c, double seconds, sns_error *err) {
    size_t n = c->seconds.count;
    if (n == c->duration_capacity) {
        size_t more = n ? 2 * n : 1024;
        float *durations = reallocarray(c->durations, more, sizeof *durations);
        if (!durations) return sns_fail(err, SNS_NOMEM, "no memory for %zu durations", more);
        c->durations = durations;
        c->duration_capacity = more;
    }
    c->durations[n] = (float)seconds;
    c->out->recordings++;
    note(&c->out->seconds, &c->seconds, seconds);
    return SNS_OK;
}

static sns_status note_extent(counter *c, const extent *e, sns_error *err) {
    if (e->width_px) {
        c->out->pictures++;
        note(&c->out->width_px, &c->width_px, (double)e->width_px);
        note(&c->out->height_px, &c->height_px, (double)e->height_px);
    }
    return e->seconds > 0 ? note_seconds(c, e->seconds, err) : SNS_OK;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The one in the middle, or the mean of the two there. */
static double median(float *x, size_t n) {
    if (!n) return 0;
    qsort(x, n, sizeof *x, by_value);
    return ((double)x[(n - 1) / 2] + (double)x[n / 2]) / 2;
}

static sns_status take(void *user, sns_pair *p, const sns_dataset *langs, const void *result,
                       sns_error *err) {
    counter *c = user;
    sns_data_stats *o = c->out;
    o->samples++;
    o->bytes += p->size + p->beside_size;
    for (size_t i = 0; i < p->caption_count; i++) {
        const sns_caption *caption = &p->captions[i];
        sns_data_lang *l = find_lang(c, sns_dataset_lang(langs, caption->lang));
        if (!l) return sns_fail(err, SNS_NOMEM, "no memory for languages");
        l->captions++;
        l->samples += !i || caption->lang != caption[-1].lang;
        note(&o->caption_characters, &c->caption_characters,
             characters(p->texts + caption->text, caption->size));
    }
    o->captions += p->caption_count;
    note(&o->captions_per_sample, &c->captions_per_sample, p->caption_count);
    if (!count_concept(c, p->concept)) return sns_fail(err, SNS_NOMEM, "no memory for concepts");
    return result ? note_extent(c, result, err) : SNS_OK;
}

static int by_captions(const void *a, const void *b) {
    const sns_data_lang *x = a, *y = b;
    if (x->captions != y->captions) return x->captions < y->captions ? 1 : -1;
    return strcmp(x->name, y->name);
}

sns_status sns_data_measure(const sns_data_options *o, sns_data_stats *out, sns_error *err) {
    counter c = {.out = out};
    *out = (sns_data_stats){0};
    const sns_scan_work work = {.prepare = measure_picture,
                                .prepare_sound = measure_sound,
                                .sound = {.rate_hz = RATE_HZ, .max_seconds = DAY_SECONDS, .cut = 1},
                                .result_size = sizeof(extent),
                                .take = take,
                                .user = &c};
    sns_status s = sns_scan_decoded(o, &work, &out->skipped, &out->unreadable, err);
    out->seconds_total = c.seconds.sum;
    out->seconds_median = median(c.durations, c.seconds.count);
    free(c.durations);
    free(c.concepts);
    if (s)
        sns_data_stats_free(out);
    else if (out->lang_count)
        qsort(out->langs, out->lang_count, sizeof *out->langs, by_captions);
    return s;
}

void sns_data_stats_free(sns_data_stats *stats) {
    free(stats->langs);
    *stats = (sns_data_stats){0};
}
