/* index_stream.c - one film or recording into the catalog, a stretch at a time.
 *
 *   hash ─▶ known content │ unfinished: to where it ended │ new
 *   pictures: samples ─▶ vectors (embed/film_reader.h)  ┐ stretches: one transaction stores rows of
 *   sound:    windows ─▶ vectors (embed/sound_reader.h) ┘ `moments`, their vectors, how to go on
 *
 * A stretch is the unit of loss: 32 vectors in time, or a minute. It ends where a batch of the
 * encoder does, so that a film that goes on after a kill gives the same batches as one that was
 * never interrupted, and the same vectors to the last bit. While it is read a film can be found
 * already, as far as it is stored. */
#include "catalog/index_internal.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "embed/film_reader.h"
#include "embed/sound_reader.h"
#include "media/sound_kind.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH = 32 };
static const double stretch_seconds = 60, longest_film = 24 * 3600;

typedef enum track { PICTURES, SOUND } track;

/* Where a film stands; stored as it is. */
typedef struct place {
    sns_sampling sampling; /* of pictures */
    int64_t track;
    uint64_t windows; /* of sound, that are stored */
    int64_t fast;     /* how the pictures were read */
} place;

typedef struct stream_job {
    sns_indexer *x;
    sns_index_task *t;
    place at; /* of what is stored */
    double every;
    bool regions, goes_on; /* goes_on: some of it is in the catalog */
    bool settled;          /* all is stored of it that will be, or it is given up */
    sns_film_reader *film;
    sns_sound_reader *sound;
    size_t views, count, room;
    sns_span *spans; /* [room], the first count wait to be stored */
    float *vectors;  /* [room, views, E] */
    double end;      /* of the last span that was read */
} stream_job;

static void note(const stream_job *j, const char *what) {
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "%s: %s", j->t->file->path, what);
    if (j->x->o.note && !b.failed) j->x->o.note(j->x->o.user, b.data);
    sns_strbuf_free(&b);
}

static bool has_pictures(const stream_job *j) {
    return j->t->medium == SNS_MEDIUM_FILM && sns_model_image_px(j->x->model) > 0;
}

/* ---- what is there already ---- */

/* Inside a transaction: nothing of the content stays, and its files are to be read again. */
static sns_status drop_item(stream_job *j, sns_error *err) {
    static const char *const sql[] = {
        "UPDATE files SET vector = NULL, size = -1, problem = 'not read to its end'"
        " WHERE vector = ?",
        "DELETE FROM unfinished WHERE item = ?",
        "INSERT INTO removed SELECT vector FROM moments WHERE item = ?",
        "DELETE FROM moments WHERE item = ?",
        "DELETE FROM vectors WHERE id = ?",
    };
    sns_status status = SNS_OK;
    for (size_t i = 0; i < sizeof sql / sizeof *sql && !status; i++) {
        sqlite3_stmt *s;
        if ((status = sns_store_prepare(j->x->c, sql[i], &s, err))) return status;
        sqlite3_bind_int64(s, 1, j->t->vector);
        if (sqlite3_step(s) != SQLITE_DONE) status = sns_store_fail(j->x->c, err);
        sqlite3_finalize(s);
    }
    return status;
}

static void start_anew(stream_job *j) {
    j->t->vector = 0;
    j->goes_on = false;
    j->at = (place){.track = has_pictures(j) ? PICTURES : SOUND};
    if (j->t->unfinished) sns_index_hash(j->x, j->t, 1);
}

/* Forget what there is of an unfinished film, and begin it anew. */
static sns_status forget(stream_job *j, sns_error *err) {
    sns_status status = sns_index_begin(j->x, err);
    if (!status) status = sns_index_end(j->x, drop_item(j, err), err);
    if (!status) start_anew(j);
    return status;
}

/* The pictures of a film are complete then, whatever the options they were read with; `every` is
 * not known of them. */
sns_status sns_index_unheard(sns_catalog *c, sns_error *err) {
    const place sound = {.track = SOUND};
    sqlite3_stmt *s;
    sns_status status = sns_store_prepare(
        c, "INSERT OR IGNORE INTO unfinished SELECT DISTINCT item, ?, 0, ? FROM moments", &s, err);
    if (status) return status;
    sqlite3_bind_double(s, 1, SNS_UNHEARD);
    sqlite3_bind_blob(s, 2, &sound, sizeof sound, SQLITE_STATIC);
    if (sqlite3_step(s) != SQLITE_DONE) status = sns_store_fail(c, err);
    sqlite3_finalize(s);
    return status ? status
                  : sns_store_exec(c, "UPDATE files SET size = -1 WHERE vector IS NULL", err);
}

