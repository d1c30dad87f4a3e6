/* token_embedding.c - y [N, C] = tokens[id] + positions[place in its own text].
 *
 * Gradients add rows back into the tables in the order of the rows. */
#include "model/layer_util.h"

typedef struct token_embedding {
    sns_param tokens, positions;
    const size_t *id, *place; /* [N] */
    sns_tensor *y;
} token_embedding;

static void token_embedding_backward(sns_tape *t, void *context) {
    const token_embedding *e = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = e->y->rows, C = e->y->cols;
    if (e->tokens.value.grad)
        sns_scatter_add_rows(k, e->tokens.value.grad, e->id, e->y->grad, N, C);
    if (e->positions.value.grad)
        sns_scatter_add_rows(k, e->positions.value.grad, e->place, e->y->grad, N, C);
}

/* Fills id and place [starts[n]]; false (with a status) when one is outside of its table. */
static bool rows_of_texts(sns_tape *t, size_t V, size_t P, const uint32_t *ids,
                          const size_t *starts, size_t n, size_t *id, size_t *place) {
    for (size_t s = 0; s < n; s++) {
        if (starts[s + 1] - starts[s] > P) {
            sns_tape_fail(t, SNS_ARG, "text %zu has %zu tokens, the model takes %zu", s,
                          starts[s + 1] - starts[s], P);
            return false;
        }
        for (size_t i = starts[s]; i < starts[s + 1]; i++) {
            id[i] = ids[i];
            place[i] = i - starts[s];
            if (id[i] < V) continue;
            sns_tape_fail(t, SNS_ARG, "text %zu has token %zu, the vocabulary ends at %zu", s,
                          id[i], V);
            return false;
        }
    }
    return true;
}

static bool starts_ordered(const size_t *starts, size_t n) {
    if (starts[0] != 0) return false;
    for (size_t i = 0; i < n; i++)
        if (starts[i] > starts[i + 1]) return false;
    return true;
}

/* Row `id` of the table; a stored one was checked to be of a type that is read. */
static void read_row(const sns_kernels *k, const sns_param *tokens, size_t id, float *out) {
    size_t C = tokens->value.cols;
    if (!tokens->table)
        memcpy(out, tokens->value.data + id * C, C * sizeof *out);
    else if (tokens->table_scale)
        sns_stored_i8_row(tokens->table, tokens->table_scale, id, C, out);
    else
        sns_stored_to_f32(tokens->table, k, id * C, C, out, NULL);
}

static bool tables_ready(sns_tape *t, const sns_param *tokens, const sns_param *positions) {
    bool stored = tokens->table && !sns_tape_recording(t) && !sns_tape_status(t, NULL);
    return (stored || sns_layer_ready(t, "token embedding", &tokens->value)) &&
           (!positions || sns_layer_ready(t, "token embedding", &positions->value));
}

sns_tensor *sns_token_embedding(sns_tape *t, const sns_param *tokens, const sns_param *positions,
                                const uint32_t *ids, const size_t *starts, size_t n) {
    if (!tables_ready(t, tokens, positions)) return NULL;
    size_t C = tokens->value.cols, N = starts[n];
    if (!starts_ordered(starts, n) || (positions && positions->value.cols != C)) {
        sns_tape_fail(t, SNS_ARG, "token embedding: starts or tables do not fit");
        return NULL;
    }
    token_embedding e = {.tokens = *tokens, .y = sns_tape_matrix(t, N, C)};
    size_t *id = sns_tape_alloc(t, N * sizeof *id), *place = sns_tape_alloc(t, N * sizeof *place);
    size_t longest = positions ? positions->value.rows : SIZE_MAX;
    if (!e.y || !id || !place ||
        !rows_of_texts(t, tokens->value.rows, longest, ids, starts, n, id, place))
        return NULL;
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < N; i++) {
        read_row(k, tokens, id[i], e.y->data + i * C);
        if (positions) k->add(e.y->data + i * C, positions->value.data + place[i] * C, C);
    }
    e.id = id;
    e.place = place;
    if (positions) e.positions = *positions;
    token_embedding *node = sns_tape_push(t, token_embedding_backward, sizeof *node);
    if (node) *node = e;
    return sns_tape_status(t, NULL) ? NULL : e.y;
}
