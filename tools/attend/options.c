#include "attend.h"
#include "shared/message.h"

#include <stdio.h>
#include <string.h>

const char *const operand_names[OPERANDS] = {
    [IN_Q] = "q",
    [IN_K] = "k",
    [IN_V] = "v",
    [IN_X] = "x",
    [IN_CONTEXT] = "context",
    [IN_WQ] = "wq",
    [IN_WK] = "wk",
    [IN_WV] = "wv",
    [IN_WQKV] = "wqkv",
    [IN_WO] = "wo",
    [IN_BQ] = "bq",
    [IN_BK] = "bk",
    [IN_BV] = "bv",
    [IN_BQKV] = "bqkv",
    [IN_BO] = "bo",
    [IN_BIAS] = "bias",
    [IN_MASK] = "mask",
    [IN_ALIBI] = "alibi",
    [IN_SINKS] = "sinks",
    [IN_KV_LENGTH] = "kv-length",
    [IN_PAST_K] = "past-k",
    [IN_PAST_V] = "past-v",
    [IN_SPANS] = "spans",
};
const char *const result_names[RESULTS] = {
    [OUT_OUT] = "out",
    [OUT_LSE] = "lse",
    [OUT_WEIGHTS] = "weights",
    [OUT_PRESENT_K] = "present-k",
    [OUT_PRESENT_V] = "present-v",
    [OUT_MASS] = "mass",
    [OUT_HEATMAP] = "heatmap",
};

/* ---- Values of its own ---------------------------------------------------------- */

static const char *parse_layout(const char *text, void *target)
{
    static const char *const names[] = {"bhnd", "bnhd", NULL};
    return read_choice(text, names, target) ? NULL : "bhnd or bnhd";
}

static const char *parse_type(const char *text, void *target)
{
    static const char *const names[] = {"f32", "f16", "bf16", NULL};
    int index;
    if (!read_choice(text, names, &index)) {
        return "f32, f16 or bf16";
    }
    *(int *)target = TYPE_F32 + index;
    return NULL;
}

static const char *parse_stage(const char *text, void *target)
{
    static const char *const names[] = {"scores", "softcap", "masked", "softmax", NULL};
    return read_choice(text, names, target) ? NULL : "scores, softcap, masked or softmax";
}

static const char *parse_scale(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    if (!expected && *(float *)target == 0) { /* which to the library is the default */
        return "a number other than 0 (1/sqrt(head size) is used where --scale is left out)";
    }
    return expected;
}

static const char *parse_softcap(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    return !expected && *(float *)target < 0 ? "a number that is not negative" : expected;
}

static const char *parse_rope(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    return !expected && *(float *)target <= 1 ? "a number above 1" : expected;
}

static const char *parse_cache(const char *text, void *target)
{
    static const char *const names[] = {"f16", "bf16", "i8", NULL};
    int index;
    if (!read_choice(text, names, &index)) {
        return "f16, bf16 or i8";
    }
    *(int *)target = CACHE_F16 + index;
    return NULL;
}

static const char *parse_offset(const char *text, void *target)
{
    static const char *const names[] = {"bottom-right", "top-left", NULL};
    attend_options *options = target;
    int index;
    int64_t value = 0;
    if (read_choice(text, names, &index)) {
        options->offset.align = index ? CLATTN_TOP_LEFT : CLATTN_BOTTOM_RIGHT;
    } else if (read_integer(text, INT32_MIN, INT32_MAX, &value)) {
        options->offset.align = CLATTN_OFFSET;
    } else {
        return "bottom-right, top-left or a whole number of 32 bits";
    }
    options->offset.value = (int32_t)value;
    return NULL;
}

