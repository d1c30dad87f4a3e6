/* train.c - sensus train */
#include "command.h"
#include "progress.h"
#include <sensus/train.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct values {
    cli_list data;
    const char *out, *tokenizer, *config, *init, *val, *dtype, *lang_weight, *loss, *teacher;
    const char *vision, *text, *resnet_layers, *sound, *spectrogram, *cnn_layers, *sound_init;
    int64_t resnet_width, image_px, patch_px, vision_width, vision_layers, vision_heads, text_width,
        text_layers, text_heads, embed, context, mels, cnn_width;
    int64_t batch, micro_batch, steps, epochs, warmup, seed, threads, loader_threads, cache_mb,
        cache_px, save_every, log_every, val_every, shuffle;
    double lr, min_lr, weight_decay, clip_norm, ema, crop_scale, crop_aspect, grayscale, jitter,
        layer_decay, margin, text_pull, distill_affinity, distill_features, save_minutes,
        patch_drop, patch_drop_until, checkpoint_activations;
    double window_seconds, sound_speed, sound_gain_db, sound_noise, sound_filter_db, sound_phone,
        sound_mask;
    bool lock_image, lock_text, no_flip, squash, resume, bf16;
} values;

/* Set by a signal; the training loop looks at it after each step. */
static volatile int stop_wanted;

static void on_signal(int signal_number) {
    (void)signal_number;
    if (stop_wanted) _exit(130); /* asked twice: at once */
    stop_wanted = 1;
}

typedef struct screen {
    cli_progress bar;
    double last_line_s;
    bool loading;
    size_t warnings;
} screen;

static void warn(void *user, const char *message) {
    screen *s = user;
    cli_progress_clear(&s->bar);
    if (s->warnings++ < 20) cli_note("%s", message);
    if (s->warnings == 21) cli_note("more samples were left out; their number is at the end");
}

/* Without a terminal: a line now and then. */
static void plain_line(screen *s, const sns_train_progress *p) {
    double now = cli_now_s();
    if (s->bar.shown || (p->done != p->total && p->done != 1 && now - s->last_line_s < 60)) return;
    s->last_line_s = now;
    fprintf(stderr,
            "step %zu/%zu  epoch %zu  loss %.4f  accuracy %.1f%%  %.1f samples/s  %.0f s left\n",
            p->done, p->total, p->epoch, p->loss_average, 100 * p->accuracy, p->samples_per_second,
            p->seconds_left);
}

static int show(void *user, const sns_train_progress *p) {
    screen *s = user;
    char note[128];
    if (p->phase == SNS_TRAIN_LOADING) {
        if (!s->loading) cli_progress_start(&s->bar, "reading pictures", "", 0);
        s->loading = true;
        cli_progress_update(&s->bar, p->done, p->total, "");
        return 0;
    }
    if (s->loading) {
        cli_progress_clear(&s->bar);
        cli_progress_start(&s->bar, "training", " steps", p->done ? p->done - 1 : 0);
        s->loading = false;
    }
    if (p->phase == SNS_TRAIN_SAVED) return 0;
    int n = snprintf(note, sizeof note, "loss %.3f  %.0f samples/s", p->loss_average,
                     p->samples_per_second);
    if (p->recall10 >= 0 && n > 0)
        snprintf(note + n, sizeof note - (size_t)n, "  R@10 %.1f%%", 100 * p->recall10);
    cli_progress_update(&s->bar, p->done, p->total, note);
    plain_line(s, p);
    return 0;
}

static sns_loss named_loss(const char *name) {
    static const char *const names[] = {[SNS_LOSS_SOFTMAX] = "softmax",
                                        [SNS_LOSS_SIGMOID] = "sigmoid",
                                        [SNS_LOSS_HINGE] = "hinge",
                                        [SNS_LOSS_HINGE_HARDEST] = "hinge-hardest",
                                        [SNS_LOSS_ORDER] = "order"};
    int i = SNS_LOSS_ORDER;
    while (i && strcmp(names[i], name) != 0) i--;
    return (sns_loss)i;
}

