/* clattn tokenize: texts as a model's tokens, and back. */
#include "commands.h"
#include "shared/options.h"
#include "shared/report.h"
#include "shared/texts.h"

#include <clattn/models/tokenizer.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct tokenize_options {
    common_options common;
    const char *model, *file, *system;
    int32_t max_length;
    bool lines, plain, chat, decode;
    text_list texts;
} tokenize_options;

#define AT(member) offsetof(tokenize_options, member)

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "What is tokenized"},
    {"model", "FILE.gguf|DIR", parse_text, AT(model),
     "a model with byte-level BPE in its metadata, or the directory of\n"
     "one with a WordPiece vocabulary, vocab.txt"},
    {"file", "F", parse_text, AT(file), "the text in a file, instead of TEXT"},
    {"lines", NULL, NULL, AT(lines), "each line of the file is a text of its own"},
    {NULL, NULL, NULL, 0, "How"},
    {"plain", NULL, NULL, AT(plain),
     "names of special tokens, like <|im_end|>, are text like any other\n"
     "(GGUF models; without, they are those tokens)"},
    {"chat", NULL, NULL, AT(chat),
     "the texts are messages of user and assistant in turn, put into the\n"
     "model's chat template (GGUF models of the ChatML family)"},
    {"system", "TEXT", parse_text, AT(system), "with --chat: the system's message before them"},
    {"max-length", "N", parse_count, AT(max_length),
     "at most so many tokens, [CLS] and [SEP] included (WordPiece)"},
    {NULL, NULL, NULL, 0, "The way back"},
    {"decode", NULL, NULL, AT(decode),
     "TEXT, or the file, holds token ids; prints the bytes that they\n"
     "stand for, and nothing else (GGUF models)"},
};

static const option_row word = {"TEXT", NULL, parse_list, AT(texts), NULL};

static const command_line line = {
    .usage = "clattn tokenize --model FILE.gguf|DIR TEXT...|--file F [options]",
    .about = "Shows a text as the tokens that a model reads: a line for each, with its number and\n"
             "the bytes that it stands for.  With --quiet a line for each text, of numbers alone.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples = "  clattn tokenize --model model.gguf \"Hello, world.\"\n"
                "  clattn tokenize --model model.gguf --chat \"How far is the moon?\"\n"
                "  clattn tokenize --model model.gguf --quiet --file book.txt > ids.txt\n"
                "  clattn tokenize --model model.gguf --decode --file ids.txt\n"
                "  clattn tokenize --model all-MiniLM-L6-v2 --max-length 128 -- \"-5 degrees\"\n",
    .word = &word,
    .many_words = true};

static bool sensible(const tokenize_options *o)
{
    const bool many = o->lines || o->plain || o->common.json || o->max_length;
    const usage_rule wrong[] = {
        {o->common.device || o->common.verbose,
         "--device and --verbose are for commands that use a device"},
        {!o->model, "--model is needed"},
        {(o->texts.count > 0) == (o->file != NULL), "TEXT or --file is needed, not both"},
        {o->lines && !o->file, "--lines is for --file"},
        {o->system && !o->chat, "--system is for --chat"},
        {o->chat && (o->lines || o->plain), "--chat goes with neither --lines nor --plain"},
        {o->decode && (many || o->chat),
         "--decode goes with none of --lines, --plain, --chat, --max-length and --json"},
    };
    return options_make_sense(wrong, sizeof wrong / sizeof *wrong);
}

/* ---- The model ---------------------------------------------------------------------- */

/* Byte-level BPE of a file, or WordPiece of a directory. */
typedef struct source {
    clattn_gguf *file; /* NULL = a directory */
    clattn_tokenizer *tokenizer;
} source;

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Of a failed call of the library. */
static bool refused(clattn_status status, reason *why)
{
    return status != CLATTN_OK && !refuse(why, "%s", clattn_error());
}

static bool open_directory(const tokenize_options *options, source *s, reason *why)
{
    const char *gguf_only = options->decode  ? "--decode"
                            : options->chat  ? "--chat"
                            : options->plain ? "--plain"
                                             : NULL;
    if (gguf_only) {
        return refuse(why, "%s is for GGUF models, not for a WordPiece vocabulary", gguf_only);
    }
    return !refused(clattn_tokenizer_open(options->model, &s->tokenizer), why);
}

