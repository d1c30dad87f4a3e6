/* onednn.h - what gemm.c, packed.c and conv.c share of oneDNN 2.x: its engine, and running one
 * primitive.
 *
 * Private to src/kernel: nobody else sees oneDNN's API. */
#ifndef SNS_KERNEL_ONEDNN_H
#define SNS_KERNEL_ONEDNN_H
#include <dnnl.h>

/* Made once for the process, lowered by SENSUS_CPU like the kernel table; NULL: oneDNN cannot. */
dnnl_engine_t sns_onednn_engine(void);

enum { SNS_ONEDNN_ARGS = 6 };

/* One argument of a primitive; a NULL datum is left out. */
typedef struct sns_onednn_arg {
    int name; /* DNNL_ARG_... */
    const dnnl_memory_desc_t *desc;
    const void *data;
} sns_onednn_arg;

/* Run on the calling thread, which allocates the scratchpad; n < SNS_ONEDNN_ARGS. */
dnnl_status_t sns_onednn_run(dnnl_primitive_t primitive, const sns_onednn_arg *arg, int n,
                             const dnnl_memory_desc_t *scratch);
/* Copy from one layout into another, converting types. */
dnnl_status_t sns_onednn_reorder(const dnnl_memory_desc_t *from, const void *source,
                                 const dnnl_memory_desc_t *to, void *target);
#endif
