/* slots.h - where the tables of a catalog and its files of vectors meet.
 *
 * A row of the table `vectors` with id i, or of `moments` with vector i, has its numbers in slot
 * i - 1. The transaction that stores
 * the row also says how many slots there are, after the files were brought to the disk: whatever
 * happens, every committed row has its vector. */
#ifndef SNS_CATALOG_SLOTS_H
#define SNS_CATALOG_SLOTS_H
#include "catalog/store.h"

/* Inside a writing transaction: store a vector [dim], to be the row *id. */
sns_status sns_slots_add(sns_catalog *c, const float *vector, int64_t *id, sns_error *err);
/* Before COMMIT: what was added is on the disk and counts. */
sns_status sns_slots_commit(sns_catalog *c, sns_error *err);
/* After ROLLBACK: forget what was added, and read what was committed. */
void sns_slots_reload(sns_catalog *c);
/* When a quarter of the slots were removed: write the others anew, and number them. In a
 * transaction of its own. */
sns_status sns_slots_compact(sns_catalog *c, sns_error *err);
/* On opening for writing: files that a killed process left behind go. */
void sns_slots_tidy(const sns_catalog *c);

/* Begin a transaction for reading with c->mapped as it was at that moment (unmapped when there are
 * no slots). End it with sns_slots_end. */
sns_status sns_slots_begin(sns_catalog *c, sns_error *err);
void sns_slots_end(sns_catalog *c);
/* *bits, to be freed: one for each slot, 1 where it was removed; NULL when none was. */
sns_status sns_slots_removed(sns_catalog *c, uint64_t **bits, sns_error *err);
#endif