/* How to go on with content that is known but unfinished. */
static sns_status find_place(stream_job *j, sns_error *err) {
    sqlite3_stmt *s = j->x->find_state;
    bool fits = false;
    sqlite3_bind_int64(s, 1, j->t->vector);
    int step = sqlite3_step(s);
    sns_status status = step == SQLITE_ROW || step == SQLITE_DONE ? SNS_OK
                                                                  : sns_store_fail(j->x->c, err);
    if (step == SQLITE_ROW) {
        double every = sqlite3_column_double(s, 0);
        bool regions = sqlite3_column_int(s, 1) != 0,
             same = every == j->every && regions == j->regions;
        j->goes_on = true;
        fits = sqlite3_column_bytes(s, 2) == sizeof j->at;
        if (fits) memcpy(&j->at, sqlite3_column_blob(s, 2), sizeof j->at);
        if (fits && j->at.track == SOUND) { /* the options are of pictures, which are complete */
            j->every = every;
            j->regions = regions;
        } else {
            fits &= same && j->at.track == PICTURES && j->at.sampling.seconds > 0 &&
                    j->at.fast == (j->x->o.fast != 0);
        }
    }
    sqlite3_reset(s);
    return !status && j->goes_on && !fits ? forget(j, err) : status;
}

/* The row of its content, if there is one, and how to go on with it. */
static sns_status identify(stream_job *j, sns_error *err) {
    sns_index_task *t = j->t;
    size_t work[1], work_count;
    t->leader = 0;
    t->vector = t->unfinished;
    if (!t->vector) sns_index_hash(j->x, t, 1);
    sns_status status = t->vector || t->status
                            ? SNS_OK
                            : sns_index_match(j->x, t, 1, work, &work_count, err);
    return status || !t->vector ? status : find_place(j, err);
}

/* ---- storing ---- */

static sns_status add_moment(stream_job *j, const sns_span *span, int view, const float *vector,
                             sns_error *err) {
    sns_indexer *x = j->x;
    int64_t id;
    sns_status status = sns_slots_add(x->c, vector, &id, err);
    if (!status && !j->t->vector) {
        j->t->vector = id;
        sqlite3_bind_int64(x->add_vector, 1, id);
        sqlite3_bind_blob(x->add_vector, 2, j->t->hash, SNS_DIGEST_BYTES, SQLITE_STATIC);
        status = sns_index_step(x, x->add_vector, err);
    }
    if (status) return status;
    sqlite3_stmt *s = x->add_moment;
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, j->t->vector);
    sqlite3_bind_double(s, 3, span->start);
    sqlite3_bind_double(s, 4, span->end);
    sqlite3_bind_double(s, 5, span->seconds);
    sqlite3_bind_int(s, 6, span->cut != 0);
    sqlite3_bind_int(s, 7, view);
    return sns_index_step(x, s, err);
}

static sns_status put_place(stream_job *j, const place *next, sns_error *err) {
    sqlite3_stmt *s = j->x->put_state;
    sqlite3_bind_int64(s, 1, j->t->vector);
    sqlite3_bind_double(s, 2, j->every);
    sqlite3_bind_int(s, 3, j->regions);
    sqlite3_bind_blob(s, 4, next, sizeof *next, SQLITE_STATIC);
    return sns_index_step(j->x, s, err);
}

/* Inside a transaction: what waits, and how to go on; next NULL: it is over. */
static sns_status store_waiting(stream_job *j, const place *next, sns_index_counts *counts,
                                sns_error *err) {
    size_t E = sns_model_dim(j->x->model);
    bool sound = j->at.track == SOUND;
    sns_status status = SNS_OK;
    for (size_t i = 0; i < j->count * j->views && !status; i++)
        status = add_moment(j, &j->spans[i / j->views],
                            sound ? SNS_VIEW_SOUND : (int)(i % j->views), j->vectors + i * E, err);
    if (status) return status;
    if (next) {
        status = put_place(j, next, err);
        return status ? status : sns_index_store_file(j->x, j->t, err);
    }
    sqlite3_bind_int64(j->x->drop_state, 1, j->t->vector);
    status = sns_index_step(j->x, j->x->drop_state, err);
    return status ? status : sns_index_store(j->x, j->t, j->t, counts, err);
}

/* The film is not what it was when it was begun: what is stored of it goes. */
static sns_status drop_changed(stream_job *j, sns_error *err) {
    sns_status status = sns_index_begin(j->x, err);
    if (status) return status;
    if (j->t->vector) status = drop_item(j, err);
    if (!status) status = sns_index_store_file(j->x, j->t, err);
    if ((status = sns_index_end(j->x, status, err))) return status;
    j->settled = true;
    j->x->counts->unreadable++;
    sns_index_report(j->x, j->t->status, j->t->message ? j->t->message : j->t->file->path);
    return SNS_OK;
}

