/* report.c - see report.h. */
#include "score/report.h"
#include "base/error.h"
#include <stdlib.h>

void sns_report_json(sns_strbuf *b, json_t *object, int digits) {
    char *line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(digits)) : NULL;
    if (line)
        sns_strbuf_printf(b, "%s\n", line);
    else
        b->failed = true;
    free(line);
    json_decref(object);
}

sns_status sns_report_finish(sns_strbuf *b, char **text, sns_error *err) {
    sns_strbuf_add(b, "", 0);
    *text = b->failed ? NULL : b->data;
    if (*text) return SNS_OK;
    sns_strbuf_free(b);
    return sns_fail(err, SNS_NOMEM, "no memory for the report");
}
