/* av_calls.h - FFmpeg's libraries, loaded when the first film or recording is opened.
 *
 * They bring a hundred others, like libvips (vips_calls.h). sns_av_start loads them and fills the
 * table; media calls them through it only: sns_av.av_read_frame(...) is av_read_frame(...). What
 * the headers define inline and does not call a library is used as it is. */
#ifndef SNS_MEDIA_AV_CALLS_H
#define SNS_MEDIA_AV_CALLS_H
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <sensus/status.h>

#define SNS_AVFORMAT_CALLS(X)                                                                      \
    X(av_find_best_stream)                                                                         \
    X(av_guess_format)                                                                             \
    X(av_interleaved_write_frame)                                                                  \
    X(av_read_frame)                                                                               \
    X(av_stream_get_side_data)                                                                     \
    X(av_stream_new_side_data)                                                                     \
    X(av_write_trailer)                                                                            \
    X(avformat_alloc_context)                                                                      \
    X(avformat_alloc_output_context2)                                                              \
    X(avformat_close_input)                                                                        \
    X(avformat_find_stream_info)                                                                   \
    X(avformat_free_context)                                                                       \
    X(avformat_new_stream)                                                                         \
    X(avformat_open_input)                                                                         \
    X(avformat_query_codec)                                                                        \
    X(avformat_seek_file)                                                                          \
    X(avformat_write_header)                                                                       \
    X(avio_alloc_context)                                                                          \
    X(avio_closep)                                                                                 \
    X(avio_context_free)                                                                           \
    X(avio_open)

#define SNS_AVCODEC_CALLS(X)                                                                       \
    X(av_packet_alloc)                                                                             \
    X(av_packet_free)                                                                              \
    X(av_packet_rescale_ts)                                                                        \
    X(av_packet_unref)                                                                             \
    X(avcodec_alloc_context3)                                                                      \
    X(avcodec_find_best_pix_fmt_of_list)                                                           \
    X(avcodec_find_decoder)                                                                        \
    X(avcodec_find_encoder_by_name)                                                                \
    X(avcodec_flush_buffers)                                                                       \
    X(avcodec_free_context)                                                                        \
    X(avcodec_get_name)                                                                            \
    X(avcodec_open2)                                                                               \
    X(avcodec_parameters_alloc)                                                                    \
    X(avcodec_parameters_copy)                                                                     \
    X(avcodec_parameters_free)                                                                     \
    X(avcodec_parameters_from_context)                                                             \
    X(avcodec_parameters_to_context)                                                               \
    X(avcodec_receive_frame)                                                                       \
    X(avcodec_receive_packet)                                                                      \
    X(avcodec_send_frame)                                                                          \
    X(avcodec_send_packet)

#define SNS_AVUTIL_CALLS(X)                                                                        \
    X(av_channel_layout_compare)                                                                   \
    X(av_channel_layout_copy)                                                                      \
    X(av_channel_layout_default)                                                                   \
    X(av_channel_layout_uninit)                                                                    \
    X(av_compare_ts)                                                                               \
    X(av_dict_free)                                                                                \
    X(av_dict_set)                                                                                 \
    X(av_frame_alloc)                                                                              \
    X(av_frame_copy)                                                                               \
    X(av_frame_free)                                                                               \
    X(av_frame_get_buffer)                                                                         \
    X(av_frame_get_side_data)                                                                      \
    X(av_frame_make_writable)                                                                      \
    X(av_frame_unref)                                                                              \
    X(av_free)                                                                                     \
    X(av_freep)                                                                                    \
    X(av_get_pix_fmt_name)                                                                         \
    X(av_log_set_level)                                                                            \
    X(av_malloc)                                                                                   \
    X(av_opt_set)                                                                                  \
    X(av_pix_fmt_desc_get)                                                                         \
    X(av_rescale_q)                                                                                \
    X(av_strerror)

#define SNS_SWSCALE_CALLS(X)                                                                       \
    X(sws_freeContext)                                                                             \
    X(sws_getCachedContext)                                                                        \
    X(sws_getCoefficients)                                                                         \
    X(sws_scale)                                                                                   \
    X(sws_setColorspaceDetails)

#define SNS_SWRESAMPLE_CALLS(X)                                                                    \
    X(swr_alloc_set_opts2)                                                                         \
    X(swr_convert)                                                                                 \
    X(swr_free)                                                                                    \
    X(swr_get_out_samples)                                                                         \
    X(swr_init)

typedef struct sns_av_table {
#define SNS_AV_MEMBER(name) __typeof__(name) *name;
    SNS_AVFORMAT_CALLS(SNS_AV_MEMBER)
    SNS_AVCODEC_CALLS(SNS_AV_MEMBER)
    SNS_AVUTIL_CALLS(SNS_AV_MEMBER)
    SNS_SWSCALE_CALLS(SNS_AV_MEMBER)
    SNS_SWRESAMPLE_CALLS(SNS_AV_MEMBER)
#undef SNS_AV_MEMBER
} sns_av_table;

/* Written once, by sns_av_start. */
extern sns_av_table sns_av;

/* Load the libraries once for the process (any thread); before anything else is called. Errors:
 * SNS_MISSING (they are not installed, or not those that this was built with). */
sns_status sns_av_start(sns_error *err);
/* The version that this was built with, for people; loads nothing. */
const char *sns_av_version(void);
#endif
