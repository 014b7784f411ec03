/* Results as JSON on stdout. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Prints and frees it.  False after a line if memory ran out. */
bool report_print(cJSON *root);

#endif /* TOOLS_REPORT_H */
