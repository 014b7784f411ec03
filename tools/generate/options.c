#include "options.h"

#include "shared/message.h"

#include <clattn/models/sources.h>

#include <float.h>

static const char *parse_temperature(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    return expected ? expected : *(float *)target >= 0 ? NULL : "a number that is not negative";
}

static const char *parse_share(const char *text, void *target)
{
    const char *expected = parse_float(text, target);
    const float value = *(float *)target;
    return expected ? expected : value >= 0 && value <= 1 ? NULL : "a number from 0 to 1";
}

static const char *parse_seed(const char *text, void *target)
{
    int64_t value;
    if (!read_integer(text, 0, INT64_MAX, &value)) {
        return "a whole number that is not negative";
    }
    *(uint64_t *)target = (uint64_t)value;
    return NULL;
}

static const char *parse_method(const char *text, void *target)
{
    const char *methods[CLATTN_SOURCES_ROLLOUT + 2] = {NULL};
    for (int i = 0; i <= CLATTN_SOURCES_ROLLOUT; i++) {
        methods[i] = clattn_sources_method_name((clattn_sources_method)i);
    }
    return read_choice(text, methods, target) ? NULL : "attention, value or rollout";
}

#define AT(member) offsetof(generate_options, member)

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "What it goes on with"},
    {"model", "FILE.gguf", parse_text, AT(model), "a model of the llama architecture"},
    {"prompt", "TEXT", parse_text, AT(prompt), "the text before"},
    {"context", "FILE", parse_list, AT(documents),
     "a document that the prompt is about; may be given many times.  They\n"
     "come before it, in their order, an empty line after each"},
    {"chat", NULL, NULL, AT(chat),
     "documents and prompt are a user's message, put into the model's chat\n"
     "template (ChatML family)"},
    {"system", "TEXT", parse_text, AT(system),
     "with --chat: the system's message (default: the template's)"},
    {NULL, NULL, NULL, 0, "How"},
    {"-n", "N", parse_count, AT(count),
     "at most so many tokens (default 256); it ends earlier where the model\n"
     "ends the text"},
    {"temp", "X", parse_temperature, AT(how.temperature),
     "temperature; 0 takes the most likely token each time (default)"},
    {"top-k", "N", parse_count, AT(how.top_k), "only of the N most likely tokens"},
    {"top-p", "X", parse_share, AT(how.top_p),
     "only of the most likely ones that together have probability X"},
    {"min-p", "X", parse_share, AT(how.min_p),
     "only those at least X times as likely as the most likely one"},
    {"seed", "N", parse_seed, AT(how.seed), "of the random choice (default 0)"},
    {"answer", "TEXT", parse_text, AT(answer),
     "this text as the answer, instead of one of the model's own: for its\n"
     "logits and what it is attributed to"},
    {NULL, NULL, NULL, 0, "What is told"},
    {"attribute", "FILE.html", parse_text, AT(attribute),
     "a report of how the answer's attention was divided over documents and\n"
     "passages; the same as JSON in FILE.json, a table of it on stderr"},
    {"attribute-by", "WHAT", parse_method, AT(attribute_by),
     "attention (default): weights; value: weights times the values' norms;\n"
     "rollout: through all layers"},
    {"stats", NULL, NULL, AT(stats), "tokens per second of prompt and answer, on stderr"},
    {"dump-logits", "FILE.npy", parse_text, AT(dump),
     "the logits behind every token, f4 [prompt + generated, vocabulary]"},
};

static const command_line line = {
    .usage = "clattn generate --model FILE.gguf --prompt TEXT [options]",
    .about =
        "Lets a language model go on with a text.  Weights stay in the file's type on the device.\n"
        "The text goes to stdout while it comes, after the prompt; with --quiet without it.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples =
        "  clattn generate --model model.gguf --prompt \"Once upon a time\" -n 50\n"
        "  clattn generate --model model.gguf --chat --prompt \"Why is the sky blue?\"\n"
        "  clattn generate --model model.gguf --chat --context a.txt --context b.txt \\\n"
        "      --prompt \"Who wrote the letter?\" --quiet --stats\n"
        "  clattn generate --model model.gguf --prompt \"A poem:\" --temp 0.8 --min-p 0.05\n",
};

static bool sensible(const generate_options *o)
{
    const usage_rule wrong[] = {
        {!o->model, "--model is needed"},
        {!o->prompt, "--prompt is needed"},
        {o->system && !o->chat, "--system is for --chat"},
        {o->attribute_by && !o->attribute, "--attribute-by is for --attribute"},
        {o->answer && (o->count || o->how.temperature > 0),
         "with --answer there is nothing to choose by -n or --temp"},
        {o->how.temperature <= 0 &&
             (o->how.top_k || o->how.top_p < 1 || o->how.min_p > 0 || o->how.seed),
         "--top-k, --top-p, --min-p and --seed are for a --temp above 0"},
    };
    return options_make_sense(wrong, sizeof wrong / sizeof *wrong);
}

bool generate_options_parse(int argc, char **argv, generate_options *options, int *status)
{
    *options = (generate_options){.how = {.top_p = 1}};
    if (!options_parse(&line, argc, argv, options, status)) {
        return false;
    }
    if (!sensible(options)) {
        *status = EXIT_USAGE;
        return false;
    }
    /* Nothing but the most likely token is in a share of 0, where the library's 0 is no limit. */
    options->how.top_p = options->how.top_p > 0 ? options->how.top_p : FLT_MIN;
    return true;
}
