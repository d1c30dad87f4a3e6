/* test_pictures.c - where pictures come from: order and names, damage, folders left out, lists,
 * stopping. */
#include "toy_shards.h"
#include "train/name_reader.h"
#include <fcntl.h>
#include <pthread.h>
#include <sensus/pictures.h>
#include <sys/stat.h>

static toy set;

static int make_set(void **state) {
    (void)state;
    toy_make(&set);
    toy_make_shards(&set, true);
    return 0;
}

static int free_set(void **state) {
    (void)state;
    toy_free(&set);
    return 0;
}

/* All that the options give, as lines: a name, "*NAME" for one in memory, "!" for a problem. */
static char *list(const sns_pictures_options *o) {
    sns_pictures *p;
    sns_strbuf b = {0};
    sns_error err;
    if (sns_pictures_open(o, &p, &err)) fail_msg("%s", err.message);
    for (bool more = true; more;) {
        sns_embed_item item = {0};
        assert_int_equal(sns_pictures_next(p, &item, &err), SNS_OK);
        more = item.name;
        if (item.problem.code)
            sns_strbuf_puts(&b, "!\n");
        else if (more)
            sns_strbuf_printf(&b, "%s%s\n", item.bytes ? "*" : "", item.name);
        free(item.name);
        free(item.bytes);
    }
    sns_pictures_free(p);
    sns_strbuf_puts(&b, "");
    return b.data ? b.data : strdup("");
}

static void expect(const sns_pictures_options *o, const char *want) {
    char *got = list(o);
    assert_string_equal(got, want);
    free(got);
}

static void put(const char *path, const char *text) {
    sns_error err;
    if (sns_file_write(path, text, strlen(text), &err)) fail_msg("%s", err.message);
}

static void make_tree(const char *top) {
    static const char *const folders[] = {"tree",   "tree/b",       "tree/b/c",
                                          "tree/a", "tree/results", "tree/.hidden"};
    static const char *const files[] = {
        "tree/z.png",         "tree/k.JPG",    "tree/k.txt",
        "tree/b/2.png",       "tree/b/1.png",  "tree/b/c/x.gif",
        "tree/results/y.png", "tree/.hid.png", "tree/.hidden/h.png"};
    char path[5000];
    for (size_t i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%s", top, folders[i]);
        mkdir(path, 0777);
    }
    for (size_t i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "%s/%s", top, files[i]);
        put(path, "x");
    }
    snprintf(path, sizeof path, "%s/tree/a/up", top);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/tree/a/lost.png", top);
    assert_int_equal(symlink("nowhere", path), 0);
}

static void folders_are_walked_in_order(void **state) {
    (void)state;
    assert_int_equal(chdir(set.dir), 0);
    make_tree(".");
    const char *paths[] = {"tree/b//", "tree", "none.png", "./tree/b"};
    const char *results[] = {"tree/results", "absent"};
    sns_pictures_options o = {
        .paths = paths, .path_count = 4, .leave_out = results, .leave_out_count = 2};
    expect(&o, "tree/b/1.png\ntree/b/2.png\ntree/b/c/x.gif\ntree/k.JPG\ntree/z.png\n!\nnone.png\n");
    const char *itself = "tree/results";
    o.paths = &itself;
    o.path_count = 1;
    expect(&o, "tree/results/y.png\n");
}

static void shards_give_pictures_without_captions(void **state) {
    (void)state;
    sns_strbuf b = {0};
    tar_add(&b, "d/one.png", "1", '0');
    tar_add(&b, "d/._one.png", "hidden", '0');
    tar_add(&b, "d/notes.txt", "no picture", '0');
    tar_add(&b, "d/empty.gif", "", '0');
    size_t damaged = b.size;
    tar_add(&b, "lost.png", "2", '0');
    b.data[damaged] ^= 1;
    tar_add(&b, "last.heic", "3", '0');
    b.size -= 600; /* cut off within the last header */
    assert_int_equal(sns_file_write("bare.tar", b.data, b.size, NULL), SNS_OK);
    sns_strbuf_free(&b);
    const char *paths[] = {"bare.tar", "none-{0..1}.tar", "pipe:exit 3"};
    sns_pictures_options o = {.paths = paths, .path_count = 3};
    expect(&o, "*bare.tar/d/one.png\n*bare.tar/d/empty.gif\n!\n!\n!\n!\n!\n");
    /* of toy-1.tar the first sample's picture is damaged; toy-3.tar is cut off in the last caption
     */
    const char *toys[] = {"toy-{0..3}.tar"};
    o = (sns_pictures_options){.paths = toys, .path_count = 1};
    char *got = list(&o);
    size_t pictures = 0, problems = 0;
    for (const char *c = got; *c; c++) {
        pictures += *c == '*';
        problems += *c == '!';
    }
    assert_int_equal(pictures, 4 * (TOY_COLOURS - 1) - 1 + 1); /* one lost, one that is junk */
    assert_int_equal(problems, 2);
    free(got);
}

static void lists_are_literal(void **state) {
    (void)state;
    put("names", "\n\ntree/b\npipe:touch ran\na{1,2}.tar\n\nlast.png");
    sns_pictures_options o = {.list = "names"};
    expect(&o, "tree/b/1.png\ntree/b/2.png\ntree/b/c/x.gif\npipe:touch ran\n!\nlast.png\n");
    assert_int_not_equal(access("ran", F_OK), 0);
    o.list = "no-names";
    sns_pictures *p;
    assert_int_equal(sns_pictures_open(&o, &p, NULL), SNS_MISSING);
    o.list = NULL;
    assert_int_equal(sns_pictures_open(&o, &p, NULL), SNS_ARG);
}

