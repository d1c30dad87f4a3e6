/* class_files.c - files into a folder for each class, without ever overwriting or losing one.
 *
 * A link and a rename appear whole or not at all. A move to another file system copies to a hidden
 * name in the target folder, brings that to the disk, gives it its name, brings that to the disk
 * too, and only then removes the original: a kill or a power cut leaves at worst a hidden copy
 * (.sensus-*) or the file at both places. */
#include "class_output.h"
#include "command.h"
#include "name_set.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100000 };

struct cli_sorter {
    const char *into;
    char *const *folders;
    bool move, apply;
    cli_name_set planned; /* targets of a dry run */
};

int cli_sorter_new(const char *into, char *const *folders, bool move, bool apply,
                   cli_sorter **out) {
    struct stat st;
    if (apply && cli_make_folders(into)) return CLI_FAILED;
    if (!stat(into, &st) && !S_ISDIR(st.st_mode)) return cli_failf("%s: not a folder", into);
    cli_sorter *s = calloc(1, sizeof *s);
    if (!s) return cli_failf("out of memory");
    *s = (cli_sorter){.into = into, .folders = folders, .move = move, .apply = apply};
    *out = s;
    return CLI_DONE;
}

void cli_sorter_free(cli_sorter *s) {
    if (!s) return;
    cli_name_set_free(&s->planned);
    free(s);
}

/* One file on its way. */
typedef struct journey {
    const char *path; /* as it was given */
    const char *base; /* its last part */
    char *real;       /* absolute, links resolved */
    char *folder;     /* INTO/FOLDER */
    char *from, *to;  /* where path and folder lie, absolute; NULL: the folder is not there yet */
} journey;

/* "photo.jpg" is "photo-2.jpg" the second time; a stem that is too long for that is cut. malloc'd.
 */
static char *numbered(const char *base, int number) {
    char suffix[16] = "", *name = NULL;
    const char *dot = strrchr(base, '.');
    size_t stem = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    if (number > 1) snprintf(suffix, sizeof suffix, "-%d", number);
    size_t rest = strlen(suffix) + strlen(base + stem);
    if (stem + rest > NAME_MAX && rest < NAME_MAX) stem = NAME_MAX - rest;
    while (stem && ((unsigned char)base[stem] & 0xC0) == 0x80) stem--; /* a letter is not split */
    int n = asprintf(&name, "%.*s%s%s", (int)stem, base, suffix, dot && dot != base ? dot : "");
    return n < 0 ? NULL : name;
}

/* Do both names lead to one file? */
static bool leads_to(const char *name, const char *real) {
    char *found = realpath(name, NULL);
    bool same = found && !strcmp(found, real);
    free(found);
    return same;
}

/* Like rename(2), which would replace a file that is there: EEXIST instead. */
static int rename_new(const char *from, const char *to) {
    if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    return link(from, to) ? -1 : unlink(from); /* file systems without that flag */
}

static int copy_bytes(int in, int out) {
    char block[1 << 16];
    for (ssize_t n; (n = read(in, block, sizeof block));) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(out, block + done, (size_t)(n - done))) < 0) {
                if (errno != EINTR) return -1;
                w = 0;
            }
    }
    return 0;
}

/* The whole of `in`, on the disk, with its mode and times; EBUSY: it changed meanwhile. */
static int copy_file(int in, int out) {
    struct stat st, after;
    if (fstat(in, &st) || copy_bytes(in, out) || fstat(in, &after)) return -1;
    if (st.st_size != after.st_size || st.st_mtim.tv_sec != after.st_mtim.tv_sec ||
        st.st_mtim.tv_nsec != after.st_mtim.tv_nsec) {
        errno = EBUSY;
        return -1;
    }
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    return fchmod(out, st.st_mode & 07777) || futimens(out, times) || fsync(out) ? -1 : 0;
}

static int sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) ? -1 : 0;
    if (fd >= 0) close(fd);
    return failed;
}

static int move_across(const char *from, const char *folder, const char *to) {
    char *temporary = NULL;
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1, failed = -1;
    if (in >= 0 && asprintf(&temporary, "%s/.sensus-XXXXXX", folder) < 0) temporary = NULL;
    if (temporary) out = mkostemp(temporary, O_CLOEXEC);
    if (out >= 0) {
        failed = copy_file(in, out);
        if (close(out)) failed = -1;
        if (!failed) failed = rename_new(temporary, to);
        int why = errno;
        if (failed) unlink(temporary);
        errno = why;
    }
    int why = errno;
    if (in >= 0) close(in);
    free(temporary);
    errno = why;
    return failed || sync_folder(folder) ? -1 : unlink(from);
}

