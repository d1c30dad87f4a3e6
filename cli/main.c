/* main.c - the command table and what happens before a command runs. */
#include "command.h"
#include <sensus/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const cli_command cli_classifier_build, cli_classifier_info, cli_classify, cli_clip,
    cli_data_build, cli_data_corrupt, cli_data_duplicates, cli_data_overlap, cli_data_show,
    cli_data_stats, cli_embed, cli_entails, cli_eval_arithmetic, cli_eval_compare,
    cli_eval_few_shot, cli_eval_knn, cli_eval_moments, cli_eval_probe, cli_eval_relevance,
    cli_eval_retrieval, cli_eval_robustness, cli_eval_spoken, cli_eval_suite, cli_eval_zero_shot,
    cli_index, cli_model_average, cli_model_info, cli_model_quantize, cli_moments, cli_search,
    cli_summary, cli_tokenizer_train, cli_train;

/* Every command has one line here, in the order of help; those of a group stand together. */
static const cli_entry table[] = {
    {"index", "make pictures findable", &cli_index},
    {"search", "find pictures by words and pictures", &cli_search},
    {"classify", "say which of some labels fits a picture", &cli_classify},
    {"classifier build", "encode labels once, for classify", &cli_classifier_build},
    {"classifier info", "say what a classifier's file holds", &cli_classifier_info},
    {"moments", "find when a film shows something", &cli_moments},
    {"entails", "say how probable it is that a film shows something", &cli_entails},
    {"summary", "make a short film of a long one", &cli_summary},
    {"clip", "cut a part out of a film", &cli_clip},
    {"embed", "turn pictures or texts into vectors", &cli_embed},
    {"data build", "write training data as tar shards", &cli_data_build},
    {"data show", "look at random samples of training data", &cli_data_show},
    {"data stats", "count and measure training data", &cli_data_stats},
    {"data duplicates", "find pictures that repeat", &cli_data_duplicates},
    {"data overlap", "find pictures that two sets share", &cli_data_overlap},
    {"data corrupt", "copy a test set under synthetic shifts", &cli_data_corrupt},
    {"train", "learn a model from pairs of pictures and texts", &cli_train},
    {"eval retrieval", "measure how well texts and pictures find each other", &cli_eval_retrieval},
    {"eval zero-shot", "measure classification by the names of classes", &cli_eval_zero_shot},
    {"eval probe", "measure a linear classifier on a model's vectors", &cli_eval_probe},
    {"eval knn", "measure nearest neighbours by a model's vectors", &cli_eval_knn},
    {"eval few-shot", "measure what a few examples of each class are worth", &cli_eval_few_shot},
    {"eval relevance", "measure the cut-off of search --relevant", &cli_eval_relevance},
    {"eval spoken", "measure how well recordings find the pictures they speak of",
     &cli_eval_spoken},
    {"eval arithmetic", "measure what adding and subtracting vectors finds", &cli_eval_arithmetic},
    {"eval moments", "measure how well moments of films are found", &cli_eval_moments},
    {"eval suite", "measure a model by a list of measures, with a page of results",
     &cli_eval_suite},
    {"eval compare", "compare two results of a suite", &cli_eval_compare},
    {"eval robustness", "measure accuracy under a shift against accuracy without",
     &cli_eval_robustness},
    {"model average", "average a model with the one it was fine-tuned from", &cli_model_average},
    {"model info", "say what a model's folder holds", &cli_model_info},
    {"model quantize", "write a model in bf16 or int8, smaller and faster", &cli_model_quantize},
    {"tokenizer train", "learn a vocabulary from text", &cli_tokenizer_train},
};
enum { COUNT = sizeof table / sizeof *table };

/* Is `name` the first word of a two-word command? */
static bool is_group(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT; i++)
        if (!strncmp(table[i].name, name, n) && table[i].name[n] == ' ') return true;
    return false;
}

/* The entry that argv names, with one word or two; *words says how many. */
static const cli_entry *find_entry(int argc, char **argv, int *words) {
    for (size_t i = 0; i < COUNT; i++) {
        const char *space = strchr(table[i].name, ' ');
        size_t n = space ? (size_t)(space - table[i].name) : strlen(table[i].name);
        *words = space ? 2 : 1;
        if (argc < *words || strncmp(argv[0], table[i].name, n) || argv[0][n]) continue;
        if (!space || !strcmp(argv[1], space + 1)) return &table[i];
    }
    return NULL;
}

