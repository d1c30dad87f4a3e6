/* world.h - the processes of a distributed run, through MPI.
 *
 * A run that a launcher (mpirun, srun) started as one of several processes joins the others; every
 * other run is a world of one, and then nothing here costs anything. All calls but sns_world_open
 * are collective: every process makes them in the same order, with the same sizes. The thread that
 * opened the world makes them all. */
#ifndef SNS_TRAIN_WORLD_H
#define SNS_TRAIN_WORLD_H
#include <sensus/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sns_world {
    size_t rank, size; /* 0, 1 when alone */
} sns_world;

/* Errors: SNS_UNSUPPORTED (one of several processes, but built without MPI), SNS_IO. */
sns_status sns_world_open(sns_world *w, sns_error *err);
/* The first failure among all processes: each passes its own status (and err, filled when it is not
 * SNS_OK) and all get the one of the lowest rank that failed, its number in front. */
sns_status sns_world_agree(const sns_world *w, sns_status mine, sns_error *err);
/* *flag <- whether any process has it set. */
sns_status sns_world_any(const sns_world *w, bool *flag, sns_error *err);
/* block [size * each]: every process filled its part, at rank * each; all get all parts. */
sns_status sns_world_gather(const sns_world *w, float *block, size_t each, sns_error *err);
/* x [n] <- the sum over all processes, the same bits in each. */
sns_status sns_world_sum(const sns_world *w, float *x, size_t n, sns_error *err);
/* n bytes of process 0 to all. */
sns_status sns_world_share(const sns_world *w, void *bytes, size_t n, sns_error *err);
#endif
