/* test_stream.c - names, bytes from files and commands, damaged archives, the order of a stream. */
#include "toy_shards.h"
#include "train/brace.h"
#include "train/stream.h"
#include "train/tar_stream.h"

static toy set;
static char warned[64][512];
static size_t warned_count;

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    toy_make_shards(&set, false);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

static void warn(void *user, const char *message) {
    (void)user;
    if (warned_count < 64) snprintf(warned[warned_count++], sizeof warned[0], "%s", message);
}

/* The expansion as one line. */
static void expect_names(const char *pattern, const char *want) {
    sns_name_list list = {0};
    sns_strbuf line = {0};
    assert_int_equal(sns_brace_expand(pattern, &list, NULL), SNS_OK);
    for (size_t i = 0; i < list.count; i++)
        sns_strbuf_printf(&line, "%s%s", i ? " " : "", list.items[i]);
    assert_string_equal(sns_strbuf_text(&line), want);
    sns_strbuf_free(&line);
    sns_name_list_free(&list);
}

static void braces_are_expanded(void **state) {
    (void)state;
    expect_names("a.tar", "a.tar");
    expect_names("a-{08..11}.tar", "a-08.tar a-09.tar a-10.tar a-11.tar");
    expect_names("{8..11}", "8 9 10 11");
    expect_names("{3..1}", "3 2 1");
    expect_names("{x,,y}{0..1}", "x0 x1 0 1 y0 y1");
    expect_names("{5..5}", "5");
    expect_names("{..}{}{a}{1..}{1..x}{", "{..}{}{a}{1..}{1..x}{");
    expect_names("{{1..2}", "{1 {2");
    expect_names("pipe:awk '{print $1,$2}'", "pipe:awk '{print $1,$2}'");
    expect_names("pipe:zstd -dc s-{00..01}.zst", "pipe:zstd -dc s-00.zst pipe:zstd -dc s-01.zst");
    sns_name_list list = {0};
    sns_error err;
    assert_int_equal(sns_brace_expand("{0..99999999}", &list, &err), SNS_LIMIT);
    sns_name_list_free(&list);
    assert_int_equal(sns_brace_expand("{0..999}{0..999}{0..999}", &list, &err), SNS_LIMIT);
    sns_name_list_free(&list);
    const char *none = "/nonexistent/{0..3}/*.tar";
    assert_int_equal(sns_name_list_expand(&none, 1, &list, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "/nonexistent/0/*.tar"));
    sns_name_list_free(&list);
}

/* All bytes of a source. */
static sns_status read_source(const char *name, sns_strbuf *out, sns_error *err) {
    sns_bytes *b;
    char block[100];
    size_t got = sizeof block;
    sns_status s = sns_bytes_open(name, NULL, &b, err);
    if (s) return s;
    while (!s && got == sizeof block) {
        s = sns_bytes_read(b, block, sizeof block, &got, err);
        sns_strbuf_add(out, block, got);
    }
    sns_bytes_free(b);
    return s;
}

static void commands_are_read_and_their_failure_is_told(void **state) {
    (void)state;
    sns_strbuf b = {0};
    sns_error err;
    assert_int_equal(read_source("pipe:printf 'a b'; printf c", &b, &err), SNS_OK);
    assert_string_equal(sns_strbuf_text(&b), "a bc");
    sns_strbuf_free(&b);
    assert_int_equal(
        read_source("pipe:echo x; echo why 1>&2; echo 'no such thing' 1>&2; exit 3", &b, &err),
        SNS_IO);
    assert_non_null(strstr(err.message, "exit status 3: no such thing"));
    sns_strbuf_free(&b);
    assert_int_equal(read_source("pipe:kill -9 $$", &b, &err), SNS_IO);
    assert_non_null(strstr(err.message, "signal 9"));
    assert_int_equal(read_source("pipe:sensus-no-such-command", &b, &err), SNS_IO);
    assert_non_null(strstr(err.message, "127"));
    assert_int_equal(read_source("/nonexistent/a.tar", &b, &err), SNS_MISSING);
    sns_strbuf_free(&b);
    /* One that never ends is ended; one that waits is not waited for. */
    sns_bytes *endless;
    size_t got;
    unsigned long long skipped;
    char c;
    assert_int_equal(sns_bytes_open("pipe:yes", NULL, &endless, &err), SNS_OK);
    assert_int_equal(sns_bytes_read(endless, &c, 1, &got, &err), SNS_OK);
    assert_int_equal(sns_bytes_skip(endless, 1000000, &skipped, &err), SNS_OK);
    assert_int_equal(skipped, 1000000);
    assert_int_equal(sns_bytes_read(endless, &c, 1, &got, &err), SNS_OK);
    assert_int_equal(c, '\n');
    sns_bytes_free(endless);
    static volatile int stop = 1;
    assert_int_equal(sns_bytes_open("pipe:sleep 1000", &stop, &endless, &err), SNS_OK);
    assert_int_equal(sns_bytes_read(endless, &c, 1, &got, &err), SNS_CANCELLED);
    sns_bytes_free(endless);
}

