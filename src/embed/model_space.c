/* model_space.c - are the vectors of two models of one space?
 *
 * They are when both have the same text tower: then they agree on texts, and what each binds to
 * texts is bound to the other's (ImageBind, Girdhar et al. 2023: modalities bound to one anchor are
 * bound to each other). */
#include "base/error.h"
#include "kernel/kernel.h"
#include <sensus/model.h>
#include <stdlib.h>

/* Narrow weights may round. */
static const float SAME_TEXT = 0.98f;

static sns_status encode(const sns_model *m, const char *const *texts, size_t n, float *out,
                         sns_error *err) {
    sns_session *session;
    sns_status s = sns_session_new(m, &session, err);
    if (s) return s;
    s = sns_encode_texts(session, texts, n, out, err);
    sns_session_free(session);
    return s;
}

sns_status sns_models_share_space(const sns_model *a, const sns_model *b, sns_error *err) {
    static const char *const texts[] = {"a dog", "two red houses under a tree"};
    enum { N = 2 };
    size_t E = sns_model_dim(a);
    if (sns_model_dim(b) != E)
        return sns_fail(err, SNS_MISMATCH, "vectors of %zu and of %zu numbers are of two spaces", E,
                        sns_model_dim(b));
    float *v = malloc(2 * N * E * sizeof *v);
    if (!v) return sns_fail(err, SNS_NOMEM, "no memory for vectors");
    sns_status s = encode(a, texts, N, v, err);
    if (!s) s = encode(b, texts, N, v + N * E, err);
    for (size_t i = 0; i < N && !s; i++) {
        float cosine = sns_kernels_get()->dot(v + i * E, v + (N + i) * E, E);
        if (!(cosine > SAME_TEXT))
            s = sns_fail(err, SNS_MISMATCH,
                         "the models are of two spaces: their vectors of \"%s\" have a cosine of "
                         "%.3f",
                         texts[i], (double)cosine);
    }
    free(v);
    return s;
}
