/* catalog_scale.c - what unrelated texts score on a catalog's pictures, and on its sound.
 *
 * With x_i some of the vectors of one kind, evenly spread, c_j the cohort's texts (relevance.h):
 * mean and deviation of c_j . x_i over all i and j. catalog_film.c joins scores by it. */
#include "catalog/catalog_scale.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>

enum { MOST_VECTORS = 2048 };
/* docs/SOUND.md has what others give. */
static const float default_weight = 0.25f;

static const char pictures_sql[] =
    "SELECT id FROM vectors WHERE id NOT IN (SELECT item FROM moments) UNION"
    " SELECT vector FROM moments WHERE view >= 0 ORDER BY 1";
static const char sound_sql[] = "SELECT vector FROM moments WHERE view < 0 ORDER BY vector";

/* Every n-th id of a query; *ids malloc'd. */
static sns_status choose_ids(const sns_catalog *c, const char *sql, int64_t **ids, size_t *count,
                             sns_error *err) {
    sqlite3_stmt *s;
    int64_t all = 0;
    int step = SQLITE_DONE;
    char counting[sizeof pictures_sql + 64];
    *count = 0;
    *ids = malloc(MOST_VECTORS * sizeof **ids);
    if (!*ids) return sns_fail(err, SNS_NOMEM, "%s: no memory", c->path);
    snprintf(counting, sizeof counting, "SELECT count(*) FROM (%s)", sql);
    sns_status status = sns_store_number(c, counting, &all, err);
    if (status || (status = sns_store_prepare(c, sql, &s, err))) return status;
    size_t every = ((size_t)all + MOST_VECTORS - 1) / MOST_VECTORS;
    for (size_t i = 0; (step = sqlite3_step(s)) == SQLITE_ROW; i++) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (i % every == 0 && *count < MOST_VECTORS && id >= 1 && (uint64_t)id <= c->slots)
            (*ids)[(*count)++] = id;
    }
    if (step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}

static sns_status measure(const sns_catalog *c, const sns_classifier *cohort, const char *sql,
                          sns_moments *out, size_t *count, sns_error *err) {
    int64_t *ids = NULL;
    double mean = 0, square = 0;
    sns_status status = choose_ids(c, sql, &ids, count, err);
    for (size_t i = 0; i < *count && !status; i++) {
        sns_moments m;
        sns_cohort_moments(cohort, sns_vector_file_row(&c->mapped, (size_t)ids[i] - 1), 1, &m);
        mean += m.mean;
        square += (double)m.mean * m.mean + (double)m.std * m.std;
    }
    free(ids);
    if (status || !*count) return status;
    mean /= (double)*count;
    double variance = square / (double)*count - mean * mean;
    *out = (sns_moments){(float)mean, (float)sqrt(fmax(variance, 1e-12))};
    return SNS_OK;
}

static const char *const keys[4] = {"picture_mean", "picture_deviation", "sound_mean",
                                    "sound_deviation"};

static sns_status write(const sns_catalog *c, const sns_scale *s, sns_error *err) {
    const float values[4] = {s->pictures.mean, s->pictures.std, s->sound.mean, s->sound.std};
    sns_status status = SNS_OK;
    for (size_t i = 0; i < 4 && !status; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.9g", (double)values[i]);
        status = sns_store_write_text(c, keys[i], text, err);
    }
    return status;
}

static const char both_sql[] =
    "SELECT EXISTS(SELECT 1 FROM moments WHERE view < 0) AND (EXISTS(SELECT 1 FROM moments WHERE"
    " view >= 0) OR EXISTS(SELECT 1 FROM vectors WHERE id NOT IN (SELECT item FROM moments)))";

sns_status sns_scale_store(sns_catalog *c, const sns_model *model, sns_error *err) {
    sns_classifier *cohort;
    sns_scale scale = {0};
    size_t pictures = 0, sounds = 0;
    int64_t both;
    sns_status status = sns_store_number(c, both_sql, &both, err);
    if (status || !both) return status;
    if ((status = sns_cohort_new(model, NULL, 0, &cohort, err))) return status;
    status = sns_slots_begin(c, err);
    if (!status && c->slots) {
        status = measure(c, cohort, pictures_sql, &scale.pictures, &pictures, err);
        if (!status) status = measure(c, cohort, sound_sql, &scale.sound, &sounds, err);
    }
    sns_slots_end(c);
    sns_classifier_free(cohort);
    if (status || !pictures || !sounds) return status;
    if ((status = sns_store_exec(c, "BEGIN IMMEDIATE", err))) return status;
    status = write(c, &scale, err);
    if (!status) status = sns_store_exec(c, "COMMIT", err);
    if (status) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

sns_status sns_scale_weigh(sns_catalog *c, double weight, sns_error *err) {
    char text[32];
    if (!(weight > 0 && weight <= 100))
        return sns_fail(err, SNS_ARG, "%s: a weight of sound of %g", c->path, weight);
    snprintf(text, sizeof text, "%.9g", weight);
    return sns_store_write_text(c, "sound_weight", text, err);
}

/* Of the meta table; `otherwise` when it is not there. */
static sns_status read_number(const sns_catalog *c, const char *key, float otherwise, float *out,
                              sns_error *err) {
    char *text;
    sns_status status = sns_store_read_text(c, key, &text, err);
    *out = text ? strtof(text, NULL) : otherwise;
    free(text);
    return status;
}

sns_status sns_scale_read(const sns_catalog *c, sns_scale *out, bool *known, sns_error *err) {
    float values[4], weight;
    sns_status status = read_number(c, "sound_weight", default_weight, &weight, err);
    for (size_t i = 0; i < 4 && !status; i++)
        status = read_number(c, keys[i], NAN, &values[i], err);
    if (status) return status;
    *known = isfinite(values[0]) && values[1] > 0 && isfinite(values[2]) && values[3] > 0;
    if (!(weight > 0 && weight <= 100)) weight = default_weight;
    *out = (sns_scale){{values[0], values[1]}, {values[2], values[3]}, weight};
    return SNS_OK;
}
