/* clattn info: devices, what was found out about them, kernels chosen and refused. */
#include "check/check.h"
#include "commands.h"
#include "shared/facts.h"
#include "shared/message.h"
#include "shared/report.h"
#include "shared/session.h"
#include "shared/workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct info_options {
    common_options common;
} info_options;

static const command_line line = {
    .usage = "clattn info [options]",
    .about =
        "Lists the OpenCL devices of this machine (or the one of --device), what was found out\n"
        "about each, and for a few usual operations the kernel that would be chosen, with its\n"
        "parameters, and the reason why others would not.",
    .examples = "  clattn info\n"
                "  clattn info --device pocl --json\n",
};

/* ---- Operations asked about ----------------------------------------------------------- */

typedef struct question {
    const char *name;
    const char *line; /* a case */
} question;

static const question questions[] = {
    {"attention, f32, head size 64", "attention --heads 8 --head-dim 64"},
    {"attention, f16, head size 64, causal",
     "attention --heads 8 --head-dim 64 --type f16 --causal"},
    {"attribution, f32, head size 64, causal",
     "attribution --heads 8 --head-dim 64 --causal --spans 8"},
    {"rollout, f32", "rollout --rows 8"},
    {"project, f32, 512 to 512", "project --in 512 --out 512"},
    {"ffn, f32, SwiGLU, 512 to 1408", "ffn --in 512 --hidden 1408 --activation swiglu"},
    {"moe, f32, SwiGLU, 2 of 8", "moe --experts 8 --k 2 --activation swiglu"},
    {"norm, f32, RMS", "norm --rms --weight"},
    {"rope, f32, head size 128", "rope --head-dim 128"},
    {"activation, f32, SwiGLU", "activation --kind swiglu"},
    {"embed, f16", "embed --type f16"},
    {"softmax, f32", "softmax"},
    {"topk, f32, 64 of a row", "topk --k 64"},
    {"additive, f32, hidden size 64", "additive --heads 8 --head-dim 64"},
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

typedef struct parameters {
    char text[160]; /* "" = the kernel has none */
    bool tuned;
} parameters;

/* The one in use comes first. */
static void take_first(void *user, const clattn_candidate *candidate)
{
    parameters *p = user;
    if (candidate->in_use) {
        snprintf(p->text, sizeof p->text, "%s", candidate->params);
        p->tuned = !candidate->built_in;
    }
}

static parameters parameters_of(const struct test_case *c, clattn_context *context,
                                const char *kernel)
{
    parameters p = {"", false};
    workload w;
    reason why;
    if (workload_describe(&w, c, &why) && w.kind->candidates) {
        w.kind->candidates(&w, context, kernel, take_first, &p);
    }
    return p;
}

/* ---- Kernels ------------------------------------------------------------------------------ */

/* Variants come best first: the first that is not refused is the one chosen. */
typedef struct listing {
    clattn_context *context;
    struct test_case asked;
    cJSON *variants; /* NULL = text */
    bool chosen;
} listing;

static void print_variant(const char *state, const char *kernel, const char *refusal,
                          const parameters *p)
{
    if (refusal) {
        printf("    %-8s %s: %s\n", state, kernel, refusal);
    } else if (p->text[0]) {
        printf("    %-8s %-22s %s%s\n", state, kernel, p->text, p->tuned ? ", tuned" : "");
    } else {
        printf("    %-8s %s\n", state, kernel);
    }
}

static void list_variant(void *user, const char *kernel, const char *refusal)
{
    listing *list = user;
    const char *state = refusal ? "refused" : list->chosen ? "fits" : "chosen";
    parameters p = {"", false};
    if (!refusal) {
        p = parameters_of(&list->asked, list->context, kernel);
    }
    list->chosen = list->chosen || !refusal;
    if (!list->variants) {
        print_variant(state, kernel, refusal, &p);
        return;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "kernel", kernel);
    cJSON_AddStringToObject(json, "state", state);
    if (refusal) {
        cJSON_AddStringToObject(json, "reason", refusal);
    } else {
        cJSON_AddStringToObject(json, "params", p.text);
        cJSON_AddBoolToObject(json, "tuned", p.tuned);
    }
    cJSON_AddItemToArray(list->variants, json);
}

static bool list_kernels(clattn_context *context, cJSON *device)
{
    cJSON *ops = device ? cJSON_AddArrayToObject(device, "ops") : NULL;
    for (int i = 0; i < QUESTIONS; i++) {
        listing list = {.context = context};
        char why[256];
        case_parse(questions[i].line, NULL, &list.asked, why, sizeof why); /* they are cases */
        if (device) {
            cJSON *op = cJSON_CreateObject();
            cJSON_AddStringToObject(op, "op", questions[i].name);
            list.variants = cJSON_AddArrayToObject(op, "kernels");
            cJSON_AddItemToArray(ops, op);
        } else {
            printf("  %s\n", questions[i].name);
        }
        if (check_op_named(list.asked.op)->variants(context, &list.asked, list_variant, &list) !=
            CLATTN_OK) {
            fail("%s: %s", questions[i].name, clattn_error());
            return false;
        }
    }
    return true;
}

/* ---- Devices -------------------------------------------------------------------------------- */

static bool show_device(const info_options *options, cl_device_id id, size_t number, cJSON *list)
{
    session s;
    if (!session_open(&s, &options->common, id, NULL)) {
        return false;
    }
    cJSON *device = NULL;
    if (list) {
        device = cJSON_CreateObject();
        cJSON_AddNumberToObject(device, "number", (double)number);
        facts_add(device, s.facts);
        cJSON_AddItemToArray(list, device);
    } else {
        printf("%s%zu: %s\n", number ? "\n" : "", number, s.facts->name);
        facts_print(s.facts);
    }
    const bool done = list_kernels(s.context, device);
    session_close(&s);
    return done;
}

/* All devices, or the wanted one; a broken one does not hide the others. */
static bool show_devices(const info_options *options, const cl_device_id *ids, size_t count,
                         cl_device_id wanted, cJSON *list)
{
    bool done = true;
    for (size_t i = 0; i < count; i++) {
        if (!wanted || ids[i] == wanted) {
            done = show_device(options, ids[i], i, list) && done;
        }
    }
    return done;
}

int cmd_info(int argc, char **argv)
{
    info_options options = {.common = {NULL, false, false, false}};
    int status;
    if (!options_parse(&line, argc, argv, &options, &status)) {
        return status;
    }

    cl_device_id wanted;
    size_t count = 0;
    if (!session_find(&options.common, &wanted)) {
        return EXIT_FAILED;
    }
    if (clattn_device_list(NULL, 0, &count) != CLATTN_OK) {
        return fail("listing devices: %s", clattn_error());
    }
    cl_device_id *ids = calloc(count ? count : 1, sizeof *ids);
    if (!ids) {
        return fail("out of memory");
    }
    bool done = clattn_device_list(ids, count, &count) == CLATTN_OK;
    if (!done) {
        fail("listing devices: %s", clattn_error());
    }

    cJSON *root = options.common.json ? cJSON_CreateObject() : NULL;
    cJSON *list = root ? cJSON_AddArrayToObject(root, "devices") : NULL;
    if (done) {
        done = show_devices(&options, ids, count, options.common.device ? wanted : NULL, list);
    }
    if (root) {
        done = report_print(root) && done;
    }
    free(ids);
    return done ? EXIT_DONE : EXIT_FAILED;
}