static const char *parse_window(const char *text, void *target)
{
    clattn_window *window = target;
    const char *comma = strchr(text, ',');
    char left[16];
    int64_t l, r;
    const size_t length = comma ? (size_t)(comma - text) : sizeof left;
    if (length < sizeof left) {
        memcpy(left, text, length);
        left[length] = '\0';
        if (read_integer(left, -1, INT32_MAX, &l) && read_integer(comma + 1, -1, INT32_MAX, &r)) {
            *window = (clattn_window){.on = true, .left = (int32_t)l, .right = (int32_t)r};
            return NULL;
        }
    }
    return "LEFT,RIGHT, two whole numbers from -1 (unbounded)";
}

/* ---- The table ------------------------------------------------------------------- */

#define HEADING(text)                                                                              \
    {                                                                                              \
        NULL, NULL, NULL, 0, text                                                                  \
    }
#define AT(member) offsetof(attend_options, member)
#define INPUT(name, slot, help)                                                                    \
    {                                                                                              \
        name, "F", parse_text, AT(in[slot]), help                                                  \
    }
#define OUTPUT(name, slot, help)                                                                   \
    {                                                                                              \
        name, "F", parse_text, AT(out[slot]), help                                                 \
    }

static const option_row rows[] = {
    HEADING("Query, key and value, each [B, H, N, D], [B, N, H, D] or [B, N, H*D]"),
    INPUT("q", IN_Q, "queries [B, Hq, Nq, D]"),
    INPUT("k", IN_K, "keys [B, Hkv, Nk, D]; Hkv divides Hq"),
    INPUT("v", IN_V, "values [B, Hkv, Nk, Dv]"),
    {"layout", "bhnd|bnhd", parse_layout, AT(layout_bnhd), "axes of 4-D arrays (default bhnd)"},
    {"heads", "N", parse_count, AT(heads), "Hq, needed by 3-D arrays and by --x"},
    {"kv-heads", "N", parse_count, AT(kv_heads), "Hkv (default: Hq)"},

    HEADING("Or a whole layer: an input and its weights, [out, in] as in checkpoints"),
    INPUT("x", IN_X, "input [B, Nq, E]"),
    INPUT("context", IN_CONTEXT, "source of keys and values [B, Nk, Ec] (default: x)"),
    INPUT("wq", IN_WQ, "[Hq*D, E]"),
    INPUT("wk", IN_WK, "[Hkv*D, Ec]"),
    INPUT("wv", IN_WV, "[Hkv*Dv, Ec]"),
    INPUT("wqkv", IN_WQKV, "instead of these three: all stacked in this order"),
    INPUT("bq", IN_BQ, "bias [Hq*D]; of --bq, --bk, --bv any may be left out"),
    INPUT("bk", IN_BK, "bias [Hkv*D]"),
    INPUT("bv", IN_BV, "bias [Hkv*Dv]"),
    INPUT("bqkv", IN_BQKV, "instead of these three, with --wqkv"),
    INPUT("wo", IN_WO, "output projection [Eout, Hq*Dv]"),
    INPUT("bo", IN_BO, "its bias [Eout]"),

    HEADING("What is computed"),
    {"type", "TYPE", parse_type, AT(type),
     "storage on the device: f32, f16 or bf16 (default: the input's)"},
    {"scale", "X", parse_scale, AT(scale), "of q.k (default 1/sqrt(D))"},
    {"softcap", "X", parse_softcap, AT(softcap), "s -> X tanh(s / X), before bias and mask"},
    {"causal", NULL, NULL, AT(causal), "a query sees keys up to its own position"},
    {"offset", "WHERE", parse_offset, 0,
     "position of query 0 among the keys: bottom-right (default: the\n"
     "last query at the last key), top-left (0) or a number"},
    {"window", "L,R", parse_window, AT(window),
     "keys seen before and after the position; -1 = unbounded"},
    INPUT("bias", IN_BIAS, "added to the scores; broadcast to [B, Hq, Nq, Nk] as numpy does"),
    INPUT("mask", IN_MASK, "boolean, broadcast likewise; true = visible"),
    INPUT("alibi", IN_ALIBI, "slopes [Hq]"),
    INPUT("sinks", IN_SINKS, "[Hq] a score per head that takes mass and has no value"),
    INPUT("kv-length", IN_KV_LENGTH, "i4 or i8 [B]: keys in use, 0 to Nk"),
    INPUT("past-k", IN_PAST_K, "rows put before those of --k"),
    INPUT("past-v", IN_PAST_V, "rows put before those of --v"),

    HEADING("Positions and caches, with --q, --k and --v"),
    {"rope", "BASE", parse_rope, AT(rope),
     "rotary positions first (10000 in most models): keys by their number,\n"
     "queries by their position among them"},
    {"rotary-dim", "N", parse_count, AT(rotary_dim), "of the first N columns only; even"},
    {"interleaved", NULL, NULL, AT(interleaved),
     "pairs of neighbouring columns (GPT-J, GGUF) instead of halves"},
    {"cache", "TYPE", parse_cache, AT(cache),
     "keys and values are kept as f16, bf16 or i8 and read from there"},
    {"page-rows", "N", parse_count, AT(page_rows), "and lie on pages of N rows"},

    HEADING("Results (.npy: f4, or f2 where --type is f16)"),
    OUTPUT("out", OUT_OUT, "result, in layout and rank of the input"),
    OUTPUT("lse", OUT_LSE, "f4 [B, Hq, Nq], or [B, Nq, Hq] with --layout bnhd"),
    OUTPUT("weights", OUT_WEIGHTS, "f4 [B, Hq, Nq, Nk]"),
    {"weights-stage", "STAGE", parse_stage, AT(weights_stage),
     "what these are: scores, softcap, masked or softmax (default)"},
    OUTPUT("present-k", OUT_PRESENT_K, "past and new keys joined, in type and layout of --k"),
    OUTPUT("present-v", OUT_PRESENT_V, "past and new values joined"),

    HEADING("Which sources got the attention"),
    INPUT("spans", IN_SPANS, "i4 or i8 [S+1]: rising cut points of the keys, from 0 to Nk"),
    OUTPUT("mass", OUT_MASS, "f4 [B, Hq, Nq, S]: attention by span; with --sinks one more column"),
    {"heatmap", "F.png", parse_text, AT(out[OUT_HEATMAP]),
     "softmax weights of batch 0 as a picture, a tile for each head;\n"
     "of long inputs a cell is several queries and keys"},
    {"heatmap-mean", NULL, NULL, AT(heatmap_mean), "one tile, the mean over heads"},
    {"tokens", "F", parse_text, AT(tokens), "its key labels, one token a line"},

    HEADING("How it is run"),
    {"kernel", "NAME", parse_text, AT(kernel), "this kernel or none ('clattn info' lists them)"},
    {"repeat", "N", parse_count, AT(repeat),
     "best time of N runs after a warm-up (default: one run)"},
};

