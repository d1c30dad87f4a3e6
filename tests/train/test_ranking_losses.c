/* test_ranking_losses.c - the hinge and order losses: definition, differences, PyTorch. */
#include "golden_loss.h"
#include "train/hinge_loss.h"
#include "train/order_loss.h"

typedef sns_tensor *(*loss_fn)(sns_tape *, sns_tensor *, sns_tensor *, float, size_t *);

typedef struct kind {
    const char *name;
    loss_fn loss;
    bool hardest, order;
} kind;

static const kind KINDS[] = {{"hinge", sns_hinge_loss, false, false},
                             {"hardest", sns_hardest_loss, true, false},
                             {"order", sns_order_loss, false, true}};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

/* Rows of length 1 in pairs that resemble each other; for the order none of the numbers below 0. */
static void make_pairs(const kind *k, size_t B, size_t E, double *I, double *T) {
    sns_rng rng;
    sns_rng_seed(&rng, 31 + B);
    for (size_t i = 0; i < B; i++) {
        double length[2] = {0};
        for (size_t e = 0; e < E; e++) {
            double x = sns_rng_normal(&rng), y = 0.7 * x + sns_rng_normal(&rng);
            I[i * E + e] = k->order ? fabs(x) : x;
            T[i * E + e] = k->order ? fabs(y) : y;
            length[0] += x * x, length[1] += y * y;
        }
        for (size_t e = 0; e < E; e++) {
            I[i * E + e] /= sqrt(length[0]);
            T[i * E + e] /= sqrt(length[1]);
        }
    }
    for (size_t i = 0; i < B * E; i++) { /* what both sides compute with */
        I[i] = (float)I[i];
        T[i] = (float)T[i];
    }
}

static double score(const kind *k, const double *x, const double *y, size_t E) {
    double sum = 0;
    for (size_t e = 0; e < E; e++) {
        double excess = y[e] > x[e] ? y[e] - x[e] : 0;
        sum += k->order ? -excess * excess : x[e] * y[e];
    }
    return sum;
}

/* The papers' sums, or maxima, written down. */
static double by_definition(const kind *k, const double *I, const double *T, size_t B, size_t E,
                            double margin, size_t *correct) {
    double loss = 0, *S = malloc(B * B * sizeof *S);
    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < B; j++) S[i * B + j] = score(k, I + i * E, T + j * E, E);
    if (correct) *correct = 0;
    for (size_t i = 0; i < B; i++) {
        double own = S[i * B + i], sum = 0, worst_text = 0, worst_image = 0;
        bool best = true;
        for (size_t j = 0; j < B; j++) {
            if (j == i) continue;
            double text = fmax(0, margin - own + S[i * B + j]);
            double image = fmax(0, margin - own + S[j * B + i]);
            sum += text + image;
            worst_text = fmax(worst_text, text);
            worst_image = fmax(worst_image, image);
            if (S[i * B + j] >= own) best = false;
        }
        loss += k->hardest ? worst_text + worst_image : sum;
        if (correct) *correct += best;
    }
    free(S);
    return loss / (double)B;
}

typedef struct run {
    sns_tape *tape;
    sns_tensor *I, *T, *loss;
    size_t correct;
} run;

static sns_tensor *as_leaf(sns_tape *t, const double *x, size_t B, size_t E, bool grad) {
    float *data = sns_tape_alloc(t, B * E * sizeof *data), *d = NULL;
    if (grad) d = memset(sns_tape_alloc(t, B * E * sizeof *d), 0, B * E * sizeof *d);
    for (size_t i = 0; i < B * E; i++) data[i] = (float)x[i];
    return sns_tape_wrap(t, data, d, 2, (size_t[]){B, E});
}

static run compute(const kind *k, const double *I, const double *T, size_t B, size_t E,
                   double margin, bool image_grad) {
    run r = {.tape = sns_tape_new(sns_kernels_get(), true)};
    r.I = as_leaf(r.tape, I, B, E, image_grad);
    r.T = as_leaf(r.tape, T, B, E, true);
    r.loss = k->loss(r.tape, r.I, r.T, (float)margin, &r.correct);
    assert_non_null(r.loss);
    assert_int_equal(sns_tape_backward(r.tape, r.loss, NULL, NULL), SNS_OK);
    return r;
}

/* Differences of the definition, in double: a step is so small that it crosses no hinge. */
static void check_side(const kind *k, double *I, double *T, size_t B, size_t E, double margin,
                       double *x, const float *grad) {
    double largest = 0;
    for (size_t i = 0; i < B * E; i++) largest = fmax(largest, fabs((double)grad[i]));
    assert_true(largest > 0);
    size_t step = B * E > 60 ? B * E / 60 : 1;
    for (size_t i = 0; i < B * E; i += step) {
        const double h = 1e-7, was = x[i];
        x[i] = was + h;
        double up = by_definition(k, I, T, B, E, margin, NULL);
        x[i] = was - h;
        double down = by_definition(k, I, T, B, E, margin, NULL);
        x[i] = was;
        double want = (up - down) / (2 * h);
        if (!(fabs(want - grad[i]) <= 1e-4 * largest))
            fail_msg("%s, %zu pairs, element %zu: %g by differences, %g by the tape", k->name, B, i,
                     want, grad[i]);
    }
}

