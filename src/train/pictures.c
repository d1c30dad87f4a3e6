/* pictures.c - see pictures.h. What is open gives its next picture; when nothing is, the next name
 * is opened: of the arguments, then of the list.
 *
 * At most one of shard, manifest and folders is open. Damage becomes an item with a problem. */
#include "base/byte_source.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "catalog/walk.h"
#include "media/sound_kind.h"
#include "train/brace.h"
#include "train/dataset_internal.h"
#include "train/name_reader.h"
#include "train/tar_stream.h"
#include <sensus/pictures.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct sns_pictures {
    volatile int stop;
    sns_name_list names;
    size_t next_name;
    bool only_files, sounds;
    sns_name_reader *list; /* NULL: none, or it has ended */

    sns_walk walk; /* files of the folder at hand, from next_file on */
    sns_walker *walker;
    size_t next_file;

    sns_bytes *bytes; /* of the shard; NULL: none is open */
    char *shard;
    sns_tar_stream tar;

    sns_map map; /* of the manifest */
    sns_dataset *manifest;
    size_t next_sample;

    sns_names problems; /* to be told, from next_problem on */
    size_t next_problem;
};

/* ---- opening -------------------------------------------------------------------------------- */

static bool is_shard(const char *name) {
    return sns_ends_with_nocase(name, ".tar");
}

static bool is_manifest(const char *name) {
    return sns_ends_with_nocase(name, ".csv") || sns_ends_with_nocase(name, ".jsonl");
}

static sns_status add_name(sns_pictures *p, const char *name, sns_error *err) {
    struct stat st;
    bool there = !stat(name, &st), pipe = sns_bytes_is_pipe(name);
    bool source = pipe || is_shard(name) || is_manifest(name);
    if (source || (there && S_ISDIR(st.st_mode))) p->only_files = false;
    size_t before = p->names.count;
    if (source && (pipe || !there)) {
        sns_status s = sns_name_list_expand(&name, 1, &p->names, err);
        if (s != SNS_MISSING || p->names.count > before) return s;
        return sns_name_list_add(&p->names, name, err); /* told when its turn comes */
    }
    return sns_name_list_add(&p->names, name, err);
}

static bool is_named(const sns_pictures_options *o, const struct stat *folder) {
    struct stat st;
    for (size_t i = 0; i < o->path_count; i++)
        if (!stat(o->paths[i], &st) && st.st_dev == folder->st_dev && st.st_ino == folder->st_ino)
            return true;
    return false;
}

static sns_status leave_out(sns_pictures *p, const sns_pictures_options *o, sns_error *err) {
    sns_status s = SNS_OK;
    struct stat st;
    for (size_t i = 0; i < o->leave_out_count && !s; i++)
        if (!stat(o->leave_out[i], &st) && !is_named(o, &st))
            s = sns_walker_leave_out(p->walker, o->leave_out[i], err);
    return s;
}

sns_status sns_pictures_open(const sns_pictures_options *o, sns_pictures **out, sns_error *err) {
    *out = NULL;
    if (!o->path_count && !o->list) return sns_fail(err, SNS_ARG, "no pictures given");
    sns_pictures *p = calloc(1, sizeof *p);
    if (p) p->walker = sns_walker_new(&p->walk);
    if (!p || !p->walker) {
        free(p);
        return sns_fail(err, SNS_NOMEM, "no memory to look for pictures");
    }
    p->only_files = !o->list;
    p->sounds = p->walk.sounds = p->walk.films = p->walk.no_pictures = o->sounds != 0;
    p->walk.cancel = (const int *)(uintptr_t)&p->stop;
    sns_status s = leave_out(p, o, err);
    for (size_t i = 0; i < o->path_count && !s; i++) s = add_name(p, o->paths[i], err);
    if (!s && o->list)
        s = sns_name_reader_open(o->list, o->list_nul ? 0 : '\n', &p->stop, &p->list, err);
    if (s)
        sns_pictures_free(p);
    else
        *out = p;
    return s;
}

static void close_shard(sns_pictures *p) {
    sns_bytes_free(p->bytes);
    free(p->shard);
    p->bytes = NULL;
    p->shard = NULL;
}

