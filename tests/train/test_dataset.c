/* test_dataset.c - shards and manifests, good and bad lines, decoding. */
#include "make_tar.h"
#include "toy.h"
#include "train/dataset.h"

static toy set;
static char warned[16][512];
static size_t warned_count;

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

static void warn(void *user, const char *message) {
    (void)user;
    if (warned_count < 16) snprintf(warned[warned_count++], sizeof warned[0], "%s", message);
}

static sns_dataset *open_text(const char *name, const void *bytes, size_t size) {
    static char path[5000];
    sns_dataset *d;
    sns_error err;
    warned_count = 0;
    snprintf(path, sizeof path, "%s/%s", set.dir, name);
    if (sns_dataset_open_memory(path, bytes, size, warn, NULL, &d, &err))
        fail_msg("%s", err.message);
    return d;
}

/* Caption c of sample i. */
static const char *caption(const sns_dataset *d, size_t i, size_t c) {
    return sns_dataset_text(
        d, sns_dataset_caption(d, sns_dataset_sample(d, i)->first_caption + c)->text);
}

static void csv_rows_become_samples(void **state) {
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "caption,extra,image\r\n"
                               "\"red, on \"\"green\"\"\",x,0-1.png\r\n"
                               "two\nlines\",x,0-1.png\n"; /* a stray quote stays in the text */
    sns_dataset *d = open_text("c.csv", text, sizeof text - 1);
    assert_int_equal(sns_dataset_count(d), 1);
    assert_string_equal(caption(d, 0, 0), "red, on \"green\"");
    sns_dataset_free(d);
    static const char plain[] = "0-1.png,first\n0-1.png,second\n0-2.png,  third  \n\n"
                                "gone.png,fourth\n0-3.png\n0-4.png,\"a\nb, to the left\"\n";
    d = open_text("plain.csv", plain, sizeof plain - 1);
    assert_int_equal(sns_dataset_count(d), 3);
    assert_int_equal(sns_dataset_sample(d, 0)->caption_count, 2);
    assert_string_equal(caption(d, 0, 1), "second");
    assert_string_equal(caption(d, 1, 0), "third");
    assert_string_equal(caption(d, 2, 0), "a\nb, to the left");
    assert_true(sns_dataset_sample(d, 1)->flip);
    assert_false(sns_dataset_sample(d, 2)->flip);
    assert_int_equal(sns_dataset_skipped(d), 2);
    assert_int_equal(warned_count, 2);
    assert_non_null(strstr(warned[0], "plain.csv:6: no caption"));
    assert_non_null(strstr(warned[1], "plain.csv:5: gone.png: not found"));
    assert_int_equal(sns_dataset_concepts(d), 3);
    sns_dataset_free(d);
}

static void jsonl_lines_become_samples(void **state) {
    (void)state;
    static const char text[] =
        "{\"image\": \"0-1.png\", \"caption\": \"one\", \"concept\": \"c\"}\n"
        "\n"
        "not json\n"
        "{\"image\": \"gone.png\", \"caption\": \"two\"}\n"
        "{\"caption\": \"three\"}\n"
        "{\"image\": \"0-2.png\"}\n"
        "{\"image\": \"0-3.png\", \"captions\": {\"de\": \"vier\", \"en\": [\"four\", \"4\"]}, "
        "\"flip\": false, \"concept\": \"c\"}\n"
        "{\"image\": \"0-4.png\", \"captions\": [5]}\n"
        "{\"image\": \"0-5.png\", \"captions\": [\"six\"]}   ";
    sns_dataset *d = open_text("x.jsonl", text, sizeof text - 1);
    assert_int_equal(sns_dataset_count(d), 3);
    assert_int_equal(sns_dataset_skipped(d), 5);
    static const int lines[] = {3, 4, 5, 6, 8};
    for (size_t i = 0; i < 5; i++) {
        char where[32];
        snprintf(where, sizeof where, "x.jsonl:%d: ", lines[i]);
        if (!strstr(warned[i], where)) fail_msg("'%s' does not say %s", warned[i], where);
    }
    assert_int_equal(sns_dataset_concepts(d), 2);
    assert_int_equal(sns_dataset_sample(d, 0)->concept, sns_dataset_sample(d, 1)->concept);
    assert_false(sns_dataset_sample(d, 1)->flip);
    assert_int_equal(sns_dataset_sample(d, 1)->caption_count, 3);
    assert_int_equal(sns_dataset_caption_count(d), 5);
    sns_dataset_free(d);
}

