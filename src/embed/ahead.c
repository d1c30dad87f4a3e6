/* ahead.c - one thread that fills two places in turn. */
#include "embed/ahead.h"
#include "base/error.h"
#include <pthread.h>
#include <stdlib.h>

struct sns_ahead {
    sns_ahead_fill *fill;
    void *user;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    size_t filled, taken; /* places, counted on */
    bool over, stop;      /* over: the last one is filled */
};

/* May the next place be filled? The one that was taken last is the caller's. Under the lock. */
static bool has_room(const sns_ahead *a) {
    size_t held = a->taken ? a->taken - 1 : 0;
    return a->filled < held + SNS_AHEAD_PLACES;
}

static void *fill_places(void *user) {
    sns_ahead *a = user;
    pthread_mutex_lock(&a->lock);
    while (!a->over) {
        while (!a->stop && !has_room(a)) pthread_cond_wait(&a->changed, &a->lock);
        if (a->stop) break;
        size_t place = a->filled % SNS_AHEAD_PLACES;
        pthread_mutex_unlock(&a->lock);
        bool more = a->fill(a->user, place);
        pthread_mutex_lock(&a->lock);
        a->filled++;
        a->over = !more;
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

sns_status sns_ahead_new(sns_ahead_fill *fill, void *user, sns_ahead **out, sns_error *err) {
    *out = NULL;
    sns_ahead *a = calloc(1, sizeof *a);
    if (!a) return sns_fail(err, SNS_NOMEM, "no memory to read ahead");
    a->fill = fill;
    a->user = user;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (pthread_create(&a->thread, NULL, fill_places, a)) {
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
        free(a);
        return sns_fail(err, SNS_NOMEM, "no thread to read ahead");
    }
    *out = a;
    return SNS_OK;
}

size_t sns_ahead_next(sns_ahead *a) {
    pthread_mutex_lock(&a->lock);
    if (!a->over || a->taken < a->filled) {
        a->taken++;
        pthread_cond_signal(&a->changed);
        while (a->filled < a->taken) pthread_cond_wait(&a->changed, &a->lock);
    }
    size_t place = (a->taken - 1) % SNS_AHEAD_PLACES;
    pthread_mutex_unlock(&a->lock);
    return place;
}

void sns_ahead_free(sns_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
