/* packed_cache.c - see packed_cache.h.
 *
 * A file is a page with the header below and then the numbers as they were in memory. It is used
 * only when it was written for the same model (its fingerprint, and size and time of change of its
 * files), tower, oneDNN and instruction set, when its header is whole, when 64 bytes of every 16
 * KiB have the sum that they had, and when packing would put every weight in the same place in the
 * same layout. So a torn file, holes and other versions are seen; a single flipped bit need not be,
 * just as in the model's own file. Nothing in it says where anything lies: no content of it can
 * lead outside of it. It is written under another name first and not flushed to the disk: what a
 * crash leaves of it is a file that is not used. */
#include "embed/packed_cache.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PAGE = 4096, LEAST_BYTES = 8 << 20, SAMPLE_STEP = 16384, SAMPLE = 64, PLACES = 2 };

typedef struct header {
    char magic[16];
    char model[40];    /* the fingerprint */
    char product[152]; /* oneDNN, the instruction set */
    uint64_t tower, files, bytes, layout, sample;
    uint64_t check; /* of all before it */
} header;

static const char MAGIC[16] = "sensus packed 1";

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (uint64_t word; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = sns_hash_mix(h, word);
    }
    for (; n; n--) h = sns_hash_mix(h, *p++);
    return h;
}

static uint64_t sample_of(const unsigned char *data, size_t n) {
    uint64_t h = n;
    for (size_t at = 0; at < n; at += SAMPLE_STEP)
        h = hash_bytes(h, data + at, n - at < SAMPLE ? n - at : SAMPLE);
    return h;
}

/* Size and time of change of every file with weights; 0: one can't be looked at. */
static uint64_t files_of(const sns_model *m) {
    uint64_t h = 1;
    const char *last = "";
    for (size_t i = 0; i < m->layout.count; i++) {
        struct stat st;
        const char *file = m->weights.at[i].tensor->file;
        if (!strcmp(file, last)) continue;
        if (stat(file, &st)) return 0;
        const uint64_t facts[] = {(uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec,
                                  (uint64_t)st.st_mtim.tv_nsec};
        h = hash_bytes(h, facts, sizeof facts);
        last = file;
    }
    return h;
}

/* The header that a file must have but for what only the numbers say; false: nothing is kept. */
static bool expected(const sns_model *m, sns_tower tower, header *h) {
    const char *choice = getenv("SENSUS_PACKED_CACHE");
    bool narrow = false;
    *h = (header){.tower = (uint64_t)tower};
    if (choice && !strcmp(choice, "off")) return false;
    for (size_t i = 0; i < m->layout.count && !narrow; i++) {
        const sns_param_desc *d = &m->layout.desc[i];
        narrow = d->use == SNS_USE_PRODUCT && sns_model_tower_of(d->name) == tower &&
                 sns_packed_arithmetic(sns_model_packing(m, i), d->count / d->dim[0]) !=
                     SNS_PACKED_F32;
    }
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    memcpy(h->model, m->fingerprint, sizeof m->fingerprint);
    sns_packed_describe(h->product, sizeof h->product);
    h->files = files_of(m);
    return narrow && h->files;
}

/* The folder that the model lies in, malloc'd. */
static char *model_folder(const sns_model *m) {
    const char *slash = strrchr(m->dir, '/');
    if (!m->weights.gguf) return sns_strdup(m->dir);
    return slash ? sns_strndup(m->dir, (size_t)(slash - m->dir)) : sns_strdup(".");
}

static char *user_folder(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/') return sns_path_join(cache, "sensus");
    return home && *home == '/' ? sns_path_join(home, ".cache/sensus") : NULL;
}

/* One file for each model, tower and instruction set, in the first or second of two folders;
 * malloc'd, NULL: no such place. */
static char *place(const sns_model *m, sns_tower tower, const header *h, int which) {
    sns_strbuf path = {0};
    char *folder = which ? user_folder() : model_folder(m);
    if (!folder) return NULL;
    uint64_t product = hash_bytes(0, h->product, sizeof h->product);
    sns_strbuf_printf(&path, "%s/.packed-%s-%016llx-%.16s.bin", folder,
                      tower == SNS_TOWER_TEXT ? "text" : "image", (unsigned long long)product,
                      m->fingerprint);
    free(folder);
    if (path.failed) sns_strbuf_free(&path);
    return path.data;
}

static bool matches(const header *wanted, const sns_map *map) {
    header h;
    if (map->size < PAGE) return false;
    memcpy(&h, map->data, sizeof h);
    header same = *wanted;
    same.bytes = h.bytes;
    same.layout = h.layout;
    same.sample = h.sample;
    same.check = hash_bytes(0, &same, offsetof(header, check));
    return !memcmp(&same, &h, sizeof h) && h.bytes == map->size - PAGE &&
           h.sample == sample_of(map->data + PAGE, map->size - PAGE);
}

bool sns_packed_cache_open(const sns_model *m, sns_tower tower, sns_packed_cache *out) {
    header wanted, h;
    *out = (sns_packed_cache){0};
    if (!expected(m, tower, &wanted)) return false;
    for (int which = 0; which < PLACES; which++) {
        char *path = place(m, tower, &wanted, which);
        bool ok = path && !sns_map_open(path, &out->map, NULL);
        free(path);
        if (ok && matches(&wanted, &out->map)) break;
        sns_map_close(&out->map);
    }
    if (!out->map.data) return false;
    memcpy(&h, out->map.data, sizeof h);
    out->layout = h.layout;
    out->memory = (sns_packed_memory){.data = (unsigned char *)(uintptr_t)out->map.data +
                                              PAGE, /* filled: only read */
                                      .size = (size_t)h.bytes,
                                      .filled = true};
    return true;
}

void sns_packed_cache_close(sns_packed_cache *c) {
    sns_map_close(&c->map);
    *c = (sns_packed_cache){0};
}

static bool put(int fd, const void *bytes, size_t n) {
    for (const char *from = bytes; n;) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        from += done;
        n -= (size_t)done;
    }
    return true;
}