static int unknown(int argc, char **argv) {
    char name[96];
    size_t best = 3;
    const char *near = NULL;
    snprintf(name, sizeof name, "%s%s%s", argv[0], argc > 1 && is_group(argv[0]) ? " " : "",
             argc > 1 && is_group(argv[0]) ? argv[1] : "");
    if (is_group(name)) {
        fprintf(stderr, "sensus: '%s' needs a second word:", name);
        for (size_t i = 0; i < COUNT; i++)
            if (!strncmp(table[i].name, name, strlen(name)) && table[i].name[strlen(name)] == ' ')
                fprintf(stderr, " %s", table[i].name + strlen(name) + 1);
        fprintf(stderr, "\n");
        return CLI_USAGE;
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t d = cli_edit_distance(name, table[i].name);
        if (d < best) best = d, near = table[i].name;
    }
    cli_failf("'%s' is not a command%s%s%s; sensus -h lists them", name,
              near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return CLI_USAGE;
}

static sns_isolation *isolation;

const sns_isolation *cli_isolation(void) {
    return isolation;
}

int cli_start_isolation(void) {
    sns_error err;
    return sns_isolation_new(&isolation, &err) ? cli_fail(&err) : CLI_DONE;
}

static int run_isolated(const cli_command *c, const cli_call *call) {
    int code = c->decodes ? cli_start_isolation() : CLI_DONE;
    if (!code) code = c->run(call);
    sns_isolation_free(isolation);
    return code;
}

static int run(const cli_entry *e, const char *binary, int argc, char **argv) {
    const cli_command *c = e->command;
    cli_call call = {.name = e->name, .binary = binary, .arguments = argv};
    char problem[256] = "";
    void *values = calloc(1, c->table.values_size ? c->table.values_size : 1);
    if (!values) return cli_failf("out of memory");
    call.values = values;
    int code, parsed = cli_parse(&c->table, argc, argv, values, &call.argument_count, problem,
                                 sizeof problem);
    if (parsed > 0) {
        cli_print_help(e);
        code = CLI_DONE;
    } else if (parsed < 0) {
        code = cli_usage(&call, "%s", problem);
    } else if (call.argument_count < c->min_arguments) {
        code = cli_usage(&call, "what to work on is missing: %s", c->arguments);
    } else if (call.argument_count > c->max_arguments) {
        code = cli_usage(&call, "one argument too many: '%.80s'", argv[c->max_arguments]);
    } else {
        code = run_isolated(c, &call);
    }
    cli_values_free(&c->table, values);
    free(values);
    return code;
}

static int print_version(void) {
    sns_error err;
    char *parts;
    if (sns_version_describe(&parts, &err)) return cli_fail(&err);
    fputs(parts, stdout);
    free(parts);
    return CLI_DONE;
}

/* sensus --man COMMAND, sensus help COMMAND: what is asked of the tables themselves. */
static int about(const char *word, int argc, char **argv) {
    int words;
    const cli_entry *e = argc ? find_entry(argc, argv, &words) : NULL;
    if (argc && !e) return unknown(argc, argv);
    if (!strcmp(word, "--man"))
        e ? cli_print_man(e) : cli_print_man_overview(table, COUNT);
    else
        e ? cli_print_help(e) : cli_print_overview(table, COUNT);
    return CLI_DONE;
}

static int dispatch(int argc, char **argv) {
    const char *word = argv[1];
    int words;
    if (!strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help") ||
        !strcmp(word, "--man"))
        return about(word, argc - 2, argv + 2);
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) return print_version();
    if (!strcmp(word, "--completion")) {
        cli_print_completion(table, COUNT);
        return CLI_DONE;
    }
    if (!strcmp(word, "--commands")) {
        for (size_t i = 0; i < COUNT; i++) puts(table[i].name);
        return CLI_DONE;
    }
    const cli_entry *e = find_entry(argc - 1, argv + 1, &words);
    if (!e) return unknown(argc - 1, argv + 1);
    return run(e, argv[0], argc - 1 - words, argv + 1 + words);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        cli_print_overview(table, COUNT);
        return CLI_USAGE;
    }
    int code = dispatch(argc, argv);
    /* A full disk shows only when the last bytes leave. */
    if (fflush(stdout) || ferror(stdout)) {
        cli_failf("can't write the results to standard output");
        if (!code) code = CLI_FAILED;
    }
    return code;
}
