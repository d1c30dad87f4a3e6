/* test_eval.c - manifests, folders of classes, and whole evaluations with a tiny model, against
 * plain loops over vectors made one by one. */
#include "catalog_world.h"
#include "score/eval_set.h"
#include <math.h>
#include <sensus/eval.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct warnings {
    char text[4096];
    size_t count;
} warnings;

static void warn(void *user, const char *message) {
    warnings *w = user;
    size_t n = strlen(w->text);
    snprintf(w->text + n, sizeof w->text - n, "%s\n", message);
    w->count++;
}

static catalog_world world;

static int set_up(void **state) {
    (void)state;
    world_open(&world);
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "pictures/%d.png", i);
        world_picture(&world, name, (uint64_t)i + 1);
        snprintf(name, sizeof name, "classes/%s/%d.png",
                 i % 3 ? i % 3 == 1 ? "red_car" : "sun" : "dog", i);
        world_picture(&world, name, (uint64_t)i + 1);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static sns_status read_set(const char *path, const sns_eval_options *o, sns_eval_set *set) {
    sns_error err = {0};
    static const sns_eval_options none;
    sns_status s = sns_eval_set_read(path, SNS_EVAL_PICTURES, o ? o : &none, set, &err);
    if (s) assert_non_null(strstr(err.message, path));
    return s;
}

/* ---- reading ---- */

static void json_lines_of_every_kind(void **state) {
    (void)state;
    warnings w = {0};
    sns_eval_options o = {.warn = warn, .user = &w};
    sns_eval_set set;
    world_text(&world, "a.jsonl",
               "{\"image\": \"pictures/0.png\", \"captions\": {\"en\": [\"a\", \"b\"], \"de\": "
               "\"c\"}, \"label\": \"x\"}\n"
               "\n"
               "{\"image\": \"/absolute/1.png\", \"caption\": \"d\"}\r\n"
               "not json\n"
               "[1]\n"
               "{\"caption\": \"no image\"}\n"
               "{\"image\": \"pictures/0.png\", \"captions\": [\"e\"]}\n"
               "{\"image\": \"pictures/2.png\", \"captions\": {\"fr\": 7}}");
    assert_int_equal(read_set(world_path(&world, "a.jsonl"), &o, &set), SNS_OK);
    assert_int_equal(set.picture_count, 3);
    assert_string_equal(set.pictures[0].path, world_path(&world, "pictures/0.png"));
    assert_string_equal(set.pictures[0].label, "x");
    assert_string_equal(set.pictures[1].path, "/absolute/1.png");
    assert_null(set.pictures[1].label);
    static const struct {
        uint32_t picture;
        const char *language, *text;
    } want[] = {{0, "en", "a"}, {0, "en", "b"}, {0, "de", "c"}, {1, "en", "d"}, {0, "en", "e"}};
    assert_int_equal(set.caption_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(set.captions[i].picture, want[i].picture);
        assert_string_equal(set.captions[i].language, want[i].language);
        assert_string_equal(set.captions[i].text, want[i].text);
    }
    assert_int_equal(set.skipped, 4);
    assert_int_equal(w.count, 4);
    assert_non_null(strstr(w.text, "a.jsonl: line 4: "));
    assert_non_null(strstr(w.text, "line 5: not a JSON object"));
    assert_non_null(strstr(w.text, "line 6: it names no \"image\""));
    assert_non_null(strstr(w.text, "line 8: a caption is neither"));
    sns_eval_set_free(&set);
}

