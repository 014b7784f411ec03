#include "cache.h"
#include "call.h"
#include "mass.h"
#include "shared/message.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- The operation, with or without its projections --------------------------------- */

static bool create_op(call *c)
{
    clattn_context *context = c->session->context;
    const clattn_status status = c->inputs->layer
                                     ? clattn_mha_create(context, &c->desc, &c->op)
                                     : clattn_attention_create(context, &c->desc.attention, &c->op);
    if (status != CLATTN_OK) {
        fail("choosing a kernel: %s", clattn_error());
    }
    return status == CLATTN_OK;
}

static bool run_op(const call *c)
{
    const cl_command_queue queue = c->session->queue;
    const clattn_status status = c->inputs->layer
                                     ? clattn_mha_run(c->op, queue, &c->args, NULL)
                                     : clattn_attention_run(c->op, queue, &c->args.attention, NULL);
    if (status != CLATTN_OK) {
        fail("%s: %s", clattn_op_kernel(c->op), clattn_error());
        return false;
    }
    const cl_int code = clFinish(queue);
    if (code != CL_SUCCESS) {
        fail("%s: clFinish gave OpenCL error %d", clattn_op_kernel(c->op), code);
    }
    return code == CL_SUCCESS;
}

static bool time_runs(const call *c, double *best)
{
    const int runs = c->options->repeat ? c->options->repeat : 1;
    if (c->options->repeat && !run_op(c)) {
        return false;
    }
    for (int i = 0; i < runs; i++) {
        const double start = now_ms();
        if (!run_op(c)) {
            return false;
        }
        const double ms = now_ms() - start;
        if (i == 0 || ms < *best) {
            *best = ms;
        }
    }
    return true;
}

static double count_flops(const attend_inputs *in)
{
    const double sum = (double)in->head_dim + in->value_dim;
    double flops = 2 * in->pairs * sum;
    if (in->layer) {
        const double rows = (double)in->batch * (double)in->n_q;
        const double keys = (double)in->batch * (double)in->n_k;
        flops += 2 * rows * in->model_dim * in->query_heads * in->head_dim;
        flops += 2 * keys * in->context_dim * in->kv_heads * sum;
        flops += 2 * rows * in->query_heads * in->value_dim * in->out_dim;
    }
    return flops;
}

/* ---- Buffers -------------------------------------------------------------------------- */

static size_t bytes_of(const clattn_array *a)
{
    return (size_t)clattn_array_count(a) * clattn_array_type_size(a->type);
}

static bool upload(call *c, attend_inputs *inputs)
{
    for (int i = 0; i < OPERANDS; i++) {
        clattn_array *a = &inputs->in[i];
        if (!a->data) {
            continue;
        }
        c->in[i] = session_buffer(c->session, bytes_of(a), a->data, operand_names[i]);
        if (!c->in[i]) {
            return false;
        }
        if (i <= IN_CONTEXT) {
            free(a->data); /* twice might be too much */
            a->data = NULL;
        }
    }
    if (c->options->offset.align != CLATTN_OFFSET) {
        return true;
    }
    const cl_int offset = c->options->offset.value;
    c->offset = session_buffer(c->session, sizeof offset, &offset, "offset");
    return c->offset != NULL;
}

static bool make_result(call *c, attend_results *results, result slot, clattn_array_type type,
                        int rank, const int64_t *shape)
{
    clattn_array *a = &results->out[slot];
    if (clattn_array_make(type, rank, shape, a) != CLATTN_OK) {
        fail("--%s: %s", result_names[slot], clattn_error());
        return false;
    }
    c->out[slot] = session_buffer(c->session, bytes_of(a), NULL, result_names[slot]);
    return c->out[slot] != NULL;
}

static bool make_out(call *c, attend_results *results)
{
    static const clattn_array_type types[] = {[CLATTN_F32] = CLATTN_ARRAY_F32,
                                              [CLATTN_F16] = CLATTN_ARRAY_F16,
                                              [CLATTN_BF16] = CLATTN_ARRAY_BF16};
    const attend_inputs *in = c->inputs;
    const int64_t h = in->query_heads, d = in->value_dim;
    int64_t shape[4] = {in->batch, in->n_q, h, d};
    if (in->heads_first) {
        shape[1] = h;
        shape[2] = in->n_q;
    } else if (in->rank == 3) {
        shape[2] = in->out_dim ? in->out_dim : h * d;
    }
    return make_result(c, results, OUT_OUT, types[in->type], in->rank, shape);
}

static bool make_results(call *c, attend_results *results)
{
    const attend_options *options = c->options;
    const attend_inputs *in = c->inputs;
    const int64_t h = in->query_heads;
    const int64_t scores[4] = {in->batch, h, in->n_q, in->n_k};
    const int64_t rows[3] = {in->batch, options->layout_bnhd ? in->n_q : h,
                             options->layout_bnhd ? h : in->n_q};
    return make_out(c, results) &&
           (!options->out[OUT_LSE] ||
            make_result(c, results, OUT_LSE, CLATTN_ARRAY_F32, 3, rows)) &&
           (!options->out[OUT_WEIGHTS] ||
            make_result(c, results, OUT_WEIGHTS, CLATTN_ARRAY_F32, 4, scores));
}

static bool read_results(const call *c, attend_results *results)
{
    for (int i = 0; i < RESULTS; i++) {
        clattn_array *a = &results->out[i];
        if (c->out[i] &&
            !session_read(c->session, c->out[i], bytes_of(a), a->data, result_names[i])) {
            return false;
        }
    }
    return true;
}

static void release(call *c)
{
    clattn_op_destroy(c->op);
    for (int i = 0; i < OPERANDS; i++) {
        if (c->in[i]) {
            clReleaseMemObject(c->in[i]);
        }
    }
    for (int i = 0; i < RESULTS; i++) {
        if (c->out[i]) {
            clReleaseMemObject(c->out[i]);
        }
    }
    const cl_mem own[] = {c->offset, c->lse, c->scratch};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i]) {
            clReleaseMemObject(own[i]);
        }
    }
}

/* ---- All of it -------------------------------------------------------------------------- */

bool attend_run(const attend_options *options, attend_inputs *inputs, attend_results *results)
{
    session s;
    cl_device_id device;
    *results = (attend_results){.ms = 0};
    if (!session_find(&options->common, &device) ||
        !session_open(&s, &options->common, device, NULL)) {
        return false;
    }
    call c = {.session = &s, .options = options, .inputs = inputs};
    attend_cache cache = {.count = 0};
    call_describe(&c);
    attend_cache_describe(&c);
    bool done = create_op(&c) && upload(&c, inputs) && make_results(&c, results);
    if (done) {
        call_bind_inputs(&c);
        done = attend_mass_prepare(&c);
        call_bind_outputs(&c);
        done = done && (!attend_cache_wanted(options) || attend_cache_fill(&cache, &c)) &&
               time_runs(&c, &results->ms) && read_results(&c, results);
    }
    if (done) {
        snprintf(results->device, sizeof results->device, "%s", s.facts->name);
        snprintf(results->kernel, sizeof results->kernel, "%s", clattn_op_kernel(c.op));
        results->gflops = results->ms > 0 ? count_flops(inputs) / (results->ms * 1e6) : 0;
        done = attend_mass_run(&c, results);
    }
    release(&c);
    attend_cache_free(&cache);
    session_close(&s);
    return done;
}

void attend_results_free(attend_results *results)
{
    for (int i = 0; i < RESULTS; i++) {
        clattn_array_free(&results->out[i]);
    }
}