static void fill_sound_options(const values *v, sns_train_options *o) {
    if (v->sound) o->sound_tower = !strcmp(v->sound, "cnn") ? SNS_SOUND_CNN : SNS_SOUND_VIT;
    if (!strcmp(v->spectrogram, "kaldi")) o->spectrogram = SNS_SPECTROGRAM_KALDI;
    o->mels = (size_t)v->mels, o->window_seconds = v->window_seconds;
    o->sound_init_dir = v->sound_init;
    o->cnn_width = (size_t)v->cnn_width, o->cnn_layers = v->cnn_layers;
    o->sound_speed = v->sound_speed, o->sound_gain_db = v->sound_gain_db;
    o->sound_noise = v->sound_noise, o->sound_mask = v->sound_mask;
    o->sound_filter_db = v->sound_filter_db, o->sound_phone = v->sound_phone;
}

static void fill_options(const values *v, screen *s, sns_train_options *o) {
    sns_train_defaults(o);
    fill_sound_options(v, o);
    o->data = v->data.items, o->data_count = v->data.count;
    o->out_dir = v->out, o->tokenizer_dir = v->tokenizer, o->config_dir = v->config;
    o->init_dir = v->init, o->val = v->val, o->lang_weight = v->lang_weight;
    o->dtype = !strcmp(v->dtype, "f32") ? "F32" : "F16";
    o->image_tower = !strcmp(v->vision, "resnet") ? SNS_IMAGE_RESNET : SNS_IMAGE_VIT;
    o->text_tower = !strcmp(v->text, "cbow") ? SNS_TEXT_TOWER_CBOW : SNS_TEXT_TOWER_TRANSFORMER;
    o->resnet_width = (size_t)v->resnet_width, o->resnet_layers = v->resnet_layers;
    o->image_px = (size_t)v->image_px, o->patch_px = (size_t)v->patch_px;
    o->vision = (sns_tower_size){(size_t)v->vision_width, (size_t)v->vision_layers,
                                 (size_t)v->vision_heads};
    o->text = (sns_tower_size){(size_t)v->text_width, (size_t)v->text_layers,
                               (size_t)v->text_heads};
    o->loss = named_loss(v->loss), o->margin = v->margin;
    o->embed = (size_t)v->embed, o->context = (size_t)v->context;
    o->micro_batch = (size_t)v->micro_batch;
    o->checkpoint_activations = v->checkpoint_activations;
    o->batch = (size_t)v->batch, o->steps = (size_t)v->steps, o->epochs = (size_t)v->epochs;
    o->warmup = (size_t)v->warmup, o->seed = (uint64_t)v->seed;
    o->threads = (size_t)v->threads, o->loader_threads = (size_t)v->loader_threads;
    o->cache_mb = (size_t)v->cache_mb, o->cache_px = (size_t)v->cache_px;
    o->save_every = (size_t)v->save_every, o->save_minutes = v->save_minutes;
    o->log_every = (size_t)v->log_every, o->val_every = (size_t)v->val_every;
    o->shuffle = (size_t)v->shuffle;
    o->lr = v->lr, o->min_lr = v->min_lr, o->weight_decay = v->weight_decay;
    o->teacher_dir = v->teacher, o->distill_affinity = v->distill_affinity;
    o->distill_features = v->distill_features, o->text_pull = v->text_pull;
    o->layer_decay = v->layer_decay, o->lock_image = v->lock_image, o->lock_text = v->lock_text;
    o->clip_norm = v->clip_norm, o->ema = v->ema;
    o->patch_drop = v->patch_drop, o->patch_drop_until = v->patch_drop_until;
    o->crop_scale = v->crop_scale, o->crop_aspect = v->crop_aspect;
    o->grayscale = v->grayscale, o->jitter = v->jitter;
    o->no_flip = v->no_flip, o->squash = v->squash, o->resume = v->resume, o->bf16 = v->bf16;
    o->isolation = cli_isolation();
    o->progress = show, o->warn = warn, o->user = s, o->cancel = &stop_wanted;
}

