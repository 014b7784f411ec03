#include "workload.h"
#include "check/rng.h"

#include <clattn/models/array.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const workload_kind *const kinds[] = {&attention_kind, &project_kind, &mha_kind,
                                             &additive_kind, &luong_kind};

/* ---- Random numbers --------------------------------------------------------------------- */

enum { SAMPLES = 4096 };

/* Drawing from a few thousand numbers is random enough to time, and quick for millions. */
typedef union samples {
    float f32[SAMPLES];
    uint16_t bits16[SAMPLES];
} samples;

static void make_samples(samples *s, clattn_type type, int64_t divide, struct rng *rng)
{
    const double scale = divide > 1 ? 1 / sqrt((double)divide) : 1;
    for (int i = 0; i < SAMPLES; i++) {
        const double value = scale * rng_normal(rng);
        if (type == CLATTN_F32) {
            s->f32[i] = (float)value;
        } else {
            s->bits16[i] =
                type == CLATTN_F16 ? clattn_double_to_half(value) : clattn_double_to_bfloat(value);
        }
    }
}

static void fill_normal(const operand *o, void *to, size_t count, struct rng *rng)
{
    static samples s; /* too large for the stack of a small system */
    make_samples(&s, o->type, o->divide, rng);
    for (size_t n = 0; n < count; n++) {
        const size_t pick = (size_t)(rng_next(rng) % SAMPLES);
        if (o->type == CLATTN_F32) {
            ((float *)to)[n] = s.f32[pick];
        } else if (o->type == CLATTN_I8) {
            ((int8_t *)to)[n] = (int8_t)(pick % 255 - 127);
        } else {
            ((uint16_t *)to)[n] = s.bits16[pick];
        }
    }
}

/* Bytes below 64: where a block keeps its scales in f16, those are positive, finite and small. */
static void fill_blocks(unsigned char *to, size_t bytes, struct rng *rng)
{
    for (size_t n = 0; n < bytes; n++) {
        to[n] = (unsigned char)(rng_next(rng) % 64);
    }
}

static void fill_values(const operand *o, void *to, uint64_t seed)
{
    struct rng rng = {seed};
    if (clattn_type_block(o->type) > 1) {
        fill_blocks(to, operand_bytes(o), &rng);
        return;
    }
    const size_t count = operand_bytes(o) / clattn_type_size(o->type);
    if (o->fill == FILL_NORMAL) {
        fill_normal(o, to, count, &rng);
        return;
    }
    for (size_t n = 0; n < count && o->fill == FILL_MASK; n++) {
        ((unsigned char *)to)[n] = rng_below(&rng, 4) != 0;
    }
    for (size_t n = 0; n < count && o->fill == FILL_SLOPES; n++) {
        const int64_t heads = o->size[2], h = (int64_t)n % heads;
        ((float *)to)[n] = (float)exp2(-8.0 * (double)(h + 1) / (double)heads);
    }
    for (size_t n = 0; n < count && o->fill == FILL_BELOW; n++) {
        ((int32_t *)to)[n] = (int32_t)rng_below(&rng, o->divide);
    }
    for (size_t n = 0; n < count && o->fill == FILL_COUNT; n++) {
        ((int32_t *)to)[n] = (int32_t)((int64_t)n * o->divide);
    }
    for (size_t n = 0; n < count && o->fill == FILL_NUMBERS; n++) {
        ((int32_t *)to)[n] = (int32_t)case_number(o->numbers, (int64_t)n);
    }
}

/* ---- Operands --------------------------------------------------------------------------- */

operand operand_of(const char *name, bool present, operand_fill fill, clattn_type type,
                   int64_t batch, int64_t rows, int64_t heads, int64_t columns)
{
    return (operand){.name = name,
                     .present = present,
                     .fill = fill,
                     .type = type,
                     .size = {batch, rows, heads, columns}};
}

operand operand_weight(const char *name, bool present, clattn_type type, int64_t out, int64_t in)
{
    operand o = operand_of(name, present, FILL_NORMAL, type, 1, out, 1, in);
    o.divide = in;
    return o;
}

operand operand_numbers(const char *name, const char *numbers, int64_t batch)
{
    operand o = operand_of(name, numbers[0] != '\0', FILL_NUMBERS, CLATTN_I32, batch, 1, 1, 1);
    o.numbers = numbers;
    return o;
}