static bool open_file(const tokenize_options *options, source *s, reason *why)
{
    if (refused(clattn_gguf_open(options->model, &s->file), why)) {
        return false;
    }
    if (options->max_length) {
        return refuse(why, "--max-length is for WordPiece vocabularies, not for GGUF models");
    }
    return !refused(clattn_tokenizer_create(s->file, &s->tokenizer), why) &&
           !(options->chat && refused(clattn_tokenizer_check_chat(s->tokenizer), why));
}

static void source_close(source *s)
{
    clattn_tokenizer_destroy(s->tokenizer);
    clattn_gguf_close(s->file);
}

static bool source_open(const tokenize_options *options, source *s)
{
    reason why;
    *s = (source){0};
    const bool opened = is_directory(options->model) ? open_directory(options, s, &why)
                                                     : open_file(options, s, &why);
    if (!opened) {
        fail("--model %s: %s", options->model, why.text);
        source_close(s);
    }
    return opened;
}

/* ---- Telling ------------------------------------------------------------------------- */

/* Characters that show as they are, all else as \n or \x1b; the caller frees. */
static char *shown(clattn_text piece)
{
    char *text = malloc(4 * piece.length + 1), *to = text;
    while (text && piece.length > 0) {
        int32_t code;
        const size_t bytes = next_character(piece, &code);
        const bool control = code < ' ' || (code >= 127 && code < 0xa0);
        if (code == '\n' || code == '\\') {
            to += sprintf(to, "%s", code == '\n' ? "\\n" : "\\\\");
        } else if (control) {
            for (size_t i = 0; i < bytes; i++) {
                to += sprintf(to, "\\x%02x", (unsigned char)piece.bytes[i]);
            }
        } else {
            memcpy(to, piece.bytes, bytes);
            to += bytes;
        }
        piece = (clattn_text){piece.bytes + bytes, piece.length - bytes};
    }
    if (text) {
        *to = '\0';
    }
    return text;
}

static bool tell_json(const source *t, const clattn_ids *list, size_t lost, cJSON *told)
{
    cJSON *one = cJSON_CreateObject();
    cJSON_AddItemToArray(told, one);
    cJSON *numbers = cJSON_AddArrayToObject(one, "ids");
    cJSON *pieces = cJSON_AddArrayToObject(one, "pieces");
    cJSON_AddNumberToObject(one, "lost", (double)lost);
    for (size_t i = 0; i < list->count; i++) {
        char *text = shown(clattn_tokenizer_piece(t->tokenizer, list->items[i]));
        cJSON *piece = text ? cJSON_CreateString(text) : NULL;
        free(text);
        if (!piece || !cJSON_AddItemToArray(pieces, piece) ||
            !cJSON_AddItemToArray(numbers, cJSON_CreateNumber(list->items[i]))) {
            fail("out of memory");
            return false;
        }
    }
    return true;
}

static bool tell_pieces(const source *t, const clattn_ids *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *text = shown(clattn_tokenizer_piece(t->tokenizer, list->items[i]));
        if (!text) {
            fail("out of memory");
            return false;
        }
        printf("%7" PRId32 "  \"%s\"\n", list->items[i], text);
        free(text);
    }
    return true;
}

static void tell_ids(const clattn_ids *list)
{
    for (size_t i = 0; i < list->count; i++) {
        printf("%s%" PRId32, i ? " " : "", list->items[i]);
    }
    putchar('\n');
}

/* told: where JSON is collected; NULL = as lines. */
static bool tell(const source *t, const tokenize_options *options, const clattn_ids *list,
                 size_t lost, cJSON *told)
{
    if (told) {
        return tell_json(t, list, lost, told);
    }
    if (lost) {
        note("%zu bytes have no token in this vocabulary and are left out", lost);
    }
    if (options->common.quiet) {
        tell_ids(list);
        return true;
    }
    return tell_pieces(t, list);
}

/* ---- Texts ------------------------------------------------------------------------------ */

/* At most so many, of which the last stays: WordPiece's [SEP]. */
static bool cut_off(clattn_ids *list, size_t most)
{
    if (most < 2) {
        fail("there is no room for [CLS] and [SEP]");
        return false;
    }
    if (list->count > most) {
        list->items[most - 1] = list->items[list->count - 1];
        list->count = most;
    }
    return true;
}

static bool encode(const source *t, const tokenize_options *options, clattn_text text, cJSON *told)
{
    clattn_ids list = {0};
    size_t lost = 0;
    const unsigned flags = CLATTN_ENCODE_WHOLE | (options->plain ? 0 : CLATTN_ENCODE_SPECIAL);
    bool done = clattn_tokenizer_encode(t->tokenizer, text.bytes, text.length, flags, &list,
                                        &lost) == CLATTN_OK;
    if (!done) {
        fail("%s", clattn_error());
    }
    done = done && (!options->max_length || cut_off(&list, (size_t)options->max_length)) &&
           tell(t, options, &list, lost, told);
    clattn_ids_free(&list);
    return done;
}

