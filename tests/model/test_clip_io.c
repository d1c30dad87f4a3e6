/* test_clip_io.c - configurations of published models, folders written and read, bad folders. */
#include "base/file.h"
#include "base/strbuf.h"
#include "model/clip_io.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static const char *const files[] = {"config.json", "open_clip_config.json", "model.safetensors",
                                    "model.safetensors.index.json", "open_clip_model.safetensors"};

static void empty_dir(void) {
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *p = sns_path_join(dir, files[i]);
        unlink(p);
        free(p);
    }
}

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sns-clip-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    empty_dir();
    return rmdir(dir);
}

static void put(const char *name, const char *text) {
    char *p = sns_path_join(dir, name);
    assert_int_equal(sns_file_write(p, text, strlen(text), NULL), SNS_OK);
    free(p);
}

static sns_status parse(sns_config_kind kind, const char *text, sns_clip_config *c,
                        sns_error *err) {
    *err = (sns_error){0};
    return sns_clip_config_parse(kind, text, strlen(text), "c.json", c, err);
}

/* "million": the counts that open_clip's table of models publishes, two decimals (TinyCLIP's is by
 * hand: 8.28 M image tower, 15.17 M text tower with its 12.65 M token table). */
static void published_geometries(void **state) {
    (void)state;
    static const struct {
        const char *name;
        sns_config_kind kind;
        const char *json;
        size_t parameters;
        double million;
        sns_act act;
    } models[] = {
        {"ViT-B/32", SNS_CONFIG_HF, "{\"model_type\":\"clip\"}", 151277313, 151.28,
         SNS_ACT_QUICK_GELU},
        {"ViT-B-16-SigLIP", SNS_CONFIG_HF, "{\"model_type\":\"siglip\"}", 203155970, 203.16,
         SNS_ACT_GELU_TANH},
        {"ViT-B/16", SNS_CONFIG_HF,
         "{\"projection_dim\":512,\"text_config\":{\"eos_token_id\":2,\"bos_token_id\":0},"
         "\"vision_config\":{\"patch_size\":16}}",
         149620737, 149.62, SNS_ACT_QUICK_GELU},
        {"ViT-L/14", SNS_CONFIG_HF,
         "{\"projection_dim\":768,\"text_config\":{\"hidden_size\":768,\"intermediate_size\":3072,"
         "\"num_attention_heads\":12},\"vision_config\":{\"hidden_size\":1024,"
         "\"intermediate_size\":4096,\"num_hidden_layers\":24,\"num_attention_heads\":16,"
         "\"patch_size\":14}}",
         427616513, 427.62, SNS_ACT_QUICK_GELU},
        {"ViT-L/14@336", SNS_CONFIG_HF,
         "{\"projection_dim\":768,\"text_config\":{\"hidden_size\":768,\"intermediate_size\":3072,"
         "\"num_attention_heads\":12},\"vision_config\":{\"hidden_size\":1024,"
         "\"intermediate_size\":4096,\"num_hidden_layers\":24,\"num_attention_heads\":16,"
         "\"patch_size\":14,\"image_size\":336}}",
         427944193, 427.94, SNS_ACT_QUICK_GELU},
        {"TinyCLIP-ViT-8M-16-Text-3M", SNS_CONFIG_HF,
         "{\"projection_dim\":512,\"text_config\":{\"hidden_size\":256,\"intermediate_size\":1024,"
         "\"num_attention_heads\":4,\"num_hidden_layers\":3,\"hidden_act\":\"gelu\"},"
         "\"vision_config\":{\"hidden_size\":256,\"intermediate_size\":1024,"
         "\"num_attention_heads\":4,\"num_hidden_layers\":10,\"patch_size\":16,"
         "\"hidden_act\":\"gelu\"}}",
         23446017, 23.45, SNS_ACT_GELU},
        {"LAION ViT-H-14", SNS_CONFIG_HF,
         "{\"projection_dim\":1024,\"text_config\":null,\"vision_config\":{\"hidden_size\":7},"
         "\"text_config_dict\":{\"hidden_size\":1024,\"intermediate_size\":4096,"
         "\"num_attention_heads\":16,\"num_hidden_layers\":24,\"hidden_act\":\"gelu\"},"
         "\"vision_config_dict\":{\"hidden_size\":1280,\"intermediate_size\":5120,"
         "\"num_attention_heads\":16,\"num_hidden_layers\":32,\"patch_size\":14,"
         "\"hidden_act\":\"gelu\"}}",
         986109441, 986.11, SNS_ACT_GELU},
        {"LAION ViT-g-14", SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"embed_dim\":1024,\"vision_cfg\":{\"image_size\":224,\"layers\":40,"
         "\"width\":1408,\"head_width\":88,\"mlp_ratio\":4.3637,\"patch_size\":14},\"text_cfg\":{"
         "\"context_length\":77,\"vocab_size\":49408,\"width\":1024,\"heads\":16,\"layers\":24}}}",
         1366678273, 1366.68, SNS_ACT_GELU},
        {"LAION ViT-bigG-14", SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"embed_dim\":1280,\"vision_cfg\":{\"image_size\":224,\"layers\":48,"
         "\"width\":1664,\"head_width\":104,\"mlp_ratio\":4.9231,\"patch_size\":14},\"text_cfg\":{"
         "\"context_length\":77,\"vocab_size\":49408,\"width\":1280,\"heads\":20,\"layers\":32}}}",
         2539567105, 2539.57, SNS_ACT_GELU},
        {"open_clip's OpenAI ViT-B-32", SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"embed_dim\":512,\"quick_gelu\":true,\"vision_cfg\":{\"layers\":12,"
         "\"width\":768,\"patch_size\":32},\"text_cfg\":{}}}",
         151277313, 151.28, SNS_ACT_QUICK_GELU},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        sns_clip_config c;
        sns_layout l;
        sns_error err;
        if (parse(models[i].kind, models[i].json, &c, &err) || sns_clip_layout(&c, &l, &err))
            fail_msg("%s: %s", models[i].name, err.message);
        if (l.total != models[i].parameters ||
            fabs((double)l.total / 1e6 - models[i].million) > 0.00501)
            fail_msg("%s: %zu parameters", models[i].name, l.total);
        assert_int_equal(c.vision.act, models[i].act);
        assert_int_equal(c.text.act, models[i].act);
        bool siglip = c.text_kind == SNS_TEXT_SIGLIP;
        assert_int_equal(c.start_id, siglip ? 1 : 49406);
        assert_int_equal(c.end_id, siglip ? 1 : 49407);
        sns_layout_free(&l);
    }
}

