/* What attend does to arrays before the device has them. */
#ifndef TOOLS_ATTEND_ARRAYS_H
#define TOOLS_ATTEND_ARRAYS_H

#include "shared/message.h"

#include <clattn/models/array.h>

bool array_is_float(const clattn_array *a);

/* a and then b along an axis; they are alike in all others.  The caller frees out. */
bool array_join(const clattn_array *a, const clattn_array *b, int axis, clattn_array *out,
                reason *why);

/* Makes a fit target by numpy's rules: missing leading axes become 1, and the last axis
 * is repeated in memory if it must be.  Other axes stay 1, to be broadcast by stride. */
bool array_broadcast(clattn_array *a, int rank, const int64_t *target, reason *why);

#endif /* TOOLS_ATTEND_ARRAYS_H */
