/* sensus.h - includes every public header. */
#ifndef SENSUS_SENSUS_H
#define SENSUS_SENSUS_H
#include <sensus/status.h>
#include <sensus/version.h>
#include <sensus/image.h>
#include <sensus/tokenizer.h>
#include <sensus/model.h>
#include <sensus/catalog.h>
#include <sensus/embed.h>
#include <sensus/eval.h>
#include <sensus/train.h>
#endif
