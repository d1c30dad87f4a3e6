/* train_log.c - what happened, one JSON object a line, and the points that the curve is drawn of.
 */
#include "train/train_log.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include <errno.h>
#include <jansson.h>
#include <sys/file.h>
#include <unistd.h>

struct sns_train_log {
    char *path, *curve;
    FILE *file;
    sns_series loss, recall;
};

enum { LOG_BYTES_MAX = 1 << 30 };

bool sns_series_add(sns_series *s, double x, double y) {
    if (s->count == s->capacity) {
        size_t more = s->capacity ? 2 * s->capacity : 256;
        sns_point *p = reallocarray(s->points, more, sizeof *p);
        if (!p) return false;
        s->points = p;
        s->capacity = more;
    }
    s->points[s->count++] = (sns_point){x, y};
    return true;
}

/* Take the points of one line; false: it is past `keep`, or not a line of ours. */
static bool take_line(sns_train_log *log, const char *line, size_t size, size_t keep) {
    json_t *root = json_loadb(line, size, 0, NULL);
    json_t *step = json_object_get(root, "step"), *loss = json_object_get(root, "loss");
    json_t *recall = json_object_get(root, "recall10");
    bool ours = json_is_integer(step) && json_integer_value(step) >= 0 &&
                (size_t)json_integer_value(step) <= keep;
    if (ours && loss) sns_series_add(&log->loss, json_number_value(step), json_number_value(loss));
    if (ours && recall)
        sns_series_add(&log->recall, json_number_value(step), json_number_value(recall));
    json_decref(root);
    return ours;
}

/* Drop the lines of an older attempt that come after step `keep`. */
static sns_status trim(sns_train_log *log, size_t keep, sns_error *err) {
    char *data;
    size_t size;
    sns_strbuf kept = {0};
    sns_status s = sns_file_read(log->path, LOG_BYTES_MAX, &data, &size, err);
    if (s == SNS_MISSING) return SNS_OK;
    if (s) return s;
    for (char *p = data, *end; p < data + size; p = end) {
        char *newline = memchr(p, '\n', (size_t)(data + size - p));
        if (!newline) break; /* cut off by a crash */
        end = newline + 1;
        if (take_line(log, p, (size_t)(newline - p), keep))
            sns_strbuf_add(&kept, p, (size_t)(end - p));
    }
    if (kept.failed)
        s = sns_fail(err, SNS_NOMEM, "%s: no memory", log->path);
    else if (kept.size != size)
        s = sns_file_write(log->path, sns_strbuf_text(&kept), kept.size, err);
    sns_strbuf_free(&kept);
    free(data);
    return s;
}

static sns_status open_file(sns_train_log *log, sns_error *err) {
    log->file = fopen(log->path, "ae");
    if (!log->file) return sns_fail_errno(err, SNS_IO, errno, "%s", log->path);
    if (flock(fileno(log->file), LOCK_EX | LOCK_NB))
        return sns_fail(err, SNS_BUSY, "%s: another run is writing to it", log->path);
    return SNS_OK;
}

sns_status sns_train_log_open(const char *dir, size_t keep, sns_train_log **out, sns_error *err) {
    sns_train_log *log = calloc(1, sizeof *log);
    *out = NULL;
    if (!log) return sns_fail(err, SNS_NOMEM, "no memory for the log");
    log->path = sns_path_join(dir, "log.jsonl");
    log->curve = sns_path_join(dir, "curve.svg");
    sns_status s = SNS_OK;
    if (!log->path || !log->curve) s = sns_fail(err, SNS_NOMEM, "no memory for the log");
    if (!s) s = open_file(log, err); /* first: only the holder of the lock may trim */
    if (!s) s = trim(log, keep, err);
    if (!s) {
        fclose(log->file); /* trimming may have replaced the file */
        s = open_file(log, err);
    }
    if (s) {
        sns_train_log_close(log);
        return s;
    }
    *out = log;
    return SNS_OK;
}

void sns_train_log_close(sns_train_log *log) {
    if (!log) return;
    if (log->file) fclose(log->file);
    free(log->path);
    free(log->curve);
    free(log->loss.points);
    free(log->recall.points);
    free(log);
}

static sns_status flushed(sns_train_log *log, bool ok, sns_error *err) {
    if (fflush(log->file) || !ok)
        return sns_fail_errno(err, SNS_IO, errno, "%s: cannot write", log->path);
    return SNS_OK;
}

sns_status sns_train_log_step(sns_train_log *log, const sns_log_step *s, sns_error *err) {
    bool ok = sns_series_add(&log->loss, (double)s->step, s->loss);
    ok = fprintf(log->file,
                 "{\"step\": %zu, \"epoch\": %zu, \"loss\": %.6f, \"loss_average\": %.6f, "
                 "\"accuracy\": %.4f, \"lr\": %.4e, \"scale\": %.4f, \"grad_norm\": %.5f, "
                 "\"samples_per_s\": %.1f}\n",
                 s->step, s->epoch, s->loss, s->loss_average, s->accuracy, s->lr, s->scale,
                 s->grad_norm, s->samples_per_second) > 0 &&
         ok;
    return flushed(log, ok, err);
}

sns_status sns_train_log_recall(sns_train_log *log, size_t step, const double recall[3],
                                size_t count, sns_error *err) {
    bool ok = sns_series_add(&log->recall, (double)step, recall[2]);
    ok = fprintf(log->file,
                 "{\"step\": %zu, \"recall1\": %.5f, \"recall5\": %.5f, \"recall10\": %.5f, "
                 "\"pairs\": %zu}\n",
                 step, recall[0], recall[1], recall[2], count) > 0 &&
         ok;
    return flushed(log, ok, err);
}

sns_status sns_train_log_curve(const sns_train_log *log, sns_error *err) {
    char *svg = sns_curve_svg(&log->loss, &log->recall);
    if (!svg) return sns_fail(err, SNS_NOMEM, "%s: no memory", log->curve);
    sns_status s = sns_file_write(log->curve, svg, strlen(svg), err);
    free(svg);
    return s;
}