size_t operand_bytes(const operand *o)
{
    return (size_t)(o->size[0] * o->size[1] * o->size[2]) * clattn_row_bytes(o->type, o->size[3]);
}

operand *workload_operand(workload *w, const char *name)
{
    for (operand *o = w->operands; o->name; o++) {
        if (o->present && strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

/* Dense, in the order that the case's layout asks for. */
static void set_view(operand *o, enum layout layout)
{
    const int64_t *size = o->size;
    const int64_t row = size[2] * size[3], batch = size[1] * row;
    const int64_t bnhd[4] = {batch, row, size[3], 1};
    const int64_t bhnd[4] = {batch, size[3], size[1] * size[3], 1};
    o->view.type = o->type;
    memcpy(o->view.size, size, sizeof o->view.size);
    if (clattn_type_block(o->type) > 1) {
        return; /* always dense */
    }
    memcpy(o->view.stride, layout == LAYOUT_BHND ? bhnd : bnhd, sizeof o->view.stride);
}

/* Filled in place, so that no second copy of a large operand is needed. */
static bool make_buffer(operand *o, const session *s, uint64_t seed, reason *why)
{
    const size_t bytes = operand_bytes(o);
    cl_int code;
    o->view.mem = clCreateBuffer(clattn_context_cl(s->context), CL_MEM_READ_WRITE,
                                 bytes ? bytes : 1, NULL, &code);
    if (code == CL_SUCCESS && bytes) {
        void *to = clEnqueueMapBuffer(s->queue, o->view.mem, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0,
                                      NULL, NULL, &code);
        if (code == CL_SUCCESS) {
            if (o->fill == FILL_OUTPUT) {
                memset(to, 0, bytes); /* the first run shall not meet memory never touched */
            }
            fill_values(o, to, seed);
            code = clEnqueueUnmapMemObject(s->queue, o->view.mem, to, 0, NULL, NULL);
        }
    }
    return code == CL_SUCCESS ||
           refuse(why, "no room for %zu bytes of %s (OpenCL error %d)", bytes, o->name, code);
}

static bool make_operands(workload *w, const session *s, reason *why)
{
    uint64_t seed = w->c.seed << 8;
    for (operand *o = w->operands; o->name; o++) {
        seed++;
        if (!o->present) {
            continue;
        }
        set_view(o, w->c.layout);
        if (!make_buffer(o, s, seed, why)) {
            return false;
        }
        w->bytes += o->touched > 0 ? o->touched : (double)operand_bytes(o);
    }
    return true;
}

/* ---- The whole -------------------------------------------------------------------------- */

static void free_op(workload *w)
{
    if (w->scratch) {
        clReleaseMemObject(w->scratch);
    }
    clattn_op_destroy(w->op);
    w->scratch = NULL;
    w->op = NULL;
}

bool workload_make_op(workload *w, const session *s, reason *why)
{
    free_op(w);
    const double start = now_ms();
    if (w->kind->create(w, s->context, w->c.kernel[0] ? w->c.kernel : NULL) != CLATTN_OK) {
        return refuse(why, "%s", clattn_error());
    }
    w->create_ms = now_ms() - start;
    w->kind->bind(w);
    const size_t bytes = w->kind->scratch ? w->kind->scratch(w) : 0;
    cl_int code = CL_SUCCESS;
    if (bytes) {
        w->scratch =
            clCreateBuffer(clattn_context_cl(s->context), CL_MEM_READ_WRITE, bytes, NULL, &code);
        w->kind->bind(w);
    }
    return code == CL_SUCCESS ||
           refuse(why, "no room for %zu bytes of scratch (OpenCL error %d)", bytes, code);
}

bool workload_describe(workload *w, const struct test_case *c, reason *why)
{
    *w = (workload){.c = *c};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i]->name, c->op) == 0) {
            w->kind = kinds[i];
        }
    }
    const struct check_op *op = check_op_named(c->op);
    if (!w->kind && op && op->trial) {
        w->kind = &trial_workload_kind;
    }
    return w->kind ? w->kind->describe(w, why) : refuse(why, "there is no operation '%s'", c->op);
}

