/* test_layers.c - every layer: its values against plain loops, its gradients against central
 * differences, for every table of kernels that this processor has. */
#include "gradcheck.h"

static const char *const TABLES[] = {"ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"};
enum { TABLE_COUNT = 4 };

static void check_all(scene *s, build_fn build) {
    for (int i = 0; i < TABLE_COUNT; i++) {
        const sns_kernels *k = sns_kernels_named(TABLES[i]);
        if (k) check_gradients(k, s, build, 60);
    }
    free_scene(s);
}

/* leaves: x, W, b, residual */
static sns_tensor *build_linear(sns_tape *t, const scene *s) {
    sns_param W = leaf_param(t, s, 1), b = leaf_param(t, s, 2);
    return sns_linear(t, leaf_tensor(t, s, 0), &W, s->bias ? &b : NULL,
                      s->residual ? leaf_tensor(t, s, 3) : NULL);
}

static scene linear_scene(size_t N, size_t in, size_t out, uint64_t seed) {
    scene s = {.bias = true};
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){N, in});
    add_leaf(&s, &rng, 0.3f, 0, 2, (size_t[]){out, in});
    add_leaf(&s, &rng, 0.5f, 0, 1, (size_t[]){out});
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){N, out});
    return s;
}

static const size_t LINEAR_SHAPES[][3] = {{1, 1, 1}, {1, 7, 5}, {9, 16, 33}, {67, 5, 3}};

static void linear_gradients(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (int way = 0; way < 4; way++) {
            const size_t *d = LINEAR_SHAPES[i];
            scene s = linear_scene(d[0], d[1], d[2], i);
            s.bias = way % 2;
            s.residual = way / 2;
            check_all(&s, build_linear);
        }
    }
}

static void linear_frozen(void **state) {
    (void)state;
    for (int frozen = 0; frozen < 3; frozen++) {
        scene s = linear_scene(4, 6, 5, 8);
        s.leaf[frozen].frozen = true;
        s.residual = true;
        check_all(&s, build_linear);
    }
}

static void linear_values(const scene *s, const sns_tensor *y) {
    size_t N = s->leaf[0].dim[0], in = s->leaf[0].dim[1], out = s->leaf[1].dim[0];
    for (size_t r = 0; r < N; r++) {
        for (size_t o = 0; o < out; o++) {
            double z = s->bias ? s->leaf[2].data[o] : 0;
            for (size_t c = 0; c < in; c++)
                z += (double)s->leaf[0].data[r * in + c] * s->leaf[1].data[o * in + c];
            z += s->residual ? s->leaf[3].data[r * out + o] : 0;
            assert_float_equal(y->data[r * out + o], z, 1e-4);
        }
    }
}

static sns_tensor *build_packed(sns_tape *t, const scene *s, const sns_packed *packed) {
    sns_param W = leaf_param(t, s, 1), b = leaf_param(t, s, 2);
    W.packed = packed;
    W.value.data = NULL;
    return sns_linear(t, leaf_tensor(t, s, 0), &W, s->bias ? &b : NULL,
                      s->residual ? leaf_tensor(t, s, 3) : NULL);
}

static void linear_equals_loops(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    for (size_t i = 0; i < 4; i++) {
        scene s = linear_scene(LINEAR_SHAPES[i][0], LINEAR_SHAPES[i][1], LINEAR_SHAPES[i][2], i);
        sns_packed *packed;
        assert_int_equal(
            sns_packed_new(s.leaf[1].data, LINEAR_SHAPES[i][2], LINEAR_SHAPES[i][1], &packed, NULL),
            SNS_OK);
        for (int way = 0; way < 4; way++) {
            s.bias = way % 2;
            s.residual = way / 2;
            sns_tape_reset(t);
            linear_values(&s, build_linear(t, &s));
            linear_values(&s, build_packed(t, &s, packed));
        }
        sns_packed_free(packed);
        free_scene(&s);
    }
    sns_tape_free(t);
}

