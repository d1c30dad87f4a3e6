/* catalog_scale.h - on which scales cosines with pictures and with sound lie. */
#ifndef SNS_CATALOG_CATALOG_SCALE_H
#define SNS_CATALOG_CATALOG_SCALE_H
#include "catalog/slots.h"
#include <stdbool.h>

/* What unrelated texts score. */
typedef struct sns_scale {
    sns_moments pictures, sound;
} sns_scale;

/* Measure and remember it; a catalog that lacks one of the two has none. In a transaction of its
 * own. Errors: those of sns_cohort_new, SNS_IO, SNS_NOMEM. */
sns_status sns_scale_store(sns_catalog *c, const sns_model *model, sns_error *err);
/* Inside a transaction for reading. *known: is there one? */
sns_status sns_scale_read(const sns_catalog *c, sns_scale *out, bool *known, sns_error *err);
#endif
