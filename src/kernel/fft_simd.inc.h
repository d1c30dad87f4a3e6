/* fft_simd.inc.h - one pass of a Fourier transform of many signals; a part of kernel_simd.inc.h.
 *
 * A complex number of all signals is two rows of SNS_FFT_LANES floats; VF_LANES of them at a time
 * are taken through a butterfly. Odd radices add up what is symmetric first, so that cosines meet
 * sums and sines differences:
 *   a_k = x_k + x_{r-k}, b_k = x_k - x_{r-k}, k = 1 ... h = (r - 1) / 2
 *   A_j = x_0 + sum of a_k cos(2 pi j k / r), B_j = sum of b_k sin(2 pi j k / r)
 *   z_j = A_j - i B_j, z_{r-j} = A_j + i B_j */

typedef struct vc {
    sns_vf re, im;
} vc;

static inline vc vc_load(const float *p) {
    return (vc){vf_load(p), vf_load(p + SNS_FFT_LANES)};
}

static inline vc vc_add(vc a, vc b) {
    return (vc){vf_add(a.re, b.re), vf_add(a.im, b.im)};
}

static inline vc vc_sub(vc a, vc b) {
    return (vc){vf_sub(a.re, b.re), vf_sub(a.im, b.im)};
}

/* a - i b */
static inline vc vc_sub_i(vc a, vc b) {
    return (vc){vf_add(a.re, b.im), vf_sub(a.im, b.re)};
}

/* a + i b */
static inline vc vc_add_i(vc a, vc b) {
    return (vc){vf_sub(a.re, b.im), vf_add(a.im, b.re)};
}

/* z w to p; w: its real and its imaginary part. */
static inline void vc_store_turned(float *p, vc z, const float w[2]) {
    sns_vf c = vf_set1(w[0]), s = vf_set1(w[1]);
    vf_store(p, vf_fnma(z.im, s, vf_mul(z.re, c)));
    vf_store(p + SNS_FFT_LANES, vf_fma(z.im, c, vf_mul(z.re, s)));
}

static inline void vc_store(float *p, vc z) {
    vf_store(p, z.re);
    vf_store(p + SNS_FFT_LANES, z.im);
}

/* x: the r numbers of one butterfly, `from` floats apart; y: where they go, `to` apart. */

static inline void butterfly_2(float *y, size_t to, const float *x, size_t from, const float *w) {
    vc a = vc_load(x), b = vc_load(x + from);
    vc_store(y, vc_add(a, b));
    vc_store_turned(y + to, vc_sub(a, b), w + 2);
}

static inline void butterfly_4(float *y, size_t to, const float *x, size_t from, const float *w) {
    vc a = vc_load(x), b = vc_load(x + from), c = vc_load(x + 2 * from), d = vc_load(x + 3 * from);
    vc even = vc_add(a, c), odd = vc_add(b, d), half = vc_sub(a, c), turn = vc_sub(b, d);
    vc_store(y, vc_add(even, odd));
    vc_store_turned(y + to, vc_sub_i(half, turn), w + 2);
    vc_store_turned(y + 2 * to, vc_sub(even, odd), w + 4);
    vc_store_turned(y + 3 * to, vc_add_i(half, turn), w + 6);
}

/* a_k and b_k take the places of x_k and x_{r-k}. */
static inline __attribute__((always_inline)) void butterfly_odd(float *y, size_t to, float *x,
                                                                size_t from, const float *w,
                                                                const float *roots,
                                                                const size_t r) {
    vc first = vc_load(x), sum = first;
    for (size_t k = 1; k <= r / 2; k++) {
        vc a = vc_load(x + k * from), b = vc_load(x + (r - k) * from);
        vc_store(x + k * from, vc_add(a, b));
        vc_store(x + (r - k) * from, vc_sub(a, b));
        sum = vc_add(sum, vc_add(a, b));
    }
    vc_store(y, sum);
    for (size_t j = 1; j <= r / 2; j++) {
        vc A = first, B = {vf_set1(0), vf_set1(0)};
        for (size_t k = 1, at = j; k <= r / 2; k++, at = at + j < r ? at + j : at + j - r) {
            vc a = vc_load(x + k * from), b = vc_load(x + (r - k) * from);
            sns_vf c = vf_set1(roots[2 * at]), s = vf_set1(roots[2 * at + 1]);
            A = (vc){vf_fma(a.re, c, A.re), vf_fma(a.im, c, A.im)};
            B = (vc){vf_fma(b.re, s, B.re), vf_fma(b.im, s, B.im)};
        }
        vc_store_turned(y + j * to, vc_add_i(A, B), w + 2 * j); /* roots hold minus the sine */
        vc_store_turned(y + (r - j) * to, vc_sub_i(A, B), w + 2 * (r - j));
    }
}

static void fft_pass(float *y, float *x, const sns_fft_pass *p) {
    enum { NUMBER = 2 * SNS_FFT_LANES };
    size_t r = p->radix, m = p->length / r, s = p->count / p->length;
    size_t from = NUMBER * s * m, to = NUMBER * s;
    for (size_t i = 0; i < m; i++, y += NUMBER * s * (r - 1))
        for (size_t q = 0; q < s; q++, x += NUMBER, y += NUMBER)
            for (size_t l = 0; l < SNS_FFT_LANES; l += VF_LANES) {
                const float *w = p->twiddles + 2 * r * i;
                if (r == 2)
                    butterfly_2(y + l, to, x + l, from, w);
                else if (r == 4)
                    butterfly_4(y + l, to, x + l, from, w);
                else if (r == 5)
                    butterfly_odd(y + l, to, x + l, from, w, p->roots, 5);
                else
                    butterfly_odd(y + l, to, x + l, from, w, p->roots, r);
            }
}