static sns_status commit(stream_job *j, const place *next, sns_error *err) {
    sns_indexer *x = j->x;
    sns_index_counts counts = *x->counts;
    int64_t before = j->t->vector;
    sns_index_check_same(j->t);
    if (j->t->status) return drop_changed(j, err);
    sns_status status = sns_index_begin(x, err);
    if (!status) status = sns_index_end(x, store_waiting(j, next, &counts, err), err);
    if (status) {
        j->t->vector = before;
        return status;
    }
    *x->counts = counts;
    j->count = 0;
    j->goes_on = true;
    j->settled = !next;
    if (next) j->at = *next;
    double duration = j->film ? sns_film_reader_duration(j->film) : 0;
    if (x->o.film) x->o.film(x->o.user, j->t->file->path, j->end, duration);
    return SNS_OK;
}

/* ---- reading ---- */

static sns_status append(stream_job *j, size_t n, const sns_span *spans, const float *vectors,
                         sns_error *err) {
    size_t row = j->views * sns_model_dim(j->x->model);
    if (j->count + n > j->room) {
        size_t room = j->count + n + STRETCH;
        sns_span *more_spans = realloc(j->spans, room * sizeof *spans);
        if (more_spans) j->spans = more_spans;
        float *more = realloc(j->vectors, room * row * sizeof *more);
        if (more) j->vectors = more;
        if (!more_spans || !more) return sns_index_no_memory(j->x, err);
        j->room = room;
    }
    memcpy(j->spans + j->count, spans, n * sizeof *spans);
    memcpy(j->vectors + j->count * row, vectors, n * row * sizeof *vectors);
    j->count += n;
    j->end = j->spans[j->count - 1].end;
    return SNS_OK;
}

/* Is it enough for a stretch? */
static bool is_stretch(const stream_job *j) {
    return j->count >= STRETCH || j->end - j->spans[0].start >= stretch_seconds;
}

/* What comes behind the pictures; NULL: nothing. */
static const place *behind_pictures(const stream_job *j) {
    static const place sound = {.track = SOUND};
    return j->x->hears ? &sound : NULL;
}

/* What a film lacks that was read to its end. */
static void note_damage(const stream_job *j) {
    double announced = sns_film_reader_duration(j->film);
    size_t damaged = sns_film_reader_damaged(j->film);
    char text[128];
    if (damaged) {
        snprintf(text, sizeof text, "%zu damaged frames or packets were passed over", damaged);
        note(j, text);
    }
    if (j->end >= longest_film - 1) {
        note(j, "longer than 24 hours; the rest is left out");
    } else if (j->end < 0.95 * announced - 1) {
        snprintf(text, sizeof text, "ends after %.1f of the %.1f seconds that it announces", j->end,
                 announced);
        note(j, text);
    }
}

/* It can't be read, or not further; next: what can be tried then, NULL: nothing. */
static sns_status give_up(stream_job *j, const sns_error *why, const place *next, sns_error *err) {
    sns_index_task *t = j->t;
    if (why->code == SNS_CANCELLED || why->code == SNS_NOMEM)
        return sns_fail(err, why->code, "%s", why->message);
    bool lasting = sns_index_is_lasting(why->code), begun = j->count || j->goes_on;
    if (lasting && begun && (j->film || j->at.track == SOUND)) {
        char text[sizeof why->message + 64];
        snprintf(text, sizeof text, "only the first %.1f seconds of its %s can be read (%s)",
                 j->end, j->at.track == SOUND ? "sound" : "pictures", why->message);
        note(j, text);
        return commit(j, next, err);
    }
    j->settled = true;
    if (lasting || !j->goes_on) {
        t->vector = 0;
        sns_index_fail(t, why->code, why->message);
        return sns_index_store_all(j->x, t, 1, err);
    }
    j->x->counts->unreadable++; /* perhaps not the next time: what is stored is kept */
    sns_index_report(j->x, why->code, why->message);
    return SNS_OK;
}

static sns_status open_film(stream_job *j, sns_error *err) {
    const sns_indexer *x = j->x;
    const sns_film_reading how = {.sampling = {.every = j->every,
                                               .longest = stretch_seconds,
                                               .fast = x->o.fast,
                                               .after = j->at.sampling},
                                  .seconds = stretch_seconds,
                                  .regions = j->regions,
                                  .threads = x->o.threads ? x->o.threads
                                                          : (size_t)omp_get_num_procs(),
                                  .cancel = x->o.cancel,
                                  .isolation = x->o.isolation};
    j->end = j->at.sampling.seconds;
    j->views = j->regions ? SNS_VIEWS : 1;
    return sns_film_reader_open(x->model, j->t->file->path, &how, &j->film, err);
}

