/* sensus.h - includes every public header. A whole program:
 *
 *     #include <sensus/sensus.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         const char *folder = "Pictures", *text = "a dog on a beach";
 *         sns_error err;
 *         sns_model *model;
 *         sns_session *session;
 *         sns_catalog *catalog;
 *         sns_index_counts counts;
 *         sns_hits hits;
 *         float query[256];  // sns_model_dim(model) floats
 *         if (sns_model_load("models/sensus-small", &model, &err) ||
 *             sns_session_new(model, &session, &err) ||
 *             sns_catalog_open("pictures.db", SNS_CATALOG_WRITE, &catalog, &err) ||
 *             sns_catalog_index(catalog, model, NULL, &folder, 1, NULL, &counts, &err) ||
 *             sns_encode_texts(session, &text, 1, query, &err) ||
 *             sns_catalog_search(catalog, query, sns_model_dim(model), 10, &hits, &err)) {
 *             fprintf(stderr, "%s\n", err.message);
 *             return 1;
 *         }
 *         for (size_t i = 0; i < hits.count; i++)
 *             printf("%.3f %s\n", hits.items[i].score, hits.items[i].path);
 *         sns_hits_free(&hits);
 *         sns_catalog_close(catalog);
 *         sns_session_free(session);
 *         sns_model_free(model);
 *         return 0;
 *     }
 */
#ifndef SENSUS_SENSUS_H
#define SENSUS_SENSUS_H
#include <sensus/catalog.h>
#include <sensus/classifier.h>
#include <sensus/clip.h>
#include <sensus/data.h>
#include <sensus/embed.h>
#include <sensus/eval.h>
#include <sensus/ground.h>
#include <sensus/image.h>
#include <sensus/isolation.h>
#include <sensus/model.h>
#include <sensus/pictures.h>
#include <sensus/probe.h>
#include <sensus/relevance.h>
#include <sensus/robustness.h>
#include <sensus/sound.h>
#include <sensus/status.h>
#include <sensus/suite.h>
#include <sensus/tokenizer.h>
#include <sensus/train.h>
#include <sensus/version.h>
#include <sensus/video.h>
#endif