static void csv_with_quotes(void **state) {
    (void)state;
    warnings w = {0};
    sns_eval_options o = {.warn = warn, .user = &w, .image_root = "/pictures/of"};
    sns_eval_set set;
    world_text(&world, "a.csv",
               "label,image,caption\r\n"
               "dog,x.jpg,\"a \"\"big\"\" dog, on\na beach\"\r\n"
               "dog,x.jpg,second\r\n"
               "\r\n"
               "too,few\r\n"
               "cat,,no image\r\n"
               ",y.jpg,");
    assert_int_equal(read_set(world_path(&world, "a.csv"), &o, &set), SNS_OK);
    assert_int_equal(set.picture_count, 2);
    assert_string_equal(set.pictures[0].path, "/pictures/of/x.jpg");
    assert_string_equal(set.pictures[0].label, "dog");
    assert_int_equal(set.caption_count, 2);
    assert_string_equal(set.captions[0].text, "a \"big\" dog, on\na beach");
    assert_string_equal(set.captions[1].text, "second");
    assert_int_equal(set.skipped, 2);
    assert_non_null(strstr(w.text, "line 6: not as many fields"));
    assert_non_null(strstr(w.text, "line 7: the image is empty"));
    sns_eval_set_free(&set);
    world_text(&world, "b.csv", "picture,caption\nx,y\n");
    assert_int_equal(read_set(world_path(&world, "b.csv"), NULL, &set), SNS_FORMAT);
    world_text(&world, "c.csv", "image,caption\n");
    assert_int_equal(read_set(world_path(&world, "c.csv"), NULL, &set), SNS_FORMAT);
    world_text(&world, "d.csv", "");
    assert_int_equal(read_set(world_path(&world, "d.csv"), NULL, &set), SNS_FORMAT);
    assert_int_equal(read_set(world_path(&world, "none.csv"), NULL, &set), SNS_MISSING);
}

static void limits_count_pictures(void **state) {
    (void)state;
    sns_eval_set set;
    sns_eval_options o = {.limit = 2};
    world_text(&world, "l.csv", "image,caption\na,1\na,2\nb,3\nb,4\nc,5\n");
    assert_int_equal(read_set(world_path(&world, "l.csv"), &o, &set), SNS_OK);
    assert_int_equal(set.picture_count, 2);
    assert_int_equal(set.caption_count, 4);
    sns_eval_set_free(&set);
}

static void folders_are_classes(void **state) {
    (void)state;
    sns_eval_set set;
    world_text(&world, "classes/README", "not a class");
    assert_int_equal(read_set(world_path(&world, "classes"), NULL, &set), SNS_OK);
    assert_int_equal(set.picture_count, 6);
    assert_string_equal(set.pictures[0].label, "dog");
    assert_string_equal(set.pictures[5].label, "sun");
    assert_string_equal(set.pictures[5].path, world_path(&world, "classes/sun/5.png"));
    sns_eval_set_free(&set);
}

/* ---- the whole ---- */

static const char manifest[] =
    "{\"image\": \"pictures/0.png\", \"captions\": {\"en\": \"a dog on a beach\", \"de\": \"ein "
    "Hund\"}}\n"
    "{\"image\": \"pictures/1.png\", \"captions\": {\"en\": [\"a red car\", \"a blue house\"]}}\n"
    "{\"image\": \"pictures/missing.png\", \"captions\": {\"en\": \"a dog on a beach\"}}\n"
    "{\"image\": \"pictures/2.png\", \"captions\": {\"en\": \"a dog on a beach\"}}\n"
    "{\"image\": \"pictures/3.png\", \"captions\": {\"en\": \"two cats sleep\", \"de\": \"am "
    "Strand\"}}\n"
    "{\"image\": \"pictures/4.png\", \"captions\": {\"en\": \"the sun over the sea\"}}\n"
    "{\"image\": \"pictures/5.png\"}\n";

enum { E = 16, PICTURES = 6 };

static void picture_vectors(float out[PICTURES][E]) {
    assert_int_equal(sns_model_dim(world.model), E);
    world_picture_vectors(&world, "pictures/%d.png", PICTURES, out[0]);
}

static void text_vectors(const char *const *texts, size_t n, float out[][E]) {
    sns_session *s;
    sns_error err = {0};
    assert_int_equal(sns_session_new(world.model, &s, &err), SNS_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sns_encode_texts(s, &texts[i], 1, out[i], &err), SNS_OK);
    sns_session_free(s);
}