/* The pictures, until they are over or the task is settled. */
static sns_status read_samples(stream_job *j, sns_error *err) {
    sns_error why = {0};
    sns_film_batch b;
    const place *behind = behind_pictures(j);
    sns_status status = SNS_OK;
    bool over = false;
    while (!status && !j->t->status && !sns_film_reader_next(j->film, &b, &why)) {
        if (!b.count) {
            if (!over) status = commit(j, behind, err);
            if (!status && !j->t->status) note_damage(j);
            return status;
        }
        if ((status = append(j, b.count, b.spans, b.vectors, err))) return status;
        const place next = {.sampling = b.next, .fast = j->x->o.fast != 0};
        over = !(b.next.seconds > 0);
        if (over || is_stretch(j)) status = commit(j, over ? behind : &next, err);
    }
    return status || j->t->status ? status : give_up(j, &why, behind, err);
}

static sns_status read_pictures(stream_job *j, sns_error *err) {
    const char *path = j->t->file->path;
    sns_error why = {0};
    sns_status s = open_film(j, &why);
    if ((s == SNS_UNSUPPORTED || s == SNS_ARG) && j->goes_on) { /* it can't be sought in */
        if ((s = forget(j, err))) return s;
        if (j->t->status) {
            j->settled = true;
            return sns_index_store_all(j->x, j->t, 1, err);
        }
        s = open_film(j, &why);
    }
    if (!s) return read_samples(j, err);
    if (s == SNS_MISSING && j->x->hears && !j->goes_on) { /* no pictures: perhaps sound */
        j->at.track = SOUND;
        return SNS_OK;
    }
    if ((s == SNS_FORMAT || s == SNS_MISSING) && !sns_is_film_name(path))
        sns_fail(&why, SNS_FORMAT, "%s: neither a picture nor a film", path);
    else if (s == SNS_MISSING)
        why.code = SNS_FORMAT; /* it is there, but has no pictures */
    return give_up(j, &why, NULL, err);
}

static sns_status read_windows(stream_job *j, sns_error *err) {
    sns_error why = {0};
    sns_sound_batch b;
    sns_status status = SNS_OK;
    bool over = false;
    place next = j->at;
    while (!status && !j->t->status && !sns_sound_reader_next(j->sound, &b, &why)) {
        if (!b.count) {
            if (!over) status = commit(j, NULL, err);
            if (!status && !j->t->status && sns_sound_reader_damaged(j->sound))
                note(j, "damaged parts of its sound were passed over");
            return status;
        }
        if ((status = append(j, b.count, b.spans, b.vectors, err))) return status;
        over = !b.more;
        next.windows += b.count;
        if (over || is_stretch(j)) status = commit(j, over ? NULL : &next, err);
    }
    return status || j->t->status ? status : give_up(j, &why, NULL, err);
}

static sns_status read_sound(stream_job *j, sns_error *err) {
    const sns_indexer *x = j->x;
    const sns_sound_reading how = {.after = (size_t)j->at.windows,
                                   .max_seconds = longest_film,
                                   .cancel = x->o.cancel,
                                   .isolation = x->o.isolation};
    sns_error why = {0};
    if (!x->hears) {
        sns_fail(&why, SNS_UNSUPPORTED, "%s: a recording, but no model hears", j->t->file->path);
        return give_up(j, &why, NULL, err);
    }
    sns_film_reader_free(j->film);
    j->film = NULL;
    j->views = 1;
    j->end = 0;
    sns_status s = sns_sound_reader_open(x->hears, j->t->file->path, &how, &j->sound, &why);
    if (!s) return read_windows(j, err);
    if (s == SNS_MISSING && j->goes_on) return commit(j, NULL, err); /* a silent film */
    if (s == SNS_MISSING) why.code = SNS_FORMAT; /* it is there, but has no sound */
    return give_up(j, &why, NULL, err);
}

sns_status sns_index_stream(sns_indexer *x, sns_index_task *t, sns_error *err) {
    stream_job j = {
        .x = x, .t = t, .every = x->o.every > 0 ? x->o.every : 1, .regions = x->o.regions != 0};
    j.at.track = has_pictures(&j) ? PICTURES : SOUND;
    sns_status status = identify(&j, err);
    if (!status && (t->status || (t->vector && !j.goes_on))) {
        j.settled = true;
        status = sns_index_store_all(x, t, 1, err);
    }
    if (!status && !j.settled && j.at.track == PICTURES) status = read_pictures(&j, err);
    if (!status && !j.settled && j.at.track == SOUND) status = read_sound(&j, err);
    sns_film_reader_free(j.film);
    sns_sound_reader_free(j.sound);
    free(j.spans);
    free(j.vectors);
    return status;
}