static void close_manifest(sns_pictures *p) {
    sns_dataset_free(p->manifest);
    sns_map_close(&p->map);
    p->manifest = NULL;
}

void sns_pictures_free(sns_pictures *p) {
    if (!p) return;
    close_shard(p);
    close_manifest(p);
    sns_walker_free(p->walker);
    sns_walk_free(&p->walk);
    sns_name_reader_free(p->list);
    sns_name_list_free(&p->names);
    sns_names_free(&p->problems);
    free(p);
}

size_t sns_pictures_total(const sns_pictures *p) {
    return p->only_files ? p->names.count : 0;
}

size_t sns_pictures_passed(const sns_pictures *p) {
    return p->walk.passed;
}

void sns_pictures_stop(sns_pictures *p) {
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELAXED);
}

/* ---- items ---------------------------------------------------------------------------------- */

static sns_status give_file(const char *path, sns_embed_item *item, sns_error *err) {
    item->name = sns_strdup(path);
    return item->name ? SNS_OK : sns_fail(err, SNS_NOMEM, "%s: no memory for its name", path);
}

/* An item with this problem; but these two are of the work, not of one picture. */
static sns_status give_problem(const char *name, const sns_error *why, sns_embed_item *item,
                               sns_error *err) {
    if (why->code == SNS_NOMEM || why->code == SNS_CANCELLED)
        return sns_fail(err, why->code, "%s", why->message);
    item->problem = *why;
    return give_file(name, item, err);
}

/* The last part of a name; "" where it is hidden. */
static const char *shown_name(const char *member) {
    const char *slash = strrchr(member, '/'), *base = slash ? slash + 1 : member;
    return *base == '.' ? "" : base;
}

static bool is_picture(const char *member) {
    return sns_is_picture_name(shown_name(member));
}

static bool is_sound(const char *member) {
    const char *name = shown_name(member);
    return sns_is_sound_name(name) || sns_is_film_name(name);
}

/* The next member of the open shard, or its end. */
static sns_status give_member(sns_pictures *p, sns_embed_item *item, sns_error *err) {
    sns_tar_member member;
    sns_error why = {0};
    bool end;
    sns_status s = sns_tar_stream_next(&p->tar, p->sounds ? is_sound : is_picture, &member, &end,
                                       &why);
    if (s) {
        why.code = s;
        s = give_problem(p->shard, &why, item, err);
        if (why.code != SNS_FORMAT && why.code != SNS_LIMIT) close_shard(p);
        return s;
    }
    if (end) {
        close_shard(p);
        return SNS_OK;
    }
    sns_strbuf name = {0};
    sns_strbuf_printf(&name, "%s/%s", p->shard, member.name);
    if (name.failed) {
        free(member.data);
        return sns_fail(err, SNS_NOMEM, "%s: no memory for a name", p->shard);
    }
    *item = (sns_embed_item){.name = name.data, .bytes = member.data, .size = member.size};
    return SNS_OK;
}

static sns_status give_sample(sns_pictures *p, sns_embed_item *item, sns_error *err) {
    sns_dataset *d = p->manifest;
    if (p->next_sample < sns_dataset_count(d)) {
        const sns_sample *s = sns_dataset_sample(d, p->next_sample++);
        return give_file(sns_dataset_text(d, s->name), item, err);
    }
    close_manifest(p);
    return SNS_OK;
}

/* ---- the next name -------------------------------------------------------------------------- */

static void remember(void *user, const char *message) {
    sns_pictures *p = user;
    (void)sns_names_add(&p->problems, message, NULL);
}

static sns_status open_shard(sns_pictures *p, const char *name, sns_error *err) {
    sns_status s = sns_bytes_open(name, &p->stop, &p->bytes, err);
    if (s) return s;
    p->shard = sns_strdup(name);
    if (!p->shard) return sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    sns_tar_stream_begin(&p->tar, p->shard, p->bytes);
    return SNS_OK;
}

