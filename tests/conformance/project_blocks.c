/* project_blocks WEIGHT_TYPE ROWS IN OUT KERNEL: one projection of weights in blocks, for
 * gguf_blocks.py.  Standard input has the weights as a file stores them, then x, f32 {ROWS, IN};
 * standard output gets y, f32 {ROWS, OUT}. */
#include <clattn/clattn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "project_blocks: %s: %s\n", what, why);
    exit(1);
}

static void check(clattn_status status, const char *what)
{
    if (status != CLATTN_OK) {
        stop(what, clattn_error());
    }
}

static clattn_type type_named(const char *name)
{
    for (clattn_type type = CLATTN_Q8_0; type <= CLATTN_Q6_K; type++) {
        if (!strcmp(clattn_type_name(type), name)) {
            return type;
        }
    }
    stop(name, "no weights in blocks have this name");
    return CLATTN_F32;
}

static void *memory(size_t bytes)
{
    void *const memory = malloc(bytes);
    if (!memory) {
        stop("malloc", "out of memory");
    }
    return memory;
}

/* The next so many bytes of standard input. */
static clattn_tensor read_tensor(cl_context context, clattn_type type, int64_t rows,
                                 int64_t columns)
{
    const size_t bytes = (size_t)rows * clattn_row_bytes(type, columns);
    void *const data = memory(bytes);
    if (fread(data, 1, bytes, stdin) != bytes) {
        stop("standard input", "too short");
    }
    cl_int code;
    const cl_mem mem = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, bytes, data, &code);
    free(data);
    if (code != CL_SUCCESS) {
        stop("clCreateBuffer", "failed");
    }
    return (clattn_tensor){.mem = mem, .size = {1, rows, 1, columns}, .type = type};
}

static void write_tensor(cl_command_queue queue, const clattn_tensor *tensor)
{
    const size_t bytes = (size_t)tensor->size[1] * clattn_row_bytes(tensor->type, tensor->size[3]);
    void *const data = memory(bytes);
    if (clEnqueueReadBuffer(queue, tensor->mem, CL_TRUE, 0, bytes, data, 0, NULL, NULL) !=
            CL_SUCCESS ||
        fwrite(data, 1, bytes, stdout) != bytes) {
        stop("y", "not read or not written");
    }
    free(data);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: project_blocks WEIGHT_TYPE ROWS IN OUT KERNEL <weights,x >y\n");
        return 2;
    }
    const clattn_type type = type_named(argv[1]);
    const int rows = atoi(argv[2]), in = atoi(argv[3]), out = atoi(argv[4]);
    const clattn_project_desc desc = {
        .in_dim = in, .out_dim = out, .weight_type = type, .kernel = argv[5]};
    clattn_context *context;
    clattn_op *op;
    cl_int code;
    check(clattn_context_create(NULL, &context), "context");
    check(clattn_project_create(context, &desc, &op), argv[5]);
    const cl_context cl = clattn_context_cl(context);
    const cl_command_queue queue =
        clCreateCommandQueue(cl, clattn_context_device(context), 0, &code);
    const clattn_tensor weight = read_tensor(cl, type, out, in),
                        x = read_tensor(cl, CLATTN_F32, rows, in);
    const clattn_tensor y = {
        .mem = clCreateBuffer(cl, 0, (size_t)rows * (size_t)out * sizeof(float), NULL, &code),
        .size = {1, rows, 1, out}};
    const clattn_project_args args = {.x = x, .weight = weight, .y = y};
    check(clattn_project_run(op, queue, &args, NULL), argv[5]);
    write_tensor(queue, &y);
    const cl_mem buffers[] = {weight.mem, x.mem, y.mem};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return 0;
}
