/* The parts of a transformer layer: which ops it is made of. */
#include "layer.h"

#include <stdio.h>

bool clattn__layer_is_joined(const clattn_layer_desc *d)
{
    return d->self_attention.qkv.weight.mem;
}

bool clattn__layer_has_part(const clattn_layer_desc *d, int part)
{
    return part != LAYER_CROSS || d->cross;
}

static clattn_status create_attention(struct layer_op *op, int part,
                                      const clattn_attention_weights *weights)
{
    const clattn_layer_desc *d = &op->desc;
    const int64_t heads = d->attention.query_heads, kv = d->attention.kv_heads;
    const int64_t head_dim = d->attention.head_dim, value_dim = d->attention.value_dim;
    const int64_t source = part == LAYER_CROSS ? d->context_dim : d->model_dim;
    const bool joined = part == LAYER_SELF && clattn__layer_is_joined(d);
    const int64_t q = heads * head_dim, k = kv * head_dim, v = kv * value_dim;
    const struct {
        const char *name[2];
        const clattn_linear *weights;
        int64_t in, out;
        bool absent;
    } rows[LAYER_ATTENTION_LINEARS] = {
        {{joined ? "self_attention.qkv" : "self_attention.q", "cross_attention.q"},
         joined ? &weights->qkv : &weights->q,
         d->model_dim,
         joined ? q + k + v : q,
         false},
        {{"self_attention.k", "cross_attention.k"}, &weights->k, source, k, joined},
        {{"self_attention.v", "cross_attention.v"}, &weights->v, source, v, joined},
        {{"self_attention.out", "cross_attention.out"},
         &weights->out,
         heads * value_dim,
         d->model_dim,
         false},
    };
    for (int i = 0; i < LAYER_ATTENTION_LINEARS; i++) {
        if (!rows[i].absent) {
            const clattn_project_desc desc = {.in_dim = (int32_t)rows[i].in,
                                              .out_dim = (int32_t)rows[i].out,
                                              .type = d->attention.type,
                                              .out_type = d->attention.type,
                                              .residual = i == LAYER_O};
            TRY(clattn__linear_create(op->base.context, "layer", rows[i].name[part], &desc,
                                      rows[i].weights,
                                      &op->linear[part * LAYER_ATTENTION_LINEARS + i]));
        }
    }
    clattn_attention_desc attention = d->attention;
    if (part == LAYER_CROSS) {
        /* Of a cross-attention every row sees all of the context. */
        attention = (clattn_attention_desc){.head_dim = d->attention.head_dim,
                                            .value_dim = d->attention.value_dim,
                                            .query_heads = d->attention.query_heads,
                                            .kv_heads = d->attention.kv_heads,
                                            .type = d->attention.type,
                                            .scale = d->attention.scale};
    }
    attention.out_type = d->attention.type;
    return clattn_attention_create(op->base.context, &attention, &op->attention[part]);
}

static clattn_status create_ffn(struct layer_op *op)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_ffn_desc desc = {.model_dim = d->model_dim,
                                  .hidden_dim = d->hidden_dim,
                                  .type = d->attention.type,
                                  .out_type = d->attention.type,
                                  .activation = d->activation,
                                  .gated = d->gated,
                                  .residual = true,
                                  .gate_up = d->ffn.gate_up,
                                  .up = d->ffn.up,
                                  .gate = d->ffn.gate,
                                  .down = d->ffn.down};
    const clattn_status status = clattn_ffn_create(op->base.context, &desc, &op->ffn);
    return status == CLATTN_OK ? CLATTN_OK : clattn__fail_in("layer", status);
}

static clattn_status create_norm(struct layer_op *op, int part, const clattn_norm_weights *weights)
{
    const clattn_layer_desc *d = &op->desc;
    const clattn_norm_desc desc = {.kind = d->norm,
                                   .type = d->attention.type,
                                   .weight_type = d->norm_type,
                                   .out_type = d->attention.type,
                                   .weight = weights->weight.mem,
                                   .bias = weights->bias.mem,
                                   .epsilon = d->epsilon};
    TRY(clattn_norm_create(op->base.context, &desc, &op->norm[part].op));
    TRY(clattn__hold(&weights->weight));
    op->norm[part].weights.weight = weights->weight;
    TRY(clattn__hold(&weights->bias));
    op->norm[part].weights.bias = weights->bias;
    return CLATTN_OK;
}

static clattn_status create_positions(struct layer_op *op)
{
    clattn_layer_desc *d = &op->desc;
    const clattn_append_desc append = {.head_dim = d->attention.head_dim,
                                       .value_dim = d->attention.value_dim,
                                       .type = d->attention.type,
                                       .kv_type = d->attention.kv_type,
                                       .page_rows = d->attention.page_rows,
                                       .ring = d->attention.ring,
                                       .packed = d->attention.packed,
                                       .rotate = d->rotate,
                                       .rope = d->rope};
    if (d->rotate && !d->cached) {
        TRY(clattn_rope_create(op->base.context, &d->rope, &op->rope));
    }
    return d->cached ? clattn_append_create(op->base.context, &append, &op->append) : CLATTN_OK;
}

clattn_status clattn__layer_build(clattn_op *base, const void *desc)
{
    struct layer_op *op = (struct layer_op *)base;
    op->desc = *(const clattn_layer_desc *)desc;
    const clattn_layer_desc *d = &op->desc;
    const clattn_norm_weights *norms[LAYER_PARTS] = {&d->self_attention.norm,
                                                     &d->cross_attention.norm, &d->ffn.norm};
    TRY(create_attention(op, LAYER_SELF, &d->self_attention));
    if (d->cross) {
        TRY(create_attention(op, LAYER_CROSS, &d->cross_attention));
    }
    TRY(create_ffn(op));
    for (int part = 0; part < LAYER_PARTS; part++) {
        if (clattn__layer_has_part(d, part)) {
            TRY(create_norm(op, part, norms[part]));
        }
    }
    TRY(create_positions(op));
    snprintf(base->label, sizeof base->label, "layer %s",
             clattn_op_kernel(op->attention[LAYER_SELF]));
    return CLATTN_OK;
}

void clattn__layer_release(clattn_op *base)
{
    struct layer_op *op = (struct layer_op *)base;
    clattn_op *const ops[] = {op->attention[0], op->attention[1], op->rope, op->append, op->ffn};
    for (int i = 0; i < LAYER_LINEARS; i++) {
        clattn__linear_release(&op->linear[i]);
    }
    for (int i = 0; i < LAYER_PARTS; i++) {
        clattn_op_destroy(op->norm[i].op);
        clattn__let_go(&op->norm[i].weights.weight);
        clattn__let_go(&op->norm[i].weights.bias);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        clattn_op_destroy(ops[i]);
    }
}