static sns_status open_manifest(sns_pictures *p, const char *name, sns_error *err) {
    sns_status s = sns_map_open(name, &p->map, err);
    if (s) return s;
    p->next_sample = 0;
    p->manifest = sns_dataset_new(remember, p);
    if (!p->manifest) {
        s = sns_fail(err, SNS_NOMEM, "%s: no memory to read it", name);
    } else {
        p->manifest->sound_rate_hz = p->sounds; /* any rate: nothing is decoded here */
        s = sns_ends_with_nocase(name, ".csv")
                ? sns_dataset_read_csv(p->manifest, name, p->map, err)
                : sns_dataset_read_jsonl(p->manifest, name, p->map, err);
    }
    if (s) close_manifest(p);
    return s;
}

/* A name becomes an item, or something that has more of them. */
static sns_status take_name(sns_pictures *p, const char *name, bool may_be_command,
                            sns_embed_item *item, sns_error *err) {
    struct stat st;
    sns_error why = {0};
    bool folder = !stat(name, &st) && S_ISDIR(st.st_mode);
    if (may_be_command && sns_bytes_is_pipe(name))
        why.code = open_shard(p, name, &why);
    else if (folder)
        return sns_walker_add(p->walker, name, err);
    else if (is_shard(name))
        why.code = open_shard(p, name, &why);
    else if (is_manifest(name))
        why.code = open_manifest(p, name, &why);
    else
        return give_file(name, item, err);
    return why.code ? give_problem(name, &why, item, err) : SNS_OK;
}

static sns_status take_listed(sns_pictures *p, sns_embed_item *item, sns_error *err) {
    const char *name;
    sns_error why = {0};
    why.code = sns_name_reader_next(p->list, &name, &why);
    if (!why.code && name) return take_name(p, name, false, item, err);
    if (why.code != SNS_LIMIT) {
        sns_name_reader_free(p->list);
        p->list = NULL;
    }
    return why.code ? give_problem("list", &why, item, err) : SNS_OK;
}

/* The next folder's files, and what could not be read there. */
static sns_status step(sns_pictures *p, bool *more, sns_error *err) {
    p->next_file = 0;
    sns_status s = sns_walker_step(p->walker, more, err);
    for (size_t i = 0; i < p->walk.problems.count && !s; i++)
        s = sns_names_add(&p->problems, p->walk.problems.items[i], err);
    sns_names_free(&p->walk.problems);
    sns_names_free(&p->walk.unread);
    return s;
}

static sns_status give_told(sns_pictures *p, sns_embed_item *item, sns_error *err) {
    sns_error why = {.code = SNS_IO};
    snprintf(why.message, sizeof why.message, "%s", p->problems.items[p->next_problem++]);
    sns_status s = give_problem(why.message, &why, item, err);
    if (p->next_problem == p->problems.count) {
        sns_names_free(&p->problems);
        p->next_problem = 0;
    }
    return s;
}

sns_status sns_pictures_next(sns_pictures *p, sns_embed_item *item, sns_error *err) {
    sns_status s = SNS_OK;
    while (!s && !item->name) {
        bool more = false;
        if (__atomic_load_n(&p->stop, __ATOMIC_RELAXED))
            return sns_fail(err, SNS_CANCELLED, "stopped");
        if (p->problems.count)
            s = give_told(p, item, err);
        else if (p->bytes)
            s = give_member(p, item, err);
        else if (p->manifest)
            s = give_sample(p, item, err);
        else if (p->next_file < p->walk.count)
            s = give_file(p->walk.files[p->next_file++].path, item, err);
        else if ((s = step(p, &more, err)) || more)
            continue;
        else if (p->next_name < p->names.count)
            s = take_name(p, p->names.items[p->next_name++], true, item, err);
        else if (p->list)
            s = take_listed(p, item, err);
        else
            break;
    }
    return s;
}

/* ---- as a source ---------------------------------------------------------------------------- */

static sns_status next(void *user, sns_embed_item *item, sns_error *err) {
    return sns_pictures_next(user, item, err);
}

static void stop(void *user) {
    sns_pictures_stop(user);
}

sns_embed_source sns_pictures_source(sns_pictures *p) {
    return (sns_embed_source){.next = next, .stop = stop, .user = p};
}
