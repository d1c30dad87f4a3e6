/* test_attention_kernel.c - attention: the reference against double precision, its gradients
 * against central differences, every variant against the reference. */
#include "kernel_check.h"
#include "kernel/kernel_impl.h"

/* Everything of one head; q, k, v, dq, dk, dv are interleaved as a fused projection's output is. */
typedef struct {
    size_t T, D, stride, out_stride;
    bool causal;
    float scale;
    guarded q, k, v, dq, dk, dv, out, dout, lse, scratch;
} head;

static head head_new(sns_rng *rng, size_t T, size_t D, size_t gap, bool causal) {
    head h = {.T = T, .D = D, .stride = D + gap, .out_stride = D + gap / 2, .causal = causal};
    h.scale = 1 / sqrtf((float)D);
    guarded *rows[] = {&h.q, &h.k, &h.v, &h.dq, &h.dk, &h.dv};
    for (size_t i = 0; i < COUNT(rows); i++) *rows[i] = random_floats(rng, T * h.stride, 1.5f);
    h.out = random_floats(rng, T * h.out_stride, 1);
    h.dout = random_floats(rng, T * h.out_stride, 1);
    h.lse = guarded_floats(T);
    h.scratch = guarded_new(sns_attention_scratch_floats(T, D) * sizeof(float), 0);
    memset(h.scratch.data, 0xff, h.scratch.bytes); /* NaN: what is read unwritten shows */
    return h;
}

static head head_copy(const head *from) {
    head h = *from;
    const guarded *source[] = {&from->q,  &from->k,   &from->v,    &from->dq,  &from->dk,
                               &from->dv, &from->out, &from->dout, &from->lse, &from->scratch};
    guarded *to[] = {&h.q, &h.k, &h.v, &h.dq, &h.dk, &h.dv, &h.out, &h.dout, &h.lse, &h.scratch};
    for (size_t i = 0; i < COUNT(to); i++) {
        *to[i] = guarded_new(source[i]->bytes, to[i] == &h.scratch ? 0 : 4);
        memcpy(to[i]->data, source[i]->data, source[i]->bytes);
    }
    return h;
}

static void head_end(head *h) {
    guarded *all[] = {&h->q,  &h->k,   &h->v,    &h->dq,  &h->dk,
                      &h->dv, &h->out, &h->dout, &h->lse, &h->scratch};
    for (size_t i = 0; i < COUNT(all); i++) guarded_end(all[i]);
}

static void forward(const sns_kernels *kernels, head *h) {
    kernels->attention_forward(h->out.data, h->out_stride, h->lse.data, h->q.data, h->k.data,
                               h->v.data, h->stride, h->T, h->D, h->scale, h->causal,
                               h->scratch.data);
}

static void backward(const sns_kernels *kernels, head *h) {
    kernels->attention_backward(h->dq.data, h->dk.data, h->dv.data, h->dout.data, h->out.data,
                                h->out_stride, h->lse.data, h->q.data, h->k.data, h->v.data,
                                h->stride, h->T, h->D, h->scale, h->causal, h->scratch.data);
}

static void check_rows(const char *what, const sns_kernels *k, const guarded *got,
                       const guarded *want, size_t T, size_t D, size_t stride, double tolerance,
                       double least) {
    for (size_t t = 0; t < T; t++) {
        const float *a = (float *)got->data + t * stride, *b = (float *)want->data + t * stride;
        check_close(what, k->name, a, b, D, tolerance, least); /* rows of one element may be ~ 0 */
        assert_memory_equal(a + D, b + D, (stride - D) * sizeof(float)); /* between the rows */
    }
}

/* Of numbers that bfloat16 holds, and with a scale that is a power of two, only P is rounded. */
static void check_bf16(const sns_kernels *k, const head *from) {
    head a = head_copy(from);
    guarded *in[] = {&a.q, &a.k, &a.v};
    for (size_t i = 0; i < COUNT(in); i++)
        for (size_t j = 0; j < in[i]->bytes / sizeof(float); j++) {
            uint32_t *bits = (uint32_t *)in[i]->data + j;
            *bits &= 0xffff0000u;
        }
    a.scale = 0.125f;
    head b = head_copy(&a);
    forward(sns_kernels_named("ref"), &b);
    memset(a.scratch.data, 0xff, a.scratch.bytes);
    k->attention_forward_bf16(a.out.data, a.out_stride, a.lse.data, a.q.data, a.k.data, a.v.data,
                              a.stride, a.T, a.D, a.scale, a.causal, a.scratch.data);
    for (size_t i = 0; i < a.T; i++) /* half of the last of 8 bits of P, times V up to 1.5 */
        for (size_t d = 0; d < a.D; d++) {
            size_t at = i * a.out_stride + d;
            check_near("out in bf16", ((float *)a.out.data)[at], ((float *)b.out.data)[at],
                       1.5 / 256);
        }
    check_close("lse in bf16", k->name, a.lse.data, b.lse.data, a.T, 1e-5, 1e-6);
    memset(a.scratch.data, 0xff, a.scratch.bytes);
    k->attention_backward_bf16(a.dq.data, a.dk.data, a.dv.data, a.dout.data, a.out.data,
                               a.out_stride, a.lse.data, a.q.data, a.k.data, a.v.data, a.stride,
                               a.T, a.D, a.scale, a.causal, a.scratch.data);
    backward(sns_kernels_named("ref"), &b);
    check_rows("dq in bf16", k, &a.dq, &b.dq, a.T, a.D, a.stride, 2e-2, 1e-2);
    check_rows("dk in bf16", k, &a.dk, &b.dk, a.T, a.D, a.stride, 2e-2, 1e-2);
    check_rows("dv in bf16", k, &a.dv, &b.dv, a.T, a.D, a.stride, 2e-2, 1e-2);
    head_end(&a);
    head_end(&b);
}

