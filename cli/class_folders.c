/* class_folders.c - labels as names of folders: whatever a label holds, its folder is one below the
 * one that was asked for, and its own. */
#include "class_output.h"
#include "command.h"
#include "name_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 200 };

/* malloc'd; NULL: no memory. */
static char *safe_name(const char *label) {
    char *name = malloc(LONGEST + 1);
    size_t n = 0;
    if (!name) return NULL;
    for (const char *c = label; *c;) {
        size_t length = cli_utf8_length(c);
        bool bad = !length || *c == '/' || cli_control_length(c);
        size_t take = bad ? 1 : length;
        if (n + take > LONGEST) break;
        if (bad)
            name[n] = '_';
        else
            memcpy(name + n, c, length);
        n += take;
        c += length ? length : 1;
    }
    if (!n) name[n++] = '_';
    if (*name == '.') *name = '_';
    name[n] = 0;
    return name;
}

/* The name, or the first of NAME-2, NAME-3 ... that is not taken; NULL: no memory. */
static char *own_name(cli_name_set *taken, char *name) {
    char *own = name;
    for (unsigned number = 2; own; number++) {
        cli_name_state state = cli_name_set_add(taken, own);
        if (state == CLI_NAME_NEW) break;
        if (own != name) free(own);
        if (state == CLI_NAME_NOMEM || asprintf(&own, "%s-%u", name, number) < 0) own = NULL;
    }
    if (own != name) free(name);
    return own;
}

/* First those that keep their label as it is, then the others. */
static bool name_all(const sns_classifier *c, char **names, cli_name_set *taken) {
    size_t n = sns_classifier_count(c) + 1;
    for (int changed = 0; changed < 2; changed++) {
        for (size_t i = 0; i < n; i++) {
            const char *label = cli_class_label(c, i);
            char *name = safe_name(label);
            if (!name) return false;
            if (!!strcmp(name, label) != changed) {
                free(name);
            } else if (!(names[i] = own_name(taken, name))) {
                return false;
            }
        }
    }
    return true;
}

char **cli_folder_names(const sns_classifier *c) {
    cli_name_set taken = {0};
    char **names = calloc(sns_classifier_count(c) + 1, sizeof *names);
    bool named = names && name_all(c, names, &taken);
    cli_name_set_free(&taken);
    if (named) return names;
    cli_folder_names_free(names, c);
    return NULL;
}

void cli_folder_names_free(char **names, const sns_classifier *c) {
    for (size_t i = 0; names && i <= sns_classifier_count(c); i++) free(names[i]);
    free(names);
}
