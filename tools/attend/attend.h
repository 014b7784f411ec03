/* The attend command in steps, a file each:
 *
 *   options.c  what was asked for
 *   inputs.c   arrays from files, in the types the device wants
 *   arrays.c   what is done to arrays before
 *   shapes.c   what their shapes say, and whether they agree
 *   call.c     the same as the library takes it: descriptor and tensors
 *   cache.c    keys and values through a cache, and rotary positions
 *   run.c      buffers, the operation, its timing, results back in arrays
 *   mass.c     attention per span of keys, for --mass and for the picture
 *   heatmap.c  the picture, labels.c what is written beside it
 *
 * and attend.c, which calls them and writes the files. */
#ifndef TOOLS_ATTEND_H
#define TOOLS_ATTEND_H

#include "shared/options.h"

#include <clattn/clattn.h>
#include <clattn/models/array.h>

/* Input arrays, one option and one slot each. */
typedef enum operand {
    IN_Q,
    IN_K,
    IN_V,
    IN_X,
    IN_CONTEXT,
    IN_WQ,
    IN_WK,
    IN_WV,
    IN_WQKV,
    IN_WO,
    IN_BQ,
    IN_BK,
    IN_BV,
    IN_BQKV,
    IN_BO,
    IN_BIAS,
    IN_MASK,
    IN_ALIBI,
    IN_SINKS,
    IN_KV_LENGTH,
    IN_PAST_K,
    IN_PAST_V,
    IN_SPANS,
    OPERANDS
} operand;

/* Output arrays, and the picture. */
typedef enum result {
    OUT_OUT,
    OUT_LSE,
    OUT_WEIGHTS,
    OUT_PRESENT_K,
    OUT_PRESENT_V,
    OUT_MASS,
    OUT_HEATMAP,
    RESULTS
} result;

extern const char *const operand_names[OPERANDS]; /* of the options, without "--" */
extern const char *const result_names[RESULTS];

/* What keys and values are stored as between --k, --v and attention. */
typedef enum cache_type { CACHE_OF_INPUT, CACHE_F16, CACHE_BF16, CACHE_I8 } cache_type;

typedef enum attend_type { TYPE_OF_INPUT, TYPE_F32, TYPE_F16, TYPE_BF16 } attend_type;

typedef struct attend_options {
    common_options common;
    const char *in[OPERANDS];
    const char *out[RESULTS];
    const char *tokens;
    bool heatmap_mean;
    int type;        /* attend_type */
    int layout_bnhd; /* 0 = [B, H, N, D], 1 = [B, N, H, D] */
    int32_t heads, kv_heads;
    float scale, softcap;
    bool causal;
    struct {
        clattn_align align;
        int32_t value;
    } offset;
    clattn_window window;
    int weights_stage;             /* index in scores, softcap, masked, softmax; -1 = not given */
    float rope;                    /* base; 0 = no rotation */
    int32_t rotary_dim, page_rows; /* 0 = all columns; rows in order */
    bool interleaved;
    int cache; /* cache_type */
    const char *kernel;
    int32_t repeat; /* 0 = one run without a warm-up */
} attend_options;

/* False: leave with *status. */
bool attend_options_parse(int argc, char **argv, attend_options *options, int *status);

typedef struct attend_inputs {
    clattn_array in[OPERANDS]; /* k and v with the past joined; past_k and past_v gone */
    clattn_array present[2];   /* those k and v in their files' type, where asked for */
    bool layer;                /* x and weights instead of q, k, v */
    bool heads_first;          /* memory order of q, k, v, out is [B, H, N, D] */
    int rank;                  /* of q or x */
    clattn_type type;          /* on the device */
    int64_t batch, n_q, n_k;
    int64_t past; /* of n_k, those that came before */
    int32_t query_heads, kv_heads, head_dim, value_dim;
    int32_t model_dim, context_dim, out_dim; /* of a layer; out_dim 0 = no output projection */
    double pairs; /* (row, key) pairs that causal, window and lengths let see each other */
} attend_inputs;

/* False after a line that says why. */
bool attend_inputs_load(const attend_options *options, attend_inputs *inputs);
void attend_inputs_free(attend_inputs *inputs);

typedef struct attend_results {
    clattn_array out[RESULTS]; /* absent where not asked for, but for OUT_OUT; the heat map's is
                                * mass by cell, of batch 0 */
    char device[256], kernel[256];
    double ms, gflops;
} attend_results;

/* False after a line that says why.  What the device was given is gone from inputs: it may be
 * large. */
bool attend_run(const attend_options *options, attend_inputs *inputs, attend_results *results);
void attend_results_free(attend_results *results);

#endif /* TOOLS_ATTEND_H */
