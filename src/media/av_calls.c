/* av_calls.c - loading FFmpeg's libraries. */
#include "media/av_calls.h"
#include "base/error.h"
#include <dlfcn.h>
#include <libavutil/ffversion.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

/* Their state belongs to the process. */
static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static char reason[256]; /* why they are not there */
sns_av_table sns_av;

/* Structures of another major version are laid out otherwise. */
#define NUMBER(x)            #x
#define LIBRARY(name, major) "lib" #name ".so." NUMBER(major)
#define LOAD(calls, name)                                                                          \
    if (!*reason && !(library = dlopen(name, RTLD_LAZY | RTLD_LOCAL)))                             \
        snprintf(reason, sizeof reason, "%s", dlerror());                                          \
    calls(FIND)
#define FIND(call)                                                                                 \
    if (!*reason && !(*(void **)&sns_av.call = dlsym(library, #call)))                             \
        snprintf(reason, sizeof reason, "it has no " #call);

static void start(void) {
    void *library = NULL;
    LOAD(SNS_AVFORMAT_CALLS, LIBRARY(avformat, LIBAVFORMAT_VERSION_MAJOR))
    LOAD(SNS_AVCODEC_CALLS, LIBRARY(avcodec, LIBAVCODEC_VERSION_MAJOR))
    LOAD(SNS_AVUTIL_CALLS, LIBRARY(avutil, LIBAVUTIL_VERSION_MAJOR))
    LOAD(SNS_SWSCALE_CALLS, LIBRARY(swscale, LIBSWSCALE_VERSION_MAJOR))
    LOAD(SNS_SWRESAMPLE_CALLS, LIBRARY(swresample, LIBSWRESAMPLE_VERSION_MAJOR))
}

sns_status sns_av_start(sns_error *err) {
    pthread_once(&start_once, start);
    return *reason ? sns_fail(err, SNS_MISSING, "films and recordings need FFmpeg: %s", reason)
                   : SNS_OK;
}

const char *sns_av_version(void) {
    return FFMPEG_VERSION;
}
