#include "tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes;  /* of an element, or of a block */
    int64_t block; /* columns */
} types[] = {
    [CLATTN_F32] = {"f32", 4, 1},       [CLATTN_F16] = {"f16", 2, 1},
    [CLATTN_BF16] = {"bf16", 2, 1},     [CLATTN_I32] = {"i32", 4, 1},
    [CLATTN_U8] = {"u8", 1, 1},         [CLATTN_I8] = {"i8", 1, 1},
    [CLATTN_Q8_0] = {"q8_0", 34, 32},   [CLATTN_Q4_0] = {"q4_0", 18, 32},
    [CLATTN_Q4_1] = {"q4_1", 20, 32},   [CLATTN_Q4_K] = {"q4_k", 144, 256},
    [CLATTN_Q6_K] = {"q6_k", 210, 256},
};

enum { TYPES = sizeof types / sizeof *types };

size_t clattn_type_size(clattn_type type)
{
    return (unsigned)type < TYPES && types[type].block == 1 ? types[type].bytes : 0;
}

int clattn_type_block(clattn_type type)
{
    return (unsigned)type < TYPES ? (int)types[type].block : 1;
}

/* Of elements side by side that are whole blocks, at most INT64_MAX / 4 of them. */
static int64_t bytes_of(clattn_type type, int64_t elements)
{
    return elements / types[type].block * (int64_t)types[type].bytes;
}

size_t clattn_row_bytes(clattn_type type, int64_t columns)
{
    if ((unsigned)type >= TYPES || columns < 0 || columns % types[type].block ||
        columns > INT64_MAX / 4) {
        return 0;
    }
    return (size_t)bytes_of(type, columns);
}

const char *clattn_type_name(clattn_type type)
{
    return (unsigned)type < TYPES ? types[type].name : "unknown type";
}

bool clattn__is_float(clattn_type type)
{
    return type == CLATTN_F32 || type == CLATTN_F16 || type == CLATTN_BF16;
}

bool clattn__mul_add(int64_t a, int64_t b, int64_t c, int64_t *out)
{
    if (a != 0 && b > (INT64_MAX - c) / a) {
        return false;
    }
    *out = a * b + c;
    return true;
}

static const char *const axes[4] = {"batch", "row", "head", "column"};

static clattn_status check_sizes(const struct clattn__want *want, const clattn_tensor *tensor)
{
    for (int a = 0; a < 4; a++) {
        const int64_t size = tensor->size[a];
        if (size != want->size[a] && !(want->repeat & 1u << a && size == 1)) {
            return clattn__refuse("%s: args.%s.size[%d] (%s) is %lld, must be %lld%s", want->op,
                                  want->field, a, axes[a], (long long)size,
                                  (long long)want->size[a], want->repeat & 1u << a ? " or 1" : "");
        }
    }
    return CLATTN_OK;
}

/* Of sizes; too large a product is the largest number, whose extent is refused later. */
static int64_t product(int64_t a, int64_t b)
{
    int64_t result;
    if (a <= 0 || b <= 0) {
        return 0;
    }
    return clattn__mul_add(a, b, 0, &result) ? result : INT64_MAX;
}

void clattn__strides(const clattn_tensor *tensor, int64_t stride[4])
{
    memcpy(stride, tensor->stride, 4 * sizeof *stride);
    if (stride[0] == 0 && stride[1] == 0 && stride[2] == 0 && stride[3] == 0) {
        stride[3] = 1;
        stride[2] = tensor->size[3];
        stride[1] = product(stride[2], tensor->size[2]);
        stride[0] = product(stride[1], tensor->size[1]);
    }
}

/* Distinct if, from the smallest stride up, each steps over all that is within. */
static bool elements_are_distinct(const int64_t size[4], const int64_t stride[4])
{
    bool used[4] = {false, false, false, false};
    int64_t within = 0; /* index of the last element reached so far */
    for (int n = 0; n < 4; n++) {
        int next = -1;
        for (int a = 0; a < 4; a++) {
            if (!used[a] && (next < 0 || stride[a] < stride[next])) {
                next = a;
            }
        }
        used[next] = true;
        if (size[next] > 1 && stride[next] <= within) {
            return false;
        }
        within += (size[next] - 1) * stride[next];
    }
    return true;
}

static clattn_status check_strides(const struct clattn__want *want, const clattn_tensor *tensor,
                                   const int64_t stride[4])
{
    for (int a = 0; a < 4; a++) {
        if (stride[a] < 0) {
            return clattn__refuse("%s: args.%s.stride[%d] is %lld, must not be negative", want->op,
                                  want->field, a, (long long)stride[a]);
        }
    }
    if (tensor->size[3] > 1 && stride[3] != 1) {
        return clattn__refuse("%s: args.%s.stride[3] is %lld, must be 1", want->op, want->field,
                              (long long)stride[3]);
    }
    return CLATTN_OK;
}

static clattn_status check_extent(const struct clattn__want *want, const clattn_tensor *tensor,
                                  const int64_t stride[4], int64_t *extent)
{
    int64_t last = 0, bytes = 0;
    *extent = 0;
    for (int a = 0; a < 4; a++) {
        if (tensor->size[a] == 0) {
            return CLATTN_OK;
        }
        if (!clattn__mul_add(stride[a], tensor->size[a] - 1, last, &last)) {
            return clattn__refuse("%s: args.%s does not fit 64-bit sizes", want->op, want->field);
        }
    }
    if (last > INT64_MAX / 16 || tensor->offset > INT64_MAX / 16) {
        return clattn__refuse("%s: args.%s does not fit 64-bit sizes", want->op, want->field);
    }
    *extent = last + 1;
    size_t there = 0;
    TRY(CL(clGetMemObjectInfo, tensor->mem, CL_MEM_SIZE, sizeof there, &there, NULL));
    bytes = bytes_of(tensor->type, tensor->offset + last + 1);
    if ((uint64_t)bytes > there) {
        return clattn__refuse("%s: args.%s reaches byte %lld of a buffer of %zu bytes", want->op,
                              want->field, (long long)bytes, there);
    }
    if (want->output && !elements_are_distinct(tensor->size, stride)) {
        return clattn__refuse("%s: args.%s is an output whose strides make elements coincide",
                              want->op, want->field);
    }
    return CLATTN_OK;
}

