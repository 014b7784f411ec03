/* What the suites of calls of simple ops share: one op, closed after each test, and operands. */
#ifndef TEST_CALLS_H
#define TEST_CALLS_H

#include "support/fixture.h"
#include "support/refusals.h"
#include "support/tensors.h"

enum { B = 2, ROWS = 3, HEADS = 2, COLUMNS = 20, VOCABULARY = 7 };

static clattn_op *op; /* what is called */

static inline void close_all(void)
{
    clattn_op_destroy(op);
    op = NULL;
    tensors_release();
    fixture_close();
}

static inline clattn_tensor rows(unsigned seed)
{
    return tensor_random(seed, B, ROWS, HEADS, COLUMNS);
}

static inline clattn_tensor narrow(clattn_tensor tensor)
{
    tensor.type = CLATTN_BF16;
    return tensor;
}

static const clattn_type no_floats[] = {CLATTN_I32, CLATTN_U8, (clattn_type)5, (clattn_type)-1};
enum { NO_FLOATS = sizeof no_floats / sizeof *no_floats };

#endif
