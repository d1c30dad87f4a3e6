/* data_match.c - pictures and recordings that occur twice: the same pixels or samples, or nearly.
 *
 * A picture's fingerprint: SHA-256 of its pixels; 64 signs of its discrete cosine transform
 * (Zauner 2010, "pHash"); and an 8 x 8 copy in colour. With g [32, 32] the grey picture,
 *     c(u, v) = sum_xy g(x, y) cos((2x + 1) u pi / 64) cos((2y + 1) v pi / 64),  1 <= u, v <= 8
 * bit (u, v) says whether c(u, v) is above the median of the 64. Two near pictures differ in few
 * bits; of 7 bands of 9 bits, two pictures that differ in at most 6 bits share one whole band, so
 * that only pictures with an equal band are compared.
 *
 * A recording's are SHA-256 of its samples and, of its spectrogram as a picture, the rest; that is
 * as wide as any other, so two must also be about as long. */
#include "base/error.h"
#include "base/strbuf.h"
#include "prep/preprocess.h"
#include "train/data_scan.h"
#include <glib.h>
#include <math.h>

enum { SIDE = 32, KEPT = 8, SMALL = 8, BANDS = 7, BAND_BITS = 9, BITS_MAX = BANDS - 1 };
enum { SOUND_WIDTH = 256, SOUND_HEIGHT = 128, SOUND_SECONDS = 3600 };
static const float SAME_LENGTH_SECONDS = 0.1f, SAME_LENGTH = 0.01f;

typedef struct print {
    unsigned char digest[32];
    uint64_t bits;
    bool seen;     /* it is known: of a picture and a sound the picture counts */
    float seconds; /* of a recording; 0: a picture */
    bool copy;     /* an earlier one has the same pixels */
    uint8_t small[SMALL * SMALL * 3];
} print;

typedef struct prints {
    print *items;
    size_t *names; /* offsets into text */
    size_t count, capacity, first_b;
    sns_strbuf text;
} prints;

/* A match under construction. */
typedef struct found {
    uint32_t partner;
    float difference;
    bool exact, any;
} found;

static void hash_pixels(const sns_image *image, unsigned char digest[32]) {
    uint64_t size[2] = {image->width_px, image->height_px};
    gsize n = 32;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(sum, (const guchar *)size, sizeof size);
    for (size_t y = 0; y < image->height_px; y++)
        g_checksum_update(sum, image->rgb + y * image->width_px * 3, (gssize)(image->width_px * 3));
    g_checksum_get_digest(sum, digest, &n);
    g_checksum_free(sum);
}

static void hash_samples(const sns_sound *sound, unsigned char digest[32]) {
    gsize n = 32;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(sum, (const guchar *)sound->samples,
                      (gssize)(sound->count * sizeof *sound->samples));
    g_checksum_get_digest(sum, digest, &n);
    g_checksum_free(sum);
}

/* The middle value of 64. */
static float median(const float *c) {
    float sorted[KEPT * KEPT];
    memcpy(sorted, c, sizeof sorted);
    for (int i = 1; i < KEPT * KEPT; i++) {
        float x = sorted[i];
        int k = i;
        for (; k && sorted[k - 1] > x; k--) sorted[k] = sorted[k - 1];
        sorted[k] = x;
    }
    return sorted[KEPT * KEPT / 2];
}

/* rgb [SIDE, SIDE, 3] */
static uint64_t cosine_bits(const uint8_t *rgb) {
    float rows[SIDE][KEPT] = {{0}}, c[KEPT * KEPT] = {0}, basis[KEPT][SIDE];
    for (int u = 0; u < KEPT; u++)
        for (int x = 0; x < SIDE; x++)
            basis[u][x] = (float)cos((2 * x + 1) * (u + 1) * 3.14159265358979 / (2 * SIDE));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const uint8_t *p = rgb + (y * SIDE + x) * 3;
            float grey = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
            for (int u = 0; u < KEPT; u++) rows[y][u] += grey * basis[u][x];
        }
    for (int v = 0; v < KEPT; v++)
        for (int y = 0; y < SIDE; y++)
            for (int u = 0; u < KEPT; u++) c[v * KEPT + u] += rows[y][u] * basis[v][y];
    float middle = median(c);
    uint64_t bits = 0;
    for (int i = 0; i < KEPT * KEPT; i++) bits |= (uint64_t)(c[i] > middle) << i;
    return bits;
}

