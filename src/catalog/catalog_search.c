/* catalog_search.c - exact search: one scan over all vectors, one over all files.
 *
 * The vectors of equal files are stored once, so scores are computed by vector and handed out by
 * file. Memory: 5 bytes for each vector (17 where relevance is asked for), a block of rows, and the
 * n best. */
#include "catalog/store.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "kernel/kernel.h"

enum { BLOCK_ROWS = 256 };

typedef struct scores {
    float *of;        /* cosines by row id; the ids are dense but for removed ones */
    float *relevance; /* the same; NULL: not asked for */
    bool *known;
    size_t capacity;
    const sns_classifier *cohort;
    sns_moments *moments; /* with a cohort: by row id */
} scores;

static sns_status no_memory(const sns_catalog *c, sns_error *err) {
    return sns_fail(err, SNS_NOMEM, "%s: no memory to search", c->path);
}

/* The block's rows against the query, into scores by id. */
static void score_block(const float *query, const float *rows, const int64_t *ids, size_t n,
                        size_t dim, scores *out) {
    float block[BLOCK_ROWS];
    sns_kernels_get()->dot_rows(block, query, rows, n, dim);
    sns_moments moments[BLOCK_ROWS];
    if (out->moments) sns_cohort_moments(out->cohort, rows, n, moments);
    for (size_t i = 0; i < n; i++) {
        out->of[ids[i]] = block[i];
        out->known[ids[i]] = true;
        if (out->moments) out->moments[ids[i]] = moments[i];
    }
}

