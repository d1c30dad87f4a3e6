/* test_kernel.c - every variant of every kernel against the reference, on sizes around those of
 * vectors, unaligned, with guard bytes; and the reference against double precision. After dav1d's
 * checkasm. Attention and 16-bit floats have their own files. */
#include "kernel_check.h"

static const size_t odd_sizes[] = {0,  1,  2,  3,  7,  8,  9,  15,  16,  17,  31,  32,
                                   33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 513, 1000};

typedef void (*check)(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n);

static void for_all_sizes(check run) {
    const sns_kernels *fast[FAST_MAX], *ref = sns_kernels_named("ref");
    size_t variants = fast_variants(fast);
    if (!variants) skip();
    for (size_t v = 0; v < variants; v++)
        for (size_t i = 0; i < COUNT(odd_sizes); i++) {
            sns_rng rng;
            sns_rng_seed_at(&rng, 1, v, i);
            run(fast[v], ref, &rng, odd_sizes[i]);
        }
}

static void end_all(guarded *const *all, size_t n) {
    for (size_t i = 0; i < n; i++) guarded_end(all[i]);
}

static void check_vectors(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n) {
    guarded x = random_floats(rng, n, 1), y = random_floats(rng, n, 1), z = copy_of(&y);
    double magnitude = 0;
    for (size_t i = 0; i < n; i++) magnitude += fabs(((float *)x.data)[i] * ((float *)y.data)[i]);
    check_near("dot", k->dot(x.data, y.data, n), ref->dot(x.data, y.data, n), 1e-5 * magnitude);
    double squares = ref->sum_squares(x.data, n);
    check_near("sum_squares", k->sum_squares(x.data, n), squares, 1e-12 * squares);
    k->add(y.data, x.data, n);
    ref->add(z.data, x.data, n);
    check_close("add", k->name, y.data, z.data, n, 0, 0);
    k->axpy(y.data, 0.37f, x.data, n);
    ref->axpy(z.data, 0.37f, x.data, n);
    check_close("axpy", k->name, y.data, z.data, n, 1e-6, 0);
    memcpy(y.data, z.data, n * sizeof(float));
    k->scale(y.data, -1.7f, n);
    ref->scale(z.data, -1.7f, n);
    check_close("scale", k->name, y.data, z.data, n, 0, 0);
    end_all((guarded *[]){&x, &y, &z}, 3);
}

static void vectors(void **state) {
    (void)state;
    for_all_sizes(check_vectors);
}

static void check_dot_rows(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t dim) {
    for (size_t n = 0; n < 10; n += n < 5 ? 1 : 4) {
        guarded rows = random_floats(rng, n * dim, 1), query = random_floats(rng, dim, 1);
        guarded got = guarded_floats(n), want = guarded_floats(n);
        k->dot_rows(got.data, query.data, rows.data, n, dim);
        ref->dot_rows(want.data, query.data, rows.data, n, dim);
        check_close("dot_rows", k->name, got.data, want.data, n, 0, 1e-5 * sqrt(dim + 1.0));
        for (size_t r = 0; r < n; r++) { /* a row's score does not depend on its place */
            float alone;
            k->dot_rows(&alone, query.data, (float *)rows.data + r * dim, 1, dim);
            assert_true(alone == ((float *)got.data)[r]);
        }
        end_all((guarded *[]){&rows, &query, &got, &want}, 4);
    }
}

static void search_scan(void **state) {
    (void)state;
    for_all_sizes(check_dot_rows);
}

static void search_scan_in_8_bits(void **state) {
    (void)state;
    const sns_kernels *fast[FAST_MAX], *ref = sns_kernels_named("ref");
    size_t variants = fast_variants(fast);
    sns_rng rng;
    sns_rng_seed(&rng, 8);
    for (size_t v = 0; v < variants; v++) {
        for (size_t dim = 64; dim <= 576; dim += 128) {
            for (size_t n = 0; n < 10; n++) {
                guarded query = guarded_new(dim * sizeof(int16_t), 6);
                guarded rows = guarded_new(n * dim, 0);
                guarded got = guarded_new(n * sizeof(int32_t), 4), want = copy_of(&got);
                for (size_t i = 0; i < dim; i++) /* as large as 576 places allow */
                    ((int16_t *)query.data)[i] = (int16_t)((int)sns_rng_below(&rng, 56001) - 28000);
                for (size_t i = 0; i < n * dim; i++)
                    ((int8_t *)rows.data)[i] = (int8_t)((int)sns_rng_below(&rng, 255) - 127);
                fast[v]->dot_rows_s8(got.data, query.data, rows.data, n, dim);
                ref->dot_rows_s8(want.data, query.data, rows.data, n, dim);
                assert_memory_equal(got.data, want.data, n * sizeof(int32_t));
                end_all((guarded *[]){&query, &rows, &got, &want}, 4);
            }
        }
    }
}

