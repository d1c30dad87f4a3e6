/* image_vips.c - libvips: load, start, open by kind, colour. */
#include "media/image_vips.h"
#include "base/error.h"
#include "base/strbuf.h"
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <stdbool.h>

/* Whether this thread is inside a decode, whose warnings nobody asked for. */
static _Thread_local bool quiet;

void sns_vips_quiet(bool on) {
    quiet = on;
}

/* What loaders tolerate they report as warnings on stderr, also GLib's about sizes that make no
 * sense; what matters arrives as an error. Other users of GLib in the process keep their messages.
 */
static void filter_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer x) {
    if (!quiet) g_log_default_handler(domain, level, text, x);
}

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer x) {
    (void)domain, (void)level, (void)text, (void)x;
}

/* libvips's state belongs to the process; this is the only state of ours beside it. */
static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static bool started;
static char reason[256]; /* why it is not there */
sns_vips_table sns_vips;

/* The library of every libvips 8. */
static bool load_calls(void) {
    void *library = dlopen("libvips.so.42", RTLD_LAZY | RTLD_LOCAL);
    const char *missing = library ? NULL : dlerror();
#define SNS_VIPS_LOAD(name)                                                                        \
    if (!missing && !(*(void **)&sns_vips.name = dlsym(library, "vips_" #name))) missing = #name;
    SNS_VIPS_CALLS(SNS_VIPS_LOAD)
#undef SNS_VIPS_LOAD
    if (missing) snprintf(reason, sizeof reason, "%s", missing);
    return !missing;
}

static void start(void) {
    if (!load_calls() || sns_vips.init("sensus")) return;
    sns_vips.concurrency_set(1);
    sns_vips.cache_set_max(0);
    const GLogLevelFlags warnings = G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL;
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK, ignore_log, NULL); /* its threads are not ours */
    g_log_set_handler("GLib-GObject", warnings, filter_log, NULL);
    g_log_set_handler("GLib", warnings, filter_log, NULL);
    started = true;
}

sns_status sns_vips_start(sns_error *err) {
    pthread_once(&start_once, start);
    if (started) return SNS_OK;
    return *reason ? sns_fail(err, SNS_MISSING, "pictures need libvips: %s", reason)
                   : sns_fail(err, SNS_INTERNAL, "libvips does not start");
}

/* Does a line of libvips's error buffer come from the reader of this kind? The buffer belongs to
 * the process: other threads' lines stand in it too. */
static bool is_from(sns_kind kind, const char *line) {
    static const char *const readers[][4] = {
        [SNS_KIND_UNKNOWN] = {"sensus"},
        [SNS_KIND_JPEG] = {"VipsJpeg", "jpeg"},
        [SNS_KIND_PNG] = {"vipspng", "png", "spng"},
        [SNS_KIND_WEBP] = {"webp"},
        [SNS_KIND_GIF] = {"gif", "nsgif"},
        [SNS_KIND_TIFF] = {"tiff", "TIFF"},
        [SNS_KIND_HEIF] = {"heif"},
        [SNS_KIND_SVG] = {"svg"},
        [SNS_KIND_BMP] = {"magick"},
        [SNS_KIND_PPM] = {"ppm", "VipsImage"},
    };
    for (size_t i = 0; i < 4 && readers[kind][i]; i++)
        if (!strncmp(line, readers[kind][i], strlen(readers[kind][i]))) return true;
    return false;
}

sns_status sns_vips_fail(const sns_source *src, sns_error *err) {
    char *reasons = sns_vips.error_buffer_copy(), *next = NULL,
         *line = strtok_r(reasons, "\n", &next);
    while (line && !is_from(src->kind, line)) line = strtok_r(NULL, "\n", &next);
    sns_fail(err, SNS_FORMAT, "%s: damaged or truncated %s%s%s%s", src->name,
             sns_kind_name(src->kind), line ? " (" : "", line ? line : "", line ? ")" : "");
    g_free(reasons);
    return SNS_FORMAT;
}

/* ---- opening -------------------------------------------------------------------------------- */

#define COMMON "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL

static int open_ppm(void *b, size_t n, VipsImage **out) {
    VipsSource *source = sns_vips.source_new_from_memory(b, n);
    if (!source) return -1;
    int failed = sns_vips.ppmload_source(source, out, COMMON);
    g_object_unref(source);
    return failed;
}

static int open_kind(const sns_source *src, double scale, VipsImage **out) {
    void *b = (void *)(uintptr_t)src->bytes; /* libvips only reads it */
    size_t n = src->size;
    switch (src->kind) {
    case SNS_KIND_JPEG:
        return sns_vips.jpegload_buffer(b, n, out, "shrink", (int)(1 / scale + 0.5), COMMON);
    case SNS_KIND_PNG:
        return sns_vips.pngload_buffer(b, n, out, COMMON);
    case SNS_KIND_WEBP:
        return sns_vips.webpload_buffer(b, n, out, "scale", scale, COMMON);
    case SNS_KIND_GIF:
        return sns_vips.gifload_buffer(b, n, out, COMMON);
    case SNS_KIND_TIFF:
        return sns_vips.tiffload_buffer(b, n, out, COMMON);
    case SNS_KIND_HEIF:
        return sns_vips.heifload_buffer(b, n, out, COMMON);
    case SNS_KIND_SVG:
        return sns_vips.svgload_buffer(b, n, out, "scale", scale, COMMON);
    case SNS_KIND_BMP: /* ImageMagick's reader, which sees nothing but files that begin as BMP */
        return sns_vips.magickload_buffer(b, n, out, COMMON);
    case SNS_KIND_PPM:
        return open_ppm(b, n, out);
    case SNS_KIND_UNKNOWN:
        break;
    }
    sns_vips.error("sensus", "unknown format");
    return -1;
}

sns_status sns_vips_open(const sns_source *src, double scale, VipsImage **out, sns_error *err) {
    *out = NULL;
    return open_kind(src, scale, out) ? sns_vips_fail(src, err) : SNS_OK;
}

/* ---- colour --------------------------------------------------------------------------------- */

static uint32_t u32_at(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Whether an ICC profile's description begins with "sRGB" (ICC.1:2022, 7.3 tag table, 10.15
 * multiLocalizedUnicodeType; version 2's textDescriptionType). Such a picture is left alone: the
 * transform would cost time and change values by rounding only. */
static bool profile_is_srgb(const uint8_t *p, size_t size) {
    if (size < 132) return false;
    size_t tags = u32_at(p + 128);
    for (size_t i = 0; i < tags && i < 64 && 132 + 12 * (i + 1) <= size; i++) {
        const uint8_t *tag = p + 132 + 12 * i;
        size_t at = u32_at(tag + 4);
        if (memcmp(tag, "desc", 4) != 0) continue;
        if (at > size || size - at < 36) return false;
        const uint8_t *d = p + at;
        if (!memcmp(d, "desc", 4)) return !memcmp(d + 12, "sRGB", 4);
        size_t text = u32_at(d + 24);
        return !memcmp(d, "mluc", 4) && text <= size - at - 8 &&
               !memcmp(d + text, "\0s\0R\0G\0B", 8);
    }
    return false;
}

static bool has_foreign_profile(VipsImage *image) {
    const void *profile;
    size_t size;
    return sns_vips.image_get_typeof(image, VIPS_META_ICC_NAME) &&
           !sns_vips.image_get_blob(image, VIPS_META_ICC_NAME, &profile, &size) &&
           !profile_is_srgb(profile, size);
}

/* Through the embedded profile; a profile that is broken or for other pixels is not an error. */
static VipsImage *through_profile(VipsImage *image) {
    VipsImage *out = NULL;
    bool cmyk = sns_vips.image_guess_interpretation(image) == VIPS_INTERPRETATION_CMYK;
    if (has_foreign_profile(image)) {
        if (!sns_vips.icc_transform(image, &out, "srgb", "embedded", TRUE, "intent",
                                    VIPS_INTENT_PERCEPTUAL, NULL))
            return out;
        sns_vips.error_clear();
    }
    if (cmyk) {
        if (!sns_vips.icc_transform(image, &out, "srgb", "input_profile", "cmyk", "intent",
                                    VIPS_INTENT_PERCEPTUAL, NULL))
            return out;
        sns_vips.error_clear();
    }
    g_object_ref(image);
    return image;
}

sns_status sns_vips_to_srgb(const sns_source *src, VipsImage **image, sns_error *err) {
    VipsImage *profiled = through_profile(*image), *rgb = NULL, *bytes = NULL, *out = NULL;
    bool failed = sns_vips.colourspace(profiled, &rgb, VIPS_INTERPRETATION_sRGB, NULL) ||
                  sns_vips.cast_uchar(rgb, &bytes, NULL);
    if (!failed) {
        int bands = sns_vips.image_get_bands(bytes);
        if (bands == 3 || bands == 4) {
            out = bytes;
            g_object_ref(out);
        } else if (bands > 4) {
            failed = sns_vips.extract_band(bytes, &out, 0, "n", 4, NULL);
        } else {
            sns_vips.error("sensus", "a picture of %d channels", bands);
            failed = true;
        }
    }
    sns_status s = failed ? sns_vips_fail(src, err) : SNS_OK;
    g_object_unref(profiled);
    if (rgb) g_object_unref(rgb);
    if (bytes) g_object_unref(bytes);
    if (s) return s;
    g_object_unref(*image);
    *image = out;
    return SNS_OK;
}