/* What near pictures have in common. */
static sns_status sketch(const sns_image *image, print *p, sns_error *err) {
    enum { CELL = SIDE / SMALL };
    uint8_t rgb[SIDE * SIDE * 3];
    size_t w = image->width_px, h = image->height_px;
    sns_status s = sns_resize_bicubic(image->rgb, w, h, 0, 0, (double)w, (double)h, rgb, SIDE, SIDE,
                                      err);
    if (s) return s;
    p->bits = cosine_bits(rgb);
    for (int i = 0; i < SMALL * SMALL * 3; i++) {
        int channel = i % 3, x = i / 3 % SMALL * CELL, y = i / 3 / SMALL * CELL, sum = 0;
        for (int k = 0; k < CELL * CELL; k++)
            sum += rgb[((y + k / CELL) * SIDE + x + k % CELL) * 3 + channel];
        p->small[i] = (uint8_t)(sum / (CELL * CELL));
    }
    p->seen = true;
    return SNS_OK;
}

static sns_status prepare(const sns_image *image, void *result, sns_error *err) {
    print *p = result;
    hash_pixels(image, p->digest);
    return sketch(image, p, err);
}

static sns_status prepare_sound(const sns_sound *sound, void *result, sns_error *err) {
    print *p = result;
    sns_image image;
    if (p->seen) return SNS_OK;
    hash_samples(sound, p->digest);
    p->seconds = (float)sound->count / (float)sound->rate_hz;
    sns_status s = sns_sound_picture(sound, SOUND_WIDTH, SOUND_HEIGHT, &image, err);
    if (s) return s;
    s = sketch(&image, p, err);
    sns_image_free(&image);
    return s;
}

static sns_status take(void *user, sns_pair *pair, const sns_dataset *langs, const void *result,
                       sns_error *err) {
    prints *all = user;
    (void)langs;
    if (!result) return SNS_OK;
    if (all->count == all->capacity) {
        size_t more = all->capacity ? 2 * all->capacity : 1024;
        print *items = reallocarray(all->items, more, sizeof *items);
        if (items) all->items = items;
        size_t *names = items ? reallocarray(all->names, more, sizeof *names) : NULL;
        if (names) all->names = names;
        if (!names || more > UINT32_MAX)
            return sns_fail(err, SNS_NOMEM, "no memory for %zu pictures", more);
        all->capacity = more;
    }
    memcpy(&all->items[all->count], result, sizeof(print));
    all->items[all->count].copy = false;
    all->names[all->count++] = all->text.size;
    sns_strbuf_add(&all->text, pair->name, strlen(pair->name) + 1);
    return all->text.failed ? sns_fail(err, SNS_NOMEM, "no memory for names") : SNS_OK;
}

/* Mean difference of two small copies. */
static float difference(const print *a, const print *b) {
    int sum = 0;
    for (int i = 0; i < SMALL * SMALL * 3; i++) sum += abs(a->small[i] - b->small[i]);
    return (float)sum / (SMALL * SMALL * 3);
}

/* Both pictures, or recordings of one length. */
static bool comparable(const print *a, const print *b) {
    bool sounds = a->seconds > 0;
    return sounds == (b->seconds > 0) &&
           fabsf(a->seconds - b->seconds) <=
               SAME_LENGTH_SECONDS + SAME_LENGTH * fmaxf(a->seconds, b->seconds);
}

/* Is `partner` a better match for `of` than what was found so far? */
static void offer(const prints *all, found *list, uint32_t partner, uint32_t of, double most) {
    const print *a = &all->items[partner], *b = &all->items[of];
    found *f = &list[of];
    if (partner >= of || (all->first_b && (partner >= all->first_b || of < all->first_b))) return;
    if (!comparable(a, b)) return;
    bool exact = !memcmp(a->digest, b->digest, sizeof a->digest);
    if (!exact && (most <= 0 || __builtin_popcountll(a->bits ^ b->bits) > BITS_MAX)) return;
    float d = exact ? 0 : difference(a, b);
    if (!exact && (double)d > most) return;
    if (f->any && (f->exact > exact ||
                   (f->exact == exact &&
                    (f->difference < d || (!(f->difference > d) && f->partner <= partner)))))
        return;
    *f = (found){partner, d, exact, true};
}