/* OpenAI's ResNets, as open_clip names them; the running averages are no parameters. */
static void published_resnets(void **state) {
    (void)state;
    static const struct {
        const char *name, *json;
        size_t parameters, heads;
    } models[] = {
        {"RN50",
         "{\"model_cfg\":{\"embed_dim\":1024,\"quick_gelu\":true,\"vision_cfg\":{\"image_size\":"
         "224,"
         "\"layers\":[3,4,6,3],\"width\":64,\"patch_size\":null},\"text_cfg\":{\"width\":512,"
         "\"heads\":8,\"layers\":12}}}",
         102007137, 32},
        {"RN101, without model_cfg",
         "{\"embed_dim\":512,\"vision_cfg\":{\"image_size\":224,\"layers\":[3,4,23,3],\"width\":64}"
         ","
         "\"text_cfg\":{\"width\":512,\"heads\":8,\"layers\":12}}",
         119688033, 32},
        {"RN50x4",
         "{\"model_cfg\":{\"embed_dim\":640,\"vision_cfg\":{\"image_size\":288,\"layers\":[4,6,10,"
         "6],"
         "\"width\":80},\"text_cfg\":{\"width\":640,\"heads\":10,\"layers\":12}}}",
         178300601, 40},
        {"RN50x16",
         "{\"model_cfg\":{\"embed_dim\":768,\"vision_cfg\":{\"image_size\":384,\"layers\":[6,8,18,"
         "8],"
         "\"width\":96},\"text_cfg\":{\"width\":768,\"heads\":12,\"layers\":12}}}",
         290979217, 48},
        {"RN50x64",
         "{\"model_cfg\":{\"embed_dim\":1024,\"vision_cfg\":{\"image_size\":448,\"layers\":[3,15,"
         "36,10]"
         ",\"width\":128},\"text_cfg\":{\"width\":1024,\"heads\":16,\"layers\":12}}}",
         623258305, 64},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        sns_clip_config c;
        sns_layout l;
        sns_error err;
        if (parse(SNS_CONFIG_OPEN_CLIP, models[i].json, &c, &err) || sns_clip_layout(&c, &l, &err))
            fail_msg("%s: %s", models[i].name, err.message);
        size_t n = 0;
        for (size_t d = 0; d < l.count; d++) n += l.desc[d].buffer ? 0 : l.desc[d].count;
        if (n != models[i].parameters) fail_msg("%s: %zu parameters", models[i].name, n);
        assert_int_equal(c.vision_kind, SNS_VISION_RESNET);
        assert_int_equal(c.vision.heads, models[i].heads);
        assert_true(sns_layout_find(&l, "vision_model.layer3.0.downsample.1.running_var")->buffer);
        sns_open_clip_form f = sns_open_clip_form_of(
            sns_layout_find(&l, "vision_model.layer4.2.conv2.weight"));
        assert_string_equal(f.name, "visual.layer4.2.conv2.weight");
        f = sns_open_clip_form_of(sns_layout_find(&l, "vision_model.attnpool.k_proj.bias"));
        assert_string_equal(f.name, "visual.attnpool.k_proj.bias");
        assert_int_equal(f.third, -1);
        sns_layout_free(&l);
    }
}

