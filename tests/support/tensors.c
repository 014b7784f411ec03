#include "tensors.h"

#include "fixture.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_BUFFERS = 512 };

static cl_mem buffers[MAX_BUFFERS];
static int buffer_count;

cl_mem memory_make(size_t bytes)
{
    if (bytes == 0) {
        return NULL;
    }
    ck_assert_int_lt(buffer_count, MAX_BUFFERS);
    cl_int code;
    const cl_mem mem =
        clCreateBuffer(clattn_context_cl(fixture.context), CL_MEM_READ_WRITE, bytes, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return buffers[buffer_count++] = mem;
}

enum { BEHIND = 256, UNTOUCHED = 0xa5 };

cl_mem scratch_make(size_t bytes)
{
    unsigned char behind[BEHIND];
    const cl_mem mem = memory_make(bytes + BEHIND);
    memset(behind, UNTOUCHED, sizeof behind);
    ck_assert_int_eq(clEnqueueWriteBuffer(fixture.queue, mem, CL_TRUE, bytes, sizeof behind, behind,
                                          0, NULL, NULL),
                     CL_SUCCESS);
    return mem;
}

void assert_scratch_kept(cl_mem scratch, size_t bytes)
{
    unsigned char behind[BEHIND];
    ck_assert_int_eq(clEnqueueReadBuffer(fixture.queue, scratch, CL_TRUE, bytes, sizeof behind,
                                         behind, 0, NULL, NULL),
                     CL_SUCCESS);
    for (size_t i = 0; i < sizeof behind; i++) {
        ck_assert_msg(behind[i] == UNTOUCHED, "byte %zu behind %zu of scratch was written", i,
                      bytes);
    }
}

void tensors_release(void)
{
    while (buffer_count > 0) {
        clReleaseMemObject(buffers[--buffer_count]);
    }
}

int64_t tensor_elements(const clattn_tensor *tensor)
{
    return tensor->size[0] * tensor->size[1] * tensor->size[2] * tensor->size[3];
}

static size_t tensor_bytes(const clattn_tensor *tensor)
{
    return (size_t)(tensor->size[0] * tensor->size[1] * tensor->size[2]) *
           clattn_row_bytes(tensor->type, tensor->size[3]);
}

void tensor_write(const clattn_tensor *tensor, const void *values)
{
    const size_t bytes = tensor_bytes(tensor);
    if (bytes > 0) {
        ck_assert_int_eq(clEnqueueWriteBuffer(fixture.queue, tensor->mem, CL_TRUE,
                                              clattn_row_bytes(tensor->type, tensor->offset), bytes,
                                              values, 0, NULL, NULL),
                         CL_SUCCESS);
    }
}

void tensor_read(const clattn_tensor *tensor, void *values, size_t capacity)
{
    const size_t bytes = tensor_bytes(tensor);
    ck_assert_int_le(tensor_elements(tensor), (int64_t)capacity);
    if (bytes > 0) {
        ck_assert_int_eq(clEnqueueReadBuffer(fixture.queue, tensor->mem, CL_TRUE,
                                             clattn_row_bytes(tensor->type, tensor->offset), bytes,
                                             values, 0, NULL, NULL),
                         CL_SUCCESS);
    }
}

clattn_tensor tensor_zeros(clattn_type type, int64_t batch, int64_t rows, int64_t heads,
                           int64_t columns)
{
    clattn_tensor tensor = {.size = {batch, rows, heads, columns}, .type = type};
    const size_t bytes = tensor_bytes(&tensor);
    tensor.mem = memory_make(bytes);
    void *zeros = calloc(1, bytes + 1);
    ck_assert_ptr_nonnull(zeros);
    tensor_write(&tensor, zeros);
    free(zeros);
    return tensor;
}

clattn_tensor tensor_of(const float *values, int64_t batch, int64_t rows, int64_t heads,
                        int64_t columns)
{
    const clattn_tensor tensor = tensor_zeros(CLATTN_F32, batch, rows, heads, columns);
    tensor_write(&tensor, values);
    return tensor;
}

static float *floats(int64_t count)
{
    float *values = malloc((size_t)count * sizeof *values + 1);
    ck_assert_ptr_nonnull(values);
    return values;
}

clattn_tensor tensor_random(unsigned seed, int64_t batch, int64_t rows, int64_t heads,
                            int64_t columns)
{
    const int64_t count = batch * rows * heads * columns;
    float *values = floats(count);
    uint32_t state = seed * 2654435761u + 1;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
    }
    const clattn_tensor tensor = tensor_of(values, batch, rows, heads, columns);
    free(values);
    return tensor;
}

clattn_tensor tensor_view(clattn_tensor tensor, int64_t offset, int64_t batch, int64_t rows,
                          int64_t heads, int64_t columns)
{
    const clattn_tensor view = {.mem = tensor.mem,
                                .offset = offset,
                                .size = {batch, rows, heads, columns},
                                .type = tensor.type};
    return view;
}

void tensor_fill(const clattn_tensor *tensor, float value)
{
    const int64_t count = tensor_elements(tensor);
    float *values = floats(count);
    for (int64_t i = 0; i < count; i++) {
        values[i] = value;
    }
    tensor_write(tensor, values);
    free(values);
}

void assert_same_tensors(const clattn_tensor *got, const clattn_tensor *expected, float tolerance)
{
    const int64_t count = tensor_elements(expected);
    ck_assert_int_eq(tensor_elements(got), count);
    float *a = floats(count), *b = floats(count);
    tensor_read(got, a, (size_t)count);
    tensor_read(expected, b, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        const bool same = a[i] == b[i] || fabsf(a[i] - b[i]) <= tolerance;
        must(same, "element %lld is %.9g, expected %.9g", (long long)i, a[i], b[i]);
    }
    free(a);
    free(b);
}
