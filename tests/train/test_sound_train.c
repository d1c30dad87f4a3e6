/* test_sound_train.c - models that hear learn: both towers, from manifests, shards and streams;
 * into the space of a model that sees; the same bits for any threads and after a kill. */
#include "base/rng.h"
#include "make_tar.h"
#include "prep/log_mel.h"
#include "toy.h"
#include "train/dataset.h"
#include "train/sound_augment.h"
#include <math.h>
#include <sensus/data.h>
#include <sensus/eval.h>
#include <sensus/model.h>
#include <signal.h>

enum { TONES = 5, SHAPES = 3, SOUNDS = TONES * SHAPES, RATE = 8000 };

static const char *const tone_name[TONES] = {"deep", "low", "middle", "high", "shrill"};
static const double tone_hz[TONES] = {150, 400, 900, 1800, 3400};
static const char *const shape_name[SHAPES] = {"steady", "pulsing", "fading"};
static toy pictures; /* gives the folder, and a model that sees */
static char vocabulary[4096], manifest[4096], shard[4096];

static sns_sound tone(int t, int shape) {
    size_t n = RATE * 6 / 10;
    sns_sound s = {malloc(n * sizeof(float)), n, RATE, 0};
    for (size_t i = 0; i < n; i++) {
        double at = (double)i / RATE, loud = 0.3;
        if (shape == 1) loud *= (i / 600) % 2;
        if (shape == 2) loud *= 1 - at / 0.6;
        s.samples[i] = (float)(loud * sin(2 * M_PI * tone_hz[t] * at));
    }
    return s;
}

static void save(const char *path, const void *bytes, size_t size) {
    sns_error err;
    if (sns_file_write(path, bytes, size, &err)) fail_msg("%s", err.message);
}

static void make_sounds(void) {
    sns_strbuf lines = {0}, texts = {0}, tar = {0};
    char path[5000], json[512];
    for (int i = 0; i < SOUNDS; i++) {
        const char *t = tone_name[i / SHAPES], *shape = shape_name[i % SHAPES];
        sns_sound s = tone(i / SHAPES, i % SHAPES);
        uint8_t *wav;
        size_t size;
        assert_int_equal(sns_sound_encode_wav(&s, &wav, &size, NULL), SNS_OK);
        sns_sound_free(&s);
        snprintf(path, sizeof path, "%s/%d.wav", pictures.dir, i);
        save(path, wav, size);
        snprintf(json, sizeof json,
                 "{\"audio\": \"%d.wav\", \"captions\": {\"en\": [\"a %s %s tone\", \"%s, %s\"]}, "
                 "\"concept\": \"%d\"}",
                 i, shape, t, t, shape, i);
        sns_strbuf_printf(&lines, "%s\n", json);
        sns_strbuf_printf(&texts, "a %s %s tone\n%s, %s\n", shape, t, t, shape);
        snprintf(path, sizeof path, "%d.wav", i);
        tar_add_bytes(&tar, path, wav, size, '0');
        snprintf(path, sizeof path, "%d.json", i);
        tar_add(&tar, path, json, '0');
        free(wav);
    }
    tar_finish(&tar);
    snprintf(manifest, sizeof manifest, "%s/sounds.jsonl", pictures.dir);
    snprintf(shard, sizeof shard, "%s/sounds.tar", pictures.dir);
    save(manifest, lines.data, lines.size);
    save(shard, tar.data, tar.size);
    snprintf(path, sizeof path, "%s/words.txt", pictures.dir);
    save(path, texts.data, texts.size);
    snprintf(vocabulary, sizeof vocabulary, "%s/vocabulary", pictures.dir);
    const char *files[] = {path};
    sns_error err;
    if (sns_make_dirs(vocabulary, &err) || sns_tokenizer_train(files, 1, 520, vocabulary, &err))
        fail_msg("%s", err.message);
    sns_strbuf_free(&lines);
    sns_strbuf_free(&texts);
    sns_strbuf_free(&tar);
}