static void bad_configs(void **state) {
    (void)state;
    static const struct {
        sns_config_kind kind;
        const char *json;
        sns_status status;
        const char *message;
    } cases[] = {
        {SNS_CONFIG_HF, "{", SNS_FORMAT, "line 1"},
        {SNS_CONFIG_HF, "[]", SNS_FORMAT, "not a JSON object"},
        {SNS_CONFIG_HF, "{\"model_type\":\"siglip2\"}", SNS_UNSUPPORTED, "siglip2"},
        {SNS_CONFIG_HF, "{\"model_type\":\"siglip\",\"text_config\":{\"projection_size\":512}}",
         SNS_SHAPE, "512 wide"},
        {SNS_CONFIG_HF,
         "{\"model_type\":\"siglip\",\"vision_config\":{\"patch_size\":14,\"image_size\":384}}",
         SNS_SHAPE, "divide"},
        {SNS_CONFIG_HF, "{\"model_type\":\"siglip\",\"text_config\":{\"pad_token_id\":32000}}",
         SNS_SHAPE, "padding"},
        {SNS_CONFIG_HF, "{\"model_type\":\"siglip\",\"vision_config\":{\"vision_use_head\":false}}",
         SNS_UNSUPPORTED, "vision_use_head"},
        {SNS_CONFIG_HF, "{\"model_type\":3}", SNS_FORMAT, "model_type: not a string"},
        {SNS_CONFIG_HF, "{\"text_config\":3}", SNS_FORMAT, "text_config: not an object"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"hidden_act\":\"gelu_new\"}}", SNS_UNSUPPORTED,
         "text_config.hidden_act: \"gelu_new\""},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"hidden_size\":-1}}", SNS_FORMAT,
         "vision_config.hidden_size: not a size"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"hidden_size\":\"768\"}}", SNS_FORMAT,
         "vision_config.hidden_size: not a size"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"hidden_size\":1000000000}}", SNS_LIMIT, "c.json"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"num_hidden_layers\":1000000}}", SNS_LIMIT, "layers"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"patch_size\":0}}", SNS_LIMIT, "patches"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"patch_size\":33}}", SNS_SHAPE, "divide"},
        {SNS_CONFIG_HF, "{\"vision_config\":{\"num_channels\":4}}", SNS_UNSUPPORTED,
         "num_channels"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"num_attention_heads\":7}}", SNS_SHAPE, "heads"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"num_attention_heads\":0}}", SNS_LIMIT, "heads"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"vocab_size\":0}}", SNS_LIMIT, "vocabulary"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"eos_token_id\":49408}}", SNS_LIMIT, "49408"},
        {SNS_CONFIG_HF, "{\"text_config\":{\"layer_norm_eps\":0}}", SNS_LIMIT, "eps"},
        {SNS_CONFIG_HF, "{\"logit_scale_init_value\":1e999}", SNS_FORMAT, "line 1"},
        {SNS_CONFIG_HF, "{\"logit_scale_init_value\":1e200}", SNS_FORMAT, "not a number"},
        {SNS_CONFIG_OPEN_CLIP, "{}", SNS_FORMAT, "model_cfg: missing"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,6]}}}",
         SNS_UNSUPPORTED, "3 stages"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,0,3]}}}", SNS_LIMIT,
         "stage 2"},
        {SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,6,3],\"head_width\":0}}}", SNS_SHAPE,
         "heads"},
        {SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,6,3],\"width\":1000000}}}", SNS_LIMIT,
         "width of 1000000"},
        {SNS_CONFIG_OPEN_CLIP,
         "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,6,3],\"image_size\":225}}}", SNS_SHAPE,
         "225 px"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"text_cfg\":{\"tower\":\"lstm\"}}}",
         SNS_UNSUPPORTED, "text_cfg.tower: \"lstm\""},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"vision_cfg\":{\"head_width\":0}}}", SNS_SHAPE,
         "head_width"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"vision_cfg\":{\"mlp_ratio\":-1}}}", SNS_LIMIT,
         "mlp_ratio"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"text_cfg\":{\"hf_model_name\":\"x\"}}}",
         SNS_UNSUPPORTED, "text_cfg.hf_model_name"},
        {SNS_CONFIG_OPEN_CLIP, "{\"model_cfg\":{\"vision_cfg\":{\"attentional_pool\":true}}}",
         SNS_UNSUPPORTED, "vision_cfg.attentional_pool"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sns_clip_config c;
        sns_error err;
        sns_status s = parse(cases[i].kind, cases[i].json, &c, &err);
        if (s != cases[i].status || !strstr(err.message, cases[i].message) ||
            !strstr(err.message, "c.json"))
            fail_msg("case %zu: %s: \"%s\"", i, sns_status_text(s), err.message);
    }
}