/* leaves: x, gain, bias */
static sns_tensor *build_layernorm(sns_tape *t, const scene *s) {
    sns_param gain = leaf_param(t, s, 1), bias = leaf_param(t, s, 2);
    return sns_layernorm(t, leaf_tensor(t, s, 0), &gain, &bias, 1e-5f);
}

static void layernorm_gradients(void **state) {
    (void)state;
    const size_t shapes[][2] = {{1, 2}, {1, 33}, {7, 17}, {300, 8}};
    for (size_t i = 0; i < 4; i++) {
        for (int frozen = 0; frozen < 4; frozen++) {
            scene s = {0};
            sns_rng rng;
            sns_rng_seed(&rng, i);
            add_leaf(&s, &rng, 2, 1, 2, shapes[i]);
            add_leaf(&s, &rng, 0.3f, 1, 1, &shapes[i][1]);
            add_leaf(&s, &rng, 0.3f, 0, 1, &shapes[i][1]);
            if (frozen) s.leaf[frozen - 1].frozen = true;
            if (i == 0) s.leaf[0].data[0] = 3, s.leaf[0].data[1] = -1; /* well conditioned */
            check_all(&s, build_layernorm);
        }
    }
}

/* leaves: x, gain, bias, W, b */
static sns_tensor *build_norm_linear(sns_tape *t, const scene *s) {
    sns_param p[5];
    for (int i = 1; i < 5; i++) p[i] = leaf_param(t, s, i);
    return sns_norm_linear(t, leaf_tensor(t, s, 0), &p[1], &p[2], 1e-5f, &p[3], &p[4]);
}

/* the same by two layers */
static sns_tensor *build_norm_then_linear(sns_tape *t, const scene *s) {
    sns_param p[5];
    for (int i = 1; i < 5; i++) p[i] = leaf_param(t, s, i);
    sns_tensor *h = sns_layernorm(t, leaf_tensor(t, s, 0), &p[1], &p[2], 1e-5f);
    return sns_linear(t, h, &p[3], &p[4], NULL);
}

/* leaves: x, gain, bias, W1, b1, W2, b2; x itself must outlive a pass without recording */
static sns_tensor *build_mlp(sns_tape *t, const scene *s) {
    sns_param p[7];
    for (int i = 1; i < 7; i++) p[i] = leaf_param(t, s, i);
    sns_tensor *x = leaf_tensor(t, s, 0);
    if (!sns_tape_recording(t)) {
        const float *from = x->data;
        x = sns_tape_matrix(t, x->rows, x->cols);
        memcpy(x->data, from, x->rows * x->cols * sizeof *from);
    }
    sns_mlp_params mlp = {&p[1], &p[2], &p[3], &p[4], &p[5], &p[6], 1e-5f, s->act};
    return sns_mlp(t, x, &mlp);
}

/* hidden 0: a norm and a linear layer to `out` columns; else an MLP. */
static scene norm_scene(size_t N, size_t C, size_t hidden, size_t out, uint64_t seed) {
    scene s = {0};
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    add_leaf(&s, &rng, 2, 1, 2, (size_t[]){N, C});
    add_leaf(&s, &rng, 0.3f, 1, 1, &C);
    add_leaf(&s, &rng, 0.3f, 0, 1, &C);
    size_t first = hidden ? hidden : out;
    add_leaf(&s, &rng, 0.3f, 0, 2, (size_t[]){first, C});
    add_leaf(&s, &rng, 0.5f, 0, 1, &first);
    if (!hidden) return s;
    add_leaf(&s, &rng, 0.3f, 0, 2, (size_t[]){C, hidden});
    add_leaf(&s, &rng, 0.5f, 0, 1, &C);
    return s;
}

static void norm_linear_gradients(void **state) {
    (void)state;
    const size_t shapes[][3] = {{1, 33, 5}, {7, 17, 9}, {60, 8, 3}};
    for (size_t i = 0; i < 3; i++)
        for (int frozen = -1; frozen < 5; frozen++) {
            scene s = norm_scene(shapes[i][0], shapes[i][1], 0, shapes[i][2], i);
            if (frozen >= 0) s.leaf[frozen].frozen = true;
            check_all(&s, build_norm_linear);
        }
}