static void check_variant(const sns_kernels *k, size_t T, size_t D, bool causal) {
    const sns_kernels *ref = sns_kernels_named("ref");
    sns_rng rng;
    sns_rng_seed_at(&rng, 3, T, D);
    head a = head_new(&rng, T, D, T % 4 * 5, causal), b = head_copy(&a);
    forward(k, &a);
    forward(ref, &b);
    check_rows("out", k, &a.out, &b.out, T, D, a.out_stride, 1e-5, 1e-6);
    check_close("lse", k->name, a.lse.data, b.lse.data, T, 1e-5, 1e-6);
    check_bf16(k, &a);
    memset(a.scratch.data, 0xff, a.scratch.bytes);
    backward(k, &a);
    backward(ref, &b);
    check_rows("dq", k, &a.dq, &b.dq, T, D, a.stride, 1e-4, 1e-6);
    check_rows("dk", k, &a.dk, &b.dk, T, D, a.stride, 1e-4, 1e-6);
    check_rows("dv", k, &a.dv, &b.dv, T, D, a.stride, 1e-4, 1e-6);
    k->attention_forward(a.out.data, a.out_stride, NULL, a.q.data, a.k.data, a.v.data, a.stride, T,
                         D, a.scale, causal, a.scratch.data);
    check_rows("out without lse", k, &a.out, &b.out, T, D, a.out_stride, 1e-5, 1e-6);
    head_end(&a);
    head_end(&b);
}

static void variants_equal_the_reference(void **state) {
    (void)state;
    static const size_t tokens[] = {0,  1,  2,  3,  5,  6,  7,  8,  9,  12,  15,  16,  17, 31,
                                    32, 33, 50, 63, 64, 65, 66, 67, 77, 127, 132, 133, 197};
    static const size_t widths[] = {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 80, 88, 104};
    const sns_kernels *fast[FAST_MAX];
    size_t variants = fast_variants(fast);
    if (!variants) skip();
    for (size_t v = 0; v < variants; v++) {
        for (size_t t = 0; t < COUNT(tokens); t++)
            for (size_t d = t % 3; d < COUNT(widths); d += 3) {
                check_variant(fast[v], tokens[t], widths[d], false);
                check_variant(fast[v], tokens[t], widths[d], true);
            }
        check_variant(fast[v], 257, 64, false);
        check_variant(fast[v], 129, 129, true);
    }
}

/* Attention in double, by its definition; all dense [T, D]. Returns sum out * w. */
static double exact_loss(const double *q, const double *k, const double *v, const double *w,
                         double *out, size_t T, size_t D, double scale, bool causal) {
    double loss = 0, s[16];
    for (size_t i = 0; i < T; i++) {
        size_t keys = causal ? i + 1 : T;
        double sum = 0;
        for (size_t j = 0; j < keys; j++) {
            double x = 0;
            for (size_t d = 0; d < D; d++) x += q[i * D + d] * k[j * D + d];
            sum += s[j] = exp(scale * x);
        }
        for (size_t d = 0; d < D; d++) {
            out[i * D + d] = 0;
            for (size_t j = 0; j < keys; j++) out[i * D + d] += s[j] / sum * v[j * D + d];
            loss += out[i * D + d] * w[i * D + d];
        }
    }
    return loss;
}

static void check_gradients(size_t T, size_t D, bool causal) {
    sns_rng rng;
    sns_rng_seed_at(&rng, 4, T, causal);
    head h = head_new(&rng, T, D, 0, causal);
    size_t n = T * D;
    double x[4][64], out[64];
    const guarded *in[] = {&h.q, &h.k, &h.v, &h.dout}, *grad[] = {&h.dq, &h.dk, &h.dv};
    for (size_t m = 0; m < 4; m++)
        for (size_t i = 0; i < n; i++) x[m][i] = ((float *)in[m]->data)[i];
    for (size_t m = 0; m < 3; m++) memset(grad[m]->data, 0, grad[m]->bytes);
    forward(sns_kernels_named("ref"), &h);
    backward(sns_kernels_named("ref"), &h);
    exact_loss(x[0], x[1], x[2], x[3], out, T, D, h.scale, causal);
    for (size_t i = 0; i < n; i++) check_near("out", ((float *)h.out.data)[i], out[i], 1e-5);
    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < n; i++) {
            double was = x[m][i], e = 1e-5;
            x[m][i] = was + e;
            double up = exact_loss(x[0], x[1], x[2], x[3], out, T, D, h.scale, causal);
            x[m][i] = was - e;
            double down = exact_loss(x[0], x[1], x[2], x[3], out, T, D, h.scale, causal);
            x[m][i] = was;
            check_near("gradient", ((float *)grad[m]->data)[i], (up - down) / (2 * e), 2e-5);
        }
    head_end(&h);
}

static void reference_gradients(void **state) {
    (void)state;
    for (size_t T = 1; T <= 9; T++) {
        check_gradients(T, 7, false);
        check_gradients(T, 7, true);
    }
}

/* One thread's scratch, made for the longest sequence of a batch, serves the shorter ones. */
static void scratch_never_shrinks(void **state) {
    (void)state;
    for (size_t D = 1; D <= 80; D += D < 20 ? 19 : 12)
        for (size_t T = 1; T < 300; T++)
            for (size_t lanes = 4; lanes <= 16; lanes *= 2) {
                size_t floats = sns_attention_scratch_floats(T, D);
                assert_true(sns_attention_layout_for(T, D, lanes).total <= floats);
                assert_true(floats <= sns_attention_scratch_floats(T + 1, D));
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_gradients),
        cmocka_unit_test(variants_equal_the_reference),
        cmocka_unit_test(scratch_never_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