/* errno EEXIST: the name is taken. */
static int place(const cli_sorter *s, const journey *j, const char *to) {
    if (!s->move) return symlink(j->real, to);
    if (!rename_new(j->path, to)) return 0;
    return errno == EXDEV ? move_across(j->path, j->folder, to) : -1;
}

typedef enum spot { FREE, TAKEN, OWN, OWN_LINK } spot;

/* What is at DIR/FOLDER/name: nothing, something else, this file or a link to it. */
static spot look_at(cli_sorter *s, const journey *j, const char *name, const char *to) {
    struct stat st;
    if (!lstat(to, &st)) {
        bool same_entry = j->to && !strcmp(j->from, j->to) && !strcmp(j->base, name);
        if (same_entry) return OWN;
        if (!S_ISLNK(st.st_mode) || !leads_to(to, j->real)) return TAKEN;
        return s->move ? OWN_LINK : OWN;
    }
    return FREE;
}

/* A dry run's name. */
static int plan(cli_sorter *s, const char *to) {
    cli_name_state state = cli_name_set_add(&s->planned, to);
    if (state == CLI_NAME_NEW) return 0;
    errno = state == CLI_NAME_TAKEN ? EEXIST : ENOMEM;
    return -1;
}

/* Under one name. A link to the file that an earlier run made gives way to the file itself. */
static int try_name(cli_sorter *s, const journey *j, const char *name, const char *to,
                    cli_deed *deed) {
    spot at = look_at(s, j, name, to);
    *deed = at == OWN ? CLI_IN_PLACE : s->move ? CLI_MOVED : CLI_LINKED;
    errno = EEXIST;
    if (at == OWN) return 0;
    if (at == TAKEN) return -1;
    if (!s->apply) return plan(s, to);
    if (at == OWN_LINK && unlink(to)) return -1;
    return place(s, j, to);
}

static int find_place(cli_sorter *s, const journey *j, cli_placing *out) {
    for (int number = 1; number < TRIES; number++) {
        char *name = numbered(j->base, number), *to = NULL;
        if (!name || asprintf(&to, "%s/%s", j->folder, name) < 0) {
            free(name);
            return cli_failf("out of memory");
        }
        cli_deed deed;
        int failed = try_name(s, j, name, to, &deed), why = errno;
        free(name);
        if (!failed) {
            *out = (cli_placing){deed, to};
            return CLI_DONE;
        }
        free(to);
        if (why != EEXIST)
            return cli_failf("%s: not brought to %s: %s", j->path, j->folder, strerror(why));
    }
    return cli_failf("%s: too many files of that name in %s", j->path, j->folder);
}

/* The folder that a file's name is in, links resolved; malloc'd, NULL: it is not there. */
static char *folder_of(const char *path, const char *base) {
    if (base == path) return realpath(".", NULL);
    char *folder = strndup(path, (size_t)(base - path)), *real = NULL;
    if (folder) real = realpath(folder, NULL);
    free(folder);
    return real;
}

static int prepare(const cli_sorter *s, const char *path, size_t class, journey *j) {
    struct stat st;
    const char *slash = strrchr(path, '/');
    *j = (journey){.path = path, .base = slash ? slash + 1 : path};
    if (lstat(path, &st) || !(j->real = realpath(path, NULL)))
        return errno == ENOENT ? cli_failf("%s: is gone", path)
                               : cli_failf("%s: %s", path, strerror(errno));
    if (s->move && S_ISLNK(st.st_mode))
        return cli_failf("%s: is a link; only files are moved", path);
    if (asprintf(&j->folder, "%s/%s", s->into, s->folders[class]) < 0) {
        j->folder = NULL;
        return cli_failf("out of memory");
    }
    if (s->apply && mkdir(j->folder, 0777) && errno != EEXIST)
        return cli_failf("%s: %s", j->folder, strerror(errno));
    if (!(j->from = folder_of(path, j->base))) return cli_failf("%s: %s", path, strerror(errno));
    j->to = realpath(j->folder, NULL);
    return CLI_DONE;
}

int cli_sorter_place(cli_sorter *s, const char *path, size_t class, cli_placing *out) {
    journey j;
    *out = (cli_placing){0};
    int code = prepare(s, path, class, &j);
    if (!code) code = find_place(s, &j, out);
    free(j.real);
    free(j.folder);
    free(j.from);
    free(j.to);
    return code;
}