/* Names around the limit, in pieces as a pipe brings them. */
static void long_names_are_passed_over(void **state) {
    (void)state;
    sns_strbuf b = {0};
    const int sizes[] = {SNS_LISTED_NAME_MAX, SNS_LISTED_NAME_MAX + 1, 3, 5 * SNS_LISTED_NAME_MAX,
                         2};
    for (int i = 0; i < 5; i++) sns_strbuf_printf(&b, "%0*d\n", sizes[i], i);
    assert_int_equal(sns_file_write("long", b.data, b.size, NULL), SNS_OK);
    sns_strbuf_free(&b);
    volatile int stop = 0;
    sns_name_reader *r;
    const char *name;
    assert_int_equal(sns_name_reader_open("long", '\n', &stop, &r, NULL), SNS_OK);
    for (int i = 0; i < 5; i++) {
        sns_status s = sns_name_reader_next(r, &name, NULL);
        assert_int_equal(s, i == 1 || i == 3 ? SNS_LIMIT : SNS_OK);
        if (!s) assert_int_equal(strlen(name), sizes[i]);
    }
    assert_int_equal(sns_name_reader_next(r, &name, NULL), SNS_OK);
    assert_null(name);
    sns_name_reader_free(r);
}

static void *stop_later(void *p) {
    usleep(50000);
    sns_pictures_stop(p);
    return NULL;
}

static void waiting_can_be_stopped(void **state) {
    (void)state;
    const char *path = "pipe:sleep 60";
    assert_int_equal(mkfifo("fifo", 0600), 0);
    int keep = open("fifo", O_RDWR); /* so that opening and reading wait for a name */
    for (int i = 0; i < 2; i++) {
        const sns_pictures_options o = {
            .paths = &path, .path_count = (size_t)i, .list = i ? NULL : "fifo"};
        sns_pictures *p;
        sns_embed_item item = {0};
        pthread_t thread;
        assert_int_equal(sns_pictures_open(&o, &p, NULL), SNS_OK);
        assert_int_equal(pthread_create(&thread, NULL, stop_later, p), 0);
        assert_int_equal(sns_pictures_next(p, &item, NULL), SNS_CANCELLED);
        pthread_join(thread, NULL);
        sns_pictures_free(p);
    }
    close(keep);
}

static void manifests_name_pictures(void **state) {
    (void)state;
    put("set.jsonl", "{\"image\": \"tree/z.png\", \"caption\": \"z\"}\n{\"image\": \"x.png\"}\n");
    const char *paths[] = {"set.jsonl", "absent.csv"};
    const sns_pictures_options o = {.paths = paths, .path_count = 2};
    char *got = list(&o);
    assert_non_null(strstr(got, "tree/z.png\n"));
    assert_int_equal(strspn(got, "!\n"), 2); /* the second has no caption, which is told first */
    assert_true(sns_ends_with(got, "z.png\n!\n"));
    free(got);
}

/* The same places, for a model that hears. */
static void recordings_instead(void **state) {
    (void)state;
    mkdir("heard", 0777);
    mkdir("heard/b", 0777);
    put("heard/a.wav", "x");
    put("heard/b/film.MP4", "x");
    put("heard/b/p.png", "x");
    put("heard/notes.txt", "x");
    put("heard.jsonl",
        "{\"image\": \"heard/b/p.png\", \"audio\": \"heard/a.wav\", \"caption\": \"z\"}\n");
    sns_strbuf b = {0};
    tar_add(&b, "d/one.png", "1", '0');
    tar_add(&b, "d/one.ogg", "2", '0');
    tar_add(&b, "d/.two.ogg", "hidden", '0');
    assert_int_equal(sns_file_write("heard.tar", b.data, b.size, NULL), SNS_OK);
    sns_strbuf_free(&b);
    const char *paths[] = {"heard", "heard.tar", "heard.jsonl"};
    sns_pictures_options o = {.paths = paths, .path_count = 3, .sounds = 1};
    expect(&o, "heard/a.wav\nheard/b/film.MP4\n*heard.tar/d/one.ogg\nheard/a.wav\n");
    o.sounds = 0;
    expect(&o, "heard/b/p.png\n*heard.tar/d/one.png\nheard/b/p.png\n");
    o.path_count = 1;
    for (o.sounds = 0; o.sounds < 2; o.sounds++) {
        sns_pictures *p;
        assert_int_equal(sns_pictures_open(&o, &p, NULL), SNS_OK);
        for (bool more = true; more;) {
            sns_embed_item item = {0};
            assert_int_equal(sns_pictures_next(p, &item, NULL), SNS_OK);
            more = item.name;
            free(item.name);
        }
        assert_int_equal(sns_pictures_passed(p), o.sounds ? 1 : 2);
        sns_pictures_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(folders_are_walked_in_order),
                                       cmocka_unit_test(shards_give_pictures_without_captions),
                                       cmocka_unit_test(lists_are_literal),
                                       cmocka_unit_test(long_names_are_passed_over),
                                       cmocka_unit_test(waiting_can_be_stopped),
                                       cmocka_unit_test(manifests_name_pictures),
                                       cmocka_unit_test(recordings_instead)};
    return cmocka_run_group_tests(tests, make_set, free_set);
}
