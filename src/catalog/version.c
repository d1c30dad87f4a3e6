/* version.c - the parts of this build. It lives here because the catalog's folder is the first one
 * that stands above all the parts it names. */
#include "base/error.h"
#include "base/parts.h"
#include "base/strbuf.h"
#include "kernel/gemm.h"
#include "media/av_calls.h"
#include "media/image_vips.h"
#include <jansson.h>
#include <omp.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <sensus/version.h>
#include <sqlite3.h>
#include <utf8proc.h>

const char *sns_version(void) {
    return SNS_VERSION;
}

sns_status sns_version_describe(char **text, sns_error *err) {
    char pcre[64] = "?", matrices[64];
    sns_strbuf b = {0};
    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    sns_gemm_describe(matrices, sizeof matrices);
    sns_strbuf_printf(&b, "sensus %s\n", sns_version());
    sns_strbuf_printf(&b, "kernels    %s, %d threads\n", sns_kernels_get()->name,
                      omp_get_max_threads());
    sns_strbuf_printf(&b, "matrices   %s\n", matrices);
    sns_error no_pictures;
    if (sns_vips_start(&no_pictures))
        sns_strbuf_printf(&b, "pictures   none (%s)\n", no_pictures.message);
    else
        sns_strbuf_printf(&b, "pictures   libvips %d.%d.%d\n", sns_vips.version(0),
                          sns_vips.version(1), sns_vips.version(2));
    sns_strbuf_printf(&b, "films      FFmpeg %s; sounds too\n", sns_av_version());
    sns_strbuf_printf(&b, "catalog    SQLite %s\n", sqlite3_libversion());
    sns_strbuf_printf(&b, "text       utf8proc %s, PCRE2 %s, jansson %s\n", utf8proc_version(),
                      pcre, jansson_version_str());
    sns_strbuf_printf(&b, "processes  %s\n", SNS_MPI[0] ? SNS_MPI : "one (built without MPI)");
    if (b.failed) {
        sns_strbuf_free(&b);
        *text = NULL;
        return sns_fail(err, SNS_NOMEM, "no memory for the list of parts");
    }
    *text = b.data;
    return SNS_OK;
}
