/* report.h - how reports are written: JSON lines, and text that ends well. */
#ifndef SNS_SCORE_REPORT_H
#define SNS_SCORE_REPORT_H
#include "base/strbuf.h"
#include <jansson.h>
#include <sensus/status.h>

/* One line with numbers of so many digits; takes over object (NULL: no memory). */
void sns_report_json(sns_strbuf *b, json_t *object, int digits);
/* *text <- what was written, malloc'd, perhaps "". SNS_NOMEM where the buffer failed. */
sns_status sns_report_finish(sns_strbuf *b, char **text, sns_error *err);
#endif
