/* run_op: one op of clattn/block.h on arrays from .npy files, for onnx_blocks.py.
 *
 *   run_op OP [--SETTING VALUE]... FIELD=FILE.npy...
 *
 * FIELD is a tensor of the op's args: inputs are read, outputs written.  Arrays have four axes,
 * {batch, row, head, column}; with --layout bhnd those of x, q and their outputs lie as {batch,
 * head, row, column} and are given to the op as views.  f4, and i4 for whole numbers. */
#include "shared/session.h"

#include <clattn/models/array.h>

#include <stdlib.h>
#include <string.h>

enum { OPERANDS = 12, SETTINGS = 12 };

typedef struct operand {
    const char *field, *path;
    bool output;
    clattn_array array;
    clattn_tensor tensor;
} operand;

typedef struct call {
    common_options common;
    session session;
    const char *op;
    struct {
        const char *name, *value;
    } settings[SETTINGS];
    int setting_count;
    operand operands[OPERANDS];
    int operand_count;
} call;

/* ---- The command line ------------------------------------------------------------------- */

static bool read_words(call *c, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!strncmp(argv[i], "--", 2) && i + 1 < argc && c->setting_count < SETTINGS) {
            c->settings[c->setting_count].name = argv[i] + 2;
            c->settings[c->setting_count++].value = argv[i + 1];
            i++;
        } else if (equals && c->operand_count < OPERANDS) {
            *equals = '\0';
            c->operands[c->operand_count++] = (operand){.field = argv[i], .path = equals + 1};
        } else {
            wrong_usage("'%s' is neither a setting with its value nor FIELD=FILE", argv[i]);
            return false;
        }
    }
    return true;
}

static const char *setting(const call *c, const char *name)
{
    for (int i = 0; i < c->setting_count; i++) {
        if (!strcmp(c->settings[i].name, name)) {
            return c->settings[i].value;
        }
    }
    return NULL;
}

static double number(const call *c, const char *name)
{
    const char *text = setting(c, name);
    return text ? strtod(text, NULL) : 0;
}

/* ---- Tensors ------------------------------------------------------------------------------ */

static size_t bytes_of(const clattn_array *a)
{
    return (size_t)clattn_array_count(a) * clattn_array_type_size(a->type);
}

static operand *find(call *c, const char *field)
{
    for (int i = 0; i < c->operand_count; i++) {
        if (!strcmp(c->operands[i].field, field)) {
            return &c->operands[i];
        }
    }
    return NULL;
}

static bool put_on_device(call *c, operand *o)
{
    size_t bytes = 0;
    const int64_t *shape = o->array.shape;
    const bool turned = setting(c, "layout") && strchr("xyq", o->field[0]);
    bytes = bytes_of(&o->array);
    o->tensor =
        (clattn_tensor){.size = {shape[0], shape[1], shape[2], shape[3]},
                        .type = o->array.type == CLATTN_ARRAY_I32 ? CLATTN_I32 : CLATTN_F32};
    if (turned) {
        const int64_t H = shape[1], N = shape[2], D = shape[3];
        const int64_t size[4] = {shape[0], N, H, D}, stride[4] = {H * N * D, D, N * D, 1};
        memcpy(o->tensor.size, size, sizeof size);
        memcpy(o->tensor.stride, stride, sizeof stride);
    }
    o->tensor.mem = session_buffer(&c->session, bytes, o->array.data, o->field);
    return o->tensor.mem != NULL;
}

static bool read_inputs(call *c, const char *const *outputs)
{
    for (int i = 0; i < c->operand_count; i++) {
        operand *o = &c->operands[i];
        for (int n = 0; outputs[n]; n++) {
            o->output = o->output || !strcmp(outputs[n], o->field);
        }
        if (o->output) {
            continue;
        }
        if (clattn_array_load(o->path, &o->array) != CLATTN_OK) {
            fail("%s", clattn_error());
            return false;
        }
        if (o->array.rank != 4 ||
            (o->array.type != CLATTN_ARRAY_F32 && o->array.type != CLATTN_ARRAY_I32)) {
            fail("%s: not of four axes and f4 or i4", o->path);
            return false;
        }
        if (!put_on_device(c, o)) {
            return false;
        }
    }
    return true;
}

/* An input's tensor; absent if the call does not have it. */
static clattn_tensor in(call *c, const char *field)
{
    const operand *o = find(c, field);
    return o ? o->tensor : (clattn_tensor){.mem = NULL};
}

/* An output with the shape of an input, of so many columns where not 0. */
static clattn_tensor out(call *c, const char *field, const char *like, int64_t columns,
                         clattn_array_type type)
{
    operand *o = find(c, field);
    const operand *model = find(c, like);
    int64_t shape[4];
    if (!o || !model) {
        return (clattn_tensor){.mem = NULL};
    }
    memcpy(shape, model->array.shape, sizeof shape);
    shape[3] = columns ? columns : shape[3];
    if (clattn_array_make(type, 4, shape, &o->array) != CLATTN_OK) {
        fail("%s", clattn_error());
        return (clattn_tensor){.mem = NULL};
    }
    put_on_device(c, o);
    return o->tensor;
}

static bool write_outputs(call *c)
{
    for (int i = 0; i < c->operand_count; i++) {
        operand *o = &c->operands[i];
        if (!o->output || !o->tensor.mem) {
            continue;
        }
        if (!session_read(&c->session, o->tensor.mem, bytes_of(&o->array), o->array.data,
                          o->field)) {
            return false;
        }
        FILE *file = fopen(o->path, "wb");
        const bool written = file && clattn_array_write_npy(file, &o->array) == CLATTN_OK;
        if (!file || fclose(file) != 0 || !written) {
            fail("%s: %s", o->path, file ? clattn_error() : "cannot be written");
            return false;
        }
    }
    return true;
}

