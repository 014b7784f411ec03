/* What `clattn check` is asked for. */
#ifndef TOOLS_CHECK_OPTIONS_H
#define TOOLS_CHECK_OPTIONS_H

#include "shared/options.h"

typedef struct check_options {
    common_options common;
    bool smoke, full, coverage;
    const char *op, *line, *cases, *kernel, *type, *report, *cache_dir;
    int32_t random, params, seconds;
    bool params_all;
    int64_t seed;
} check_options;

/* As options_parse; false, too, after a line about what makes no sense together. */
bool check_options_parse(int argc, char **argv, check_options *options, int *status);

#endif /* TOOLS_CHECK_OPTIONS_H */