/* The last size is more than a block of pictures. */
static void loss_and_gradients_equal_the_definition(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{2, 3}, {7, 5}, {33, 16}, {70, 19}, {300, 6}};
    static const double margins[] = {0.2, 0.05, 2};
    for (size_t n = 0; n < 5 * 3 * KIND_COUNT; n++) {
        const kind *k = &KINDS[n % KIND_COUNT];
        size_t B = sizes[n / KIND_COUNT / 3][0], E = sizes[n / KIND_COUNT / 3][1], want_correct;
        double margin = margins[n / KIND_COUNT % 3];
        double *I = malloc(B * E * sizeof *I), *T = malloc(B * E * sizeof *T);
        make_pairs(k, B, E, I, T);
        double want = by_definition(k, I, T, B, E, margin, &want_correct);
        run r = compute(k, I, T, B, E, margin, true);
        if (!(fabs(r.loss->data[0] - want) <= 1e-5 * (0.01 + want)))
            fail_msg("%s, %zu pairs: %g, not %g", k->name, B, r.loss->data[0], want);
        assert_int_equal(r.correct, want_correct);
        if (want > 0 && (B < 300 || margin < 1)) { /* the largest once is enough */
            check_side(k, I, T, B, E, margin, I, r.I->grad);
            check_side(k, I, T, B, E, margin, T, r.T->grad);
        }
        run locked = compute(k, I, T, B, E, margin, false);
        assert_memory_equal(locked.T->grad, r.T->grad, B * E * sizeof(float));
        sns_tape_free(locked.tape);
        sns_tape_free(r.tape);
        free(I), free(T);
    }
}

static void equals_pytorch(void **state) {
    (void)state;
    sns_safetensors *f = golden_open();
    for (size_t n = 0; n < 2 * KIND_COUNT; n++) {
        const kind *k = &KINDS[n / 2];
        char name[32];
        snprintf(name, sizeof name, "%s%s", k->name, n % 2 ? "_blocks" : "");
        sns_tape *t = sns_tape_new(sns_kernels_get(), true);
        sns_tensor *I = golden_tensor(t, f, name, "images", true);
        sns_tensor *T = golden_tensor(t, f, name, "texts", true);
        float margin = golden_tensor(t, f, name, "margin", false)->data[0];
        sns_tensor *loss = k->loss(t, I, T, margin, NULL);
        assert_non_null(loss);
        golden_equal(t, f, name, "loss", loss->data, 1e-5);
        assert_int_equal(sns_tape_backward(t, loss, NULL, NULL), SNS_OK);
        golden_equal(t, f, name, "dimages", I->grad, 2e-5);
        golden_equal(t, f, name, "dtexts", T->grad, 2e-5);
        sns_tape_free(t);
    }
    sns_safetensors_close(f);
}

/* Pairs that are all as far apart as the margin asks cost nothing and pull at nothing. */
static void what_is_far_enough_rests(void **state) {
    (void)state;
    enum { B = 5, E = 5 };
    double x[B * E] = {0};
    for (size_t i = 0; i < B; i++) x[i * E + i] = 1;
    for (size_t n = 0; n < KIND_COUNT; n++) {
        run r = compute(&KINDS[n], x, x, B, E, 0.9, true);
        assert_true(r.loss->data[0] == 0);
        assert_int_equal(r.correct, B);
        for (size_t i = 0; i < B * E; i++) assert_true(r.I->grad[i] == 0 && r.T->grad[i] == 0);
        sns_tape_free(r.tape);
    }
}

/* A model that gives one vector to everything: the margin itself, nothing found. */
static void ties_count_against_the_model(void **state) {
    (void)state;
    enum { B = 6, E = 4 };
    double x[B * E];
    for (size_t i = 0; i < B * E; i++) x[i] = 0.5;
    for (size_t n = 0; n < KIND_COUNT; n++) {
        double hinges = KINDS[n].hardest ? 2 : 2 * (B - 1);
        run r = compute(&KINDS[n], x, x, B, E, 0.25, true);
        assert_true(fabs(r.loss->data[0] - 0.25 * hinges) < 1e-6);
        assert_int_equal(r.correct, 0);
        sns_tape_free(r.tape);
    }
}

/* A picture may have more than its text, not less. */
static void the_order_has_a_direction(void **state) {
    (void)state;
    const double picture[2 * 3] = {2, 1, 0, 0, 0, 1}, text[2 * 3] = {1, 1, 0, 0, 0, 1};
    const kind *k = &KINDS[2];
    run below = compute(k, picture, text, 2, 3, 0.1, true);
    assert_true(below.loss->data[0] == 0); /* every false pair is violated by 1 at least */
    assert_int_equal(below.correct, 2);
    sns_tape_free(below.tape);
    double want = by_definition(k, text, picture, 2, 3, 0.1, NULL);
    run above = compute(k, text, picture, 2, 3, 0.1, true);
    assert_true(want > 0 && fabs(above.loss->data[0] - want) < 1e-6);
    sns_tape_free(above.tape);
}

static void shapes_are_checked(void **state) {
    (void)state;
    for (size_t n = 0; n < KIND_COUNT; n++) {
        sns_tape *t = sns_tape_new(sns_kernels_get(), true);
        sns_error err = {0};
        sns_tensor *a = sns_tape_matrix(t, 4, 3), *b = sns_tape_matrix(t, 4, 5);
        assert_null(KINDS[n].loss(t, a, b, 0.2f, NULL));
        assert_int_equal(sns_tape_status(t, &err), SNS_SHAPE);
        assert_non_null(strstr(err.message, "4 x 5 texts"));
        sns_tape_free(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(loss_and_gradients_equal_the_definition),
                                       cmocka_unit_test(equals_pytorch),
                                       cmocka_unit_test(what_is_far_enough_rests),
                                       cmocka_unit_test(ties_count_against_the_model),
                                       cmocka_unit_test(the_order_has_a_direction),
                                       cmocka_unit_test(shapes_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
