/* class_sheets.c - a contact sheet for each class, of its most certain pictures. */
#include "class_output.h"
#include "command.h"
#include "sheet.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Pictures of shards are kept as they are stored, as far as that goes. */
enum { MOST = 40, BYTES_MAX = 256 << 20 };

typedef struct picture {
    char *path;
    void *bytes; /* NULL: in the file */
    size_t size;
    float probability;
} picture;

typedef struct best {
    picture *items; /* [MOST], the most probable first */
    size_t count, all;
} best;

struct cli_class_sheets {
    best *of; /* [count] */
    size_t count, bytes;
};

cli_class_sheets *cli_class_sheets_new(size_t classes) {
    cli_class_sheets *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->count = classes + 1;
    s->of = calloc(s->count, sizeof *s->of);
    if (s->of) return s;
    free(s);
    return NULL;
}

static void drop(cli_class_sheets *s, picture *p) {
    if (p->bytes) s->bytes -= p->size;
    free(p->bytes);
    free(p->path);
    *p = (picture){0};
}

void cli_class_sheets_free(cli_class_sheets *s) {
    if (!s) return;
    for (size_t c = 0; c < s->count; c++) {
        for (size_t i = 0; i < s->of[c].count; i++) drop(s, &s->of[c].items[i]);
        free(s->of[c].items);
    }
    free(s->of);
    free(s);
}

bool cli_class_sheets_add(cli_class_sheets *s, size_t class, float probability, const char *path,
                          const void *bytes, size_t size) {
    best *b = &s->of[class];
    b->all++;
    if (!b->items && !(b->items = calloc(MOST, sizeof *b->items))) return false;
    if (b->count == MOST && probability <= b->items[MOST - 1].probability) return true;
    picture p = {.path = strdup(path), .probability = probability};
    if (!p.path) return false;
    if (b->count == MOST) drop(s, &b->items[--b->count]);
    if (bytes && s->bytes + size <= BYTES_MAX && (p.bytes = malloc(size ? size : 1))) {
        memcpy(p.bytes, bytes, size);
        p.size = size;
        s->bytes += size;
    }
    size_t at = b->count++;
    for (; at && b->items[at - 1].probability < probability; at--) b->items[at] = b->items[at - 1];
    b->items[at] = p;
    return true;
}

static int write_one(const best *b, const char *label, const char *folder) {
    cli_card cards[MOST];
    char title[512];
    sns_error err;
    char *name = cli_folder_name(label), *file = NULL;
    for (size_t i = 0; i < b->count; i++)
        cards[i] = (cli_card){.path = b->items[i].path,
                              .bytes = b->items[i].bytes,
                              .size = b->items[i].size,
                              .score = b->items[i].probability,
                              .has_score = true};
    snprintf(title, sizeof title, "%s: %zu pictures", label, b->all);
    const cli_section section = {title, NULL, cards, b->count};
    int code = CLI_DONE;
    if (!name || asprintf(&file, "%s/%s.png", folder, name) < 0)
        code = cli_failf("out of memory");
    else if (cli_sheet_png(file, &section, 1, &err))
        code = cli_fail(&err);
    free(file);
    free(name);
    return code;
}

int cli_class_sheets_write(const cli_class_sheets *s, const sns_classifier *c, const char *folder) {
    int code = CLI_DONE;
    if (mkdir(folder, 0777) && errno != EEXIST) return cli_failf("%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < s->count && !code; i++) {
        bool none = i == sns_classifier_count(c);
        if (s->of[i].count)
            code = write_one(&s->of[i], none ? "none of these" : sns_classifier_class(c, i)->label,
                             folder);
    }
    return code;
}
