/* suite.h - several measures of a model in one run, described by a small text file.
 *
 *   # what we look at before a release
 *   [emoji]
 *   kind = retrieval
 *   data = heldout-emoji/manifest.jsonl
 *   lang = en
 *
 * docs/FORMATS.md has all keys. Results are one JSON document; a page and a comparison are made of
 * such documents, of this run or of earlier ones. */
#ifndef SENSUS_SUITE_H
#define SENSUS_SUITE_H
#include <sensus/eval.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Run all sections of a suite. Paths in it are relative to its folder.
 *   options  image_root is not used; NULL: all defaults
 *   json     malloc'd: {"suite", "fingerprint", "results": [{"name", "kind", "data", "result"}]}
 * Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (naming file and line), SNS_LIMIT, those of the measures;
 * a section that fails ends the run. */
SNS_API sns_status sns_suite_run(const sns_model *model, const char *path,
                                 const sns_eval_options *options, char **json, sns_error *err);

/* One page that needs nothing but itself, for one document or several side by side: what was
 * measured as bars with intervals and chance, curves, confusions.
 *   json   n documents   names  what each is called; NULL: by its fingerprint
 * Errors: SNS_ARG (n is 0 or above 8), SNS_FORMAT (not such a document), SNS_NOMEM. */
SNS_API sns_status sns_suite_page(const char *const *json, const char *const *names, size_t n,
                                  char **html, sns_error *err);

/* Measure by measure, b less a with a 95 % interval of the difference, for sections and measures
 * that both have. The runs are taken as independent (unpaired), so the interval is too wide where
 * both saw the same pictures: what is marked as different is so, the rest may be. as_json  nonzero:
 * one object a line   text  malloc'd Errors: as for the page. */
SNS_API sns_status sns_suite_compare(const char *a, const char *b, int as_json, char **text,
                                     sns_error *err);

#ifdef __cplusplus
}
#endif
#endif
