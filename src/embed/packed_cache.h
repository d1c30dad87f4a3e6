/* packed_cache.h - a tower's packed weights kept in a file, so that the next start maps them.
 *
 * Only of bfloat16 and int8 towers, whose packed form is no larger than the model's file, and only
 * where packing takes more than a few milliseconds. SENSUS_PACKED_CACHE=off: neither read nor
 * written. Everything here may fail without harm: then weights are packed as ever. */
#ifndef SNS_EMBED_PACKED_CACHE_H
#define SNS_EMBED_PACKED_CACHE_H
#include "base/file.h"
#include "embed/model_internal.h"

/* An open file: what was packed, filled, and the hash that memory.layout must have in the end. */
typedef struct sns_packed_cache {
    sns_map map;
    sns_packed_memory memory;
    uint64_t layout;
} sns_packed_cache;

/* False: there is no file of this model as it is now, on this processor, with this oneDNN, or it is
 * damaged. */
bool sns_packed_cache_open(const sns_model *m, sns_tower tower, sns_packed_cache *out);
void sns_packed_cache_close(sns_packed_cache *c);
/* Keep what was packed, beside the model or, where that can't be written, in the user's folder of
 * caches. */
void sns_packed_cache_write(const sns_model *m, sns_tower tower, const sns_packed_memory *memory);
#endif
