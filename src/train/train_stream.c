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
                            .batch = sns_run_places(r),
                            .spares = SNS_LOADER_SPARES,
                            .sound_rate_hz = r->mel_tables ? r->mel.rate_hz : 0,
                            .seed = o->seed,
                            .rank = r->world.rank,
                            .ranks = r->world.size,
                            .langs = o->lang_weight,
                            .cancel = o->cancel,
                            .warn = o->warn,
                            .user = o->user};
    return sns_stream_new(&s, &r->stream, err);
}

/* Read on from the start to the step that comes next. */
static sns_status read_again(sns_run *r, sns_error *err) {
    size_t places = sns_run_places(r), spares = 0;
    sns_pair **pairs = calloc(places + SNS_LOADER_SPARES, sizeof *pairs);
    if (!pairs) return sns_fail(err, SNS_NOMEM, "no memory for %zu pairs", places);
    sns_status s = SNS_OK;
    for (size_t i = 0; i < r->state.step && !s; i++) {
        sns_stream_position at;
        s = sns_stream_next(r->stream, pairs, &spares, &at, err);
        for (size_t k = 0; k < places + spares && !s; k++) sns_pair_release(pairs[k]);
    }
    free(pairs);
    return s;
}

sns_status sns_run_seek_stream(sns_run *r, sns_error *err) {
    /* The checkpoint has the first process' position; the others' epochs have other lengths. */
    if (r->world.rank) return read_again(r, err);
    sns_stream_position at = {r->state.stream_epoch, r->state.stream_first_step};
    return sns_stream_seek(r->stream, at, r->state.step, err);
}