/* Names of the members, and '!' for each damage. */
static void expect_members(const sns_strbuf *tar, size_t size, const char *want) {
    sns_tar_stream *t = calloc(1, sizeof *t);
    sns_bytes *bytes = sns_bytes_of_memory("x.tar", tar->data, size);
    sns_strbuf line = {0};
    bool end = false;
    sns_tar_stream_begin(t, "x.tar", bytes);
    while (!end) {
        sns_tar_member m;
        sns_error err;
        if (sns_tar_stream_next(t, NULL, &m, &end, &err)) {
            assert_non_null(strstr(err.message, "x.tar"));
            sns_strbuf_puts(&line, "!");
        } else if (!end) {
            sns_strbuf_printf(&line, "%s=%.*s ", m.name, (int)m.size, (char *)m.data);
            free(m.data);
        }
    }
    assert_string_equal(sns_strbuf_text(&line), want);
    sns_strbuf_free(&line);
    sns_bytes_free(bytes);
    free(t);
}

static void damaged_archives_go_on_behind_the_damage(void **state) {
    (void)state;
    sns_strbuf b = {0};
    tar_add(&b, "a", "1", '0');
    tar_add(&b, "PaxHeaders/b", "12 path=long\n", 'x'); /* its length is wrong */
    tar_add(&b, "b", "2", '0');
    tar_add(&b, "folder", "", '5');
    tar_add(&b, "PaxHeaders/c", "13 path=long\n", 'x');
    tar_add(&b, "c", "3", '0');
    tar_add(&b, "d", "", '0');
    size_t whole = b.size;
    expect_members(&b, whole, "a=1 !b=2 long=3 d= ");
    tar_finish(&b);
    tar_add(&b, "behind", "the end", '0');
    expect_members(&b, b.size, "a=1 !b=2 long=3 d= ");
    expect_members(&b, whole - 1, "a=1 !b=2 long=3 !");
    expect_members(&b, 1, "!");
    expect_members(&b, 0, "");
    b.data[0] ^= 1;
    expect_members(&b, whole, "!!b=2 long=3 d= "); /* looked for behind the body of a */
    b.data[0] ^= 1;
    memcpy(b.data + 124, "77777777777", 11);
    tar_seal(b.data);
    expect_members(&b, whole, "!");
    sns_strbuf_free(&b);
}

static sns_stream *open_stream(sns_stream_options *o, const char *const *source) {
    sns_stream *s;
    sns_error err;
    o->sources = source;
    o->source_count = 1;
    o->ranks = o->ranks ? o->ranks : 1;
    o->window_bytes = o->window_bytes ? o->window_bytes : 1 << 20;
    o->warn = warn;
    warned_count = 0;
    if (sns_stream_new(o, &s, &err)) fail_msg("%s", err.message);
    return s;
}

/* The keys of the next batch, sorted by nothing; *at <- where it is. */
static sns_status next_batch(sns_stream *s, size_t batch, char *line, size_t capacity,
                             sns_stream_position *at, sns_error *err) {
    sns_pair *pairs[64] = {0};
    size_t spares, used = 0;
    sns_status st = sns_stream_next(s, pairs, &spares, at, err);
    if (st) return st;
    line[0] = 0;
    for (size_t i = 0; i < batch + spares; i++) {
        for (size_t k = 0; k < i; k++) assert_true(pairs[i]->concept != pairs[k]->concept);
        assert_int_equal(pairs[i]->caption_count, 3);
        used += (size_t)snprintf(line + used, capacity - used, "%s ",
                                 strrchr(pairs[i]->name, '/') + 1);
        assert_true(used < capacity);
        assert_non_null(strchr("012345", pairs[i]->concept_name[0]));
    }
    for (size_t i = 0; i < batch + spares; i++) sns_pair_release(pairs[i]);
    return SNS_OK;
}

