/* cohort.c - what unrelated things score, so that a score says something by itself.
 *
 * A cosine of 0.3 may be a perfect match in one model and noise in another; some texts lie near all
 * pictures, some pictures near all texts. Speaker verification has the same trouble, and the answer
 * taken here: with q the query, x a picture, c_j the vectors of B unrelated texts (the cohort),
 *     z(x) = (q . x - mean over pictures y of q . y) / deviation      what the query gives
 * elsewhere t(x) = (q . x - mean over j of c_j . x) / deviation             what others give this
 * picture s(x) = (z + t) / 2 Sources: z-norm and t-norm, Auckenthaler, Carey, Lloyd-Thomas 2000;
 * s-norm, Shum et al. 2010.
 *
 * z is over the catalog's own pictures, which few of a small or uniform catalog are unrelated to
 * the query: its mean and variance are drawn towards the cohort's over the same pictures, as PRIOR
 * more pictures would. */
#include "base/error.h"
#include "kernel/kernel.h"
#include <sensus/relevance.h>
#include <math.h>

enum { PRIOR = 32, BLOCK = 1024 };

static const float LEAST = 1e-6f; /* deviation, where all scores are one */

/* Everyday things of all kinds: none is right for most pictures, some are wrong for each. */
static const char *const things[] = {"dog",         "cat",          "horse",
                                     "cow",         "sheep",        "pig",
                                     "elephant",    "lion",         "bear",
                                     "monkey",      "mouse",        "rabbit",
                                     "bird",        "eagle",        "duck",
                                     "chicken",     "owl",          "fish",
                                     "shark",       "whale",        "snake",
                                     "turtle",      "frog",         "butterfly",
                                     "bee",         "spider",       "ant",
                                     "snail",       "dinosaur",     "dragon",
                                     "tree",        "forest",       "flower",
                                     "rose",        "leaf",         "grass",
                                     "cactus",      "mushroom",     "apple",
                                     "banana",      "grapes",       "lemon",
                                     "strawberry",  "tomato",       "carrot",
                                     "corn",        "bread",        "cheese",
                                     "cake",        "pizza",        "hamburger",
                                     "ice cream",   "coffee",       "wine",
                                     "soup",        "rice",         "egg",
                                     "meat",        "chocolate",    "candy",
                                     "man",         "woman",        "child",
                                     "baby",        "grandmother",  "crowd",
                                     "family",      "face",         "hand",
                                     "eye",         "foot",         "smile",
                                     "tears",       "dancer",       "runner",
                                     "reader",      "sleeper",      "football player",
                                     "musician",    "doctor",       "police officer",
                                     "soldier",     "cook",         "farmer",
                                     "king",        "wedding",      "birthday party",
                                     "car",         "bus",          "truck",
                                     "bicycle",     "motorcycle",   "train",
                                     "airplane",    "helicopter",   "boat",
                                     "ship",        "rocket",       "tractor",
                                     "road",        "bridge",       "traffic light",
                                     "house",       "castle",       "church",
                                     "tower",       "skyscraper",   "street",
                                     "factory",     "door",         "window",
                                     "stairs",      "kitchen",      "bathroom",
                                     "bedroom",     "office",       "garden",
                                     "farm",        "mountain",     "beach",
                                     "sea",         "river",        "lake",
                                     "waterfall",   "desert",       "island",
                                     "volcano",     "sky",          "cloud",
                                     "rain",        "snow",         "lightning",
                                     "rainbow",     "sun",          "moon",
                                     "star",        "night",        "sunset",
                                     "fire",        "ice",          "planet",
                                     "map",         "flag",         "chair",
                                     "table",       "bed",          "sofa",
                                     "lamp",        "candle",       "clock",
                                     "mirror",      "telephone",    "computer",
                                     "keyboard",    "television",   "camera",
                                     "radio",       "book",         "newspaper",
                                     "letter",      "pencil",       "scissors",
                                     "hammer",      "knife",        "spoon",
                                     "key",         "lock",         "box",
                                     "bag",         "suitcase",     "umbrella",
                                     "hat",         "shirt",        "dress",
                                     "trousers",    "shoe",         "glasses",
                                     "ring",        "crown",        "watch",
                                     "coin",        "money",        "guitar",
                                     "piano",       "drum",         "trumpet",
                                     "violin",      "ball",         "tennis racket",
                                     "chess board", "playing card", "dice",
                                     "doll",        "teddy bear",   "kite",
                                     "balloon",     "gift",         "trophy",
                                     "medal",       "sword",        "shield",
                                     "gun",         "bomb",         "tent",
                                     "rope",        "ladder",       "wheel",
                                     "machine",     "robot",        "battery",
                                     "light bulb",  "magnet",       "microscope",
                                     "telescope",   "syringe",      "pill",
                                     "bone",        "skull",        "heart",
                                     "circle",      "square",       "triangle",
                                     "arrow",       "cross",        "number",
                                     "word",        "sign",         "symbol",
                                     "chart",       "diagram",      "logo",
                                     "drawing",     "painting",     "cartoon",
                                     "portrait",    "screenshot",   "document",
                                     "pattern",     "texture",      "red",
                                     "blue",        "green",        "yellow",
                                     "black",       "white",        "war",
                                     "music",       "game",         "sport",
                                     "science",     "religion",     "meal",
                                     "vegetable",   "fruit",        "furniture",
                                     "clothing",    "tool",         "toy",
                                     "jewel",       "insect",       "wild animal",
                                     "pet"};