static const command_line line = {
    .usage = "clattn attend --q F --k F --v F [options]\n"
             "       clattn attend --x F --wq F --wk F --wv F --heads N [options]",
    .about =
        "Scaled dot-product attention on arrays F: FILE.npy (f2, f4, f8, i1, i4, i8, b1, u1; C\n"
        "order) or FILE.safetensors:NAME (F32, F16, BF16).  Files are written when all is\n"
        "done, or not at all.  GFLOP/s counts the pairs that --causal, --window and\n"
        "--kv-length leave.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples =
        "  clattn attend --q q.npy --k k.npy --v v.npy --causal --out out.npy\n"
        "  clattn attend --q q.npy --k k.npy --v v.npy --heatmap a.png --tokens words.txt\n"
        "  clattn attend --x x.npy --heads 8 --wqkv m.safetensors:attn.in_proj_weight --out y.npy\n"
        "  clattn attend --q q.npy --k k.npy --v v.npy --type f16 --repeat 20 --json\n",
};

/* ---- Which options go together ----------------------------------------------------- */

struct pair {
    operand first, second;
};

static const struct pair needs[] = {
    /* the first needs the second */
    {IN_Q, IN_K},       {IN_Q, IN_V},           {IN_K, IN_Q},           {IN_V, IN_Q},
    {IN_PAST_K, IN_K},  {IN_PAST_K, IN_PAST_V}, {IN_PAST_V, IN_PAST_K}, {IN_CONTEXT, IN_X},
    {IN_WQ, IN_X},      {IN_WK, IN_X},          {IN_WV, IN_X},          {IN_WQKV, IN_X},
    {IN_WO, IN_X},      {IN_WQ, IN_WK},         {IN_WQ, IN_WV},         {IN_WK, IN_WQ},
    {IN_WV, IN_WQ},     {IN_BQ, IN_WQ},         {IN_BK, IN_WK},         {IN_BV, IN_WV},
    {IN_BQKV, IN_WQKV}, {IN_BO, IN_WO},
};