static void options(const char **data, const char *source, const char *out, bool cnn,
                    sns_train_options *o) {
    sns_train_defaults(o);
    *data = source;
    o->data = data, o->data_count = 1;
    o->tokenizer_dir = vocabulary;
    o->out_dir = out;
    o->sound_tower = cnn ? SNS_SOUND_CNN : SNS_SOUND_VIT;
    o->mels = 32;
    o->window_seconds = 0.64;
    o->patch_px = 8;
    o->vision = o->text = (sns_tower_size){32, 2, 2};
    o->cnn_width = 8, o->cnn_layers = "1,1,1";
    o->embed = 24, o->context = 12;
    o->batch = SOUNDS, o->steps = 6, o->warmup = 5, o->lr = 4e-3;
    o->sound_speed = 0.02, o->sound_mask = 0.05; /* a tone is its pitch */
    o->threads = 1;
    o->save_minutes = 0;
    o->dtype = "F32";
}

static const char *in_set(char path[5000], const char *name) {
    snprintf(path, 5000, "%s/%s", pictures.dir, name);
    return path;
}

static void run(const sns_train_options *o, sns_train_result *r) {
    sns_error err;
    if (sns_train(o, r, &err)) fail_msg("%s", err.message);
}

static void same_file(const char *a, const char *b, const char *name) {
    char *data[2], *path[2] = {sns_path_join(a, name), sns_path_join(b, name)};
    size_t size[2];
    sns_error err;
    for (int i = 0; i < 2; i++)
        if (sns_file_read(path[i], 1 << 28, &data[i], &size[i], &err)) fail_msg("%s", err.message);
    if (size[0] != size[1] || memcmp(data[0], data[1], size[0])) fail_msg("%s differs", name);
    for (int i = 0; i < 2; i++) free(path[i]), free(data[i]);
}

static void both_towers_learn(void **state) {
    (void)state;
    for (int cnn = 0; cnn < 2; cnn++) {
        sns_train_options o;
        sns_train_result r;
        const char *data, *language = "en";
        char out[5000], model_dir[5100];
        options(&data, manifest, in_set(out, cnn ? "cnn" : "vit"), cnn, &o);
        o.steps = 120;
        o.val = data;
        o.spectrogram = cnn ? SNS_SPECTROGRAM_WHISPER : SNS_SPECTROGRAM_KALDI;
        run(&o, &r);
        print_message("%s: loss %.3f, recall@10 %.2f\n", cnn ? "cnn" : "vit", r.loss, r.recall10);
        assert_int_equal(r.samples, SOUNDS);
        assert_true(r.loss < 1.6 && r.recall10 > 0.9); /* by chance 2.7, 0.67 */
        /* What was written hears: found again by its texts. */
        snprintf(model_dir, sizeof model_dir, "%s/model", out);
        sns_model *m;
        sns_retrieval found;
        sns_error err;
        if (sns_model_load(model_dir, &m, &err) ||
            sns_eval_retrieval(m, manifest, &language, 1, NULL, &found, NULL, &err))
            fail_msg("%s", err.message);
        assert_int_equal(sns_model_sound_rate_hz(m), 16000);
        print_message("   recall@1 of texts %.2f, of sounds %.2f\n",
                      found.text_to_image.recall_1.value, found.image_to_text.recall_1.value);
        assert_true(found.text_to_image.recall_5.value > 0.8);
        sns_model_free(m);
    }
}

static int slow_step(void *user, const sns_train_progress *p) {
    (void)user, (void)p;
    usleep(3000);
    return 0;
}

static void killed_runs_end_the_same(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    char whole[5000], killed[5000];
    options(&data, shard, in_set(whole, "whole"), true, &o);
    o.batch = 6, o.steps = 12, o.save_every = 3;
    run(&o, NULL);
    o.out_dir = in_set(killed, "killed");
    o.resume = 1;
    o.progress = slow_step;
    int status = 1, kills = 0;
    for (unsigned wait_us = 120000; status; wait_us += 90000) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) _exit(sns_train(&o, NULL, NULL) ? 2 : 0);
        if (kills < 4) {
            usleep(wait_us);
            kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
        kills += WIFSIGNALED(status);
    }
    same_file(whole, killed, "checkpoint-00000012.safetensors");
    same_file(whole, killed, "model/model.safetensors");
    same_file(whole, killed, "model/preprocessor_config.json");
}