/* Rows of blocks are whole ones and lie apart. */
static clattn_status check_blocks(const struct clattn__want *want, const clattn_tensor *tensor,
                                  const int64_t stride[4])
{
    const int64_t block = types[tensor->type].block;
    if (tensor->offset % block || tensor->size[3] % block) {
        return clattn__refuse(
            "%s: args.%s.%s is %lld, must be whole blocks of %lld columns", want->op, want->field,
            tensor->offset % block ? "offset" : "size[3]",
            (long long)(tensor->offset % block ? tensor->offset : tensor->size[3]),
            (long long)block);
    }
    for (int a = 0; a < 3; a++) {
        if (tensor->size[a] > 1 && stride[a] % block) {
            return clattn__refuse("%s: args.%s.stride[%d] is %lld, must be whole blocks of %lld "
                                  "columns",
                                  want->op, want->field, a, (long long)stride[a], (long long)block);
        }
    }
    if (tensor->size[1] > 1 && stride[1] < tensor->size[3]) {
        return clattn__refuse("%s: args.%s.stride[1] is %lld, must be at least %lld", want->op,
                              want->field, (long long)stride[1], (long long)tensor->size[3]);
    }
    return CLATTN_OK;
}

clattn_status clattn__view(const struct clattn__want *want, const clattn_tensor *tensor,
                           struct clattn__view *out)
{
    memset(out, 0, sizeof *out);
    if (!tensor->mem) {
        int64_t elements = want->size[0] && want->size[1] && want->size[2] && want->size[3];
        return want->optional || !elements
                   ? CLATTN_OK
                   : clattn__refuse("%s: args.%s is required", want->op, want->field);
    }
    if ((unsigned)tensor->type >= TYPES || !(want->types & 1u << tensor->type)) {
        char list[128] = "";
        for (int t = 0; t < TYPES; t++) {
            if (want->types & 1u << t) {
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                         list[0] ? " or " : "", types[t].name);
            }
        }
        return clattn__refuse("%s: args.%s.type is %s, must be %s", want->op, want->field,
                              clattn_type_name(tensor->type), list);
    }
    if (tensor->offset < 0) {
        return clattn__refuse("%s: args.%s.offset is %lld, must not be negative", want->op,
                              want->field, (long long)tensor->offset);
    }
    int64_t stride[4];
    TRY(check_sizes(want, tensor));
    clattn__strides(tensor, stride);
    TRY(check_strides(want, tensor, stride));
    const bool in_blocks = clattn__in_blocks(tensor->type);
    if (in_blocks) {
        TRY(check_blocks(want, tensor, stride));
    }
    TRY(check_extent(want, tensor, stride, &out->extent));
    out->mem = tensor->mem;
    out->type = tensor->type;
    out->at[0] = tensor->offset;
    for (int a = 0; a < 3; a++) {
        out->at[a + 1] = tensor->size[a] == 1 ? 0 : stride[a];
    }
    if (in_blocks) {
        out->type = CLATTN_U8;
        out->extent = bytes_of(tensor->type, out->extent);
        for (int n = 0; n < 4; n++) {
            out->at[n] = bytes_of(tensor->type, out->at[n]);
        }
    }
    return CLATTN_OK;
}

clattn_status clattn__of_desc(const char *op, clattn_status status)
{
    const char *field = strstr(clattn_error(), "args.");
    return status == CLATTN_ERR_ARGUMENT && field
               ? clattn__refuse("%s: desc.%s", op, field + strlen("args."))
               : status;
}

bool clattn__same_view(const struct clattn__view *a, const struct clattn__view *b)
{
    return a->mem == b->mem && !memcmp(a->at, b->at, sizeof a->at) && a->extent == b->extent &&
           a->type == b->type;
}

clattn_status clattn__no_overlap(const char *op, const char *output_name,
                                 const struct clattn__view *output, const char *input_name,
                                 const struct clattn__view *input)
{
    if (!output->mem || output->mem != input->mem || !output->extent || !input->extent) {
        return CLATTN_OK;
    }
    const size_t output_bytes = clattn_type_size(output->type),
                 input_bytes = clattn_type_size(input->type);
    const uint64_t o0 = (uint64_t)output->at[0] * output_bytes,
                   i0 = (uint64_t)input->at[0] * input_bytes;
    const uint64_t o1 = o0 + (uint64_t)output->extent * output_bytes;
    const uint64_t i1 = i0 + (uint64_t)input->extent * input_bytes;
    if (o1 <= i0 || i1 <= o0) {
        return CLATTN_OK;
    }
    return clattn__refuse("%s: args.%s overlaps args.%s", op, output_name, input_name);
}

struct clattn__view clattn__dense_view(cl_mem mem, int64_t offset, const int64_t size[4],
                                       clattn_type type)
{
    const struct clattn__view view = {
        .mem = mem,
        .at = {offset, size[1] * size[2] * size[3], size[2] * size[3], size[3]},
        .extent = size[0] * size[1] * size[2] * size[3],
        .type = type,
    };
    return view;
}
