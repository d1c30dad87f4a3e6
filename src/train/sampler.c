/* sampler.c - an epoch is a permutation f(seed, epoch); batches never hold one concept twice.
 *
 * In a contrastive batch every other text is a wrong answer. Two pictures of one concept would each
 * be punished for matching the other's text, so the second one waits in a list that the next batch
 * draws from first. A resumed run replays the sampler from its start: that costs microseconds a
 * batch and leaves no state to be saved. */
#include "train/sampler.h"
#include "base/error.h"
#include "base/rng.h"
#include <stdlib.h>
#include <string.h>

struct sns_sampler {
    const uint64_t *concepts;
    size_t count, batch;
    uint64_t seed;
    uint32_t *order;   /* [count] this epoch's permutation */
    uint32_t *waiting; /* [count] deferred samples, oldest first */
    size_t cursor, waiting_count, epoch;
    uint64_t *table; /* concepts of the batch: open addressing, [table_size], 0 is empty */
    size_t table_size;
};

/* Add a concept to the batch's set; 0 when it is there already. */
static int claim(sns_sampler *s, uint64_t concept) {
    if (!concept) return 1;
    size_t mask = s->table_size - 1, i = (size_t)(concept * 0x9e3779b97f4a7c15u >> 20) & mask;
    for (; s->table[i]; i = (i + 1) & mask)
        if (s->table[i] == concept) return 0;
    s->table[i] = concept;
    return 1;
}

static void start_epoch(sns_sampler *s) {
    sns_rng rng;
    for (size_t i = 0; i < s->count; i++) s->order[i] = (uint32_t)i;
    sns_rng_seed_at(&rng, s->seed, SNS_STREAM_EPOCH, s->epoch);
    sns_rng_shuffle(&rng, s->order, s->count);
    s->cursor = s->waiting_count = 0;
}

/* Fill a batch from this epoch; false when too little is left. */
static int fill(sns_sampler *s, uint32_t *batch) {
    size_t n = 0, kept = 0;
    memset(s->table, 0, s->table_size * sizeof *s->table);
    for (size_t i = 0; i < s->waiting_count; i++) {
        uint32_t x = s->waiting[i];
        if (n < s->batch && claim(s, s->concepts[x]))
            batch[n++] = x;
        else
            s->waiting[kept++] = x;
    }
    s->waiting_count = kept;
    while (n < s->batch && s->cursor < s->count) {
        uint32_t x = s->order[s->cursor++];
        if (claim(s, s->concepts[x]))
            batch[n++] = x;
        else
            s->waiting[s->waiting_count++] = x;
    }
    return n == s->batch;
}

size_t sns_sampler_next(sns_sampler *s, uint32_t *batch) {
    while (!fill(s, batch)) {
        s->epoch++;
        start_epoch(s);
    }
    return s->epoch;
}

/* Can a whole epoch fill one batch? Decides whether sns_sampler_next would end. */
static sns_status check(sns_sampler *s, sns_error *err) {
    size_t distinct = 0;
    memset(s->table, 0, s->table_size * sizeof *s->table);
    for (size_t i = 0; i < s->count && distinct < s->batch; i++)
        distinct += (size_t)claim(s, s->concepts[i]);
    if (distinct >= s->batch) return SNS_OK;
    if (s->count < s->batch)
        return sns_fail(err, SNS_ARG, "a batch of %zu is larger than the data: %zu samples",
                        s->batch, s->count);
    return sns_fail(err, SNS_ARG,
                    "a batch of %zu needs as many different concepts; the data has %zu", s->batch,
                    distinct);
}

sns_status sns_sampler_new(const uint64_t *concepts, size_t count, size_t batch, uint64_t seed,
                           sns_sampler **out, sns_error *err) {
    sns_sampler *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return sns_fail(err, SNS_NOMEM, "no memory for the sampler");
    *s = (sns_sampler){.concepts = concepts, .count = count, .batch = batch, .seed = seed};
    for (s->table_size = 16; s->table_size < 2 * batch + 2;) s->table_size *= 2;
    s->order = calloc(count ? count : 1, sizeof *s->order);
    s->waiting = calloc(count ? count : 1, sizeof *s->waiting);
    s->table = calloc(s->table_size, sizeof *s->table);
    sns_status st = SNS_OK;
    if (!s->order || !s->waiting || !s->table)
        st = sns_fail(err, SNS_NOMEM, "no memory to order %zu samples", count);
    else if (!batch)
        st = sns_fail(err, SNS_ARG, "a batch of 0 samples");
    else
        st = check(s, err);
    if (st) {
        sns_sampler_free(s);
        return st;
    }
    start_epoch(s);
    *out = s;
    return SNS_OK;
}

void sns_sampler_free(sns_sampler *s) {
    if (!s) return;
    free(s->order);
    free(s->waiting);
    free(s->table);
    free(s);
}