static void mlp_gradients(void **state) {
    (void)state;
    const size_t shapes[][3] = {{1, 33, 5}, {7, 17, 40}, {40, 8, 32}};
    for (size_t i = 0; i < 3; i++)
        for (int act = SNS_ACT_NONE; act <= SNS_ACT_GELU_TANH; act++)
            for (int frozen = -1; frozen < 7; frozen++) {
                if (frozen >= 0 && act != SNS_ACT_GELU) continue;
                scene s = norm_scene(shapes[i][0], shapes[i][1], shapes[i][2], 0, i);
                s.act = (sns_act)act;
                if (frozen >= 0) s.leaf[frozen].frozen = true;
                check_all(&s, build_mlp);
            }
}

static double activate(sns_act act, double z) {
    if (act == SNS_ACT_GELU) return z * 0.5 * (1 + erf(z / sqrt(2)));
    return act == SNS_ACT_QUICK_GELU ? z / (1 + exp(-1.702 * z)) : z;
}

/* x + fc2(act(fc1(norm(x)))) by plain loops. */
static void expect_mlp(const scene *s, const float *y) {
    size_t N = s->leaf[0].dim[0], C = s->leaf[0].dim[1], M = s->leaf[3].dim[0];
    for (size_t r = 0; r < N; r++) {
        const float *x = s->leaf[0].data + r * C;
        double mean = 0, var = 0, a[64];
        for (size_t c = 0; c < C; c++) mean += (double)x[c] / (double)C;
        for (size_t c = 0; c < C; c++) var += (x[c] - mean) * (x[c] - mean) / (double)C;
        for (size_t m = 0; m < M; m++) {
            double z = s->leaf[4].data[m];
            for (size_t c = 0; c < C; c++)
                z += ((x[c] - mean) / sqrt(var + 1e-5) * s->leaf[1].data[c] + s->leaf[2].data[c]) *
                     s->leaf[3].data[m * C + c];
            a[m] = activate(s->act, z);
        }
        for (size_t c = 0; c < C; c++) {
            double out = x[c] + s->leaf[6].data[c];
            for (size_t m = 0; m < M; m++) out += a[m] * s->leaf[5].data[c * M + m];
            assert_float_equal(y[r * C + c], out, 1e-3);
        }
    }
}

static void mlp_equals_loops(void **state) {
    (void)state;
    for (int record = 0; record < 2; record++) {
        sns_tape *t = sns_tape_new(sns_kernels_get(), record);
        for (int act = SNS_ACT_NONE; act <= SNS_ACT_QUICK_GELU; act++) {
            scene s = norm_scene(9, 17, 40, 0, 4);
            s.act = (sns_act)act;
            sns_tape_reset(t);
            const sns_tensor *y = build_mlp(t, &s);
            assert_non_null(y);
            expect_mlp(&s, y->data);
            free_scene(&s);
        }
        sns_tape_free(t);
    }
}

static void norm_linear_equals_two_layers(void **state) {
    (void)state;
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    scene s = norm_scene(70, 17, 0, 9, 5);
    const sns_tensor *one = build_norm_linear(t, &s), *two = build_norm_then_linear(t, &s);
    assert_non_null(one);
    assert_non_null(two);
    assert_memory_equal(one->data, two->data, 70 * 9 * sizeof(float));
    free_scene(&s);
    sns_tape_free(t);
}

/* leaf: qkv */
static sns_tensor *build_attention(sns_tape *t, const scene *s) {
    return sns_attention(t, leaf_tensor(t, s, 0), s->heads, s->starts, s->n, s->causal, false);
}

