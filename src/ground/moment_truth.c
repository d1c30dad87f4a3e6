/* moment_truth.c - films whose moments are known, from a manifest. */
#include "ground/moment_truth.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20, MOST_LINES = 1000000 };

void sns_truth_free(sns_truth_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].video);
        free(list->items[i].query);
    }
    free(list->items);
    *list = (sns_truth_list){0};
}

static char *resolve(const char *manifest, const char *root, const char *video) {
    if (*video == '/') return sns_strdup(video);
    if (root) return sns_path_join(root, video);
    const char *slash = strrchr(manifest, '/');
    if (!slash) return sns_strdup(video);
    char *dir = sns_strndup(manifest, (size_t)(slash - manifest));
    char *path = dir ? sns_path_join(*dir ? dir : "/", video) : NULL;
    free(dir);
    return path;
}

static sns_status add(sns_truth_list *list, const char *manifest, const char *root, json_t *row,
                      bool *used, sns_error *err) {
    const char *video = json_string_value(json_object_get(row, "video"));
    const char *query = json_string_value(json_object_get(row, "query"));
    json_t *start = json_object_get(row, "start"), *end = json_object_get(row, "end");
    *used = video && query && *video && *query && json_is_number(start) && json_is_number(end) &&
            json_number_value(start) >= 0 && json_number_value(end) > json_number_value(start);
    if (!*used) return SNS_OK;
    if (list->count == list->capacity) {
        size_t n = list->capacity ? 2 * list->capacity : 64;
        sns_truth *grown = realloc(list->items, n * sizeof *grown);
        if (!grown) return sns_fail(err, SNS_NOMEM, "%s: no memory", manifest);
        list->items = grown;
        list->capacity = n;
    }
    sns_truth *t = &list->items[list->count++];
    *t = (sns_truth){resolve(manifest, root, video), sns_strdup(query), json_number_value(start),
                     json_number_value(end)};
    return t->video && t->query ? SNS_OK : sns_fail(err, SNS_NOMEM, "%s: no memory", manifest);
}

static void skip(sns_truth_list *list, const char *manifest, size_t number,
                 const sns_eval_options *o) {
    sns_error line;
    list->skipped++;
    sns_fail(&line, SNS_FORMAT, "%s: line %zu is not {\"video\", \"query\", \"start\", \"end\"}",
             manifest, number);
    if (o->warn) o->warn(o->user, line.message);
}

sns_status sns_truth_read(const char *manifest, const sns_eval_options *options,
                          sns_truth_list *out, sns_error *err) {
    char *text, *next = NULL;
    size_t size, number = 0, most = options->limit ? options->limit : MOST_LINES;
    *out = (sns_truth_list){0};
    sns_status s = sns_file_read(manifest, MOST_BYTES, &text, &size, err);
    if (s) return s;
    for (char *at = text; at && *at && !s && out->count < most; at = next) {
        bool used = false;
        next = strchr(at, '\n');
        if (next) *next++ = 0;
        number++;
        if (!at[strspn(at, " \t\r")]) continue;
        json_t *row = json_loads(at, 0, NULL);
        if (row) s = add(out, manifest, options->image_root, row, &used, err);
        json_decref(row);
        if (!s && !used) skip(out, manifest, number, options);
    }
    free(text);
    if (!s && !out->count)
        s = sns_fail(err, SNS_FORMAT, "%s: no line with a video, query, start and end", manifest);
    if (s) sns_truth_free(out);
    return s;
}

size_t sns_truth_film_end(const sns_truth_list *list, size_t first) {
    size_t end = first + 1;
    while (end < list->count && !strcmp(list->items[end].video, list->items[first].video)) end++;
    return end;
}

const char *sns_truth_foreign(const sns_truth_list *list, size_t first, size_t end, size_t of) {
    for (size_t k = 0; k < list->count; k++) {
        const sns_truth *t = &list->items[(of + list->count / 2 + k) % list->count];
        bool own = !strcmp(t->video, list->items[first].video);
        for (size_t i = first; i < end && !own; i++) own = !strcmp(t->query, list->items[i].query);
        if (!own) return t->query;
    }
    return NULL;
}