/* A disk that this would fill is left alone. */
static bool has_room(int fd, size_t bytes) {
    struct statvfs v;
    return !fstatvfs(fd, &v) && (double)v.f_bavail * (double)v.f_frsize > 4.0 * (double)bytes;
}

/* Who may read the weights may read this. */
static bool give_mode(int fd, const sns_model *m) {
    struct stat st;
    return !stat(m->weights.at[0].tensor->file, &st) && !fchmod(fd, st.st_mode & 0666);
}

static bool write_file(const sns_model *m, const char *path, const header *h,
                       const sns_packed_memory *memory) {
    char page[PAGE] = {0};
    sns_strbuf tmp = {0};
    memcpy(page, h, sizeof *h);
    sns_strbuf_printf(&tmp, "%s.XXXXXX", path);
    int fd = tmp.failed ? -1 : mkostemp(tmp.data, O_CLOEXEC);
    if (fd < 0) {
        sns_strbuf_free(&tmp);
        return false;
    }
    bool ok = has_room(fd, memory->used) && put(fd, page, sizeof page) &&
              put(fd, memory->data, memory->used) && give_mode(fd, m);
    ok = !close(fd) && ok && !rename(tmp.data, path);
    if (!ok) unlink(tmp.data);
    sns_strbuf_free(&tmp);
    return ok;
}

void sns_packed_cache_write(const sns_model *m, sns_tower tower, const sns_packed_memory *memory) {
    header h;
    bool done = false;
    if (memory->overflowed || memory->filled || memory->used < LEAST_BYTES) return;
    if (!expected(m, tower, &h)) return;
    h.bytes = memory->used;
    h.layout = memory->layout;
    h.sample = sample_of(memory->data, memory->used);
    h.check = hash_bytes(0, &h, offsetof(header, check));
    for (int which = 0; which < PLACES && !done; which++) {
        char *folder = which ? user_folder() : NULL, *path = place(m, tower, &h, which);
        if (folder) sns_make_dirs(folder, NULL);
        done = path && write_file(m, path, &h, memory);
        free(folder);
        free(path);
    }
}
