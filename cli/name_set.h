/* name_set.h - which names are taken: a set of 64-bit hashes, so that a million names are 16 MB. */
#ifndef SENSUS_CLI_NAME_SET_H
#define SENSUS_CLI_NAME_SET_H
#include <stddef.h>
#include <stdint.h>

typedef struct cli_name_set {
    uint64_t *hashes; /* open addressing, 0 is empty; zero-initialise */
    size_t count, capacity;
} cli_name_set;

typedef enum cli_name_state { CLI_NAME_NEW, CLI_NAME_TAKEN, CLI_NAME_NOMEM } cli_name_state;

/* Takes the name; says whether it was taken before. */
cli_name_state cli_name_set_add(cli_name_set *s, const char *name);
void cli_name_set_free(cli_name_set *s);
#endif