static void a_stream_is_the_same_again_and_from_anywhere(void **state) {
    (void)state;
    enum { STEPS = 20, BATCH = 7 };
    static char lines[STEPS][1000];
    char line[1000], pattern[5000];
    sns_stream_position at[STEPS], now;
    const char *source = pattern;
    sns_error err;
    snprintf(pattern, sizeof pattern, "%s/toy-{0..5}.tar", set.dir);
    sns_stream_options o = {
        .window = 10, .batch = BATCH, .spares = 3, .seed = 5, .langs = "fr=0.1,en=0.4"};
    sns_stream *s = open_stream(&o, &source);
    for (size_t i = 0; i < STEPS; i++) {
        if (next_batch(s, BATCH, lines[i], 1000, &at[i], &err)) fail_msg("%s", err.message);
        assert_int_equal(at[i].epoch, i / 4); /* 30 samples: 4 batches of 7 */
        assert_int_equal(at[i].first_step, i / 4 * 4);
        if (i) assert_string_not_equal(lines[i], lines[i - 1]);
    }
    sns_stream_counts counts;
    sns_stream_count(s, &counts);
    assert_int_equal(counts.samples, 30);
    assert_int_equal(counts.captions, 90);
    assert_int_equal(counts.langs, 2);
    assert_int_equal(counts.shards, 6);
    assert_int_equal(counts.skipped, 0);
    sns_stream_free(s);
    for (size_t from = 0; from < STEPS; from++) {
        s = open_stream(&o, &source);
        /* As a checkpoint has it: the position of the last step done. */
        sns_stream_position start = from ? at[from - 1] : (sns_stream_position){0};
        if (sns_stream_seek(s, start, from, &err)) fail_msg("%s", err.message);
        for (size_t i = from; i < from + 2 && i < STEPS; i++) {
            assert_int_equal(next_batch(s, BATCH, line, 1000, &now, &err), SNS_OK);
            assert_string_equal(line, lines[i]);
            assert_int_equal(now.first_step, at[i].first_step);
        }
        sns_stream_free(s);
    }
    o.seed = 6;
    s = open_stream(&o, &source);
    assert_int_equal(next_batch(s, BATCH, line, 1000, &now, &err), SNS_OK);
    assert_string_not_equal(line, lines[0]);
    assert_int_equal(sns_stream_seek(s, (sns_stream_position){0, 0}, 9, &err), SNS_MISMATCH);
    sns_stream_free(s);
}

static void an_epoch_holds_every_sample_once(void **state) {
    (void)state;
    char line[2000], pattern[5000];
    const char *source = pattern;
    sns_stream_position at;
    snprintf(pattern, sizeof pattern, "%s/toy-*.tar", set.dir);
    /* 30 samples in 3 batches of 10, through windows of all sizes. */
    for (size_t window = 1; window < 40; window += 6) {
        sns_stream_options o = {.window = window, .batch = 10, .seed = window};
        sns_stream *s = open_stream(&o, &source);
        char all[2000] = "";
        size_t used = 0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(next_batch(s, 10, line, sizeof line, &at, NULL), SNS_OK);
            assert_int_equal(at.epoch, 0);
            used += (size_t)snprintf(all + used, sizeof all - used, "%s", line);
        }
        for (int a = 0; a < TOY_COLOURS; a++)
            for (int b = 0; b < TOY_COLOURS; b++) {
                char key[16];
                snprintf(key, sizeof key, "%d-%d ", a, b);
                if (a != b && !strstr(all, key)) fail_msg("window %zu: no %s", window, key);
            }
        sns_stream_free(s);
    }
}

static void readers_share_the_shards(void **state) {
    (void)state;
    char line[2][2000], pattern[5000];
    const char *source = pattern;
    sns_stream_position at;
    snprintf(pattern, sizeof pattern, "%s/toy-{0..5}.tar", set.dir);
    for (size_t rank = 0; rank < 2; rank++) {
        sns_stream_options o = {.window = 9, .batch = 15, .seed = 3, .rank = rank, .ranks = 2};
        sns_stream *s = open_stream(&o, &source);
        assert_int_equal(next_batch(s, 15, line[rank], 2000, &at, NULL), SNS_OK);
        sns_stream_free(s);
    }
    char *rest;
    for (char *key = strtok_r(line[0], " ", &rest); key; key = strtok_r(NULL, " ", &rest))
        assert_null(strstr(line[1], key));
}

