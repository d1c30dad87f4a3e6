/* model_average.c - sensus model average */
#include "command.h"
#include <sensus/model.h>
#include <stdio.h>
#include <string.h>

typedef struct values {
    double alpha;
    const char *output, *dtype;
} values;

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    const char *dtype = !v->dtype ? NULL : !strcmp(v->dtype, "f32") ? "F32" : "F16";
    if (!v->output) return cli_usage(call, "say where to write the model: --output DIR");
    if (sns_model_average(call->arguments[0], call->arguments[1], v->alpha, v->output, dtype, &err))
        return cli_fail(&err);
    printf("wrote the average, %g of it ", v->alpha);
    cli_print_safe(call->arguments[1]);
    printf(", to ");
    cli_print_safe(v->output);
    putchar('\n');
    return CLI_DONE;
}

static const cli_option options[] = {
    {'o', "output", CLI_STRING, "DIR", NULL, "the folder to write to; made when it does not exist",
     offsetof(values, output), 0, 0, NULL},
    {0, "alpha", CLI_FLOAT, "X", "0.5", "the second model's share: 0 is the first, 1 the second",
     offsetof(values, alpha), 0, 1, NULL},
    {0, "dtype", CLI_STRING, "TYPE", NULL, "numbers of the written model; without it, the second's",
     offsetof(values, dtype), 0, 0, "f16|f32"},
};

const cli_command cli_model_average = {
    .arguments = "ORIGINAL TUNED",
    .description =
        "Average the weights of a model and of one that was fine-tuned from it (Wortsman et al. "
        "2022, WiSE-FT). What lies between both often keeps the original's breadth and most of "
        "what was learned; try a few shares and measure them with eval.",
    .examples = "sensus train --init models/base --data mine.csv --out run --lr 1e-5\n"
                "sensus model average models/base run/model --alpha 0.5 -o models/mine",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