static const struct pair clashes[] = {{IN_X, IN_Q}, {IN_WQKV, IN_WQ}};

static int check_together(const attend_options *o)
{
    for (size_t i = 0; i < sizeof clashes / sizeof clashes[0]; i++) {
        if (o->in[clashes[i].first] && o->in[clashes[i].second]) {
            return wrong_usage("--%s and --%s exclude each other", operand_names[clashes[i].first],
                               operand_names[clashes[i].second]);
        }
    }
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        if (o->in[needs[i].first] && !o->in[needs[i].second]) {
            return wrong_usage("--%s needs --%s", operand_names[needs[i].first],
                               operand_names[needs[i].second]);
        }
    }
    if (!o->in[IN_Q] && !o->in[IN_X]) {
        return wrong_usage("an input is needed: --q, --k and --v, or --x and its weights");
    }
    if (o->in[IN_X] && !o->in[IN_WQ] && !o->in[IN_WQKV]) {
        return wrong_usage("--x needs --wq, --wk and --wv, or --wqkv");
    }
    if (o->in[IN_X] && !o->heads) {
        return wrong_usage("--x needs --heads");
    }
    for (int present = OUT_PRESENT_K; present <= OUT_PRESENT_V; present++) {
        if (o->out[present] && !o->in[IN_K]) {
            return wrong_usage("--%s needs --k and --v", result_names[present]);
        }
    }
    if ((o->rope > 0 || o->cache != CACHE_OF_INPUT || o->page_rows) && o->in[IN_X]) {
        return wrong_usage("--%s needs --q, --k and --v", o->rope > 0    ? "rope"
                                                          : o->page_rows ? "page-rows"
                                                                         : "cache");
    }
    if ((o->rotary_dim || o->interleaved) && o->rope <= 0) {
        return wrong_usage("--%s needs --rope", o->rotary_dim ? "rotary-dim" : "interleaved");
    }
    if (o->tokens && !o->out[OUT_HEATMAP]) {
        return wrong_usage("--tokens needs --heatmap");
    }
    if (o->heatmap_mean && !o->out[OUT_HEATMAP]) {
        return wrong_usage("--heatmap-mean needs --heatmap");
    }
    if (!o->in[IN_SPANS] != !o->out[OUT_MASS]) {
        return o->in[IN_SPANS] ? wrong_usage("--spans needs --mass")
                               : wrong_usage("--mass needs --spans");
    }
    if (o->weights_stage >= 0 && !o->out[OUT_WEIGHTS]) {
        return wrong_usage("--weights-stage needs --weights");
    }
    return EXIT_DONE;
}

bool attend_options_parse(int argc, char **argv, attend_options *options, int *status)
{
    *options = (attend_options){.weights_stage = -1};
    if (!options_parse(&line, argc, argv, options, status)) {
        return false;
    }
    *status = check_together(options);
    return *status == EXIT_DONE;
}
