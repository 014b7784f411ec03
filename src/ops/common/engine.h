/* What every op on a matrix engine must know of it. */
#ifndef CLATTN_OPS_ENGINE_H
#define CLATTN_OPS_ENGINE_H

#include "registry/variant.h"

/* Of an engine's blocks, as its header in kernels/matrix says: lanes of a sub-group, and rows; the
 * other side of a block is 16 long. */
struct clattn__block {
    int subgroup, rows;
};

/* By clattn_engine. */
extern const struct clattn__block clattn__blocks[];

enum { CLATTN__BLOCK_COLUMNS = 16 };

/* Whether the device has an engine. */
bool clattn__engine_fits(const clattn_device_facts *facts, char reason[CLATTN__REASON_BYTES]);

/* Whether it can compute an engine's instructions lane by lane. */
bool clattn__emulation_fits(const clattn_device_facts *facts, int engine,
                            char reason[CLATTN__REASON_BYTES]);

/* The device's engine; without one, any whose parameters can be told. */
int clattn__engine_of(const clattn_device_facts *facts);

/* flags of variants whose first parameter is the engine. */
const char *clattn__matrix_flags(const int *params);
const char *clattn__emulated_flags(const int *params);

#endif /* CLATTN_OPS_ENGINE_H */