static float dot(const float *a, const float *b) {
    float sum = 0;
    for (int i = 0; i < E; i++) sum += a[i] * b[i];
    return sum;
}

/* Rank of the best of the answers in `right` (a bit for each candidate). */
static size_t plain_rank(const float *query, float (*candidates)[E], size_t n, unsigned right) {
    float best = -2;
    size_t rank = 1;
    for (size_t j = 0; j < n; j++)
        if (right >> j & 1 && dot(query, candidates[j]) > best) best = dot(query, candidates[j]);
    for (size_t j = 0; j < n; j++) rank += !(right >> j & 1) && dot(query, candidates[j]) >= best;
    return rank;
}

static void retrieval_equals_plain_loops(void **state) {
    (void)state;
    static const char *const texts[] = {"a dog on a beach", "a red car", "a blue house",
                                        "two cats sleep", "the sun over the sea"};
    static const unsigned images_of[5] = {0x05, 0x02, 0x02, 0x08, 0x10}; /* bit: picture */
    static const unsigned texts_of[5] = {0x01, 0x06, 0x01, 0x08, 0x10};  /* picture 5 has none */
    float pictures[PICTURES][E], words[5][E];
    picture_vectors(pictures);
    text_vectors(texts, 5, words);
    double text_sum = 0, image_sum = 0, text_first = 0;
    for (int t = 0; t < 5; t++) {
        size_t rank = plain_rank(words[t], pictures, PICTURES, images_of[t]);
        text_sum += (double)rank;
        text_first += rank == 1;
    }
    for (int i = 0; i < 5; i++) image_sum += (double)plain_rank(pictures[i], words, 5, texts_of[i]);

    warnings w = {0};
    sns_eval_options o = {.warn = warn, .user = &w, .threads = 2, .batch = 2};
    const char *languages[] = {"en", "de"};
    sns_retrieval r[2];
    size_t skipped;
    sns_error err = {0};
    world_text(&world, "m.jsonl", manifest);
    if (sns_eval_retrieval(world.model, world_path(&world, "m.jsonl"), languages, 2, &o, r,
                           &skipped, &err))
        fail_msg("%s", err.message);
    assert_int_equal(skipped, 1);
    assert_int_equal(w.count, 1);
    assert_non_null(strstr(w.text, "missing.png"));
    assert_string_equal(r[0].language, "en");
    assert_int_equal(r[0].images, 6);
    assert_int_equal(r[0].texts, 5);
    assert_int_equal(r[0].pairs, 6);
    assert_int_equal(r[0].text_to_image.queries, 5);
    assert_int_equal(r[0].text_to_image.candidates, 6);
    assert_int_equal(r[0].image_to_text.queries, 5);
    assert_int_equal(r[0].image_to_text.candidates, 5);
    assert_true(fabs(r[0].text_to_image.mean_rank.value - text_sum / 5) < 1e-9);
    assert_true(fabs(r[0].image_to_text.mean_rank.value - image_sum / 5) < 1e-9);
    assert_true(fabs(r[0].text_to_image.recall_1.value - text_first / 5) < 1e-9);
    assert_true(r[0].text_to_image.recall_10.value == 1 &&
                r[0].text_to_image.recall_10.chance == 1);
    assert_int_equal(r[1].text_to_image.queries, 2);
    assert_int_equal(r[1].image_to_text.queries, 2);
    assert_int_equal(r[1].images, 6);
}

