/* spoken.c - recordings as queries for pictures, through a space that two models share.
 *
 * The recordings' vectors come from a model that hears, the pictures' from one that sees; neither
 * has met the other's medium. They meet because both have the same text tower (ImageBind, Girdhar
 * et al. 2023: modalities bound to one anchor are bound to each other). */
#include "base/error.h"
#include "score/eval_set.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static sns_status check_models(const sns_model *hears, const sns_model *sees, sns_error *err) {
    if (!sns_model_sound_rate_hz(hears) || sns_model_sound_rate_hz(sees))
        return sns_fail(err, SNS_SHAPE, "one model must hear and the other see");
    return sns_models_share_space(hears, sees, err);
}

static bool is_image(const sns_eval_caption *c) {
    return !strcmp(c->language, SNS_EVAL_IMAGE);
}

/* Recordings of other languages, or without a picture, leave before anything is encoded. */
static sns_status keep_asked(sns_eval_set *sounds, const char *language, sns_error *err) {
    bool *keep = calloc(sounds->picture_count + 1, sizeof *keep);
    if (!keep)
        return sns_fail(err, SNS_NOMEM, "no memory for %zu recordings", sounds->picture_count);
    for (size_t i = 0; i < sounds->caption_count; i++) {
        const sns_eval_caption *c = &sounds->captions[i];
        const char *lang = sounds->pictures[c->picture].lang;
        if (is_image(c) && (!language || (lang && !strcmp(lang, language))))
            keep[c->picture] = true;
    }
    sns_status s = sns_eval_set_keep(sounds, keep, err);
    free(keep);
    return s;
}

/* Which pictures each recording speaks of; those that cannot be read are no answer. */
static sns_status relate(const sns_eval_set *sounds, const sns_eval_set *pictures,
                         sns_relation *out, sns_error *err) {
    size_t P = pictures->picture_count, C = sounds->caption_count, n = 0;
    const char **paths = malloc((P + 1) * sizeof *paths);
    uint32_t *place = malloc((P + 1) * sizeof *place);
    sns_pair *pairs = malloc((C + 1) * sizeof *pairs);
    sns_eval_names names = {0};
    sns_status s = paths && place && pairs
                       ? SNS_OK
                       : sns_fail(err, SNS_NOMEM, "no memory for %zu recordings", C);
    for (size_t i = 0; i < P && !s; i++) paths[i] = pictures->pictures[i].path;
    if (!s) s = sns_eval_names_new(paths, P, &names, err);
    for (size_t i = 0; i < P && !s; i++) place[sns_eval_names_find(&names, paths[i])] = (uint32_t)i;
    for (size_t i = 0; i < C && !s; i++) {
        const sns_eval_caption *c = &sounds->captions[i];
        uint32_t name = is_image(c) ? sns_eval_names_find(&names, c->text) : SNS_EVAL_NONE;
        if (name != SNS_EVAL_NONE) pairs[n++] = (sns_pair){c->picture, place[name]};
    }
    if (!s) s = sns_relation_new(pairs, n, sounds->picture_count, out, err);
    sns_eval_names_free(&names);
    free(pairs);
    free(place);
    free(paths);
    return s;
}

typedef struct both {
    sns_eval_set sounds, pictures;
    float *sound_vectors, *picture_vectors;
} both;

static sns_status measure(const both *b, size_t E, sns_spoken *out, sns_error *err) {
    sns_relation of_sounds = {0}, of_pictures = {0};
    size_t S = b->sounds.picture_count, P = b->pictures.picture_count;
    sns_status s = relate(&b->sounds, &b->pictures, &of_sounds, err);
    if (!s) s = sns_relation_turn(&of_sounds, P, &of_pictures, err);
    if (!s)
        s = sns_eval_side(b->sound_vectors, b->picture_vectors, P, E, &of_sounds,
                          &out->sound_to_image, err);
    if (!s)
        s = sns_eval_side(b->picture_vectors, b->sound_vectors, S, E, &of_pictures,
                          &out->image_to_sound, err);
    out->sounds = S;
    out->images = P;
    out->skipped = b->sounds.skipped + b->pictures.skipped;
    sns_relation_free(&of_sounds);
    sns_relation_free(&of_pictures);
    return s;
}

sns_status sns_eval_spoken(const sns_model *hears, const sns_model *sees, const char *manifest,
                           const char *language, const sns_eval_options *options,
                           sns_spoken *result, sns_error *err) {
    static const sns_eval_options none;
    both b = {0};
    if (!options) options = &none;
    *result = (sns_spoken){0};
    sns_status s = check_models(hears, sees, err);
    if (!s) s = sns_eval_set_read(manifest, SNS_EVAL_SPOKEN, options, &b.sounds, err);
    if (!s) s = sns_eval_set_read(manifest, SNS_EVAL_PICTURES, options, &b.pictures, err);
    if (!s) s = keep_asked(&b.sounds, language, err);
    if (!s && !b.sounds.picture_count)
        s = sns_fail(err, SNS_MISSING, "%s: no line names a recording%s%s and a picture", manifest,
                     language ? " in " : "", language ? language : "");
    if (!s) s = sns_eval_set_encode(&b.sounds, hears, options, &b.sound_vectors, err);
    if (!s) s = sns_eval_set_encode(&b.pictures, sees, options, &b.picture_vectors, err);
    if (!s) s = measure(&b, sns_model_dim(hears), result, err);
    free(b.sound_vectors);
    free(b.picture_vectors);
    sns_eval_set_free(&b.sounds);
    sns_eval_set_free(&b.pictures);
    return s;
}
