/* class_files.c - files into a folder for each class, without ever overwriting one.
 *
 * A link and a rename appear whole or not at all. A move to another file system copies to a hidden
 * name in the target folder, brings that to the disk, gives it its name, and only then removes the
 * original: a kill leaves at worst a hidden copy or the file at both places. */
#include "class_output.h"
#include "command.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 200, TRIES = 100000 };

char *cli_folder_name(const char *label) {
    size_t n = strlen(label);
    if (n > LONGEST)
        for (n = LONGEST; n && ((unsigned char)label[n] & 0xc0) == 0x80;) n--;
    char *name = malloc(n + 2);
    if (!name) return NULL;
    memcpy(name, label, n);
    name[n] = 0;
    for (char *c = name; *c; c++)
        if (*c == '/' || (unsigned char)*c < 0x20 || *c == 0x7f) *c = '_';
    if (*name == '.') *name = '_';
    if (!*name) name[0] = '_', name[1] = 0;
    return name;
}

/* "photo.jpg" is "photo-2.jpg" the second time. */
static char *numbered(const char *folder, const char *base, int number) {
    const char *dot = strrchr(base, '.');
    int stem = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
    char *path = NULL;
    int n = number < 2 ? asprintf(&path, "%s/%s", folder, base)
                       : asprintf(&path, "%s/%.*s-%d%s", folder, stem, base, number, base + stem);
    return n < 0 ? NULL : path;
}

/* Is there a link at `name` to `real`, or is it that file itself? */
static bool is_there(const char *name, const char *real) {
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

/* A copy under a hidden name beside `to`, on the disk, with the original's mode and times. */
static int copy_file(const char *from, const char *temporary) {
    struct stat st;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, failed = -1;
    if (in >= 0 && !fstat(in, &st))
        out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
    if (out >= 0) {
        const struct timespec times[] = {st.st_atim, st.st_mtim};
        failed = copy_bytes(in, out) || futimens(out, times) || fsync(out) ? -1 : 0;
        int why = errno;
        if (close(out)) failed = -1;
        if (failed) {
            unlink(temporary);
            errno = why;
        }
    }
    if (in >= 0) close(in);
    return failed;
}

static int move_across(const char *from, const char *folder, const char *to) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s/.sensus-move-%ld", folder, (long)getpid()) < 0) return -1;
    int failed = copy_file(from, temporary);
    if (!failed && rename_new(temporary, to)) {
        int why = errno;
        unlink(temporary);
        errno = why;
        failed = -1;
    }
    free(temporary);
    return failed ? -1 : unlink(from);
}

/* errno EEXIST: the name is taken. */
static int place(const char *real, const char *folder, const char *to, cli_sorting how) {
    if (how == CLI_SORT_LINK) return symlink(real, to);
    if (!rename_new(real, to)) return 0;
    return errno == EXDEV ? move_across(real, folder, to) : -1;
}

static int make_folders(const char *into, const char *folder) {
    if (mkdir(into, 0777) && errno != EEXIST) return cli_failf("%s: %s", into, strerror(errno));
    if (mkdir(folder, 0777) && errno != EEXIST) return cli_failf("%s: %s", folder, strerror(errno));
    return CLI_DONE;
}

static int place_somewhere(const char *path, const char *real, const char *folder, cli_sorting how,
                           char **target) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    for (int number = 1; number < TRIES; number++) {
        char *to = numbered(folder, base, number);
        if (!to) return cli_failf("out of memory");
        if (is_there(to, real)) {
            free(to);
            return CLI_DONE;
        }
        if (!place(real, folder, to, how)) {
            *target = to;
            return CLI_DONE;
        }
        int why = errno;
        free(to);
        if (why != EEXIST)
            return cli_failf("%s: not brought to %s: %s", path, folder, strerror(why));
    }
    return cli_failf("%s: too many files of that name in %s", path, folder);
}

int cli_sort_file(const char *path, const char *into, const char *label, cli_sorting how,
                  bool apply, char **target) {
    *target = NULL;
    char *name = cli_folder_name(label), *folder = NULL, *real = realpath(path, NULL);
    int code = CLI_DONE;
    if (!real)
        code = cli_failf("%s: %s", path, strerror(errno));
    else if (!name || asprintf(&folder, "%s/%s", into, name) < 0)
        code = cli_failf("out of memory");
    else if (!apply)
        *target = folder;
    else if (!(code = make_folders(into, folder)))
        code = place_somewhere(path, real, folder, how, target);
    if (*target != folder) free(folder);
    free(real);
    free(name);
    return code;
}