static void threads_and_pieces_do_not_matter(void **state) {
    (void)state;
    sns_train_options o;
    const char *data;
    char one[5000], many[5000], held[5000];
    options(&data, shard, in_set(one, "one"), false, &o);
    o.batch = 6;
    run(&o, NULL);
    o.out_dir = in_set(many, "many");
    o.threads = 3, o.loader_threads = 3;
    run(&o, NULL);
    same_file(one, many, "checkpoint-00000006.safetensors");
    o.out_dir = in_set(held, "held");
    o.cache_mb = 0; /* decoded again for every batch */
    run(&o, NULL);
    same_file(one, held, "checkpoint-00000006.safetensors");
}

static void streams(void **state) {
    (void)state;
    sns_train_options o;
    sns_train_result r;
    const char *data;
    char out[5000];
    options(&data, shard, in_set(out, "stream"), true, &o);
    o.batch = 6, o.shuffle = 10, o.micro_batch = 3;
    run(&o, &r);
    assert_int_equal(r.skipped, 0);
    assert_true(isfinite(r.loss));
}

/* A tower that hears comes into the space of a model that sees, whose texts do not move. */
static void into_the_space_of_pictures(void **state) {
    (void)state;
    for (int micro = 0; micro < 2; micro++) {
        sns_train_options o;
        sns_train_result r;
        const char *data;
        char sees[5000], out[5000], a[5100], b[5100];
        toy_options(&pictures, &data, in_set(sees, micro ? "sees2" : "sees"), &o);
        o.tokenizer_dir = vocabulary;
        o.text_tower = micro ? SNS_TEXT_TOWER_CBOW : SNS_TEXT_TOWER_TRANSFORMER;
        run(&o, NULL);
        snprintf(a, sizeof a, "%s/model", sees);
        options(&data, manifest, in_set(out, micro ? "bound2" : "bound"), true, &o);
        o.init_dir = a;
        o.tokenizer_dir = NULL;
        o.lock_text = 1;
        o.micro_batch = micro ? 5 : 0;
        o.steps = 150;
        o.text_pull = 0.5;
        run(&o, &r);
        o.text_pull = 0;
        print_message("locked texts: loss %.3f\n", r.loss);
        assert_true(r.loss < 2.9); /* 2.7 by chance, and about 1 of the pull; its texts were never
                                      trained on tones */
        snprintf(b, sizeof b, "%s/model", out);
        const char *texts[] = {"a steady deep tone", "a red square on green"};
        float before[2 * 24], after[2 * 24];
        const char *dirs[] = {a, b};
        for (int i = 0; i < 2; i++) {
            sns_model *m;
            sns_session *s;
            sns_error err;
            if (sns_model_load(dirs[i], &m, &err) || sns_session_new(m, &s, &err) ||
                sns_encode_texts(s, texts, 2, i ? after : before, &err))
                fail_msg("%s", err.message);
            sns_session_free(s);
            sns_model_free(m);
        }
        assert_memory_equal(before, after, sizeof before);
        /* and its audio tower beside the same texts once more: begins where a new one does not */
        sns_train_result new, taken;
        o.out_dir = in_set(out, micro ? "new2" : "new");
        o.steps = 1;
        run(&o, &new);
        o.out_dir = in_set(out, micro ? "taken2" : "taken");
        o.sound_init_dir = b;
        run(&o, &taken);
        print_message("first loss: %.3f, with a learned tower %.3f\n", new.loss, taken.loss);
        assert_true(taken.loss < new.loss - 0.2);
        o.cnn_width = 12;
        o.out_dir = in_set(out, "not taken");
        assert_int_equal(sns_train(&o, NULL, NULL), SNS_SHAPE);
        o.cnn_width = 8;
        o.sound_init_dir = a; /* which has none */
        assert_int_equal(sns_train(&o, NULL, NULL), SNS_SHAPE);
        o.sound_init_dir = NULL;
        /* and on from there */
        o.init_dir = b;
        o.sound_tower = SNS_SOUND_NONE; /* the model says it itself */
        o.out_dir = in_set(out, micro ? "on2" : "on");
        o.steps = 2;
        run(&o, NULL);
    }
}

static sns_model *load_of_set(const char *name) {
    char dir[5000];
    sns_model *m;
    sns_error err;
    if (sns_model_load(in_set(dir, name), &m, &err)) fail_msg("%s", err.message);
    return m;
}