static void print_result(const values *v, const sns_train_result *r) {
    printf("data: %zu samples, %zu captions in %zu languages, %zu concepts, %zu left out\n",
           r->samples, r->captions, r->languages, r->concepts, r->skipped);
    double steps = (double)(r->steps - r->first_step);
    double inside = r->wait_seconds + r->forward_seconds + r->backward_seconds + r->update_seconds;
    if (steps > 0 && inside > 0)
        printf("time: %.1f samples/s; forward %.0f%%, backward %.0f%%, update %.0f%%, waiting for "
               "data %.0f%%\n",
               steps * (double)v->batch / inside, 100 * r->forward_seconds / inside,
               100 * r->backward_seconds / inside, 100 * r->update_seconds / inside,
               100 * r->wait_seconds / inside);
    printf("step %zu: loss %.4f", r->steps, r->loss);
    if (r->recall10 >= 0) printf(", held-out recall@10 %.1f%%", 100 * r->recall10);
    printf("\n%s/model is ready to use\n", v->out);
}

static int run(const cli_call *call) {
    const values *v = call->values;
    screen s = {0};
    sns_train_options o;
    sns_train_result result;
    sns_error err;
    if (!v->data.count) return cli_usage(call, "say what to learn from: --data FILE");
    if (!v->out) return cli_usage(call, "say where to write the run: --out DIR");
    if (!v->tokenizer && !v->init)
        return cli_usage(call, "say which vocabulary to use: --tokenizer DIR");
    fill_options(v, &s, &o);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    cli_progress_start(&s.bar, "training", " steps", 0);
    sns_status status = sns_train(&o, &result, &err);
    cli_progress_clear(&s.bar);
    if (status == SNS_CANCELLED && result.steps) cli_note("the same command with --resume goes on");
    if (result.process) return status ? CLI_FAILED : CLI_DONE; /* the first one speaks for all */
    if (status) return cli_fail(&err);
    print_result(v, &result);
    return result.skipped ? CLI_FAILED : CLI_DONE;
}

