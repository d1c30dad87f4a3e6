/* walk.c - walking folders without going in circles.
 *
 * Folders reached through links wait until all real ones were walked, and (device, inode) of every
 * visited folder is remembered. So a picture is listed under its real place, circles end, and many
 * links between few folders cost no more than the folders. */
#include "catalog/walk.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "media/sound_kind.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    dev_t device;
    ino_t inode;
} place;

struct sns_walker {
    sns_walk *out;
    sns_names pending, links; /* folders still to visit: real ones, and those behind links */
    place *visited;           /* open addressing, inode 0 is free */
    size_t visited_count, visited_capacity;
};

bool sns_is_picture_name(const char *name) {
    static const char *const endings[] = {
        ".jpg",  ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".heic",
        ".heif", ".avif", ".svg", ".svgz", ".bmp", ".ppm",  ".pgm", ".pbm", ".pnm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (sns_ends_with_nocase(name, endings[i])) return true;
    return false;
}

static bool is_wanted(const sns_walk *w, const char *name) {
    return (!w->no_pictures && sns_is_picture_name(name)) || (w->films && sns_is_film_name(name)) ||
           (w->sounds && sns_is_sound_name(name));
}

/* A film by its content, where the name does not tell. *why <- errno when it can't be read. */
static bool is_transport_stream(const sns_walk *w, const char *path, int *why) {
    unsigned char start[SNS_TRANSPORT_BYTES];
    *why = 0;
    if (!w->films || !sns_ends_with_nocase(path, ".ts")) return false;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(start, 1, sizeof start, f) : 0;
    if (!f || ferror(f)) *why = errno;
    if (f) fclose(f);
    return sns_is_transport_stream(start, n);
}

static bool is_medium(const char *name) {
    return sns_is_picture_name(name) || sns_is_film_name(name) || sns_is_sound_name(name);
}

/* Takes ownership of name (NULL: no memory). */
static sns_status push_name(sns_names *names, char *name, sns_error *err) {
    if (!name) return sns_fail(err, SNS_NOMEM, "no memory for the list of files");
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        char **items = realloc(names->items, capacity * sizeof *items);
        if (!items) {
            free(name);
            return sns_fail(err, SNS_NOMEM, "no memory for the list of files");
        }
        names->items = items;
        names->capacity = capacity;
    }
    names->items[names->count++] = name;
    return SNS_OK;
}

void sns_names_free(sns_names *names) {
    for (size_t i = 0; i < names->count; i++) free(names->items[i]);
    free(names->items);
    *names = (sns_names){0};
}

sns_status sns_names_add(sns_names *names, const char *name, sns_error *err) {
    return push_name(names, sns_strdup(name), err);
}

static sns_status push_problem(sns_walk *w, const char *path, const char *reason, sns_error *err) {
    sns_strbuf b = {0};
    sns_strbuf_printf(&b, "%s: %s", path, reason);
    if (b.failed) sns_strbuf_free(&b), b.data = NULL;
    return push_name(&w->problems, b.data, err);
}

/* Nothing is known about path and what is below it: say so, and let nothing there count as gone. */
static sns_status push_unread(sns_walk *w, const char *path, const char *reason, sns_error *err) {
    sns_status status = push_name(&w->unread, sns_strdup(path), err);
    return status ? status : push_problem(w, path, reason, err);
}

static sns_status push_file(sns_walk *w, char *path, const struct stat *st, sns_error *err) {
    if (!path) return sns_fail(err, SNS_NOMEM, "no memory for the list of files");
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 256;
        sns_walk_file *files = realloc(w->files, capacity * sizeof *files);
        if (!files) {
            free(path);
            return sns_fail(err, SNS_NOMEM, "no memory for the list of files");
        }
        w->files = files;
        w->capacity = capacity;
    }
    w->files[w->count++] = (sns_walk_file){
        .path = path,
        .size = st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
    };
    return SNS_OK;
}

static size_t find_place(const place *table, size_t capacity, place p) {
    size_t i = ((size_t)p.inode * 0x9E3779B97F4A7C15u ^ (size_t)p.device) & (capacity - 1);
    while (table[i].inode && (table[i].inode != p.inode || table[i].device != p.device))
        i = (i + 1) & (capacity - 1);
    return i;
}

/* *fresh says whether the folder was not visited before; it counts as visited from now on. */
static sns_status visit(sns_walker *k, const struct stat *st, bool *fresh, sns_error *err) {
    place p = {st->st_dev, st->st_ino ? st->st_ino : (ino_t)-1};
    if (2 * (k->visited_count + 1) > k->visited_capacity) {
        size_t capacity = k->visited_capacity ? k->visited_capacity * 2 : 64;
        place *table = calloc(capacity, sizeof *table);
        if (!table) return sns_fail(err, SNS_NOMEM, "no memory for the list of folders");
        for (size_t i = 0; i < k->visited_capacity; i++)
            if (k->visited[i].inode)
                table[find_place(table, capacity, k->visited[i])] = k->visited[i];
        free(k->visited);
        k->visited = table;
        k->visited_capacity = capacity;
    }
    size_t i = find_place(k->visited, k->visited_capacity, p);
    *fresh = !k->visited[i].inode;
    k->visited_count += *fresh;
    k->visited[i] = p;
    return SNS_OK;
}

