/* quantize.c - a model in narrower numbers: half or a quarter of the memory to read for each
 * product, and instructions that do two or four times as many.
 *
 * f32, f16, bf16: every tensor in that type, which is also how a GGUF file becomes a folder. int8:
 * linear weights and the token table in 8 bits with a scale for each row (Jacob et al. 2018), the
 * rest in f16. Nothing is learned and no pictures are needed: activations are brought to 8 bits as
 * they come (kernel/packed.h). Channels far larger than the others of their row cost those
 * precision. They are not kept apart: in a ViT-B/32 of random weights with four channels ten times
 * as large as the rest, cosines to f32 stay above 0.996; at thirty times they fall to 0.99 for
 * pictures and 0.87 for texts, and bf16's to 0.986. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "embed/model_internal.h"
#include "prep/tokenizer_copy.h"
#include <sys/stat.h>

static sns_status copy_mel(const char *from, const sns_clip_config *c, const char *to,
                           sns_error *err) {
    sns_log_mel_config mel;
    sns_status s = sns_model_read_mel(from, c, &mel, err);
    if (!s) s = sns_make_dirs(to, err);
    return s ? s : sns_log_mel_write(to, &mel, c->frames, err);
}

static sns_status copy_preprocess(const char *from, const sns_clip_config *c, const char *to,
                                  sns_error *err) {
    sns_preprocess prep;
    sns_status s = sns_preprocess_read(from, c->image_px, &prep, err);
    if (!s) s = sns_make_dirs(to, err);
    return s ? s : sns_preprocess_write(to, &prep, err);
}

sns_status sns_model_copy_companions(const char *from, const sns_clip_config *c, const char *to,
                                     sns_error *err) {
    sns_status s = sns_clip_hears(c) ? copy_mel(from, c, to, err)
                                     : copy_preprocess(from, c, to, err);
    return s ? s : sns_tokenizer_copy(from, to, err);
}

/* The only copy of the wide weights would be lost. */
static sns_status refuse_same_folder(const char *from, const char *to, sns_error *err) {
    struct stat a, b;
    if (stat(from, &a) || stat(to, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return SNS_OK;
    return sns_fail(err, SNS_ARG, "%s: the model itself is there; write to another folder", to);
}

/* What was rounded once is not rounded again. */
static sns_status refuse_int8(const char *from, const sns_layout *l, sns_error *err) {
    sns_clip_weights w;
    sns_status s = sns_clip_weights_open(from, l, &w, err);
    if (s) return s;
    s = sns_clip_weights_refuse_int8(&w, l, from, err);
    sns_clip_weights_close(&w);
    return s;
}

sns_status sns_model_quantize(const char *from, const char *dir, const char *type, sns_error *err) {
    static const struct {
        const char *type, *dtype; /* dtype NULL: int8 */
    } types[] = {{"int8", NULL}, {"bf16", "BF16"}, {"f16", "F16"}, {"f32", "F32"}};
    enum { TYPES = sizeof types / sizeof *types };
    size_t t = 0;
    sns_clip_config c;
    sns_layout l = {0};
    float *data = NULL;
    while (t < TYPES && strcmp(type, types[t].type) != 0) t++;
    if (t == TYPES)
        return sns_fail(err, SNS_ARG, "a model is written in int8, bf16, f16 or f32, not %s", type);
    sns_status s = sns_clip_config_read(from, &c, err);
    if (!s) s = refuse_same_folder(from, dir, err);
    if (!s) s = sns_clip_layout(&c, &l, err);
    if (!s) s = refuse_int8(from, &l, err);
    if (!s && !(data = sns_aligned_alloc(l.total * sizeof *data)))
        s = sns_fail(err, SNS_NOMEM, "%s: no memory for %zu parameters", from, l.total);
    if (!s) s = sns_clip_read_flat(from, &c, &l, data, err);
    if (!s) s = sns_model_copy_companions(from, &c, dir, err);
    if (!s)
        s = types[t].dtype ? sns_clip_save(dir, &c, &l, data, types[t].dtype, err)
                           : sns_clip_save_int8(dir, &c, &l, data, err);
    sns_aligned_free(data);
    sns_layout_free(&l);
    return s;
}