#define AT(field) offsetof(values, field)
static const cli_option options[] = {
    {'d', "data", CLI_LIST, "FILE", NULL,
     "tar shards (x.jpg + x.json or x.txt), .csv or .jsonl manifests; patterns and {0000..0127} "
     "are expanded; \"pipe:COMMAND\" is a shard that a command prints; may be given again",
     AT(data), 0, 0, NULL},
    {0, "shuffle", CLI_INT, "N", "0",
     "stream the shards, shuffled in a window of N samples, instead of keeping their pictures in "
     "memory; needs --steps",
     AT(shuffle), 0, 1e9, NULL},
    {'o', "out", CLI_STRING, "DIR", NULL, "the run's folder: checkpoints, log, curve, model",
     AT(out), 0, 0, NULL},
    {0, "tokenizer", CLI_STRING, "DIR", NULL, "the folder with the vocabulary", AT(tokenizer), 0, 0,
     NULL},
    {0, "val", CLI_STRING, "FILE", NULL, "held-out data to measure retrieval on", AT(val), 0, 0,
     NULL},
    {0, "val-every", CLI_INT, "N", "500", "steps between measurements", AT(val_every), 0, 1e9,
     NULL},
    {0, "init", CLI_STRING, "DIR", NULL, "start from the weights of this model", AT(init), 0, 0,
     NULL},
    {0, "teacher", CLI_STRING, "DIR", NULL,
     "learn from this model's vectors of every batch too; it may have any geometry and vocabulary",
     AT(teacher), 0, 0, NULL},
    {0, "distill-affinity", CLI_FLOAT, "X", "1",
     "weight of the divergence between the teacher's similarities and the student's",
     AT(distill_affinity), 0, 1e6, NULL},
    {0, "distill-features", CLI_FLOAT, "X", "1",
     "weight of the distance between the teacher's vectors and the student's", AT(distill_features),
     0, 1e6, NULL},
    {0, "lock-image", CLI_FLAG, NULL, NULL,
     "the image tower of --init stays as it is and only texts learn (LiT): less time and memory",
     AT(lock_image), 0, 0, NULL},
    {0, "lock-text", CLI_FLAG, NULL, NULL,
     "the text tower of --init stays as it is and the other comes to its space", AT(lock_text), 0,
     0, NULL},
    {0, "text-pull", CLI_FLOAT, "X", "0",
     "with --lock-text: weight of the distance between a vector and its text's, which brings it to "
     "where what else is near that text is",
     AT(text_pull), 0, 1e6, NULL},
    {0, "layer-decay", CLI_FLOAT, "X", "1",
     "each block's learning rate is X times that of the block above it", AT(layer_decay), 0.01, 1,
     NULL},
    {0, "config", CLI_STRING, "DIR", NULL,
     "take the sizes from this folder's config.json instead of from the options below", AT(config),
     0, 0, NULL},
    {0, "vision", CLI_STRING, "KIND", "vit",
     "image tower: a Vision Transformer, or a ResNet with attention pooling (pictures of a "
     "multiple "
     "of 32 px)",
     AT(vision), 0, 0, "vit|resnet"},
    {0, "text", CLI_STRING, "KIND", "transformer",
     "text tower: a Transformer, or the mean of token embeddings", AT(text), 0, 0,
     "transformer|cbow"},
    {0, "sound", CLI_STRING, "KIND", NULL,
     "learn a model that hears: a Vision Transformer over log-mel spectrograms (--vision-width and "
     "so on, --patch-px) or a residual CNN with the mean over time; with --init and a model that "
     "sees, "
     "only its text tower is taken",
     AT(sound), 0, 0, "vit|cnn"},
    {0, "spectrogram", CLI_STRING, "KIND", "whisper", "Whisper's or Kaldi's (AST) conventions",
     AT(spectrogram), 0, 0, "whisper|kaldi"},
    {0, "mels", CLI_INT, "N", "64", "bands of a spectrogram", AT(mels), 2, 512, NULL},
    {0, "window", CLI_FLOAT, "SECONDS", "1.92", "what the audio tower hears at once",
     AT(window_seconds), 0.1, 60, NULL},
    {0, "cnn-width", CLI_INT, "N", "24", "channels of the CNN's first stage", AT(cnn_width), 1,
     1024, NULL},
    {0, "cnn-layers", CLI_STRING, "LIST", "1,1,1,1",
     "residual blocks of the CNN's one to four stages", AT(cnn_layers), 0, 0, NULL},
    {0, "resnet-width", CLI_INT, "N", "64", "channels after the ResNet's stem", AT(resnet_width), 2,
     2048, NULL},
    {0, "resnet-layers", CLI_STRING, "LIST", "3,4,6,3", "bottlenecks of the ResNet's four stages",
     AT(resnet_layers), 0, 0, NULL},
    {0, "image-px", CLI_INT, "N", "64", "side of the pictures", AT(image_px), 8, 1024, NULL},
    {0, "patch-px", CLI_INT, "N", "8", "side of a patch", AT(patch_px), 1, 256, NULL},
    {0, "vision-width", CLI_INT, "N", "192", "width of the image tower", AT(vision_width), 8, 8192,
     NULL},
    {0, "vision-layers", CLI_INT, "N", "6", "blocks of the image tower", AT(vision_layers), 1, 128,
     NULL},
    {0, "vision-heads", CLI_INT, "N", "3", "attention heads of the image tower", AT(vision_heads),
     1, 256, NULL},
    {0, "text-width", CLI_INT, "N", "192", "width of the text tower", AT(text_width), 8, 8192,
     NULL},
    {0, "text-layers", CLI_INT, "N", "4", "blocks of the text tower", AT(text_layers), 1, 128,
     NULL},
    {0, "text-heads", CLI_INT, "N", "3", "attention heads of the text tower", AT(text_heads), 1,
     256, NULL},
    {0, "embed", CLI_INT, "N", "256", "width of the common space", AT(embed), 8, 8192, NULL},
    {0, "context", CLI_INT, "N", "32", "longest text in tokens", AT(context), 3, 4096, NULL},
    {0, "loss", CLI_STRING, "NAME", "softmax",
     "softmax: each picture picks its text and each text its picture (CLIP); sigmoid: every pair "
     "is "
     "asked by itself whether it is a true one (SigLIP); hinge: the true pair beats every false "
     "one "
     "by --margin; hinge-hardest: the best false one (VSE++), for a model to --init from: random "
     "weights may collapse; order: hinge by how far a picture "
     "falls short of its text in any coordinate, of vectors without negative numbers (order "
     "embeddings)",
     AT(loss), 0, 0, "softmax|sigmoid|hinge|hinge-hardest|order"},
    {0, "margin", CLI_FLOAT, "X", "0.2",
     "by how much, in the hinge and order losses; the paper on order embeddings takes 0.05",
     AT(margin), 0.0001, 2, NULL},
    {0, "batch", CLI_INT, "N", "256", "pairs in a step", AT(batch), 2, 65536, NULL},
    {0, "micro-batch", CLI_INT, "N", "0",
     "pairs in memory at a time: a large --batch in little memory, for a third more work; 0: all",
     AT(micro_batch), 0, 65536, NULL},
    {0, "checkpoint-activations", CLI_FLOAT, "SHARE", "0",
     "share of the blocks that keep their input only and compute the rest again: less memory, the "
     "same result, up to a third more work",
     AT(checkpoint_activations), 0, 1, NULL},
    {0, "steps", CLI_INT, "N", "0", "steps in all; 0: as --epochs says", AT(steps), 0, 1e9, NULL},
    {0, "epochs", CLI_INT, "N", "10", "passes over the data", AT(epochs), 1, 1e6, NULL},
    {0, "lr", CLI_FLOAT, "X", "0.001", "highest learning rate", AT(lr), 1e-9, 10, NULL},
    {0, "min-lr", CLI_FLOAT, "X", "0", "learning rate at the end", AT(min_lr), 0, 10, NULL},
    {0, "weight-decay", CLI_FLOAT, "X", "0.1", "decoupled weight decay of matrices",
     AT(weight_decay), 0, 10, NULL},
    {0, "warmup", CLI_INT, "N", "500", "steps of linear warm-up", AT(warmup), 0, 1e9, NULL},
    {0, "clip-norm", CLI_FLOAT, "X", "1", "longest gradient; 0: not clipped", AT(clip_norm), 0, 1e9,
     NULL},
    {0, "ema", CLI_FLOAT, "X", "0", "decay of averaged weights, which then ship; 0: none", AT(ema),
     0, 0.999999, NULL},
    {0, "bf16", CLI_FLAG, NULL, NULL,
     "multiply in bfloat16, sum in f32: up to twice as fast where the processor can", AT(bf16), 0,
     0, NULL},
    {0, "patch-drop", CLI_FLOAT, "X", "0",
     "share of the patches that a step leaves out: 0.5 nearly halves its time", AT(patch_drop), 0,
     0.9, NULL},
    {0, "patch-drop-until", CLI_FLOAT, "X", "0.9",
     "share of the steps after which all patches are seen again", AT(patch_drop_until), 0, 1, NULL},
    {0, "crop-scale", CLI_FLOAT, "X", "0.6", "least area of a random crop; 1: no cropping",
     AT(crop_scale), 0.01, 1, NULL},
    {0, "crop-aspect", CLI_FLOAT, "X", "1.3333", "the crop's sides are at most X to one",
     AT(crop_aspect), 1, 4, NULL},
    {0, "grayscale", CLI_FLOAT, "X", "0", "share of the pictures that lose their colour",
     AT(grayscale), 0, 1, NULL},
    {0, "jitter", CLI_FLOAT, "X", "0.1", "change of brightness, contrast and saturation",
     AT(jitter), 0, 0.9, NULL},
    {0, "sound-init", CLI_STRING, "DIR", NULL,
     "where --init sees: start from the audio tower of this model, of the same sizes",
     AT(sound_init), 0, 0, NULL},
    {0, "sound-speed", CLI_FLOAT, "X", "0.1", "sounds are played at 1 +- X times their speed",
     AT(sound_speed), 0, 0.5, NULL},
    {0, "sound-gain", CLI_FLOAT, "DB", "6", "and louder or softer by up to so much",
     AT(sound_gain_db), 0, 60, NULL},
    {0, "sound-noise", CLI_FLOAT, "X", "0.3", "share of the sounds that get white noise",
     AT(sound_noise), 0, 1, NULL},
    {0, "sound-filter", CLI_FLOAT, "DB", "6",
     "their bands louder or softer by up to so much, as by another microphone", AT(sound_filter_db),
     0, 60, NULL},
    {0, "sound-phone", CLI_FLOAT, "X", "0.2",
     "share of them that lose what is above 3 to 8 kHz, as by a telephone", AT(sound_phone), 0, 1,
     NULL},
    {0, "sound-mask", CLI_FLOAT, "X", "0.15",
     "largest share of a spectrogram's frames, and of its bands, that is hidden", AT(sound_mask), 0,
     0.9, NULL},
    {0, "squash", CLI_FLAG, NULL, NULL,
     "squeeze whole pictures into the square, in training and later, instead of taking their "
     "centre",
     AT(squash), 0, 0, NULL},
    {0, "no-flip", CLI_FLAG, NULL, NULL, "never mirror a picture", AT(no_flip), 0, 0, NULL},
    {0, "lang-weight", CLI_STRING, "LIST", "en=0.4",
     "how often a language is drawn where a sample has it; the others share the rest",
     AT(lang_weight), 0, 0, NULL},
    {0, "seed", CLI_INT, "N", "1", "all that is random follows from it", AT(seed), 0, 1e15, NULL},
    {0, "threads", CLI_INT, "N", "0", "processors to use; 0: all", AT(threads), 0, 256, NULL},
    {0, "loader-threads", CLI_INT, "N", "1", "threads that prepare batches", AT(loader_threads), 1,
     64, NULL},
    {0, "cache-mb", CLI_INT, "N", "4096", "memory for decoded pictures", AT(cache_mb), 0, 1e7,
     NULL},
    {0, "cache-px", CLI_INT, "N", "0", "their side; 0: 1.25 times --image-px", AT(cache_px), 0,
     4096, NULL},
    {0, "save-every", CLI_INT, "N", "0", "steps between checkpoints; 0: by time", AT(save_every), 0,
     1e9, NULL},
    {0, "save-minutes", CLI_FLOAT, "X", "10", "minutes between checkpoints; 0: by steps",
     AT(save_minutes), 0, 1e6, NULL},
    {0, "log-every", CLI_INT, "N", "10", "steps between lines of log.jsonl", AT(log_every), 0, 1e9,
     NULL},
    {0, "dtype", CLI_STRING, "TYPE", "f16", "numbers of the written model", AT(dtype), 0, 0,
     "f16|f32"},
    {0, "resume", CLI_FLAG, NULL, NULL, "go on from the run's newest checkpoint", AT(resume), 0, 0,
     NULL},
};

