/* onednn.c - see onednn.h. */
#include "kernel/onednn.h"
#include "base/memory.h"
#include "kernel/kernel.h"
#include <pthread.h>
#include <stdint.h>
#include <string.h>

static dnnl_engine_t the_engine;

static void make_engine(void) {
    const char *name = sns_kernels_get()->name;
    if (strcmp(name, "ref") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    if (strcmp(name, "avx2") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    if (strcmp(name, "avx512") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core);
    if (strcmp(name, "avx512vnni") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_vnni);
    if (dnnl_engine_create(&the_engine, dnnl_cpu, 0) != dnnl_success) the_engine = NULL;
}

dnnl_engine_t sns_onednn_engine(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_engine);
    return the_engine;
}

dnnl_status_t sns_onednn_run(dnnl_primitive_t primitive, const sns_onednn_arg *arg, int n,
                             const dnnl_memory_desc_t *scratch) {
    dnnl_memory_t mem[SNS_ONEDNN_ARGS] = {0};
    dnnl_exec_arg_t args[SNS_ONEDNN_ARGS];
    dnnl_stream_t stream = NULL;
    size_t scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    void *pad = scratch_bytes ? sns_aligned_alloc(scratch_bytes) : NULL;
    dnnl_status_t s = scratch_bytes && !pad ? dnnl_out_of_memory : dnnl_success;
    int used = 0;
    for (int i = 0; i <= n && !s; i++) {
        sns_onednn_arg a = i < n ? arg[i] : (sns_onednn_arg){DNNL_ARG_SCRATCHPAD, scratch, pad};
        if (!a.data) continue;
        s = dnnl_memory_create(&mem[used], a.desc, sns_onednn_engine(), (void *)(uintptr_t)a.data);
        if (!s) args[used] = (dnnl_exec_arg_t){a.name, mem[used]};
        if (!s) used++;
    }
    if (!s) s = dnnl_stream_create(&stream, sns_onednn_engine(), dnnl_stream_default_flags);
    if (!s) s = dnnl_primitive_execute(primitive, stream, used, args);
    if (!s) s = dnnl_stream_wait(stream);
    dnnl_stream_destroy(stream);
    for (int i = 0; i < used; i++) dnnl_memory_destroy(mem[i]);
    sns_aligned_free(pad);
    return s;
}

dnnl_status_t sns_onednn_reorder(const dnnl_memory_desc_t *from, const void *source,
                                 const dnnl_memory_desc_t *to, void *target) {
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    sns_onednn_arg arg[2] = {{DNNL_ARG_FROM, from, source}, {DNNL_ARG_TO, to, target}};
    dnnl_engine_t e = sns_onednn_engine();
    dnnl_status_t s = dnnl_reorder_primitive_desc_create(&pd, from, e, to, e, NULL);
    if (!s) s = dnnl_primitive_create(&reorder, pd);
    if (!s) s = sns_onednn_run(reorder, arg, 2, NULL);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    return s;
}
