/* test_data.c - building shards, drawing, counting, finding repeats. */
#include "toy_shards.h"
#include <sensus/data.h>
#include <unistd.h>

static toy set;
static char warned[32][512];
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
    if (warned_count < 32) snprintf(warned[warned_count++], sizeof warned[0], "%s", message);
}

static sns_data_options from(const char *const *source) {
    warned_count = 0;
    return (sns_data_options){.sources = source, .source_count = 1, .warn = warn};
}

static void write_text(const char *dir, const char *name, const char *text, size_t size) {
    char path[5000];
    sns_error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_file_write(path, text, size, &err)) fail_msg("%s", err.message);
}

static void save_picture(const char *dir, const char *name, size_t side, unsigned seed) {
    char path[5000];
    sns_error err;
    uint8_t *rgb = malloc(side * side * 3);
    /* Soft blobs: they look the same in any size. */
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            for (size_t c = 0; c < 3; c++) {
                size_t u = x * 64 / side, v = y * 64 / side;
                rgb[(y * side + x) * 3 + c] = (uint8_t)((u * (seed % 5 + 1) + v * (seed % 3 + 1) +
                                                         (u * v >> (seed % 4 + 2)) * (c + 1)) /
                                                        4);
            }
    sns_image image = {side, side, rgb};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (sns_image_save_png(&image, path, &err)) fail_msg("%s", err.message);
    free(rgb);
}

/* DIR/folder: pictures with texts beside them, by name, in a folder, and a broken one. */
static void make_folder(char *dir, size_t capacity) {
    sns_error err;
    char below[5000];
    snprintf(dir, capacity, "%s/folder", set.dir);
    snprintf(below, sizeof below, "%s/big_cat", dir);
    assert_int_equal(sns_make_dirs(below, &err), SNS_OK);
    save_picture(dir, "red_apple-02.png", 40, 1);
    save_picture(dir, "a.png", 40, 2);
    write_text(dir, "a.txt", "one\n\ntwo\n", 9);
    save_picture(dir, "b.png", 40, 3);
    write_text(dir, "b.json",
               "{\"captions\": {\"en\": \"three\", \"de\": [\"drei\"]}, \"concept\": \"3\", "
               "\"flip\": false}",
               76);
    save_picture(below, "0001.png", 40, 4);
    write_text(dir, "broken.png", "not a picture", 13);
    save_picture(dir, "c.png", 40, 5);
    write_text(dir, "c.json", "{]", 2);
}

/* Every sample as "name|concept|flip|lang:text|..." in one line each. */
static sns_status describe(void *user, const sns_data_sample *s, sns_error *err) {
    const char *slash = strrchr(s->name, '/');
    (void)err;
    sns_strbuf_printf(user, "%s|%s|%d", slash ? slash + 1 : s->name, s->concept, s->flip);
    for (size_t i = 0; i < s->caption_count; i++)
        sns_strbuf_printf(user, "|%s:%s", s->captions[i].lang, s->captions[i].text);
    sns_strbuf_puts(user, "\n");
    return SNS_OK;
}

static void folders_have_captions(void **state) {
    (void)state;
    char dir[4500];
    const char *source = dir;
    size_t skipped;
    sns_error err;
    sns_strbuf b = {0};
    make_folder(dir, sizeof dir);
    sns_data_options o = from(&source);
    if (sns_data_scan(&o, describe, &b, &skipped, &err)) fail_msg("%s", err.message);
    assert_string_equal(sns_strbuf_text(&b), "a.png||1|:one|:two\n"
                                             "b.png|3|0|en:three|de:drei\n"
                                             "0001.png||1|:0001\n"
                                             "broken.png||1|:broken\n"
                                             "red_apple-02.png||1|:red apple\n");
    assert_int_equal(skipped, 1);
    assert_non_null(strstr(warned[0], "c.png"));
    sns_strbuf_free(&b);
    o = from(&source);
    o.naming = SNS_DATA_BY_FOLDER;
    assert_int_equal(sns_data_scan(&o, describe, &b, &skipped, &err), SNS_OK);
    assert_non_null(strstr(b.data, "0001.png|big cat|1|:big cat\n"));
    sns_strbuf_free(&b);
    o = from(&source);
    o.naming = SNS_DATA_BY_TEXT;
    assert_int_equal(sns_data_scan(&o, describe, &b, &skipped, &err), SNS_OK);
    assert_null(strstr(b.data, "0001"));
    assert_int_equal(skipped, 4);
    sns_strbuf_free(&b);
}

