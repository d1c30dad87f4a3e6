/* cbow.c - a text tower without order: the mean of a text's token embeddings, projected.
 *
 * Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space" (continuous
 * bag of words), as the text encoder that Radford et al. 2021 name beside the Transformer:
 *   ids [starts[n]] -> [starts[n], C] -> mean of each text's tokens [n, C] -> [n, E]
 * Texts are packed without padding, so the mean is over the text's own tokens, its start and end
 * included. */
#include "model/clip_walk.h"
#include "model/layer_util.h"
#include <math.h>

bool sns_walk_cbow(sns_walker *v, const sns_clip_config *c, sns_clip *m) {
    size_t C = c->text.width;
    snprintf(v->prefix, sizeof v->prefix, "text_model");
    return sns_walk_matrix(v, &m->token_table, -1, 0.02f, c->vocab, C,
                           "embeddings.token_embedding.weight") &&
           sns_walk_tensor(v, &m->text_projection, -1, SNS_INIT_NORMAL, powf((float)C, -0.5f), 2,
                           (size_t[]){c->embed, C}, "text_projection.weight");
}

sns_tensor *sns_cbow_features(sns_tape *t, const sns_clip *m, const uint32_t *ids,
                              const size_t *starts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (starts[i + 1] - starts[i] <= m->config.context) continue;
        sns_tape_fail(t, SNS_ARG, "text %zu has %zu tokens, the model takes %zu", i,
                      starts[i + 1] - starts[i], m->config.context);
        return NULL;
    }
    sns_tensor *x = sns_token_embedding(t, &m->token_table, NULL, ids, starts, n);
    x = sns_mean_rows(t, x, starts, n);
    return sns_linear(t, x, &m->text_projection, NULL, NULL);
}
