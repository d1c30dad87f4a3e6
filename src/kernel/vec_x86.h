/* vec_x86.h - what the AVX2 and the AVX-512 vectors share. */
#ifndef SNS_KERNEL_VEC_X86_H
#define SNS_KERNEL_VEC_X86_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VF_SQUARE 8 /* the side of what transpose_square turns */

/* dst[c][r] = rows[r][c] for 8 x 8 floats; dst rows are dst_stride apart. */
static inline void transpose_square(float *dst, size_t dst_stride, const float *const rows[8],
                                    size_t at) {
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(rows[i] + at);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(1, 0, 1, 0));
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], _MM_SHUFFLE(3, 2, 3, 2));
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(1, 0, 1, 0));
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], _MM_SHUFFLE(3, 2, 3, 2));
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + i * dst_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(dst + (i + 4) * dst_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/* 16 interleaved RGB pixels (48 bytes) to 16 bytes of each channel. Byte i of a channel is at 3 i +
 * c; each of the three loads holds a third of them, the others are shuffled in as zero. */
static inline void deinterleave16(uint8_t out[3][16], const uint8_t *in) {
    __m128i part[3];
    for (int i = 0; i < 3; i++) part[i] = _mm_loadu_si128((const __m128i *)(in + 16 * i));
    const __m128i index = _mm_setr_epi8(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45);
    for (int c = 0; c < 3; c++) {
        __m128i all = _mm_setzero_si128();
        for (int i = 0; i < 3; i++) {
            __m128i at = _mm_add_epi8(index, _mm_set1_epi8((char)(c - 16 * i)));
            __m128i outside = _mm_or_si128(_mm_cmplt_epi8(at, _mm_setzero_si128()),
                                           _mm_cmpgt_epi8(at, _mm_set1_epi8(15)));
            all = _mm_or_si128(all, _mm_shuffle_epi8(part[i], _mm_or_si128(at, outside)));
        }
        _mm_storeu_si128((__m128i *)out[c], all);
    }
}
#endif