static void put_special_values(float *x, size_t n) {
    static const float special[] = {NAN,  INFINITY, -INFINITY, -0.0f,  1e-42f, -1e-42f, 88.9f,
                                    -89., -104,     1e18f,     -1e18f, 5.9f,   -13,     -6.3f};
    for (size_t i = 0; i < n && i < COUNT(special); i++) x[n - 1 - i] = special[i];
}

/* Element by element, because the tolerance is relative to each. */
static void check_act_output(const sns_kernels *k, sns_act act, const float *got, const float *want,
                             size_t n) {
    for (size_t i = 0; i < n; i++)
        check_close("act_forward", k->name, got + i, want + i, 1, 1e-6,
                    act == SNS_ACT_GELU || act == SNS_ACT_GELU_TANH ? 2e-6 : 0);
}

static void check_act(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n) {
    for (sns_act act = SNS_ACT_NONE; act <= SNS_ACT_GELU_TANH; act++) {
        guarded x = random_floats(rng, n, 3), dy = random_floats(rng, n, 1);
        guarded got = guarded_floats(n), want = guarded_floats(n);
        if (n > 40) put_special_values(x.data, n);
        k->act_backward(act, got.data, dy.data, x.data, n);
        ref->act_backward(act, want.data, dy.data, x.data, n);
        check_close("act_backward", k->name, got.data, want.data, n, 0, 4e-6);
        k->act_backward(act, dy.data, dy.data, x.data, n);
        check_close("act_backward in place", k->name, dy.data, got.data, n, 0, 0);
        k->act_forward(act, got.data, x.data, n);
        ref->act_forward(act, want.data, x.data, n);
        check_act_output(k, act, got.data, want.data, n);
        k->act_forward(act, x.data, x.data, n);
        check_close("act_forward in place", k->name, x.data, got.data, n, 0, 0);
        end_all((guarded *[]){&x, &dy, &got, &want}, 4);
    }
}

static void activations(void **state) {
    (void)state;
    for_all_sizes(check_act);
}

/* The outputs of one variant. */
typedef struct {
    guarded y, mean, rstd, dx, dgain, dbias;
} norm_out;

static void run_layernorm(const sns_kernels *k, norm_out *o, const guarded in[4], size_t rows,
                          size_t C) {
    k->layernorm_forward(o->y.data, o->mean.data, o->rstd.data, in[0].data, in[1].data, in[2].data,
                         rows, C, 1e-5f);
    k->layernorm_backward(o->dx.data, o->dgain.data, o->dbias.data, in[3].data, in[0].data,
                          o->mean.data, o->rstd.data, in[1].data, rows, C);
}

static void check_layernorm(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t C) {
    for (size_t rows = 0; C > 1 && rows < 4; rows++) {
        guarded in[4] = {random_floats(rng, rows * C, 2), random_floats(rng, C, 1),
                         random_floats(rng, C, 1), random_floats(rng, rows * C, 1)};
        for (size_t i = 0; i < rows * C; i++) ((float *)in[0].data)[i] += 5;
        norm_out a = {guarded_floats(rows * C), guarded_floats(rows),
                      guarded_floats(rows),     random_floats(rng, rows * C, 1),
                      random_floats(rng, C, 1), random_floats(rng, C, 1)};
        norm_out b = {copy_of(&a.y),  copy_of(&a.mean),  copy_of(&a.rstd),
                      copy_of(&a.dx), copy_of(&a.dgain), copy_of(&a.dbias)};
        run_layernorm(k, &a, in, rows, C);
        run_layernorm(ref, &b, in, rows, C);
        check_close("mean", k->name, a.mean.data, b.mean.data, rows, 1e-5, 0);
        check_close("rstd", k->name, a.rstd.data, b.rstd.data, rows, 1e-5, 0);
        check_close("layernorm", k->name, a.y.data, b.y.data, rows * C, 1e-5, 0);
        check_close("dx", k->name, a.dx.data, b.dx.data, rows * C, 1e-4, 0);
        check_close("dgain", k->name, a.dgain.data, b.dgain.data, C, 1e-4, 0);
        check_close("dbias", k->name, a.dbias.data, b.dbias.data, C, 1e-4, 0);
        k->layernorm_forward(in[0].data, NULL, NULL, in[0].data, in[1].data, in[2].data, rows, C,
                             1e-5f);
        check_close("layernorm in place", k->name, in[0].data, a.y.data, rows * C, 0, 0);
        end_all((guarded *[]){&in[0], &in[1], &in[2], &in[3], &a.y, &a.mean, &a.rstd, &a.dx,
                              &a.dgain, &a.dbias, &b.y, &b.mean, &b.rstd, &b.dx, &b.dgain,
                              &b.dbias},
                16);
    }
}

