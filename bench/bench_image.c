/* bench_image.c - milliseconds from a picture file to what the model takes, one thread.
 *
 *   bench_image FILE...
 *
 * For each file: decoding with and without shrink-on-load, preparing 224 x 224, and both. Each
 * number is the best of several rounds. bench_image.py prints the same for Pillow. */
#include "base/file.h"
#include "prep/preprocess.h"
#include <sensus/image.h>
#include <time.h>

enum { ROUNDS = 15, PX = 224 };

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* Best times of decoding and of preparing; nonzero when the file cannot be read. */
static int measure(const char *bytes, size_t size, const char *name, int exact, float *out,
                   double *decode, double *prepare) {
    sns_preprocess p;
    sns_preprocess_default(&p, PX);
    *decode = *prepare = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        sns_image image;
        sns_error err = {0};
        const sns_image_options options = {.target_px = PX, .exact = exact};
        double start = now_ms();
        if (sns_image_decode(bytes, size, name, &options, &image, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        double middle = now_ms();
        sns_preprocess_run(&p, sns_kernels_get(), image.rgb, image.width_px, image.height_px, out,
                           NULL);
        double end = now_ms();
        if (middle - start < *decode) *decode = middle - start;
        if (end - middle < *prepare) *prepare = end - middle;
        sns_image_free(&image);
    }
    return 0;
}

int main(int argc, char **argv) {
    static float out[3 * PX * PX];
    int bad = 0;
    printf("%-32s %10s %10s %10s\n", "ms, one thread", "decode", "prepare", "sum");
    for (int i = 1; i < argc; i++) {
        char *bytes;
        size_t size;
        sns_error err = {0};
        if (sns_file_read(argv[i], 1 << 30, &bytes, &size, &err)) {
            fprintf(stderr, "%s\n", err.message);
            bad = 1;
            continue;
        }
        const char *slash = strrchr(argv[i], '/'), *name = slash ? slash + 1 : argv[i];
        for (int exact = 1; exact >= 0; exact--) {
            double decode, prepare;
            if (measure(bytes, size, argv[i], exact, out, &decode, &prepare))
                bad = 1;
            else
                printf("%-23s %8s %10.2f %10.2f %10.2f\n", name, exact ? "exact" : "shrink", decode,
                       prepare, decode + prepare);
        }
        free(bytes);
    }
    return bad;
}