static void shards_become_samples(void **state) {
    (void)state;
    sns_strbuf b = {0};
    char *png, path[5000];
    size_t size;
    sns_error err;
    snprintf(path, sizeof path, "%s/0-1.png", set.dir);
    assert_int_equal(sns_file_read(path, 1 << 20, &png, &size, &err), SNS_OK);
    tar_add_bytes(&b, "a/000.v1.png", png, size, '0');
    tar_add(&b, "a/000.v1.txt", "one\n\n  two \n", '0');
    tar_add(&b, "001.json", "{\"captions\": {\"en\": [\"x\"]}}", '0');
    tar_add_bytes(&b, "001.PNG", png, size, '0');
    tar_add_bytes(&b, "002.png", png, size, '0');
    tar_add(&b, "003.txt", "no picture", '0');
    tar_add_bytes(&b, "004.png", png, size, '0');
    tar_add(&b, "004.json", "{]", '0');
    tar_add_bytes(&b, "005.png", png, size / 2, '0');
    tar_add(&b, "005.txt", "half a picture", '0');
    tar_add(&b, "README", "not a sample", '0');
    tar_finish(&b);
    sns_dataset *d = open_text("s.tar", b.data, b.size);
    assert_int_equal(sns_dataset_count(d), 3);
    assert_int_equal(sns_dataset_skipped(d), 4);
    assert_non_null(strstr(warned[0], "s.tar/002: no caption"));
    assert_non_null(strstr(warned[1], "s.tar/003: no picture"));
    assert_non_null(strstr(warned[2], "s.tar/004.json: "));
    assert_int_equal(sns_dataset_sample(d, 0)->caption_count, 2);
    assert_string_equal(caption(d, 0, 1), "two");
    uint64_t whole = sns_dataset_fingerprint(d);
    /* Decoding finds the damaged one; the budget holds one of the others. */
    warned_count = 0;
    assert_int_equal(sns_dataset_decode_all(d, 16, 16 * 16 * 3, NULL, NULL, &err), SNS_OK);
    assert_int_equal(sns_dataset_count(d), 2);
    assert_int_equal(warned_count, 1);
    assert_non_null(strstr(warned[0], "s.tar/005"));
    assert_non_null(sns_dataset_sample(d, 0)->square);
    assert_null(sns_dataset_sample(d, 1)->square);
    uint8_t *square;
    uint32_t side;
    assert_int_equal(sns_dataset_decode(d, 1, 16, &square, &side, &err), SNS_OK);
    assert_int_equal(side, 16);
    assert_memory_equal(square, sns_dataset_sample(d, 0)->square, 16 * 16 * 3);
    free(square);
    assert_true(sns_dataset_fingerprint(d) != whole);
    sns_dataset_free(d);
    sns_strbuf_free(&b);
    free(png);
}

static void the_centre_square_is_kept(void **state) {
    (void)state;
    enum { W = 40, H = 20 };
    uint8_t rgb[W * H * 3];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) memset(rgb + (y * W + x) * 3, x >= 10 && x < 30 ? 200 : 0, 3);
    char path[5000];
    sns_error err;
    snprintf(path, sizeof path, "%s/wide.png", set.dir);
    assert_int_equal(sns_image_save_png(&(sns_image){W, H, rgb}, path, &err), SNS_OK);
    static const char text[] = "wide.png,wide\n";
    sns_dataset *d = open_text("wide.csv", text, sizeof text - 1);
    static const size_t wanted[] = {64, 20, 8};
    static const uint32_t got[] = {20, 20, 8};
    for (int i = 0; i < 3; i++) {
        uint8_t *square;
        uint32_t side;
        assert_int_equal(sns_dataset_decode(d, 0, wanted[i], &square, &side, &err), SNS_OK);
        assert_int_equal(side, got[i]);
        size_t edge = side < 20 ? 2 : 0; /* a reduced edge mixes with what is beside it */
        for (size_t x = edge; x < side - edge; x++) assert_int_equal(square[x * 3], 200);
        free(square);
    }
    sns_dataset_free(d);
}

static int stop(void *user, size_t done, size_t total) {
    (void)user;
    return done <= total;
}

static void whole_sets_that_fail(void **state) {
    (void)state;
    sns_dataset *d;
    sns_error err;
    char bad[5000];
    const char *path = bad;
    static const char nothing[] = "image,caption\ngone.png,x\n";
    assert_int_equal(
        sns_dataset_open_memory("n.csv", nothing, sizeof nothing - 1, NULL, NULL, &d, &err),
        SNS_ARG);
    assert_non_null(strstr(err.message, "1 skipped"));
    assert_int_equal(sns_dataset_open_memory("n.zip", nothing, 5, NULL, NULL, &d, &err),
                     SNS_UNSUPPORTED);
    assert_int_equal(sns_dataset_open_memory("n.tar", nothing, 20, NULL, NULL, &d, &err),
                     SNS_FORMAT);
    snprintf(bad, sizeof bad, "%s/*.tar", set.dir);
    assert_int_equal(sns_dataset_open(&path, 1, NULL, NULL, &d, &err), SNS_MISSING);
    snprintf(bad, sizeof bad, "%s/*.jsonl", set.dir);
    assert_int_equal(sns_dataset_open(&path, 1, NULL, NULL, &d, &err), SNS_OK);
    assert_int_equal(sns_dataset_count(d), TOY_COUNT);
    assert_int_equal(sns_dataset_decode_all(d, 16, 1 << 20, stop, NULL, &err), SNS_CANCELLED);
    sns_dataset_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_rows_become_samples), cmocka_unit_test(jsonl_lines_become_samples),
        cmocka_unit_test(shards_become_samples), cmocka_unit_test(the_centre_square_is_kept),
        cmocka_unit_test(whole_sets_that_fail)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