static void layernorm(void **state) {
    (void)state;
    for_all_sizes(check_layernorm);
}

static void check_softmax(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n) {
    for (float spread = 0.1f; n > 0 && spread < 200; spread *= 30) {
        guarded got = random_floats(rng, n, spread), want = copy_of(&got);
        float a = k->softmax_row(got.data, n), b = ref->softmax_row(want.data, n);
        check_near("log-sum-exp", a, b, 1e-6 * (1 + fabs(b)));
        check_close("softmax", k->name, got.data, want.data, n, 1e-6, 0);
        end_all((guarded *[]){&got, &want}, 2);
    }
}

static void softmax(void **state) {
    (void)state;
    for_all_sizes(check_softmax);
}

static void check_gemm_tile(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t K) {
    enum { STRIDE = SNS_GEMM_COLS + 3, FLOATS = SNS_GEMM_ROWS * STRIDE };
    guarded A = random_floats(rng, K * SNS_GEMM_ROWS, 1);
    guarded B = random_floats(rng, K * SNS_GEMM_COLS, 1);
    guarded got = random_floats(rng, FLOATS, 1), want = copy_of(&got), before = copy_of(&got);
    k->gemm_tile(got.data, STRIDE, A.data, B.data, K);
    ref->gemm_tile(want.data, STRIDE, A.data, B.data, K);
    check_close("gemm_tile", k->name, got.data, want.data, FLOATS, 1e-5, 1e-6);
    for (size_t r = 0; r < SNS_GEMM_ROWS; r++) /* between the rows */
        assert_memory_equal((float *)got.data + r * STRIDE + SNS_GEMM_COLS,
                            (float *)before.data + r * STRIDE + SNS_GEMM_COLS, 3 * sizeof(float));
    end_all((guarded *[]){&A, &B, &got, &want, &before}, 5);
}

static void gemm_tile(void **state) {
    (void)state;
    for_all_sizes(check_gemm_tile);
}

static void check_adamw(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n) {
    const sns_adamw_step step = {.lr = 0.01f,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.98f,
                                 .eps = 1e-6f,
                                 .decay = 0.2f,
                                 .correction1 = 0.271f,
                                 .correction2 = 0.058f,
                                 .grad_scale = 0.5f};
    guarded p = random_floats(rng, n, 1), m = random_floats(rng, n, 0.1f);
    guarded v = random_floats(rng, n, 0.1f), g = random_floats(rng, n, 1);
    for (size_t i = 0; i < n; i++) ((float *)v.data)[i] = fabsf(((float *)v.data)[i]);
    guarded p2 = copy_of(&p), m2 = copy_of(&m), v2 = copy_of(&v);
    k->adamw(p.data, m.data, v.data, g.data, n, &step);
    ref->adamw(p2.data, m2.data, v2.data, g.data, n, &step);
    check_close("adamw p", k->name, p.data, p2.data, n, 1e-6, 0);
    check_close("adamw m", k->name, m.data, m2.data, n, 1e-6, 0);
    check_close("adamw v", k->name, v.data, v2.data, n, 1e-6, 0);
    end_all((guarded *[]){&p, &m, &v, &g, &p2, &m2, &v2}, 7);
}

static void adamw(void **state) {
    (void)state;
    for_all_sizes(check_adamw);
}

static void check_planar(const sns_kernels *k, const sns_kernels *ref, sns_rng *rng, size_t n) {
    const float mul[3] = {0.0146f, 0.015f, 0.0142f}, plus[3] = {-1.79f, -1.75f, -1.48f};
    guarded in = guarded_new(3 * n, 1);
    for (size_t i = 0; i < 3 * n; i++) ((uint8_t *)in.data)[i] = (uint8_t)sns_rng_next(rng);
    guarded got = guarded_floats(3 * n + 20), want = guarded_floats(3 * n + 20);
    k->planar_from_rgb8(got.data, n + 10, in.data, n, mul, plus);
    ref->planar_from_rgb8(want.data, n + 10, in.data, n, mul, plus);
    for (size_t c = 0; c < 3; c++) {
        const float *a = (float *)got.data + c * (n + 10), *b = (float *)want.data + c * (n + 10);
        check_close("planar", k->name, a, b, n, 1e-6, 0);
        if (c < 2) assert_memory_equal(a + n, b + n, 10 * sizeof(float)); /* between the planes */
    }
    end_all((guarded *[]){&in, &got, &want}, 3);
}