/* An entry that can't be looked at, because of errno `why`. Only what is certainly gone may be
 * forgotten. */
static sns_status take_hidden(sns_walk *w, const char *path, bool is_link, int why,
                              sns_error *err) {
    bool gone = why == ENOENT || why == ENOTDIR;
    if (gone && !is_link) return SNS_OK; /* since the folder was read */
    if (is_link && !gone && why != ELOOP) return push_unread(w, path, strerror(why), err);
    if (is_link && !is_wanted(w, path)) return SNS_OK;
    if (!is_link) return push_unread(w, path, strerror(why), err);
    const char *reason = gone ? "a link to a file that is missing" : "a link in a circle";
    return push_problem(w, path, reason, err);
}

/* A file with a name that is not wanted; takes ownership of path. */
static sns_status take_unnamed(sns_walk *w, char *path, const struct stat *st, sns_error *err) {
    int why;
    if (is_transport_stream(w, path, &why)) return push_file(w, path, st, err);
    sns_status status = why && why != ENOENT ? push_unread(w, path, strerror(why), err) : SNS_OK;
    w->passed += is_medium(path);
    free(path);
    return status;
}

/* One entry of a folder; takes ownership of path. */
static sns_status take_entry(sns_walker *k, char *path, sns_error *err) {
    struct stat link, st;
    sns_status status = SNS_OK;
    if (!path) return sns_fail(err, SNS_NOMEM, "no memory for the list of files");
    bool hidden = lstat(path, &link), is_link = !hidden && S_ISLNK(link.st_mode);
    if (!hidden && is_link)
        hidden = stat(path, &st);
    else if (!hidden)
        st = link;
    if (!hidden && S_ISDIR(st.st_mode))
        return push_name(is_link ? &k->links : &k->pending, path, err);
    if (hidden)
        status = take_hidden(k->out, path, is_link, errno, err);
    else if (S_ISREG(st.st_mode) && is_wanted(k->out, path))
        return push_file(k->out, path, &st, err);
    else if (S_ISREG(st.st_mode))
        return take_unnamed(k->out, path, &st, err);
    else if (is_wanted(k->out, path))
        status = push_problem(k->out, path, "neither a file nor a folder", err);
    free(path);
    return status;
}

/* The entries of an open folder, whose number without hidden ones goes to *count. A folder that
 * fails in the middle counts as unread: what it did not list may still be there. */
static sns_status read_entries(sns_walker *k, DIR *dir, const char *path, size_t *count,
                               sns_error *err) {
    sns_status status = SNS_OK;
    while (!status) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) return errno ? push_unread(k->out, path, strerror(errno), err) : SNS_OK;
        if (e->d_name[0] == '.') continue;
        ++*count;
        status = take_entry(k, sns_path_join(path, e->d_name), err);
    }
    return status;
}

static sns_status read_folder(sns_walker *k, const char *path, sns_error *err) {
    struct stat st;
    bool fresh = false;
    size_t entries = 0;
    DIR *dir = opendir(path);
    if (!dir || fstat(dirfd(dir), &st)) {
        int saved = errno;
        if (dir) closedir(dir);
        return push_unread(k->out, path, strerror(saved), err);
    }
    sns_status status = visit(k, &st, &fresh, err);
    if (!status && fresh) status = read_entries(k, dir, path, &entries, err);
    if (!status && fresh && !entries && is_wanted(k->out, path))
        status = push_problem(k->out, path, "an empty folder, not a file", err);
    closedir(dir);
    return status;
}

static bool is_cancelled(const sns_walker *k) {
    return k->out->cancel && *(const volatile int *)k->out->cancel;
}

/* One folder, real ones first; there is one. */
static sns_status walk_one(sns_walker *k, sns_error *err) {
    sns_names *from = k->pending.count ? &k->pending : &k->links;
    char *path = from->items[--from->count];
    sns_status status = is_cancelled(k) ? sns_fail(err, SNS_CANCELLED, "cancelled")
                                        : read_folder(k, path, err);
    free(path);
    return status;
}

static sns_status walk_pending(sns_walker *k, sns_error *err) {
    sns_status status = SNS_OK;
    while (!status && (k->pending.count || k->links.count)) status = walk_one(k, err);
    return status;
}