static const sns_clip_config tiny = {
    .vision = {16, 2, 2, 32, SNS_ACT_GELU, 1e-5f},
    .text = {8, 1, 2, 24, SNS_ACT_QUICK_GELU, 1e-6f},
    .image_px = 8,
    .patch_px = 4,
    .vocab = 20,
    .context = 6,
    .start_id = 18,
    .end_id = 19,
    .embed = 12,
    .logit_scale_init = 2.5f,
};

static void which_config(void **state) {
    (void)state;
    sns_clip_config c;
    sns_error err;
    empty_dir();
    assert_int_equal(sns_clip_config_read(dir, &c, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, dir));
    put("open_clip_config.json", "{\"model_cfg\":{\"embed_dim\":64}}");
    assert_int_equal(sns_clip_config_read(dir, &c, &err), SNS_OK);
    assert_int_equal(c.embed, 64);
    put("config.json", "{\"architecture\":\"vit_base\"}"); /* timm's */
    assert_int_equal(sns_clip_config_read(dir, &c, &err), SNS_OK);
    assert_int_equal(c.embed, 64);
    put("config.json", "{\"model_type\":\"clip\",\"projection_dim\":32}");
    assert_int_equal(sns_clip_config_read(dir, &c, &err), SNS_OK);
    assert_int_equal(c.embed, 32);
}