static void planar(void **state) {
    (void)state;
    for_all_sizes(check_planar);
}

/* By their definitions, in double precision. */
static double gelu(double x) {
    return 0.5 * x * erfc(-x / sqrt(2));
}
static double quick_gelu(double x) {
    return x / (1 + exp(-1.702 * x));
}

static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static void reference_activations(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    const double h = 1e-5;
    for (double x = -9; x < 9; x += 0.037) {
        float in = (float)x, one = 1, out;
        ref->act_forward(SNS_ACT_GELU, &out, &in, 1);
        check_near("gelu", out, gelu(in), 1e-6);
        ref->act_backward(SNS_ACT_GELU, &out, &one, &in, 1);
        check_near("gelu'", out, (gelu(in + h) - gelu(in - h)) / (2 * h), 1e-6);
        ref->act_forward(SNS_ACT_GELU_TANH, &out, &in, 1);
        check_near("gelu with tanh", out, gelu_tanh(in), 2e-6);
        ref->act_backward(SNS_ACT_GELU_TANH, &out, &one, &in, 1);
        check_near("gelu with tanh'", out, (gelu_tanh(in + h) - gelu_tanh(in - h)) / (2 * h), 2e-6);
        ref->act_forward(SNS_ACT_QUICK_GELU, &out, &in, 1);
        check_near("quick gelu", out, quick_gelu(in), 2e-6);
        ref->act_backward(SNS_ACT_QUICK_GELU, &out, &one, &in, 1);
        check_near("quick gelu'", out, (quick_gelu(in + h) - quick_gelu(in - h)) / (2 * h), 1e-6);
    }
}

enum { LN = 7 };

/* sum_c w[c] layernorm(x)[c]; in: x, gain, bias, [3][LN] */
static double layernorm_loss(const double *in, const float *w) {
    const double *x = in, *gain = in + LN, *bias = in + 2 * LN;
    double mean = 0, var = 0, loss = 0;
    for (int c = 0; c < LN; c++) mean += x[c] / LN;
    for (int c = 0; c < LN; c++) var += (x[c] - mean) * (x[c] - mean) / LN;
    for (int c = 0; c < LN; c++)
        loss += w[c] * ((x[c] - mean) / sqrt(var + 1e-5) * gain[c] + bias[c]);
    return loss;
}

static void reference_layernorm_gradient(void **state) {
    (void)state;
    const sns_kernels *ref = sns_kernels_named("ref");
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    float in[3 * LN], w[LN], y[LN], mean, rstd, grad[3 * LN] = {0};
    double exact[3 * LN], loss = 0;
    for (int c = 0; c < LN; c++) w[c] = (float)sns_rng_normal(&rng);
    for (int i = 0; i < 3 * LN; i++) exact[i] = in[i] = (float)sns_rng_normal(&rng);
    ref->layernorm_forward(y, &mean, &rstd, in, in + LN, in + 2 * LN, 1, LN, 1e-5f);
    ref->layernorm_backward(grad, grad + LN, grad + 2 * LN, w, in, &mean, &rstd, in + LN, 1, LN);
    for (int c = 0; c < LN; c++) loss += w[c] * y[c];
    check_near("layernorm", loss, layernorm_loss(exact, w), 1e-5);
    for (int i = 0; i < 3 * LN; i++) {
        double x = exact[i];
        exact[i] = x + 1e-5;
        double up = layernorm_loss(exact, w);
        exact[i] = x - 1e-5;
        double down = layernorm_loss(exact, w);
        exact[i] = x;
        check_near("layernorm gradient", grad[i], (up - down) / 2e-5, 1e-5);
    }
}

/* The first to run; nothing has asked for the table yet. */
static void the_environment_lowers_the_table_once(void **state) {
    (void)state;
    setenv("SENSUS_CPU", "ref", 1);
    assert_string_equal(sns_kernels_get()->name, "ref");
    setenv("SENSUS_CPU", "avx2", 1);
    assert_string_equal(sns_kernels_get()->name, "ref");
    assert_ptr_equal(sns_kernels_get(), sns_kernels_named("ref"));
    assert_null(sns_kernels_named("mmx"));
    assert_null(sns_kernels_named(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_lowers_the_table_once),
        cmocka_unit_test(vectors),
        cmocka_unit_test(search_scan),
        cmocka_unit_test(search_scan_in_8_bits),
        cmocka_unit_test(activations),
        cmocka_unit_test(layernorm),
        cmocka_unit_test(softmax),
        cmocka_unit_test(gemm_tile),
        cmocka_unit_test(adamw),
        cmocka_unit_test(planar),
        cmocka_unit_test(reference_activations),
        cmocka_unit_test(reference_layernorm_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
