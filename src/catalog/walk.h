/* walk.h - which pictures, films and recordings are under some paths. */
#ifndef SNS_CATALOG_WALK_H
#define SNS_CATALOG_WALK_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_walk_file {
    char *path; /* absolute */
    int64_t size, mtime_ns;
} sns_walk_file;

/* A growing list of strings, owned. */
typedef struct sns_names {
    char **items;
    size_t count, capacity;
} sns_names;

typedef struct sns_walk {
    sns_walk_file *files; /* sorted by path, each once */
    size_t count, capacity;
    sns_names roots;    /* what was walked, absolute */
    sns_names unread;   /* folders that could not be read: nothing is known about what is below */
    sns_names absent;   /* of the given paths, those that do not exist (absolute) */
    sns_names problems; /* one line for each folder, link or path that could not be read */
    const int *cancel;
    bool films, sounds; /* are wanted too; not pictures: no_pictures */
    bool no_pictures;
    size_t passed; /* pictures, films and recordings that are not wanted, of folders */
} sns_walk;

/* Fill *w (zeroed by the caller but for cancel and what is wanted) from n paths. Hidden entries of
 * folders are skipped; links are followed; a folder is visited once, by its real place first,
 * whatever links lead to it. Errors: SNS_NOMEM, SNS_CANCELLED, SNS_IO (no current folder). Free
 * with sns_walk_free always. */
sns_status sns_walk_paths(sns_walk *w, const char *const *paths, size_t n, sns_error *err);
void sns_walk_free(sns_walk *w);

/* The same a folder at a time, for trees that are too large to be listed first. */
typedef struct sns_walker sns_walker;
/* Files and problems go to *out, which outlives the walker. NULL: no memory. */
sns_walker *sns_walker_new(sns_walk *out);
void sns_walker_free(sns_walker *k); /* NULL is fine */
/* Later visit a folder and those below it; files are named below `path` as it is given. Errors:
 * SNS_NOMEM. */
sns_status sns_walker_add(sns_walker *k, const char *path, sns_error *err);
/* The folder of this path, if there is one, and what is below it is not visited. */
sns_status sns_walker_leave_out(sns_walker *k, const char *path, sns_error *err);
/* The next folder's files, sorted, in place of those of the one before; a folder comes before those
 * in it. *more <- false: there was none left. Errors: SNS_NOMEM, SNS_CANCELLED. */
sns_status sns_walker_step(sns_walker *k, bool *more, sns_error *err);
/* Was this path found? */
bool sns_walk_has(const sns_walk *w, const char *path);
/* Append a copy. Errors: SNS_NOMEM. */
sns_status sns_names_add(sns_names *names, const char *name, sns_error *err);
void sns_names_free(sns_names *names);
/* Is path equal to, or below, one of the names? */
bool sns_names_cover(const sns_names *names, const char *path);
/* Does the name end like a picture's: .jpg, .png ...? */
bool sns_is_picture_name(const char *name);
#endif
