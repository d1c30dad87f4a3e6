/* catalog_kill.h - for tests: a process of its own that indexes until it kills itself. The program
 * starts itself for it: its main begins with kill_is_child. */
#ifndef CATALOG_KILL_H
#define CATALOG_KILL_H
#include "catalog_world.h"
#include <stdbool.h>
#include <sys/types.h>

enum { KILL_BATCH = 2 }; /* files in a transaction of the child */

/* What the child does; of no sound_dir: NULL. */
typedef struct kill_plan {
    const char *catalog, *model_dir, *sound_dir, *folder;
    size_t files, stretches; /* dies after so many; 0: never */
} kill_plan;

/* Was the program started as a child? Then *code is what main returns. */
bool kill_is_child(int argc, char **argv, int *code);
/* The child, to be waited for; it ends with 0 when it was not killed. */
pid_t kill_start(const kill_plan *p);
/* The child has killed itself; anything else fails the test. */
void kill_run(const kill_plan *p);
#endif