static void attention_gradients(void **state) {
    (void)state;
    const size_t one[] = {0, 1}, empty[] = {0, 3, 3, 8}, three[] = {0, 1, 18, 23};
    const size_t *starts[] = {one, empty, three};
    const size_t n[] = {1, 3, 3}, heads[] = {1, 2, 3}, D[] = {1, 5, 8};
    for (int i = 0; i < 3; i++) {
        for (int causal = 0; causal < 2; causal++) {
            scene s = {.starts = starts[i], .n = n[i], .heads = heads[i], .causal = causal};
            sns_rng rng;
            sns_rng_seed(&rng, (uint64_t)i);
            add_leaf(&s, &rng, 0.8f, 0, 2, (size_t[]){starts[i][n[i]], 3 * heads[i] * D[i]});
            check_all(&s, build_attention);
        }
    }
}

/* One output of attention by the definition. */
static double attention_value(const scene *s, size_t C, size_t begin, size_t end, size_t row,
                              size_t column) {
    const float *qkv = s->leaf[0].data;
    size_t D = C / s->heads, h = column / D;
    double sum = 0, value = 0;
    for (size_t j = begin; j < (s->causal ? row + 1 : end); j++) {
        double score = 0;
        for (size_t d = h * D; d < (h + 1) * D; d++)
            score += (double)qkv[row * 3 * C + d] * qkv[j * 3 * C + C + d];
        double p = exp(score / sqrt((double)D));
        sum += p;
        value += p * qkv[j * 3 * C + 2 * C + column];
    }
    return value / sum;
}

static void attention_equals_definition(void **state) {
    (void)state;
    const size_t starts[] = {0, 2, 13, 14}, C = 12;
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    for (int causal = 0; causal < 2; causal++) {
        scene s = {.starts = starts, .n = 3, .heads = 3, .causal = causal};
        sns_rng rng;
        sns_rng_seed(&rng, 5);
        add_leaf(&s, &rng, 1, 0, 2, (size_t[]){14, 3 * C});
        sns_tape_reset(t);
        const sns_tensor *y = build_attention(t, &s);
        for (size_t i = 0; i < 3; i++)
            for (size_t r = starts[i]; r < starts[i + 1]; r++)
                for (size_t c = 0; c < C; c++)
                    assert_float_equal(y->data[r * C + c],
                                       attention_value(&s, C, starts[i], starts[i + 1], r, c),
                                       1e-5);
        free_scene(&s);
    }
    sns_tape_free(t);
}

/* leaves: tokens, positions */
static sns_tensor *build_tokens(sns_tape *t, const scene *s) {
    sns_param tokens = leaf_param(t, s, 0), positions = leaf_param(t, s, 1);
    return sns_token_embedding(t, &tokens, s->bias ? &positions : NULL, s->ids, s->starts, s->n);
}

static scene token_scene(const uint32_t *ids, const size_t *starts, size_t n, size_t C) {
    scene s = {.ids = ids, .starts = starts, .n = n, .bias = true};
    sns_rng rng;
    sns_rng_seed(&rng, 4);
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){6, C});
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){4, C});
    return s;
}

static const uint32_t IDS[] = {5, 0, 5, 2, 2, 5, 1};
static const size_t TEXT_STARTS[] = {0, 3, 3, 7};

static void token_embedding(void **state) {
    (void)state;
    for (size_t C = 1; C < 300; C += 131) {
        for (int way = 0; way < 4; way++) {
            scene s = token_scene(IDS, TEXT_STARTS, 3, C);
            s.bias = way % 2;
            s.leaf[0].frozen = way / 2;
            if (!s.bias) s.leaf[1].frozen = true;
            check_all(&s, build_tokens);
        }
    }
    scene s = token_scene(IDS, TEXT_STARTS, 3, 3);
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    const sns_tensor *y = build_tokens(t, &s);
    for (size_t c = 0; c < 3; c++) /* row 5: id 5 at place 2 of its text */
        assert_float_equal(y->data[5 * 3 + c],
                           s.leaf[0].data[5 * 3 + c] + s.leaf[1].data[2 * 3 + c], 0);
    sns_tape_free(t);
    free_scene(&s);
}