static void caption_limit_and_unknown_language(void **state) {
    (void)state;
    sns_eval_options o = {.captions = 1};
    const char *en = "en", *xx = "xx";
    sns_retrieval r;
    sns_error err = {0};
    world_text(&world, "m.jsonl", manifest);
    const char *path = world_path(&world, "m.jsonl");
    assert_int_equal(sns_eval_retrieval(world.model, path, &en, 1, &o, &r, NULL, &err), SNS_OK);
    assert_int_equal(r.texts, 4);
    assert_int_equal(sns_eval_retrieval(world.model, path, &xx, 1, &o, &r, NULL, &err),
                     SNS_MISSING);
    assert_non_null(strstr(err.message, "'xx'"));
    assert_int_equal(sns_eval_retrieval(world.model, path, &en, 0, &o, &r, NULL, &err), SNS_ARG);
    world_text(&world, "gone.jsonl", "{\"image\": \"nowhere.png\", \"caption\": \"x\"}\n");
    assert_int_equal(sns_eval_retrieval(world.model, world_path(&world, "gone.jsonl"), &en, 1, NULL,
                                        &r, NULL, &err),
                     SNS_FORMAT);
}

static void zero_shot_equals_plain_loops(void **state) {
    (void)state;
    static const char *const templates[] = {"a photo of {}", "the {} sleeps"};
    static const char *const texts[] = {"a photo of dog",        "the dog sleeps",
                                        "a photo of automobile", "the automobile sleeps",
                                        "a photo of sun",        "the sun sleeps"};
    static const sns_class_name names[] = {{"red_car", "automobile"}};
    float pictures[PICTURES][E], words[6][E], classes[3][E];
    picture_vectors(pictures);
    text_vectors(texts, 6, words);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < E; i++) classes[c][i] = words[2 * c][i] + words[2 * c + 1][i];
    for (int c = 0; c < 3; c++) {
        float norm = sqrtf(dot(classes[c], classes[c]));
        for (int i = 0; i < E; i++) classes[c][i] /= norm;
    }
    double right[3] = {0};
    for (int i = 0; i < PICTURES; i++) /* classes/ holds the pictures by number modulo 3 */
        right[i % 3] += plain_rank(pictures[i], classes, 3, 1u << i % 3) == 1;

    sns_zero_shot r;
    sns_error err = {0};
    if (sns_eval_zero_shot(world.model, world_path(&world, "classes"), templates, 2, names, 1, NULL,
                           &r, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r.images, 6);
    assert_int_equal(r.classes, 3);
    assert_string_equal(r.per_class[1].label, "red_car");
    for (int c = 0; c < 3; c++) {
        assert_int_equal(r.per_class[c].images, 2);
        assert_true(fabs(r.per_class[c].top_1 - right[c] / 2) < 1e-9);
    }
    assert_true(fabs(r.top_1.value - (right[0] + right[1] + right[2]) / 6) < 1e-9);
    assert_true(fabs(r.top_1.chance - 1.0 / 3) < 1e-9);
    sns_zero_shot_free(&r);
}

static void zero_shot_refuses(void **state) {
    (void)state;
    const char *bad = "a photo";
    sns_zero_shot r;
    sns_error err = {0};
    const char *classes = world_path(&world, "classes");
    assert_int_equal(sns_eval_zero_shot(world.model, classes, &bad, 1, NULL, 0, NULL, &r, &err),
                     SNS_ARG);
    world_text(&world, "nolabel.jsonl", "{\"image\": \"pictures/0.png\"}\n");
    assert_int_equal(sns_eval_zero_shot(world.model, world_path(&world, "nolabel.jsonl"), NULL, 0,
                                        NULL, 0, NULL, &r, &err),
                     SNS_FORMAT);
    assert_non_null(strstr(err.message, "no label"));
    world_text(&world, "one.jsonl", "{\"image\": \"pictures/0.png\", \"label\": \"a\"}\n");
    assert_int_equal(sns_eval_zero_shot(world.model, world_path(&world, "one.jsonl"), NULL, 0, NULL,
                                        0, NULL, &r, &err),
                     SNS_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_of_every_kind),
        cmocka_unit_test(csv_with_quotes),
        cmocka_unit_test(limits_count_pictures),
        cmocka_unit_test(folders_are_classes),
        cmocka_unit_test(retrieval_equals_plain_loops),
        cmocka_unit_test(caption_limit_and_unknown_language),
        cmocka_unit_test(zero_shot_equals_plain_loops),
        cmocka_unit_test(zero_shot_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
