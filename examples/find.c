/* find.c - index a folder and find pictures by a sentence: find MODEL_DIR FOLDER SENTENCE */
#include <sensus/sensus.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const char *folder = argv[2];
    sns_error err = {0};
    sns_model *model = NULL;
    sns_session *session = NULL;
    sns_catalog *catalog = NULL;
    sns_index_counts counts;
    sns_hits hits = {0};
    float query[4096];
    int failed = sns_model_load(argv[1], &model, &err) || sns_session_new(model, &session, &err) ||
                 sns_catalog_open("pictures.db", SNS_CATALOG_WRITE, &catalog, &err) ||
                 sns_catalog_index(catalog, model, argv[1], &folder, 1, NULL, &counts, &err) ||
                 sns_encode_texts(session, (const char *const *)&argv[3], 1, query, &err) ||
                 sns_catalog_search(catalog, query, sns_model_dim(model), 10, &hits, &err);
    for (size_t i = 0; i < hits.count; i++)
        printf("%.3f %s\n", hits.items[i].score, hits.items[i].path);
    if (failed) fprintf(stderr, "%s\n", err.message);
    sns_hits_free(&hits);
    sns_catalog_close(catalog);
    sns_session_free(session);
    sns_model_free(model);
    return failed ? 1 : 0;
}