static void damage_is_told_once_and_counted(void **state) {
    (void)state;
    char pattern[5000];
    const char *source = pattern;
    sns_stream_position at;
    sns_stream_counts counts;
    sns_error err;
    toy_make_shards(&set, true);
    snprintf(pattern, sizeof pattern, "%s/toy-{0..5}.tar", set.dir);
    sns_stream_options o = {.window = 100, .batch = 5, .seed = 1};
    sns_stream *s = open_stream(&o, &source);
    do {
        sns_pair *pairs[5];
        size_t spares;
        if (sns_stream_next(s, pairs, &spares, &at, &err)) fail_msg("%s", err.message);
        for (size_t i = 0; i < 5; i++) sns_pair_release(pairs[i]);
    } while (at.epoch < 3);
    sns_stream_count(s, &counts);
    /* A header and what it left of its sample; the last sample of the shard that is cut off. */
    if (counts.skipped != 4 || warned_count != 4)
        for (size_t i = 0; i < warned_count; i++) print_message("%s\n", warned[i]);
    assert_int_equal(counts.skipped, 4);
    assert_int_equal(warned_count, 4);
    assert_int_equal(counts.samples, 29); /* 30, less one of each, and the picture that is none */
    sns_stream_skip(s, "a picture");
    sns_stream_skip(s, "a picture");
    sns_stream_count(s, &counts);
    assert_int_equal(counts.skipped, 5);
    sns_stream_free(s);
    toy_make_shards(&set, false);
}

static void what_cannot_be_streamed_is_said(void **state) {
    (void)state;
    char pattern[5000], line[2000];
    const char *source = pattern;
    sns_error err;
    sns_stream *s;
    sns_stream_position at;
    snprintf(pattern, sizeof pattern, "%s/toy-{0..6}.tar", set.dir);
    sns_stream_options o = {.sources = &source,
                            .source_count = 1,
                            .window = 9,
                            .window_bytes = 1,
                            .batch = 5,
                            .ranks = 1};
    assert_int_equal(sns_stream_new(&o, &s, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, "toy-6.tar"));
    source = set.manifest;
    assert_int_equal(sns_stream_new(&o, &s, &err), SNS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "toy.jsonl"));
    source = pattern;
    snprintf(pattern, sizeof pattern, "%s/toy-{0..1}.tar", set.dir);
    o.ranks = 3;
    assert_int_equal(sns_stream_new(&o, &s, &err), SNS_ARG);
    o.ranks = 1;
    o.batch = 11;
    s = open_stream(&o, &source);
    assert_int_equal(next_batch(s, 11, line, sizeof line, &at, &err), SNS_ARG);
    assert_string_equal(err.message, "a batch of 11 is larger than the data: 10 samples");
    sns_stream_free(s);
    snprintf(pattern, sizeof pattern, "%s/toy-{0,0,0}.tar", set.dir);
    s = open_stream(&o, &source);
    assert_int_equal(next_batch(s, 11, line, sizeof line, &at, &err), SNS_ARG);
    assert_string_equal(err.message,
                        "a batch of 11 needs as many different concepts; 15 samples had 5");
    sns_stream_free(s);
    snprintf(pattern, sizeof pattern, "pipe:cat %s/toy-0.tar; exit 7", set.dir);
    o.batch = 5;
    s = open_stream(&o, &source);
    assert_int_equal(next_batch(s, 5, line, sizeof line, &at, &err), SNS_IO);
    assert_non_null(strstr(err.message, "exit status 7"));
    sns_stream_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(braces_are_expanded),
        cmocka_unit_test(commands_are_read_and_their_failure_is_told),
        cmocka_unit_test(damaged_archives_go_on_behind_the_damage),
        cmocka_unit_test(a_stream_is_the_same_again_and_from_anywhere),
        cmocka_unit_test(an_epoch_holds_every_sample_once),
        cmocka_unit_test(readers_share_the_shards),
        cmocka_unit_test(damage_is_told_once_and_counted),
        cmocka_unit_test(what_cannot_be_streamed_is_said)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
