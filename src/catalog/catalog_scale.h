/* catalog_scale.h - on which scales cosines with pictures and with sound lie. */
#ifndef SNS_CATALOG_CATALOG_SCALE_H
#define SNS_CATALOG_CATALOG_SCALE_H
#include "catalog/slots.h"
#include <stdbool.h>

/* What unrelated texts score, and what a deviation of sound counts beside one of pictures. */
typedef struct sns_scale {
    sns_moments pictures, sound;
    float weight;
} sns_scale;

/* Measure and remember it; a catalog that lacks one of the two has none. In a transaction of its
 * own. Errors: those of sns_cohort_new, SNS_IO, SNS_NOMEM. */
sns_status sns_scale_store(sns_catalog *c, const sns_model *model, sns_error *err);
/* Remember the weight; the default until then. In a transaction of its own. */
sns_status sns_scale_weigh(sns_catalog *c, double weight, sns_error *err);
/* Inside a transaction for reading. *known: is there one? */
sns_status sns_scale_read(const sns_catalog *c, sns_scale *out, bool *known, sns_error *err);
#endif