/* After into_the_space_of_pictures: the models are there. */
static void spoken_queries(void **state) {
    (void)state;
    sns_strbuf lines = {0};
    char path[5000];
    for (int i = 0; i < SOUNDS; i++)
        sns_strbuf_printf(&lines,
                          "{\"audio\": \"%d.wav\", \"image\": \"%d-%d.png\", \"lang\": \"%s\", "
                          "\"captions\": {\"en\": \"x\"}}\n",
                          i, i / 5, i / 5 == 3 ? 4 : 3, i % 3 ? "en" : "de");
    sns_strbuf_puts(&lines, "{\"audio\": \"gone.wav\", \"image\": \"0-1.png\"}\n"
                            "{\"audio\": \"0.wav\", \"image\": \"gone.png\"}\n"
                            "{\"audio\": \"0.wav\", \"image\": \"1-3.png\"}\n"
                            "{\"image\": \"0-2.png\"}\n{\"audio\": \"1.wav\"}\n");
    save(in_set(path, "spoken.jsonl"), lines.data, lines.size);
    sns_model *hears = load_of_set("bound/model"), *sees = load_of_set("sees/model"),
              *other = load_of_set("sees2/model");
    sns_spoken r;
    sns_error err;
    if (sns_eval_spoken(hears, sees, path, NULL, NULL, &r, &err)) fail_msg("%s", err.message);
    assert_int_equal(r.sounds, SOUNDS);
    /* 0-3, 1-3, 2-3, 0-1 of the line whose sound is gone, 0-2 of that without one */
    assert_int_equal(r.images, 5);
    assert_int_equal(r.skipped, 3); /* the two that are gone, the line without a picture */
    assert_int_equal(r.sound_to_image.queries, SOUNDS);
    /* one of the 15 may be answered by two of the 5 */
    assert_true(fabs(r.sound_to_image.recall_1.chance - (14 * 0.2 + 0.4) / 15) < 1e-9);
    assert_int_equal(r.image_to_sound.queries, 3);
    assert_true(r.sound_to_image.recall_5.value == 1);
    char *text;
    assert_int_equal(sns_spoken_report(&r, 0, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "sound to image: 15 queries, 5 candidates"));
    free(text);
    assert_int_equal(sns_spoken_report(&r, 1, &text, &err), SNS_OK);
    assert_non_null(strstr(text, "\"sound_to_image\":{\"queries\":15"));
    free(text);
    assert_int_equal(sns_eval_spoken(hears, sees, path, "de", NULL, &r, &err), SNS_OK);
    assert_int_equal(r.sounds, 5);
    assert_int_equal(r.images, 5);
    assert_int_equal(sns_eval_spoken(hears, sees, path, "fr", NULL, &r, &err), SNS_MISSING);
    assert_int_equal(sns_eval_spoken(sees, hears, path, NULL, NULL, &r, &err), SNS_SHAPE);
    assert_int_equal(sns_eval_spoken(hears, other, path, NULL, NULL, &r, &err), SNS_MISMATCH);
    sns_model_free(hears);
    sns_model_free(sees);
    sns_model_free(other);
    sns_strbuf_free(&lines);
}

static void built_shards(void **state) {
    (void)state;
    char out[5000], path[5100];
    const char *source = manifest;
    sns_data_counts counts;
    sns_error err;
    snprintf(out, sizeof out, "%s/built-{}.tar", pictures.dir);
    const sns_data_build_options o = {.from = {.sources = &source, .source_count = 1}, .out = out};
    if (sns_data_build(&o, &counts, &err)) fail_msg("%s", err.message);
    assert_int_equal(counts.samples, SOUNDS);
    assert_int_equal(counts.captions, 2 * SOUNDS);
    snprintf(path, sizeof path, "%s/built-000000.tar", pictures.dir);
    source = path;
    sns_dataset *d;
    assert_int_equal(sns_dataset_open_sounds(&source, 1, 16000, NULL, NULL, &d, &err), SNS_OK);
    assert_int_equal(sns_dataset_decode_all(d, 0, 1 << 28, NULL, NULL, &err), SNS_OK);
    assert_int_equal(sns_dataset_count(d), SOUNDS);
    assert_int_equal(sns_dataset_sample(d, 3)->sound_count, 9600);
    sns_dataset_free(d);
}

/* Sounds that cannot be read are told and left out; of a picture and a sound, what the set is of
 * counts. */
