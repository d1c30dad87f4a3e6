/* class_films.c - films and recordings of a catalog into classes.
 *
 *   film with samples i that stand for w_i seconds:   p(c) = sum_i w_i p(c | x_i) / sum_i w_i
 *   recording:   p(c | x), x = normalise(mean of its windows), which is what its file alone gives
 */
#include "class_films.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void cli_judge_free(cli_judge *j) {
    sns_classifier_free(j->cohort);
    sns_classifier_free(j->classifier);
    sns_model_free(j->model);
    *j = (cli_judge){0};
}

static sns_status no_memory(sns_error *err) {
    snprintf(err->message, sizeof err->message, "out of memory");
    return err->code = SNS_NOMEM;
}

/* The classifier's templates, to be freed; NULL: no memory. */
static const char **templates_of(const sns_classifier *c, size_t *n) {
    *n = sns_classifier_template_count(c);
    const char **templates = malloc((*n + 1) * sizeof *templates);
    for (size_t i = 0; templates && i < *n; i++) templates[i] = sns_classifier_template(c, i);
    return templates;
}

sns_status cli_judge_cohort(cli_judge *j, sns_error *err) {
    size_t n;
    const char **templates = templates_of(j->classifier, &n);
    sns_status s = templates ? sns_cohort_new(j->model, templates, n, &j->cohort, err)
                             : no_memory(err);
    free((void *)templates);
    return s;
}

/* The same labels in the same sentences, by another model. */
static sns_status same_labels(const sns_classifier *c, const sns_model *model, sns_classifier **out,
                              sns_error *err) {
    size_t n, count = sns_classifier_count(c);
    const char **templates = templates_of(c, &n);
    sns_class *classes = malloc(count * sizeof *classes);
    for (size_t i = 0; classes && i < count; i++) classes[i] = *sns_classifier_class(c, i);
    sns_status s = templates && classes
                       ? sns_classifier_new(model, classes, count, templates, n, NULL, out, err)
                       : no_memory(err);
    free(classes);
    free((void *)templates);
    return s;
}

sns_status cli_judge_by_sound(const cli_judge *j, const sns_catalog *c, cli_judge *out,
                              sns_error *err) {
    const char *dir = sns_catalog_sound_model_dir(c);
    *out = (cli_judge){0};
    if (!dir) {
        snprintf(err->message, sizeof err->message,
                 "this catalog does not say where the model is that heard its recordings");
        return err->code = SNS_MISSING;
    }
    sns_status s = sns_model_load(dir, &out->model, err);
    if (!s) s = sns_catalog_check_sound_model(c, out->model, err);
    if (!s) s = same_labels(j->classifier, out->model, &out->classifier, err);
    if (!s && j->cohort) s = cli_judge_cohort(out, err);
    return s;
}

static double seconds_of(const sns_catalog_file *f, size_t i) {
    return f->spans[i].end - f->spans[i].start;
}

sns_status cli_film_probabilities(const cli_judge *j, const sns_catalog_file *f, float *probability,
                                  sns_error *err) {
    size_t n = sns_classifier_count(j->classifier);
    double *sum = calloc(n, sizeof *sum), all = 0;
    sns_status s = sum ? SNS_OK : no_memory(err);
    for (size_t i = 0; i < f->count && !s; i++) {
        double w = seconds_of(f, i);
        s = sns_classifier_judge(j->classifier, j->model, f->vectors[i], probability, err);
        for (size_t c = 0; c < n && !s; c++) sum[c] += w * probability[c];
        all += w;
    }
    for (size_t c = 0; c < n && !s; c++) probability[c] = (float)(sum[c] / all);
    free(sum);
    return s;
}

static const float *row_of(const cli_judge *j, size_t class) {
    return sns_classifier_weights(j->classifier) + class * sns_classifier_dim(j->classifier);
}

float cli_film_standing(const cli_judge *j, const sns_catalog_file *f, size_t class) {
    double sum = 0, all = 0;
    for (size_t i = 0; i < f->count; i++) {
        double w = seconds_of(f, i);
        sum += w * sns_standing(j->cohort, f->vectors[i], row_of(j, class));
        all += w;
    }
    return (float)(sum / all);
}

double cli_film_best(const cli_judge *j, const sns_catalog_file *f, size_t class) {
    const float *row = row_of(j, class);
    double best = -INFINITY, seconds = 0;
    for (size_t i = 0; i < f->count; i++) {
        double cosine = 0;
        for (size_t e = 0; e < sns_classifier_dim(j->classifier); e++)
            cosine += (double)row[e] * f->vectors[i][e];
        if (cosine <= best) continue;
        best = cosine;
        seconds = f->spans[i].seconds;
    }
    return seconds;
}

void cli_sound_vector(const sns_catalog_file *f, size_t dim, float *out) {
    double length = 0;
    for (size_t e = 0; e < dim; e++) {
        double sum = 0;
        for (size_t i = 0; i < f->count; i++) sum += f->vectors[i][e];
        out[e] = (float)sum;
        length += sum * sum;
    }
    for (size_t e = 0; e < dim && length > 0; e++) out[e] = (float)(out[e] / sqrt(length));
}
