/* model_quantize.c - sensus model quantize */
#include "command.h"
#include <sensus/model.h>
#include <stdio.h>

typedef struct values {
    const char *output, *type;
} values;

static int run(const cli_call *call) {
    const values *v = call->values;
    sns_error err;
    if (!v->output) return cli_usage(call, "say where to write the model: --output DIR");
    if (!v->type) return cli_usage(call, "say which numbers: --type int8, bf16, f16 or f32");
    if (sns_model_quantize(call->arguments[0], v->output, v->type, &err)) return cli_fail(&err);
    printf("wrote ");
    cli_print_safe(call->arguments[0]);
    printf(" in %s to ", v->type);
    cli_print_safe(v->output);
    putchar('\n');
    return CLI_DONE;
}

static const cli_option options[] = {
    {'o', "output", CLI_STRING, "DIR", NULL, "the folder to write to; made when it does not exist",
     offsetof(values, output), 0, 0, NULL},
    {0, "type", CLI_STRING, "TYPE", NULL, "numbers of the weights and of the products",
     offsetof(values, type), 0, 0, "int8|bf16|f16|f32"},
};

const cli_command cli_model_quantize = {
    .arguments = "MODEL",
    .description =
        "Write a model in narrower numbers: smaller files, less memory, faster products. bf16 is "
        "half of f32 and hardly differs from it; int8 is a quarter, of linear layers (also "
        "convolutions of 1 x 1) and the token table, with a scale for each output; other "
        "convolutions, norms, biases and positions are f16 then. Every command works with the "
        "result, in a catalog of its own; train --init goes on from it, in f32. f16 and f32 change "
        "no products: they make a folder in Hugging Face's layout of whatever is read, also of a "
        "GGUF file."
        "\n\n"
        "A processor without the instructions (avx512_bf16, avx512_vnni) multiplies the same "
        "weights in f32.",
    .examples = "sensus model quantize models/sensus-small -o models/small-int8 --type int8\n"
                "sensus model info models/small-int8\n"
                "sensus model quantize clip-vit-base-patch32_q8_0.gguf -o models/b32 --type f16",
    .table = {options, sizeof options / sizeof *options, sizeof(values)},
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
