/* sheet.h - contact sheets: the found pictures side by side, as a page or as a picture. */
#ifndef SENSUS_CLI_SHEET_H
#define SENSUS_CLI_SHEET_H
#include <sensus/catalog.h>
#include <sensus/image.h>
#include <stdbool.h>

/* One picture: a file, or its bytes; or a recording, shown by its spectrogram; or a moment of a
 * film, with the bytes of a frame. */
typedef struct cli_card {
    const char *path;  /* of the file, or a name */
    const void *bytes; /* NULL: read the file */
    size_t size;
    const char *caption; /* NULL: its rank and the file's name */
    const char *more;    /* of a page only: what else there is to say, in lines; NULL: nothing */
    float score;         /* cosine; shown when has_score */
    bool has_score;
    bool sound; /* path or bytes are a recording, of which a page plays a file */
    bool
        in_time; /* path is a film, of which a page plays what is between start and end (seconds) */
    double start, end;
} cli_card;

/* What was found for one query, or anything else with a title. */
typedef struct cli_section {
    const char *title;
    const char *note; /* below the title, on a page; "%zu pictures" go before it */
    const cli_card *cards;
    size_t count;
} cli_section;

/* The picture of a card, reduced when it is far larger than target_px; the spectrogram of a
 * recording, of ten minutes at most, target_px wide. */
sns_status cli_card_image(const cli_card *card, size_t target_px, sns_image *out, sns_error *err);

/* A page that needs nothing but itself: thumbnails are data URIs. Pictures that can't be read any
 * more stay as empty frames. Returns an exit code. */
int cli_sheet_html(const char *file, const cli_section *sections, size_t n);
/* The same with figures [n], SVG that stands below the titles. */
int cli_sheet_html_figures(const char *file, const cli_section *sections,
                           const char *const *figures, size_t n);
sns_status cli_sheet_png(const char *file, const cli_section *sections, size_t n, sns_error *err);
#endif
