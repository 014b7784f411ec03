/* clattn attend: one attention, or a whole attention layer, on arrays from files. */
#include "attend.h"
#include "commands.h"
#include "heatmap.h"
#include "shared/output.h"
#include "shared/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- Files ---------------------------------------------------------------------- */

/* Before any work is done. */
static bool check_outputs(const attend_options *options, output_set *files)
{
    reason why;
    for (int i = 0; i < RESULTS; i++) {
        if (options->out[i] && !output_add(files, options->out[i], &why)) {
            fail("--%s %s: %s", result_names[i], options->out[i], why.text);
            return false;
        }
    }
    return true;
}

static bool check_heatmap(const attend_options *options, const attend_inputs *inputs, labels *keys)
{
    reason why;
    if (!options->out[OUT_HEATMAP]) {
        return true;
    }
    if (inputs->batch == 0 || inputs->n_q == 0 || inputs->n_k == 0) {
        fail("--heatmap: nothing to draw, the batch, queries or keys are empty");
        return false;
    }
    if (inputs->query_heads > HEATMAP_MAX_HEADS && !options->heatmap_mean) {
        fail("--heatmap: %d heads do not fit in one picture, %d do; --heatmap-mean joins them",
             inputs->query_heads, HEATMAP_MAX_HEADS);
        return false;
    }
    if (options->tokens && !labels_load(options->tokens, keys, &why)) {
        fail("--tokens %s: %s", options->tokens, why.text);
        return false;
    }
    if (options->tokens && (int64_t)keys->lines.count != inputs->n_k) {
        fail("--tokens %s: %zu lines where there are %" PRId64 " keys", options->tokens,
             keys->lines.count, inputs->n_k);
        return false;
    }
    return true;
}

static bool write_array(FILE *file, const clattn_array *a, reason *why)
{
    return clattn_array_write_npy(file, a) == CLATTN_OK || refuse(why, "%s", clattn_error());
}

static bool write_file(const attend_options *options, const attend_inputs *inputs,
                       const attend_results *results, const labels *keys, result slot, FILE *file,
                       reason *why)
{
    if (slot == OUT_PRESENT_K || slot == OUT_PRESENT_V) {
        return write_array(file, &inputs->present[slot - OUT_PRESENT_K], why);
    }
    if (slot != OUT_HEATMAP) {
        return write_array(file, &results->out[slot], why);
    }
    const heatmap map = {.mass = &results->out[OUT_HEATMAP],
                         .keys = inputs->n_k,
                         .heads = inputs->query_heads,
                         .mean = options->heatmap_mean,
                         .batch = inputs->batch,
                         .tokens = options->tokens ? keys : NULL,
                         .label_queries = !options->in[IN_CONTEXT] && inputs->n_q == inputs->n_k};
    return heatmap_write(file, &map, why);
}

static bool write_all(const attend_options *options, const attend_inputs *inputs,
                      const attend_results *results, const labels *keys, output_set *files)
{
    reason why;
    for (int i = 0; i < RESULTS; i++) {
        const char *path = options->out[i];
        if (!path) {
            continue;
        }
        FILE *file = output_begin(files, path, &why);
        if (!file || !write_file(options, inputs, results, keys, (result)i, file, &why) ||
            !output_end(files, path, &why)) {
            fail("--%s %s: %s", result_names[i], path, why.text);
            return false;
        }
    }
    if (!output_commit(files, &why)) {
        fail("%s", why.text);
        return false;
    }
    return true;
}

/* ---- What is told ------------------------------------------------------------------ */

typedef struct summary {
    double sum, absmax; /* NaN if one is in there */
} summary;

static summary summarize(const clattn_array *a)
{
    summary s = {0, 0};
    const int64_t count = clattn_array_count(a);
    for (int64_t i = 0; i < count; i++) {
        const double x = clattn_array_get(a, i);
        s.sum += x;
        if (!(fabs(x) <= s.absmax)) { /* also taken for NaN, and then never again: */
            s.absmax = isnan(s.absmax) ? s.absmax : fabs(x);
        }
    }
    return s;
}

static bool report_json(const attend_inputs *inputs, const attend_results *results)
{
    const clattn_array *out = &results->out[OUT_OUT];
    const summary s = summarize(out);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", results->device);
    cJSON_AddStringToObject(root, "kernel", results->kernel);
    cJSON_AddStringToObject(root, "type", clattn_type_name(inputs->type));
    cJSON_AddNumberToObject(root, "ms", results->ms);
    cJSON_AddNumberToObject(root, "gflops", results->gflops);
    cJSON *told = cJSON_AddObjectToObject(root, "out");
    cJSON *shape = cJSON_AddArrayToObject(told, "shape");
    for (int i = 0; i < out->rank; i++) {
        cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)out->shape[i]));
    }
    cJSON_AddNumberToObject(told, "sum", s.sum);
    cJSON_AddNumberToObject(told, "absmax", s.absmax);
    return report_print(root);
}

static void report_text(const attend_options *options, const attend_inputs *inputs,
                        const attend_results *results)
{
    const clattn_array *out = &results->out[OUT_OUT];
    const summary s = summarize(out);
    char text[CLATTN_SHAPE_BYTES];
    printf("%s on %s\n", results->kernel, results->device);
    printf("out %s %s, sum %.9g, largest magnitude %.9g\n",
           clattn_shape_text(out->rank, out->shape, text), clattn_type_name(inputs->type), s.sum,
           s.absmax);
    printf("%.3f ms, %.2f GFLOP/s", results->ms, results->gflops);
    if (options->repeat) {
        printf(" (best of %d after a warm-up)\n", options->repeat);
    } else {
        printf(" (one run, not warmed up; --repeat N measures)\n");
    }
}

/* ---- All of it ---------------------------------------------------------------------- */

int cmd_attend(int argc, char **argv)
{
    int status;
    attend_options options;
    attend_inputs inputs = {.layer = false};
    attend_results results = {.ms = 0};
    output_set files = {.count = 0};
    labels keys = {0};
    if (!attend_options_parse(argc, argv, &options, &status)) {
        return status;
    }

    bool done = check_outputs(&options, &files) && attend_inputs_load(&options, &inputs) &&
                check_heatmap(&options, &inputs, &keys) &&
                attend_run(&options, &inputs, &results) &&
                write_all(&options, &inputs, &results, &keys, &files);
    if (done && options.common.json) {
        done = report_json(&inputs, &results);
    } else if (done && !options.common.quiet) {
        report_text(&options, &inputs, &results);
    }

    labels_free(&keys);
    output_free(&files);
    attend_results_free(&results);
    attend_inputs_free(&inputs);
    return done ? EXIT_DONE : EXIT_FAILED;
}
