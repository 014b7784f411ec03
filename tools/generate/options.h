/* What clattn generate was asked for. */
#ifndef TOOLS_GENERATE_OPTIONS_H
#define TOOLS_GENERATE_OPTIONS_H

#include "shared/options.h"

#include <clattn/models/sampler.h>

typedef struct generate_options {
    common_options common;
    const char *model, *prompt, *system, *answer, *dump, *attribute;
    int attribute_by; /* clattn_sources_method */
    text_list documents;
    int32_t count; /* 0 = not said */
    clattn_sampler_desc how;
    bool chat, stats;
} generate_options;

/* False: leave with *status. */
bool generate_options_parse(int argc, char **argv, generate_options *options, int *status);

#endif /* TOOLS_GENERATE_OPTIONS_H */