typedef struct slot {
    const print *print;
    uint32_t key, index;
} slot;

static int by_digest(const void *a, const void *b) {
    const slot *x = a, *y = b;
    int c = memcmp(x->print->digest, y->print->digest, sizeof x->print->digest);
    return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

static int by_key(const void *a, const void *b) {
    const slot *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Each picture with the first one that has its pixels. */
static void find_copies(prints *all, slot *order, found *list, double most) {
    qsort(order, all->count, sizeof *order, by_digest);
    for (size_t first = 0, i = 1; i < all->count; i++) {
        if (memcmp(order[first].print->digest, order[i].print->digest, 32))
            first = i;
        else
            offer(all, list, order[first].index, order[i].index, most);
    }
    for (size_t i = 0; i < all->count; i++) all->items[i].copy = list[i].any;
}

/* All pairs with the same key; copies are passed over, the picture they copy stands for them. */
static void compare_groups(const prints *all, slot *order, found *list, double most) {
    qsort(order, all->count, sizeof *order, by_key);
    for (size_t from = 0, to; from < all->count; from = to) {
        for (to = from + 1; to < all->count && order[to].key == order[from].key;) to++;
#pragma omp parallel for schedule(dynamic)
        for (size_t j = from + 1; j < to; j++)
            for (size_t i = from; i < j && !order[j].print->copy; i++)
                if (!order[i].print->copy) offer(all, list, order[i].index, order[j].index, most);
    }
}

static sns_status compare(prints *all, double most, found **list, sns_error *err) {
    slot *order = calloc(all->count + 1, sizeof *order);
    *list = calloc(all->count + 1, sizeof **list);
    if (!order || !*list) {
        free(order);
        return sns_fail(err, SNS_NOMEM, "no memory to compare %zu pictures", all->count);
    }
    for (size_t i = 0; i < all->count; i++) order[i] = (slot){&all->items[i], 0, (uint32_t)i};
    find_copies(all, order, *list, most);
    for (int band = 0; band < BANDS && most > 0; band++) {
        for (size_t i = 0; i < all->count; i++) {
            uint64_t bits = order[i].print->bits >> (band * BAND_BITS);
            order[i].key = (uint32_t)(bits & ((1u << BAND_BITS) - 1));
        }
        compare_groups(all, order, *list, most);
    }
    free(order);
    return SNS_OK;
}

static sns_status collect(prints *all, const found *list, sns_data_matches *out, sns_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) n += list[i].any;
    out->items = calloc(n + 1, sizeof *out->items);
    if (!out->items) return sns_fail(err, SNS_NOMEM, "no memory for %zu matches", n);
    out->names = all->text.data;
    all->text = (sns_strbuf){0};
    for (size_t i = 0; i < all->count; i++)
        if (list[i].any)
            out->items[out->count++] = (sns_data_match){out->names + all->names[list[i].partner],
                                                        out->names + all->names[i], list[i].exact,
                                                        (double)list[i].difference};
    return SNS_OK;
}

sns_status sns_data_find_matches(const sns_data_options *a, const sns_data_options *b,
                                 double max_difference, sns_data_matches *out, sns_error *err) {
    prints all = {0};
    found *list = NULL;
    size_t skipped[4] = {0};
    *out = (sns_data_matches){0};
    const sns_scan_work work = {.prepare = prepare,
                                .prepare_sound = prepare_sound,
                                .sound = {.max_seconds = SOUND_SECONDS, .cut = 1},
                                .result_size = sizeof(print),
                                .take = take,
                                .user = &all};
    sns_status s = sns_scan_decoded(a, &work, &skipped[0], &skipped[1], err);
    out->samples_a = all.count;
    if (!s && b && all.count) {
        all.first_b = all.count;
        s = sns_scan_decoded(b, &work, &skipped[2], &skipped[3], err);
        out->samples_b = all.count - all.first_b;
    }
    for (size_t i = 0; i < 4; i++) out->skipped += skipped[i];
    if (!s) s = compare(&all, max_difference, &list, err);
    if (!s) s = collect(&all, list, out, err);
    free(list);
    free(all.items);
    free(all.names);
    sns_strbuf_free(&all.text);
    if (s) sns_data_matches_free(out);
    return s;
}

void sns_data_matches_free(sns_data_matches *matches) {
    free(matches->items);
    free(matches->names);
    *matches = (sns_data_matches){0};
}