/* The absolute path of something that need not exist: its folder is resolved, its name kept. */
static char *absolute(const char *given) {
    char buffer[PATH_MAX];
    size_t n = strlen(given);
    while (n > 1 && given[n - 1] == '/') n--;
    char *copy = sns_strndup(given, n), *result = NULL;
    if (!copy) return NULL;
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    bool folder_name = !*name || !strcmp(name, ".") || !strcmp(name, "..");
    if (folder_name) {
        result = realpath(copy, NULL);
    } else if (slash == copy) {
        result = sns_strdup(copy);
    } else {
        if (slash) *slash = 0;
        if (realpath(slash ? copy : ".", buffer)) result = sns_path_join(buffer, name);
    }
    if (!result) result = sns_strdup(given);
    free(copy);
    return result;
}

static sns_status take_given(sns_walker *k, const char *given, sns_error *err) {
    struct stat st;
    sns_walk *w = k->out;
    int bad = stat(given, &st);
    int saved = errno;
    char *path = !bad && S_ISDIR(st.st_mode) ? realpath(given, NULL) : absolute(given);
    if (!path) path = sns_strdup(given);
    sns_status status = push_name(&w->roots, path, err);
    if (status) return status;
    if (bad && (saved == ENOENT || saved == ENOTDIR))
        return push_name(&w->absent, sns_strdup(path), err);
    if (!bad && S_ISDIR(st.st_mode)) return push_name(&k->pending, sns_strdup(path), err);
    if (!bad && S_ISREG(st.st_mode)) return push_file(w, sns_strdup(path), &st, err);
    return push_unread(w, path, bad ? strerror(saved) : "neither a file nor a folder", err);
}

static int compare_files(const void *a, const void *b) {
    return strcmp(((const sns_walk_file *)a)->path, ((const sns_walk_file *)b)->path);
}

static void sort_files(sns_walk *w) {
    if (!w->count) return;
    qsort(w->files, w->count, sizeof *w->files, compare_files);
    size_t kept = 1;
    for (size_t i = 1; i < w->count; i++) {
        if (strcmp(w->files[kept - 1].path, w->files[i].path))
            w->files[kept++] = w->files[i];
        else
            free(w->files[i].path);
    }
    w->count = kept;
}

sns_status sns_walk_paths(sns_walk *w, const char *const *paths, size_t n, sns_error *err) {
    sns_walker k = {.out = w};
    sns_status status = SNS_OK;
    for (size_t i = 0; i < n && !status; i++) status = take_given(&k, paths[i], err);
    if (!status) status = walk_pending(&k, err);
    if (!status) sort_files(w);
    sns_names_free(&k.pending);
    sns_names_free(&k.links);
    free(k.visited);
    return status;
}

static void forget_files(sns_walk *w) {
    for (size_t i = 0; i < w->count; i++) free(w->files[i].path);
    w->count = 0;
}

/* ---- a folder at a time ---- */

sns_walker *sns_walker_new(sns_walk *out) {
    sns_walker *k = calloc(1, sizeof *k);
    if (k) k->out = out;
    return k;
}

void sns_walker_free(sns_walker *k) {
    if (!k) return;
    sns_names_free(&k->pending);
    sns_names_free(&k->links);
    free(k->visited);
    free(k);
}

sns_status sns_walker_add(sns_walker *k, const char *path, sns_error *err) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return push_name(&k->pending, sns_strndup(path, n), err);
}

sns_status sns_walker_leave_out(sns_walker *k, const char *path, sns_error *err) {
    struct stat st;
    bool fresh;
    return stat(path, &st) || !S_ISDIR(st.st_mode) ? SNS_OK : visit(k, &st, &fresh, err);
}

static int compare_down(const void *a, const void *b) {
    return -strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names from `first` on, so that the last, which is taken next, is the smallest. */
static void sort_down(sns_names *names, size_t first) {
    if (names->count > first)
        qsort(names->items + first, names->count - first, sizeof *names->items, compare_down);
}

sns_status sns_walker_step(sns_walker *k, bool *more, sns_error *err) {
    forget_files(k->out);
    *more = k->pending.count || k->links.count;
    if (!*more) return SNS_OK;
    if (!k->pending.count) sort_down(&k->links, 0);
    size_t first = k->pending.count ? k->pending.count - 1 : 0;
    sns_status status = walk_one(k, err);
    sort_down(&k->pending, first);
    sort_files(k->out);
    return status;
}

void sns_walk_free(sns_walk *w) {
    forget_files(w);
    free(w->files);
    sns_names_free(&w->roots);
    sns_names_free(&w->unread);
    sns_names_free(&w->absent);
    sns_names_free(&w->problems);
    *w = (sns_walk){0};
}

bool sns_walk_has(const sns_walk *w, const char *path) {
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(path, w->files[middle].path);
        if (!c) return true;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

bool sns_names_cover(const sns_names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        size_t n = strlen(name);
        if (n == 1 && *name == '/') return true;
        if (!strncmp(path, name, n) && (!path[n] || path[n] == '/')) return true;
    }
    return false;
}