/* ---- Ops ------------------------------------------------------------------------------------ */

/* Each makes its op and enqueues it; the caller destroys the op. */

static clattn_status run_norm(call *c, clattn_op **op)
{
    const clattn_norm_desc desc = {.kind = setting(c, "kind") && !strcmp(setting(c, "kind"), "rms")
                                               ? CLATTN_RMS_NORM
                                               : CLATTN_LAYER_NORM,
                                   .weight = find(c, "weight"),
                                   .bias = find(c, "bias"),
                                   .epsilon = (float)number(c, "epsilon"),
                                   .kernel = setting(c, "kernel")};
    const clattn_norm_args args = {.x = in(c, "x"),
                                   .weight = in(c, "weight"),
                                   .bias = in(c, "bias"),
                                   .y = out(c, "y", "x", 0, CLATTN_ARRAY_F32),
                                   .mean = out(c, "mean", "x", 1, CLATTN_ARRAY_F32),
                                   .inverse = out(c, "inverse", "x", 1, CLATTN_ARRAY_F32)};
    const clattn_status status = clattn_norm_create(c->session.context, &desc, op);
    return status ? status : clattn_norm_run(*op, c->session.queue, &args, NULL);
}

static clattn_status run_rope(call *c, clattn_op **op)
{
    const clattn_tensor q = in(c, "q");
    const clattn_rope_desc desc = {.head_dim = (int32_t)q.size[3],
                                   .rotary_dim = (int32_t)number(c, "rotary-dim"),
                                   .interleaved = number(c, "interleaved") != 0,
                                   .tables = find(c, "cos"),
                                   .kernel = setting(c, "kernel")};
    const clattn_rope_args args = {.q = q,
                                   .q_out = out(c, "q_out", "q", 0, CLATTN_ARRAY_F32),
                                   .positions = in(c, "positions"),
                                   .cos = in(c, "cos"),
                                   .sin = in(c, "sin")};
    const clattn_status status = clattn_rope_create(c->session.context, &desc, op);
    return status ? status : clattn_rope_run(*op, c->session.queue, &args, NULL);
}

static clattn_status run_activation(call *c, clattn_op **op)
{
    static const char *const kinds[] = {"identity", "relu", "gelu", "gelu-tanh", "silu", NULL};
    int kind = 0;
    if (!setting(c, "kind") || !read_choice(setting(c, "kind"), kinds, &kind)) {
        kind = -1; /* which is refused */
    }
    const clattn_activation_desc desc = {.kind = (clattn_activation)kind,
                                         .kernel = setting(c, "kernel")};
    const clattn_activation_args args = {.x = in(c, "x"),
                                         .y = out(c, "y", "x", 0, CLATTN_ARRAY_F32)};
    const clattn_status status = clattn_activation_create(c->session.context, &desc, op);
    return status ? status : clattn_activation_run(*op, c->session.queue, &args, NULL);
}

static clattn_status run_softmax(call *c, clattn_op **op)
{
    const clattn_softmax_desc desc = {.kernel = setting(c, "kernel")};
    const clattn_softmax_args args = {.x = in(c, "x"), .y = out(c, "y", "x", 0, CLATTN_ARRAY_F32)};
    const clattn_status status = clattn_softmax_create(c->session.context, &desc, op);
    return status ? status : clattn_softmax_run(*op, c->session.queue, &args, NULL);
}

static clattn_status run_topk(call *c, clattn_op **op)
{
    const clattn_topk_desc desc = {.k = (int32_t)number(c, "k"), .kernel = setting(c, "kernel")};
    const clattn_topk_args args = {.x = in(c, "x"),
                                   .values = out(c, "values", "x", desc.k, CLATTN_ARRAY_F32),
                                   .indices = out(c, "indices", "x", desc.k, CLATTN_ARRAY_I32)};
    const clattn_status status = clattn_topk_create(c->session.context, &desc, op);
    return status ? status : clattn_topk_run(*op, c->session.queue, &args, NULL);
}

static const struct {
    const char *name;
    const char *outputs[4];
    clattn_status (*run)(call *c, clattn_op **op);
} ops[] = {
    {"norm", {"y", "mean", "inverse"}, run_norm}, {"rope", {"q_out"}, run_rope},
    {"activation", {"y"}, run_activation},        {"softmax", {"y"}, run_softmax},
    {"topk", {"values", "indices"}, run_topk},
};

static int run(call *c)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, c->op)) {
            continue;
        }
        clattn_op *op = NULL;
        bool done = read_inputs(c, ops[i].outputs);
        if (done && ops[i].run(c, &op) != CLATTN_OK) {
            done = false;
            fail("%s", clattn_error());
        }
        done = done && write_outputs(c);
        clattn_op_destroy(op);
        return done ? EXIT_DONE : EXIT_FAILED;
    }
    return wrong_usage("there is no op '%s'", c->op);
}

int main(int argc, char **argv)
{
    call c = {.op = argc > 1 ? argv[1] : ""};
    cl_device_id device;
    message_command("run_op");
    if (!read_words(&c, argc, argv)) {
        return EXIT_USAGE;
    }
    c.common.device = setting(&c, "device");
    if (!session_find(&c.common, &device) || !session_open(&c.session, &c.common, device, NULL)) {
        return EXIT_FAILED;
    }
    const int status = run(&c);
    for (int i = 0; i < c.operand_count; i++) {
        if (c.operands[i].tensor.mem) {
            clReleaseMemObject(c.operands[i].tensor.mem);
        }
        clattn_array_free(&c.operands[i].array);
    }
    session_close(&c.session);
    return status;
}
