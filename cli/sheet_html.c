/* sheet_html.c - the contact sheet as a page. */
#include "command.h"
#include "sheet.h"
#include <sensus/image.h>
#include <errno.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THUMBNAIL_PX = 320 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char style[] =
    "<style>\n"
    ":root{--paper:#f6f5f2;--card:#fff;--ink:#1d1c1a;--soft:#6d6a63;--line:#e3e0d8;--mark:#2f6f5e}"
    "\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#161715;--card:#20211f;--ink:#ecebe6;"
    "--soft:#9b988f;--line:#31322f;--mark:#6fc3a9}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;padding:clamp(1rem,4vw,3rem);background:var(--paper);color:var(--ink);"
    "font:16px/1.45 system-ui,sans-serif}\n"
    "header{max-width:80rem;margin:0 auto 1.2rem}ol+header{margin-top:3rem}\n"
    "h1{margin:0;font-size:clamp(1.4rem,3.5vw,2.2rem);font-weight:650;letter-spacing:-.01em;"
    "overflow-wrap:anywhere}\n"
    "header p{margin:.3rem 0 0;color:var(--soft)}\n"
    "ol{max-width:80rem;margin:0 auto;padding:0;list-style:none;display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(min(13rem,100%),1fr))}\n"
    "li .card{display:block;height:100%;color:inherit;text-decoration:none;background:var(--card);"
    "border:1px solid var(--line);border-radius:.6rem;overflow:hidden}\n"
    "a.card:hover,a.card:focus-visible{border-color:var(--mark);outline:2px solid var(--mark);"
    "outline-offset:-1px}\n"
    ".frame{position:relative;aspect-ratio:1;display:grid;place-items:center;background:#fff;"
    "border-bottom:1px solid var(--line);color:#6d6a63;font-size:.85rem}\n"
    ".frame img,.frame video{position:absolute;inset:.5rem;width:calc(100% - 1rem);"
    "height:calc(100% - 1rem);object-fit:contain}\n"
    ".frame audio{max-width:calc(100% - 1rem)}\n"
    ".bar{height:3px;background:var(--line)}.bar "
    "i{display:block;height:100%;background:var(--mark)}\n"
    ".what{padding:.55rem .75rem .7rem;display:grid;grid-template-columns:1fr auto;gap:0 .6rem}\n"
    ".name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-weight:550}\n"
    ".more{grid-column:1/-1;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\n"
    ".score{font-variant-numeric:tabular-nums;color:var(--soft)}\n"
    "</style>\n";

static void put_html(FILE *out, const char *s) {
    for (; *s; s++) {
        const char *entity = *s == '&'   ? "&amp;"
                             : *s == '<' ? "&lt;"
                             : *s == '>' ? "&gt;"
                             : *s == '"' ? "&quot;"
                                         : NULL;
        if (entity)
            fputs(entity, out);
        else
            fputc((unsigned char)*s < ' ' ? ' ' : *s, out);
    }
}

static void put_base64(FILE *out, const uint8_t *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v = (unsigned)bytes[i] << 16 | (left > 1 ? bytes[i + 1] : 0u) << 8 |
                     (left > 2 ? bytes[i + 2] : 0u);
        fputc(digits[v >> 18], out);
        fputc(digits[v >> 12 & 63], out);
        fputc(left > 1 ? digits[v >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[v & 63] : '=', out);
    }
}

static void put_file_uri(FILE *out, const char *path) {
    fputs("file://", out);
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("/-_.~", c);
        fprintf(out, plain ? "%c" : "%%%02X", c);
    }
}

/* The card's picture as JPEG, its longer side at most THUMBNAIL_PX. */
static sns_status thumbnail(const cli_card *card, uint8_t **bytes, size_t *size) {
    sns_image image = {0}, small = {0};
    if (!card->bytes && card->in_time) return SNS_IO;
    if (!card->bytes && !card->sound)
        return sns_thumbnail_jpeg(card->path, THUMBNAIL_PX, bytes, size, NULL);
    sns_status s = cli_card_image(card, THUMBNAIL_PX, &image, NULL);
    size_t w = image.width_px, h = image.height_px, longer = w > h ? w : h;
    if (!s && longer > THUMBNAIL_PX) {
        w = w * THUMBNAIL_PX / longer;
        h = h * THUMBNAIL_PX / longer;
        s = sns_image_resize(&image, w ? w : 1, h ? h : 1, &small, NULL);
    }
    if (!s)
        s = sns_image_encode_jpeg(small.rgb ? &small : &image, 85, card->path, bytes, size, NULL);
    sns_image_free(&small);
    sns_image_free(&image);
    return s;
}