static sns_status status_of(const scene *s, build_fn build) {
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    assert_null(build(t, s));
    sns_status status = sns_tape_status(t, NULL);
    sns_tape_free(t);
    return status;
}

static void bad_input_is_refused(void **state) {
    (void)state;
    const uint32_t outside[] = {5, 6, 0};
    const size_t starts[] = {0, 3}, too_long[] = {0, 5}, backwards[] = {0, 2, 1};
    scene s = token_scene(outside, starts, 1, 3);
    assert_int_equal(status_of(&s, build_tokens), SNS_ARG);
    s.ids = IDS, s.starts = too_long;
    assert_int_equal(status_of(&s, build_tokens), SNS_ARG);
    s.starts = backwards, s.n = 2;
    assert_int_equal(status_of(&s, build_tokens), SNS_ARG);
    free_scene(&s);
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    scene a = {.starts = backwards, .n = 2, .heads = 2};
    add_leaf(&a, &rng, 1, 0, 2, (size_t[]){1, 12});
    assert_int_equal(status_of(&a, build_attention), SNS_ARG);
    a.heads = 3;
    assert_int_equal(status_of(&a, build_attention), SNS_SHAPE);
    free_scene(&a);
    scene l = linear_scene(2, 3, 4, 1);
    l.leaf[0].dim[0] = 3, l.leaf[0].dim[1] = 2;
    assert_int_equal(status_of(&l, build_linear), SNS_SHAPE);
    free_scene(&l);
}

/* leaves: pixels, W, bias, class token, positions */
static sns_tensor *build_patches(sns_tape *t, const scene *s) {
    sns_param W = leaf_param(t, s, 1), bias = leaf_param(t, s, 2), class = leaf_param(t, s, 3);
    sns_param positions = leaf_param(t, s, 4);
    return sns_patch_embedding(t, leaf_tensor(t, s, 0), &W, s->bias ? &bias : NULL, &class,
                               &positions, s->patch);
}

static scene patch_scene(size_t B, size_t S, size_t P, size_t C) {
    scene s = {.patch = P, .bias = true};
    sns_rng rng;
    sns_rng_seed(&rng, S);
    add_leaf(&s, &rng, 1, 0, 4, (size_t[]){B, 3, S, S});
    add_leaf(&s, &rng, 0.3f, 0, 4, (size_t[]){C, 3, P, P});
    add_leaf(&s, &rng, 1, 0, 1, (size_t[]){C});
    add_leaf(&s, &rng, 1, 0, 1, (size_t[]){C});
    add_leaf(&s, &rng, 1, 0, 2, (size_t[]){1 + S / P * (S / P), C});
    return s;
}