static float *random_weights(const sns_layout *l) {
    float *data = malloc(l->total * sizeof *data);
    sns_clip_init(l, &tiny, data, 5);
    return data;
}

static void folder_round_trip(void **state) {
    (void)state;
    static const struct {
        const char *name;
        float tolerance;
    } dtypes[] = {{"F32", 0}, {"F16", 1e-3f}, {"BF16", 1e-2f}};
    sns_layout l;
    sns_error err = {0};
    assert_int_equal(sns_clip_layout(&tiny, &l, &err), SNS_OK);
    float *data = random_weights(&l), *back = malloc(l.total * sizeof *back);
    for (int i = 0; i < 3; i++) {
        empty_dir();
        assert_int_equal(sns_clip_save(dir, &tiny, &l, data, dtypes[i].name, &err), SNS_OK);
        sns_clip_config c;
        assert_int_equal(sns_clip_config_read(dir, &c, &err), SNS_OK);
        assert_int_equal(c.vision.width, 16);
        assert_int_equal(c.vision.layers, 2);
        assert_int_equal(c.vision.mlp, 32);
        assert_int_equal(c.vision.act, SNS_ACT_GELU);
        assert_int_equal(c.text.heads, 2);
        assert_int_equal(c.text.act, SNS_ACT_QUICK_GELU);
        assert_true(c.text.eps == tiny.text.eps && c.logit_scale_init == 2.5f);
        assert_int_equal(c.image_px, 8);
        assert_int_equal(c.patch_px, 4);
        assert_int_equal(c.vocab, 20);
        assert_int_equal(c.context, 6);
        assert_int_equal(c.start_id, 18);
        assert_int_equal(c.end_id, 19);
        assert_int_equal(c.embed, 12);
        assert_int_equal(sns_clip_read_flat(dir, &c, &l, back, &err), SNS_OK);
        for (size_t j = 0; j < l.total; j++)
            assert_true(fabsf(back[j] - data[j]) <=
                        dtypes[i].tolerance * fabsf(data[j]) + 1e-7f * (i > 0));
    }
    assert_int_equal(sns_clip_save(dir, &tiny, &l, data, "F64", &err), SNS_ARG);
    sns_clip_config legacy = tiny;
    legacy.end_id = 2;
    assert_int_equal(sns_clip_save(dir, &legacy, &l, data, "F32", &err), SNS_UNSUPPORTED);
    free(data);
    free(back);
    sns_layout_free(&l);
}

/* Our own field, in Hugging Face's layout and, for a CBOW tower, in open_clip's. */
static void absolute_values_are_remembered(void **state) {
    (void)state;
    sns_error err = {0};
    for (int i = 0; i < 4; i++) {
        sns_clip_config c = tiny, back;
        c.absolute = i % 2;
        if (i > 1) c.text_kind = SNS_TEXT_CBOW;
        if (i > 1) c.text = (sns_tower_config){.width = 16};
        empty_dir();
        assert_int_equal(sns_clip_config_write(dir, &c, "F32", &err), SNS_OK);
        assert_int_equal(sns_clip_config_read(dir, &back, &err), SNS_OK);
        assert_int_equal(back.absolute, i % 2);
        assert_int_equal(back.text_kind, c.text_kind);
        assert_int_equal(back.end_id, c.end_id);
    }
    static const char bad[] = "{\"sensus\": {\"absolute\": 1}}";
    sns_clip_config c;
    assert_int_equal(sns_clip_config_parse(SNS_CONFIG_HF, bad, sizeof bad - 1, "x.json", &c, &err),
                     SNS_FORMAT);
    assert_non_null(strstr(err.message, "sensus.absolute"));
}

