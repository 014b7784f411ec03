/* What the shapes of the inputs say about the problem, and whether they agree.
 * All return false after a line that names the option and the shapes. */
#ifndef TOOLS_ATTEND_SHAPES_H
#define TOOLS_ATTEND_SHAPES_H

#include "attend.h"

/* q, k and v alike have 3 or 4 axes. */
bool check_ranks(const attend_inputs *inputs);

/* These fill in the sizes of inputs, from q, k, v or from x and its weights. */
bool shapes_of_qkv(const attend_options *options, attend_inputs *inputs);
bool shapes_of_layer(const attend_options *options, attend_inputs *inputs);

/* True also where the operand is absent; meaning tells why the shape must be this one. */
bool check_shape(const attend_inputs *inputs, operand slot, int rank, const int64_t *shape,
                 const char *meaning);

#endif /* TOOLS_ATTEND_SHAPES_H */
