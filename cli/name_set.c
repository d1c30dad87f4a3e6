/* name_set.c - see name_set.h. */
#include "name_set.h"
#include <stdlib.h>

/* FNV-1a, its bits mixed once more (the finaliser of MurmurHash3); never 0. */
static uint64_t hash_of(const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        h = (h ^ *c) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    return h ? h : 1;
}

static cli_name_state put(uint64_t *hashes, size_t capacity, uint64_t h) {
    size_t i = (size_t)h & (capacity - 1);
    for (; hashes[i]; i = (i + 1) & (capacity - 1))
        if (hashes[i] == h) return CLI_NAME_TAKEN;
    hashes[i] = h;
    return CLI_NAME_NEW;
}

cli_name_state cli_name_set_add(cli_name_set *s, const char *name) {
    if (2 * (s->count + 1) > s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        uint64_t *hashes = calloc(capacity, sizeof *hashes);
        if (!hashes) return CLI_NAME_NOMEM;
        for (size_t i = 0; i < s->capacity; i++)
            if (s->hashes[i]) put(hashes, capacity, s->hashes[i]);
        free(s->hashes);
        s->hashes = hashes;
        s->capacity = capacity;
    }
    cli_name_state state = put(s->hashes, s->capacity, hash_of(name));
    s->count += state == CLI_NAME_NEW;
    return state;
}

void cli_name_set_free(cli_name_set *s) {
    free(s->hashes);
    *s = (cli_name_set){0};
}