/* Write tiny's tensors with entry `skip` left out, entry `bad` changed, `extra` added. */
static sns_status load_changed(const char *skip, const char *bad, sns_dtype bad_dtype, bool wide,
                               const char *extra, const char *nan, sns_error *err) {
    sns_layout l;
    assert_int_equal(sns_clip_layout(&tiny, &l, err), SNS_OK);
    float *data = random_weights(&l);
    sns_to_store *t = calloc(l.count + 1, sizeof *t);
    size_t n = 0;
    for (size_t i = 0; i < l.count; i++) {
        const sns_param_desc *d = &l.desc[i];
        if (skip && !strcmp(d->name, skip)) continue;
        t[n] = (sns_to_store){d->name, SNS_DTYPE_F32, d->dims, {0}, data + d->offset};
        memcpy(t[n].dim, d->dim, sizeof d->dim);
        if (bad && !strcmp(d->name, bad)) {
            t[n].dtype = bad_dtype;
            if (wide) t[n].dim[0]--;
        }
        if (nan && !strcmp(d->name, nan)) data[d->offset + d->count - 1] = NAN;
        n++;
    }
    if (extra) t[n++] = (sns_to_store){extra, SNS_DTYPE_F32, 0, {0}, data};
    empty_dir();
    char *path = sns_path_join(dir, "model.safetensors");
    assert_int_equal(sns_safetensors_write(path, t, n, NULL, sns_kernels_get(), err), SNS_OK);
    free(path);
    float *back = malloc(l.total * sizeof *back);
    sns_status s = sns_clip_read_flat(dir, &tiny, &l, back, err);
    free(back);
    free(t);
    free(data);
    sns_layout_free(&l);
    return s;
}

static void bad_folders(void **state) {
    (void)state;
    const char *fc1 = "vision_model.encoder.layers.1.mlp.fc1.weight";
    sns_error err = {0};
    assert_int_equal(load_changed(NULL, NULL, 0, false, NULL, NULL, &err), SNS_OK);
    assert_int_equal(load_changed(fc1, NULL, 0, false, NULL, NULL, &err), SNS_MISSING);
    assert_non_null(strstr(err.message, fc1));
    assert_non_null(strstr(err.message, dir));
    assert_int_equal(load_changed(NULL, fc1, SNS_DTYPE_F32, true, NULL, NULL, &err), SNS_SHAPE);
    assert_non_null(strstr(err.message, fc1));
    assert_non_null(strstr(err.message, "is [31, 16], the configuration says [32, 16]"));
    assert_int_equal(load_changed(NULL, fc1, SNS_DTYPE_I32, false, NULL, NULL, &err),
                     SNS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "is I32"));
    assert_int_equal(load_changed(NULL, NULL, 0, false, NULL, fc1, &err), SNS_FORMAT);
    assert_non_null(strstr(err.message, fc1));
    assert_non_null(strstr(err.message, "element 511 is not a number"));
    assert_int_equal(load_changed(NULL, NULL, 0, false,
                                  "vision_model.encoder.layers.2.layer_norm1.weight", NULL, &err),
                     SNS_SHAPE);
    assert_non_null(strstr(err.message, "layers.2"));
    assert_int_equal(
        load_changed(NULL, NULL, 0, false, "text_model.embeddings.position_ids", NULL, &err),
        SNS_OK);
    assert_int_equal(load_changed(NULL, NULL, 0, false, "a_head_of_another_task", NULL, &err),
                     SNS_OK);
    empty_dir();
    sns_layout l;
    float x;
    assert_int_equal(sns_clip_layout(&tiny, &l, &err), SNS_OK);
    assert_int_equal(sns_clip_read_flat(dir, &tiny, &l, &x, &err), SNS_MISSING);
    sns_layout_free(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_geometries), cmocka_unit_test(published_resnets),
        cmocka_unit_test(bad_configs),          cmocka_unit_test(which_config),
        cmocka_unit_test(folder_round_trip),    cmocka_unit_test(absolute_values_are_remembered),
        cmocka_unit_test(bad_folders)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