enum { THINGS = sizeof things / sizeof *things };

sns_status sns_cohort_new(const sns_model *model, const char *const *templates,
                          size_t template_count, sns_classifier **out, sns_error *err) {
    static const char *const bare = "{}";
    sns_class classes[THINGS];
    for (size_t i = 0; i < THINGS; i++) classes[i] = (sns_class){things[i], &things[i], 1};
    return sns_classifier_new(model, classes, THINGS, template_count ? templates : &bare,
                              template_count ? template_count : 1, NULL, out, err);
}

/* Mean and deviation of n numbers, in double. */
static sns_moments moments_of(const float *x, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return (sns_moments){(float)mean, (float)sqrt(squares / (double)n)};
}

void sns_cohort_moments(const sns_classifier *cohort, const float *vectors, size_t n,
                        sns_moments *out) {
    size_t B = sns_classifier_count(cohort), E = sns_classifier_dim(cohort);
    const float *C = sns_classifier_weights(cohort);
    float scores[BLOCK];
    for (size_t i = 0; i < n; i++) {
        double sum = 0, squares = 0; /* about the first score, which keeps what follows small */
        float pivot = 0;
        for (size_t j = 0; j < B; j += BLOCK) {
            size_t rows = B - j < BLOCK ? B - j : BLOCK;
            sns_kernels_get()->dot_rows(scores, vectors + i * E, C + j * E, rows, E);
            if (!j) pivot = scores[0];
            for (size_t k = 0; k < rows; k++) {
                double d = (double)scores[k] - pivot;
                sum += d;
                squares += d * d;
            }
        }
        double mean = sum / (double)B, variance = squares / (double)B - mean * mean;
        out[i] = (sns_moments){(float)(pivot + mean), (float)sqrt(variance > 0 ? variance : 0)};
    }
}

float sns_standing(const sns_classifier *cohort, const float *vector, const float *text) {
    sns_moments m;
    sns_cohort_moments(cohort, vector, 1, &m);
    float cosine = sns_kernels_get()->dot(vector, text, sns_classifier_dim(cohort));
    return (cosine - m.mean) / fmaxf(m.std, LEAST);
}

/* The query's scores among these pictures, joined by PRIOR of the cohort's. */
static sns_moments elsewhere(const float *cosines, const sns_moments *m, size_t n) {
    sns_moments own = moments_of(cosines, n);
    if (!m) return own;
    double mean = 0, second = 0, weight = (double)n / ((double)n + PRIOR);
    for (size_t i = 0; i < n; i++) {
        mean += m[i].mean / (double)n;
        second += ((double)m[i].mean * m[i].mean + (double)m[i].std * m[i].std) / (double)n;
    }
    double joined = weight * own.mean + (1 - weight) * mean;
    double joined_second = weight * ((double)own.mean * own.mean + (double)own.std * own.std) +
                           (1 - weight) * second;
    double variance = joined_second - joined * joined;
    return (sns_moments){(float)joined, (float)sqrt(variance > 0 ? variance : 0)};
}

void sns_relevance(const float *cosines, const sns_moments *m, size_t n, float *out) {
    if (!n) return;
    sns_moments z = elsewhere(cosines, m, n);
    for (size_t i = 0; i < n; i++) {
        float cosine = cosines[i], s = (cosine - z.mean) / fmaxf(z.std, LEAST);
        if (m) s = (s + (cosine - m[i].mean) / fmaxf(m[i].std, LEAST)) / 2;
        out[i] = s;
    }
}