/* Is it played where it is shown? */
static bool plays(const cli_card *card) {
    return card->in_time || (card->sound && !card->bytes);
}

/* What is played; a film from a moment on, as a media fragment (W3C 2012). */
static void put_played_uri(FILE *out, const cli_card *card) {
    put_file_uri(out, card->path);
    if (card->in_time) fprintf(out, "#t=%.3f,%.3f", card->start, card->end);
}

static void put_frame(FILE *out, const cli_card *card, const char *name) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool bad = thumbnail(card, &bytes, &size);
    fputs("<div class=\"frame\">", out);
    if (bad && card->in_time) { /* a recording has no picture, but can be heard */
        fputs("<audio controls preload=\"none\" aria-label=\"", out);
        put_html(out, name);
        fputs("\" src=\"", out);
        put_played_uri(out, card);
        fputs("\"></audio>", out);
    } else if (bad) {
        fputs("can\u2019t be read", out);
    } else {
        fputs(plays(card) ? "<video controls preload=\"none\" aria-label=\"" : "<img alt=\"", out);
        put_html(out, name);
        fputs(plays(card) ? "\" poster=\"" : "\" src=\"", out);
        fputs("data:image/jpeg;base64,", out);
        put_base64(out, bytes, size);
        if (plays(card)) {
            fputs("\" src=\"", out);
            put_played_uri(out, card);
        }
        fputs(plays(card) ? "\"></video>" : "\">", out);
    }
    fputs("</div>", out);
    free(bytes);
}

static void put_score(FILE *out, float score) {
    float width = score < 0 ? 0 : score > 1 ? 100 : 100 * score;
    fprintf(out, "<div class=\"bar\"><i style=\"width:%.1f%%\"></i></div>", (double)width);
}

static void put_card(FILE *out, const cli_card *card, size_t rank) {
    const char *slash = strrchr(card->path, '/'), *name = slash ? slash + 1 : card->path;
    const char *tag = plays(card) ? "div" : "a"; /* a link can't hold what is played */
    fprintf(out, "<li><%s class=\"card\"", tag);
    if (!card->bytes && !plays(card)) {
        fputs(" href=\"", out);
        put_file_uri(out, card->path);
        fputs("\"", out);
    }
    fputs(" title=\"", out);
    put_html(out, card->path);
    fputs("\">", out);
    put_frame(out, card, card->caption ? card->caption : name);
    if (card->has_score) put_score(out, card->score);
    fputs("<div class=\"what\"><span class=\"name\">", out);
    bool named = card->caption && !card->in_time; /* a moment's times stand below its file */
    if (!named) fprintf(out, "%zu. ", rank);
    put_html(out, named ? card->caption : name);
    fputs("</span>", out);
    if (card->has_score) fprintf(out, "<span class=\"score\">%.3f</span>", (double)card->score);
    if (card->more) {
        fputs("<span class=\"more\">", out);
        put_html(out, card->more);
        fputs("</span>", out);
    }
    fprintf(out, "</div></%s></li>\n", tag);
}

static void put_section(FILE *out, const cli_section *s, const char *figure) {
    fputs("<header><h1>", out);
    put_html(out, s->title);
    bool sounds = false;
    for (size_t i = 0; i < s->count; i++) sounds |= s->cards[i].sound;
    fprintf(out, "</h1><p>%zu %s%s by sensus%s</p>%s</header>\n<ol>\n", s->count,
            sounds ? "sample" : "picture", s->count == 1 ? "" : "s", s->note, figure);
    for (size_t i = 0; i < s->count; i++) put_card(out, &s->cards[i], i + 1);
    fputs("</ol>\n", out);
}

int cli_sheet_html_figures(const char *file, const cli_section *sections,
                           const char *const *figures, size_t n) {
    FILE *out = fopen(file, "wb");
    if (!out) return cli_failf("%s: %s", file, strerror(errno));
    fputs(head, out);
    fputs("<title>", out);
    put_html(out, n == 1 ? sections[0].title : "sensus search");
    fprintf(out, "</title>\n%s</head>\n<body>\n", style);
    for (size_t i = 0; i < n; i++) put_section(out, &sections[i], figures ? figures[i] : "");
    fputs("</body>\n</html>\n", out);
    int bad = ferror(out);
    if (!fclose(out) && !bad) return CLI_DONE;
    int code = cli_failf("%s: can't write: %s", file, strerror(errno));
    struct stat st;
    if (!lstat(file, &st) && S_ISREG(st.st_mode)) remove(file); /* half a page is of no use */
    return code;
}

int cli_sheet_html(const char *file, const cli_section *sections, size_t n) {
    return cli_sheet_html_figures(file, sections, NULL, n);
}