static bool encode_chat(const source *t, const tokenize_options *options, const char *const *texts,
                        int count, cJSON *told)
{
    clattn_ids list = {0};
    size_t lost = 0;
    clattn_chat_message messages[TEXT_LIST_MAX + 1];
    size_t used = 0;
    if (options->system) {
        messages[used++] = (clattn_chat_message){"system", options->system};
    }
    for (int i = 0; i < count; i++) {
        messages[used++] = (clattn_chat_message){i % 2 ? "assistant" : "user", texts[i]};
    }
    bool done =
        clattn_tokenizer_encode_chat(t->tokenizer, messages, used, &list, &lost) == CLATTN_OK;
    if (!done) {
        fail("%s", clattn_error());
    }
    done = done && tell(t, options, &list, lost, told);
    clattn_ids_free(&list);
    return done;
}

/* One after the other; NULL = the texts of the command line. */
static bool encode_all(const source *t, const tokenize_options *options, const char *text,
                       size_t bytes, cJSON *told)
{
    bool done = true;
    if (options->chat) {
        return encode_chat(t, options, text ? &text : options->texts.items,
                           text ? 1 : options->texts.count, told);
    }
    if (!text) {
        for (int i = 0; done && i < options->texts.count; i++) {
            const char *item = options->texts.items[i];
            done = encode(t, options, (clattn_text){item, strlen(item)}, told);
        }
        return done;
    }
    if (!options->lines) {
        return encode(t, options, (clattn_text){text, bytes}, told);
    }
    while (done && bytes > 0) {
        const char *end = memchr(text, '\n', bytes);
        const size_t length = end ? (size_t)(end - text) : bytes;
        done = encode(t, options, (clattn_text){text, length}, told);
        bytes -= end ? length + 1 : length;
        text += end ? length + 1 : length;
    }
    return done;
}

/* ---- And back ---------------------------------------------------------------------------- */

/* Ids are between spaces, commas, brackets and line ends. */
static bool decode(const source *t, const char *text)
{
    static const char between[] = " ,[]\t\r\n";
    const int32_t last = clattn_tokenizer_count(t->tokenizer) - 1;
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        char number[16];
        int64_t id;
        const size_t length = strcspn(text, between);
        snprintf(number, sizeof number, "%.*s", (int)(length < 15 ? length : 15), text);
        if (length > 15 || !read_integer(number, 0, last, &id)) {
            fail("--decode: '%s' is no token, they are 0 to %" PRId32, number, last);
            return false;
        }
        const clattn_text piece = clattn_tokenizer_piece(t->tokenizer, (int32_t)id);
        fwrite(piece.bytes, 1, piece.length, stdout);
        text += length;
    }
    return true;
}

static bool decode_all(const source *t, const tokenize_options *options, const char *text)
{
    bool done = !text || decode(t, text);
    for (int i = 0; done && i < options->texts.count; i++) {
        done = decode(t, options->texts.items[i]);
    }
    return done;
}

static bool run(const source *t, const tokenize_options *options)
{
    reason why;
    size_t bytes = 0;
    char *text = options->file ? file_text(options->file, &bytes, &why) : NULL;
    if (options->file && !text) {
        fail("--file %s: %s", options->file, why.text);
        return false;
    }
    cJSON *root = options->common.json ? cJSON_CreateObject() : NULL;
    cJSON *told = root ? cJSON_AddArrayToObject(root, "texts") : NULL;
    bool done =
        options->decode ? decode_all(t, options, text) : encode_all(t, options, text, bytes, told);
    if (done && options->common.json) {
        done = report_print(root);
    } else {
        cJSON_Delete(root);
    }
    free(text);
    return done;
}

int cmd_tokenize(int argc, char **argv)
{
    static tokenize_options options; /* its list of texts is large */
    int status;
    source t;
    if (!options_parse(&line, argc, argv, &options, &status)) {
        return status;
    }
    if (!sensible(&options)) {
        return EXIT_USAGE;
    }
    if (!source_open(&options, &t)) {
        return EXIT_FAILED;
    }
    const bool done = run(&t, &options);
    source_close(&t);
    return done ? EXIT_DONE : EXIT_FAILED;
}
