/* train_stream.c - training on shards that are not held in memory (stream.h).
 *
 * A checkpoint holds the epoch of its last step and that epoch's first step. A resumed run reads
 * the epoch's samples again up to its step, without decoding them. */
#include "train/train_stream.h"
#include "base/error.h"
#include "base/byte_source.h"
#include "train/dataset_internal.h"

enum { DEFAULT_WINDOW = 4096 };

bool sns_run_streams(const sns_train_options *o) {
    for (size_t i = 0; i < o->data_count; i++)
        if (sns_bytes_is_pipe(o->data[i])) return true;
    return o->shuffle > 0;
}

sns_status sns_run_open_stream(sns_run *r, sns_error *err) {
    const sns_train_options *o = &r->o;
    if (!o->steps)
        return sns_fail(err, SNS_ARG,
                        "the length of streamed data is not known: say how many steps to train");
    r->data = sns_dataset_new(o->warn, o->user);
    if (!r->data) return sns_fail(err, SNS_NOMEM, "no memory for the data set");
    sns_stream_options s = {.sources = o->data,
                            .source_count = o->data_count,
                            .window = o->shuffle ? o->shuffle : DEFAULT_WINDOW,
                            .window_bytes = (o->cache_mb ? o->cache_mb : 1) << 20,
                            .batch = o->batch,
                            .spares = SNS_LOADER_SPARES,
                            .seed = o->seed,
                            .ranks = 1,
                            .langs = o->lang_weight,
                            .cancel = o->cancel,
                            .warn = o->warn,
                            .user = o->user};
    return sns_stream_new(&s, &r->stream, err);
}

sns_status sns_run_seek_stream(sns_run *r, sns_error *err) {
    sns_stream_position at = {r->state.stream_epoch, r->state.stream_first_step};
    return sns_stream_seek(r->stream, at, r->state.step, err);
}