static sns_status scan_vectors(sns_catalog *c, const float *query, size_t dim, float *rows,
                               scores *out, sns_error *err) {
    sqlite3_stmt *s;
    int64_t ids[BLOCK_ROWS];
    size_t n = 0;
    int step = SQLITE_DONE;
    sns_status status = sns_store_prepare(c, "SELECT id, vector FROM vectors", &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(s, 0);
        const void *blob = sqlite3_column_blob(s, 1);
        if (id < 0 || (uint64_t)id >= out->capacity || !blob ||
            (size_t)sqlite3_column_bytes(s, 1) != dim * sizeof(float)) {
            status = sns_fail(err, SNS_FORMAT,
                              "%s: vector %lld is damaged; index again with --rebuild", c->path,
                              (long long)id);
            break;
        }
        ids[n] = id;
        memcpy(rows + n * dim, blob, dim * sizeof(float));
        if (++n == BLOCK_ROWS) score_block(query, rows, ids, n, dim, out), n = 0;
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    if (!status && n) score_block(query, rows, ids, n, dim, out);
    sqlite3_finalize(s);
    return status;
}

/* Relevance of all vectors: they are moved together, over the gaps that removed ones left, and
 * back. */
static void judge(scores *s) {
    size_t n = 0;
    for (size_t id = 0; id < s->capacity; id++) {
        if (!s->known[id]) continue;
        s->relevance[n] = s->of[id];
        if (s->moments) s->moments[n] = s->moments[id];
        n++;
    }
    sns_relevance(s->relevance, s->moments, n, s->relevance);
    for (size_t id = s->capacity; id-- > 0;)
        if (s->known[id]) s->relevance[id] = s->relevance[--n];
}

/* Is a listed after b? By relevance where there is one, by score, by path. */
static bool is_worse(const sns_hit *a, const sns_hit *b) {
    if (a->relevance != b->relevance) return a->relevance < b->relevance;
    if (a->score != b->score) return a->score < b->score;
    return strcmp(a->path, b->path) > 0;
}

/* The heap keeps the n best with the worst on top. */
static void sift_down(sns_hit *heap, size_t count, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && is_worse(&heap[child + 1], &heap[child])) child++;
        if (!is_worse(&heap[child], &heap[i])) return;
        sns_hit t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static void sift_up(sns_hit *heap, size_t i) {
    while (i && is_worse(&heap[i], &heap[(i - 1) / 2])) {
        sns_hit t = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static sns_status offer(const sns_catalog *c, sns_hits *best, size_t n, sns_hit hit,
                        sns_error *err) {
    bool full = best->count == n;
    if (full && !is_worse(&best->items[0], &hit)) return SNS_OK;
    if (!(hit.path = sns_strdup(hit.path))) return no_memory(c, err);
    if (full) {
        free((void *)best->items[0].path);
        best->items[0] = hit;
        sift_down(best->items, best->count, 0);
    } else {
        best->items[best->count] = hit;
        sift_up(best->items, best->count++);
    }
    return SNS_OK;
}

static sns_status scan_files(sns_catalog *c, const scores *all, float least, size_t n,
                             sns_hits *best, sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    sns_status status = sns_store_prepare(
        c, "SELECT vector, path FROM files WHERE vector IS NOT NULL", &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(s, 0);
        const char *path = (const char *)sqlite3_column_text(s, 1);
        if (!path || id < 0 || (uint64_t)id >= all->capacity || !all->known[id]) continue;
        sns_hit hit = {path, all->of[id], all->relevance ? all->relevance[id] : 0};
        if (!all->relevance || hit.relevance >= least) status = offer(c, best, n, hit, err);
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status;
}

/* Empties the heap from its worst, so that the best come first. */
static void sort_hits(sns_hits *h) {
    for (size_t left = h->count; left > 1; left--) {
        sns_hit worst = h->items[0];
        h->items[0] = h->items[left - 1];
        h->items[left - 1] = worst;
        sift_down(h->items, left - 1, 0);
    }
}

/* The number that row ids stay below, and how many files there are. */
static sns_status measure(sns_catalog *c, size_t *ids, size_t *files, sns_error *err) {
    sqlite3_stmt *s;
    sns_status status = sns_store_prepare(c, "SELECT coalesce(max(id), 0) + 1 FROM vectors", &s,
                                          err);
    if (status) return status;
    *ids = sqlite3_step(s) == SQLITE_ROW ? (size_t)sqlite3_column_int64(s, 0) : 1;
    sqlite3_finalize(s);
    return sns_catalog_count(c, files, err);
}

static sns_status new_scores(const sns_catalog *c, bool relevant, scores *all, sns_error *err) {
    if (all->capacity > (size_t)1 << 33)
        return sns_fail(err, SNS_LIMIT, "%s: too many vectors", c->path);
    all->of = malloc(all->capacity * sizeof *all->of);
    all->known = calloc(all->capacity, sizeof *all->known);
    if (relevant) all->relevance = malloc(all->capacity * sizeof *all->relevance);
    if (all->cohort) all->moments = malloc(all->capacity * sizeof *all->moments);
    bool ok = all->of && all->known && (!relevant || all->relevance) &&
              (!all->cohort || all->moments);
    return ok ? SNS_OK : no_memory(c, err);
}

/* What is asked for: the n nearest, or of these the relevant ones. */
typedef struct request {
    const float *query;
    size_t dim, n;
    bool relevant;
    const sns_classifier *cohort;
    float least;
} request;

/* Both scans inside one transaction see the same state, whatever a writer does meanwhile. */
static sns_status search(sns_catalog *c, const request *r, sns_hits *out, sns_error *err) {
    scores all = {.cohort = r->cohort};
    size_t files = 0;
    sns_status status = measure(c, &all.capacity, &files, err);
    if (status || !files) return status;
    size_t n = r->n < files ? r->n : files;
    float *rows = sns_aligned_alloc(BLOCK_ROWS * r->dim * sizeof *rows);
    out->items = calloc(n, sizeof *out->items);
    status = rows && out->items ? new_scores(c, r->relevant, &all, err) : no_memory(c, err);
    if (!status) status = scan_vectors(c, r->query, r->dim, rows, &all, err);
    if (!status && r->relevant) judge(&all);
    if (!status) status = scan_files(c, &all, r->least, n, out, err);
    sns_aligned_free(rows);
    free(all.known);
    free(all.of);
    free(all.relevance);
    free(all.moments);
    return status;
}

static sns_status answer(sns_catalog *c, const request *r, sns_hits *out, sns_error *err) {
    *out = (sns_hits){0};
    if (!r->n || !r->dim) return sns_fail(err, SNS_ARG, "%s: a search for 0 files", c->path);
    if (c->dim && c->dim != r->dim)
        return sns_fail(err, SNS_SHAPE, "%s: its vectors have %zu numbers, the query has %zu",
                        c->path, c->dim, r->dim);
    if (r->cohort && sns_classifier_dim(r->cohort) != r->dim)
        return sns_fail(err, SNS_SHAPE, "%s: the cohort is of another model", c->path);
    sns_status status = sns_store_exec(c, "BEGIN", err);
    if (status) return status;
    status = search(c, r, out, err);
    sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
    if (status)
        sns_hits_free(out);
    else
        sort_hits(out);
    return status;
}

sns_status sns_catalog_search(sns_catalog *c, const float *query, size_t dim, size_t n,
                              sns_hits *out, sns_error *err) {
    return answer(c, &(request){.query = query, .dim = dim, .n = n}, out, err);
}

sns_status sns_catalog_search_relevant(sns_catalog *c, const float *query, size_t dim, size_t n,
                                       const sns_classifier *cohort, float least, sns_hits *out,
                                       sns_error *err) {
    request r = {query, dim, n, true, cohort, least};
    return answer(c, &r, out, err);
}

sns_status sns_catalog_vectors(sns_catalog *c, sns_catalog_vector_fn *fn, void *user,
                               sns_error *err) {
    sqlite3_stmt *s;
    int step = SQLITE_DONE;
    float *vector = c->dim ? malloc(c->dim * sizeof *vector) : NULL;
    if (c->dim && !vector) return no_memory(c, err);
    sns_status status = sns_store_prepare(
        c,
        "SELECT path, vectors.vector FROM files JOIN vectors ON vectors.id = files.vector "
        "ORDER BY path",
        &s, err);
    while (!status && (step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *path = (const char *)sqlite3_column_text(s, 0);
        const void *blob = sqlite3_column_blob(s, 1);
        if (!path || !blob || (size_t)sqlite3_column_bytes(s, 1) != c->dim * sizeof *vector) {
            status = sns_fail(err, SNS_FORMAT,
                              "%s: a vector is damaged; index again with --rebuild", c->path);
            break;
        }
        memcpy(vector, blob, c->dim * sizeof *vector);
        status = fn(user, path, vector, c->dim, err);
    }
    if (!status && step != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    free(vector);
    return status;
}

void sns_hits_free(sns_hits *hits) {
    if (!hits) return;
    for (size_t i = 0; i < hits->count; i++) free((void *)hits->items[i].path);
    free(hits->items);
    *hits = (sns_hits){0};
}