bool workload_open(workload *w, const session *s, const struct test_case *c, const char *kernel,
                   reason *why)
{
    const bool described = workload_describe(w, c, why);
    if (kernel) {
        snprintf(w->c.kernel, sizeof w->c.kernel, "%s", kernel);
    }
    if (described && make_operands(w, s, why) && workload_make_op(w, s, why)) {
        return true;
    }
    workload_close(w);
    return false;
}

bool workload_twin(workload *twin, const workload *w, const session *s, const char *kernel,
                   const char *params, reason *why)
{
    *twin = *w;
    twin->op = NULL;
    twin->scratch = NULL;
    for (operand *o = twin->operands; o->name; o++) {
        if (o->view.mem) {
            clRetainMemObject(o->view.mem);
        }
    }
    snprintf(twin->c.kernel, sizeof twin->c.kernel, "%s", kernel);
    snprintf(twin->c.params, sizeof twin->c.params, "%s", params);
    if (workload_make_op(twin, s, why)) {
        return true;
    }
    workload_close(twin);
    return false;
}

void workload_close(workload *w)
{
    for (operand *o = w->operands; o->name; o++) {
        if (o->view.mem) {
            clReleaseMemObject(o->view.mem);
        }
    }
    free_op(w);
    *w = (workload){.op = NULL};
}

clattn_status workload_run(const workload *w, cl_command_queue queue)
{
    return w->kind->run(w, queue);
}

double workload_time(const workload *w, cl_command_queue queue)
{
    const double start = now_ms();
    if (workload_run(w, queue) != CLATTN_OK) {
        fail("%s: %s", w->c.op, clattn_error());
        return -1;
    }
    const cl_int code = clFinish(queue);
    if (code != CL_SUCCESS) {
        fail("%s: clFinish gave OpenCL error %d", workload_kernel(w), code);
        return -1;
    }
    return now_ms() - start;
}

const char *workload_kernel(const workload *w)
{
    return w->kind->kernel ? w->kind->kernel(w) : clattn_op_kernel(w->op);
}

/* ---- For people ------------------------------------------------------------------------- */

typedef struct text {
    char *at;
    size_t left;
} text;

static void add(text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    const size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
    t->at += used;
    t->left -= used;
}

/* In which queries and keys meet. */
static int32_t columns_of(const struct test_case *c)
{
    const struct check_op *op = check_op_named(c->op);
    const bool classic = op == &check_additive || op == &check_luong;
    return classic && c->own.classic.hidden ? c->own.classic.hidden : c->head_dim;
}

static void add_attention(text *t, const struct test_case *c)
{
    if (c->batch != 1) {
        add(t, " %d *", c->batch);
    }
    add(t, c->kv_heads != c->heads ? " %d/%d" : " %d", c->heads, c->kv_heads);
    add(t, " x %d x %d d%d", c->n_q, c->n_k, columns_of(c));
    if (c->value_dim != columns_of(c)) {
        add(t, "/%d", c->value_dim);
    }
}

void workload_title(const struct test_case *c, char *out, size_t bytes)
{
    text t = {out, bytes};
    const struct {
        bool on;
        const char *name;
    } words[] = {{c->causal, "causal"},  {c->bias[0], "bias"},         {c->mask[0], "mask"},
                 {c->alibi[0], "alibi"}, {c->sinks, "sinks"},          {c->kv_length[0], "lengths"},
                 {c->lse, "lse"},        {c->softcap != 0, "softcap"}, {c->weights[0], "weights"}};
    const struct check_op *op = check_op_named(c->op);
    char sizes[80];
    add(&t, "%s", c->op);
    if (op == &check_luong) {
        add(&t, " %s", c->own.classic.kind);
    }
    if (op && op->trial && op != &check_mha && op != &check_cache && op != &check_attribution) {
        trial_title(op->trial, c, sizes, sizeof sizes);
        add(&t, " %s", sizes);
    } else {
        add_attention(&t, c);
    }
    add(&t, " %s", clattn_type_name(c->type));
    if (op == &check_project && case_weight_type(c) != c->type) {
        add(&t, "*%s", clattn_type_name(case_weight_type(c)));
    }
    if (op == &check_project && c->own.project.activation[0]) {
        add(&t, " %s", c->own.project.activation);
    }
    if (c->window[0]) {
        add(&t, " window %s", c->window);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].on) {
            add(&t, " %s", words[i].name);
        }
    }
}
