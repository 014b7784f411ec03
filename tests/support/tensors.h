/* Buffers and views of a test; every buffer made here is released by tensors_release. */
#ifndef SUPPORT_TENSORS_H
#define SUPPORT_TENSORS_H

#include <clattn/clattn.h>

/* On the fixture's context.  A buffer of no bytes is NULL, as OpenCL has none. */
cl_mem memory_make(size_t bytes);

/* A buffer for so many bytes of scratch, with some behind them that no call may touch, and whether
 * none has. */
cl_mem scratch_make(size_t bytes);
void assert_scratch_kept(cl_mem scratch, size_t bytes);
void tensors_release(void);

/* A dense tensor in a buffer just large enough, filled with zeros or with numbers
 * between -1 and 1 that seed gives. */
clattn_tensor tensor_zeros(clattn_type type, int64_t batch, int64_t rows, int64_t heads,
                           int64_t columns);
clattn_tensor tensor_random(unsigned seed, int64_t batch, int64_t rows, int64_t heads,
                            int64_t columns);
clattn_tensor tensor_of(const float *values, int64_t batch, int64_t rows, int64_t heads,
                        int64_t columns);

/* A view of the same buffer with other sizes, dense, from an offset. */
clattn_tensor tensor_view(clattn_tensor tensor, int64_t offset, int64_t batch, int64_t rows,
                          int64_t heads, int64_t columns);

int64_t tensor_elements(const clattn_tensor *tensor);

/* Blocking; the whole dense tensor, at most capacity elements. */
void tensor_read(const clattn_tensor *tensor, void *values, size_t capacity);
void tensor_write(const clattn_tensor *tensor, const void *values);
void tensor_fill(const clattn_tensor *tensor, float value); /* f32 */

/* Fails the test where two dense f32 tensors differ by more than tolerance, which may be 0. */
void assert_same_tensors(const clattn_tensor *got, const clattn_tensor *expected, float tolerance);

#endif /* SUPPORT_TENSORS_H */
