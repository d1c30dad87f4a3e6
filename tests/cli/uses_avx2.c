/* uses_avx2.c - a program that a processor without AVX2 must refuse: the control of
 * test_processors.sh. */
#include <immintrin.h>

int main(void) {
    volatile int three = 3;
    __m256i x = _mm256_add_epi32(_mm256_set1_epi32(three), _mm256_set1_epi32(1));
    return _mm256_extract_epi32(x, 7) != 4;
}