static void what_cannot_be_heard(void **state) {
    (void)state;
    sns_strbuf tar = {0};
    sns_dataset *d;
    sns_error err;
    tar_add(&tar, "a.wav", "no sound", '0');
    tar_add(&tar, "a.txt", "nothing", '0');
    tar_add(&tar, "b.wav", "SOUND", '0');
    tar_add(&tar, "b.png", "PICTURE", '0');
    tar_add(&tar, "b.ogg", "SOUND", '0');
    tar_add(&tar, "b.txt", "both", '0');
    tar_finish(&tar);
    assert_int_equal(sns_dataset_open_memory("s.tar", tar.data, tar.size, NULL, NULL, &d, &err),
                     SNS_OK);
    assert_int_equal(sns_dataset_count(d), 2);
    assert_memory_equal(sns_dataset_sample(d, 1)->bytes, "PICTURE", 7);
    sns_dataset_free(d);
    char path[5000];
    const char *source = in_set(path, "both.tar");
    save(path, tar.data, tar.size);
    assert_int_equal(sns_dataset_open_sounds(&source, 1, 16000, NULL, NULL, &d, &err), SNS_OK);
    assert_int_equal(sns_dataset_count(d), 2);
    assert_memory_equal(sns_dataset_sample(d, 1)->bytes, "SOUND", 5);
    assert_int_equal(sns_dataset_decode_all(d, 0, 1 << 20, NULL, NULL, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, "none of the sounds"));
    sns_dataset_free(d);
    sns_strbuf_free(&tar);
}