const cli_command cli_train = {
    .arguments = "",
    .description =
        "Train a CLIP model from pairs of pictures and texts by contrastive pre-training (Radford "
        "et al. 2021).\n\n"
        "A sample of a tar shard is a picture and a .json: {\"captions\": {\"en\": [\"a dog\"], "
        "\"de\": [\"ein Hund\"]}, \"concept\": \"dog\", \"flip\": true}, or a .txt with one "
        "caption "
        "a line. A CSV has the columns image and caption; a line of a .jsonl is such a JSON object "
        "with \"image\". For a model that hears (--sound) the same with .wav, .ogg, .flac, .mp3 "
        "and \"audio\". Two samples of one concept never meet in a batch; a picture is not "
        "mirrored when its captions say left or right.\n\n"
        "The run's folder holds model/ in Hugging Face's layout (open_clip's for a ResNet or CBOW "
        "tower), the two newest checkpoints, "
        "log.jsonl and curve.svg. Ctrl-C finishes the step and saves; --resume goes on, and the "
        "result is the same to the last bit. Under mpirun, n processes each compute a part of "
        "every "
        "batch; the loss is that of the whole batch (sensus --version says whether MPI is built "
        "in). A ResNet's batch norm takes its statistics from what one process computes at a time, "
        "so there the losses depend on the number of processes, as on --micro-batch. A sample that "
        "can't be read is named on stderr and "
        "left out; the exit status is then 1.",
    .examples =
        "sensus train --data 'shards/*.tar' --tokenizer models/mine --out run --steps 20000\n"
        "sensus train --data captions.csv --tokenizer models/mine --out run --resume\n"
        "sensus train --data captions.csv --tokenizer models/mine --out run2 --vision resnet "
        "--text cbow --image-px 96\n"
        "sensus train --data words.jsonl --init models/sensus-small --lock-text --sound cnn --out "
        "run3\n"
        "mpirun -n 4 sensus train --data 'shards/*.tar' --tokenizer models/mine --out run",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 0,
    .max_arguments = 0,
    .decodes = true,
    .run = run,
};