static void patch_embedding_gradients(void **state) {
    (void)state;
    const size_t shapes[][4] = {{1, 1, 1, 1}, {2, 6, 3, 5}, {3, 4, 2, 17}};
    for (int i = 0; i < 3; i++) {
        for (int way = 0; way < 4; way++) {
            scene s = patch_scene(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
            s.bias = way % 2;
            s.leaf[0].frozen = way / 2;
            if (!s.bias) s.leaf[2].frozen = true;
            check_all(&s, build_patches);
        }
    }
}

static double convolve(const scene *s, size_t b, size_t patch, size_t c) {
    size_t S = s->leaf[0].dim[2], P = s->patch, G = S / P;
    double sum = s->leaf[2].data[c];
    for (size_t ch = 0; ch < 3; ch++)
        for (size_t r = 0; r < P; r++)
            for (size_t x = 0; x < P; x++)
                sum += (double)s->leaf[0]
                           .data[((b * 3 + ch) * S + patch / G * P + r) * S + patch % G * P + x] *
                       s->leaf[1].data[((c * 3 + ch) * P + r) * P + x];
    return sum;
}

static void patch_embedding_is_a_convolution(void **state) {
    (void)state;
    scene s = patch_scene(2, 6, 2, 5);
    sns_tape *t = sns_tape_new(sns_kernels_get(), false);
    const sns_tensor *y = build_patches(t, &s);
    assert_int_equal(y->rows, 20);
    for (size_t b = 0; b < 2; b++) {
        for (size_t p = 0; p < 10; p++) {
            for (size_t c = 0; c < 5; c++) {
                double want = p ? convolve(&s, b, p - 1, c) : s.leaf[3].data[c];
                want += s.leaf[4].data[p * 5 + c];
                assert_float_equal(y->data[(b * 10 + p) * 5 + c], want, 1e-4);
            }
        }
    }
    sns_tape_free(t);
    free_scene(&s);
}

static sns_tensor *build_gather(sns_tape *t, const scene *s) {
    return sns_gather_rows(t, leaf_tensor(t, s, 0), s->index, s->n);
}

static sns_tensor *build_normalize(sns_tape *t, const scene *s) {
    return sns_l2_normalize(t, leaf_tensor(t, s, 0));
}

static sns_tensor *build_absolute(sns_tape *t, const scene *s) {
    return sns_absolute(t, leaf_tensor(t, s, 0));
}

/* a + b, used twice: gradients of shared tensors add up */
static sns_tensor *build_add(sns_tape *t, const scene *s) {
    sns_tensor *y = sns_add(t, leaf_tensor(t, s, 0), leaf_tensor(t, s, 1));
    return sns_add(t, y, sns_l2_normalize(t, y));
}

static void small_layers(void **state) {
    (void)state;
    const size_t index[] = {4, 0, 4, 2, 4};
    const size_t shapes[][2] = {{1, 4}, {5, 3}, {6, 200}};
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    for (int i = 0; i < 3; i++) {
        scene s = {.index = index, .n = i ? 5 : 1};
        if (!i) s.index = index + 1;
        add_leaf(&s, &rng, 1, 0.5f, 2, shapes[i]);
        check_all(&s, build_gather);
        add_leaf(&s, &rng, 1, 0.5f, 2, shapes[i]);
        check_all(&s, build_normalize);
        add_leaf(&s, &rng, 1, 0.5f, 2, shapes[i]);
        for (size_t j = 0; j < s.leaf[0].n; j++) /* no closer to the kink than a difference */
            s.leaf[0].data[j] += s.leaf[0].data[j] < 0 ? -0.01f : 0.01f;
        check_all(&s, build_absolute);
        add_leaf(&s, &rng, 1, 0.5f, 2, shapes[i]);
        add_leaf(&s, &rng, 1, 0.5f, 2, shapes[i]);
        check_all(&s, build_add);
    }
}

static void zero_row_stays_zero(void **state) {
    (void)state;
    float x[6] = {0, 0, 0, 3, 0, 4}, dx[6] = {0}, seed[6] = {1, 1, 1, 1, 1, 1};
    sns_tape *t = sns_tape_new(sns_kernels_get(), true);
    sns_tensor *y = sns_l2_normalize(t, sns_tape_wrap(t, x, dx, 2, (size_t[]){2, 3}));
    assert_float_equal(y->data[0], 0, 0);
    assert_float_equal(y->data[3], 0.6, 1e-6);
    assert_float_equal(y->data[5], 0.8, 1e-6);
    assert_int_equal(sns_tape_backward(t, y, seed, NULL), SNS_OK);
    assert_true(isfinite(dx[0]));
    sns_tape_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_equals_loops),
        cmocka_unit_test(linear_gradients),
        cmocka_unit_test(linear_frozen),
        cmocka_unit_test(layernorm_gradients),
        cmocka_unit_test(norm_linear_gradients),
        cmocka_unit_test(norm_linear_equals_two_layers),
        cmocka_unit_test(mlp_gradients),
        cmocka_unit_test(mlp_equals_loops),
        cmocka_unit_test(attention_equals_definition),
        cmocka_unit_test(attention_gradients),
        cmocka_unit_test(token_embedding),
        cmocka_unit_test(patch_embedding_is_a_convolution),
        cmocka_unit_test(patch_embedding_gradients),
        cmocka_unit_test(small_layers),
        cmocka_unit_test(zero_row_stays_zero),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