static void augmentation(void **state) {
    (void)state;
    sns_log_mel_config c;
    sns_log_mel *mel;
    sns_rng rng;
    enum { FRAMES = 40, MELS = 80, N = 3000 };
    float a[FRAMES * MELS], b[FRAMES * MELS];
    int16_t x[N];
    sns_log_mel_whisper(&c);
    assert_int_equal(sns_log_mel_new(&c, &mel, NULL), SNS_OK);
    sns_sound_augment plain = {.mel = mel, .frames = FRAMES}, all = plain;
    float *scratch = malloc(sns_sound_augment_scratch(&plain) * sizeof *scratch);
    for (size_t i = 0; i < N; i++) x[i] = (int16_t)(9000 * sin(0.2 * (double)i));
    assert_int_equal(sns_sound_augment_run(&plain, NULL, x, N, scratch, a, NULL), SNS_OK);
    /* At inference: the sound, then silence. */
    for (size_t i = 0; i < N; i++) assert_true(scratch[i] == (float)x[i] / 32767);
    for (size_t i = N; i < FRAMES * 160; i++) assert_true(scratch[i] == 0);
    all.speed = 0.5, all.gain_db = 60, all.noise = 1, all.mask = 0.9, all.filter_db = 60;
    all.phone = 0.5;
    for (uint64_t seed = 0; seed < 50; seed++) { /* also of one sample, and of a long sound */
        size_t n = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 700 : N;
        sns_rng_seed(&rng, seed);
        assert_int_equal(sns_sound_augment_run(&all, &rng, x, n, scratch, a, NULL), SNS_OK);
        sns_rng_seed(&rng, seed);
        assert_int_equal(sns_sound_augment_run(&all, &rng, x, n, scratch, b, NULL), SNS_OK);
        assert_memory_equal(a, b, sizeof a);
        for (size_t i = 0; i < FRAMES * MELS; i++) assert_true(isfinite(a[i]));
    }
    /* A mask alone: hidden places all hold one value, the others are as they were. */
    plain.mask = 0.5;
    sns_rng_seed(&rng, 2);
    assert_int_equal(sns_sound_augment_run(&plain, &rng, x, N, scratch, a, NULL), SNS_OK);
    plain.mask = 0;
    sns_rng_seed(&rng, 2);
    assert_int_equal(sns_sound_augment_run(&plain, &rng, x, N, scratch, b, NULL), SNS_OK);
    size_t hidden = 0;
    float value = 0;
    for (size_t i = 0; i < FRAMES * MELS; i++) {
        if (a[i] == b[i]) continue;
        if (hidden++) assert_true(a[i] == value);
        value = a[i];
    }
    assert_in_range(hidden, 40, FRAMES * MELS * 3 / 4);
    /* A filter alone: one number for each band, at most 6 dB, on lines between five points. */
    plain.filter_db = 6;
    sns_rng_seed(&rng, 2);
    assert_int_equal(sns_sound_augment_run(&plain, &rng, x, N, scratch, a, NULL), SNS_OK);
    float shift[MELS];
    for (size_t m = 0; m < MELS; m++) {
        shift[m] = a[m] - b[m];
        assert_true(fabsf(shift[m]) <= 6 * 0.025f + 1e-5f);
        for (size_t f = 0; f < FRAMES; f++)
            assert_true(fabsf(a[f * MELS + m] - b[f * MELS + m] - shift[m]) < 1e-5f);
        if (m > 1 && (m - 1) % (MELS / 4))
            assert_true(fabsf(shift[m] - 2 * shift[m - 1] + shift[m - 2]) < 1e-5f);
    }
    assert_true(fabsf(shift[0] - shift[MELS - 1]) > 1e-3f);
    /* A telephone alone: the low bands as they were, the high ones as the quietest place. */
    plain.filter_db = 0, plain.phone = 1;
    sns_rng_seed(&rng, 2);
    assert_int_equal(sns_sound_augment_run(&plain, &rng, x, N, scratch, a, NULL), SNS_OK);
    size_t left = 0; /* bands up to the highest in which something is heard */
    float least = b[0];
    for (size_t i = 0; i < FRAMES * MELS; i++) least = fminf(least, b[i]);
    for (size_t i = 0; i < FRAMES * MELS; i++)
        if (a[i] != least && i % MELS >= left) left = i % MELS + 1;
    assert_in_range(left, MELS * 2 / 3, MELS - 1);
    for (size_t i = 0; i < FRAMES * MELS; i++)
        assert_true(a[i] == (i % MELS < left ? b[i] : least));
    free(scratch);
    sns_log_mel_free(mel);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    sns_train_options o, good;
    sns_error err;
    const char *data;
    char out[5000], cnn[5000];
    in_set(cnn, "cnn/model");
    options(&data, manifest, in_set(out, "refused"), true, &good);
#define REFUSED(code, message_part, change)                                                        \
    o = good;                                                                                      \
    change;                                                                                        \
    err = (sns_error){0};                                                                          \
    assert_int_equal(sns_train(&o, NULL, &err), code);                                             \
    if (!strstr(err.message, message_part)) fail_msg("%s", err.message)
    REFUSED(SNS_ARG, "locked text tower needs", o.lock_text = 1);
    REFUSED(SNS_ARG, "nothing is left", (o.lock_text = o.lock_image = 1, o.init_dir = cnn));
    REFUSED(SNS_ARG, "a CNN has no patches", o.patch_drop = 0.5);
    REFUSED(SNS_ARG, "1,x", o.cnn_layers = "1,x");
    REFUSED(SNS_ARG, "1,1,1,1,1", o.cnn_layers = "1,1,1,1,1");
    REFUSED(SNS_ARG, "a CNN ''", o.cnn_layers = "");
    REFUSED(SNS_ARG, "windows of 0 seconds", o.window_seconds = 0);
    REFUSED(SNS_ARG, "speed", o.sound_speed = 0.9);
    REFUSED(SNS_ARG, "pull of 1", o.text_pull = 1);
    REFUSED(SNS_ARG, "filter", o.sound_filter_db = -1);
    REFUSED(SNS_ARG, "audio tower to start from", o.sound_init_dir = cnn);
    REFUSED(SNS_ARG, "teacher", o.teacher_dir = cnn);
    REFUSED(SNS_SHAPE, "do not divide", (o.sound_tower = SNS_SOUND_VIT, o.mels = 30));
    REFUSED(SNS_ARG, "less than a patch", (o.sound_tower = SNS_SOUND_VIT, o.patch_px = 200));
    REFUSED(SNS_FORMAT, "none of the pictures", (o.sound_tower = SNS_SOUND_NONE, o.image_px = 16));
}

static int set_up(void **state) {
    (void)state;
    toy_make(&pictures);
    make_sounds();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    toy_free(&pictures);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_runs_end_the_same), /* first: forks before OpenMP has threads */
        cmocka_unit_test(augmentation),
        cmocka_unit_test(both_towers_learn),
        cmocka_unit_test(threads_and_pieces_do_not_matter),
        cmocka_unit_test(streams),
        cmocka_unit_test(into_the_space_of_pictures),
        cmocka_unit_test(spoken_queries),
        cmocka_unit_test(built_shards),
        cmocka_unit_test(what_cannot_be_heard),
        cmocka_unit_test(what_does_not_fit_is_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
