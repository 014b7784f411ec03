/* clattn - attention on any OpenCL 1.2 device.
 *
 *   clattn_context  one cl_context and device; owns compiled programs.  Thread-safe.
 *   clattn_op       one operation, specialised for that device.  Immutable, thread-safe.
 *   *_run()         enqueues an op on the caller's queue.  Never blocks and never compiles.
 *
 * Unless a comment says otherwise:
 *   - calls return clattn_status and write their outputs only on CLATTN_OK;
 *   - a zero field means "default" or "absent" ({0} in C, {} in C++); new fields are only
 *     ever appended, with zero keeping the old behaviour;
 *   - structs and strings passed in need live only until the call returns;
 *   - sizes, strides and offsets count elements, never bytes;
 *   - queues are in-order; wait on other work by enqueuing a barrier first;
 *   - destroy functions accept NULL; destroy ops before their context. */
#ifndef CLATTN_H
#define CLATTN_H

#include <clattn/attention.h>
#include <clattn/attribution.h>
#include <clattn/base.h>
#include <clattn/block.h>
#include <clattn/cache.h>
#include <clattn/classic.h>
#include <clattn/context.h>
#include <clattn/layer.h>
#include <clattn/moe.h>
#include <clattn/tune.h>

#endif /* CLATTN_H */
