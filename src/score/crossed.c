/* crossed.c - intervals for questions that are pairs.
 *
 * Owen 2007, "The pigeonhole bootstrap": where a question has two factors (here from concept A to
 * concept B), both are resampled, each with replacement and on its own; a pair counts as often as A
 * was drawn times as often as B was:
 *     m = sum_i u_A(i) v_B(i) hit_i / sum_i u_A(i) v_B(i)
 * Resampling pairs alone would take thousands of them for as many independent answers. */
#include "base/error.h"
#include "base/rng.h"
#include "score/rank.h"
#include <stdlib.h>
#include <string.h>

enum { STREAM = 2 }; /* measure.c has 0 and 1 */

static void draw(sns_rng *rng, uint32_t *times, size_t n) {
    memset(times, 0, n * sizeof *times);
    for (size_t i = 0; i < n; i++) times[sns_rng_below(rng, n)]++;
}

sns_status sns_crossed_recall(const uint32_t *ranks, const uint32_t *from, const uint32_t *to,
                              size_t n, size_t concepts, uint32_t k, sns_measure *m,
                              sns_error *err) {
    double draws[SNS_RESAMPLES], hits = 0;
    if (!n) return sns_fail(err, SNS_ARG, "there is no pair to measure");
    uint32_t *u = malloc(2 * concepts * sizeof *u), *v = u ? u + concepts : NULL;
    if (!u) return sns_fail(err, SNS_NOMEM, "no memory for %zu concepts", concepts);
    for (size_t i = 0; i < n; i++) hits += ranks[i] <= k;
    m->value = hits / (double)n;
    for (uint64_t b = 0; b < SNS_RESAMPLES; b++) {
        sns_rng rng;
        uint64_t all = 0, found = 0;
        sns_rng_seed_at(&rng, SNS_RESAMPLE_SEED, STREAM, b);
        while (!all) { /* few concepts may be drawn so that no pair is among them */
            draw(&rng, u, concepts);
            draw(&rng, v, concepts);
            for (size_t i = 0; i < n; i++) {
                uint64_t w = (uint64_t)u[from[i]] * v[to[i]];
                all += w;
                found += ranks[i] <= k ? w : 0;
            }
        }
        draws[b] = (double)found / (double)all;
    }
    sns_set_interval(draws, m);
    free(u);
    return SNS_OK;
}
