/* world.c - see world.h; the one file that knows MPI.
 *
 * Data-parallel training needs three patterns: features are gathered (every process sees the whole
 * batch's loss), gradients are summed, and what process 0 knows is shared. Long blocks go in parts
 * of PART_BYTES, because MPI counts in int. */
#include "train/world.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* Number of processes that a launcher announces: Open MPI's, then that of MPICH and Slurm. */
static size_t announced_size(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        long n = value ? strtol(value, NULL, 10) : 0;
        if (n > 0) return (size_t)n;
    }
    return 1;
}

#ifdef SNS_HAVE_MPI
#define OMPI_SKIP_MPICXX
#include <mpi.h>

enum { PART_BYTES = 1 << 26 };

static sns_status fail_mpi(const sns_world *w, int code, const char *what, sns_error *err) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return sns_fail(err, SNS_IO,
                    "process %zu of %zu: %s failed (%s); another process may have died. The last "
                    "checkpoint is good",
                    w->rank, w->size, what, text);
}

static void finish(void) {
    int done = 1;
    if (!MPI_Finalized(&done) && !done) MPI_Finalize();
}

sns_status sns_world_open(sns_world *w, sns_error *err) {
    *w = (sns_world){0, 1};
    if (announced_size() == 1) return SNS_OK;
    int ready = 0, level, rank, size;
    MPI_Initialized(&ready);
    if (!ready) {
        if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level))
            return sns_fail(err, SNS_IO, "MPI does not start");
        atexit(finish);
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (MPI_Comm_rank(MPI_COMM_WORLD, &rank) || MPI_Comm_size(MPI_COMM_WORLD, &size))
        return sns_fail(err, SNS_IO, "MPI does not say which process this is");
    *w = (sns_world){(size_t)rank, (size_t)size};
    return SNS_OK;
}

sns_status sns_world_share(const sns_world *w, void *bytes, size_t n, sns_error *err) {
    if (w->size == 1) return SNS_OK;
    for (size_t at = 0; at < n; at += PART_BYTES) {
        int part = (int)(n - at < PART_BYTES ? n - at : PART_BYTES);
        int code = MPI_Bcast((char *)bytes + at, part, MPI_BYTE, 0, MPI_COMM_WORLD);
        if (code) return fail_mpi(w, code, "sharing", err);
    }
    return SNS_OK;
}

sns_status sns_world_agree(const sns_world *w, sns_status mine, sns_error *err) {
    if (w->size == 1) return mine;
    int failed = mine ? (int)w->rank : (int)w->size, first;
    int code = MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (code) return fail_mpi(w, code, "agreeing", err);
    if ((size_t)first == w->size) return SNS_OK;
    sns_error theirs = {0};
    if ((size_t)first == w->rank) {
        const char *message = err ? err->message : "failed";
        if (!strncmp(message, "process ", 8)) /* already agreed upon */
            sns_fail(&theirs, mine, "%s", message);
        else
            sns_fail(&theirs, mine, "process %zu of %zu: %s", w->rank, w->size, message);
    }
    code = MPI_Bcast(&theirs, (int)sizeof theirs, MPI_BYTE, first, MPI_COMM_WORLD);
    if (code) return fail_mpi(w, code, "agreeing", err);
    if (err) *err = theirs;
    return theirs.code;
}

sns_status sns_world_any(const sns_world *w, bool *flag, sns_error *err) {
    if (w->size == 1) return SNS_OK;
    int mine = *flag, any;
    int code = MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (code) return fail_mpi(w, code, "agreeing", err);
    *flag = any;
    return SNS_OK;
}

sns_status sns_world_gather(const sns_world *w, float *block, size_t each, sns_error *err) {
    if (w->size == 1) return SNS_OK;
    if (each > PART_BYTES)
        return sns_fail(err, SNS_LIMIT, "%zu floats are too many to gather", each);
    int code = MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, block, (int)each, MPI_FLOAT,
                             MPI_COMM_WORLD);
    return code ? fail_mpi(w, code, "gathering features", err) : SNS_OK;
}

sns_status sns_world_sum(const sns_world *w, float *x, size_t n, sns_error *err) {
    if (w->size == 1) return SNS_OK;
    const size_t most = PART_BYTES / sizeof *x;
    for (size_t at = 0; at < n; at += most) {
        int part = (int)(n - at < most ? n - at : most);
        int code = MPI_Allreduce(MPI_IN_PLACE, x + at, part, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        if (code) return fail_mpi(w, code, "summing gradients", err);
    }
    return SNS_OK;
}
#else
sns_status sns_world_open(sns_world *w, sns_error *err) {
    *w = (sns_world){0, 1};
    size_t size = announced_size();
    if (size == 1) return SNS_OK;
    return sns_fail(err, SNS_UNSUPPORTED,
                    "started as one of %zu processes, but built without MPI (libopenmpi-dev)",
                    size);
}

sns_status sns_world_share(const sns_world *w, void *bytes, size_t n, sns_error *err) {
    (void)w, (void)bytes, (void)n, (void)err;
    return SNS_OK;
}

sns_status sns_world_agree(const sns_world *w, sns_status mine, sns_error *err) {
    (void)w, (void)err;
    return mine;
}

sns_status sns_world_any(const sns_world *w, bool *flag, sns_error *err) {
    (void)w, (void)flag, (void)err;
    return SNS_OK;
}

sns_status sns_world_gather(const sns_world *w, float *block, size_t each, sns_error *err) {
    (void)w, (void)block, (void)each, (void)err;
    return SNS_OK;
}

sns_status sns_world_sum(const sns_world *w, float *x, size_t n, sns_error *err) {
    (void)w, (void)x, (void)n, (void)err;
    return SNS_OK;
}
#endif
