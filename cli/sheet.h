/* sheet.h - contact sheets: the found pictures side by side, as a page or as a picture. */
#ifndef SENSUS_CLI_SHEET_H
#define SENSUS_CLI_SHEET_H
#include <sensus/catalog.h>

/* What was found for one query. */
typedef struct cli_section {
    const char *title;
    const sns_hits *hits;
} cli_section;

/* A page that needs nothing but itself: thumbnails are data URIs. Pictures that can't be read any
 * more stay as empty frames. Returns an exit code. */
int cli_sheet_html(const char *file, const cli_section *sections, size_t n);
sns_status cli_sheet_png(const char *file, const cli_section *sections, size_t n, sns_error *err);
#endif