static void what_is_built_is_read_again(void **state) {
    (void)state;
    char dir[4500], out[5000], shards[5000];
    const char *source = dir, *built = shards;
    sns_error err;
    sns_data_counts c;
    sns_strbuf b = {0};
    size_t skipped;
    make_folder(dir, sizeof dir);
    snprintf(out, sizeof out, "%s/built/s-{}.tar", set.dir);
    snprintf(shards, sizeof shards, "%s/built/s-{000000..000001}.tar", set.dir);
    sns_data_build_options o = {
        .from = from(&source), .out = out, .image_px = 20, .shard_samples = 3};
    if (sns_data_build(&o, &c, &err)) fail_msg("%s", err.message);
    assert_int_equal(c.samples, 4);
    assert_int_equal(c.captions, 6);
    assert_int_equal(c.shards, 2);
    assert_int_equal(c.skipped, 2); /* the broken picture, the broken json */
    assert_int_equal(warned_count, 2);
    sns_data_options in = from(&built);
    if (sns_data_scan(&in, describe, &b, &skipped, &err)) fail_msg("%s", err.message);
    assert_string_equal(sns_strbuf_text(&b), "000000000||1|:one|:two\n"
                                             "000000001|3|0|en:three|de:drei\n"
                                             "000000002||1|:0001\n"
                                             "000000003||1|:red apple\n");
    assert_int_equal(skipped, 0);
    sns_strbuf_free(&b);
    sns_data_stats t;
    in = from(&built);
    if (sns_data_measure(&in, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(t.samples, 4);
    assert_int_equal(t.captions, 6);
    assert_int_equal(t.concepts, 1);
    assert_int_equal(t.unreadable, 0);
    assert_int_equal(t.lang_count, 3);
    assert_string_equal(t.langs[0].name, "");
    assert_int_equal(t.langs[0].captions, 4);
    assert_int_equal(t.langs[0].samples, 3);
    assert_true(t.width_px.least == 20 && t.width_px.largest == 20 && t.height_px.mean == 20);
    assert_true(t.caption_characters.least == 3 && t.caption_characters.largest == 9);
    sns_data_stats_free(&t);
    /* The system's tar agrees. */
    char command[5000], listing[5000];
    snprintf(listing, sizeof listing, "%s/list", set.dir);
    snprintf(command, sizeof command, "tar -tf %s/built/s-000001.tar > %s/list", set.dir, set.dir);
    const char *const argv[] = {"sh", "-c", command, NULL};
    assert_true(tool_run(argv));
    char *text;
    size_t size;
    assert_int_equal(sns_file_read(listing, 1000, &text, &size, &err), SNS_OK);
    assert_string_equal(text, "000000003.jpg\n000000003.json\n");
    free(text);
}

static void the_same_samples_give_the_same_shards(void **state) {
    (void)state;
    char out[5000], file[2][5000], *data[2];
    const char *source = set.manifest;
    sns_error err;
    sns_data_counts c;
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        snprintf(out, sizeof out, "%s/again-%d-{}.tar", set.dir, i);
        snprintf(file[i], sizeof file[i], "%s/again-%d-000000.tar", set.dir, i);
        sns_data_build_options o = {.from = from(&source), .out = out};
        o.from.mix = 1;
        if (sns_data_build(&o, &c, &err)) fail_msg("%s", err.message);
        assert_int_equal(c.samples, TOY_COUNT);
        assert_int_equal(sns_file_read(file[i], 1 << 24, &data[i], &size[i], &err), SNS_OK);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    assert_memory_equal(data[0], "000000000.png", 14); /* a PNG stays what it is */
    free(data[0]);
    free(data[1]);
    sns_data_build_options bad = {.from = from(&source), .out = "no-hole.tar"};
    assert_int_equal(sns_data_build(&bad, &c, &err), SNS_ARG);
    const char *gone = "/nonexistent/x-{0..1}.tar";
    bad = (sns_data_build_options){.from = from(&gone), .out = out};
    assert_int_equal(sns_data_build(&bad, &c, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "x-0.tar"));
}

static void samples_are_drawn_by_seed(void **state) {
    (void)state;
    const char *source = set.manifest;
    sns_data_sample a[8], b[8];
    size_t n, seen = 0;
    sns_error err;
    sns_data_options o = from(&source);
    for (uint64_t seed = 0; seed < 2; seed++) {
        if (sns_data_draw(&o, 8, seed, a, &n, &err)) fail_msg("%s", err.message);
        assert_int_equal(n, 8);
        assert_int_equal(sns_data_draw(&o, 8, seed, b, &n, &err), SNS_OK);
        for (size_t i = 0; i < 8; i++) {
            assert_string_equal(a[i].name, b[i].name);
            assert_int_equal(a[i].caption_count, 3);
            assert_null(a[i].bytes);
            for (size_t k = 0; k < i; k++) assert_string_not_equal(a[i].name, a[k].name);
            seen += !!strstr(a[i].name, "0-1.png");
        }
        sns_data_draw_free(a, 8);
        sns_data_draw_free(b, 8);
    }
    assert_true(seen <= 2);
    sns_data_sample all[40];
    assert_int_equal(sns_data_draw(&o, 40, 1, all, &n, &err), SNS_OK);
    assert_int_equal(n, TOY_COUNT);
    sns_data_draw_free(all, n);
}

static void repeats_are_found(void **state) {
    (void)state;
    char a[4500], b[4500], name[32];
    const char *sa = a, *sb = b;
    sns_error err;
    sns_data_matches m;
    snprintf(a, sizeof a, "%s/set-a", set.dir);
    snprintf(b, sizeof b, "%s/set-b", set.dir);
    assert_int_equal(sns_make_dirs(a, &err), SNS_OK);
    assert_int_equal(sns_make_dirs(b, &err), SNS_OK);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "a%u.png", i);
        save_picture(a, name, 128, i);
    }
    save_picture(b, "same.png", 128, 2);
    save_picture(b, "small.png", 64, 3);
    save_picture(b, "new.png", 128, 59);
    sns_data_options oa = from(&sa), ob = from(&sb);
    if (sns_data_find_matches(&oa, &ob, 6, &m, &err)) fail_msg("%s", err.message);
    assert_int_equal(m.samples_a, 5);
    assert_int_equal(m.samples_b, 3);
    assert_int_equal(m.count, 2);
    assert_non_null(strstr(m.items[0].a, "a2.png"));
    assert_non_null(strstr(m.items[0].b, "same.png"));
    assert_true(m.items[0].exact);
    assert_non_null(strstr(m.items[1].a, "a3.png"));
    assert_non_null(strstr(m.items[1].b, "small.png"));
    assert_false(m.items[1].exact);
    assert_true(m.items[1].difference < 3);
    sns_data_matches_free(&m);
    assert_int_equal(sns_data_find_matches(&oa, &ob, 0, &m, &err), SNS_OK);
    assert_int_equal(m.count, 1);
    sns_data_matches_free(&m);
    assert_int_equal(sns_data_find_matches(&oa, NULL, 6, &m, &err), SNS_OK);
    assert_int_equal(m.count, 0);
    sns_data_matches_free(&m);
    save_picture(a, "z1.png", 128, 4);
    save_picture(a, "z2.png", 128, 4);
    assert_int_equal(sns_data_find_matches(&oa, NULL, 0, &m, &err), SNS_OK);
    assert_int_equal(m.count, 2); /* both repeat a4 */
    for (size_t i = 0; i < 2; i++) assert_non_null(strstr(m.items[i].a, "a4.png"));
    sns_data_matches_free(&m);
}

static void damaged_shards_are_counted(void **state) {
    (void)state;
    char pattern[5000];
    const char *source = pattern;
    sns_data_stats t;
    sns_error err;
    toy_make_shards(&set, true);
    snprintf(pattern, sizeof pattern, "%s/toy-{0..5}.tar", set.dir);
    sns_data_options o = from(&source);
    if (sns_data_measure(&o, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(t.samples, 29);
    assert_int_equal(t.skipped, 4);
    assert_int_equal(t.unreadable, 1);
    assert_int_equal(warned_count, 5);
    assert_int_equal(t.concepts, 28);
    sns_data_stats_free(&t);
    snprintf(pattern, sizeof pattern, "pipe:cat %s/toy-0.tar; exit 3", set.dir);
    assert_int_equal(sns_data_measure(&o, &t, &err), SNS_IO);
    assert_non_null(strstr(err.message, "exit status 3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(folders_have_captions),
                                       cmocka_unit_test(what_is_built_is_read_again),
                                       cmocka_unit_test(the_same_samples_give_the_same_shards),
                                       cmocka_unit_test(samples_are_drawn_by_seed),
                                       cmocka_unit_test(repeats_are_found),
                                       cmocka_unit_test(damaged_shards_are_counted)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
